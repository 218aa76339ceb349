package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/transport/sshtest"
)

// A faultBench is a directory in which gosync meets a fault.
type faultBench struct {
	dir    string
	gosync string
	rsh    string
	nobody bool // run as a user without rights
}

func newFaultBench(t *testing.T) *faultBench {
	t.Helper()
	b := &faultBench{dir: t.TempDir(), gosync: program(t)}
	b.rsh = loopShell(t, b.dir)
	for _, name := range []string{filepath.Dir(b.dir), b.dir} { // other users work there too
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(b.rsh, 0o755); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *faultBench) path(name string) string { return filepath.Join(b.dir, name) }

// needRoot skips a test that changes who it is, or mounts.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// file writes a file of that size.
func (b *faultBench) file(t *testing.T, name string, size int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), bytes.Repeat([]byte(name[len(name)-1:]), size), 0o644); err != nil {
		t.Fatal(err)
	}
}

// command prepares gosync in the directory.
func (b *faultBench) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(b.gosync, args...)
	cmd.Dir = b.dir
	cmd.WaitDelay = 5 * time.Second
	output := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = output, output
	if b.nobody {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	return cmd, output
}

// want runs gosync and wants an exit status and a text in its output.
func (b *faultBench) want(t *testing.T, status int, text string, args ...string) {
	t.Helper()
	cmd, output := b.command(args...)
	began := time.Now()
	_ = cmd.Run() // the exit status tells
	got := cmd.ProcessState.ExitCode()
	if got != status || !strings.Contains(output.String(), text) || strings.Contains(output.String(), "goroutine ") {
		t.Errorf("gosync %q: exit %d, want %d with %q\n%s", args, got, status, text, output)
	}
	if status != 0 && strings.Count(output.String(), fmt.Sprintf("(exit %d)\n", status)) != 1 {
		t.Errorf("gosync %q does not say once why it ends with %d:\n%s", args, status, output)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("gosync %q took %v", args, took)
	}
}

// same wants two trees to be equal, and free of temporaries.
func (b *faultBench) same(t *testing.T, src, dst string) {
	t.Helper()
	far := time.Now().Unix() + 1000
	if diff := lookAt(t, b.path(src), far).differ("source", "dst", lookAt(t, b.path(dst), far)); len(diff) > 0 {
		t.Errorf("%s and %s differ: %s", src, dst, strings.Join(diff, "\n"))
	}
	b.clean(t, dst)
}

// clean wants no temporaries.
func (b *faultBench) clean(t *testing.T, dst string) {
	t.Helper()
	if left := temporaries(t, b.path(dst)); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// ways are the command lines that reach the same directory in all ways. The destination is dst.
func (b *faultBench) ways(src, dst string) map[string][]string {
	remote := []string{"-e", b.rsh, "--gosync-path=" + b.gosync}
	return map[string][]string{
		"local": {src, dst},
		"push":  append(remote[:2:2], remote[2], src, "host:"+dst),
		"pull":  append(remote[:2:2], remote[2], "host:"+src, dst),
	}
}

func TestFullDestination(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for _, way := range []string{"local", "push", "pull"} {
		b := newFaultBench(t)
		b.file(t, "src/a", 1000)
		b.file(t, "src/big", 8<<20)
		b.file(t, "src/z", 1000)
		mountSmall(t, b.path("dst"), "size=4m")
		b.file(t, "dst/big", 100)
		args := b.ways("src/", "dst/")[way]
		b.want(t, exitFile, "no space left on device", append([]string{"-a"}, args...)...)
		if info, err := os.Stat(b.path("dst/big")); err != nil || info.Size() != 100 {
			t.Errorf("%s: the old file is not what it was: %v, %v", way, info, err)
		}
		b.clean(t, "dst")
		if err := unix.Mount("", b.path("dst"), "", unix.MS_REMOUNT, "size=32m"); err != nil {
			t.Fatal(err)
		}
		b.want(t, 0, "", append([]string{"-a"}, args...)...)
		b.same(t, "src", "dst")
	}
}

func TestNoInodesLeft(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := newFaultBench(t)
	for i := range 40 {
		b.file(t, fmt.Sprintf("src/f%d", i), 10)
	}
	mountSmall(t, b.path("dst"), "nr_inodes=20")
	b.want(t, exitFile, "no space left on device", "-a", "src/", "dst/")
	b.clean(t, "dst")
	if err := unix.Mount("", b.path("dst"), "", unix.MS_REMOUNT, "nr_inodes=100"); err != nil {
		t.Fatal(err)
	}
	b.want(t, 0, "", "-a", "src/", "dst/")
	b.same(t, "src", "dst")
}

// mountSmall mounts a file system in memory.
func mountSmall(t *testing.T, dir, options string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, options+",mode=755"); err != nil {
		t.Skipf("mounting: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func TestForbiddenDirectories(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := newFaultBench(t)
	b.file(t, "src/open/f", 1000)
	b.file(t, "src/shut/f", 1000)
	b.file(t, "src/shut/g", 1000)
	b.file(t, "dst/shut/f", 5)
	if err := os.Chown(b.path("dst"), 65534, 65534); err != nil { // what is below stays root's
		t.Fatal(err)
	}
	b.nobody = true
	for way, args := range b.ways("src/", "dst/") {
		b.want(t, exitPartial, "permission denied", append([]string{"-r"}, args...)...)
		if data, err := os.ReadFile(b.path("dst/shut/f")); err != nil || string(data) != "fffff" {
			t.Errorf("%s: the old file is %q, %v", way, data, err)
		}
		if _, err := os.Stat(b.path("dst/open/f")); err != nil {
			t.Errorf("%s: the rest was not copied: %v", way, err)
		}
		b.clean(t, "dst")
	}
	mountSmall(t, b.path("ro"), "size=1m")
	if err := unix.Mount("", b.path("ro"), "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"); err != nil {
		t.Fatal(err)
	}
	b.nobody = false
	cmd, output := b.command("-a", "src/", "ro/")
	_ = cmd.Run() // the exit status tells
	if got := cmd.ProcessState.ExitCode(); got != exitFile && got != exitPartial || !strings.Contains(output.String(), "read-only file system") {
		t.Errorf("read-only file system: exit %d\n%s", got, output)
	}
}

func TestUnreadableSource(t *testing.T) {
	t.Parallel()
	needRoot(t)
	b := newFaultBench(t)
	for _, name := range []string{"src/f", "src/secret", "src/shut/f", "src/sub/f"} {
		b.file(t, name, 1000)
	}
	for _, name := range []string{"src/secret", "src/shut"} {
		if err := os.Chmod(b.path(name), 0); err != nil {
			t.Fatal(err)
		}
	}
	b.file(t, "dst/shut/extra", 1)
	b.file(t, "dst/extra", 1)
	for _, name := range []string{"dst", "dst/shut", "dst/shut/extra", "dst/extra"} {
		if err := os.Chown(b.path(name), 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	b.nobody = true
	for way, args := range b.ways("src/", "dst/") {
		b.want(t, exitPartial, "permission denied", append([]string{"-r", "--delete"}, args...)...)
		for _, name := range []string{"dst/f", "dst/sub/f", "dst/shut/extra", "dst/extra"} {
			if _, err := os.Stat(b.path(name)); err != nil {
				t.Errorf("%s: %v", way, err)
			}
		}
		if _, err := os.Stat(b.path("dst/secret")); err == nil {
			t.Errorf("%s: a file that nobody can read has arrived", way)
		}
		b.clean(t, "dst")
	}
}

// waitFor waits until something is true.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timeout: %s", what)
		}
	}
}

// slow makes a source that takes gosync several seconds to send, and the options that make it so.
func (b *faultBench) slow(t *testing.T) []string {
	t.Helper()
	for i := range 12 {
		b.file(t, fmt.Sprintf("src/f%c", 'a'+i), 1<<20)
	}
	if err := os.Mkdir(b.path("dst"), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"-a", "-W", "--bwlimit=6000"}
}

func TestVanishedSource(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"local", "push", "pull"} {
		b := newFaultBench(t)
		options := append(b.slow(t), "--delete")
		b.file(t, "dst/fl", 3) // an older version of what will vanish
		cmd, output := b.command(append(options, b.ways("src/", "dst/")[way]...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the first temporary", func() bool { return len(temporaries(t, b.path("dst"))) > 0 })
		for _, name := range []string{"src/fk", "src/fl"} {
			if err := os.Remove(b.path(name)); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait() // the exit status tells
		if got := cmd.ProcessState.ExitCode(); got != 24 {
			t.Errorf("%s: exit %d\n%s", way, got, output)
		}
		if data, err := os.ReadFile(b.path("dst/fl")); err != nil || string(data) != "lll" {
			t.Errorf("%s: the older version is %q, %v", way, data, err)
		}
		b.clean(t, "dst")
		b.want(t, 0, "", append([]string{"-a", "--delete"}, b.ways("src/", "dst/")[way]...)...)
		b.same(t, "src", "dst")
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	for i, way := range []string{"local", "push", "pull"} {
		b := newFaultBench(t)
		cmd, output := b.command(append(b.slow(t), b.ways("src/", "dst/")[way]...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the first temporary", func() bool { return len(temporaries(t, b.path("dst"))) > 0 })
		began := time.Now()
		if err := cmd.Process.Signal(signals[i]); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the exit status tells
		if got := cmd.ProcessState.ExitCode(); got != exitSignal || time.Since(began) > 5*time.Second {
			t.Errorf("%s, %v: exit %d after %v\n%s", way, signals[i], got, time.Since(began), output)
		}
		waitFor(t, "the far side cleans up", func() bool { return len(temporaries(t, b.path("dst"))) == 0 })
		b.want(t, 0, "", append([]string{"-a"}, b.ways("src/", "dst/")[way]...)...)
		b.same(t, "src", "dst")
	}
}

// TestSilence stops the far side without ending it.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"push", "pull"} {
		b := &killBench{dir: t.TempDir(), gosync: program(t)}
		b.rsh = loopShell(t, b.dir)
		f := &faultBench{dir: b.dir}
		f.slow(t)
		if err := os.Rename(b.path("src"), b.path("new")); err != nil {
			t.Fatal(err)
		}
		run := b.start(t, killKind{way: way}, "-W", "--bwlimit=6000", "--timeout=1")
		waitFor(t, "the first temporary", func() bool { return len(temporaries(t, b.path("dst"))) > 0 })
		pid := run.far()
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		<-run.ended
		if got := run.cmd.ProcessState.ExitCode(); got != 30 {
			t.Errorf("%s: exit %d\n%s", way, got, run.stderr)
		}
		if alive(pid) {
			_ = syscall.Kill(pid, syscall.SIGCONT) // it may have been killed meanwhile
		}
		run.wait(t, 10*time.Second)
		if way == "pull" { // else the receiver is the one that was stopped, and had no chance
			f.clean(t, "dst")
		}
		b.finish(t, killKind{way: way})
	}
}

// TestFarSideThatIsNone runs things that are no gosync.
func TestFarSideThatIsNone(t *testing.T) {
	t.Parallel()
	b := newFaultBench(t)
	b.file(t, "src/f", 1000)
	for _, tt := range []struct {
		path   string
		status int
	}{
		{"/nonexistent/gosync", 127},
		{"/etc/passwd", 126},
		{"cat /dev/zero; :", exitProtocol},
		{"echo; echo; echo", exitProtocol},
		{"exit 3;", exitProtocol},
		{"kill -9 $$;", exitProtocol},
	} {
		for _, operands := range [][]string{{"src/", "host:dst/"}, {"host:src/", "dst/"}} {
			b.want(t, tt.status, "", append([]string{"-a", "-e", b.rsh, "--gosync-path=" + tt.path}, operands...)...)
		}
	}
	if _, err := os.Stat(b.path("dst")); err == nil {
		t.Error("a destination was made")
	}
	// What a login script says in front of the protocol does no harm.
	b.want(t, 0, "", "-a", "-e", b.rsh, "--gosync-path=echo welcome; "+b.gosync, "src/", "host:dst/")
	b.same(t, "src", "dst")
}

// TestConnections has the server refuse in all ways.
func TestConnections(t *testing.T) {
	t.Parallel()
	b := newFaultBench(t)
	b.file(t, "src/f", 1000)
	s := sshtest.Start(t, sshtest.Options{})
	config := func(name, from, to string) string {
		text, err := os.ReadFile(s.Config)
		if err != nil || !strings.Contains(string(text), from) {
			t.Fatalf("%s is not in the configuration: %v", from, err)
		}
		if err := os.WriteFile(b.path(name), []byte(strings.ReplaceAll(string(text), from, to)), 0o600); err != nil {
			t.Fatal(err)
		}
		return b.path(name)
	}
	run := func(config string, status int, text string, extra ...string) {
		t.Helper()
		args := append([]string{"-a", "--ssh-config", config, "--gosync-path=" + b.gosync}, extra...)
		b.want(t, status, text, append(args, "src/", s.Alias+":"+b.path("dst"))...)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	run(config("refused", fmt.Sprintf("Port %d", s.Port), fmt.Sprintf("Port %d", port)), exitConnect, "refused")
	sshtest.Keygen(t, b.path("other"), "ed25519", "")
	run(config("auth", s.Key, b.path("other")), exitAuth, "")
	public, err := os.ReadFile(b.path("other.pub"))
	if err != nil {
		t.Fatal(err)
	}
	known := fmt.Sprintf("[127.0.0.1]:%d %s", s.Port, public)
	if err := os.WriteFile(b.path("changed_hosts"), []byte(known), 0o600); err != nil {
		t.Fatal(err)
	}
	run(config("changed", s.KnownHosts, b.path("changed_hosts")), exitHostKey, b.path("changed_hosts")+":1")
	if err := os.WriteFile(b.path("no_hosts"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(config("unknown", s.KnownHosts, b.path("no_hosts")), exitHostKey, "")
	if _, err := os.Stat(b.path("dst")); err == nil {
		t.Error("a destination was made")
	}
	run(s.Config, 127, "", "--gosync-path=/nonexistent/gosync")
	run(s.Config, exitProtocol, "", "--gosync-path=yes welcome; :")
	run(s.Config, 0, "", "--gosync-path=echo welcome; "+b.gosync)
	b.same(t, "src", "dst")
}
