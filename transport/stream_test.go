package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/internal/sshserver"
	"gosync/transport"
	"gosync/transport/sshtest"
)

// A way is a client that reaches a server under the alias box.
type way struct {
	name string
	opts transport.Options
}

// connect starts a command over a link of its own, as Open does.
func connect(t testing.TB, ctx context.Context, w way, command string) transport.Stream {
	t.Helper()
	link, err := transport.Reach(ctx, transport.Target{Remote: true, Host: "box"}, w.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	s, err := link.Exec(ctx, command)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStreams(t *testing.T) {
	t.Parallel()
	srv, err := sshserver.Start(context.Background(), sshserver.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	testStream(t, way{"in-process", transport.Options{SSHConfig: srv.Files().Config}})
}

func TestStreamsSshd(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "sshd", "ssh")
	s := sshtest.Start(t, sshtest.Options{})
	testStream(t, way{"sshd", transport.Options{SSHConfig: s.Config}})
	testStream(t, way{"sshd by -e ssh", transport.Options{SSHConfig: s.Config, Rsh: []string{"ssh"}}})
}

func testStream(t *testing.T, w way) {
	t.Run(w.name, func(t *testing.T) {
		t.Run("Bytes", func(t *testing.T) { testBytes(t, w) })
		t.Run("Exit", func(t *testing.T) { testExit(t, w) })
		t.Run("Stderr", func(t *testing.T) { testStderr(t, w) })
		t.Run("Stuck", func(t *testing.T) { testStuck(t, w) })
		t.Run("Cancel", func(t *testing.T) { testCancel(t, w) })
		t.Run("Close", func(t *testing.T) { testClose(t, w) })
	})
}

// 64 MiB (16 with -short, many windows all the same) go out and come back unchanged, both directions at once.
func testBytes(t *testing.T, w way) {
	s := connect(t, t.Context(), w, "exec /bin/cat")
	size := 64 << 20
	if testing.Short() {
		size = 16 << 20
	}
	data := make([]byte, size)
	r := rand.New(rand.NewPCG(3, 4))
	for i := 0; i+8 <= len(data); i += 8 {
		v := r.Uint64()
		for j := range 8 {
			data[i+j] = byte(v >> (8 * j))
		}
	}
	sent := make(chan error, 1)
	go func() {
		_, err := s.Write(data)
		sent <- errors.Join(err, s.CloseWrite())
	}()
	got := make([]byte, len(data))
	n, err := io.ReadFull(s, got)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v, equal: %v", n, err, bytes.Equal(got, data))
	}
	if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("after the end: %d, %v", n, err)
	}
	if err := errors.Join(<-sent, s.Wait()); err != nil {
		t.Fatal(err)
	}
}

func testExit(t *testing.T, w way) {
	s := connect(t, t.Context(), w, "echo why >&2; exit 7")
	if _, err := io.ReadAll(s); err != nil {
		t.Fatal(err)
	}
	err := s.Wait()
	if e, ok := errors.AsType[*transport.ExitError](err); !ok || e.Status != 7 || e.Stderr != "why" || !strings.Contains(err.Error(), "why") {
		t.Fatalf("%v", err)
	}
	if s.StderrTail() != "why" {
		t.Fatalf("%q", s.StderrTail())
	}
}

// A flood on stderr does not hold up the protocol.
func testStderr(t *testing.T, w way) {
	var messages bytes.Buffer
	w.opts.Stderr = &messages
	s := connect(t, t.Context(), w, `printf 'a\033b\n' >&2; head -c 16000000 /dev/zero >&2; echo output`)
	out, err := io.ReadAll(s)
	if err != nil || string(out) != "output\n" {
		t.Fatalf("%q, %v", out, err)
	}
	if err := s.Wait(); err != nil {
		t.Fatal(err)
	}
	// The flood may last several seconds on a slow machine; it is far from passed on whole.
	if got := messages.String(); !strings.HasPrefix(got, `a\#033b`) || strings.ContainsRune(got, 0) || len(got) > 8<<20 || !strings.Contains(got, "left out") {
		t.Fatalf("%d bytes of messages: %.60q", len(got), got)
	}
}

// stuck takes nothing until it is closed.
type stuck chan struct{}

func (s stuck) Write(p []byte) (int, error) {
	<-s
	return len(p), nil
}

// A terminal that takes no messages holds nothing up for long.
func testStuck(t *testing.T, w way) {
	terminal := make(stuck)
	defer close(terminal)
	w.opts.Stderr = terminal
	s := connect(t, t.Context(), w, "echo why >&2; exit 7")
	within(t, "Wait", func() {
		if e, ok := errors.AsType[*transport.ExitError](s.Wait()); !ok || e.Status != 7 || e.Stderr != "why" {
			t.Errorf("%v", e)
		}
	})
	within(t, "Close", func() { _ = s.Close() })
}

func testCancel(t *testing.T, w way) {
	ctx, cancel := context.WithCancel(t.Context())
	s := connect(t, ctx, w, "exec sleep 60")
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := io.ReadAll(s); err == nil {
		t.Error("a cancelled stream ends like a whole one")
	}
	if err := s.Wait(); err == nil {
		t.Error("Wait reports success")
	}
}

func testClose(t *testing.T, w way) {
	s := connect(t, t.Context(), w, "exec cat")
	read := make(chan error)
	go func() {
		_, err := s.Read(make([]byte, 1))
		read <- err
	}()
	time.Sleep(20 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; err == nil {
		t.Error("Read goes on after Close")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Write([]byte("x")); err == nil {
		t.Error("Write works after Close")
	}
}

// The arguments of the command of -e are those that rsync gives it.
func TestCommandArguments(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "rsh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf '%s\\n' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	reach := func(user, host string, rsh ...string) (transport.Stream, error) {
		link, err := transport.Reach(t.Context(), transport.Target{Remote: true, User: user, Host: host}, transport.Options{Rsh: rsh})
		if err != nil {
			return nil, err
		}
		return link.Exec(t.Context(), "gosync --server")
	}
	for _, test := range []struct {
		user, host string
		want       []string
	}{
		{"", "h", []string{"-v", "h", "gosync", "--server"}},
		{"bob", "::1", []string{"-v", "-l", "bob", "::1", "gosync", "--server"}},
	} {
		p, err := reach(test.user, test.host, script, "-v")
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(p)
		if got := strings.Split(strings.TrimSpace(string(out)), "\n"); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q, %v; want %q", got, err, test.want)
		}
		if err := errors.Join(p.Wait(), p.Close()); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range [][2]string{{"", "-oProxyCommand=id"}, {"-oX", "h"}, {"", ""}, {"u", "h;id"}} {
		if p, err := reach(bad[0], bad[1], script); err == nil {
			p.Close()
			t.Errorf("%q started", bad)
		}
	}
	if _, err := reach("", "h", filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing program: %v", err)
	}
}

// A process that outlives the command keeps its stderr open, as the master of shared ssh connections does.
func TestCommandLeavesProcessBehind(t *testing.T) {
	t.Parallel()
	p := connect(t, t.Context(), way{opts: transport.Options{Rsh: []string{"/bin/sh", "-c", "sleep 120 >/dev/null & echo $!; echo late >&2; exit 3"}}}, "")
	out, err := io.ReadAll(p)
	if err != nil {
		t.Fatal(err)
	}
	defer kill(t, strings.TrimSpace(string(out)))
	ended := make(chan error, 1)
	go func() { ended <- p.Wait() }()
	select {
	case err = <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("Wait waits for the process that was left behind")
	}
	e, ok := errors.AsType[*transport.ExitError](err)
	if !ok || e.Status != 3 || e.Stderr != "late" {
		t.Fatalf("%v", err)
	}
}

func TestReachRefuses(t *testing.T) {
	t.Parallel()
	host := transport.Target{Remote: true, Host: "h"}
	for name, test := range map[string]struct {
		t transport.Target
		o transport.Options
	}{
		"local":  {transport.Target{Path: "x"}, transport.Options{}},
		"port":   {host, transport.Options{Rsh: []string{"docker", "exec"}, Port: 22}},
		"config": {host, transport.Options{Rsh: []string{"rsh"}, SSHConfig: "x"}},
	} {
		if link, err := transport.Reach(t.Context(), test.t, test.o); err == nil {
			link.Close()
			t.Errorf("%s: connected", name)
		}
	}
}

func BenchmarkPush(b *testing.B) {
	s := sshtest.Start(b, sshtest.Options{})
	for _, w := range []way{{"in-process", transport.Options{SSHConfig: s.Config}}, {"ssh", transport.Options{SSHConfig: s.Config, Rsh: []string{"ssh"}}}} {
		b.Run(w.name, func(b *testing.B) {
			st := connect(b, b.Context(), w, "cat >/dev/null")
			buf := make([]byte, 256<<10)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := st.Write(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPull(b *testing.B) {
	s := sshtest.Start(b, sshtest.Options{})
	for _, w := range []way{{"in-process", transport.Options{SSHConfig: s.Config}}, {"ssh", transport.Options{SSHConfig: s.Config, Rsh: []string{"ssh"}}}} {
		b.Run(w.name, func(b *testing.B) {
			st := connect(b, b.Context(), w, "cat /dev/zero")
			buf := make([]byte, 256<<10)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.ReadFull(st, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkConnect is the cost of a connection that runs one command.
func BenchmarkConnect(b *testing.B) {
	s := sshtest.Start(b, sshtest.Options{})
	for _, w := range []way{{"in-process", transport.Options{SSHConfig: s.Config}}, {"ssh", transport.Options{SSHConfig: s.Config, Rsh: []string{"ssh"}}}} {
		b.Run(w.name, func(b *testing.B) {
			for b.Loop() {
				link, err := transport.Reach(b.Context(), transport.Target{Remote: true, Host: "box"}, w.opts)
				if err != nil {
					b.Fatal(err)
				}
				st, err := link.Exec(b.Context(), "true")
				if err != nil {
					b.Fatal(err)
				}
				if err := st.Wait(); err != nil {
					b.Fatal(err)
				}
				st.Close()
				link.Close()
			}
		})
	}
}
