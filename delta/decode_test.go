package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"testing"
)

// sample is a small exchange whose messages seed the fuzzers.
type sample struct {
	basis, target             []byte
	p                         Params
	parts                     [][]byte
	segment, question, answer []byte
}

func newSample(t testing.TB, size int) sample {
	r := rng(5)
	s := sample{basis: r.bytes(size)}
	s.target = r.insert(r.scatter(s.basis, 3, 100), 2, 1000)
	s.p = NewParams(int64(size), 7)
	check(t, Sign(t.Context(), bytes.NewReader(s.basis), s.p, 1, func(part []byte) error {
		s.parts = append(s.parts, bytes.Clone(part))
		return nil
	}))
	q := s.asked(t)
	s.question, _ = q.AppendBinary(nil)
	var err error
	s.segment, err = (&Segment{Off: q.seg.Off, Len: q.seg.Len, Ops: q.seg.Ops, Digests: q.seg.Digests}).AppendBinary(nil)
	check(t, err)
	seg := s.decoded(t)
	dq, err := DecodeQuestion(s.question, seg)
	check(t, err)
	ans, err := NewPatcher(bytes.NewReader(s.basis)).Search(t.Context(), dq, seg)
	check(t, err)
	s.answer, err = ans.AppendBinary(nil)
	check(t, err)
	return s
}

// asked is the source's first question.
func (s sample) asked(t testing.TB) *Question {
	sig, err := NewSignature(s.p)
	check(t, err)
	for _, part := range s.parts {
		check(t, sig.Add(part))
	}
	m := NewMatcher(sig, bytes.NewReader(s.target), int64(len(s.target)))
	seg, err := m.Segment(t.Context(), 0, int64(len(s.target)))
	check(t, err)
	q, err := m.Ask(t.Context(), seg, Cost{})
	check(t, err)
	if q == nil {
		t.Fatal("nothing asked")
	}
	return q
}

// decoded is the destination's copy of the segment.
func (s sample) decoded(t testing.TB) *Segment {
	seg, err := DecodeSegment(s.segment, s.p, int64(len(s.target)))
	check(t, err)
	return seg
}

// peerError fails unless err is one that bytes from a peer may cause.
func peerError(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrInvalid) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("neither invalid nor truncated: %v", err)
	}
}

var sampleSizes = []int{30000, 200000}

func FuzzDecodeParams(f *testing.F) {
	for _, size := range []int64{0, 1, 1 << 20, 1 << 40} {
		b, err := NewParams(size, 9).AppendBinary(nil)
		check(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodeParams(b)
		if err != nil {
			peerError(t, err)
			return
		}
		if again, err := p.AppendBinary(nil); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x encodes as %x, %v", b, again, err)
		}
	})
}

func FuzzSignatureAdd(f *testing.F) {
	var params []Params
	for i, size := range sampleSizes {
		s := newSample(f, size)
		params = append(params, s.p)
		f.Add(uint8(i), s.parts[0])
		f.Add(uint8(i), s.parts[0][:len(s.parts[0])-1])
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		p := params[int(which)%len(params)]
		s, err := NewSignature(p)
		check(t, err)
		if err := s.Add(b); err != nil {
			peerError(t, err)
			if s.v.n != 0 || len(s.v.entries) != signaturePad {
				t.Fatal("a bad part changed the signature")
			}
			return
		}
		target := bytes.Repeat([]byte("0123456789abcdef"), 300)
		m := NewMatcher(s, bytes.NewReader(target), int64(len(target)))
		if _, err := m.Segment(t.Context(), 0, int64(len(target))); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzDecodeSegment(f *testing.F) {
	s := newSample(f, sampleSizes[1])
	f.Add(s.segment, int64(len(s.target)), int64(len(s.basis)))
	f.Add(s.segment[:20], int64(len(s.target)), int64(len(s.basis)))
	f.Fuzz(func(t *testing.T, b []byte, targetSize, basisSize int64) {
		p := NewParams(basisSize, 0)
		seg, err := DecodeSegment(b, p, targetSize)
		if err != nil {
			peerError(t, err)
			return
		}
		var sum int64
		for _, op := range seg.Ops {
			if op.Basis >= 0 && (op.Basis > p.BasisSize || op.Len > p.BasisSize-op.Basis) {
				t.Fatalf("copy %v from %d bytes", op, p.BasisSize)
			}
			sum += op.Len
		}
		if sum != seg.Len || seg.Off < 0 || seg.Len > targetSize-seg.Off {
			t.Fatalf("%d bytes in a segment %d+%d of %d", sum, seg.Off, seg.Len, targetSize)
		}
		if again, err := seg.AppendBinary(nil); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x encodes as %x, %v", b, again, err)
		}
	})
}

func FuzzDecodeQuestion(f *testing.F) {
	var samples []sample
	for i, size := range sampleSizes {
		s := newSample(f, size)
		samples = append(samples, s)
		f.Add(uint8(i), s.question)
		f.Add(uint8(i), s.question[:len(s.question)/2])
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		s := samples[int(which)%len(samples)]
		seg := s.decoded(t)
		q, err := DecodeQuestion(b, seg)
		if err != nil {
			peerError(t, err)
			return
		}
		if again, err := q.AppendBinary(nil); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x encodes as %x, %v", b, again, err)
		}
		before := seg.GapBytes()
		if _, err := NewPatcher(bytes.NewReader(s.basis)).Search(t.Context(), q, seg); err != nil {
			t.Fatal(err)
		}
		if seg.GapBytes() > before {
			t.Fatal("gaps grew")
		}
		literals := bytes.NewReader(make([]byte, seg.GapBytes()))
		check(t, NewPatcher(bytes.NewReader(s.basis)).Apply(t.Context(), seg, literals, func(int64, []byte, bool) error { return nil }))
	})
}

func FuzzDecodeAnswer(f *testing.F) {
	s := newSample(f, sampleSizes[1])
	f.Add(s.answer)
	f.Add(s.answer[:1])
	f.Fuzz(func(t *testing.T, b []byte) {
		q := s.asked(t)
		a, err := DecodeAnswer(b, q)
		if err != nil {
			peerError(t, err)
			return
		}
		if again, _ := a.AppendBinary(nil); !bytes.Equal(again, b) {
			t.Fatalf("%x encodes as %x", b, again)
		}
		check(t, q.seg.Refine(q, a))
		var sum int64
		for _, op := range q.seg.Ops {
			sum += op.Len
		}
		if sum != q.seg.Len {
			t.Fatalf("%d bytes in a segment of %d", sum, q.seg.Len)
		}
	})
}

func TestSignatureRejects(t *testing.T) {
	s := newSample(t, 200000)
	part := s.parts[0]
	header := partHeader(0, s.p.Blocks())
	number := func(first, count uint64) []byte {
		b := binary.AppendUvarint(binary.AppendUvarint(nil, first), count)
		return append(b, part[header:]...)
	}
	cases := []struct {
		name string
		part []byte
		want error
	}{
		{"empty", nil, io.ErrUnexpectedEOF},
		{"short", part[:len(part)-1], io.ErrUnexpectedEOF},
		{"long", append(bytes.Clone(part), 0), ErrInvalid},
		{"out of order", number(1, uint64(s.p.Blocks()-1)), ErrInvalid},
		{"too many blocks", number(0, uint64(s.p.Blocks()+1)), ErrInvalid},
		{"count overflows", number(0, math.MaxUint64), ErrInvalid},
		{"no blocks", number(0, 0), ErrInvalid},
		{"long number", append([]byte{0x80, 0}, part[1:]...), ErrInvalid},
	}
	for _, c := range cases {
		sig, err := NewSignature(s.p)
		check(t, err)
		if err := sig.Add(c.part); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		check(t, sig.Add(part))
		if err := sig.Add(part); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: a part beyond the end: %v", c.name, err)
		}
	}
}

func TestSegmentRejects(t *testing.T) {
	p := NewParams(10000, 0)
	msg := func(off, n uint64, v ...uint64) []byte {
		b := binary.AppendUvarint(binary.AppendUvarint(nil, off), n)
		for _, x := range v {
			b = binary.AppendUvarint(b, x)
		}
		return append(b, make([]byte, 32*chunks(int64(min(n, 1<<30))))...)
	}
	zig := func(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }
	cases := []struct {
		name string
		b    []byte
		want error
	}{
		{"good", msg(0, 100, 2, 50<<1, 50<<1|1, zig(9900)), nil},
		{"copy beyond the basis", msg(0, 100, 2, 50<<1, 50<<1|1, zig(9901)), ErrInvalid},
		{"copy before the basis", msg(0, 100, 1, 100<<1|1, zig(-1)), ErrInvalid},
		{"copy at the largest offset", msg(0, 100, 1, 100<<1|1, zig(math.MaxInt64)), ErrInvalid},
		{"copy at the smallest offset", msg(0, 100, 1, 100<<1|1, zig(math.MinInt64)), ErrInvalid},
		{"empty op", msg(0, 100, 2, 0, 100<<1), ErrInvalid},
		{"ops too long", msg(0, 100, 1, 101<<1), ErrInvalid},
		{"op of the largest length", msg(0, 100, 1, math.MaxUint64), ErrInvalid},
		{"ops too short", msg(0, 100, 1, 99<<1), ErrInvalid},
		{"gap after gap", msg(0, 100, 2, 50<<1, 50<<1), ErrInvalid},
		{"more ops than bytes", msg(0, 100, math.MaxUint64), ErrInvalid},
		{"beyond the target", msg(0, 101, 1, 101<<1), ErrInvalid},
		{"offset overflows", msg(math.MaxUint64, 100, 1, 100<<1), ErrInvalid},
		{"length overflows", msg(0, math.MaxUint64, 1, 100<<1), ErrInvalid},
		{"no digest", msg(0, 100, 1, 100<<1)[:4], io.ErrUnexpectedEOF},
	}
	for _, c := range cases {
		if _, err := DecodeSegment(c.b, p, 100); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestParamsReject(t *testing.T) {
	good := NewParams(1<<20, 1)
	check(t, good.Validate())
	for _, change := range []func(*Params){
		func(p *Params) { p.BlockSize = 0 },
		func(p *Params) { p.BlockSize = 256 },
		func(p *Params) { p.BlockSize = 1000 },
		func(p *Params) { p.BlockSize = MaxBlockSize * 2 },
		func(p *Params) { p.BlockSize = math.MinInt64 },
		func(p *Params) { p.BasisSize = -1 },
		func(p *Params) { p.BasisSize = MaxBlocks*p.BlockSize + 1 },
		func(p *Params) { p.HashLen = 3 },
		func(p *Params) { p.HashLen = 9 },
		func(p *Params) { p.AnchorLen = 3 },
		func(p *Params) { p.AnchorLen = -1 },
	} {
		p := good
		change(&p)
		if err := p.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", p, err)
		}
		if _, err := NewSignature(p); !errors.Is(err, ErrInvalid) {
			t.Errorf("NewSignature(%+v): %v", p, err)
		}
	}
}

func TestRoundsAreBounded(t *testing.T) {
	s := newSample(t, 200000)
	seg := s.decoded(t)
	seg.rounds = MaxRounds
	if _, err := DecodeQuestion(s.question, seg); !errors.Is(err, ErrInvalid) {
		t.Errorf("one question too many: %v", err)
	}
	seg = s.decoded(t)
	q, err := DecodeQuestion(s.question, seg)
	check(t, err)
	seg.rounds++
	if _, err := NewPatcher(bytes.NewReader(s.basis)).Search(t.Context(), q, seg); err == nil {
		t.Error("a stale question was answered")
	}
}
