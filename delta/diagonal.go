package delta

const (
	lookAhead  = 4  // blocks tried on the diagonal after one that differs
	lostFactor = 4  // bytes hashed in vain per byte scanned
	sparse     = 32 // bytes scanned per anchor looked up, at least: the content decides how many there are
)

// runAnchors matches the window by diagonals and anchors, then scans what it
// jumped over for blocks that moved there.
func (s *scan) runAnchors() {
	pos := s.straddling()
	for pos < s.w.end && s.w.err == nil {
		pos = s.step(pos)
	}
	s.gap(s.w.end)
	s.scanSkipped()
}

// straddling takes the blocks from the one on that straddles the segment's start, if
// it matches, and returns where to go on.
func (s *scan) straddling() int {
	if b, x := s.expected(s.w.start); x > s.w.start && s.matches(b-1, s.place(b-1)) {
		s.follow(b-1, s.place(b-1))
		return s.done
	}
	return s.w.start
}

// step matches, skips or scans from pos, where the output may end earlier, and
// returns where to go on.
func (s *scan) step(pos int) int {
	b, x := s.expected(pos)
	for j := range int64(1 + lookAhead) {
		at := s.place(b + j)
		if at >= s.w.end {
			break
		}
		if !s.matches(b+j, at) {
			continue
		}
		if at-pos >= int(s.p.BlockSize) {
			s.skips = append(s.skips, skip{pos, at, s.diag})
		}
		s.follow(b+j, at)
		return s.done
	}
	limit := s.w.end
	if b+lookAhead < s.sig.n {
		limit = min(max(s.place(b+1+lookAhead), x), s.w.end)
	}
	if b, x, ok := s.scanAnchors(pos, max(limit, pos+1), s.done, s.diag); ok {
		s.extend(b, x)
		return s.done
	}
	return max(limit, pos+1)
}

// extend takes the blocks before b at x as far as they match and reach beyond the
// output, then those after.
func (s *scan) extend(b int64, x int) {
	bs := int(s.p.BlockSize)
	for x > s.done && s.matches(b-1, x-bs) {
		b--
		x -= bs
	}
	s.follow(b, x)
}

// scanAnchors looks for an anchor in [from, to) that leads to a block which ends
// after done. Blocks on the diagonal tried are known not to match.
func (s *scan) scanAnchors(from, to, done int, tried int64) (b int64, x int, ok bool) {
	if !s.w.need(from, min(to+anchorSpan, s.w.end)) {
		return 0, 0, false
	}
	began := s.work.scanned
	data := s.w.buf[:min(to+anchorSpan-1, s.w.end)]
	for i := from; i < to; i++ {
		at := s.anch.next(data, i)
		if at < 0 {
			at = to
		}
		s.work.scanned = began + int64(at-from)
		if at >= to {
			break
		}
		i = at
		if s.work.anchors > s.work.scanned/sparse+sparse {
			i += 2 * sparse // too many: the content is made so, or very regular
			continue
		}
		s.work.anchors++
		if b, x, ok := s.candidate(at, done, tried); ok {
			return b, x, true
		}
	}
	return 0, 0, false
}

// candidate looks for a block whose anchor stands at x0.
func (s *scan) candidate(x0, done int, tried int64) (b int64, x int, ok bool) {
	id := s.anch.id(s.w.buf[x0:])
	if !s.idx.has(id) {
		return 0, 0, false
	}
	for b, probe := s.idx.next(id, 0); b >= 0; b, probe = s.idx.next(id, probe) {
		a := s.sig.anchor(b)
		x := x0 - int(a&(anchorReach-1))
		n := s.p.blockLen(b)
		if a>>anchorOffBits != id || x+n <= done || b*s.p.BlockSize-s.w.base-int64(x) == tried {
			continue
		}
		if s.lost > lostFactor*s.work.scanned+8*s.p.BlockSize {
			return 0, 0, false
		}
		if s.matches(b, x) {
			return b, x, true
		}
		s.lost += int64(n)
	}
	return 0, 0, false
}

// scanSkipped scans the ranges that were jumped over and puts what it finds into
// the output.
func (s *scan) scanSkipped() {
	var fills []fill
	for _, k := range s.skips {
		for from := k.from; k.to-from >= anchorSpan && s.w.err == nil; {
			b, x, ok := s.scanAnchors(from, k.to, from, k.diag)
			if !ok {
				break
			}
			end := min(x+s.p.blockLen(b), k.to)
			x, basis := max(x, from), b*s.p.BlockSize+int64(max(from-x, 0))
			fills = append(fills, fill{int64(x - s.w.start), int64(end - x), basis})
			from = end
		}
	}
	s.out.ops = overlay(s.out.ops, fills)
}
