package delta

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// Matcher finds the content of one target in the basis that a signature describes.
// Segment may be called from several goroutines for different segments, and so may
// Ask.
type Matcher struct {
	sig    *Signature
	full   func() (*view, *index) // of the complete signature
	hash   blockHash
	anch   anchors
	target io.ReaderAt
	size   int64
	bufs   sync.Pool // *[]byte
	gaps   sync.Pool // *gapReader
}

// NewMatcher returns a Matcher for a target of targetSize bytes. The signature may
// still arrive; the first call of Segment indexes it.
func NewMatcher(sig *Signature, target io.ReaderAt, targetSize int64) *Matcher {
	return &Matcher{
		sig: sig, hash: newBlockHash(sig.p), anch: newAnchors(sig.p), target: target, size: targetSize,
		full: sync.OnceValues(func() (*view, *index) {
			v := sig.arrived()
			return &v, v.index()
		}),
	}
}

// Segment matches n bytes of the target from off on and digests them. The signature
// should be complete: blocks that are missing at the first call are never found. The offset
// must be a multiple of ChunkSize, and so must n unless the segment ends the
// target; n is at most MaxSegment. While it runs it uses n bytes of memory and two
// blocks, so that 8 to 16 MiB are a good size for n, and one more goroutine for the
// digests. A target that turns out shorter is io.ErrUnexpectedEOF.
func (m *Matcher) Segment(ctx context.Context, off, n int64) (*Segment, error) {
	return m.segment(ctx, off, n, func(w *window) []Op {
		s := newScan(m, w)
		s.run()
		return s.out.ops
	})
}

// segment digests a range of the target while match matches it.
func (m *Matcher) segment(ctx context.Context, off, n int64, match func(w *window) []Op) (*Segment, error) {
	if err := checkRange(off, n, m.size); err != nil {
		return nil, fmt.Errorf("matching: %w", err)
	}
	before := min(off, m.sig.p.BlockSize)
	after := min(m.size-off-n, m.sig.p.BlockSize)
	buf := m.buffer(before + n + after)
	defer m.bufs.Put(buf)
	w := newWindow(ctx, m.target, *buf, off-before, int(before), int(before+n))
	var ops []Op
	sums := w.digest(func() { ops = match(w) })
	if w.err != nil {
		return nil, fmt.Errorf("matching: %w", w.err)
	}
	return &Segment{
		Off: off, Len: n, Ops: ops, Digests: sums,
		p: m.sig.p, targetSize: m.size,
	}, nil
}

// buffer returns one of n bytes, content undefined.
func (m *Matcher) buffer(n int64) *[]byte {
	if b, ok := m.bufs.Get().(*[]byte); ok && int64(cap(*b)) >= n {
		*b = (*b)[:n]
		return b
	}
	b := make([]byte, n)
	return &b
}

// work counts what a scan did, in bytes; tests hold it against the target's size.
type work struct {
	hashed  int64 // by block hashes
	scanned int64 // for anchors
	rolled  int64 // by the rolling hash
	anchors int64 // number of anchors looked up
}

// scan matches one segment. Positions are indexes into the window's buffer.
type scan struct {
	w     *window
	sig   *view
	p     Params
	idx   *index
	hash  blockHash
	anch  anchors
	diag  int64 // basis offset minus target offset of what matched last
	done  int   // everything before is in out
	out   tiling
	skips []skip // gaps that were never scanned
	work  work
	lost  int64 // bytes hashed for anchors that led nowhere
}

// skip is a range that was jumped over on a diagonal.
type skip struct {
	from, to int
	diag     int64
}

// newScan returns one that uses the complete signature.
func newScan(m *Matcher, w *window) *scan {
	v, idx := m.full()
	s := newEarlyScan(m, v, w)
	s.idx = idx
	return s
}

// newEarlyScan returns one that can use nothing but the diagonal.
func newEarlyScan(m *Matcher, v *view, w *window) *scan {
	return &scan{w: w, sig: v, p: v.p, hash: m.hash, anch: m.anch, done: w.start}
}

// run matches the whole window.
func (s *scan) run() {
	if s.p.AnchorLen == 0 {
		s.runRolling()
	} else {
		s.runAnchors()
	}
	s.gap(s.w.end)
}

// matches reports whether block b of the basis stands at x.
func (s *scan) matches(b int64, x int) bool {
	if b < 0 || b >= s.sig.n || x < 0 {
		return false
	}
	n := s.p.blockLen(b)
	if x+n > len(s.w.buf) || !s.w.need(x, x+n) {
		return false
	}
	s.work.hashed += int64(n)
	return s.hash.sum(s.w.buf[x:x+n]) == s.sig.hash(b)
}

// expected is the first block that starts at x or later on the diagonal, and where
// it starts.
func (s *scan) expected(x int) (b int64, at int) {
	bs := s.p.BlockSize
	off := s.w.base + int64(x) + s.diag
	b = max((off+bs-1)/bs, 0)
	return b, s.place(b)
}

// place is where block b starts on the diagonal; out of the window if the result
// is negative or beyond its end.
func (s *scan) place(b int64) int {
	x := b*s.p.BlockSize - s.diag - s.w.base
	return int(max(min(x, int64(len(s.w.buf))+1), -1))
}

// follow takes the blocks from b at x on for as long as they match; the first is
// known to. It ends a gap that precedes them.
func (s *scan) follow(b int64, x int) {
	s.diag = b*s.p.BlockSize - s.w.base - int64(x)
	from := x
	for x < s.w.end {
		x += s.p.blockLen(b)
		b++
		if x < s.w.end && !s.matches(b, x) {
			break
		}
	}
	from, to := max(from, s.done), min(x, s.w.end)
	if to <= from {
		return
	}
	s.gap(from)
	s.out.add(int64(to-from), s.w.base+int64(from)+s.diag)
	s.done = to
}

// gap makes everything up to x that is not in the output yet a gap.
func (s *scan) gap(x int) {
	s.out.add(int64(x-s.done), Gap)
	s.done = max(s.done, x)
}
