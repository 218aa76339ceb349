package wire

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Compression says when content is compressed. A frame that shrinks by less than a
// sixteenth is sent as it is in any case.
type Compression int

// The compressions.
const (
	CompressSlow   Compression = iota // while a long line, or the rate limit, is the slower side
	CompressAlways                    // all content
	CompressNever                     // none
)

const (
	minCompress = 256 // length in bytes from which a payload is worth compressing

	// Up to slowLine bytes per second one core has something to spare: it compresses more
	// than that. Up to verySlow it has for a better level, which takes twice the time.
	slowLine  = 64 << 20
	verySlow  = 6 << 20
	pressSpan = 250 * time.Millisecond // that the line is measured over
)

// press compresses content where that pays: a frame that finds others in the queue waits
// for the line anyway, as does each one under a rate limit. Else only a long line counts:
// near by it is the other end that is slower, or this one, and both have less to do without.
type press struct {
	long  atomic.Bool // the line is long
	level int         // of zstd that is asked for, before anything is sent; 0: what suits the line

	mu   sync.Mutex
	from time.Time // of the measure in progress; zero before the first frame
	sent int64     // bytes in it
	rate float64   // the last measure, in bytes per second; 0 for none

	levels [2]*zstd.Encoder // nil until needed: of the usual level and of the better one
}

// count notes a frame of n bytes that is sent.
func (p *press) count(n int, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.from.IsZero() {
		p.from = now
	}
	p.sent += int64(n)
	if took := now.Sub(p.from); took >= pressSpan {
		p.rate = float64(p.sent) / took.Seconds()
		p.from, p.sent = now, 0
	}
}

// slow reports whether so little is carried that what waits for it should be compressed.
func (p *press) slow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate > 0 && p.rate < slowLine
}

// encoder returns the encoder for what the line carries.
func (p *press) encoder() (*zstd.Encoder, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, level := 0, zstd.SpeedDefault
	if p.long.Load() && p.rate > 0 && p.rate < verySlow {
		i, level = 1, zstd.SpeedBetterCompression
	}
	if p.level != 0 {
		i, level = 0, zstd.EncoderLevelFromZstd(p.level)
	}
	if p.levels[i] == nil {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(MaxFrame),
			zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		p.levels[i] = e
	}
	return p.levels[i], nil
}

// squeezes reports whether a frame shall be compressed.
func (c *Conn) squeezes(f *Buffer) bool {
	switch {
	case len(f.B)-headerSize < minCompress:
		return false
	case f.typ.squeeze():
		return true
	case !f.typ.bulk():
		return false
	case c.cfg.Compress == CompressSlow:
		return (c.cfg.RateLimit != nil || c.press.long.Load() && len(c.bulk) > 0) && c.press.slow()
	}
	return c.cfg.Compress == CompressAlways
}

// compress returns f compressed, or nil where that saves less than a sixteenth.
func (c *Conn) compress(f *Buffer) (*Buffer, error) {
	enc, err := c.press.encoder()
	if err != nil {
		return nil, err
	}
	g := c.Buffer(f.typ)
	g.B = appendUint(g.B, uint64(len(f.B)-headerSize))
	g.B = enc.EncodeAll(f.B[headerSize:], g.B)
	if len(g.B) > len(f.B)-len(f.B)/16 {
		c.Discard(g)
		return nil, nil
	}
	return g, nil
}

// decompress replaces the payload of f. The memory that is taken is what the
// frame announces, at most MaxFrame; the decoder does not write beyond it,
// however many zstd frames the payload holds.
func (c *Conn) decompress(f *Frame) ([]byte, error) {
	d := Dec{b: f.payload}
	n := d.uvarint(MaxFrame)
	if d.err != nil {
		return nil, d.err
	}
	var home *[]byte
	var dst []byte
	if n <= smallFrame || n > bufferSize+headerSize { // who keeps a little of it must not keep a buffer
		dst = make([]byte, 0, max(n, 1))
	} else {
		home = c.pool.Get().(*[]byte)
		dst = (*home)[:0]
	}
	out, err := c.dec.DecodeAll(d.b, dst)
	if err != nil || uint64(len(out)) != n {
		if home != nil {
			c.pool.Put(home)
		}
		return nil, protocolError("compressed frame does not hold the %d bytes announced (%v)", n, err)
	}
	f.Release()
	f.home, f.payload, f.flags = home, out, 0
	return out, nil
}
