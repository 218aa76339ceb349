package sshconn_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"gosync/internal/sshserver"
	"gosync/transport/sshconn"
)

// listen answers every connection with talk.
func listen(t *testing.T, talk func(net.Conn)) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talk(c)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().(*net.TCPAddr).Port
}

func TestDialErrors(t *testing.T) {
	t.Parallel()
	closed := listen(t, func(net.Conn) {})
	web := listen(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	silent := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := l.Addr().(*net.TCPAddr).Port
	l.Close()
	for name, test := range map[string]struct {
		host    string
		port    int
		timeout bool
	}{
		"refused": {"127.0.0.1", refused, false},
		"closes":  {"127.0.0.1", closed, false},
		"web":     {"127.0.0.1", web, false},
		"silent":  {"127.0.0.1", silent, true},
	} {
		c, err := sshconn.Dial(t.Context(), sshconn.Config{Host: test.host, Port: test.port, ConfigFile: "none", ConnectTimeout: 300 * time.Millisecond, Prompt: noPrompt})
		if err == nil {
			c.Close()
		}
		ne, ok := errors.AsType[net.Error](err)
		if !errors.Is(err, sshconn.ErrConnect) || test.timeout != (ok && ne.Timeout()) || !strings.Contains(err.Error(), "; ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Cancelling ends each stage: before the server speaks, during a question, and with a session running.
func TestCancel(t *testing.T) {
	t.Parallel()
	t.Run("handshake", func(t *testing.T) {
		t.Parallel()
		s := serve(t, sshserver.Options{Delay: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		if _, err := sshconn.Dial(ctx, config(s)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("question", func(t *testing.T) {
		t.Parallel()
		s := serve(t, sshserver.Options{Password: "x"})
		ctx, cancel := context.WithCancel(t.Context())
		c := config(s)
		c.StrictHostKeyChecking, c.KnownHosts = sshconn.Ask, []string{writeFile(t, "known", "")}
		c.Prompt = func(ctx context.Context, _ string, _ bool) (string, error) {
			cancel()
			<-ctx.Done()
			return "", ctx.Err()
		}
		if _, err := sshconn.Dial(ctx, c); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("session", func(t *testing.T) {
		t.Parallel()
		s := serve(t, sshserver.Options{})
		client, err := sshconn.Dial(t.Context(), config(s))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		ctx, cancel := context.WithCancel(t.Context())
		session, err := client.Start(ctx, "exec sleep 60")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(30*time.Millisecond, cancel)
		// The far side reads nothing: this write ends by the cancellation alone.
		if _, err := session.Stdin.Write(make([]byte, 8<<20)); err == nil {
			t.Error("the write went through")
		}
		if err := session.Wait(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
		if _, err := client.Start(t.Context(), "true"); err == nil {
			t.Error("the connection is still there")
		}
	})
}

// Time that the user takes does not count.
func TestTimeoutWaitsForUser(t *testing.T) {
	t.Parallel()
	s := serve(t, sshserver.Options{})
	c := config(s)
	c.StrictHostKeyChecking, c.KnownHosts, c.ConnectTimeout = sshconn.Ask, []string{writeFile(t, "known", "")}, 2*time.Second
	c.Prompt = func(context.Context, string, bool) (string, error) {
		time.Sleep(2500 * time.Millisecond)
		return "yes", nil
	}
	if err := try(t, c); err != nil {
		t.Fatal(err)
	}
}

// Several sessions run on one connection.
func TestSessions(t *testing.T) {
	t.Parallel()
	client, err := sshconn.Dial(t.Context(), config(serve(t, sshserver.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var sessions []*sshconn.Session
	for range 4 {
		s, err := client.Start(t.Context(), "cat")
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	sessions[0].Close()
	for _, s := range sessions[1:] {
		io.WriteString(s.Stdin, "x")
		s.Stdin.Close()
		if out, err := io.ReadAll(s.Stdout); err != nil || string(out) != "x" {
			t.Errorf("%q %v", out, err)
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := client.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, h := range []string{"h", "a.b-c_d", "10.0.0.1", "::1", "fe80::1%eth0", "bücher.example", "host,x"} {
		if err := sshconn.ValidHost(h); err != nil {
			t.Error(err)
		}
	}
	for _, h := range []string{"", "-h", "a b", "a\tb", "a\nb", "a\x00b", "a;b", "$(x)", "a`b", "a|b", "a&b", "a'b", `a"b`, `a\b`, "a<b", "a{b}", "\x7f"} {
		if sshconn.ValidHost(h) == nil {
			t.Errorf("host %q passes", h)
		}
	}
	for _, u := range []string{"u", "u.v-w", `DOMAIN\u`, "u@d", "first last", "u$"} {
		if err := sshconn.ValidUser(u); err != nil {
			t.Error(err)
		}
	}
	for _, u := range []string{"", "-u", "u -o", "u;v", "u`v`", "u|v", "u\nv", `u\`, "u(v)", "u'v", "\x1b"} {
		if sshconn.ValidUser(u) == nil {
			t.Errorf("user %q passes", u)
		}
	}
}
