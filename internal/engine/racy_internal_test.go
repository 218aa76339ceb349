package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gosync/walker/manifest"
)

// TestAwaitTick holds for how long the reading of a file is put off.
func TestAwaitTick(t *testing.T) {
	odd, even := int64(1_700_000_001), int64(1_700_000_000)
	for _, x := range []struct {
		name string
		e    manifest.Entry
		now  time.Time
		want time.Duration
	}{
		{"just written", manifest.Entry{Sec: odd, Nsec: 5}, time.Unix(odd, 5), 10 * time.Millisecond},
		{"4 ms ago", manifest.Entry{Sec: odd, Nsec: 5}, time.Unix(odd, 4_000_005), 6 * time.Millisecond},
		{"10 ms ago", manifest.Entry{Sec: odd, Nsec: 5}, time.Unix(odd, 10_000_005), 0},
		{"whole seconds", manifest.Entry{Sec: odd}, time.Unix(odd, 300_000_000), 710 * time.Millisecond},
		{"whole seconds, over", manifest.Entry{Sec: odd}, time.Unix(odd+1, 20_000_000), 0},
		{"two seconds", manifest.Entry{Sec: even}, time.Unix(even+1, 0), 1010 * time.Millisecond},
		{"two seconds, over", manifest.Entry{Sec: even}, time.Unix(even+2, 20_000_000), 0},
		{"future of this second", manifest.Entry{Sec: odd, Nsec: 900_000_000}, time.Unix(odd, 0), 10 * time.Millisecond},
		{"future", manifest.Entry{Sec: odd + 1}, time.Unix(odd, 0), 0},
		{"past", manifest.Entry{Sec: -1 << 62}, time.Unix(odd, 0), 0},
		{"far future", manifest.Entry{Sec: 1 << 62}, time.Unix(odd, 0), 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &source{clock: x.now, start: time.Now()}
			if err := s.awaitTick(t.Context(), &x.e); err != nil {
				t.Errorf("%s: %v", x.name, err)
			}
			if got := time.Since(s.start); got != x.want {
				t.Errorf("%s: waited %v, want %v", x.name, got, x.want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		s := &source{clock: time.Unix(even, 0), start: time.Now()}
		if err := s.awaitTick(ctx, &manifest.Entry{Sec: even}); !errors.Is(err, cause) {
			t.Errorf("cancelled: %v", err)
		}
	})
}
