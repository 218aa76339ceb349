package sshtest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// DropbearOptions of a server. The zero value serves.
type DropbearOptions struct {
	Command string // what is run, whatever is asked for; it finds that in SSH_ORIGINAL_COMMAND. "" for anything
	NoSFTP  bool   // there is no sftp-server on the machine
}

// Dropbear is a running dropbear.
type Dropbear struct {
	Config string // ssh_config for clients, with the host Alias
	Home   string // what the account has as its home directory

	log *lockedBuffer
}

// Log returns what the server has said so far.
func (d *Dropbear) Log() string { return d.log.String() }

// StartDropbear runs dropbear until the test ends. It takes the keys that may log in from the account's home directory
// and from nowhere else: it is started in a mount namespace, where that is a directory of the test. Only root can do that:
// other users skip the test, or fail it where GOSYNC_REQUIRE names dropbear.
func StartDropbear(t testing.TB, o DropbearOptions) *Dropbear {
	t.Helper()
	program := Require(t, "dropbear", "dropbear")
	keygen := Require(t, "dropbear", "dropbearkey")
	Require(t, "sshd", "ssh-keygen")
	if os.Getuid() != 0 {
		skip(t, "dropbear", "needs root for a home directory of its own")
	}
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d := &Dropbear{Config: filepath.Join(dir, "ssh_config"), Home: filepath.Join(dir, "home"), log: &lockedBuffer{}}
	key, hostKey, known := filepath.Join(dir, "id"), filepath.Join(dir, "host_key"), filepath.Join(dir, "known_hosts")
	Keygen(t, key, "ed25519", "")
	if err := os.MkdirAll(filepath.Join(d.Home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(d.Home, ".ssh", "authorized_keys"), read(t, key+".pub"))
	public := dropbearKey(t, keygen, hostKey)
	port := freePort(t)
	write(t, known, fmt.Sprintf("[127.0.0.1]:%d %s\n", port, public))
	write(t, d.Config, fmt.Sprintf("Host %s\n  HostName 127.0.0.1\n  Port %d\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n"+
		"  UserKnownHostsFile %s\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n", Alias, port, u.Username, key, known))
	args := []string{program, "-F", "-E", "-m", "-s", "-r", hostKey, "-P", filepath.Join(dir, "pid"), "-p", fmt.Sprintf("127.0.0.1:%d", port)}
	if o.Command != "" {
		args = append(args, "-c", o.Command)
	}
	d.run(t, u.HomeDir, o.NoSFTP, port, args)
	return d
}

// skip skips the test, or fails it if GOSYNC_REQUIRE names the tool.
func skip(t testing.TB, tool, why string) {
	t.Helper()
	for name := range strings.SplitSeq(os.Getenv("GOSYNC_REQUIRE"), ",") {
		if name == tool {
			t.Fatalf("GOSYNC_REQUIRE names %s, but it %s", tool, why)
		}
	}
	t.Skip(why)
}

// dropbearKey makes a host key, and returns its public half as known_hosts has it.
func dropbearKey(t testing.TB, keygen, path string) string {
	t.Helper()
	out, err := exec.Command(keygen, "-t", "ed25519", "-f", path).CombinedOutput()
	if err != nil {
		t.Fatalf("dropbearkey: %v\n%s", err, out)
	}
	for line := range bytes.Lines(out) {
		if f := strings.Fields(string(line)); len(f) > 1 && f[0] == "ssh-ed25519" {
			return f[0] + " " + f[1]
		}
	}
	t.Fatalf("dropbearkey says no public key:\n%s", out)
	return ""
}

// run starts the server in a mount namespace and waits until it listens.
func (d *Dropbear) run(t testing.TB, account string, noSFTP bool, port int, args []string) {
	t.Helper()
	script := `mount --bind "$1" "$2" || exit; `
	if noSFTP { // it is found by its path, which is built in
		script += `mount --bind /dev/null "$(readlink -f /usr/lib/sftp-server)" || exit; `
	}
	argv := append([]string{"unshare", "-m", "--propagation", "private", "sh", "-c", script + `shift 2; exec "$@"`, "sh", d.Home, account}, args...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stderr, cmd.Stdout = "/", d.log, d.log
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
	cmd.WaitDelay = time.Second // a session that goes on holds the log open
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is stopped by a signal
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for range 200 {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("dropbear does not start:\n%s", d.Log())
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("dropbear does not listen:\n%s", d.Log())
}
