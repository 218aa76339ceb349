package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Apply assembles a segment at the destination and hands it to emit chunk by
// chunk, in order; ok tells whether the chunk has its digest. A chunk that has not
// must be sent again as a whole: a short hash collided, or the basis changed. off
// is the offset in the target; chunk is valid during the call only.
//
// literals gives the bytes of the segment's gaps, one after the other; exactly
// seg.GapBytes() are read, and fewer are io.ErrUnexpectedEOF. A basis that has
// become shorter reads as zeros.
func Apply(ctx context.Context, basis io.ReaderAt, seg *Segment, literals io.Reader, emit func(off int64, chunk []byte, ok bool) error) error {
	a := assembler{basis: basis, literals: literals, ops: seg.Ops}
	buf := make([]byte, min(seg.Len, ChunkSize))
	for i, want := range seg.Digests {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := int64(i) * ChunkSize
		b := buf[:min(ChunkSize, seg.Len-at)]
		if err := a.fill(b); err != nil {
			return fmt.Errorf("rebuilding at %d: %w", seg.Off+at, err)
		}
		if err := emit(seg.Off+at, b, Sum(b) == want); err != nil {
			return err
		}
	}
	return nil
}

// assembler reads the content that ops describe, in order.
type assembler struct {
	basis    io.ReaderAt
	literals io.Reader
	ops      []Op
	used     int64 // bytes of ops[0] that have been read
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
