package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Search answers a question and refines seg, the segment the question was decoded
// for, with what it finds in the basis. What the basis lacks, because it has become
// shorter, is not found.
func (p *Patcher) Search(ctx context.Context, q *Question, seg *Segment) (*Answer, error) {
	if q.seg != seg || q.round != seg.rounds {
		return nil, errors.New("searching: not a question about this state of the segment")
	}
	ans := newAnswer(q)
	p.gaps = gapRoom(p.gaps, seg.Len)
	s := searcher{q: q, basis: p.basis, buf: p.gaps, wide: p.wide}
	defer func() { p.wide = s.wide }()
	near, search := 0, 0
	var fills []fill
	for _, it := range q.items {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g := q.gaps[it.gap]
		l := it.layout(g)
		first, at, h, find := near, &near, q.near, s.compare
		if it.search {
			first, at, h, find = len(q.near.list)+search, &search, q.search, s.find
		}
		want := hashes{h.width, h.list[*at : *at+int(l.count)]}
		*at += int(l.count)
		found, err := find(it, g, want)
		if err != nil {
			return nil, fmt.Errorf("searching basis: %w", err)
		}
		for i, off := range found {
			if off >= 0 {
				ans.set(first + i)
				at, size := l.block(g, int64(i))
				fills = append(fills, fill{at, size, off})
			}
		}
	}
	seg.rounds++
	seg.Ops = overlay(seg.Ops, fills)
	return ans, nil
}

// searcher looks for the sub-blocks of one item at a time.
type searcher struct {
	q     *Question
	basis io.ReaderAt
	buf   []byte
	wide  []byte // a search window
}

// compare looks for each sub-block on the diagonals of the gap's neighbours. The
// result is the offset of each in the basis, or -1.
func (s *searcher) compare(it item, g gap, want hashes) ([]int64, error) {
	found := make([]int64, len(want.list))
	for i := range found {
		found[i] = -1
	}
	err := s.compareOn(it, g, want, g.left, found)
	if err == nil && g.right != g.left {
		err = s.compareOn(it, g, want, g.right, found)
	}
	return found, err
}

func (s *searcher) compareOn(it item, g gap, want hashes, diag int64, found []int64) error {
	p, off, mask := s.q.seg.p, s.q.seg.Off, s.q.seg.p.mask(want.width)
	l := it.layout(g)
	read := func(b []byte, at int64) error { return readClipped(s.basis, b, off+at+diag, p.BasisSize) }
	return it.each(g, s.buf, read, func(i int64, b []byte) {
		at, n := l.block(g, i)
		from := off + at + diag
		if found[i] < 0 && from >= 0 && from <= p.BasisSize-n && nearHash(b, p.Seed)&mask == want.list[i] {
			found[i] = from
		}
	})
}

// searchSlack is how far beyond the diagonals of a gap's neighbours a search goes,
// and searchSpread how far these may lie apart to be searched as one window.
func searchSlack(n int64) int64  { return min(max(n/4, 512), 4<<10) }
func searchSpread(n int64) int64 { return min(max(n/2, 1024), 32<<10) }

// searchOffsets bounds the number of offsets that a search in a gap of n bytes
// compares each sub-block with.
func searchOffsets(n int64) int64 { return min(n, searchPiece) + 2*searchSlack(n) + searchSpread(n) }

// windows are the ranges of the basis to search for the piece of the gap from at
// to end, relative to the segment: what lies between the diagonals of the gap's
// neighbours if these are close, or else, if the piece is all there is, half of its
// length beside each neighbour.
func (g gap) windows(off, at, end int64) [][2]int64 {
	slack := searchSlack(g.n)
	low, high := min(g.left, g.right), max(g.left, g.right)
	if high-low <= searchSpread(g.n) {
		return [][2]int64{{off + at + low - slack, off + end + high + slack}}
	}
	if g.n > searchPiece {
		return nil
	}
	from, to, half := off+g.at+g.left, off+g.at+g.n+g.right, (g.n+1)/2
	return [][2]int64{{from - slack, from + half + slack}, {to - half - slack, to + slack}}
}

// find looks for each sub-block at every offset of the windows, piece by piece.
func (s *searcher) find(it item, g gap, want hashes) ([]int64, error) {
	l := it.layout(g)
	found := make([]int64, len(want.list))
	for i := int64(0); i < l.count; {
		at, n := l.block(g, i)
		j, end := i+1, at+n
		for ; j < l.count; j++ {
			next, n := l.block(g, j)
			if next+n-at > searchPiece {
				break
			}
			end = next + n
		}
		part := hashes{want.width, want.list[i:j]}
		if err := s.findPiece(it.log, g.windows(s.q.seg.Off, at, end), part, found[i:j]); err != nil {
			return nil, err
		}
		i = j
	}
	return found, nil
}

// findPiece looks for the sub-blocks of one piece. Equal hashes are looked for once:
// a run of them must not make every equal offset of the basis slow.
func (s *searcher) findPiece(log int, windows [][2]int64, want hashes, found []int64) error {
	idx := newIndex(int64(len(want.list)), want.width)
	first := make([]int, len(found))
	left := 0
	for i, h := range want.list {
		found[i] = -1
		if first[i] = want.indexed(idx, h); first[i] < 0 {
			first[i] = i
			idx.add(h, int64(i))
			left++
		}
	}
	size := s.q.seg.p.BasisSize
	for _, w := range windows {
		from, to := min(max(w[0], 0), size), min(max(w[1], 0), size)
		if left == 0 || to-from < 1<<log {
			continue
		}
		if int64(cap(s.wide)) < to-from {
			s.wide = make([]byte, to-from)
		}
		b := s.wide[:to-from]
		if err := readPadded(s.basis, b, from); err != nil {
			return err
		}
		left -= s.slide(b, from, log, idx, want, found, left)
	}
	for i, f := range first {
		found[i] = found[f]
	}
	return nil
}

// indexed returns the number of the hash in the index that equals h, or -1.
func (w hashes) indexed(idx *index, h uint64) int {
	for c, probe := idx.next(h, 0); c >= 0; c, probe = idx.next(h, probe) {
		if w.list[c] == h {
			return int(c)
		}
	}
	return -1
}

// slide rolls over b, which starts at offset from of the basis, until left
// sub-blocks have been found. It notes the first place of each and returns how many
// it found.
func (s *searcher) slide(b []byte, from int64, log int, idx *index, want hashes, found []int64, left int) int {
	n, mask := 1<<log, s.q.seg.p.mask(want.width)
	r := newRoller(s.q.seg.p.Seed, n)
	hits := 0
	for x, h := 0, r.sum(b[:n]); ; x++ {
		x, h = r.seek(b, x, n, h, mask, idx)
		if c := want.indexed(idx, finish(h)&mask); c >= 0 && found[c] < 0 {
			found[c] = from + int64(x)
			hits++
		}
		if x+n >= len(b) || hits == left {
			return hits
		}
		h = r.roll(h, b[x], b[x+n])
	}
}

// readClipped is readPadded for a range that may lie outside of the size bytes
// of r, where b gets zeros.
func readClipped(r io.ReaderAt, b []byte, off, size int64) error {
	from, to := min(max(off, 0), size), min(max(off+int64(len(b)), 0), size)
	if from >= to {
		clear(b)
		return nil
	}
	clear(b[:from-off])
	clear(b[to-off:])
	return readPadded(r, b[from-off:to-off], from)
}
