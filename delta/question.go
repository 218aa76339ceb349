package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	nearMinLog, nearMaxLog     = 6, 12     // sub-blocks compared on known diagonals: 64 B to 4 KiB
	searchMinLog, searchMaxLog = 7, 9      // sub-blocks searched in a window: 128 B to 512 B
	searchPiece                = 128 << 10 // bytes of a gap searched at once
	wholeGap                   = 2 << 20   // bytes of the longest gap that is asked about without a sample
	sampleStride               = 256 << 10 // bytes from one such run to the next, at least
	sampleBlocks               = 64        // sub-blocks of a compared sample, at most; of a run in one that is searched
	oddsBits                   = 20        // hashes are so many bits longer than one expected false match needs
	minWidth, maxWidth         = 21, 64    // bits of a hash
)

// Question asks the destination which sub-blocks of some gaps of a segment its
// basis has.
type Question struct {
	items  []item
	near   hashes // of all items compared on the neighbours' diagonals
	search hashes // of all items searched
	seg    *Segment
	round  int   // seg.rounds when the question was put
	gaps   []gap // of the segment then
}

func newQuestion(seg *Segment) *Question {
	return &Question{seg: seg, round: seg.rounds, gaps: seg.gaps()}
}

// hashes are truncated to a width in bits; 0 if there are none.
type hashes struct {
	width int
	list  []uint64
}

// item is one gap of a question.
type item struct {
	gap    int  // index among the segment's gaps
	log    int  // log2 of the sub-block size
	search bool // with the rolling hash in a window, else on the diagonals of the neighbours
	sample bool // every step-th sub-block only
}

// gap is a gap of a segment and what stands beside it.
type gap struct {
	at, n       int64 // relative to the segment
	left, right int64 // diagonals (basis offset minus target offset) of the ops before and after
	leftKnown   bool  // false: the op is Held, the destination alone knows
	rightKnown  bool
}

// gaps lists the segment's gaps. Where no op is beside one, the start of both
// files, or at the end of the target the end of both, stand in.
func (s *Segment) gaps() []gap {
	var list []gap
	var at int64
	atEnd := int64(0)
	if s.Off+s.Len == s.targetSize {
		atEnd = s.p.BasisSize - s.targetSize
	}
	for i, op := range s.Ops {
		if op.Basis == Gap {
			g := gap{at: at, n: op.Len, right: atEnd, leftKnown: true, rightKnown: true}
			if i > 0 {
				g.leftKnown = s.Ops[i-1].Basis >= 0
				g.left = s.Ops[i-1].Basis + s.Ops[i-1].Len - s.Off - at
			}
			if i+1 < len(s.Ops) {
				g.rightKnown = s.Ops[i+1].Basis >= 0
				g.right = s.Ops[i+1].Basis - s.Off - at - op.Len
			}
			list = append(list, g)
		}
		at += op.Len
	}
	return list
}

// aligned tells that the source knows the gap to be an edit in place.
func (g gap) aligned() bool { return g.leftKnown && g.rightKnown && g.left == g.right }

// layout says which sub-blocks of its gap an item hashes: runs of run sub-blocks,
// one run in every stride of them.
type layout struct {
	count       int64 // hashes
	run, stride int64
	log         int
}

// layout of the item for its gap. The last sub-block of a gap may be short unless
// it is searched for. A sample compares single sub-blocks, but searches for runs,
// because the basis must be searched around each.
func (it item) layout(g gap) layout {
	all := g.n >> it.log
	if !it.search && all<<it.log < g.n {
		all++
	}
	l := layout{count: all, run: 1, stride: 1, log: it.log}
	if !it.sample {
		return l
	}
	l.stride = (all + sampleBlocks - 1) / sampleBlocks
	if it.search {
		l.run = sampleBlocks
		l.stride = max(l.stride, sampleStride>>it.log)
	}
	l.count = all/l.stride*l.run + min(all%l.stride, l.run)
	return l
}

// block is the range, relative to the segment, of the i-th hash in the gap.
func (l layout) block(g gap, i int64) (at, n int64) {
	at = (i/l.run*l.stride + i%l.run) << l.log
	return g.at + at, min(int64(1)<<l.log, g.n-at)
}

// hashWidth is log2(hashes*offsets)+oddsBits: a question gets a false match with a
// probability of at most 2^-oddsBits.
func hashWidth(comparisons int64) int {
	return min(max(log2(comparisons)+oddsBits, minWidth), maxWidth)
}

// AppendBinary appends the encoded question: number of items, the two widths, for
// each item the distance to the previous gap and a byte (bits 0-3 log2 of the
// size, 4 search, 5 sample), then the hashes, packed.
func (q *Question) AppendBinary(b []byte) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(len(q.items)))
	b = append(b, byte(q.near.width), byte(q.search.width))
	last := -1
	for _, it := range q.items {
		b = binary.AppendUvarint(b, uint64(it.gap-last-1))
		last = it.gap
		kind := byte(it.log)
		if it.search {
			kind |= 1 << 4
		}
		if it.sample {
			kind |= 1 << 5
		}
		b = append(b, kind)
	}
	return packBits(packBits(b, q.near), q.search), nil
}

// DecodeQuestion decodes the whole of b at the destination. seg must be as it was
// when the source asked: as decoded, or after the previous Search. Memory is
// bounded by what b holds. Errors wrap [ErrInvalid] or
// io.ErrUnexpectedEOF.
func DecodeQuestion(b []byte, seg *Segment) (*Question, error) {
	if seg.rounds >= MaxRounds {
		return nil, fmt.Errorf("question: %w: more than %d rounds", ErrInvalid, MaxRounds)
	}
	q := newQuestion(seg)
	r := reader{b: b}
	count := r.uvarint()
	widths := r.take(2)
	if r.err == nil && (count == 0 || count > uint64(len(q.gaps)) || count > uint64(len(r.b))/2) {
		r.fail(fmt.Errorf("%w: %d items for %d gaps", ErrInvalid, count, len(q.gaps)))
	}
	if r.err != nil {
		return nil, fmt.Errorf("question: %w", r.err)
	}
	near, search := q.decodeItems(&r, int(count))
	if r.err == nil {
		q.near = unpackBits(&r, near, int(widths[0]))
		q.search = unpackBits(&r, search, int(widths[1]))
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("question: %w", err)
	}
	return q, nil
}

// decodeItems reads the items and counts the hashes they have.
func (q *Question) decodeItems(r *reader, count int) (near, search int64) {
	q.items = make([]item, 0, count)
	next := uint64(0)
	for range count {
		skip := r.uvarint()
		kind := r.take(1)
		if r.err != nil {
			return 0, 0
		}
		if left := uint64(len(q.gaps)) - next; next >= uint64(len(q.gaps)) || skip >= left {
			r.fail(fmt.Errorf("%w: gap beyond %d", ErrInvalid, len(q.gaps)))
			return 0, 0
		}
		it := item{
			gap: int(next + skip), log: int(kind[0] & 15),
			search: kind[0]&(1<<4) != 0, sample: kind[0]&(1<<5) != 0,
		}
		next += skip + 1
		g := q.gaps[it.gap]
		if err := it.check(kind[0], g); err != nil {
			r.fail(err)
			return 0, 0
		}
		q.items = append(q.items, it)
		if n := it.layout(g).count; it.search {
			search += n
		} else {
			near += n
		}
	}
	return near, search
}

func (it item) check(kind byte, g gap) error {
	low, high := nearMinLog, nearMaxLog
	if it.search {
		low, high = searchMinLog, searchMaxLog
	}
	switch {
	case kind>>6 != 0 || it.log < low || it.log > high:
		return fmt.Errorf("%w: kind of question %#x", ErrInvalid, kind)
	case it.search && g.n < 1<<it.log:
		return fmt.Errorf("%w: search in a gap of %d bytes", ErrInvalid, g.n)
	}
	return nil
}

// Answer tells which hashes of a question the destination found.
type Answer struct {
	found []byte // one bit for each hash: those compared, then those searched
	n     int
}

func newAnswer(q *Question) *Answer {
	n := len(q.near.list) + len(q.search.list)
	return &Answer{found: make([]byte, (n+7)/8), n: n}
}

func (a *Answer) set(i int)      { a.found[i/8] |= 1 << (i % 8) }
func (a *Answer) has(i int) bool { return a.found[i/8]&(1<<(i%8)) != 0 }

// AppendBinary appends the encoded answer, one bit for each hash of the question.
func (a *Answer) AppendBinary(b []byte) ([]byte, error) { return append(b, a.found...), nil }

// DecodeAnswer decodes the whole of b, the answer to q, at the source. Errors wrap
// [ErrInvalid] or io.ErrUnexpectedEOF.
func DecodeAnswer(b []byte, q *Question) (*Answer, error) {
	a := newAnswer(q)
	r := reader{b: b}
	copy(a.found, r.take(len(a.found)))
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	if a.n%8 != 0 && a.found[len(a.found)-1]>>(a.n%8) != 0 {
		return nil, fmt.Errorf("answer: %w: bits after the last hash", ErrInvalid)
	}
	return a, nil
}

// Refine marks at the source what the answer to the last question says the
// destination has. It must be called once for each question that Ask returned
// before the next Ask.
func (s *Segment) Refine(q *Question, ans *Answer) error {
	if q == nil || q != s.asked || ans == nil || ans.n != len(q.near.list)+len(q.search.list) {
		return errors.New("refining segment: not the answer to its last question")
	}
	s.asked = nil
	near, search := 0, len(q.near.list)
	var fills []fill
	for _, it := range q.items {
		g := q.gaps[it.gap]
		l := it.layout(g)
		bit := &near
		if it.search {
			bit = &search
		}
		hits := int64(0)
		for i := range l.count {
			if !ans.has(*bit + int(i)) {
				continue
			}
			hits++
			at, size := l.block(g, i)
			basis := Held
			if !it.search && g.aligned() {
				basis = s.Off + at + g.left
			}
			fills = append(fills, fill{at, size, basis})
		}
		*bit += int(l.count)
		s.trials[it.gap].note(it, hits*100/l.count)
	}
	s.inherit(fills)
	return nil
}
