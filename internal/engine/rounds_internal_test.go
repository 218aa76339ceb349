package engine

import (
	"testing"
	"time"

	"gosync/transport/wire"
)

// TestRoundCost: a round costs what the line carries in a round trip, divided among the
// segments that wait at the same time; nothing where the line is not known.
func TestRoundCost(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		rtt     time.Duration
		rate    float64
		atATime int64
		want    int64
	}{
		{0, 0, 1, 0},
		{50 * ms, 0, 9, 0}, // the rate is not known yet
		{0, 1e9, 9, 0},
		{50 * ms, 2.5e6, 1, 125_000},
		{50 * ms, 2.5e6, 2, 62_500},
		{50 * ms, 12e6, 3, 200_000},
		{50 * ms, 2.5e6, 0, 125_000}, // all is held
	} {
		got := roundCost(func() (time.Duration, float64) { return test.rtt, test.rate }, test.atATime)
		if got.BytesPerRTT != test.want {
			t.Errorf("%v, %v bytes a second, %d segments at a time: %d, want %d", test.rtt, test.rate, test.atATime, got.BytesPerRTT, test.want)
		}
	}
}

// TestSegmentsOpen: more are open on a long line, of a file by itself, where the far side takes them.
func TestSegmentsOpen(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		version int
		alone   bool
		rtt     time.Duration
		want    int
	}{
		{wire.Version, true, 0, 3}, // not known yet
		{wire.Version, true, ms, 3},
		{wire.Version, true, 20 * ms, 5},
		{wire.Version, true, 100 * ms, 13},
		{wire.Version, true, 2000 * ms, 16},
		{wire.Version, false, 100 * ms, 3},
		{4, true, 100 * ms, 3},
	} {
		if got := segmentsOpen(test.version, test.alone, test.rtt); got != test.want {
			t.Errorf("%+v: %d", test, got)
		}
	}
	if wire.Content(4) == wire.Content(5) || wire.Content(4) != wire.Content(3) {
		t.Error("what one end sends by itself in version 5 goes to one that speaks 4")
	}
}

// TestHasOther: another delta, a file that is being sent and one that waits are work for
// the line.
func TestHasOther(t *testing.T) {
	for name, begin := range map[string]func(s *source){
		"":               func(*source) {},
		"another delta":  func(s *source) { s.deltas[idOf(2)] = &deltaJob{} },
		"a file":         func(s *source) { s.busy.Add(1) },
		"one that waits": func(s *source) { s.tasks.put(task{}) },
	} {
		s := &source{tasks: newQueue[task](), deltas: map[wire.ID]*deltaJob{idOf(1): {}}}
		begin(s)
		if got := s.hasOther(); got != (name != "") {
			t.Errorf("beside a delta %q: %v", name, got)
		}
	}
}

func idOf(n int) wire.ID { return wire.ID{Entry: n} }
