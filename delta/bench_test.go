package delta

import (
	"bytes"
	"io"
	"testing"
)

const benchSize = 128 << 20

// benchMatch matches target segment by segment on one goroutine, from memory and
// without digests.
func benchMatch(b *testing.B, basis, target []byte) {
	s := newSession(basis)
	m := NewMatcher(signed(b, s.p, basis), bytes.NewReader(target), int64(len(target)))
	b.SetBytes(int64(len(target)))
	b.ReportAllocs()
	for b.Loop() {
		for off := 0; off < len(target); off += 16 << 20 {
			end := min(off+16<<20, len(target))
			newScan(m, inMemory(b, target, off, end, int(s.p.BlockSize))).run()
		}
	}
}

// inMemory is a window on bytes that need not be read.
func inMemory(t testing.TB, target []byte, off, end, margin int) *window {
	from, to := max(off-margin, 0), min(end+margin, len(target))
	w := newWindow(t.Context(), bytes.NewReader(target), target[from:to], int64(from), off-from, end-from)
	w.loaded, w.head = to-from, true
	return w
}

func signed(t testing.TB, p Params, basis []byte) *Signature {
	t.Helper()
	sig, err := NewSignature(p)
	check(t, err)
	check(t, Sign(t.Context(), bytes.NewReader(basis), p, 1, sig.Add))
	return sig
}

func BenchmarkSign(b *testing.B) {
	r := rng(1)
	basis := r.bytes(benchSize)
	p := NewParams(512<<20, 7)
	p.BasisSize = benchSize
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		check(b, Sign(b.Context(), memory(basis), p, 1, func([]byte) error { return nil }))
	}
}

// memory is a ReaderAt without the checks of bytes.Reader.
type memory []byte

func (m memory) ReadAt(b []byte, off int64) (int, error) {
	n := copy(b, m[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func BenchmarkSignBlocks(b *testing.B) {
	r := rng(1)
	basis := r.bytes(benchSize)
	p := NewParams(512<<20, 7)
	s := newSigner(p)
	part := make([]byte, 0, 1<<20)
	b.SetBytes(benchSize)
	for b.Loop() {
		*s.used = anchorFilter{}
		s.blocks(part, basis)
	}
}

func BenchmarkMatch(b *testing.B) {
	r := rng(1)
	basis := r.bytes(benchSize)
	b.Run("identical", func(b *testing.B) { benchMatch(b, basis, basis) })
	b.Run("scattered", func(b *testing.B) { benchMatch(b, basis, r.scatter(basis, benchSize/4096/100, 4096)) })
	b.Run("inserts", func(b *testing.B) { benchMatch(b, basis, r.insert(basis, 100, 100)) })
	b.Run("different", func(b *testing.B) { benchMatch(b, basis, r.bytes(benchSize)) })
	b.Run("zeros", func(b *testing.B) { benchMatch(b, basis, make([]byte, benchSize)) })
	b.Run("short", func(b *testing.B) { benchMatch(b, basis[:60000], basis[1<<20:1<<20+60000]) })
}

// BenchmarkSegment includes reading and the digests on a second goroutine.
func BenchmarkSegment(b *testing.B) {
	r := rng(1)
	basis := r.bytes(benchSize)
	s := newSession(basis)
	m := NewMatcher(signed(b, s.p, basis), bytes.NewReader(basis), benchSize)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		for off := int64(0); off < benchSize; off += 16 << 20 {
			_, err := m.Segment(b.Context(), off, 16<<20)
			check(b, err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	r := rng(1)
	basis := r.bytes(16 << 20)
	s := newSession(basis)
	m := NewMatcher(signed(b, s.p, basis), bytes.NewReader(basis), 16<<20)
	seg, err := m.Segment(b.Context(), 0, 16<<20)
	check(b, err)
	b.SetBytes(16 << 20)
	b.ReportAllocs()
	for b.Loop() {
		check(b, NewPatcher(bytes.NewReader(basis)).Apply(b.Context(), seg, nil, func(int64, []byte, bool) error { return nil }))
	}
}

func BenchmarkSum(b *testing.B) {
	chunk := make([]byte, ChunkSize)
	b.SetBytes(ChunkSize)
	b.ReportAllocs()
	for b.Loop() {
		Sum(chunk)
	}
}

func BenchmarkRollerRoll(b *testing.B) {
	r := rng(1)
	data := r.bytes(128 << 10)
	s := searcher{q: &Question{seg: &Segment{p: NewParams(0, 7)}}}
	idx := newIndex(64, 48)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		s.slide(data, 0, 9, idx, hashes{48, make([]uint64, 64)}, make([]int64, 64), 64)
	}
}

func BenchmarkRollerSum(b *testing.B) {
	r := rng(1)
	data := r.bytes(512)
	roll := newRoller(7, 512)
	b.SetBytes(512)
	for b.Loop() {
		roll.sum(data)
	}
}
