package sshserver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"gosync/internal/sshserver"
	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

func start(t *testing.T, o sshserver.Options) *sshserver.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := sshserver.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// TestHome: commands and SFTP start in the home directory that a server is given.
func TestHome(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "here"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := dial(t, start(t, sshserver.Options{Home: home}))
	out, _, err := output(t, c, `ls; echo "$HOME"`)
	if want := "here\n" + home + "\n"; err != nil || out != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	s, err := c.StartSubsystem(t.Context(), "sftp")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	files, err := sftp.NewClientPipe(s.Stdout, s.Stdin)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	if _, err := files.Stat("here"); err != nil {
		t.Errorf("over SFTP: %v", err)
	}
}

func dial(t *testing.T, s *sshserver.Server) *sshconn.Client {
	t.Helper()
	f := s.Files()
	c, err := sshconn.Dial(t.Context(), sshconn.Config{Host: f.Alias, ConfigFile: f.Config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// output runs a command and returns what it printed and how it ended.
func output(t *testing.T, c *sshconn.Client, command string) (stdout, stderr string, err error) {
	t.Helper()
	s, err := c.Start(t.Context(), command)
	if err != nil {
		return "", "", err
	}
	defer s.Close()
	s.Stdin.Close()
	errText := make(chan string)
	go func() {
		b, _ := io.ReadAll(s.Stderr)
		errText <- string(b)
	}()
	b, err := io.ReadAll(s.Stdout)
	if err != nil {
		t.Errorf("reading: %v", err)
	}
	return string(b), <-errText, s.Wait()
}

func TestShell(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, sshserver.Options{Env: []string{"COLOUR=green"}}))
	for _, test := range []struct {
		command, stdout, stderr string
		status                  int
		signal                  string
	}{
		{"echo hello; echo $COLOUR >&2", "hello\n", "green\n", 0, ""},
		{"exit 7", "", "", 7, ""},
		{"kill -TERM $$", "", "", 143, ""},
		{"cat", "", "", 0, ""},
		{"no-such-program", "", "*", 127, ""},
	} {
		stdout, stderr, err := output(t, c, test.command)
		if stdout != test.stdout || test.stderr != "*" && stderr != test.stderr {
			t.Errorf("%s: %q %q", test.command, stdout, stderr)
		}
		exit, _ := errors.AsType[*sshconn.ExitError](err)
		if test.status == 0 && err != nil || test.status != 0 && (exit == nil || exit.Status != test.status) {
			t.Errorf("%s: ended with %v, want status %d", test.command, err, test.status)
		}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	h := func(_ context.Context, command string, stdin io.Reader, stdout, stderr io.Writer) int {
		n, _ := io.Copy(stdout, stdin)
		io.WriteString(stderr, command)
		return int(n)
	}
	c := dial(t, start(t, sshserver.Options{Handler: h, Banner: []byte("welcome\n")}))
	s, err := c.Start(t.Context(), "some command")
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(s.Stdin, "four")
	s.Stdin.Close()
	out, _ := io.ReadAll(s.Stdout)
	msg, _ := io.ReadAll(s.Stderr)
	exit, _ := errors.AsType[*sshconn.ExitError](s.Wait())
	if string(out) != "welcome\nfour" || string(msg) != "some command" || exit == nil || exit.Status != 4 {
		t.Fatalf("%q %q %v", out, msg, exit)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, sshserver.Options{RefuseExec: true, RefuseSFTP: true}))
	if s, err := c.Start(t.Context(), "true"); err == nil {
		s.Close()
		t.Error("exec was not refused")
	}
	if s, err := c.StartSubsystem(t.Context(), "sftp"); err == nil {
		s.Close()
		t.Error("sftp was not refused")
	}
}

func TestSFTP(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, sshserver.Options{}))
	s, err := c.StartSubsystem(t.Context(), "sftp")
	if err != nil {
		t.Fatal(err)
	}
	client, err := sftp.NewClientPipe(s.Stdout, s.Stdin)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "file")
	f, err := client.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "by sftp")
	f.Close()
	client.Close()
	if b, err := os.ReadFile(path); err != nil || string(b) != "by sftp" {
		t.Fatalf("%q %v", b, err)
	}
	if err := s.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestDropAfter(t *testing.T) {
	t.Parallel()
	srv := start(t, sshserver.Options{DropAfter: 1 << 20})
	c := dial(t, srv)
	s, err := c.Start(t.Context(), "cat /dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, s.Stdout)
	if n > 1<<20 || !errors.Is(err, io.ErrUnexpectedEOF) { // a reset may lose what has arrived
		t.Errorf("%d bytes arrived (%v)", n, err)
	}
	if err := s.Wait(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ended with %v", err)
	}
}

// A command that ignores the end of its input must not hold up Close.
func TestCloseKillsCommands(t *testing.T) {
	t.Parallel()
	srv := start(t, sshserver.Options{})
	c := dial(t, srv)
	s, err := c.Start(t.Context(), "echo on; trap '' HUP PIPE TERM; while :; do sleep 0.05; done")
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(s.Stdout, make([]byte, 3))
	done := make(chan error)
	go func() { done <- srv.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Close does not return")
	}
	if _, err := net.Dial("tcp", srv.Addr()); err == nil {
		t.Error("still listening")
	}
}

// The clients of OpenSSH find their way with the generated files.
func TestOpenSSHClient(t *testing.T) {
	t.Parallel()
	ssh := sshtest.Require(t, "sshd", "ssh")
	f := start(t, sshserver.Options{}).Files()
	cmd := exec.Command(ssh, "-F", f.Config, "-o", "BatchMode=yes", f.Alias, "cat; exit 7")
	cmd.Stdin = strings.NewReader("through ssh")
	out, err := cmd.Output()
	if string(out) != "through ssh" || cmd.ProcessState.ExitCode() != 7 {
		t.Fatalf("%q %v", out, err)
	}
}

func TestScp(t *testing.T) {
	t.Parallel()
	scp := sshtest.Require(t, "scp", "scp")
	f := start(t, sshserver.Options{}).Files()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"-q", "-O"} {
		target := filepath.Join(dir, "b"+old)
		if out, err := exec.Command(scp, old, "-q", "-F", f.Config, filepath.Join(dir, "a"), f.Alias+":"+target).CombinedOutput(); err != nil {
			t.Fatalf("scp %s: %v %s", old, err, out)
		}
		if b, err := os.ReadFile(target); err != nil || string(b) != "content" {
			t.Fatalf("scp %s: %q %v", old, b, err)
		}
	}
}
