package delta

import (
	"io"
	"iter"
)

// What stays of a copy of the basis in place: whole blocks of file systems, and so many of
// them that it pays not to write them.
const (
	keepBlock = 4 << 10
	keepLeast = 64 << 10
)

// Over has the basis read from where the target is made, which begins as a copy of it and
// is overwritten from the front on with what Apply emits; what has been overwritten is
// read from the basis itself. It is called before anything else. So what Changed leaves
// out is what Apply has digested.
func (p *Patcher) Over(target io.ReaderAt) {
	p.front = &frontier{target: target, basis: p.basis.r}
	p.basis = NewNearby(p.front)
}

// frontier reads a basis whose copy is overwritten up to at.
type frontier struct {
	target, basis io.ReaderAt
	at            int64
}

// pass moves the frontier.
func (f *frontier) pass(at int64) {
	if f != nil {
		f.at = at
	}
}

// ReadAt implements [io.ReaderAt].
func (f *frontier) ReadAt(b []byte, off int64) (int, error) {
	if off >= f.at {
		return f.target.ReadAt(b, off)
	}
	n := int(min(int64(len(b)), f.at-off))
	k, err := f.basis.ReadAt(b[:n], off)
	if k < n || n == len(b) {
		return k, err
	}
	k, err = f.target.ReadAt(b[n:], f.at)
	return n + k, err
}

// Changed yields offset in the target and length of what must be written of n bytes at off
// over a copy of the basis, in order: all but long ranges, or the whole, that stand where they stood.
func (s *Segment) Changed(off, n int64) iter.Seq2[int64, int64] {
	return func(yield func(off, n int64) bool) {
		from, end := off, off+n // what is to be written begins at from
		for a, b := range s.kept(off, end) {
			a = (a + keepBlock - 1) / keepBlock * keepBlock
			if b != s.targetSize {
				b = b / keepBlock * keepBlock
			}
			if b-a < keepLeast && b-a < n {
				continue
			}
			if a > from && !yield(from, a-from) {
				return
			}
			from = b
		}
		if from < end {
			yield(from, end-from)
		}
	}
}

// kept yields begin and end of the ranges between off and end that stand where they stood.
func (s *Segment) kept(off, end int64) iter.Seq2[int64, int64] {
	return func(yield func(a, b int64) bool) {
		at, from := s.Off, int64(-1) // a range begins at from, or none
		for _, op := range s.Ops {
			if at >= end {
				break
			}
			switch same := op.Basis == at; {
			case same && from < 0:
				from = at
			case !same && from >= 0:
				if at > off && !yield(max(from, off), at) {
					return
				}
				from = -1
			}
			at += op.Len
		}
		if from >= 0 && at > off {
			yield(max(from, off), min(at, end))
		}
	}
}
