package engine_test

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire/longline"
)

// TestRounds: a file by itself crosses long lines about as fast as it does with all the
// questions that might save something, and as it does with none, whichever is faster.
func TestRounds(t *testing.T) {
	const mib = 1 << 20
	always := func() (time.Duration, float64) { return 0, 0 }
	never := func() (time.Duration, float64) { return time.Hour, 1e12 }
	for _, test := range []struct {
		name  string
		rtt   time.Duration
		mbit  float64
		fresh int // bytes at the start that have nothing in common, which show what the line carries
		size  int
		every int // so many bytes behind those one has changed

		matters bool // whether questions are asked
	}{
		{"50 ms, 1.5 Gbit/s", 50 * time.Millisecond, 1500, 32 * mib, 64 * mib, 256 << 10, false},
		{"50 ms, 100 Mbit/s", 50 * time.Millisecond, 100, 8 * mib, 32 * mib, 96 << 10, false},
		{"50 ms, 20 Mbit/s", 50 * time.Millisecond, 20, 2 * mib, 18 * mib, 256 << 10, true},
		{"200 ms, 20 Mbit/s", 200 * time.Millisecond, 20, 10 * mib, 34 * mib, 512 << 10, false},
	} {
		if testing.Short() && test.mbit > 500 { // it is much to carry
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			old := []byte(random(1, test.size))
			now := bytes.Clone(old)
			copy(now, random(2, test.fresh))
			for i := test.fresh; i < test.size; i += test.every {
				now[i] ^= 1
			}
			over := func(line func() (time.Duration, float64)) (took time.Duration) {
				synctest.Test(t, func(t *testing.T) {
					took = overLine(t, longline.New(test.mbit*1e6/8, test.rtt), old, now, line)
				})
				return took
			}
			asked, unasked, chosen := over(always), over(never), over(nil)
			t.Logf("always %v, never %v, chosen %v", asked, unasked, chosen)
			best := min(asked, unasked)
			if chosen > best*105/100 {
				t.Errorf("the file takes %v, could take %v", chosen, best)
			}
			if test.matters && max(asked, unasked) < best*105/100 {
				t.Errorf("%v and %v: nothing is decided, and this test shows nothing", asked, unasked)
			}
		})
	}
}

// overLine returns how long it takes to make the file old, across a line, what it is now.
func overLine(t *testing.T, l *longline.Line, old, now []byte, line func() (time.Duration, float64)) time.Duration {
	t.Helper()
	src, dst := oneFile(t, old, now)
	near, far := l.Open()
	var wg sync.WaitGroup
	wg.Go(func() {
		must(t, engine.Serve(t.Context(), dst.Host(), far, slog.New(slog.DiscardHandler)))
	})
	begin := time.Now()
	job := jobFor("/src", "/dst")
	job.Durability = engine.SyncNone
	_, err := engine.SendBy(t.Context(), src.Host(), near, job, line)
	took := time.Since(begin)
	wg.Wait()
	must(t, err)
	if got := dst.Tree("/dst")["f"].Data; !bytes.Equal(got, now) {
		t.Error("the file has other content")
	}
	return took
}

// TestOpenSegments: what a long file's segments ask about is on its way at the same time: the
// file takes the round trips of few of them.
func TestOpenSegments(t *testing.T) {
	const rtt = 200 * time.Millisecond
	old := []byte(random(1, 72<<20))
	now := bytes.Clone(old)
	for i := 0; i < len(now); i += 512 << 10 {
		now[i] ^= 1
	}
	synctest.Test(t, func(t *testing.T) {
		if took := overLine(t, longline.New(1e9/8, rtt), old, now, nil); took > 9*rtt {
			t.Errorf("nine segments take %v, %d round trips", took, took/rtt)
		} else {
			t.Logf("%d round trips", took/rtt)
		}
	})
}
