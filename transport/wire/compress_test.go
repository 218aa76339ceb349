package wire

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	mrand "math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"gosync/transport/wire/longline"
)

// zstdFrame compresses b. Without size the frame does not tell how much it holds.
func zstdFrame(t testing.TB, b []byte, size bool) []byte {
	t.Helper()
	var out bytes.Buffer
	e, err := zstd.NewWriter(&out, zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	if size {
		return e.EncodeAll(b, nil)
	}
	for len(b) > 0 { // in pieces, so that no size can be written
		n := min(len(b), 1<<20)
		if _, err := e.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCompressionBombs(t *testing.T) {
	const huge = 256 << 20
	zeros := make([]byte, huge)
	one := zstdFrame(t, zeros[:MaxFrame], false)
	oneSized := zstdFrame(t, zeros[:MaxFrame], true)
	skip := append([]byte{0x50, 0x2a, 0x4d, 0x18, 0xf0, 0xff, 0xff, 0xff}, "short"...)
	for _, c := range []struct {
		what    string
		payload []byte
	}{
		{"256 MiB with its size", u(MaxFrame, zstdFrame(t, zeros, true))},
		{"256 MiB without its size", u(MaxFrame, zstdFrame(t, zeros, false))},
		{"256 MiB, and says so", u(huge, zstdFrame(t, zeros, true))},
		{"256 frames of 1 MiB", u(MaxFrame, bytes.Repeat(one, 256))},
		{"256 frames of 1 MiB with sizes", u(MaxFrame, bytes.Repeat(oneSized, 256))},
		{"two frames, one announced", u(MaxFrame, one, one)},
		{"one byte more than announced", u(1000, zstdFrame(t, zeros[:1001], true))},
		{"one byte less than announced", u(1000, zstdFrame(t, zeros[:999], true))},
		{"nothing where something is announced", u(1000)},
		{"something where nothing is announced", u(0, zstdFrame(t, zeros[:1], true))},
		{"cut", u(1000, zstdFrame(t, zeros[:1000], true)[:10])},
		{"no zstd", u(1000, "this is no zstd frame")},
		{"a frame to skip of 4 GiB", u(1000, skip)},
		{"empty payload", nil},
		{"length is cut", []byte{0x80}},
	} {
		conn := reads(t, bytes.NewReader(frame(TypeFiles, flagZstd, c.payload)))
		got := allocated(func() {
			f, err := conn.Next()
			if err != nil {
				if !errors.Is(err, ErrProtocol) { // too long as it is
					t.Errorf("%s: %v", c.what, err)
				}
				return
			}
			if b, err := f.Payload(); !errors.Is(err, ErrProtocol) {
				t.Errorf("%s: %d bytes, %v", c.what, len(b), err)
			}
		})
		if got > 8<<20 {
			t.Errorf("%s: takes %d bytes of memory", c.what, got)
		}
	}
}

// TestCompress sends payloads over a connection and checks what passes it.
func TestCompress(t *testing.T) {
	random := make([]byte, MaxFrame)
	_, _ = rand.Read(random) // never fails
	half := append(random[:BulkSize/2:BulkSize/2], make([]byte, BulkSize/2)...)
	for _, c := range []struct {
		what     string
		payload  []byte
		squeezed bool
	}{
		{"nothing", nil, false},
		{"one byte", []byte{1}, false},
		{"zeros, too few", make([]byte, minCompress-1), false},
		{"zeros", make([]byte, minCompress), true},
		{"zeros, as many as fit a buffer", make([]byte, bufferSize+headerSize), true},
		{"zeros, more than fit a buffer", make([]byte, bufferSize+headerSize+1), true},
		{"zeros, as many as can be", make([]byte, MaxFrame), true},
		{"half random", half, true},
		{"random", random[:BulkSize], false},
		{"random, as much as can be", random, false},
	} {
		for _, typ := range []Type{TypeFiles, TypeListings} { // bulk where asked for, listings always
			var sent bytes.Buffer
			how := CompressNever
			if typ == TypeFiles {
				how = CompressAlways
			}
			conn, err := New(stream{nothing{}, &sent}, Config{Compress: how})
			if err != nil {
				t.Fatal(err)
			}
			conn.Start()
			f := conn.Buffer(typ)
			f.B = append(f.B, c.payload...)
			if !bytes.Equal(f.Payload(), c.payload) {
				t.Errorf("%s: Payload differs", c.what)
			}
			if err := errors.Join(conn.SendBuffer(context.Background(), f), conn.Drain(context.Background()), conn.Close()); err != nil {
				t.Fatal(err)
			}
			if conn.Sent() != int64(sent.Len()) {
				t.Errorf("%s: sent %d, counted %d", c.what, sent.Len(), conn.Sent())
			}
			if flags := sent.Bytes()[5]; (flags == flagZstd) != c.squeezed || c.squeezed == (sent.Len() >= headerSize+len(c.payload)) {
				t.Errorf("%s: flags %#x, %d bytes of %d", c.what, flags, sent.Len(), len(c.payload))
			}
			back := reads(t, &sent)
			g, err := back.Next()
			if err != nil {
				t.Fatal(err)
			}
			got, err := g.Payload()
			if err != nil || !bytes.Equal(got, c.payload) {
				t.Errorf("%s: %d bytes, %v", c.what, len(got), err)
			}
			if len(got) <= smallFrame && cap(got) > 2*smallFrame { // whoever keeps it
				t.Errorf("%s: %d bytes take %d", c.what, len(got), cap(got))
			}
			if again, err := g.Payload(); err != nil || !bytes.Equal(again, c.payload) {
				t.Errorf("%s: asked again: %d bytes, %v", c.what, len(again), err)
			}
			g.Release()
		}
	}
}

// stream joins a reader and a writer.
type stream struct {
	io.Reader
	io.Writer
}

func (stream) Close() error { return nil }

// nothing is a stream that has ended.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }

func TestNoCompression(t *testing.T) {
	var sent bytes.Buffer
	conn, err := New(stream{nothing{}, &sent}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	conn.Start()
	f := conn.Buffer(TypeFiles)
	f.B = append(f.B, make([]byte, 10_000)...)
	if err := errors.Join(conn.SendBuffer(context.Background(), f), conn.Drain(context.Background()), conn.Close()); err != nil {
		t.Fatal(err)
	}
	if sent.Len() != headerSize+10_000 {
		t.Errorf("%d bytes", sent.Len())
	}
}

// words returns n bytes that compress to about a third.
func words(n int) []byte {
	r := mrand.New(mrand.NewPCG(1, 2))
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, "the quick brown fox jumps over a lazy dog"[r.IntN(20):][:r.IntN(20)]...)
		b = append(b, byte('a'+r.IntN(26)))
	}
	return b[:n]
}

// TestCompressSlow: content is compressed while a long line is the slower side, and takes
// less time then; on other lines, and where it does not shrink, it goes as it is.
func TestCompressSlow(t *testing.T) {
	random := make([]byte, BulkSize)
	_, _ = mrand.NewChaCha8([32]byte{}).Read(random)
	text := words(BulkSize)
	for name, test := range map[string]struct {
		rtt     time.Duration
		mbit    float64
		how     Compression
		content []byte
		most    float64 // of the content that the line carries
		least   float64
		limit   float64 // bytes per second
		pull    bool    // the server sends
	}{
		"text on a slow line":    {40 * time.Millisecond, 50, CompressSlow, text, 0.7, 0, 0, false},
		"text on a slower line":  {40 * time.Millisecond, 10, CompressSlow, text, 0.7, 0, 0, false},
		"text that shall not":    {40 * time.Millisecond, 50, CompressNever, text, 1.1, 1, 0, false},
		"text that always shall": {40 * time.Millisecond, 50, CompressAlways, text, 0.6, 0, 0, false},
		"what does not shrink":   {40 * time.Millisecond, 50, CompressSlow, random, 1.1, 1, 0, false},
		"near by":                {time.Millisecond, 50, CompressSlow, text, 1.1, 1, 0, false},
		"text that is pulled":    {40 * time.Millisecond, 50, CompressSlow, text, 0.7, 0, 0, true},
		"a limit near by":        {time.Millisecond, 2000, CompressSlow, text, 0.7, 0, 4e6, false},
		"a limit, but shall not": {time.Millisecond, 2000, CompressNever, text, 1.1, 1, 4e6, false},
		"a fast line":            {10 * time.Millisecond, 2000, CompressSlow, text, 1.1, 0.9, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rate := test.mbit * 1e6 / 8
				l := longline.New(rate, test.rtt)
				a, b := l.Open()
				cfg := Config{Compress: test.how}
				if test.limit > 0 {
					rate = test.limit
					cfg.RateLimit = func(_ context.Context, n int) error {
						time.Sleep(time.Duration(float64(n) / rate * float64(time.Second)))
						return nil
					}
				}
				near, far := connectWith(t, a, b, cfg, cfg)
				from, way := near, l.There
				if test.pull {
					from, way = far, l.Back
				}
				var wg sync.WaitGroup
				for _, c := range []*Conn{near, far} {
					wg.Go(func() {
						c.readAll(func(f *Frame) {
							if p, err := f.Payload(); err != nil || f.Type == TypeData && !bytes.Equal(p, test.content) {
								t.Errorf("other content comes, or none: %v", err)
							}
						})
					})
				}
				total := 0
				began := time.Now()
				for total < max(int(rate*5), 16<<20) && total < 96<<20 {
					f := from.Buffer(TypeData)
					f.B = append(f.B, test.content...)
					must(t, from.SendBuffer(t.Context(), f))
					total += len(test.content)
				}
				must(t, from.Drain(t.Context()))
				took := time.Since(began)
				_, _ = near.Close(), far.Close()
				wg.Wait()
				part := float64(way.Sent()) / float64(total)
				t.Logf("%.2f of %d bytes, %v, %v without", part, total, took, time.Duration(float64(total)/rate*float64(time.Second)))
				if part > test.most || part < test.least {
					t.Errorf("%.2f of the content goes by the line, want %v to %v", part, test.least, test.most)
				}
			})
		})
	}
}

// TestPressLevel: a very slow line gets the better level.
func TestPressLevel(t *testing.T) {
	text := words(BulkSize)
	sizes := map[float64]int{}
	var p press
	p.long.Store(true)
	for _, p.rate = range []float64{verySlow / 2, verySlow * 2, 0} {
		enc, err := p.encoder()
		must(t, err)
		sizes[p.rate] = len(enc.EncodeAll(text, nil))
	}
	if sizes[verySlow/2] >= sizes[verySlow*2] || sizes[0] != sizes[verySlow*2] {
		t.Errorf("compressed to %v bytes, by the line's rate", sizes)
	}
}
