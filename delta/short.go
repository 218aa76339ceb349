package delta

// rollLimit bounds the bytes of one segment that are searched at every offset.
// The basis is short, so that a target that needs more has little in common.
const rollLimit = 1 << 20

// runRolling matches the window against a short basis: the block that the diagonal
// expects, else the first block found at any offset.
func (s *scan) runRolling() {
	for pos := s.w.start; pos < s.w.end && s.w.err == nil; pos = s.done {
		b, x := s.expected(pos)
		if x == pos && s.matches(b, x) {
			s.follow(b, x)
			continue
		}
		b, x, ok := s.roll(pos)
		if !ok {
			break
		}
		s.follow(b, x)
	}
	s.tail()
}

// roll looks for a whole block at pos or later, one on the diagonal first.
func (s *scan) roll(pos int) (b int64, x int, ok bool) {
	r, n := s.hash.roll, int(s.p.BlockSize)
	stop := min(s.w.end-n, pos+int(rollLimit-s.work.rolled))
	if pos > stop || !s.w.need(pos, s.w.end) {
		return 0, 0, false
	}
	data := s.w.buf[:stop+n]
	h := r.sum(data[pos : pos+n])
	s.work.hashed += int64(n)
	for x = pos; ; x++ {
		x, h = r.seek(data, x, n, h, s.hash.mask, s.idx)
		b, ok := s.lookup(finish(h)&s.hash.mask, x)
		if ok || x >= stop {
			s.work.rolled += int64(x - pos)
			return b, x, ok
		}
		h = r.roll(h, data[x], data[x+n])
	}
}

// lookup returns the block that has key, the one on the diagonal at x if there are
// several.
func (s *scan) lookup(key uint64, x int) (b int64, ok bool) {
	want := s.w.base + int64(x) + s.diag
	b = -1
	for c, probe := s.idx.next(key, 0); c >= 0; c, probe = s.idx.next(key, probe) {
		if s.sig.hash(c) != key {
			continue
		}
		if c*s.p.BlockSize == want {
			return c, true
		}
		if b < 0 {
			b = c
		}
	}
	return b, b >= 0
}

// tail tries the basis's last, shorter block at the end of the target: the rolling
// search finds whole blocks only.
func (s *scan) tail() {
	b := s.p.Blocks() - 1
	if b < 0 || s.p.blockLen(b) == int(s.p.BlockSize) || s.w.end != len(s.w.buf) {
		return
	}
	if x := s.w.end - s.p.blockLen(b); x >= s.done && s.matches(b, x) {
		s.follow(b, x)
	}
}
