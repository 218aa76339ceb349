package delta

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// counted counts the reads of a file.
type counted struct {
	io.ReaderAt
	reads int
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.reads++
	return c.ReaderAt.ReadAt(b, off)
}

func TestNearbyReadsWindows(t *testing.T) {
	r := rng(5)
	data := r.bytes(1 << 20)
	file := &counted{ReaderAt: bytes.NewReader(data)}
	n := NewNearby(file)
	b := make([]byte, 100)
	for off := 0; off+len(b) <= len(data); off += 1000 {
		k, err := n.ReadAt(b, int64(off))
		if k != len(b) || err != nil || !bytes.Equal(b, data[off:off+k]) {
			t.Fatalf("read %d bytes at %d: %v", k, off, err)
		}
	}
	if most := 2 * len(data) / nearWindow; file.reads > most {
		t.Errorf("%d reads of the file, want at most %d", file.reads, most)
	}
}

func TestNearbyLeavesTheRestAlone(t *testing.T) {
	r := rng(6)
	data := r.bytes(4 << 20)
	n := NewNearby(bytes.NewReader(data))
	sizes := []int{1, 100, nearRead, nearRead + 1, 300 << 10}
	for i := range 2000 {
		b := make([]byte, sizes[i%len(sizes)])
		off := int64(r.intn(len(data)))
		if i%3 > 0 { // close to the last
			off = max(min(n.last+int64(r.intn(20<<10))-10<<10, int64(len(data))), 0)
		}
		k, err := n.ReadAt(b, off)
		want := min(len(b), len(data)-int(off))
		if k != want || (k < len(b)) != errors.Is(err, io.EOF) || !bytes.Equal(b[:k], data[off:int(off)+k]) {
			t.Fatalf("read of %d at %d: %d, %v", len(b), off, k, err)
		}
	}
	apart := &counted{ReaderAt: bytes.NewReader(data)}
	n = NewNearby(apart)
	small := make([]byte, 64)
	for off := int64(1 << 20); off < 4<<20; off += 32 << 10 {
		_, err := n.ReadAt(small, off)
		check(t, err)
	}
	if n.buf != nil {
		t.Error("a window was read for ranges that lie far apart")
	}
}

func BenchmarkNearby(b *testing.B) {
	r := rng(5)
	data := r.bytes(1 << 20)
	n := NewNearby(bytes.NewReader(data))
	buf := make([]byte, 100)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	off := int64(0)
	for b.Loop() {
		if off += 500; off > 1<<20-100 {
			off = 0
		}
		_, err := n.ReadAt(buf, off)
		check(b, err)
	}
}
