package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// Values of Op.Basis that are no offset in the basis.
const (
	Gap  int64 = -1 // bytes that the source must send
	Held int64 = -2 // source only: bytes that the destination found while refining
)

// Op is a run of target bytes: a copy from the basis, or a gap.
type Op struct {
	Len   int64 // bytes, at least 1
	Basis int64 // offset in the basis, Gap or Held
}

// Segment describes a range of the target by what the basis has of it. It is not
// safe for concurrent use. Its fields are for reading; Refine and Search change
// them.
type Segment struct {
	Off, Len int64    // range of the target; Off is a multiple of ChunkSize
	Ops      []Op     // tile the range, in order; no two gaps meet
	Digests  []Digest // of each chunk of ChunkSize bytes in the range

	p          Params
	targetSize int64
	rounds     int       // questions asked or answered so far
	trials     []trial   // source: what was tried on each gap; nil: nothing yet
	asked      *Question // source: waits for its answer
}

// Gaps yields offset in the target and length of each remaining gap, in order: the
// literals that the source must send.
func (s *Segment) Gaps() iter.Seq2[int64, int64] {
	return func(yield func(off, n int64) bool) {
		at := s.Off
		for _, op := range s.Ops {
			if op.Basis == Gap && !yield(at, op.Len) {
				return
			}
			at += op.Len
		}
	}
}

// GapBytes is the number of bytes in all gaps.
func (s *Segment) GapBytes() int64 {
	var n int64
	for _, l := range s.Gaps() {
		n += l
	}
	return n
}

// checkRange verifies what DecodeSegment and Matcher.Segment demand of a range.
func checkRange(off, n, targetSize int64) error {
	switch {
	case targetSize < 0 || targetSize > maxTarget:
		return fmt.Errorf("%w: target of %d bytes", ErrInvalid, targetSize)
	case off < 0 || n < 0 || n > MaxSegment || off > targetSize || n > targetSize-off:
		return fmt.Errorf("%w: segment %d+%d of %d bytes", ErrInvalid, off, n, targetSize)
	case off%ChunkSize != 0 || n%ChunkSize != 0 && off+n != targetSize:
		return fmt.Errorf("%w: segment %d+%d is not in whole chunks", ErrInvalid, off, n)
	}
	return nil
}

// AppendBinary appends the encoded segment: offset in chunks, length, number of
// ops, the ops, the digests. An op is its length with the lowest bit set for a
// copy; a copy is followed by the distance from where the previous copy's diagonal
// leads, which is 0 after an edit in place. It must be called before the first Ask.
func (s *Segment) AppendBinary(b []byte) ([]byte, error) {
	if s.rounds > 0 {
		return b, errors.New("encoding segment: questions have been asked about it")
	}
	b = binary.AppendUvarint(b, uint64(s.Off/ChunkSize))
	b = binary.AppendUvarint(b, uint64(s.Len))
	b = binary.AppendUvarint(b, uint64(len(s.Ops)))
	expect := s.Off
	for _, op := range s.Ops {
		if op.Basis == Gap {
			b = binary.AppendUvarint(b, uint64(op.Len)<<1)
		} else {
			b = binary.AppendUvarint(b, uint64(op.Len)<<1|1)
			b = binary.AppendVarint(b, op.Basis-expect)
			expect = op.Basis
		}
		expect += op.Len
	}
	for i := range s.Digests {
		b = append(b, s.Digests[i][:]...)
	}
	return b, nil
}

// DecodeSegment decodes the whole of b, a segment of a target of targetSize bytes
// against the basis that p describes. Every copy lies in the basis, the ops tile
// the segment, and memory is bounded by what b holds. Errors wrap [ErrInvalid] or
// io.ErrUnexpectedEOF.
func DecodeSegment(b []byte, p Params, targetSize int64) (*Segment, error) {
	s := &Segment{p: p, targetSize: targetSize}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	r := reader{b: b}
	s.Off = int64(min(r.uvarint(), maxTarget/ChunkSize)) * ChunkSize
	s.Len = int64(min(r.uvarint(), maxTarget))
	if err := r.err; err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if err := checkRange(s.Off, s.Len, targetSize); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	s.decodeOps(&r)
	raw := r.take(int(chunks(s.Len)) * len(Digest{}))
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	s.Digests = make([]Digest, chunks(s.Len))
	for i := range s.Digests {
		copy(s.Digests[i][:], raw[i*len(Digest{}):])
	}
	return s, nil
}

// decodeOps reads the ops; every one takes a byte at least.
func (s *Segment) decodeOps(r *reader) {
	count := r.uvarint()
	if count > uint64(len(r.b)) {
		r.fail(fmt.Errorf("%w: %d ops in %d bytes", ErrInvalid, count, len(r.b)))
		return
	}
	s.Ops = make([]Op, 0, count)
	left, expect := s.Len, s.Off
	gap := false
	for range count {
		v := r.uvarint()
		op := Op{Len: int64(v >> 1), Basis: Gap}
		if v&1 == 1 {
			op.Basis = expect + r.varint() // wraps at worst: checked next
			expect = op.Basis
		}
		switch {
		case r.err != nil:
			return
		case op.Len == 0 || op.Len > left:
			r.fail(fmt.Errorf("%w: op of %d bytes where %d are left", ErrInvalid, op.Len, left))
			return
		case v&1 == 0 && gap:
			r.fail(fmt.Errorf("%w: a gap follows a gap", ErrInvalid))
			return
		case v&1 == 1 && (op.Basis < 0 || op.Basis > s.p.BasisSize-op.Len):
			r.fail(fmt.Errorf("%w: copy %d+%d from %d bytes", ErrInvalid, op.Basis, op.Len, s.p.BasisSize))
			return
		}
		gap = op.Basis == Gap
		expect += op.Len
		left -= op.Len
		s.Ops = append(s.Ops, op)
	}
	if left > 0 {
		r.fail(fmt.Errorf("%w: ops end %d bytes early", ErrInvalid, left))
	}
}

// tiling builds a list of ops, joining what belongs together.
type tiling struct {
	ops []Op
	end int64 // total length so far
}

func (t *tiling) add(n, basis int64) {
	if n <= 0 {
		return
	}
	t.end += n
	if k := len(t.ops) - 1; k >= 0 {
		last := &t.ops[k]
		if basis < 0 && last.Basis == basis || basis >= 0 && last.Basis >= 0 && last.Basis+last.Len == basis {
			last.Len += n
			return
		}
	}
	t.ops = append(t.ops, Op{n, basis})
}

// fill is a part of a gap that was found: at is relative to the segment.
type fill struct {
	at, n, basis int64
}

// overlay puts fills, sorted and each within a gap, into ops.
func overlay(ops []Op, fills []fill) []Op {
	if len(fills) == 0 {
		return ops
	}
	t := tiling{ops: make([]Op, 0, len(ops)+2*len(fills))}
	for _, op := range ops {
		if op.Basis != Gap {
			t.add(op.Len, op.Basis)
			continue
		}
		stop := t.end + op.Len
		for len(fills) > 0 && fills[0].at < stop {
			t.add(fills[0].at-t.end, Gap)
			t.add(fills[0].n, fills[0].basis)
			fills = fills[1:]
		}
		t.add(stop-t.end, Gap)
	}
	return t.ops
}
