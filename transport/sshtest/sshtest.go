// Package sshtest runs the real sshd, and dropbear, for tests.
//
// Start writes a host key, a user key, an authorized_keys file and the two configurations into a temporary directory and
// starts sshd on a free port of 127.0.0.1, where the user that runs the tests can log in under the alias "box". The
// daemon is stopped and reaped when the test ends.
//
// Where sshd or ssh-keygen is missing the test is skipped; with sshd named in the environment variable GOSYNC_REQUIRE
// (a list with commas) it fails.
package sshtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gosync/internal/need"
)

// Alias is the name of the server in the configuration.
const Alias = "box"

// Options of a server. The zero value serves.
type Options struct {
	Path     []string // directories in front of /usr/local/bin:/usr/bin:/bin in the PATH of remote commands
	HostKeys []string // types as ssh-keygen -t takes them; empty: ed25519
	Extra    []string // further lines of sshd_config
	NoSFTP   bool     // there is no sftp subsystem
	Env      []string // NAME=value for remote commands
	Command  string   // what the key may run, whatever is asked for (command= in authorized_keys); "" for anything
}

// Server is a running sshd.
type Server struct {
	Dir        string
	Config     string // ssh_config for clients
	Alias      string
	KnownHosts string // holds the keys of all types
	Key        string // the client's private key
	Port       int
	HostKeys   []string // paths of the private host keys, in the order of Options
	Pid        int      // of the daemon

	sshd string // the program
	stop func() // ends the daemon, and waits for that
	log  *lockedBuffer
}

// Log returns what sshd has said so far.
func (s *Server) Log() string { return s.log.String() }

// Addr is the address sshd listens on.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// Require skips the test if a program is missing, or fails it if GOSYNC_REQUIRE names the tool the program belongs to.
// It returns the program's path.
func Require(t testing.TB, tool, program string) string {
	t.Helper()
	p, err := exec.LookPath(program)
	if err == nil {
		return p
	}
	if p := filepath.Join("/usr/sbin", program); isProgram(p) { // not on the PATH of ordinary users
		return p
	}
	need.Missing(t, tool, fmt.Sprintf("%s is missing: %v", program, err))
	return ""
}

func isProgram(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Start runs sshd until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	sshd := Require(t, "sshd", "sshd")
	Require(t, "sshd", "ssh-keygen")
	if os.Getuid() == 0 { // privilege separation wants its directory
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	s := &Server{
		Dir: dir, Alias: Alias, Config: filepath.Join(dir, "ssh_config"), KnownHosts: filepath.Join(dir, "known_hosts"),
		Key: filepath.Join(dir, "id"), sshd: sshd, log: &lockedBuffer{},
	}
	types := o.HostKeys
	if len(types) == 0 {
		types = []string{"ed25519"}
	}
	for _, k := range types {
		path := filepath.Join(dir, "host_"+k)
		Keygen(t, path, k, "")
		s.HostKeys = append(s.HostKeys, path)
	}
	Keygen(t, s.Key, "ed25519", "")
	pub := read(t, s.Key+".pub")
	if o.Command != "" {
		pub = fmt.Sprintf("restrict,command=\"%s\" %s", strings.ReplaceAll(o.Command, `"`, `\"`), pub)
	}
	write(t, filepath.Join(dir, "authorized_keys"), pub)
	// The port is free now and may be taken when sshd binds it: then another one.
	for attempt := 0; ; attempt++ {
		s.Port = freePort(t)
		s.writeFiles(t, o)
		if s.run(t) {
			return s
		}
		if attempt == 4 {
			t.Fatalf("sshd does not start:\n%s", s.Log())
		}
	}
}

// Stop ends the daemon: nobody listens any more. Sessions that are there go on.
func (s *Server) Stop() { s.stop() }

// Restart starts the daemon again, at the same port and with the same keys.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if !s.run(t) {
		t.Fatalf("sshd does not start again:\n%s", s.Log())
	}
}

// Keygen writes a key pair to path and path.pub.
func Keygen(t testing.TB, path, keyType, passphrase string, extra ...string) {
	t.Helper()
	args := append([]string{"-q", "-t", keyType, "-N", passphrase, "-C", "test", "-f", path}, extra...)
	if out, err := exec.Command("ssh-keygen", args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
}

func (s *Server) writeFiles(t testing.TB, o Options) {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	var d, known strings.Builder
	fmt.Fprintf(&d, "Port %d\nListenAddress 127.0.0.1\nAuthorizedKeysFile %s/authorized_keys\nPermitRootLogin yes\n", s.Port, s.Dir)
	d.WriteString("StrictModes no\nUsePAM no\nPasswordAuthentication no\nMaxStartups 100\nPidFile none\n")
	if !o.NoSFTP {
		d.WriteString("Subsystem sftp internal-sftp\n")
	}
	env := append([]string{"PATH=" + strings.Join(append(slices.Clone(o.Path), "/usr/local/bin", "/usr/bin", "/bin"), ":")}, o.Env...)
	// A bash that is not the first shell reads no .bashrc: what the account has in there can take a second, and say things.
	env = append(env, "SHLVL=2")
	d.WriteString("SetEnv")
	for _, e := range env {
		fmt.Fprintf(&d, " \"%s\"", e)
	}
	d.WriteString("\n")
	for _, k := range s.HostKeys {
		fmt.Fprintf(&d, "HostKey %s\n", k)
		f := strings.Fields(read(t, k+".pub"))
		fmt.Fprintf(&known, "[127.0.0.1]:%d %s %s\n", s.Port, f[0], f[1])
	}
	for _, l := range o.Extra {
		fmt.Fprintln(&d, l)
	}
	write(t, filepath.Join(s.Dir, "sshd_config"), d.String())
	write(t, s.KnownHosts, known.String())
	write(t, s.Config, fmt.Sprintf("Host %s\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n"+
		"  UserKnownHostsFile %s\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n", s.Alias, s.Port, u.Username, s.Key, s.KnownHosts))
}

// run starts the daemon and reports whether it listens.
func (s *Server) run(t testing.TB) bool {
	t.Helper()
	cmd := exec.Command(s.sshd, "-D", "-e", "-f", filepath.Join(s.Dir, "sshd_config"))
	cmd.Stderr = s.log
	cmd.WaitDelay = time.Second // a session that goes on holds the log open
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is stopped by a signal
	}()
	stop := func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	for range 200 {
		c, err := net.DialTimeout("tcp", s.Addr(), time.Second)
		if err == nil {
			c.Close()
			s.Pid, s.stop = cmd.Process.Pid, stop
			t.Cleanup(stop)
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	stop()
	return false
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A lockedBuffer takes sshd's log while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
