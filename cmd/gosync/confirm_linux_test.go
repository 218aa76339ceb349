package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal returns both ends of a new pseudo-terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("needs pseudo-terminals: %v", err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// onTerminal runs gosync on a terminal of its own, types an answer when it is
// asked, and returns the status and what the screen has got.
func onTerminal(t *testing.T, dir, typed string, args ...string) (status int, screen string) {
	t.Helper()
	master, slave := terminal(t)
	cmd := exec.Command("gosync", args...) // testscript has put it into the PATH
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GORACE="+quickExit)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	var shown bytes.Buffer
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 4096)
		asked := false
		for {
			n, err := master.Read(buf) // fails when the last process has closed the terminal
			shown.Write(buf[:n])
			if !asked && strings.Contains(shown.String(), "[y/N] ") {
				asked = true
				_, _ = master.WriteString(typed) // who does not read it ends otherwise
			}
			if err != nil {
				return
			}
		}
	})
	err := cmd.Wait()
	wg.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), shown.String()
}

// TestDeleteGuardAsks: on a terminal the guard asks before most of the
// destination is deleted, wherever that is, and nothing but yes deletes it.
func TestDeleteGuardAsks(t *testing.T) {
	t.Parallel()
	for _, way := range [][]string{{"one/", "many/"}, {"one/", "host:many/"}, {"host:one/", "many/"}} {
		for _, tt := range []struct {
			typed  string
			status int
			gone   bool
		}{{"y\r", 0, true}, {"yes\r", 0, true}, {"n\r", 25, false}, {"\r", 25, false}, {"\x03", 20, false}} {
			t.Run(fmt.Sprintf("%s %q", strings.Join(way, " "), tt.typed), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				for i := range 121 {
					name := filepath.Join(dir, "many", fmt.Sprint(i))
					if i == 0 {
						name = filepath.Join(dir, "one", "a")
					}
					if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(name, nil, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				status, screen := onTerminal(t, dir, tt.typed, append([]string{"-a", "--delete", "--progress", "-e", "rsh"}, way...)...)
				if status != tt.status || strings.Count(screen, "[y/N] ") != 1 && tt.status != 20 || !strings.Contains(screen, "120 of 120 entries") {
					t.Errorf("status %d, want %d:\n%q", status, tt.status, screen)
				}
				if _, err := os.Lstat(filepath.Join(dir, "many", "120")); (err != nil) != tt.gone {
					t.Errorf("after %q: %v", tt.typed, err)
				}
			})
		}
	}
}

// TestNoQuestionWithoutTerminal: in a script the guard refuses.
func TestNoQuestionWithoutTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 120 {
		name := filepath.Join(dir, "many", fmt.Sprint(i))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "one"), 0o755), os.WriteFile(filepath.Join(dir, "one", "a"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gosync", "-a", "--delete", "one/", "many/")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GORACE="+quickExit)
	out, _ := cmd.CombinedOutput() // the status says it
	if status := cmd.ProcessState.ExitCode(); status != 25 || strings.Contains(string(out), "[y/N]") {
		t.Errorf("status %d\n%s", status, out)
	}
}

// TestQuestionFitsTheTerminal: lines are broken where the terminal ends, not before.
func TestQuestionFitsTheTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 121 {
		put(t, nil, dir, "many", fmt.Sprint(i))
	}
	put(t, nil, dir, "one", "0")
	s := watched(t, 100, dir, "-a", "--delete", "one/", "many/")
	s.expect("120 of 121 entries of the destination would be deleted, more than half. Delete them? [y/N] ")
	s.typed("n\r")
	s.ends(exitDelete)
}
