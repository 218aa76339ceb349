package delta

import (
	"bytes"
	"testing"
)

// place is a file in memory.
type place struct{ b []byte }

func (p *place) ReadAt(b []byte, off int64) (int, error) { return bytes.NewReader(p.b).ReadAt(b, off) }

// TestOver: a target that is made over a copy of its basis gets its content, and what
// stays where it was is not written.
func TestOver(t *testing.T) {
	gen := rng(3)
	basis := gen.bytes(10<<20 + 1234)
	edited := bytes.Clone(basis)
	for _, at := range []int{0, 3 << 20, 3<<20 + 9000, 5<<20 - 1, len(basis) - 1} {
		edited[at] ^= 1
	}
	third := len(basis) / 3
	for name, test := range map[string]struct {
		target []byte
		most   int // bytes that are written
	}{
		"same":     {basis, 0},
		"edited":   {edited, 600 << 10},
		"shorter":  {basis[:7<<20+99], 128 << 10},
		"longer":   {append(bytes.Clone(basis), gen.bytes(100_000)...), 300 << 10},
		"inserted": {append(append(bytes.Clone(basis[:third]), "INSERTED"...), basis[third:]...), 8 << 20},
		"removed":  {append(bytes.Clone(basis[:third]), basis[third+8:]...), 8 << 20},
		"swapped":  {append(bytes.Clone(basis[third:]), basis[:third]...), len(basis)},
		"other":    {gen.bytes(3 << 20), 3 << 20},
	} {
		s := newSession(basis)
		wrote := 0
		made := &place{bytes.Clone(basis)}
		var got []byte
		p := NewPatcher(bytes.NewReader(basis))
		p.Over(made)
		s.patch(t, p, basis, test.target, func(seg *Segment, off int64, chunk []byte) {
			got = append(got, chunk...)
			for at, n := range seg.Changed(off, int64(len(chunk))) {
				if grow := int(at+n) - len(made.b); grow > 0 {
					made.b = append(made.b, make([]byte, grow)...)
				}
				wrote += copy(made.b[at:], chunk[at-off:at-off+n])
			}
		})
		if !bytes.Equal(got, test.target) {
			t.Errorf("%s: other content is made", name)
		}
		if !bytes.Equal(made.b[:len(test.target)], test.target) {
			t.Errorf("%s: other content is there", name)
		}
		if wrote > test.most {
			t.Errorf("%s: %d bytes are written, want at most %d of %d", name, wrote, test.most, len(test.target))
		}
	}
}

// patch makes target from basis with p.
func (s session) patch(t *testing.T, p *Patcher, basis, target []byte, emit func(seg *Segment, off int64, chunk []byte)) {
	t.Helper()
	sig, err := NewSignature(s.p)
	check(t, err)
	check(t, Sign(t.Context(), bytes.NewReader(basis), s.p, 1, sig.Add))
	m := NewMatcher(sig, bytes.NewReader(target), int64(len(target)))
	for off := int64(0); off < int64(len(target)); off += s.segment {
		seg, err := m.Segment(t.Context(), off, min(s.segment, int64(len(target))-off))
		check(t, err)
		var lits []byte
		for off, n := range seg.Gaps() {
			lits = append(lits, target[off:off+n]...)
		}
		check(t, p.Apply(t.Context(), seg, bytes.NewReader(lits), func(off int64, chunk []byte, ok bool) error {
			if !ok {
				t.Errorf("the chunk at %d is wrong", off)
			}
			emit(seg, off, chunk)
			return nil
		}))
	}
}
