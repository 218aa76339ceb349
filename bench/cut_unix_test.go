//go:build unix

package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hostRun is a benchmark whose host is this machine.
func hostRun(t *testing.T) *run {
	t.Helper()
	c := Config{Host: "box", Far: here{}, Limit: time.Hour, Budget: time.Hour}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	return &run{
		c: &c, end: &end{far: here{}, name: "box", dir: t.TempDir(), gosync: "gosync"}, scratch: t.TempDir(), environ: os.Environ(),
		sums: map[string]sums{},
	}
}

// scripted is a tool that a script stands for, which finds the destination in $1.
func scripted(script string) *tool {
	return &tool{name: "scripted", argv: func(j *job) ([]string, error) {
		return []string{"sh", "-c", script, "sh", j.parent}, nil
	}}
}

// TestCutByBytes: on the way to a host a copy is interrupted when half has arrived, however long it took to begin, and one
// that is through before that is noticed is tried again with less.
func TestCutByBytes(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	slow := "n=0; while [ $n -lt 16 ]; do head -c 4096 /dev/zero >>$1/f; n=$((n+1)); sleep $wait; done"
	for name, c := range map[string]struct {
		script      string
		least, most int64
		want        error
	}{
		"slow":            {"wait=3; " + slow, size / 2, size * 9 / 10, nil},
		"slow to begin":   {"wait=3; sleep 5; " + slow, size / 2, size * 9 / 10, nil},
		"fast":            {"head -c 65536 /dev/zero >$1/f", 0, 0, errNotCut},
		"fast at the end": {"head -c 8192 /dev/zero >$1/f; sleep 5; head -c 57344 /dev/zero >>$1/f", 8192, 8192, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := hostRun(t)
			p := &pair{set: &Case{Name: caseResume, Bytes: size, state: interrupted}, tool: scripted(c.script)}
			err := b.prepare(t.Context(), p)
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if p.held < c.least || c.most > 0 && p.held > c.most {
				t.Errorf("%d bytes were left of %d", p.held, size)
			}
			if c.want == nil {
				return
			}
			var s Sample
			if err := b.judge(t.Context(), &s, p, err); err != nil || s.Status != Stopped || !strings.Contains(s.Error, "--size") {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// TestCutFails: a copy that fails by itself was not interrupted.
func TestCutFails(t *testing.T) {
	t.Parallel()
	b := hostRun(t)
	p := &pair{set: &Case{Name: caseResume, Bytes: 1000, state: interrupted}, tool: scripted("echo broken >&2; exit 3")}
	err := b.prepare(t.Context(), p)
	if err == nil || errors.Is(err, errNotCut) || !strings.Contains(err.Error(), "broken") {
		t.Fatal(err)
	}
	var s Sample
	if err := b.judge(t.Context(), &s, p, err); err != nil || s.Status != Failed {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestWhatTookTooLong: a comparison that takes too long is not said to be the run.
func TestWhatTookTooLong(t *testing.T) {
	t.Parallel()
	b := hostRun(t)
	b.c.Budget = 100 * time.Millisecond
	b.end.gosync = filepath.Join(t.TempDir(), "gosync")
	if err := os.WriteFile(b.end.gosync, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := &pair{set: &Case{Name: caseRandom, tree: "random"}, tool: scripted("")}
	err := b.verify(t.Context(), p)
	var s Sample
	if err := b.judge(t.Context(), &s, p, err); err != nil || s.Status != Stopped || s.Error != "comparing the destination: it took longer than 100ms" {
		t.Errorf("%+v, %v", s, err)
	}
}

// watchedFar runs scripts here. It fails those that fail picks, after they have run, and remembers whether the last
// one had to end in time.
type watchedFar struct {
	here
	fail    func(script string) error
	limited bool
	cancel  context.CancelFunc // called by the first script, if any
}

func (f *watchedFar) Run(ctx context.Context, script string) ([]byte, error) {
	_, f.limited = ctx.Deadline()
	if f.cancel != nil {
		f.cancel()
	}
	out, err := f.here.Run(context.WithoutCancel(ctx), script)
	if wrong := f.fail(script); wrong != nil {
		err = wrong
	}
	return out, err
}

var errFar = errors.New("the line is gone")

func (f *watchedFar) RTT(context.Context) (time.Duration, error) { return 0, errFar }

// TestHostIsTidied: what was made on a host is removed where making it is said to have failed, too, and however long that
// takes, unless the user has interrupted.
func TestHostIsTidied(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ lost, interrupted bool }{
		"a failure": {}, "a lost answer": {lost: true}, "an interrupt": {interrupted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			far := &watchedFar{fail: func(script string) error {
				if c.lost && strings.Contains(script, "mkdir -m 700") {
					return errFar
				}
				return nil
			}}
			ctx := t.Context()
			if c.interrupted {
				ctx, far.cancel = context.WithCancel(ctx)
			}
			_, err := Run(ctx, Config{Host: "box", Dir: dir, Far: far, Gosync: "/bin/true"})
			if err == nil {
				t.Fatal("it ran")
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			if far.limited != (c.lost || c.interrupted) {
				t.Errorf("the removal had to end in time: %v", far.limited)
			}
		})
	}
}
