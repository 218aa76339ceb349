package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"gosync/internal/shell"
)

func TestOperandIndex(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]int{
		"":                       nil,
		"a b":                    {0, 1},
		"-n a --delete b":        {1, 3},
		"--exclude a a b":        {2, 3},
		"--exclude=a a b":        {1, 2},
		"-f x a":                 {2},
		"-- -n b":                {1, 2},
		"a -- -n":                {0, 2},
		"-an":                    nil,
		"a --exclude-from f b c": {0, 3, 4},
	} {
		got, err := operandIndex(strings.Fields(line))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", line, got, err, want)
		}
	}
	if _, err := operandIndex([]string{"--nope"}); err == nil {
		t.Error("an unknown option passes")
	}
}

func TestReachOptionsAreHandedOn(t *testing.T) {
	t.Parallel()
	var o shell.ListOptions
	c, err := parseSub("ls", lsFlags(&o), strings.Fields("-lR -e rsh --port 22 --gosync-path=x --timeout=5 -v host:a"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.reach, " "); got != "--rsh=rsh --port=22 --gosync-path=x --timeout=5 --verbose" {
		t.Errorf("%s", got)
	}
	if !o.Long || !o.Recursive || c.settings.port != 22 || c.operands[0] != "host:a" {
		t.Errorf("%+v %+v", o, c)
	}
	for _, args := range []string{"--server", "--restrict-to=/", "--delete", "-z"} {
		if _, err := parseSub("ls", lsFlags(&o), []string{args}); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
	s, _, err := parseArgs(append(c.reach, "-t", "--", "a", "h:b"), false)
	if err != nil || s.rsh != "rsh" || s.port != 22 || s.remotePath != "x" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestShellTarget(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"h": "h:", "u@h": "u@h:", "h:d": "h:d", "u@h:/d e": "u@h:/d e", "ssh://h:22/d": "ssh://h:22/d", "[::1]": "[::1]:", "[::1]:d": "[::1]:d",
		"./x": "", ":d": "", "": "", "h::m": "", "-oProxyCommand=x": "",
	} {
		got, err := shellTarget([]string{arg})
		if want == "" && err == nil || want != "" && (err != nil || got.String() != want) {
			t.Errorf("%q: %v, %v; want %q", arg, got, err, want)
		}
	}
}

func TestShellExitStatus(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{
		fmt.Errorf("line 1: %w", shell.ErrUsage):              exitUsage,
		fmt.Errorf("line 1: %w", os.ErrNotExist):              exitPartial,
		fmt.Errorf("x: %w", shell.ErrLost):                    exitStream,
		fmt.Errorf("x: %w", shell.ErrTimeout):                 exitTimeout,
		fmt.Errorf("x: %w", shell.ErrNoSFTP):                  exitTransport,
		shell.ErrInterrupted:                                  exitSignal,
		fmt.Errorf("line 3: %w", withCode(7, errors.New(""))): 7,
	} {
		if got := exitCode(shellError(err), func(error) int { return 99 }); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
	if shellError(nil) != nil {
		t.Error("success has an error")
	}
}

func TestHistoryFile(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"/s/gosync/shell_history":              {"XDG_STATE_HOME": "/s", "HOME": "/h"},
		"/h/.local/state/gosync/shell_history": {"XDG_STATE_HOME": "relative", "HOME": "/h"},
		"":                                     {},
	} {
		if got := historyFile(func(k string) string { return env[k] }); got != want {
			t.Errorf("%v: %s, want %s", env, got, want)
		}
	}
}

func TestInterruptsAreTaken(t *testing.T) {
	t.Parallel()
	var i interrupts
	signals := make(chan os.Signal, 3)
	done := make(chan struct{})
	count := 0
	release := i.take(func() { count++ })
	signals <- os.Interrupt
	signals <- syscall.SIGTERM
	if sig, ok := i.next(signals, done); !ok || sig != syscall.SIGTERM || count != 1 {
		t.Errorf("%v %v, %d taken", sig, ok, count)
	}
	release()
	signals <- os.Interrupt
	if sig, ok := i.next(signals, done); !ok || sig != os.Interrupt {
		t.Errorf("%v %v", sig, ok)
	}
	close(done)
	if _, ok := i.next(nil, done); ok {
		t.Error("a signal where there was none")
	}
}

func TestSubcommandsAreOnlyTheFirstWord(t *testing.T) {
	t.Parallel()
	var f fakeRun
	if status := f.exec(context.Background(), "-a", "ls", "shell"); status != 0 || f.way != "copy" {
		t.Errorf("status %d, %s", status, f.way)
	}
}
