package wire

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
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
			conn, err := New(stream{nothing{}, &sent}, Config{Compress: typ == TypeFiles})
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
