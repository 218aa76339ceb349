package delta

import "context"

// What an early match may leave as gaps. Whatever moved is found with the complete
// signature alone. So an early match is good where nothing has moved: where the
// diagonal goes on behind every gap, as it does after an edit in place. Then a gap
// holds new content, unless pieces of the file have changed places; of these, what
// is within the limits is sent as literals.
const (
	earlyRun   = 16 // the part of a segment that one gap may take, or lookAhead blocks if that is more
	earlyShare = 4  // the part that all gaps together may take
)

// EarlyBlocks is the number of blocks that the signature must hold before Early
// can match n bytes of the target from off on.
func (m *Matcher) EarlyBlocks(off, n int64) int64 {
	p := m.sig.p
	if p.AnchorLen == 0 {
		return p.Blocks()
	}
	const more = 2 // one that shows that the diagonal goes on, one that arrived leaves out
	return min((off+n+p.BlockSize-1)/p.BlockSize+more, p.Blocks())
}

// Early is Segment for a signature of which EarlyBlocks have arrived: it finds what
// stands where it stood. The result is nil if it leaves more than an edit in place
// does; then the segment, and those that follow it, are to be matched by Segment
// with the complete signature.
func (m *Matcher) Early(ctx context.Context, off, n int64) (*Segment, error) {
	v := m.sig.arrived()
	if v.p.AnchorLen == 0 {
		return nil, nil
	}
	good := false
	seg, err := m.segment(ctx, off, n, func(w *window) []Op {
		s := newEarlyScan(m, &v, w)
		good = s.runDiagonal()
		return s.out.ops
	})
	if err != nil || !good {
		return nil, err
	}
	return seg, nil
}

// runDiagonal matches the window by the diagonal alone and reports whether that is
// as good as the search for what moved.
func (s *scan) runDiagonal() bool {
	pos := s.straddling()
	for pos < s.w.end && s.w.err == nil {
		b, x := s.expected(pos)
		if x < s.w.end && s.matches(b, x) {
			s.follow(b, x)
			pos = s.done
			continue
		}
		pos = max(s.place(b+1), pos+1)
	}
	s.gap(s.w.end)
	return s.inPlace()
}

// inPlace reports whether the gaps are as edits in place leave them.
func (s *scan) inPlace() bool {
	n := int64(s.w.end - s.w.start)
	run := max(n/earlyRun, lookAhead*s.p.BlockSize)
	gaps := int64(0)
	for _, op := range s.out.ops {
		if op.Basis != Gap {
			continue
		}
		gaps += op.Len
		if op.Len > run {
			return false
		}
	}
	if gaps > n/earlyShare {
		return false
	}
	if k := len(s.out.ops); k > 0 && s.out.ops[k-1].Basis == Gap && s.out.ops[k-1].Len > s.p.BlockSize {
		b, x := s.expected(s.w.end)
		return s.matches(b, x)
	}
	return true
}
