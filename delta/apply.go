package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Patcher makes one target from its basis, at the destination. It keeps its
// buffers, two chunks and less than 1 MiB, from one segment to the next. It is for one
// goroutine at a time.
type Patcher struct {
	basis  *Nearby
	front  *frontier // where basis reads from; nil for the basis alone
	chunks [2][]byte
	gaps   []byte // of the basis, beside those of the target
	wide   []byte // a search window
}

// NewPatcher returns a Patcher that reads basis.
func NewPatcher(basis io.ReaderAt) *Patcher { return &Patcher{basis: NewNearby(basis)} }

// Apply assembles a segment and hands it to emit chunk by chunk, in order, on the
// caller's goroutine, while another one makes the next; ok tells whether the chunk has its
// digest. A chunk that has not must be sent again as a whole: a short hash collided, or
// the basis changed. off is the offset in the target; chunk is valid during the call only.
//
// literals gives the bytes of the segment's gaps, one after the other; exactly
// seg.GapBytes() are read, and fewer are io.ErrUnexpectedEOF. A basis that has
// become shorter reads as zeros.
func (p *Patcher) Apply(ctx context.Context, seg *Segment, literals io.Reader, emit func(off int64, chunk []byte, ok bool) error) error {
	a := &assembler{seg: seg, basis: p.basis, front: p.front, literals: literals, ops: seg.Ops}
	defer p.front.pass(seg.Off + seg.Len)
	for i := range min(len(p.chunks), len(seg.Digests)) {
		if n := int(min(seg.Len, ChunkSize)); len(p.chunks[i]) < n {
			p.chunks[i] = make([]byte, n)
		}
	}
	if len(seg.Digests) > 1 {
		return p.overlap(ctx, a, emit)
	}
	for i := range seg.Digests {
		c := a.chunk(ctx, i, p.chunks[0])
		if c.err != nil {
			return c.err
		}
		if err := emit(c.off, c.content, c.ok); err != nil {
			return err
		}
	}
	return nil
}

// overlap makes a chunk while the one before is emitted.
func (p *Patcher) overlap(ctx context.Context, a *assembler, emit func(off int64, chunk []byte, ok bool) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	made, free := make(chan assembled), make(chan []byte, len(p.chunks))
	for _, b := range p.chunks {
		free <- b
	}
	wg.Go(func() {
		for i := range a.seg.Digests {
			var b []byte
			select {
			case b = <-free:
			case <-ctx.Done():
				return
			}
			select {
			case made <- a.chunk(ctx, i, b):
			case <-ctx.Done():
				return
			}
		}
	})
	for range a.seg.Digests {
		select {
		case c := <-made:
			if c.err != nil {
				return c.err
			}
			if err := emit(c.off, c.content, c.ok); err != nil {
				return err
			}
			free <- c.content[:cap(c.content)]
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// assembled is a chunk of the target.
type assembled struct {
	off     int64
	content []byte
	ok      bool // it has its digest
	err     error
}

// assembler reads the content that the ops of a segment describe, in order.
type assembler struct {
	seg      *Segment
	basis    io.ReaderAt
	front    *frontier
	literals io.Reader
	ops      []Op
	used     int64 // bytes of ops[0] that have been read
}

// chunk makes the i-th chunk of the segment in b.
func (a *assembler) chunk(ctx context.Context, i int, b []byte) (c assembled) {
	at := int64(i) * ChunkSize
	c.off, c.content = a.seg.Off+at, b[:min(ChunkSize, a.seg.Len-at)]
	if c.err = ctx.Err(); c.err != nil {
		return c
	}
	a.front.pass(c.off) // what lies before is being written
	if err := a.fill(c.content); err != nil {
		c.err = fmt.Errorf("rebuilding at %d: %w", c.off, err)
		return c
	}
	c.ok = Sum(c.content) == a.seg.Digests[i]
	return c
}

func (a *assembler) fill(b []byte) error {
	for len(b) > 0 {
		if len(a.ops) == 0 {
			return errors.New("ops end early")
		}
		op := a.ops[0]
		n := min(int64(len(b)), op.Len-a.used)
		if err := a.read(b[:n], op); err != nil {
			return err
		}
		b = b[n:]
		if a.used += n; a.used == op.Len {
			a.ops, a.used = a.ops[1:], 0
		}
	}
	return nil
}

func (a *assembler) read(b []byte, op Op) error {
	switch {
	case op.Basis >= 0:
		if err := readPadded(a.basis, b, op.Basis+a.used); err != nil {
			return fmt.Errorf("basis: %w", err)
		}
	case op.Basis == Gap:
		if _, err := io.ReadFull(a.literals, b); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("literals: %w", err)
		}
	default:
		return errors.New("the source's copy of a segment cannot be applied")
	}
	return nil
}

// readPadded fills b; what lies beyond the end reads as zeros.
func readPadded(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n < len(b) && err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	clear(b[n:])
	return nil
}
