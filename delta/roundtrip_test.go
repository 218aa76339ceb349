package delta

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// roundTrip rebuilds target and fails unless it is equal.
func roundTrip(t testing.TB, s session, basis, target []byte) traffic {
	t.Helper()
	got, tr := s.run(t, basis, target)
	if !bytes.Equal(got, target) || tr.bad > 0 {
		t.Fatalf("rebuilt wrong, %d bad chunks", tr.bad)
	}
	if tr.literals > len(target) {
		t.Fatalf("%d literals for %d bytes", tr.literals, len(target))
	}
	return tr
}

func TestRoundTrip(t *testing.T) {
	r := rng(2)
	zeros := make([]byte, 3<<20+17)
	random := r.bytes(3<<20 + 17)
	text := bytes.Repeat([]byte("the same line, over and over again\n"), 60000)
	reversed := slices.Clone(random)
	for i := 0; i+4096 <= len(random); i += 4096 {
		copy(reversed[len(random)-i-4096:], random[i:i+4096])
	}
	sparse := slices.Clone(zeros)
	for i := 0; i < len(sparse); i += 5000 + i%977 {
		sparse[i] = byte(i)
	}
	cases := []struct {
		name          string
		basis, target []byte
	}{
		{"both empty", nil, nil},
		{"empty basis", nil, random},
		{"empty target", random, nil},
		{"one byte", []byte{1}, []byte{1}},
		{"one byte, another", []byte{1}, []byte{2}},
		{"one byte basis", []byte{1}, random},
		{"one byte target", random, []byte{1}},
		{"equal", random, random},
		{"zeros", zeros, zeros},
		{"zeros, longer", zeros[:1<<20], zeros},
		{"zeros, shifted", append([]byte{1}, zeros...), zeros},
		{"zeros to random", zeros, random},
		{"random to zeros", random, zeros},
		{"sparse, shifted", sparse, append([]byte("xyz"), sparse...)},
		{"text, shifted", text, append([]byte("xyz"), text...)},
		{"text, without a line", text, text[35:]},
		{"blocks reversed", random, reversed},
		{"halves swapped", random, append(slices.Clone(random[1<<20+5:]), random[:1<<20+5]...)},
		{"repeated", random[:1<<20], bytes.Repeat(random[:1<<20], 3)},
		{"short, edited", random[:20000], append([]byte("begin"), random[300:20000]...)},
		{"short, last block only", random[:700], random[600:700]},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(c.basis)
			s.segment = 1 << 20
			tr := roundTrip(t, s, c.basis, c.target)
			if bytes.Equal(c.basis, c.target) && tr.literals > 0 {
				t.Errorf("%d literals between equal files", tr.literals)
			}
		})
	}
}

func TestRoundTripAtBoundaries(t *testing.T) {
	r := rng(3)
	all := r.bytes(2<<20 + 2)
	sizes := []int{1, 511, 512, 513, 1023, 1024, 1025, shortBasis - 1, shortBasis, shortBasis + 1, 1<<20 - 1, 1 << 20, 1<<20 + 1}
	for _, a := range sizes {
		for _, b := range sizes {
			for _, shift := range []int{0, 1} {
				t.Run(fmt.Sprint(a, b, shift), func(t *testing.T) {
					basis, target := all[:a], all[shift:shift+b]
					tr := roundTrip(t, newSession(basis), basis, target)
					if shared := min(a-shift, b); shared > 16<<10 && tr.literals > b-shared+8<<10 {
						t.Errorf("%d literals, %d bytes are shared", tr.literals, shared)
					}
				})
			}
		}
	}
}

// edits draws a basis and a target made of it.
func edits(t *rapid.T) (basis, target []byte) {
	r := rng(rapid.Uint64().Draw(t, "seed"))
	basis = r.bytes(rapid.IntRange(0, 300000).Draw(t, "size"))
	if rapid.Bool().Draw(t, "low entropy") {
		for i := range basis {
			basis[i] &= 1
		}
	}
	target = slices.Clone(basis)
	for range rapid.IntRange(0, 12).Draw(t, "edits") {
		at := r.intn(len(target) + 1)
		n := min(1+r.intn(1+r.intn(20000)), len(target)-at)
		switch r.intn(5) {
		case 0:
			target = slices.Insert(target, at, r.bytes(n)...)
		case 1:
			target = slices.Delete(target, at, at+n)
		case 2:
			copy(target[at:], r.bytes(n))
		case 3:
			clear(target[at : at+n])
		case 4:
			target = slices.Insert(target, r.intn(len(target)+1), slices.Clone(target[at:at+n])...)
		}
	}
	return basis, target
}

// otherParams may choose parameters that NewParams would not.
func otherParams(rt *rapid.T, p *Params) {
	if rapid.Bool().Draw(rt, "other parameters") {
		p.BlockSize = 512 << rapid.IntRange(0, 12).Draw(rt, "block size")
		p.AnchorLen = rapid.SampledFrom([]int{0, 4, 5}).Draw(rt, "anchor")
		p.HashLen = rapid.IntRange(5, 8).Draw(rt, "hash")
	}
}

func TestRoundTripRandomEdits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		basis, target := edits(rt)
		s := newSession(basis)
		s.segment = 1 << 20
		s.rounds = rapid.IntRange(0, MaxRounds).Draw(rt, "rounds")
		s.cost.BytesPerRTT = int64(rapid.IntRange(0, 2000).Draw(rt, "cost"))
		s.p.Seed = rapid.Uint64().Draw(rt, "hash seed")
		otherParams(rt, &s.p)
		roundTrip(t, s, basis, target)
	})
}

// TestCollisions makes wrong matches certain: every hash is 4 bytes or more on the
// wire, but the seams below cut them to a few bits. run fails the test if a chunk
// is wrong and reported as ok.
func TestCollisions(t *testing.T) {
	r := rng(4)
	bad := 0
	for _, size := range []int{40000, 3 << 20} {
		basis := r.bytes(size)
		target := r.scatter(basis, 20, 64)
		s := newSession(basis)
		s.p.narrow = 6
		got, tr := s.run(t, basis, target)
		if len(got) != len(target) {
			t.Fatalf("%d bytes for %d", len(got), len(target))
		}
		bad += tr.bad
		got, tr = s.run(t, basis, r.bytes(size))
		bad += tr.bad
		_ = got
	}
	if bad == 0 {
		t.Error("no collision: the test does not test")
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("some basis"), []byte("some target"), uint64(1), uint8(3), uint16(40), uint8(0))
	f.Add(bytes.Repeat([]byte("abc"), 3000), bytes.Repeat([]byte("bca"), 3000), uint64(2), uint8(1), uint16(1), uint8(4))
	f.Fuzz(func(t *testing.T, basis, target []byte, seed uint64, rounds uint8, repeat uint16, anchor uint8) {
		n := int(repeat)%50 + 1
		basis, target = bytes.Repeat(basis, n), bytes.Repeat(target, n)
		if len(basis)+len(target) > 1<<20 {
			return
		}
		s := newSession(basis)
		s.p.Seed, s.p.HashLen = seed, 8
		s.rounds = int(rounds) % (MaxRounds + 1)
		if anchor&4 != 0 {
			s.p.AnchorLen = 4
		}
		got, tr := s.run(t, basis, target)
		if tr.bad == 0 && !bytes.Equal(got, target) {
			t.Fatal("rebuilt wrong")
		}
	})
}

// TestBlocksSwapped exchanges single blocks: each is jumped over on the diagonal and
// found by the second pass.
func TestBlocksSwapped(t *testing.T) {
	r := rng(15)
	basis := r.bytes(4 << 20)
	s := newSession(basis)
	s.rounds = 0
	target := slices.Clone(basis)
	n := int(s.p.BlockSize)
	for i := range 20 {
		a, b := (10+i*40)*n, (30+i*40)*n
		copy(target[a:a+n], basis[b:])
		copy(target[b:b+n], basis[a:])
	}
	if tr := roundTrip(t, s, basis, target); tr.literals > 2*n { // a block in a hundred has no anchor
		t.Errorf("%d literals for moved blocks of %d bytes", tr.literals, n)
	}
}

// TestEqualSubBlocks searches for hashes that are equal to each other.
func TestEqualSubBlocks(t *testing.T) {
	r := rng(16)
	block := r.bytes(128)
	basis := append(r.bytes(1000), block...)
	p := NewParams(int64(len(basis)), 1)
	h := finish(newRoller(p.Seed, 128).sum(block)) & p.mask(48)
	s := searcher{q: &Question{seg: &Segment{p: p}}, basis: bytes.NewReader(basis)}
	found := make([]int64, 100)
	want := hashes{48, slices.Repeat([]uint64{h}, len(found))}
	want.list[50]++
	check(t, s.findPiece(7, [][2]int64{{-5, 5000}}, want, found))
	for i, off := range found {
		if i == 50 && off != -1 || i != 50 && off != 1000 {
			t.Errorf("sub-block %d at %d", i, off)
		}
	}
}
