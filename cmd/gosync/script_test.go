package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gosync/internal/engine"
)

// quickExit keeps a program with the race detector from waiting a second at its end.
const quickExit = "atexit_sleep_ms=0"

// ignoredVariable names the option that a program of TestIgnoredOptionsAreNoticed ignores.
const ignoredVariable = "GOSYNC_IGNORED"

// TestMain makes the program, and a remote shell that reaches this machine, commands of the scripts.
func TestMain(m *testing.M) {
	// A run that sends gosync to a far side sends this program.
	if strings.Contains(filepath.Base(os.Args[0]), "agent-"+engine.Release) {
		main()
	}
	testscript.Main(m, map[string]func(){"gosync": main, "rsh": remoteShell, "evilsftp": evilSFTPServer})
}

// remoteShell is what -e runs in the scripts: like ssh it hands its words to a shell, but here. It notes the words in
// the file that RSH_LOG names.
func remoteShell() {
	args := os.Args[1:]
	if len(args) > 2 && args[0] == "-l" {
		args = args[2:]
	}
	command := strings.Join(args[1:], " ")
	if name := os.Getenv("RSH_LOG"); name != "" {
		if err := os.WriteFile(name, []byte(strings.Join(os.Args[1:], "|")+"\n"), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(255)
		}
	}
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(255)
	}
}

// TestScripts runs the scripts in testdata, one behaviour each. Beside testscript's own commands they have
// "same A B", which reads and compares two trees, and "status N COMMAND...", which wants that exit status.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TMPDIR", e.WorkDir)
			e.Setenv("GORACE", quickExit)
			e.Setenv(ignoredVariable, os.Getenv(ignoredVariable))
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("no condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"same": scriptSame, "status": scriptStatus, "hostile": scriptHostile},
	})
}

func scriptSame(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same A B")
	}
	err := sameTrees(context.Background(), ts.MkAbs(args[0]), ts.MkAbs(args[1]))
	switch {
	case err != nil && !neg:
		ts.Fatalf("%s and %s differ: %v", args[0], args[1], err)
	case err == nil && neg:
		ts.Fatalf("%s and %s are the same", args[0], args[1])
	}
}

func scriptStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// scriptHostile makes files in a directory whose names would do harm on a terminal.
func scriptHostile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hostile DIR")
	}
	for _, name := range []string{"esc\x1b[2J", "bell\x07", "line\nbreak", "cr\rx", "c1\xc2\x9b0m", "raw\xff", "bidi\u202e", "zero\u200b", `back\#033`, "-rf", "tab\tx", "é"} {
		ts.Check(os.WriteFile(ts.MkAbs(args[0])+"/"+name, nil, 0o600))
	}
}
