package sshconn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gosync/internal/sshserver"
	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

// debugLog logs everything into a buffer.
func debugLog() (*slog.Logger, *lockedLog) {
	b := &lockedLog{}
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})), b
}

// block is a Host block for a server under another alias.
func block(t *testing.T, s *sshtest.Server, alias string, more ...string) string {
	t.Helper()
	text := strings.Replace(readFile(t, s.Config), "Host "+s.Alias+"\n", "Host "+alias+"\n", 1)
	return text + "  " + strings.Join(more, "\n  ") + "\n"
}

// Two sshds, one reached through the other, and a third hop back: each has its own configuration and its own host key.
func TestProxyJump(t *testing.T) {
	t.Parallel()
	first, second := sshtest.Start(t, sshtest.Options{}), sshtest.Start(t, sshtest.Options{})
	closed := sshtest.Start(t, sshtest.Options{Extra: []string{"AllowTcpForwarding no"}})
	nothing := writeFile(t, "nothing", "")
	both := block(t, first, "j1") + block(t, second, "j2", "ProxyJump j1") + block(t, second, "unknown", "UserKnownHostsFile "+nothing)
	both = strings.Replace(both, "Host unknown\n", "Host unknown\n  UserKnownHostsFile "+nothing+"\n", 1)
	for _, row := range []struct {
		name, text string
		host       string
		want       error
		says       string
	}{
		{"one hop", block(t, second, "target", "ProxyJump j1"), "target", nil, ""},
		{"two hops, the second by its own configuration", block(t, first, "target", "ProxyJump j2"), "target", nil, ""},
		{"three hops, named", block(t, second, "target", "ProxyJump j1,j2,j1"), "target", nil, ""},
		{"a hop by user and port", block(t, second, "target", fmt.Sprintf("ProxyJump root@j1:%d", first.Port)), "target", nil, ""},
		{"the hop's key is not known", block(t, first, "target", "ProxyJump unknown"), "target", sshconn.ErrHostKey, "on the way to target"},
		{"the target's key is not known", strings.Replace(block(t, second, "target", "ProxyJump j1"), second.KnownHosts, nothing, 1), "target", sshconn.ErrHostKey, "target"},
		{"no login at the hop", "Host j3\n  IdentityFile none\n" + block(t, first, "j3") + block(t, second, "target", "ProxyJump j3"), "target", nil, ""},
		{"the hop does not forward", block(t, closed, "j4") + block(t, second, "target", "ProxyJump j4"), "target", sshconn.ErrConnect, "AllowTcpForwarding"},
		{"the target does not listen", block(t, second, "target", "ProxyJump j1"), "port1", sshconn.ErrConnect, "j1"},
		{"a circle", "Host a\n  HostName 127.0.0.1\n  ProxyJump b\nHost b\n  HostName 127.0.0.2\n  ProxyJump a\n", "a", sshconn.ErrConfig, "circle"},
		{"a circle of one", "Host a\n  HostName 127.0.0.1\n  ProxyJump a\n", "a", sshconn.ErrConfig, "circle"},
		{"a hop for the ssh program", block(t, first, "j5", "PKCS11Provider /x") + block(t, second, "target", "ProxyJump j5"), "target", sshconn.ErrCommandOnly, "PKCS11Provider"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := row.text + both
			if row.host == "port1" {
				row.host, text = "target", "Host target\n  Port 1\n"+text
			}
			c := sshconn.Config{Host: row.host, ConfigFile: writeFile(t, "config", text), Prompt: noPrompt, SSH: "none"}
			err := login(t, c)
			if row.want == nil && err != nil || row.want != nil && (!errors.Is(err, row.want) || !strings.Contains(err.Error(), row.says)) {
				t.Errorf("%v, want %v that says %q", err, row.want, row.says)
			}
		})
	}
	// By ssh -G, with a command at the end of the way.
	c := sshconn.Config{Host: "target", ConfigFile: writeFile(t, "config", block(t, first, "target", "ProxyJump j2")+both), Prompt: noPrompt}
	if err := try(t, c); err != nil {
		t.Error(err)
	}
}

// The line of a jump host is as good as any: a server behind it that says nothing is given up in time.
func TestProxyJumpTimeout(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{})
	silent := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	text := fmt.Sprintf("Host target\n HostName 127.0.0.1\n Port %d\n ProxyJump j1\n", silent) + block(t, srv, "j1")
	c := sshconn.Config{Host: "target", ConfigFile: writeFile(t, "config", text), Prompt: noPrompt, SSH: "none"}
	r, err := sshconn.Resolve(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	r.ConnectTimeout = 700 * time.Millisecond
	began := time.Now()
	_, err = sshconn.Connect(t.Context(), c, &r)
	if ne, ok := errors.AsType[net.Error](err); !errors.Is(err, sshconn.ErrConnect) || !ok || !ne.Timeout() || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

// proxyMain is a proxy command: it connects its streams with an address. With a third argument it does not end by itself,
// and writes its process id there.
func proxyMain(args []string) int {
	fmt.Fprintf(os.Stderr, "proxy for %s\x1b[2J\n", args[0])
	if len(args) > 1 {
		signal.Ignore(syscall.SIGHUP)
		if err := os.WriteFile(args[1], []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			return 1
		}
		defer time.Sleep(time.Minute)
	}
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 7
	}
	go io.Copy(c, os.Stdin)
	io.Copy(os.Stdout, c)
	return 0
}

func TestProxyCommand(t *testing.T) {
	t.Parallel()
	srv := serve(t, sshserver.Options{})
	sshd := sshtest.Require(t, "sshd", "sshd")
	real := sshtest.Start(t, sshtest.Options{})
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	own := "Host box\n ProxyCommand %s\n" + readFile(t, srv.Files().Config)
	for _, row := range []struct {
		name, config string
		want         error
		says         string // in the error, or else in the log
	}{
		{"tokens", fmt.Sprintf(own, program+" proxy %h:%p"), nil, "proxy command: proxy for 127.0.0.1:" + port(t, srv) + "?[2J"},
		{"sshd -i", "Host box\n ProxyCommand " + sshd + " -i -f " + filepath.Join(real.Dir, "sshd_config") + "\n" + readFile(t, real.Config), nil, ""},
		{"none", fmt.Sprintf(own, "none"), nil, ""},
		{"shell", fmt.Sprintf(own, "sh -c 'exec \"$0\" proxy \"$1\"' "+program+" %h:%p"), nil, "proxy for"},
		{"fails", fmt.Sprintf(own, program+" proxy %h:1"), sshconn.ErrConnect, "exit status 7"},
		{"missing", fmt.Sprintf(own, "/nonexistent/proxy"), sshconn.ErrConnect, "exit status"},
		{"says nothing", "ConnectTimeout 1\n" + fmt.Sprintf(own, "sleep 20"), sshconn.ErrConnect, "not answer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			log, said := debugLog()
			err := login(t, sshconn.Config{Host: "box", ConfigFile: writeFile(t, "config", row.config), Prompt: noPrompt, SSH: "none", Log: log})
			if row.want == nil && (err != nil || !strings.Contains(said.String(), row.says)) || row.want != nil && (!errors.Is(err, row.want) || !strings.Contains(err.Error(), row.says)) {
				t.Errorf("%v, want %v and %q\n%s", err, row.want, row.says, said)
			}
		})
	}
	t.Run("killed and reaped", func(t *testing.T) {
		pidFile := filepath.Join(t.TempDir(), "pid")
		text := fmt.Sprintf(own, program+" proxy %h:%p "+pidFile)
		began := time.Now()
		if err := login(t, sshconn.Config{Host: "box", ConfigFile: writeFile(t, "config", text), Prompt: noPrompt, SSH: "none"}); err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(readFile(t, pidFile))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) || time.Since(began) > 30*time.Second {
			t.Errorf("the proxy command is still there after %v: %v", time.Since(began), err)
		}
	})
	t.Run("user name", func(t *testing.T) {
		for _, user := range []string{"$HOME", `dom\user`, "two words"} {
			_, err := sshconn.Resolve(t.Context(), sshconn.Config{Host: "h", User: user, SSH: "none", ConfigFile: writeFile(t, "config", "ProxyCommand nc %r\n")})
			if !errors.Is(err, sshconn.ErrConfig) {
				t.Errorf("%s: %v", user, err)
			}
		}
	})
}

// A running master is used without a login and without a look at keys; a socket that nobody answers on is passed over.
func TestControlMaster(t *testing.T) {
	t.Parallel()
	program := sshtest.Require(t, "sshd", "ssh")
	srv := sshtest.Start(t, sshtest.Options{})
	dir, err := os.MkdirTemp("", "cm") // a short path: sockets have 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	base := readFile(t, srv.Config) + "  ControlPath " + dir + "/%C\n"
	config := writeFile(t, "config", base)
	// Whoever uses this has no key and knows no host: only a master can help.
	poor := strings.Replace(strings.Replace(base, srv.Key, "none", 1), srv.KnownHosts, "/nonexistent", 1)
	c := sshconn.Config{Host: srv.Alias, ConfigFile: writeFile(t, "poor", poor), Prompt: noPrompt}
	if err := login(t, c); !errors.Is(err, sshconn.ErrHostKey) {
		t.Fatalf("without a master: %v", err)
	}
	cmd := exec.Command(program, "-F", config, "-M", "-N", "-T", srv.Alias)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is told to end
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended, as a rule
		<-ended
	})
	r, err := sshconn.Resolve(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for range 400 {
		if _, err := os.Stat(r.ControlPath); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	logins := strings.Count(srv.Log(), "Accepted publickey")
	for _, by := range []string{"", "none"} {
		log, said := debugLog()
		c.SSH, c.Log = by, log
		if err := try(t, c); err != nil {
			t.Errorf("through the master: %v\n%s", err, said)
		}
		if !strings.Contains(said.String(), "using a running ssh master") {
			t.Errorf("log: %s", said)
		}
	}
	// Through it to another host as well.
	jump := strings.Replace(poor, "Host box", "Host j1", 1) + block(t, srv, "target", "ProxyJump j1")
	if err := login(t, sshconn.Config{Host: "target", ConfigFile: writeFile(t, "jump", jump), Prompt: noPrompt, SSH: "none"}); err != nil {
		t.Errorf("jump through the master: %v", err)
	}
	if n := strings.Count(srv.Log(), "Accepted publickey"); n != logins+1 {
		t.Errorf("%d logins more, want one, of the host behind the jump", n-logins)
	}
	if out, err := exec.Command(program, "-F", config, "-O", "exit", srv.Alias).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	<-ended
	// A socket without a master, a file, and a socket that says rubbish.
	l, err := net.Listen("unix", r.ControlPath)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	c.ConfigFile = config
	if err := login(t, c); err != nil {
		t.Errorf("dead socket: %v", err)
	}
	os.Remove(r.ControlPath)
	if err := os.WriteFile(r.ControlPath, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := login(t, c); err != nil {
		t.Errorf("file: %v", err)
	}
	os.Remove(r.ControlPath)
	rubbish, err := net.Listen("unix", r.ControlPath)
	if err != nil {
		t.Fatal(err)
	}
	defer rubbish.Close()
	go func() {
		if conn, err := rubbish.Accept(); err == nil {
			io.WriteString(conn, "\x00\x00\x00\x04rubbish")
			conn.Close()
		}
	}()
	if err := login(t, c); err != nil {
		t.Errorf("rubbish: %v", err)
	}
}

// A stalling line passes bytes until it is told to keep them.
type stalling struct {
	net.Conn
	stall *atomic.Bool
}

func (s stalling) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	for s.stall.Load() && err == nil {
		n, err = s.Conn.Read(p)
	}
	return n, err
}

// relay connects to addr for everyone who connects to it.
func relay(t *testing.T, addr string, stall *atomic.Bool) int {
	t.Helper()
	return listen(t, func(c net.Conn) {
		up, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer up.Close()
		done := make(chan struct{})
		go func() {
			defer close(done)
			io.Copy(up, c)
			up.Close()
		}()
		io.Copy(c, stalling{up, stall})
		c.Close()
		<-done
	})
}

// A server that has fallen silent is noticed by ServerAliveInterval, and one that answers is not given up.
func TestServerAlive(t *testing.T) {
	t.Parallel()
	srv := serve(t, sshserver.Options{})
	var stall atomic.Bool
	p := relay(t, srv.Addr(), &stall)
	known := writeFile(t, "known", strings.ReplaceAll(readFile(t, srv.Files().KnownHosts), port(t, srv), strconv.Itoa(p)))
	log, said := debugLog()
	c := config(srv)
	c.Port, c.KnownHosts, c.Log = p, []string{known}, log
	c.Options = []string{"ServerAliveInterval=1", "ServerAliveCountMax=1"}
	client, err := sshconn.Dial(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s, err := client.Start(t.Context(), "exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("the session ended while the server answered: %v\n%s", err, said)
	case <-time.After(3500 * time.Millisecond):
	}
	stall.Store(true)
	began := time.Now()
	select {
	case err := <-ended:
		if !errors.Is(err, io.ErrUnexpectedEOF) || time.Since(began) < 900*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody noticed")
	}
	if !strings.Contains(said.String(), "does not answer") {
		t.Error(said)
	}
}

// AddressFamily and BindAddress decide how the connection is made.
func TestAddresses(t *testing.T) {
	t.Parallel()
	srv := serve(t, sshserver.Options{})
	for option, ok := range map[string]bool{"AddressFamily=inet": true, "AddressFamily=inet6": false, "BindAddress=127.0.0.1": true, "BindAddress=192.0.2.1": false} {
		c := config(srv)
		c.Options = []string{option}
		if err := login(t, c); (err == nil) != ok || err != nil && !errors.Is(err, sshconn.ErrConnect) {
			t.Errorf("%s: %v", option, err)
		}
	}
}

// What the user chooses is what is negotiated, and only that.
func TestChosenAlgorithms(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{Extra: []string{"LogLevel DEBUG", "Ciphers aes256-ctr,aes128-ctr", "MACs hmac-sha2-512,hmac-sha2-256"}})
	for _, by := range []string{"none", ""} {
		c := sshconn.Config{
			Host: srv.Alias, ConfigFile: srv.Config, Prompt: noPrompt, SSH: by,
			Options: []string{"Ciphers=aes256-ctr", "KexAlgorithms=ecdh-sha2-nistp384", "MACs=hmac-sha2-512"},
		}
		if err := login(t, c); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"kex: algorithm: ecdh-sha2-nistp384", "cipher: aes256-ctr MAC: hmac-sha2-512"} {
			if !strings.Contains(srv.Log(), want) {
				t.Errorf("by %q the server does not say %q", by, want)
			}
		}
	}
	c := sshconn.Config{Host: srv.Alias, ConfigFile: srv.Config, Prompt: noPrompt, SSH: "none", Options: []string{"Ciphers=aes128-gcm@openssh.com"}}
	if err := login(t, c); !errors.Is(err, sshconn.ErrConnect) {
		t.Errorf("no common cipher: %v", err)
	}
}

// A server that takes Kerberos alone is one for the ssh program.
func TestKerberosOnly(t *testing.T) {
	t.Parallel()
	_, host := newKey(t, "ed25519")
	config := &ssh.ServerConfig{GSSAPIWithMICConfig: &ssh.GSSAPIWithMICConfig{
		AllowLogin: func(ssh.ConnMetadata, string) (*ssh.Permissions, error) { return nil, errors.New("no") }, Server: noKerberos{},
	}}
	config.AddHostKey(host)
	p := listen(t, func(c net.Conn) {
		_, _, _, _ = ssh.NewServerConn(c, config) // the client gives up
	})
	known := writeFile(t, "known", line("", fmt.Sprintf("[127.0.0.1]:%d", p), host.PublicKey()))
	for value, want := range map[string]bool{"yes": true, "no": false} {
		text := fmt.Sprintf("UserKnownHostsFile %s\nIdentityAgent none\nGSSAPIAuthentication %s\n", known, value)
		_, err := sshconn.Dial(context.Background(), sshconn.Config{Host: "127.0.0.1", Port: p, ConfigFile: writeFile(t, "config", text), SSH: "none", Prompt: noPrompt})
		if !errors.Is(err, sshconn.ErrAuth) || errors.Is(err, sshconn.ErrCommandOnly) != want {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// noKerberos is a server side that knows nobody.
type noKerberos struct{}

func (noKerberos) AcceptSecContext([]byte) ([]byte, string, bool, error) {
	return nil, "", false, errors.New("no")
}
func (noKerberos) VerifyMIC([]byte, []byte) error { return errors.New("no") }
func (noKerberos) DeleteSecContext() error        { return nil }
