package transport_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"gosync/transport"
	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
	"gosync/transport/wire"
)

// soon is when something that does not wait for the far side has ended on a busy machine.
const soon = time.Minute

// within fails the test when f takes longer than soon.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(soon):
		t.Fatalf("%s hangs", what)
	}
}

// standstill starts a command that says its process and stops; it ends with the test. The
// server does not close the channel of a process that lives.
func standstill(t *testing.T, link transport.Link) transport.Stream {
	t.Helper()
	s, err := link.Exec(t.Context(), "echo $$; kill -STOP $$; exec cat")
	if err != nil {
		t.Fatal(err)
	}
	var line []byte
	for b := make([]byte, 1); b[0] != '\n'; line = append(line, b[0]) {
		if _, err := s.Read(b); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { kill(t, strings.TrimSpace(string(line))) })
	return s
}

// Close wakes who reads, writes or waits although the far side is silent, and what else
// uses the link goes on.
func TestCloseStalledSshd(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{})
	link, err := transport.Reach(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{SSH: transport.SSHNative, SSHConfig: srv.Config})
	if err != nil {
		t.Fatal(err)
	}
	for name, use := range map[string]func(s transport.Stream) error{
		"Read": func(s transport.Stream) error {
			_, err := s.Read(make([]byte, 1))
			return err
		},
		"Write": func(s transport.Stream) error {
			for {
				if _, err := s.Write(make([]byte, 1<<20)); err != nil { // until the window is used up
					return err
				}
			}
		},
		"Wait": transport.Stream.Wait,
	} {
		s := standstill(t, link)
		ended := make(chan error, 1)
		go func() { ended <- use(s) }()
		time.Sleep(300 * time.Millisecond) // it blocks by then
		within(t, "Close during "+name, func() { _ = s.Close() })
		within(t, name, func() {
			if err := <-ended; err == nil || err == io.EOF {
				t.Errorf("%s: %v", name, err)
			}
		})
		within(t, "a second Close", func() { _ = s.Close() })
	}
	s, err := link.Exec(t.Context(), "echo still here")
	if out := said(t, s, err); out != "still here\n" {
		t.Errorf("%q", out)
	}
	within(t, "Close of the link", func() { _ = link.Close() })
}

// The end of the link ends a stream that nobody has closed, and that nobody reads.
func TestLinkCloseStalledSshd(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{})
	link, err := transport.Reach(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{SSH: transport.SSHNative, SSHConfig: srv.Config})
	if err != nil {
		t.Fatal(err)
	}
	standstill(t, link)
	if _, err := link.Exec(t.Context(), "exec cat /dev/zero"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	within(t, "Close", func() { _ = link.Close() })
}

// What Write has taken goes out although Close follows at once, and its end is seen.
func TestWriteThenCloseSshd(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{})
	link, err := transport.Reach(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{SSH: transport.SSHNative, SSHConfig: srv.Config})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	path := filepath.Join(t.TempDir(), "got")
	s, err := link.Exec(t.Context(), "cat >"+path+".new && mv "+path+".new "+path)
	if err != nil {
		t.Fatal(err)
	}
	const size = 1 << 20
	if _, err := s.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	for limit := time.Now().Add(soon); ; time.Sleep(10 * time.Millisecond) {
		if info, err := os.Stat(path); err == nil {
			if info.Size() != size {
				t.Errorf("%d bytes have arrived", info.Size())
			}
			return
		}
		if time.Now().After(limit) {
			t.Fatal("the far side has not seen the end")
		}
	}
}

// A far side that stops before it has answered is given up in time, or stepped down from
// over the same link.
func TestOpenStalledSshd(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{})
	for _, test := range []struct {
		name, command string
		via           transport.Via
		limit         time.Duration
		want          error // nil: SFTP serves
	}{
		{"silent agent", "sleep 60; :", transport.ViaAgent, time.Second, wire.ErrTimeout},
		{"stopped agent", "kill -STOP $$; :", transport.ViaAgent, time.Second, wire.ErrTimeout},
		{"chatty shell", "echo Welcome; exec sleep 60; :", transport.ViaAgent, soon / 2, wire.ErrVersion},
		{"chatty shell, and SFTP", "echo Welcome; exec sleep 60; :", transport.ViaAuto, soon / 2, nil},
		{"stopped after a word, and SFTP", "echo Welcome; kill -STOP $$; :", transport.ViaAuto, soon / 2, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pid := filepath.Join(t.TempDir(), "pid")
			t.Cleanup(func() { endStopped(t, pid) })
			within(t, "Open", func() {
				far, err := transport.Open(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{
					SSH: transport.SSHNative, SSHConfig: srv.Config, Timeout: test.limit, Via: test.via, NoDeploy: true,
					RemoteCommand: []string{"echo $$ >" + pid + "; " + test.command},
				})
				if !errors.Is(err, test.want) {
					t.Errorf("%v", err)
				}
				if err != nil {
					return
				}
				if far.Via != transport.ViaSFTP || test.want != nil {
					t.Errorf("it goes by %s", far.Via)
				}
				far.Close()
			})
		})
	}
}

// endStopped ends the process of a far side, which has ended already where it noticed.
func endStopped(t *testing.T, pidFile string) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		t.Fatalf("process id %q", text)
	}
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // it may be gone
	}
}

// A server that refuses another session for longer than the time for an answer does answer, and the connection stays. One
// that is silent is given up.
func TestExecLimit(t *testing.T) {
	t.Parallel()
	const limit = 4 * time.Second
	srv := sshtest.Start(t, sshtest.Options{Extra: []string{"MaxSessions 1"}})
	link, err := transport.Reach(t.Context(), transport.Target{Remote: true, Host: srv.Alias}, transport.Options{
		SSH: transport.SSHNative, SSHConfig: srv.Config, Timeout: limit,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	first, err := link.Exec(t.Context(), "echo $PPID; exec cat")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := link.Exec(t.Context(), "true"); !errors.Is(err, sshconn.ErrRefused) || errors.Is(err, wire.ErrTimeout) {
		t.Errorf("a second session: %v", err)
	}
	if err := first.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	server := strings.TrimSpace(said(t, first, nil))
	s, err := link.Exec(t.Context(), "echo still here")
	if out := said(t, s, err); out != "still here\n" {
		t.Errorf("%q", out)
	}
	if out, err := exec.Command("kill", "-STOP", server).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() { kill(t, server) })
	within(t, "Exec", func() {
		began := time.Now()
		if _, err := link.Exec(t.Context(), "true"); !errors.Is(err, wire.ErrTimeout) || time.Since(began) < limit/2 {
			t.Errorf("with a silent server: %v after %v", err, time.Since(began))
		}
	})
}
