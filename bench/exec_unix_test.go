//go:build unix

package bench

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestExecuteEndsAll stops a program that takes too long, and one whose run is cancelled: what it has started in the
// background ends with it.
func TestExecuteEndsAll(t *testing.T) {
	t.Parallel()
	cancelled := errors.New("the user has had enough")
	for name, c := range map[string]struct {
		cancel, limit time.Duration
		want          error
	}{
		"limit":  {time.Hour, 5 * time.Second, errLimit},
		"cancel": {5 * time.Second, time.Hour, cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			timer := time.AfterFunc(c.cancel, func() { cancel(cancelled) })
			defer timer.Stop()
			pids := t.TempDir() + "/pids"
			script := "trap '' TERM; sleep 1000 >/dev/null 2>&1 & echo $! >" + pids + "; sleep 1000; sleep 1000"
			_, err := execute(ctx, []string{"sh", "-c", script}, os.Environ(), c.limit)
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			text, err := os.ReadFile(pids)
			if err != nil {
				t.Fatalf("the program had not started: %v", err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			for range 500 { // until it is reaped by whoever does that
				if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("process %d is still there", pid)
		})
	}
}

// zombie reports whether a process has ended and nobody has asked how.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestExecuteTells(t *testing.T) {
	t.Parallel()
	r, err := execute(t.Context(), []string{"sh", "-c", "echo out; echo wrong >&2; exit 3"}, os.Environ(), time.Minute)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "wrong") {
		t.Errorf("%v", err)
	}
	if r.cpu == nil || r.took <= 0 {
		t.Errorf("%+v", r)
	}
	r, err = executeKeeping(t.Context(), []string{"sh", "-c", "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done"}, os.Environ(), time.Minute, 100)
	if err != nil || len(r.output) != 100 || !strings.HasSuffix(r.output, "line 499\n") {
		t.Errorf("%q, %v", r.output, err)
	}
	if _, err := execute(t.Context(), []string{t.TempDir() + "/missing"}, os.Environ(), time.Minute); err == nil {
		t.Error("a program that does not exist ran")
	}
}
