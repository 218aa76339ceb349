package main

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestSecondSignal: signals that come together are one, a later one is meant.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after []time.Duration // the first one; 0: the run has ended
		want  bool
	}{
		"one press, told of twice": {[]time.Duration{time.Millisecond, 100 * time.Millisecond, 0}, false},
		"a second press":           {[]time.Duration{time.Millisecond, time.Second}, true},
		"the run ends":             {[]time.Duration{0}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				signals, done := make(chan os.Signal), make(chan struct{})
				go func() {
					for _, d := range tt.after {
						if d == 0 {
							close(done)
							return
						}
						time.Sleep(d)
						signals <- os.Interrupt
					}
				}()
				if got := atOnce(signals, done); got != tt.want {
					t.Errorf("at once: %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestSignalsAreGivenBack: when the orderly end takes too long the operating system
// deals with the next signal.
func TestSignalsAreGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if atOnce(make(chan os.Signal), make(chan struct{})) || time.Since(start) != orderlyEnd {
			t.Errorf("after %v", time.Since(start))
		}
	})
}

func TestShellCommand(t *testing.T) {
	t.Parallel()
	args := []string{"gosync", "-aP", "a b", "it's", "$HOME", "", "日本", "esc\x1b[2J", "raw\xff", "l\nf", `back\slash`, "t\tb", "x\u202ey"}
	want := `gosync -aP 'a b' 'it'\''s' '$HOME' '' '日本' $'esc\033[2J' $'raw\377' $'l\012f' 'back\slash' $'t\011b' $'x\342\200\256y'`
	if got := shellCommand(args); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}
