package delta

import (
	"context"
	"fmt"
	"io"
	"sync"
)

const readStep = 512 << 10 // bytes read at once: matching and digesting find them in the cache

// window holds a segment of the target in memory, read from front to back as
// matching goes, with room for a block before and after: a block may straddle the
// segment's ends. Those margins are read only when they are asked for. A failure
// sticks; what was not read then is zero.
type window struct {
	r      io.ReaderAt
	base   int64  // offset in the target of buf[0]
	buf    []byte // margin, segment, margin
	start  int    // of the segment in buf
	end    int
	loaded int  // buf[start:loaded] has been read
	head   bool // buf[:start] has been read
	err    error
	cancel func() error // reports that the caller gave up
	chunk  chan int     // takes the number of each chunk that has been read
}

func newWindow(ctx context.Context, r io.ReaderAt, buf []byte, base int64, start, end int) *window {
	return &window{
		r: r, base: base, buf: buf, start: start, end: end, loaded: start,
		head: start == 0, cancel: ctx.Err,
		chunk: make(chan int, chunks(int64(end-start))),
	}
}

// need reads up to buf[:end] and, if from lies before the segment, the margin in
// front. It is false after a failure.
func (w *window) need(from, end int) bool {
	if from < w.start && !w.head {
		w.head = true
		w.read(0, w.start)
	}
	for w.loaded < end && w.err == nil {
		w.advance()
	}
	return w.err == nil
}

// advance reads the next piece and announces the chunks that it completes.
func (w *window) advance() {
	if err := w.cancel(); err != nil {
		w.err = err
		return
	}
	limit := w.end
	if w.loaded >= w.end {
		limit = len(w.buf)
	}
	next := min(w.loaded+readStep, limit)
	if w.read(w.loaded, next); w.err != nil {
		return
	}
	for at := w.loaded; at < min(next, w.end); {
		i := (at - w.start) / ChunkSize
		end := min(w.start+(i+1)*ChunkSize, w.end)
		if next >= end {
			w.chunk <- i
		}
		at = end
	}
	w.loaded = next
}

func (w *window) read(from, to int) {
	if w.err != nil {
		return
	}
	off := w.base + int64(from)
	if err := readFullAt(w.r, w.buf[from:to], off); err != nil {
		w.err = fmt.Errorf("reading target at %d: %w", off, err)
	}
}

// digest computes the digests of the chunks beside the matching, which runs in
// scan, and returns when both are done.
func (w *window) digest(scan func()) []Digest {
	sums := make([]Digest, cap(w.chunk))
	one := func(i int) {
		at := w.start + i*ChunkSize
		sums[i] = Sum(w.buf[at:min(at+ChunkSize, w.end)])
	}
	var wg sync.WaitGroup
	if len(sums) > 1 {
		wg.Go(func() {
			for i := range w.chunk {
				one(i)
			}
		})
	}
	scan()
	w.need(w.start, w.end)
	close(w.chunk)
	wg.Wait()
	for i := range w.chunk { // the only chunk of a short segment: not worth a goroutine
		one(i)
	}
	return sums
}
