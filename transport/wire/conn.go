package wire

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Config adjusts a [Conn]. The zero value neither compresses nor times out.
type Config struct {
	Compress  bool                                   // compress content where it shrinks; what arrives compressed is always read
	Timeout   time.Duration                          // end the connection when nothing has arrived, or could be written, for so long; 0: never
	RateLimit func(ctx context.Context, n int) error // waits until n bytes of content may be sent; nil for no limit
}

// Conn carries messages over a byte stream. Send, SendBuffer and Buffer may be
// called from any goroutine; Next from one. The stream is closed by Close, or
// when the connection fails; whatever waits then gets the error.
type Conn struct {
	cfg   Config
	rw    io.ReadWriteCloser
	br    *bufio.Reader
	pool  sync.Pool
	ctl   chan *Buffer // control frames, sent before bulk
	bulk  chan *Buffer
	drain chan chan struct{} // requests to be told when all frames before are written
	dead  chan struct{}      // closed by fail
	once  sync.Once
	cause error // why dead was closed; read after dead
	wg    sync.WaitGroup
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	last  atomic.Int64 // time of the last arrival, for the timeout
	busy  atomic.Int64 // start of the write in progress, 0 for none
	in    atomic.Int64
	out   atomic.Int64
}

// Queue lengths: enough bulk frames to keep the line busy while the next are
// made, few enough that they hold little memory and that control is not late.
const (
	ctlQueue  = 256
	bulkQueue = 6
)

// lastWords is how long the reader may go on after writing has failed.
const lastWords = 2 * time.Second

// New returns a Conn over rw, which it owns from now on. Start begins to write.
func New(rw io.ReadWriteCloser, cfg Config) (*Conn, error) {
	c := &Conn{
		rw:    rw,
		br:    bufio.NewReaderSize(rw, bufferSize),
		ctl:   make(chan *Buffer, ctlQueue),
		bulk:  make(chan *Buffer, bulkQueue),
		drain: make(chan chan struct{}),
		dead:  make(chan struct{}),
	}
	c.pool.New = func() any { b := make([]byte, bufferSize+headerSize); return &b }
	var err error
	if c.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxFrame), zstd.WithDecoderMaxWindow(8<<20)); err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	if c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(MaxFrame), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false), zstd.WithAllLitEntropyCompression(true)); err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	c.Configure(cfg)
	return c, nil
}

// Configure changes the configuration; it must be called before Start.
func (c *Conn) Configure(cfg Config) { c.cfg = cfg }

// Start begins to write frames and to watch the timeout. The goroutines end
// when the connection fails or is closed; Close waits for them.
func (c *Conn) Start() {
	c.last.Store(time.Now().UnixNano())
	c.wg.Go(func() {
		if err := c.writeLoop(); err != nil {
			// The far side may have said why before it closed: the reader gets
			// a moment to find that.
			wait := time.NewTimer(lastWords)
			defer wait.Stop()
			select {
			case <-c.dead:
			case <-wait.C:
			}
			c.fail(err)
		}
	})
	if c.cfg.Timeout > 0 {
		c.wg.Go(c.watch)
	}
}

// Buffer returns an empty frame of a bulk type to append to; up to [BulkSize]
// bytes of content and its header fit without growing.
func (c *Conn) Buffer(t Type) *Buffer {
	home := c.pool.Get().(*[]byte)
	return &Buffer{B: append((*home)[:0], make([]byte, headerSize)...), typ: t, home: home}
}

// Discard gives the memory of a frame back that will not be sent.
func (c *Conn) Discard(f *Buffer) {
	if f.home != nil {
		c.pool.Put(f.home)
		f.home = nil
	}
}

// Send encodes m and queues it. Control messages go before bulk.
func (c *Conn) Send(ctx context.Context, m Msg) error {
	f := &Buffer{B: m.append(make([]byte, headerSize, headerSize+64)), typ: m.Type()}
	return c.SendBuffer(ctx, f)
}

// SendBuffer queues a frame and takes its memory over. It blocks while the
// queue is full.
func (c *Conn) SendBuffer(ctx context.Context, f *Buffer) error {
	n := len(f.B) - headerSize
	if n > MaxFrame {
		c.Discard(f)
		return fmt.Errorf("wire: frame of %d bytes exceeds %d", n, MaxFrame)
	}
	bulk := f.typ.bulk()
	var flags byte
	if n >= 256 && (f.typ.squeeze() || bulk && c.cfg.Compress) {
		if g := c.compress(f); g != nil {
			c.Discard(f)
			f, flags = g, flagZstd
		}
	}
	binary.BigEndian.PutUint32(f.B, uint32(len(f.B)-headerSize))
	f.B[4], f.B[5] = byte(f.typ), flags
	q := c.ctl
	if bulk {
		if c.cfg.RateLimit != nil {
			if err := c.cfg.RateLimit(ctx, len(f.B)); err != nil {
				return err
			}
		}
		q = c.bulk
	}
	select {
	case q <- f:
		return nil
	case <-c.dead:
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}

// compress returns f compressed, or nil where that saves less than a sixteenth.
func (c *Conn) compress(f *Buffer) *Buffer {
	g := c.Buffer(f.typ)
	g.B = appendUint(g.B, uint64(len(f.B)-headerSize))
	g.B = c.enc.EncodeAll(f.B[headerSize:], g.B)
	if len(g.B) > len(f.B)-len(f.B)/16 {
		c.Discard(g)
		return nil
	}
	return g
}

func (c *Conn) decompress(f *Frame) ([]byte, error) {
	d := Dec{b: f.payload}
	n := d.uvarint(MaxFrame)
	if d.err != nil {
		return nil, d.err
	}
	// The output grows with what comes out; the decoder stops at MaxFrame.
	home := c.pool.Get().(*[]byte)
	out, err := c.dec.DecodeAll(d.b, (*home)[:0])
	if err != nil || uint64(len(out)) != n {
		c.pool.Put(home)
		return nil, protocolError("compressed frame does not hold the %d bytes announced (%v)", n, err)
	}
	f.Release()
	if cap(out) == cap(*home) {
		f.home = home
	} else {
		c.pool.Put(home)
	}
	f.payload, f.flags = out, 0
	return out, nil
}

// writeLoop writes queued frames, control first, and flushes whenever there is
// nothing more to write.
func (c *Conn) writeLoop() error {
	w := bufio.NewWriterSize(&countingWriter{c}, 64<<10)
	for {
		f, told := c.nextOut(w)
		if told != nil {
			if err := w.Flush(); err != nil {
				return err
			}
			close(told)
			continue
		}
		if f == nil {
			return nil
		}
		_, err := w.Write(f.B)
		c.Discard(f)
		if err != nil {
			return fmt.Errorf("writing to the far side: %w", err)
		}
	}
}

// nextOut returns the next frame to write, or who wants to be told that all
// is written, or neither when the connection is dead.
func (c *Conn) nextOut(w *bufio.Writer) (*Buffer, chan struct{}) {
	select {
	case f := <-c.ctl:
		return f, nil
	default:
	}
	select {
	case f := <-c.ctl:
		return f, nil
	case f := <-c.bulk:
		return f, nil
	default:
	}
	if err := w.Flush(); err != nil {
		c.fail(fmt.Errorf("writing to the far side: %w", err))
		return nil, nil
	}
	select {
	case f := <-c.ctl:
		return f, nil
	case f := <-c.bulk:
		return f, nil
	case told := <-c.drain:
		return c.nextBeforeDrain(told)
	case <-c.dead:
		return nil, nil
	}
}

// nextBeforeDrain lets frames go first that were queued before the request.
func (c *Conn) nextBeforeDrain(told chan struct{}) (*Buffer, chan struct{}) {
	select {
	case f := <-c.ctl:
		c.requeueDrain(told)
		return f, nil
	case f := <-c.bulk:
		c.requeueDrain(told)
		return f, nil
	default:
		return nil, told
	}
}

func (c *Conn) requeueDrain(told chan struct{}) {
	c.wg.Go(func() {
		select {
		case c.drain <- told:
		case <-c.dead:
		}
	})
}

// Drain waits until all frames that were queued before it are written.
func (c *Conn) Drain(ctx context.Context) error {
	told := make(chan struct{})
	select {
	case c.drain <- told:
	case <-c.dead:
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-told:
		return nil
	case <-c.dead:
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}

type countingWriter struct{ c *Conn }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.c.busy.Store(time.Now().UnixNano())
	n, err := w.c.rw.Write(p)
	w.c.busy.Store(0)
	w.c.out.Add(int64(n))
	return n, err
}

// Next reads the next frame. Pings are answered and swallowed. A stream that
// ends gives ErrClosed.
func (c *Conn) Next() (Frame, error) {
	for {
		typ, flags, payload, home, err := readFrame(c.br, func() *[]byte { return c.pool.Get().(*[]byte) })
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = ErrClosed
			}
			c.fail(err)
			<-c.dead
			return Frame{}, c.cause
		}
		c.last.Store(time.Now().UnixNano())
		c.in.Add(int64(len(payload)) + headerSize)
		if typ == TypePing {
			if home != nil {
				c.pool.Put(home)
			}
			continue
		}
		return Frame{Type: typ, flags: flags, payload: payload, home: home, conn: c}, nil
	}
}

// watch ends the connection when nothing arrives, or no write ends, for the
// timeout, and pings so that the far side's timer sees this end alive.
func (c *Conn) watch() {
	tick := time.NewTicker(max(c.cfg.Timeout/4, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-c.dead:
			return
		case now := <-tick.C:
			if b := c.busy.Load(); b != 0 && now.Sub(time.Unix(0, b)) > c.cfg.Timeout {
				c.fail(fmt.Errorf("%w: nothing could be sent for %v", ErrTimeout, c.cfg.Timeout))
				return
			}
			if now.Sub(time.Unix(0, c.last.Load())) > c.cfg.Timeout {
				c.fail(fmt.Errorf("%w: nothing was received for %v", ErrTimeout, c.cfg.Timeout))
				return
			}
			f := &Buffer{B: make([]byte, headerSize), typ: TypePing}
			f.B[4] = byte(TypePing)
			select {
			case c.ctl <- f:
			default: // the queue is full: what stands in it is sign of life enough
			}
		}
	}
}

// fail records the first cause of death and closes the stream, which wakes
// whoever reads or writes.
func (c *Conn) fail(err error) {
	c.once.Do(func() {
		c.cause = err
		close(c.dead)
		_ = c.rw.Close() // the cause is what counts
	})
}

// Fail ends the connection for the given cause.
func (c *Conn) Fail(err error) { c.fail(err) }

// Close ends the connection and waits for its goroutines. Frames that are still
// queued are dropped; see Drain.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	c.wg.Wait()
	c.dec.Close()
	return nil
}

// Dead is closed when the connection has failed or was closed.
func (c *Conn) Dead() <-chan struct{} { return c.dead }

// Received and Sent return the bytes that were read and written, frames included.
func (c *Conn) Received() int64 { return c.in.Load() }

// Sent returns the bytes that were written.
func (c *Conn) Sent() int64 { return c.out.Load() }
