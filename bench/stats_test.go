package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestMedianAndDeviation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values      []float64
		median, mad float64
	}{
		{nil, 0, 0},
		{[]float64{3}, 3, 0},
		{[]float64{1, 2}, 1.5, 0.5},
		{[]float64{5, 1, 3}, 3, 2},
		{[]float64{1, 1, 2, 2, 4, 6, 9}, 2, 1},
		{[]float64{2, 2, 2, 2, 100}, 2, 0},
	} {
		m := median(c.values)
		if m != c.median || deviation(c.values, m) != c.mad {
			t.Errorf("%v: median %v, deviation %v; want %v, %v", c.values, m, deviation(c.values, m), c.median, c.mad)
		}
	}
}

func TestOutliers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   []int
	}{
		{[]float64{1, 9}, nil}, // which one is it?
		{[]float64{1, 1, 1}, nil},
		{[]float64{1, 1.01, 0.99, 1, 1.05}, nil}, // 5 % is no outlier, however well the others agree
		{[]float64{1, 1.01, 0.99, 1, 1.2}, []int{4}},
		{[]float64{0.2, 1, 1.1, 0.9, 1}, []int{0}},
		{[]float64{1, 2, 3, 4, 5}, nil},
	} {
		if got := outliers(c.values); !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	s := func(low, middle, high float64) Spread { return Spread{Median: middle, Low: low, High: high} }
	for _, c := range []struct {
		a, ref  Spread
		n, nRef int
		want    Verdict
	}{
		{s(1, 2, 3), s(4, 5, 6), 5, 5, Faster},
		{s(4, 5, 6), s(1, 2, 3), 5, 5, Slower},
		{s(1, 2, 4), s(4, 5, 6), 5, 5, NoDifference}, // they touch
		{s(1, 9, 9), s(4, 5, 6), 5, 5, NoDifference}, // one lies in the other
		{s(1, 2, 3), s(4, 5, 6), 2, 5, NotCompared},
		{s(1, 2, 3), s(4, 5, 6), 5, 2, NotCompared},
	} {
		if got := compare(c.a, c.n, c.ref, c.nRef); got != c.want {
			t.Errorf("%v (%d) and %v (%d): %s, want %s", c.a, c.n, c.ref, c.nRef, got, c.want)
		}
	}
}

// TestSpreadProperties checks what holds of any measurements: the order of the figures, that neither the order of the
// values nor a second run changes them, that they scale, and that a set is never told from itself.
func TestSpreadProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(0.001, 1000), 1, 12).Draw(t, "values")
		seed := rapid.Uint64().Draw(t, "seed")
		s := spread(values, seed)
		order := []float64{s.Min, s.Low, s.Median, s.High, s.Max}
		if !slices.IsSorted(order) {
			t.Fatalf("not in order: %v", order)
		}
		if s.MAD < 0 || s.MAD > s.Max-s.Min {
			t.Fatalf("deviation %v of %v", s.MAD, values)
		}
		if again := spread(values, seed); again != s {
			t.Fatalf("%v, then %v", s, again)
		}
		mixed := slices.Clone(values)
		slices.Reverse(mixed)
		if m := median(mixed); m != s.Median {
			t.Fatalf("median %v, reversed %v", s.Median, m)
		}
		scaled := make([]float64, len(values))
		for i, v := range values {
			scaled[i] = 8 * v // a power of two: exact
		}
		if m := spread(scaled, seed); math.Abs(m.High-8*s.High) > 1e-9*m.High || m.Median != 8*s.Median {
			t.Fatalf("%v, eight times that is %v", s, m)
		}
		if v := compare(s, len(values), s, len(values)); v == Faster || v == Slower {
			t.Fatalf("a set is %s than itself", v)
		}
		if far := outliers(values); 2*len(far) >= len(values)+1 {
			t.Fatalf("most of %v are outliers: %v", values, far)
		}
	})
}

// TestBootstrapCovers draws sets from a distribution with a known median: about 95 % of the intervals must hold it.
// All follows from seeds.
func TestBootstrapCovers(t *testing.T) {
	t.Parallel()
	const sets, want = 400, 1.0
	covered := 0
	for seed := range uint64(sets) {
		values := make([]float64, 9)
		for i := range values {
			values[i] = want * math.Exp(0.2*normal(seed, uint64(i)))
		}
		if s := spread(values, seed); s.Low <= want && want <= s.High {
			covered++
		}
	}
	if part := float64(covered) / sets; part < 0.90 || part == 1 {
		t.Errorf("%.3f of the intervals hold the median, want about 0.95", part)
	}
}

// normal returns a draw of the standard normal distribution that follows from two numbers.
func normal(seed, i uint64) float64 { return rand.New(rand.NewPCG(seed+1, i+1)).NormFloat64() }
