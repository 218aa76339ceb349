package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/sshserver"
	"gosync/transport/sshtest"
)

// screen is a program on a pseudo-terminal, and what it has printed.
type screen struct {
	t    *testing.T
	pty  *os.File
	cmd  *exec.Cmd
	done chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
	at  int // how far expect has come
}

// onScreen starts a program as the leader of a session that has a pseudo-terminal.
func onScreen(t *testing.T, cmd *exec.Cmd) *screen {
	t.Helper()
	return onScreenOf(t, cmd, 100)
}

// onScreenOf is onScreen with so many columns.
func onScreenOf(t *testing.T, cmd *exec.Cmd, columns uint16) *screen {
	t.Helper()
	pty, tty := terminal(t)
	defer tty.Close()
	s := &screen{t: t, pty: pty, cmd: cmd, done: make(chan struct{})}
	s.resize(columns, 30)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(s, pty) // ends with the terminal's last user
	}()
	go func() {
		defer close(s.done)
		_ = cmd.Wait() // its status is in ProcessState
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-s.done
		_ = pty.Close()
		<-read
		if t.Failed() {
			t.Logf("the screen:\n%q", s.text())
		}
	})
	return s
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

func (s *screen) resize(columns, rows uint16) {
	s.t.Helper()
	raw, err := s.pty.SyscallConn()
	if err != nil {
		s.t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows})
	})
	if err != nil || failed != nil {
		s.t.Fatal(err, failed)
	}
}

func (s *screen) typed(keys string) {
	s.t.Helper()
	if _, err := s.pty.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits for a text behind what was expected before.
func (s *screen) expect(text string) {
	s.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; {
		all := s.text()
		if i := strings.Index(all[s.at:], text); i >= 0 {
			s.at += i + len(text)
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("%q does not come; since then came %q", text, all[s.at:])
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// runs types a command and waits until the next one can be typed.
func (s *screen) runs(line string) {
	s.t.Helper()
	s.typed(line + "\r")
	s.expect(line + "\r\n")
	s.expect("> ")
}

// ends waits for the end of the program.
func (s *screen) ends(status int) {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(60 * time.Second):
		s.t.Fatal("it does not end")
	}
	if got := s.cmd.ProcessState.ExitCode(); got != status {
		s.t.Fatalf("exit status %d, want %d", got, status)
	}
}

// interactive is gosync shell on a terminal, with the real sshd behind it, in
// directories of its own.
type interactive struct {
	*screen
	there, here, state string
	server             *sshtest.Server
}

func startInteractive(t *testing.T, options ...string) *interactive {
	t.Helper()
	bin := farBin(t)
	s := &interactive{there: t.TempDir(), here: t.TempDir(), state: t.TempDir()}
	s.server = sshtest.Start(t, sshtest.Options{Path: []string{bin}, Env: []string{"GORACE=" + quickExit}})
	s.start(t, options...)
	return s
}

func (s *interactive) start(t *testing.T, options ...string) {
	t.Helper()
	cmd := exec.Command("gosync", append(append([]string{"shell", "--ssh-config", s.server.Config}, options...), "box:"+s.there)...)
	cmd.Dir = s.here
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+s.state, "SHELL=/bin/sh", "TERM=xterm", "GORACE="+quickExit, "HOME="+s.here)
	s.screen = onScreen(t, cmd)
	s.expect("help lists the commands")
	s.expect("> ")
}

// farBin is a directory with gosync in it: that of the test's own commands.
func farBin(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("gosync")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(program)
}

func put(t *testing.T, content []byte, parts ...string) {
	t.Helper()
	name := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestShellOnTerminal(t *testing.T) {
	t.Parallel()
	s := startInteractive(t)
	put(t, []byte("content"), s.there, "my dir", "file one")
	put(t, nil, s.there, "esc\x1b[2Jx")
	put(t, []byte("local"), s.here, "loc al")

	s.typed("ls\r")
	s.expect(`esc\#033[2Jx  my dir`)
	s.typed("cd my\t") // completion of remote names, quoted
	s.expect(`cd my\ dir/`)
	s.typed("\r")
	s.expect("/my dir> ")
	s.typed("get fi\t\r")
	s.expect(`get file\ one`)
	s.expect("/my dir> ")
	if b, err := os.ReadFile(filepath.Join(s.here, "file one")); err != nil || string(b) != "content" {
		t.Fatalf("%q, %v", b, err)
	}
	s.typed("put lo\t\r") // of local names
	s.expect(`put loc\ al`)
	s.expect("/my dir> ")
	if b, err := os.ReadFile(filepath.Join(s.there, "my dir", "loc al")); err != nil || string(b) != "local" {
		t.Fatalf("%q, %v", b, err)
	}
	s.typed("ls ../esc\t") // a hostile name is shown, not inserted
	s.expect(`esc\#033[2Jx`)
	s.typed("\x03") // gives the line up
	s.expect("^C")
	s.expect("> ")
	s.typed("\x1b[A\r") // history: up
	s.expect(`put loc\ al`)
	s.expect("> ")
	s.runs("mkdir new")
	s.runs(" rmdir new") // begins with a space
	s.runs("cd ..")
	s.typed("pwd\r")
	s.expect(s.there + "\r\n")
	s.typed("rm -r my*\r")
	s.expect("in it? [y/N") // the library breaks the line here
	s.typed("n\r")
	s.expect("nothing was removed")
	s.typed("!echo from $((40+2))\r")
	s.expect("from 42\r\n")
	s.expect("> ") // until then the terminal is the command's, and takes ^D for its own
	s.typed("\x04")
	s.ends(0)
	if strings.Contains(s.text(), "\x1b[2J") {
		t.Error("a name reached the terminal as it is")
	}
	kept, err := os.ReadFile(filepath.Join(s.state, "gosync", "shell_history"))
	if want := "ls\ncd my\\ dir/\nget file\\ one \n"; err != nil || !strings.HasPrefix(string(kept), strings.ReplaceAll(want, " \n", "\n")) || strings.Contains(string(kept), "rmdir") {
		t.Errorf("the history holds %q, %v", kept, err)
	}

	s.start(t) // the next session has the history
	s.typed("\x1b[A\x1b[A\r")
	s.expect(`rm -r my*`)
	s.expect("[y/N")
	s.typed("y\r")
	s.expect("> ")
	s.runs("ls")
	if _, err := os.Stat(filepath.Join(s.there, "my dir")); err == nil {
		t.Error("it is still there")
	}
	s.typed("quit\r")
	s.ends(0)
}

// TestShellCommandsHaveTheTerminal runs commands of the user here.
func TestShellCommandsHaveTheTerminal(t *testing.T) {
	t.Parallel()
	s := startInteractive(t)
	s.typed("!test -t 0 && test -t 1 && test -t 2 && echo all $((40+2))\r")
	s.expect("all 42\r\n")
	s.expect("> ")
	s.typed("!printf 'on%s' e >&2; printf ' line\\n' >&2\r")
	s.expect("one line\r\n")
	s.expect("> ")
	begun := time.Now()
	s.runs("!sleep 20 &")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("what runs in the background was waited for, %v", took)
	}
	s.typed("!PS1=deeper'> ' exec sh -i\r")
	s.expect("deeper> ")
	s.typed("echo from $((41+2)); exit\r")
	s.expect("from 43\r\n")
	s.expect("> ")
	s.typed("\x04")
	s.ends(0)
}

func TestShellInterruptsTransfer(t *testing.T) {
	t.Parallel()
	s := startInteractive(t)
	put(t, bytes.Repeat([]byte("gosync"), 5<<20), s.there, "big")
	s.typed("sync get --bwlimit=1m . all\r")
	s.expect("/30.0 MiB")
	time.Sleep(time.Second)
	s.typed("\x03")
	s.expect("interrupted")
	s.expect("> ")
	s.typed("pwd\r") // the session goes on, over the same connection
	s.expect(s.there)
	s.expect("> ")
	s.typed("\x03\x03pwd\r") // at the prompt it only clears the line
	s.expect("^C")
	s.expect(s.there)
	s.typed("\x04")
	s.ends(0)
	if n := strings.Count(s.server.Log(), "Accepted publickey"); n != 1 {
		t.Errorf("%d logins, want 1:\n%s", n, s.server.Log())
	}
}

func TestShellFollowsTheWindow(t *testing.T) {
	t.Parallel()
	s := startInteractive(t)
	for i := range 8 {
		put(t, nil, s.there, fmt.Sprintf("a-long-name-%d", i))
	}
	s.typed("ls\r")
	s.expect("a-long-name-0  a-long-name-2  ")
	s.resize(30, 30)
	s.typed("ls\r")
	s.expect("a-long-name-0  a-long-name-4\r\n")
	s.typed("ls \t\t") // the editor has heard of it as well
	s.expect("a-long-name-0  a-long-name-4\r\n")
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	s.ends(20)
}

func TestShellSurvivesTheConnection(t *testing.T) {
	t.Parallel()
	s := startInteractive(t)
	put(t, nil, s.there, "file")
	s.runs("pwd")
	for _, pid := range children(t, s.server.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	time.Sleep(200 * time.Millisecond)
	s.runs("ls")
	s.typed("ls\r")
	s.expect("file\r\n")
	s.expect("> ")
	s.runs("get file")
	if _, err := os.Stat(filepath.Join(s.here, "file")); err != nil {
		t.Error(err)
	}
	s.typed("\x04")
	s.ends(0)
}

// children returns the processes that a process has started.
func children(t *testing.T, pid int) []int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Skipf("needs the list of children: %v", err)
	}
	var pids []int
	for _, f := range strings.Fields(string(b)) {
		var n int
		if _, err := fmt.Sscan(f, &n); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, n)
	}
	return pids
}

// TestShellWithoutSubsystem has servers that offer no SFTP, but commands: one that
// says so, and one that agrees and then ends it.
func TestShellWithoutSubsystem(t *testing.T) {
	t.Parallel()
	bin := farBin(t)
	refusing, err := sshserver.Start(t.Context(), sshserver.Options{
		Dir: t.TempDir(), RefuseSFTP: true, Env: []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "GORACE=" + quickExit},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = refusing.Close() })
	ending := sshtest.Start(t, sshtest.Options{
		Path: []string{bin}, Env: []string{"GORACE=" + quickExit},
		Command: `[ "$SSH_ORIGINAL_COMMAND" = internal-sftp ] || exec sh -c "$SSH_ORIGINAL_COMMAND"`,
	})
	there := t.TempDir()
	put(t, nil, there, "file")
	for _, config := range []string{refusing.Files().Config, ending.Config} {
		for _, rsh := range [][]string{nil, {"-e", "ssh"}} {
			args := append(append([]string{"ls", "--ssh-config", config}, rsh...), "box:"+there)
			out, err := exec.Command("gosync", args...).Output()
			if err != nil || string(out) != "file\n" {
				t.Errorf("%v: %q, %v", rsh, out, err)
			}
		}
		cmd := exec.Command("gosync", "shell", "--ssh-config", config, "box:"+there)
		cmd.Stdin = strings.NewReader("version\n")
		if out, err := cmd.Output(); err != nil || !strings.Contains(string(out), "by gosync --sftp-server") {
			t.Errorf("%q, %v", out, err)
		}
		cmd = exec.Command("gosync", "ls", "--ssh-config", config, "--gosync-path=/no/such", "box:"+there)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != exitTransport || !strings.Contains(string(out), "no SFTP on the far side") {
			t.Errorf("%q, %v", out, err)
		}
	}
}
