package delta

import (
	"bytes"
	"context"
	"io"
	"testing"
)

// session runs both ends of one file against each other, through the encoded
// forms.
type session struct {
	p       Params
	rounds  int   // refinement rounds at most
	cost    Cost  // given to Ask
	segment int64 // bytes
	workers int

	literals *bytes.Buffer // takes a copy, if set
}

// traffic counts what would cross the line, in bytes.
type traffic struct {
	signature, segments, questions, answers, literals int
	bad                                               int // chunks that Apply reported
	rounds                                            int
}

func (t traffic) total() int {
	return t.signature + t.segments + t.questions + t.answers + t.literals
}

func newSession(basis []byte) session {
	return session{p: NewParams(int64(len(basis)), 7), rounds: MaxRounds, segment: 8 << 20, workers: 2}
}

// run rebuilds target at the destination. Chunks that Apply reports as bad are
// left as they came.
func (s session) run(t testing.TB, basis, target []byte) ([]byte, traffic) {
	t.Helper()
	var tr traffic
	sig, err := NewSignature(s.p)
	check(t, err)
	err = Sign(t.Context(), bytes.NewReader(basis), s.p, s.workers, func(part []byte) error {
		tr.signature += len(part)
		return sig.Add(part)
	})
	check(t, err)
	if !sig.Complete() {
		t.Fatal("signature incomplete")
	}
	m := NewMatcher(sig, bytes.NewReader(target), int64(len(target)))
	got := make([]byte, 0, len(target))
	for off := int64(0); off < int64(len(target)); off += s.segment {
		got = s.one(t, m, m.Segment, basis, target, off, got, &tr)
	}
	return got, tr
}

// one sends a segment that match matches.
func (s session) one(t testing.TB, m *Matcher, match func(context.Context, int64, int64) (*Segment, error), basis, target []byte, off int64, got []byte, tr *traffic) []byte {
	t.Helper()
	ctx := t.Context()
	src, err := match(ctx, off, min(s.segment, int64(len(target))-off))
	check(t, err)
	b, err := src.AppendBinary(nil)
	check(t, err)
	tr.segments += len(b)
	dst, err := DecodeSegment(b, s.p, int64(len(target)))
	check(t, err)
	for range s.rounds {
		if !s.refine(ctx, t, m, basis, src, dst, tr) {
			break
		}
	}
	var lits []byte
	for off, n := range src.Gaps() {
		lits = append(lits, target[off:off+n]...)
	}
	tr.literals += len(lits)
	if s.literals != nil {
		s.literals.Write(lits)
	}
	if int64(len(lits)) != dst.GapBytes() {
		t.Fatalf("source sends %d literals, destination wants %d", len(lits), dst.GapBytes())
	}
	r := bytes.NewReader(lits)
	err = NewPatcher(bytes.NewReader(basis)).Apply(ctx, dst, r, func(off int64, chunk []byte, ok bool) error {
		if off != int64(len(got)) {
			t.Fatalf("chunk at %d after %d bytes", off, len(got))
		}
		if same := bytes.Equal(chunk, target[off:off+int64(len(chunk))]); same != ok {
			t.Fatalf("chunk at %d: ok %v, equal %v", off, ok, same)
		}
		if !ok {
			tr.bad++
		}
		got = append(got, chunk...)
		return nil
	})
	check(t, err)
	if r.Len() != 0 {
		t.Fatalf("%d literals left", r.Len())
	}
	return got
}

// refine runs one round; it is false if the source asked nothing.
func (s session) refine(ctx context.Context, t testing.TB, m *Matcher, basis []byte, src, dst *Segment, tr *traffic) bool {
	t.Helper()
	q, err := m.Ask(ctx, src, s.cost)
	check(t, err)
	if q == nil {
		return false
	}
	tr.rounds++
	b, err := q.AppendBinary(nil)
	check(t, err)
	tr.questions += len(b)
	dq, err := DecodeQuestion(b, dst)
	check(t, err)
	again, err := dq.AppendBinary(nil)
	check(t, err)
	if !bytes.Equal(again, b) {
		t.Fatal("question does not encode as it was decoded")
	}
	ans, err := NewPatcher(bytes.NewReader(basis)).Search(ctx, dq, dst)
	check(t, err)
	ab, err := ans.AppendBinary(nil)
	check(t, err)
	tr.answers += len(ab)
	sa, err := DecodeAnswer(ab, q)
	check(t, err)
	check(t, src.Refine(q, sa))
	return true
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rng is a small deterministic generator (splitmix64), so that cases do not change
// with the standard library.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

func (r *rng) intn(n int) int { return int(r.next() % uint64(n)) }

func (r *rng) bytes(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		v := r.next()
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return b[:n]
}

// scatter overwrites n pages of size bytes, aligned to size.
func (r *rng) scatter(b []byte, n, size int) []byte {
	b = bytes.Clone(b)
	for range n {
		copy(b[r.intn(len(b)/size)*size:], r.bytes(size))
	}
	return b
}

// insert puts n runs of size bytes into b.
func (r *rng) insert(b []byte, n, size int) []byte {
	var out []byte
	for i := range n {
		from, to := len(b)*i/n, len(b)*(i+1)/n
		cut := from + r.intn(to-from)
		out = append(out, b[from:cut]...)
		out = append(out, r.bytes(size)...)
		out = append(out, b[cut:to]...)
	}
	return out
}

var _ io.ReaderAt = (*bytes.Reader)(nil)

// TestCost: a question is put where what it could save at most is more than the line
// carries meanwhile.
func TestCost(t *testing.T) {
	gen := rng(1)
	basis := gen.bytes(8 << 20)
	target := bytes.Clone(basis)
	s := newSession(basis)
	gap := int(s.p.BlockSize)
	for i := range 4 {
		target[1<<20+i*10*gap] ^= 1
	}
	for cost, want := range map[int]bool{0: true, gap: true, 4*gap - gap/4: true, 4 * gap: false, 1 << 30: false} {
		s.cost.BytesPerRTT = int64(cost)
		_, tr := s.run(t, basis, target)
		if asked := tr.rounds > 0; asked != want {
			t.Errorf("4 gaps of %d bytes, %d bytes per round trip: asked is %v", gap, cost, asked)
		}
	}
}
