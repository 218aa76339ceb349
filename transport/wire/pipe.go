package wire

import (
	"errors"
	"io"
	"sync"
)

// Pipe returns the two ends of an in-memory stream, for two ends of a run that
// live in one process. Closing either end ends both directions, as a
// connection does.
func Pipe() (io.ReadWriteCloser, io.ReadWriteCloser) {
	ab, ba := newHalf(), newHalf()
	return &pipeEnd{r: ba, w: ab}, &pipeEnd{r: ab, w: ba}
}

// half is one direction: a bounded buffer. io.Pipe would do, but it hands over
// one write at a time and so makes every small frame a rendezvous.
type half struct {
	mu     sync.Mutex
	cond   *sync.Cond
	buf    []byte
	off    int
	closed bool
}

const halfSize = 256 << 10

func newHalf() *half {
	h := &half{}
	h.cond = sync.NewCond(&h.mu)
	return h
}

func (h *half) write(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(p) > 0 {
		for !h.closed && len(h.buf)-h.off >= halfSize {
			h.cond.Wait()
		}
		if h.closed {
			return n, io.ErrClosedPipe
		}
		if h.off > 0 {
			h.buf = append(h.buf[:0], h.buf[h.off:]...)
			h.off = 0
		}
		k := min(len(p), halfSize-len(h.buf))
		h.buf = append(h.buf, p[:k]...)
		p, n = p[k:], n+k
		h.cond.Broadcast()
	}
	return n, nil
}

func (h *half) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.buf) == h.off {
		if h.closed {
			return 0, io.EOF
		}
		h.cond.Wait()
	}
	n := copy(p, h.buf[h.off:])
	h.off += n
	if h.off == len(h.buf) {
		h.buf, h.off = h.buf[:0], 0
	}
	h.cond.Broadcast()
	return n, nil
}

func (h *half) close() {
	h.mu.Lock()
	h.closed = true
	h.cond.Broadcast()
	h.mu.Unlock()
}

type pipeEnd struct{ r, w *half }

func (e *pipeEnd) Read(p []byte) (int, error)  { return e.r.read(p) }
func (e *pipeEnd) Write(p []byte) (int, error) { return e.w.write(p) }

func (e *pipeEnd) Close() error {
	e.r.close()
	e.w.close()
	return nil
}

// ReadWriteCloser joins the standard input and output of a server into one stream.
type ReadWriteCloser struct {
	io.ReadCloser
	io.WriteCloser
}

// Close closes both directions.
func (s ReadWriteCloser) Close() error {
	return errors.Join(s.WriteCloser.Close(), s.ReadCloser.Close())
}
