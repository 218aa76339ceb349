package bench

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	resamples  = 2000 // of a bootstrap
	confidence = 0.95
	// outlying is how many scaled deviations from the median make an outlier (Iglewicz and Hoaglin, 1993).
	outlying = 3.5
	// leastSpread is the part of the median that a deviation is taken to be at least, so that runs that agree to the
	// millisecond do not make an outlier of the one that took two more.
	leastSpread = 0.02
	// comparable is the least number of runs from which a difference is concluded. Of two times three runs that do not
	// overlap chance makes one in ten; two runs say nothing.
	comparable = 3
)

// Spread describes a set of measurements. Units are those of the measurements.
type Spread struct {
	Median float64 `json:"median"`
	MAD    float64 `json:"mad"` // median of the absolute deviations from the median
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Low    float64 `json:"low"` // bootstrap interval of the median, 95 %
	High   float64 `json:"high"`
}

// median returns the middle of values, 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return v[n/2-1] + (v[n/2]-v[n/2-1])/2
	}
	return v[len(v)/2]
}

// deviation returns the median absolute deviation from m.
func deviation(values []float64, m float64) float64 {
	d := make([]float64, len(values))
	for i, v := range values {
		d[i] = math.Abs(v - m)
	}
	return median(d)
}

// spread describes values; the resampling follows from seed.
func spread(values []float64, seed uint64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	m := median(values)
	s := Spread{Median: m, MAD: deviation(values, m), Min: slices.Min(values), Max: slices.Max(values)}
	s.Low, s.High = bootstrap(values, seed)
	return s
}

// bootstrap returns the percentile interval of the median.
func bootstrap(values []float64, seed uint64) (low, high float64) {
	random := rand.New(rand.NewPCG(seed, uint64(len(values))))
	medians, again := make([]float64, resamples), make([]float64, len(values))
	for i := range medians {
		for j := range again {
			again[j] = values[random.IntN(len(values))]
		}
		medians[i] = median(again)
	}
	slices.Sort(medians)
	tail := int((1 - confidence) / 2 * resamples)
	return medians[tail], medians[resamples-1-tail]
}

// outliers returns the indices of values that lie far from the others.
func outliers(values []float64) []int {
	if len(values) < comparable {
		return nil
	}
	m := median(values)
	scale := max(deviation(values, m)/0.6745, leastSpread*m)
	var far []int
	for i, v := range values {
		if math.Abs(v-m) > outlying*scale {
			far = append(far, i)
		}
	}
	return far
}

// overlap reports whether two intervals have a value in common.
func overlap(a, b Spread) bool { return a.Low <= b.High && b.Low <= a.High }

// Verdict says what a comparison of two tools has shown.
type Verdict string

// The verdicts.
const (
	Faster       Verdict = "faster"              // the intervals do not overlap
	Slower       Verdict = "slower"              // the intervals do not overlap
	NoDifference Verdict = "no difference shown" // the intervals overlap
	NotCompared  Verdict = "not compared"        // too few runs, or a line that would mislead
)

// compare returns what n measurements of a tool and nRef of the reference show.
func compare(a Spread, n int, ref Spread, nRef int) Verdict {
	switch {
	case n < comparable || nRef < comparable:
		return NotCompared
	case overlap(a, ref):
		return NoDifference
	case a.Median < ref.Median:
		return Faster
	}
	return Slower
}
