package delta

import "io"

const (
	nearWindow = 64 << 10 // bytes read at once where small reads follow each other closely
	nearStep   = 8 << 10  // bytes from one read to the next, at most, that count as close
	nearRead   = 16 << 10 // bytes of the longest read that counts as small
)

// Nearby reads a file in which many small ranges are wanted, most of them close
// together: one read of a window serves those that lie in it. What lies apart is
// read as it is asked for. It is for one goroutine at a time.
type Nearby struct {
	r    io.ReaderAt
	buf  []byte // content of r from off on
	off  int64
	last int64 // where the last read ended that buf did not serve
}

// NewNearby returns a reader of r.
func NewNearby(r io.ReaderAt) *Nearby { return &Nearby{r: r} }

// ReadAt implements [io.ReaderAt].
func (n *Nearby) ReadAt(b []byte, off int64) (int, error) {
	if at := off - n.off; at >= 0 && at+int64(len(b)) <= int64(len(n.buf)) {
		return copy(b, n.buf[at:]), nil
	}
	step := off - n.last
	n.last = off + int64(len(b))
	if len(b) > nearRead || step < -nearStep || step > nearStep {
		return n.r.ReadAt(b, off)
	}
	if cap(n.buf) == 0 {
		n.buf = make([]byte, nearWindow)
	}
	got, err := n.r.ReadAt(n.buf[:cap(n.buf)], off)
	n.buf, n.off = n.buf[:got], off
	n.last = off + int64(got)
	if k := copy(b, n.buf); k < len(b) {
		return k, err
	}
	return len(b), nil
}
