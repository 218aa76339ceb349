package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// stallLimit is --timeout of runs whose far side stops.
const stallLimit = 2 * time.Second

// A stallBench is the way that most users take, the SSH client of gosync to a real sshd, with a far side that stops
// without ending. sshd does not close the channel of a process that lives, nor the connection.
type stallBench struct {
	dir, gosync string
	sshd        *sshtest.Server
}

// newStallBench starts sshd, with an SFTP server that runs by the shell command sftp; the process that says its number
// in the file pid is ended with the test.
func newStallBench(t *testing.T, sftp string) *stallBench {
	t.Helper()
	b := &stallBench{dir: t.TempDir(), gosync: program(t)}
	for _, name := range []string{"home", "src", "dst"} {
		if err := os.Mkdir(b.path(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.script(t, "sftp", sftp)
	b.sshd = sshtest.Start(t, sshtest.Options{NoSFTP: true, Extra: []string{"Subsystem sftp " + b.path("sftp")}, Env: []string{"HOME=" + b.path("home")}})
	t.Cleanup(func() {
		if pid := b.far(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended with its connection
		}
	})
	return b
}

func (b *stallBench) path(name string) string { return filepath.Join(b.dir, name) }

// script writes a shell script, which says first which process it is.
func (b *stallBench) script(t *testing.T, name, text string) {
	t.Helper()
	text = fmt.Sprintf("#!/bin/sh\necho $$ >%s\n%s\n", b.path("pid"), text)
	if err := os.WriteFile(b.path(name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// far is the process of the far side, 0 if there is none yet.
func (b *stallBench) far() int {
	text, _ := os.ReadFile(b.path("pid")) // it may not be there
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// run runs gosync until its end. Once then holds, if it is given, the far side is stopped.
func (b *stallBench) run(t *testing.T, then func() bool, args ...string) (status int, after time.Duration, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.gosync, args...)
	cmd.Env = append(os.Environ(), "HOME="+b.path("home"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, time.Second
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // which shows where it hangs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if then != nil {
		waitFor(t, "the moment to stop the far side", then)
		if err := syscall.Kill(b.far(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	stopped := time.Now()
	_ = cmd.Wait() // the exit status tells
	return cmd.ProcessState.ExitCode(), time.Since(stopped), out.String()
}

// wantTimeout wants a run to have ended with status 30, in time.
func wantTimeout(t *testing.T, what string, status int, after time.Duration, output string) {
	t.Helper()
	slack := time.Duration(many(15, 2)) * time.Second // the machine may be busy
	if status != exitTimeout || after > stallLimit+slack {
		t.Errorf("%s: exit %d after %v, with a timeout of %v\n%.3000s", what, status, after, stallLimit, output)
	}
}

// stalledServers is the part of row 8 that goes through the client and sshd: what stops is gosync or the SFTP server.
func stalledServers(t *testing.T, c *tally) {
	server := sftpServer(t)
	for _, via := range []string{"agent", "sftp"} {
		for _, way := range []string{"push", "pull"} {
			b := newStallBench(t, "exec "+server)
			b.script(t, "gosync", "exec "+b.gosync+` "$@"`)
			if err := os.WriteFile(b.path("src/file"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(b.path("src/file"), 4<<30); err != nil {
				t.Fatal(err)
			}
			args := b.args("-a", "-W", "--bwlimit=20000", "--via="+via)
			if way == "push" {
				args = append(args, b.path("src")+"/", b.sshd.Alias+":"+b.path("dst"))
			} else {
				args = append(args, b.sshd.Alias+":"+b.path("src")+"/", b.path("dst"))
			}
			status, after, output := b.run(t, func() bool { return len(temporaries(t, b.path("dst"))) > 0 }, args...)
			wantTimeout(t, via+" "+way, status, after, output)
			c.count(1)
		}
	}
}

// args are the options of all runs, and more.
func (b *stallBench) args(more ...string) []string {
	return append([]string{
		"--ssh-config=" + b.sshd.Config, "--ssh=native", fmt.Sprint("--timeout=", stallLimit.Seconds()), "--retries=0",
		"--gosync-path=" + b.path("gosync"), "--no-deploy",
	}, more...)
}

// sftpServer is the path of the program.
func sftpServer(t *testing.T) string {
	t.Helper()
	for _, p := range []string{"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server", "/usr/libexec/sftp-server"} {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return sshtest.Require(t, "sshd", "sftp-server")
}

// TestSilentServers: a far side that does not even greet is given up.
func TestSilentServers(t *testing.T) {
	t.Parallel()
	const silence = "exec sleep 100"
	b := newStallBench(t, silence)
	b.script(t, "gosync", silence)
	b.script(t, "rsh", silence)
	far := b.sshd.Alias + ":" + b.path("src")
	for name, args := range map[string][]string{
		"SFTP":         b.args("-a", "--via=sftp", far, b.path("dst")),
		"agent":        b.args("-a", far, b.path("dst")),
		"ls":           {"ls", "--ssh-config=" + b.sshd.Config, "--ssh=native", "--timeout=2", far},
		"-e":           {"-a", "-e", b.path("rsh"), "--timeout=2", far, b.path("dst")},
		"-e, and SFTP": {"-a", "-e", filepath.Join(b.dir, "ssh"), "--via=sftp", "--timeout=2", far, b.path("dst")},
		"-e, and scp":  {"-a", "-e", b.path("rsh"), "--timeout=2", "--via=scp", b.path("src"), b.sshd.Alias + ":dst"},
	} {
		b.script(t, "ssh", silence) // by its name one that knows of subsystems
		status, after, output := b.run(t, nil, args...)
		wantTimeout(t, name, status, after, output)
	}
}

// TestDirectSilent: with --direct a run on another machine that is stopped is given up, and one that says only that it
// is alive is not.
func TestDirectSilent(t *testing.T) {
	t.Parallel()
	b := newStallBench(t, "exit 1")
	serve := `case "$*" in *--server*) exec ` + b.gosync + ` "$@";; esac; `
	args := b.args("-a", "--direct", b.sshd.Alias+":"+b.path("src"), b.sshd.Alias+":"+b.path("dst"))
	b.script(t, "gosync", serve+"echo $$ >"+b.path("stopped")+"; kill -STOP $$")
	t.Cleanup(func() { // it takes no other signal, and its line's end is none
		text, err := os.ReadFile(b.path("stopped"))
		pid, perr := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || perr != nil {
			t.Errorf("who was stopped is not known: %v, %v", err, perr)
			return
		}
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
	})
	status, after, output := b.run(t, nil, args...)
	wantTimeout(t, "--direct", status, after, output)
	b.script(t, "gosync", serve+`case "$*" in *--heartbeat=500ms*) ;; *) exit 9;; esac; for i in 1 2 3 4 5 6 7 8; do printf '\000'; sleep 0.5; done; echo done`)
	if status, _, output := b.run(t, nil, args...); status != 0 || output != "done\n" {
		t.Errorf("exit %d, %q", status, output)
	}
}

// TestHeartbeat: a run prints signs of life when it is asked to, whole lines apart.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 300_000), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program(t), "-av", "--heartbeat=20ms", "--bwlimit=1000", dir+"/", filepath.Join(t.TempDir(), "dst"))
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.Output()
	if err != nil || bytes.Count(out, []byte(heartbeat)) < 1 {
		t.Fatalf("%v, %q", err, out)
	}
	lines := strings.Split(withoutBeats(string(out)), "\n")
	for _, want := range []string{"a", "b", "c"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasSuffix(l, want) }) {
			t.Errorf("%q does not name %s", out, want)
		}
	}
}
