package sshconn_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/transport/sshconn"
)

// TestMain lets the test binary be the program that asks.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "proxy" {
		os.Exit(proxyMain(os.Args[2:]))
	}
	question, ok := os.LookupEnv("GOSYNC_TEST_QUESTION")
	if !ok {
		os.Exit(m.Run())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	if os.Getenv("GOSYNC_TEST_CANCEL") != "" {
		time.AfterFunc(200*time.Millisecond, cancel)
	}
	answer, err := sshconn.TerminalPrompt(ctx, question, os.Getenv("GOSYNC_TEST_ECHO") != "")
	cancel()
	fmt.Printf("answer %q, %v\n", answer, err)
	os.Exit(0)
}

// terminal returns both ends of a new pseudo-terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("needs pseudo-terminals: %v", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// ask runs a prompt on a terminal of its own, types, and returns what the program got and what the terminal showed.
func ask(t *testing.T, typed string, env ...string) (result, shown string) {
	t.Helper()
	master, slave := terminal(t)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "GOSYNC_TEST_QUESTION=first\x1b[2J line\nSecret? ", "SSH_ASKPASS="), env...)
	cmd.Stdin = slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	var out, screen bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 1024)
		wrote := false
		for {
			n, err := master.Read(buf)
			screen.Write(buf[:n])
			if !wrote && strings.Contains(screen.String(), "Secret? ") {
				wrote = true
				master.WriteString(typed)
			}
			if err != nil {
				return
			}
		}
	})
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, out.String())
	}
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil || after.Lflag != before.Lflag || after.Iflag != before.Iflag {
		t.Errorf("the terminal's mode is not restored: %v", err)
	}
	slave.Close() // the last end: the reader sees the end
	wg.Wait()
	master.Close()
	return strings.TrimSpace(out.String()), screen.String()
}

func TestTerminalPrompt(t *testing.T) {
	t.Parallel()
	result, shown := ask(t, "pass word\r")
	if result != `answer "pass word", <nil>` || strings.Contains(shown, "pass") || !strings.Contains(shown, "first?[2J line") {
		t.Errorf("hidden: %s, shown %q", result, shown)
	}
	result, shown = ask(t, "yes\r", "GOSYNC_TEST_ECHO=1")
	if result != `answer "yes", <nil>` || !strings.Contains(shown, "yes") {
		t.Errorf("shown: %s, %q", result, shown)
	}
	if result, _ = ask(t, "half\x03"); !strings.Contains(result, "interrupted") {
		t.Errorf("interrupt: %s", result)
	}
	if result, _ = ask(t, "half", "GOSYNC_TEST_CANCEL=1"); !strings.Contains(result, context.Canceled.Error()) {
		t.Errorf("cancel: %s", result)
	}
}

// Without a terminal nothing is asked, unless SSH_ASKPASS can.
func TestAskpass(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "askpass")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"for $1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ env, want string }{
		{"", sshconn.ErrNoTerminal.Error()},
		{"SSH_ASKPASS=" + program, sshconn.ErrNoTerminal.Error()}, // there is no display
		{"SSH_ASKPASS=" + program + " DISPLAY=:0", `answer "for Q", <nil>`},
		{"SSH_ASKPASS=" + program + " DISPLAY=:0 SSH_ASKPASS_REQUIRE=never", sshconn.ErrNoTerminal.Error()},
		{"SSH_ASKPASS=" + program + " SSH_ASKPASS_REQUIRE=force", `answer "for Q", <nil>`},
		{"SSH_ASKPASS=/bin/false SSH_ASKPASS_REQUIRE=force", sshconn.ErrNoTerminal.Error()},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append([]string{"GOSYNC_TEST_QUESTION=Q"}, strings.Fields(test.env)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no controlling terminal
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), test.want) {
			t.Errorf("%q: %s %v", test.env, out, err)
		}
	}
}
