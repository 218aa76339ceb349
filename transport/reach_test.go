package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gosync/internal/sshserver"
	"gosync/transport"
	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

// A logBuffer takes lines of several goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// fakeSSH puts an ssh in front of the real one that writes its arguments down, one per line, and starts no connection;
// what it is asked with -G the real one answers.
func fakeSSH(t *testing.T) (seen string) {
	t.Helper()
	ssh := sshtest.Require(t, "sshd", "ssh")
	dir := t.TempDir()
	seen = filepath.Join(dir, "seen")
	script := "#!/bin/sh\n[ \"$1\" = -G ] && exec " + ssh + " \"$@\"\nprintf '%s\\n' \"$@\" >'" + seen + ".new'\nmv '" + seen + ".new' '" + seen + "'\nexec echo ok\n"
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return seen
}

func said(t *testing.T, s transport.Stream, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out, err := io.ReadAll(s)
	if err != nil {
		t.Error(err)
	}
	return string(out)
}

// Not parallel: it sets the environment.
func TestReachByCommand(t *testing.T) {
	seen := fakeSSH(t)
	const own = "-T -a -x -o ClearAllForwardings=yes -o RequestTTY=no -o PermitLocalCommand=no -o RemoteCommand=none"
	to := transport.Target{Remote: true, Host: "box", User: "me"}
	o := transport.Options{
		SSH: transport.SSHCommand, SSHConfig: "none", Port: 2022, Identity: []string{"/k 1", "/k2"}, SSHOptions: []string{"User=other", "LogLevel=ERROR"},
		ConnectTimeout: 2500 * time.Millisecond,
	}
	const options = " -F none -p 2022 -i /k 1 -i /k2 -o User=other -o LogLevel=ERROR -o ConnectTimeout=3"
	for _, test := range []struct {
		name string
		opts transport.Options
		sub  bool
		want string
	}{
		{"exec", o, false, own + options + " -l me -- box echo ok"},
		{"subsystem", o, true, own + options + " -l me -s -- box sftp"},
		{"plain", transport.Options{SSH: transport.SSHCommand}, false, own + " -l me -- box echo ok"},
		{"the command of -e", transport.Options{Rsh: []string{"ssh", "-4"}, SSH: transport.SSHCommand, Port: 7, Identity: []string{"k"}, SSHOptions: []string{"a=b"}}, false, "-4 -p 7 -i k -o a=b -l me box echo ok"},
	} {
		os.Remove(seen)
		link, err := transport.Reach(t.Context(), to, test.opts)
		if err != nil {
			t.Fatal(err)
		}
		var s transport.Stream
		if test.sub {
			s, err = link.Subsystem(t.Context(), "sftp")
		} else {
			s, err = link.Exec(t.Context(), "echo ok")
		}
		if out := said(t, s, err); out != "ok\n" || link.Shared() {
			t.Errorf("%s: %q", test.name, out)
		}
		args, err := os.ReadFile(seen)
		if got := strings.ReplaceAll(strings.TrimSpace(string(args)), "\n", " "); err != nil || got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
	// Another program of -e cannot be told.
	if _, err := transport.Reach(t.Context(), to, transport.Options{Rsh: []string{"rsh"}, Identity: []string{"k"}}); !errors.Is(err, transport.ErrRsh) {
		t.Error(err)
	}
	// Nothing reaches a program that it could take for an option.
	for _, bad := range []transport.Target{{Remote: true, Host: "-oProxyCommand=x"}, {Remote: true, Host: "box", User: "-x"}} {
		os.Remove(seen)
		link, err := transport.Reach(t.Context(), bad, transport.Options{SSH: transport.SSHCommand})
		if err == nil {
			_, err = link.Exec(t.Context(), "x")
		}
		if _, ran := os.Stat(seen); !errors.Is(err, transport.ErrTarget) || ran == nil {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// Not parallel: it sets the environment. auto takes the ssh program where only that can, with one line that says why;
// native does not.
func TestReachAuto(t *testing.T) {
	seen := fakeSSH(t)
	srv := sshtest.Start(t, sshtest.Options{})
	text, err := os.ReadFile(srv.Config)
	if err != nil {
		t.Fatal(err)
	}
	needs := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(needs, append(text, "  KnownHostsCommand /bin/echo\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(refused, append(text, "  RevokedHostKeys /dev/null\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, ssh, config string
		command           bool
		want              error
	}{
		{"auto", transport.SSHAuto, srv.Config, false, nil},
		{"default", "", srv.Config, false, nil},
		{"auto, and only ssh can", transport.SSHAuto, needs, true, nil},
		{"auto, and only ssh may", "", refused, true, nil},
		{"native", transport.SSHNative, needs, false, nil},
		{"native, and only ssh may", transport.SSHNative, refused, false, sshconn.ErrCommandOnly},
		{"command", transport.SSHCommand, srv.Config, true, nil},
	} {
		os.Remove(seen)
		log := &logBuffer{}
		link, err := transport.Reach(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{
			SSH: test.ssh, SSHConfig: test.config, Log: slog.New(slog.NewTextHandler(log, nil)),
			Prompt: func(context.Context, string, bool) (string, error) { return "", sshconn.ErrNoTerminal },
		})
		if test.want != nil || err != nil {
			if !errors.Is(err, test.want) {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		// Logging in is enough where this process has done it: the shell of the user takes its time.
		if !link.Shared() {
			s, err := link.Exec(t.Context(), "echo ok")
			if out := said(t, s, err); out != "ok\n" {
				t.Errorf("%s: %q", test.name, out)
			}
		}
		link.Close()
		_, ran := os.Stat(seen)
		if link.Shared() == test.command || (ran == nil) != test.command {
			t.Errorf("%s: shared %v, ssh ran %v", test.name, link.Shared(), ran == nil)
		}
		line := strings.Contains(log.String(), "using the ssh program")
		if want := test.command && test.ssh != transport.SSHCommand; line != want || want && strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%s: log %q", test.name, log)
		}
		if strings.Contains(test.config, needs) && test.command && !strings.Contains(log.String(), "KnownHostsCommand") {
			t.Errorf("%s: log %q", test.name, log)
		}
	}
}

// The real program, with our own options, reaches the real server: a command and a subsystem.
func TestReachCommandSshd(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "sshd", "ssh")
	srv := sshtest.Start(t, sshtest.Options{})
	link, err := transport.Reach(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{SSH: transport.SSHCommand, SSHConfig: srv.Config})
	if err != nil {
		t.Fatal(err)
	}
	s, err := link.Exec(t.Context(), "echo there")
	if out := said(t, s, err); out != "there\n" {
		t.Errorf("%q", out)
	}
	if s, err = link.Subsystem(t.Context(), "sftp"); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	init := []byte{0, 0, 0, 5, 1, 0, 0, 0, 3}
	if _, err := s.Write(init); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 5)
	if _, err := io.ReadFull(s, head); err != nil || head[4] != 2 { // SSH_FXP_VERSION
		t.Errorf("%v, %v", head, err)
	}
}

// A server that starts no commands, as those for files alone do, is not one that could not be reached: the way down goes
// on to SFTP, by the client in this process and by ssh.
func TestOpenRefusedExec(t *testing.T) {
	t.Parallel()
	ssh := sshtest.Require(t, "sshd", "ssh")
	srv, err := sshserver.Start(t.Context(), sshserver.Options{Dir: t.TempDir(), RefuseExec: true})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	to := transport.Target{Remote: true, Host: srv.Files().Alias, Path: "x"}
	native := transport.Options{SSH: transport.SSHNative, SSHConfig: srv.Files().Config}
	command := transport.Options{Rsh: []string{ssh, "-F", srv.Files().Config}}
	for name, o := range map[string]transport.Options{"native": native, "command": command} {
		var said []string
		o.RemoteCommand = []string{"gosync", "--server"}
		o.Say = func(text string) { said = append(said, text) }
		far, err := transport.Open(t.Context(), to, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if far.Via != transport.ViaSFTP || len(said) != 1 || !strings.Contains(said[0], "using SFTP") {
			t.Errorf("%s: by %s, and says %q", name, far.Via, said)
		}
		if err := far.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		o.Via = transport.ViaAgent
		if _, err := transport.Open(t.Context(), to, o); err == nil || !strings.Contains(err.Error(), "exec request") {
			t.Errorf("%s, by agent alone: %v", name, err)
		}
	}
}

// A host that ssh(1) cannot reach is not one without SFTP or scp: what it ends with is the loss of the line, which is
// worth another attempt later, and ssh's own words are passed on.
func TestOpenUnreachedByCommand(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "sshd", "ssh")
	srv := sshtest.Start(t, sshtest.Options{})
	srv.Stop()
	stranger := sshtest.Start(t, sshtest.Options{})
	for _, test := range []struct {
		name, says string
		port       int
	}{
		{"nobody listens", "refused", srv.Port},
		{"another host", "verification failed", stranger.Port},
	} {
		for _, via := range []transport.Via{transport.ViaSFTP, transport.ViaSCP, transport.ViaAgent, transport.ViaAuto} {
			said := &logBuffer{}
			far, err := transport.Open(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{
				SSH: transport.SSHCommand, SSHConfig: srv.Config, Port: test.port, Via: via, Stderr: said,
				RemoteCommand: []string{"gosync", "--server"},
			})
			if err == nil {
				far.Close()
			}
			if e, ok := errors.AsType[*transport.GreetingError](err); !ok || e.Kind != transport.GreetingLost || errors.Is(err, transport.ErrNoWay) {
				t.Errorf("%s, by %s: %v", test.name, via, err)
			}
			if !strings.Contains(said.String(), test.says) {
				t.Errorf("%s, by %s: it says %q", test.name, via, said)
			}
		}
	}
}

// A server that ssh(1) has reached, and that has neither, has no way.
func TestOpenNothingByCommand(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "sshd", "ssh")
	srv := sshtest.Start(t, sshtest.Options{NoSFTP: true, Extra: []string{"ForceCommand exit 3"}})
	for via, says := range map[transport.Via]string{transport.ViaSFTP: "no sftp subsystem", transport.ViaSCP: "no scp there (status 3)"} {
		far, err := transport.Open(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{
			SSH: transport.SSHCommand, SSHConfig: srv.Config, Via: via,
		})
		if err == nil {
			far.Close()
		}
		if !errors.Is(err, transport.ErrNoWay) || !strings.Contains(err.Error(), says) {
			t.Errorf("by %s: %v", via, err)
		}
	}
}
