package delta

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
)

// TestWork bounds what matching does on targets that are made to be slow. Times
// are those of the operations: bytes hashed cost a twentieth of a nanosecond,
// scanned ones 0.4, an anchor about ten, rolled ones two.
func TestWork(t *testing.T) {
	r := rng(8)
	const size = 8 << 20
	basis := r.bytes(size)
	line := bytes.Repeat([]byte("all work and no play makes jack a dull boy\n"), size/43)
	prefix := r.bytes(1 << 11)
	same := bytes.Clone(basis) // all blocks begin alike
	for i := 0; i+len(prefix) <= size; i += 4 << 10 {
		copy(same[i:], prefix)
	}
	shifted := append([]byte("?"), same[:size-1]...)
	for i := 1 << 11; i < size; i += 4 << 10 {
		shifted[i+100] ^= 1
	}
	cases := []struct {
		name          string
		basis, target []byte
	}{
		{"different", basis, r.bytes(size)},
		{"zeros for random", basis, make([]byte, size)},
		{"random for zeros", make([]byte, size), basis},
		{"lines, shifted", line, line[7:]},
		{"lines for random", basis, line},
		{"period of 2", basis, bytes.Repeat([]byte{1, 2}, size/2)},
		{"equal prefixes", same, shifted},
		{"every block edited", basis, r.scatter(basis, size/4096, 4)},
	}
	for _, c := range cases {
		for _, hostile := range []bool{false, true} {
			p := NewParams(int64(len(c.basis)), 3)
			sig := signed(t, p, c.basis)
			if hostile { // every block claims the target's first anchor
				claim(sig, c.target)
			}
			m := NewMatcher(sig, bytes.NewReader(c.target), size)
			s := newScan(m, inMemory(t, c.target, 0, len(c.target), 0))
			s.run()
			n, w := int64(len(c.target)), s.work
			if w.hashed > 7*n+16*p.BlockSize || w.scanned > 2*n || w.anchors > 2*n/sparse+2*sparse || w.rolled > 0 {
				t.Errorf("%s, hostile %v: %+v for %d bytes", c.name, hostile, w, n)
			}
		}
	}
}

// claim gives all blocks of sig the id of the target's first anchor.
func claim(sig *Signature, target []byte) {
	a := newAnchors(sig.p)
	at := a.next(target, 0)
	if at < 0 {
		return
	}
	id := a.id(target[at:])
	for b := range sig.v.n {
		v := id<<anchorOffBits | uint64(b)%anchorReach
		for i := range sig.p.AnchorLen {
			sig.v.entries[int(b)*sig.p.entrySize()+sig.p.HashLen+i] = byte(v >> (8 * i))
		}
	}
}

func TestWorkOfShortBasis(t *testing.T) {
	r := rng(9)
	basis, target := r.bytes(shortBasis), r.bytes(8<<20)
	m := NewMatcher(signed(t, NewParams(shortBasis, 3), basis), bytes.NewReader(target), 8<<20)
	s := newScan(m, inMemory(t, target, 0, len(target), 0))
	s.run()
	if s.work.rolled > rollLimit || s.work.hashed > 16<<10 {
		t.Errorf("%+v", s.work)
	}
}

// TestLargestSignature builds the signature and the index of a basis of 1 TiB.
func TestLargestSignature(t *testing.T) {
	p := NewParams(1<<40, 1)
	if p.Blocks() != 1<<20 || p.entrySize() != 10 {
		t.Fatalf("%+v: %d blocks", p, p.Blocks())
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	sig, err := NewSignature(p)
	check(t, err)
	r := rng(1)
	for i := range p.ranges() {
		first, end := p.rangeBlocks(i)
		part := make([]byte, 0, 64)
		part = appendUvarints(part, first, end-first)
		part = append(part, r.bytes(int(end-first)*p.entrySize())...)
		check(t, sig.Add(part))
	}
	if !sig.Complete() {
		t.Fatal("incomplete")
	}
	idx := sig.v.index()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if used := int64(after.HeapAlloc) - int64(before.HeapAlloc); used > 64<<20 {
		t.Errorf("signature and index take %d MiB", used>>20)
	}
	runtime.KeepAlive(idx)
	runtime.KeepAlive(sig)
}

func appendUvarints(b []byte, v ...int64) []byte {
	for _, x := range v {
		for ; x >= 0x80; x >>= 7 {
			b = append(b, byte(x)|0x80)
		}
		b = append(b, byte(x))
	}
	return b
}

func TestNewParams(t *testing.T) {
	cases := []struct {
		size, block   int64
		hash, anchors int
	}{
		{0, 512, 4, 0},
		{1, 512, 4, 0},
		{4096, 512, 4, 0},
		{64 << 10, 512, 5, 0},
		{64<<10 + 1, 1 << 10, 4, 4},
		{1<<20 - 1, 1 << 10, 4, 4},
		{1 << 20, 1 << 10, 4, 4},
		{1<<20 + 1, 2 << 10, 4, 4},
		{512 << 20, 32 << 10, 4, 4},
		{1 << 30, 32 << 10, 4, 4},
		{2 << 30, 64 << 10, 4, 5},
		{1 << 40, 1 << 20, 5, 5},
		{1 << 46, 16 << 20, 5, 5},
	}
	for _, c := range cases {
		p := NewParams(c.size, 0)
		if err := p.Validate(); err != nil || p.BlockSize != c.block || p.HashLen != c.hash || p.AnchorLen != c.anchors {
			t.Errorf("NewParams(%d) = %+v, %v", c.size, p, err)
		}
	}
}

func TestShorterThanSaid(t *testing.T) {
	r := rng(10)
	data := r.bytes(3 << 20)
	p := NewParams(int64(len(data)), 1)
	short := bytes.NewReader(data[:len(data)-1])
	if err := Sign(t.Context(), short, p, 2, func([]byte) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Sign: %v", err)
	}
	m := NewMatcher(signed(t, p, data), short, int64(len(data)))
	if _, err := m.Segment(t.Context(), 0, int64(len(data))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Segment: %v", err)
	}
	if _, err := SumReaderAt(t.Context(), short, int64(len(data)), 2, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("SumReaderAt: %v", err)
	}
	m = NewMatcher(signed(t, p, data), bytes.NewReader(data), int64(len(data)))
	seg, err := m.Segment(t.Context(), 0, int64(len(data)))
	check(t, err)
	bad := 0
	check(t, NewPatcher(short).Apply(t.Context(), seg, nil, func(_ int64, _ []byte, ok bool) error {
		if !ok {
			bad++
		}
		return nil
	}))
	if bad != 1 {
		t.Errorf("a basis that lost a byte: %d bad chunks", bad)
	}
}

func TestErrorsEndIt(t *testing.T) {
	r := rng(11)
	data := r.bytes(70 << 20)
	p := NewParams(int64(len(data)), 1)
	stop := errors.New("stop")
	for _, workers := range []int{1, 3} {
		err := Sign(t.Context(), bytes.NewReader(data), p, workers, func([]byte) error { return stop })
		if !errors.Is(err, stop) {
			t.Errorf("emit's error with %d workers: %v", workers, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		err = Sign(ctx, bytes.NewReader(data), p, workers, func([]byte) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled with %d workers: %v", workers, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := NewMatcher(signed(t, p, data), bytes.NewReader(data), int64(len(data)))
	if _, err := m.Segment(ctx, 0, 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("Segment: %v", err)
	}
	for _, bad := range [][2]int64{{1, 1 << 20}, {0, 1<<20 + 1}, {0, 128 << 20}, {-1 << 20, 1 << 20}, {1 << 62, 1 << 20}} {
		if _, err := m.Segment(t.Context(), bad[0], bad[1]); !errors.Is(err, ErrInvalid) {
			t.Errorf("Segment(%d, %d): %v", bad[0], bad[1], err)
		}
	}
	seg, err := m.Segment(t.Context(), 0, 1<<20)
	check(t, err)
	seg.Ops = []Op{{1 << 20, Gap}}
	err = NewPatcher(nil).Apply(t.Context(), seg, bytes.NewReader(data[:100]), func(int64, []byte, bool) error { return nil })
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Apply with too few literals: %v", err)
	}
	seg.Ops = []Op{{1 << 20, Held}}
	if err := NewPatcher(nil).Apply(t.Context(), seg, nil, nil); err == nil {
		t.Error("Apply took the source's copy of a segment")
	}
}

func TestSumReaderAt(t *testing.T) {
	r := rng(12)
	data := r.bytes(5<<20 + 3)
	seen := map[Digest]bool{}
	for _, size := range []int64{0, 1, ChunkSize, ChunkSize + 1, 2 * ChunkSize, int64(len(data))} {
		one, err := SumReaderAt(t.Context(), bytes.NewReader(data), size, 1, nil)
		check(t, err)
		var tree Tree
		three, err := SumReaderAt(t.Context(), bytes.NewReader(data), size, 3, func(i int64, d Digest) {
			if d != Sum(data[i*ChunkSize:min((i+1)*ChunkSize, size)]) {
				t.Errorf("chunk %d is out of order", i)
			}
			tree.Add(d)
		})
		check(t, err)
		if one != three || tree.Sum(size) != one || tree.Sum(size) != one {
			t.Errorf("%d bytes: digests differ", size)
		}
		if size <= ChunkSize && one != Sum(data[:size]) {
			t.Errorf("%d bytes: not the plain BLAKE3", size)
		}
		if seen[one] {
			t.Errorf("%d bytes: digest of another size", size)
		}
		seen[one] = true
	}
	if d := (&Tree{}).Sum(0); d != Sum(nil) {
		t.Error("empty tree")
	}
}

// TestTooManyAnchors uses content in which, with the seed chosen, every position is
// an anchor.
func TestTooManyAnchors(t *testing.T) {
	r := rng(13)
	basis, target := r.bytes(8<<20), bytes.Repeat([]byte{1}, 8<<20)
	p := NewParams(int64(len(basis)), 0)
	for newAnchors(p).next(target[:anchorSpan], 0) != 0 {
		p.Seed++
	}
	m := NewMatcher(signed(t, p, basis), bytes.NewReader(target), int64(len(target)))
	s := newScan(m, inMemory(t, target, 0, len(target), 0))
	s.run()
	if n := int64(len(target)); s.work.anchors > n/sparse+sparse || s.work.scanned < n/2 {
		t.Errorf("%+v", s.work)
	}
}

func TestRollLimitIsOfTheSegment(t *testing.T) {
	r := rng(14)
	basis := r.bytes(shortBasis)
	var target []byte
	for i := range 100 {
		target = append(target, r.bytes(50000)...)
		target = append(target, basis[i*512:i*512+1024]...)
	}
	m := NewMatcher(signed(t, NewParams(shortBasis, 3), basis), bytes.NewReader(target), int64(len(target)))
	s := newScan(m, inMemory(t, target, 0, len(target), 0))
	s.run()
	if s.work.rolled > rollLimit || s.work.rolled < rollLimit/2 {
		t.Errorf("%+v", s.work)
	}
}

// TestChoiceFitsGap has every state of a gap lead to questions that the destination
// accepts.
func TestChoiceFitsGap(t *testing.T) {
	for n := int64(1); n < 4000; n++ {
		g := gap{n: n, leftKnown: true, rightKnown: true, right: 100}
		for _, tr := range []trial{
			{},
			{near: nearMinLog},
			{near: nearMinLog, found: 50},
			{near: nearMaxLog, found: 100},
			{search: searchMinLog, found: 50},
			{near: nearMaxLog, sample: true, found: 100},
			{search: searchMinLog, sample: true, found: 50},
			{search: searchMinLog, sample: true, found: 100},
		} {
			it, share := tr.choose(g, 1<<10)
			if share == 0 {
				continue
			}
			if err := it.check(0, g); err != nil || it.layout(g).count == 0 {
				t.Fatalf("%+v on a gap of %d bytes: %+v, %v", tr, n, it, err)
			}
		}
	}
}
