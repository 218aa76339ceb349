package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"
)

// script is a stream that gives what r gives and swallows what is written.
type script struct{ io.Reader }

func (script) Write(p []byte) (int, error) { return len(p), nil }
func (script) Close() error                { return nil }

// reads returns a connection that reads from r.
func reads(t testing.TB, r io.Reader) *Conn {
	t.Helper()
	c, err := New(script{r}, Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// frame makes a frame of a type with a payload.
func frame(typ Type, flags byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	return append(append(b, byte(typ), flags), payload...)
}

// header makes the header of a frame that announces n bytes.
func header(typ Type, flags byte, n uint32) []byte {
	return append(binary.BigEndian.AppendUint32(nil, n), byte(typ), flags)
}

func TestFrameLengths(t *testing.T) {
	for _, n := range []int{0, 1, smallFrame, smallFrame + 1, bufferSize - 1, bufferSize, bufferSize + 1, MaxFrame - 1, MaxFrame} {
		want := bytes.Repeat([]byte("payload"), n/7+1)[:n]
		stream := append(frame(TypeFiles, 0, want), frame(TypeListEnd, 0, nil)...)
		for what, r := range map[string]io.Reader{"": bytes.NewReader(stream), " in halves": iotest.HalfReader(bytes.NewReader(stream))} {
			c := reads(t, r)
			f, err := c.Next()
			if err != nil {
				t.Fatalf("%d bytes%s: %v", n, what, err)
			}
			got, err := f.Payload()
			if err != nil || f.Type != TypeFiles || !bytes.Equal(got, want) {
				t.Errorf("%d bytes%s: type %d, %d bytes, %v", n, what, f.Type, len(got), err)
			}
			f.Release()
			f.Release() // does nothing
			if f, err = c.Next(); err != nil || f.Type != TypeListEnd {
				t.Errorf("%d bytes%s: then %v, %v", n, what, f.Type, err)
			}
			if _, err = c.Next(); !errors.Is(err, ErrClosed) {
				t.Errorf("%d bytes%s: at the end %v", n, what, err)
			}
			if got := c.Received(); got != int64(len(stream)) {
				t.Errorf("%d bytes%s: received %d of %d", n, what, got, len(stream))
			}
		}
	}
}

func TestRefusedFrames(t *testing.T) {
	for _, c := range []struct {
		what   string
		stream []byte
	}{
		{"one byte too long", header(TypeData, 0, MaxFrame+1)},
		{"2^31-1 bytes", header(TypeData, 0, math.MaxInt32)},
		{"2^31 bytes", header(TypeData, 0, 1<<31)},
		{"2^32-1 bytes", header(TypeData, 0, math.MaxUint32)},
		{"type 0", frame(0, 0, nil)},
		{"type 11", frame(11, 0, nil)},
		{"type 255", frame(255, 0, nil)},
		{"flags 2", frame(TypeData, 2, nil)},
		{"flags 4", frame(TypeData, 4, nil)},
		{"flags 255", frame(TypeData, 255, nil)},
		{"a ping with an unknown payload", frame(TypePing, 0, []byte{2})},
		{"a ping with a payload of zero", frame(TypePing, 0, []byte{0})},
		{"a ping of two bytes", header(TypePing, 0, 2)},
		{"a ping of 1 MiB", header(TypePing, 0, MaxFrame)},
		{"a compressed ping", frame(TypePing, flagZstd, []byte{pingBusy})},
		{"text", []byte("Password: ")},
	} {
		conn := reads(t, bytes.NewReader(c.stream))
		got := allocated(func() {
			if f, err := conn.Next(); !errors.Is(err, ErrProtocol) {
				t.Errorf("%s: %v, %v", c.what, f.Type, err)
			}
		})
		if got > 64<<10 {
			t.Errorf("%s: takes %d bytes of memory", c.what, got)
		}
		if _, err := conn.Next(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: and then %v", c.what, err)
		}
	}
}

// TestTruncatedFrames cuts a stream at every byte: only between frames it ends
// cleanly.
func TestTruncatedFrames(t *testing.T) {
	frames := [][]byte{
		frame(TypeListEnd, 0, nil),
		frame(TypeFiles, 0, make([]byte, 20)),
		frame(TypePing, 0, nil),
		frame(TypeData, 0, make([]byte, smallFrame+10)),
	}
	stream := bytes.Join(frames, nil)
	ends := map[int]bool{0: true}
	at := 0
	for _, f := range frames {
		at += len(f)
		ends[at] = true
	}
	for n := range len(stream) + 1 {
		if n > 100 && n < len(stream)-100 && n%97 != 0 {
			continue
		}
		c := reads(t, bytes.NewReader(stream[:n]))
		var err error
		for err == nil {
			_, err = c.Next()
		}
		if want := io.ErrUnexpectedEOF; ends[n] != errors.Is(err, ErrClosed) || ends[n] == errors.Is(err, want) {
			t.Errorf("cut at %d (between frames: %v): %v", n, ends[n], err)
		}
	}
}

// TestTruncatedLargeFrame announces much and sends little: memory follows what
// has arrived.
func TestTruncatedLargeFrame(t *testing.T) {
	for _, n := range []int{0, 1, growStep, 3 * growStep} {
		stream := append(header(TypeData, 0, MaxFrame), make([]byte, n)...)
		c := reads(t, bytes.NewReader(stream))
		got := allocated(func() {
			if _, err := c.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d bytes: %v", n, err)
			}
		})
		if limit := uint64(8*n + 2*growStep + 16<<10); got > limit {
			t.Errorf("%d bytes of %d take %d bytes of memory, limit %d", n, MaxFrame, got, limit)
		}
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, 3, headerSize, headerSize + 5} {
		stream := frame(TypeData, 0, make([]byte, 10))[:n]
		c := reads(t, io.MultiReader(bytes.NewReader(stream), iotest.ErrReader(broken)))
		if _, err := c.Next(); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}
