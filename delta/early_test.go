package delta

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// arriving is a signature that is handed over as it is needed.
type arriving struct {
	p   Params
	sig *Signature
	all [][]byte // entries that are still to come
	n   int64    // blocks
}

func newArriving(t testing.TB, p Params, basis []byte) *arriving {
	t.Helper()
	sig, err := NewSignature(p)
	check(t, err)
	whole := signed(t, p, basis)
	a := &arriving{p: p, sig: sig, n: 0}
	for b := range p.Blocks() {
		at := int(b) * p.entrySize()
		a.all = append(a.all, whole.v.entries[at:at+p.entrySize()])
	}
	return a
}

// upTo has blocks arrive until there are n.
func (a *arriving) upTo(t testing.TB, n int64) {
	t.Helper()
	for a.n < n {
		count := min(n-a.n, 37)
		part := appendUvarints(nil, a.n, count)
		check(t, a.sig.Add(append(part, bytes.Join(a.all[a.n:a.n+count], nil)...)))
		a.n += count
	}
}

// earlySession sends target as a source does whose signature arrives no earlier than
// it must. early is the number of segments that were matched before its end.
func earlySession(t testing.TB, s session, basis, target []byte) (tr traffic, early int) {
	t.Helper()
	a := newArriving(t, s.p, basis)
	size := int64(len(target))
	m := NewMatcher(a.sig, bytes.NewReader(target), size)
	tr.signature = int(s.p.SignatureSize())
	got := make([]byte, 0, len(target))
	match := m.Segment
	if s.p.AnchorLen > 0 {
		match = func(ctx context.Context, off, n int64) (*Segment, error) {
			a.upTo(t, m.EarlyBlocks(off, n))
			if !a.sig.Complete() {
				seg, err := m.Early(ctx, off, n)
				if seg != nil || err != nil {
					early++
					return seg, err
				}
			}
			a.upTo(t, s.p.Blocks())
			return m.Segment(ctx, off, n)
		}
	} else {
		a.upTo(t, s.p.Blocks())
	}
	for off := int64(0); off < size; off += s.segment {
		got = s.one(t, m, match, basis, target, off, got, &tr)
	}
	if tr.bad == 0 && !bytes.Equal(got, target) {
		t.Fatal("rebuilt wrong")
	}
	return tr, early
}

// TestEarlyRandomEdits matches on a signature that arrives, and wants the target from
// it, whatever was done to it.
func TestEarlyRandomEdits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		basis, target := edits(rt)
		s := newSession(basis)
		s.segment = 1 << 20
		otherParams(rt, &s.p)
		if n := rapid.IntRange(0, 3).Draw(rt, "MiB in front"); n > 0 {
			r := rng(uint64(n))
			front := r.bytes(n << 20)
			basis, target = slices.Concat(front, basis), slices.Concat(front, target)
			s.p.BasisSize = int64(len(basis))
		}
		earlySession(t, s, basis, target)
	})
}

// TestEarlyTraffic compares what crosses the line with what does where the whole
// signature is there from the start: as much within a hundredth after edits in place
// and appends, and where content moved, too, because that is not matched early.
func TestEarlyTraffic(t *testing.T) {
	r := rng(21)
	basis := r.bytes(8 << 20)
	n := len(basis)
	bs := int(NewParams(int64(n), 7).BlockSize)
	cases := []struct {
		name   string
		target []byte
		early  int // segments of 1 MiB that are matched early
	}{
		{"equal", basis, 7},
		{"scattered pages", r.scatter(basis, n/4096/100, 4096), 7},
		{"a few bytes", r.scatter(basis, 30, 16), 7},
		{"appended", append(slices.Clone(basis), r.bytes(3<<20)...), 7},
		{"cut short", basis[:4<<20+1000], 4},
		{"an extent overwritten", overwrite(basis, 3<<20+5000, r.bytes(50<<10)), 7},
		{"the end of a segment overwritten", overwrite(basis, 4<<20-2*bs, r.bytes(2*bs)), 7},
		{"a long extent overwritten", overwrite(basis, 3<<20+5000, r.bytes(80<<10)), 3},
		{"a byte in front", append([]byte{1}, basis...), 0},
		{"a byte in the middle", slices.Insert(slices.Clone(basis), 3<<20+5000, 1), 3},
		{"a byte in a segment's last block", slices.Insert(slices.Clone(basis), 4<<20-100, 1), 4},
		{"a byte in a segment's last block but two", slices.Insert(slices.Clone(basis), 4<<20-2*bs-100, 1), 3},
		{"a byte less", slices.Delete(slices.Clone(basis), 5<<20, 5<<20+1), 5},
		{"a byte inserted and one removed", slices.Delete(slices.Insert(slices.Clone(basis), 3<<20+bs, 1), 3<<20+1<<19, 3<<20+1<<19+1), 3},
		{"halves swapped", append(slices.Clone(basis[n/2:]), basis[:n/2]...), 0},
		{"moved within", overwrite(basis, 3<<20, basis[5<<20+77:][:1<<20]), 3},
		{"every third block moved", everyThird(basis, 3<<20, 5<<20+77, bs), 3},
		{"other content", r.bytes(n), 0},
		{"inserts", r.insert(basis, 50, 100), 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(basis)
			s.segment = 1 << 20
			_, want := s.run(t, basis, c.target)
			got, early := earlySession(t, s, basis, c.target)
			if early != c.early {
				t.Errorf("%d segments are matched early, want %d", early, c.early)
			}
			if limit := want.total() + want.total()/100; got.total() > limit {
				t.Errorf("%d bytes cross the line, %d with the whole signature: %+v and %+v", got.total(), want.total(), got, want)
			}
		})
	}
}

func overwrite(b []byte, at int, by []byte) []byte {
	b = slices.Clone(b)
	copy(b[at:], by)
	return b
}

// everyThird replaces every third run of three blocks of the MiB from at on by what
// stands elsewhere.
func everyThird(b []byte, at, from, bs int) []byte {
	b = slices.Clone(b)
	for i := 0; i+3*bs <= 1<<20; i += 9 * bs {
		copy(b[at+i:at+i+3*bs], bytes.Clone(b[from+i:]))
	}
	return b
}

// TestEarlyMoves says what is lost where blocks have changed places between others
// that have not: no more than Early may leave.
func TestEarlyMoves(t *testing.T) {
	r := rng(22)
	basis := r.bytes(8 << 20)
	s := newSession(basis)
	s.segment = 2 << 20
	bs := int(s.p.BlockSize)
	for _, run := range []int{1, 3, 40} {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			target := slices.Clone(basis)
			a, b := 100*bs, 300*bs
			copy(target[a:a+run*bs], basis[b:])
			copy(target[b:b+run*bs], basis[a:])
			_, want := s.run(t, basis, target)
			got, early := earlySession(t, s, basis, target)
			t.Logf("%d early: %d bytes of literals, %d with the whole signature", early, got.literals, want.literals)
			switch {
			case run > int(s.segment/earlyRun)/bs && (early > 0 || got.total() != want.total()):
				t.Errorf("%d segments are matched early, %d bytes instead of %d", early, got.total(), want.total())
			case got.literals > want.literals+2*run*bs:
				t.Errorf("%d bytes of literals", got.literals)
			}
		})
	}
}

// TestEarlyWhileAdding matches while another goroutine adds parts; the race detector
// says more about it.
func TestEarlyWhileAdding(t *testing.T) {
	r := rng(23)
	basis := r.bytes(4 << 20)
	s := newSession(basis)
	a := newArriving(t, s.p, basis)
	m := NewMatcher(a.sig, bytes.NewReader(basis), int64(len(basis)))
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { a.upTo(t, s.p.Blocks()) })
	for !a.sig.Complete() { // too early: nothing may come of it but gaps
		_, err := m.Early(t.Context(), 0, int64(len(basis)))
		check(t, err)
	}
	b := newArriving(t, s.p, basis)
	m = NewMatcher(b.sig, bytes.NewReader(basis), int64(len(basis)))
	wg.Go(func() { b.upTo(t, s.p.Blocks()) })
	for off := int64(0); off < int64(len(basis)); off += ChunkSize {
		for {
			grown := b.sig.Grown()
			if b.sig.Blocks() >= m.EarlyBlocks(off, ChunkSize) {
				break
			}
			<-grown
		}
		seg, err := m.Early(t.Context(), off, ChunkSize)
		check(t, err)
		if off+ChunkSize < int64(len(basis)) && (seg == nil || seg.GapBytes() > 0) {
			t.Fatalf("segment at %d: %+v", off, seg)
		}
	}
	if seg, err := m.Segment(t.Context(), 0, ChunkSize); err != nil || seg.GapBytes() > 0 {
		t.Errorf("%+v, %v", seg, err)
	}
}

// TestEarlyOfShortBasis wants nothing of a signature without anchors, and that the
// whole of it is waited for.
func TestEarlyOfShortBasis(t *testing.T) {
	r := rng(24)
	basis := r.bytes(shortBasis)
	a := newArriving(t, NewParams(shortBasis, 7), basis)
	m := NewMatcher(a.sig, bytes.NewReader(basis), shortBasis)
	if n := m.EarlyBlocks(0, 1<<10); n != a.p.Blocks() {
		t.Errorf("%d blocks are needed of %d", n, a.p.Blocks())
	}
	if seg, err := m.Early(t.Context(), 0, shortBasis); seg != nil || err != nil {
		t.Errorf("%+v, %v", seg, err)
	}
}

// BenchmarkEarly is BenchmarkSegment on a signature of which the end is missing.
func BenchmarkEarly(b *testing.B) {
	r := rng(1)
	basis := r.bytes(benchSize)
	s := newSession(basis)
	a := newArriving(b, s.p, basis)
	a.upTo(b, s.p.Blocks()-1)
	m := NewMatcher(a.sig, bytes.NewReader(basis), benchSize)
	b.SetBytes(benchSize - 8<<20)
	b.ReportAllocs()
	for b.Loop() {
		for off := int64(0); off < benchSize-8<<20; off += 8 << 20 {
			if seg, err := m.Early(b.Context(), off, 8<<20); seg == nil {
				b.Fatal(err)
			}
		}
	}
}
