package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gosync/transport/sshtest"
	"gosync/transport/wire"
)

// secret stands in files that no client may see.
const secret = "SECRET-7d0b51"

// restrictBench has a directory that clients get access to, and one beside it.
type restrictBench struct {
	dir, root, outside string
	gosync             string
	before             map[string]string // what is outside
}

func newRestrictBench(t *testing.T) *restrictBench {
	t.Helper()
	dir := t.TempDir()
	b := &restrictBench{dir: dir, root: filepath.Join(dir, "root"), outside: filepath.Join(dir, "outside"), gosync: program(t)}
	for name, text := range map[string]string{
		"root/file": "fine", "root/sub/x": "fine too", "outside/secret": secret, "outside/sub/secret": secret, "src/new": "new",
	} {
		path := filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for link, target := range map[string]string{"out": "../outside", "abs": b.outside, "leaf": "../outside/secret", "proc": "/proc/self/root"} {
		check(t, os.Symlink(target, filepath.Join(b.root, link)))
	}
	b.before = contents(t, b.outside)
	return b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rsh writes a remote shell that runs a restricted server, whatever it is asked for.
func (b *restrictBench) rsh(t *testing.T, before, options, after string) string {
	t.Helper()
	path := filepath.Join(b.dir, "rsh")
	text := fmt.Sprintf("#!/bin/sh\n%s %s --server --restrict-to %s %s %s\n", before, b.gosync, b.root, options, after)
	check(t, os.WriteFile(path, []byte(text), 0o700))
	return path
}

// run runs the client.
func (b *restrictBench) run(t *testing.T, args ...string) (out string, status int) {
	t.Helper()
	cmd := exec.Command(b.gosync, args...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(b.dir, "state"))
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// unharmed fails the test if anything outside has changed, or was given away in text.
func (b *restrictBench) unharmed(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, secret) || strings.Contains(text, "root:x:0:") {
		t.Errorf("%s: what is outside was given away", what)
	}
	now := contents(t, b.outside)
	for name := range now {
		if now[name] != b.before[name] {
			t.Errorf("%s: %s outside has changed", what, name)
		}
	}
	if len(now) != len(b.before) {
		t.Errorf("%s: there are %d files outside, were %d", what, len(now), len(b.before))
	}
	for _, name := range []string{"pwned", "root/pwned"} {
		if _, err := os.Lstat(filepath.Join(b.dir, name)); err == nil {
			t.Errorf("%s: a command was run", what)
		}
	}
}

// hostileCommands are commands that a client could ask sshd for.
func hostileCommands(b *restrictBench) []string {
	list := []string{
		"", "sh", "/bin/sh -i", "cat " + b.outside + "/secret", "cat /etc/passwd", "touch " + b.dir + "/pwned", "id", "env",
		"gosync --server --restrict-to /", "gosync --server --restrict-to=" + b.outside, "gosync --server", "gosync -a /etc " + b.root,
		"gosync --server; touch " + b.dir + "/pwned", "gosync --server && touch " + b.dir + "/pwned",
		"gosync --server | touch " + b.dir + "/pwned", "gosync --server\ntouch " + b.dir + "/pwned", "gosync --server\r\ntouch x",
		"gosync --server $(touch " + b.dir + "/pwned)", "gosync --server `touch " + b.dir + "/pwned`", "gosync --server > " + b.outside + "/secret",
		"gosync --server --log-file=" + b.outside + "/secret", "gosync --server --files-from=" + b.outside + "/secret",
		"gosync --server --partial-dir=/tmp/x", "gosync --server --no-restrict", "gosync --server --restrict-to", "--restrict-to /",
		"rsync --server --sender -logDtpre.iLsfxCIvu . /etc/", "rsync --server -e.iLs --delete . " + b.outside, "rsync --daemon",
		"scp -f " + b.outside + "/secret", "scp -t " + b.outside, "scp -rf /etc", "/usr/lib/openssh/sftp-server", "internal-sftp",
		"sftp-server -d /", "nc -l 1", "perl -e 'print 1'", "python3 -c 'import os'", "exec sh", "';touch " + b.dir + "/pwned'",
		"\"; touch " + b.dir + "/pwned; \"", "() { :;}; touch " + b.dir + "/pwned", "-oProxyCommand=touch " + b.dir + "/pwned",
		"--", "-", "*", "~root", "$SHELL", "${IFS}", "%s%n%x", "\x1b]0;x\x07", "\xff\xfe", strings.Repeat("A", 60_000), "GOSYNC=1 gosync --help",
		"gosync --help", "gosync demo",
	}
	return list
}

// TestForcedCommand runs a restricted server as the forced command of a key: what
// the client asks for does not matter.
func TestForcedCommand(t *testing.T) {
	t.Parallel()
	ssh := sshtest.Require(t, "sshd", "ssh")
	b := newRestrictBench(t)
	state := filepath.Join(b.dir, "far")
	s := sshtest.Start(t, sshtest.Options{
		Command: fmt.Sprintf("%s --server --restrict-to %s --no-delete", b.gosync, b.root), Env: []string{"XDG_STATE_HOME=" + state},
	})
	for _, command := range hostileCommands(b) {
		if command == "" {
			continue // a shell is asked for by no command at all
		}
		out, _ := exec.Command(ssh, "-F", s.Config, "-o", "BatchMode=yes", s.Alias, "--", command).CombinedOutput()
		if !bytes.Contains(out, []byte(wire.Magic)) {
			t.Errorf("%.60q: the answer is %.200q", command, out)
		}
		b.unharmed(t, fmt.Sprintf("%.60q", command), string(out))
	}
	out, _ := exec.Command(ssh, "-F", s.Config, "-o", "BatchMode=yes", "-T", s.Alias).CombinedOutput()
	if !bytes.Contains(out, []byte(wire.Magic)) {
		t.Errorf("no command: the answer is %.200q", out)
	}
	if out, err := exec.Command(ssh, "-F", s.Config, "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-s", s.Alias, "sftp").CombinedOutput(); err == nil && !bytes.Contains(out, []byte(wire.Magic)) {
		t.Errorf("sftp: the answer is %.200q", out)
	}
	// The controls: it serves what it should, and refuses what it should not by itself.
	for _, x := range []struct {
		args   []string
		status int
	}{
		{[]string{"-a", "src/", "box:/up/"}, 0},
		{[]string{"-a", "--gosync-path=touch pwned;", "src/", "box:/up/"}, 0},
		{[]string{"-a", "box:/up/", "back/"}, 0},
		{[]string{"-a", "box:../outside/", "back/"}, 23},
		{[]string{"-a", "box:out/", "back/"}, 23},
		{[]string{"-a", "box:" + b.outside + "/", "back/"}, 23},
		{[]string{"-a", "--delete", "src/", "box:/up/"}, 4},
		{[]string{"-a", "src/", "box:abs/"}, 3},
	} {
		out, status := b.run(t, append([]string{"--ssh-config=" + s.Config}, x.args...)...)
		if status != x.status {
			t.Errorf("%v: exit %d, want %d\n%s", x.args, status, x.status, out)
		}
		b.unharmed(t, fmt.Sprint(x.args), out)
	}
	if got := contents(t, filepath.Join(b.dir, "back")); len(got) != 1 || got["new"] != "new" {
		t.Errorf("what came back is %v", got)
	}
}

// TestNothingOutsideLeaves looks at every byte that a server sends while its client
// asks for what is outside, with and without the kernel's help to find paths.
func TestNothingOutsideLeaves(t *testing.T) {
	t.Parallel()
	b := newRestrictBench(t)
	sent := filepath.Join(b.dir, "sent")
	check(t, os.WriteFile(filepath.Join(b.dir, "list"), []byte("../outside/secret\nleaf\nout/secret\n/etc/passwd\nsub/../../outside/secret\n"), 0o600))
	paths := []string{
		"../outside/", "..", "../outside/secret", "/../outside/secret", "sub/../../outside/", "out/", "out/secret", "out/./secret", "abs/secret",
		"leaf", "leaf/", "proc/etc/passwd", "/etc/passwd", b.outside + "/secret", "~/../outside/secret", "~root/.bashrc", "*/secret", "o*/*", "../*",
		"/*/secret", "{../outside,x}/secret", `\.\./outside/secret`, "$HOME", "`id`", "-e", "file\nx", "./out/./secret", "/./out/secret",
	}
	b.rsh(t, "", "", "| tee -a "+sent)
	ways := [][]string{{"-a"}, {"-aR"}, {"-rc"}, {"-a", "--filter=dir-merge ../outside/secret"}, {"-a", "--filter=dir-merge leaf"}}
	for i, p := range paths {
		some := ways[i%len(ways):][:1] // all of them take minutes
		if os.Getenv("GOSYNC_LONG") != "" {
			some = ways
		}
		for _, options := range some {
			out, status := b.run(t, append(options, "-e", filepath.Join(b.dir, "rsh"), "host:"+p, "got/")...)
			if strings.Contains(out, "goroutine ") || status > 23 {
				t.Errorf("%v %q: exit %d\n%s", options, p, status, out)
			}
			b.unharmed(t, p, out)
		}
	}
	for _, p := range []string{"/", "sub", ".", "/etc"} {
		out, _ := b.run(t, "-a", "--files-from=list", "-e", filepath.Join(b.dir, "rsh"), "host:"+p, "got/")
		b.unharmed(t, "files from "+p, out)
	}
	out, status := b.run(t, "-a", "-e", filepath.Join(b.dir, "rsh"), "host:/", "got/") // the control
	if status != 0 {
		t.Errorf("exit %d\n%s", status, out)
	}
	data, err := os.ReadFile(sent)
	check(t, err)
	b.unharmed(t, "all that was sent", string(data))
	if !bytes.Contains(data, []byte("fine too")) {
		t.Error("nothing that is inside was sent either: this test shows nothing")
	}
}

// mutating finds system calls that change something in a file system.
func mutating(log string) (calls []string) {
	call := regexp.MustCompile(`^\d+ +(\w+)\((.*)`)
	names := regexp.MustCompile(`^(mkdir|rename|unlink|rmdir|link|symlink|mknod|chmod|fchmod|chown|fchown|lchown|utime|futimes|truncate|ftruncate|` +
		`setxattr|lsetxattr|fsetxattr|removexattr|fallocate|copy_file_range|creat|flock|fsync|fdatasync|sync|pwrite)`)
	for line := range strings.Lines(log) {
		m := call.FindStringSubmatch(line)
		switch {
		case m == nil:
		case names.MatchString(m[1]):
			calls = append(calls, line)
		case strings.HasPrefix(m[1], "open") && regexp.MustCompile(`O_(CREAT|WRONLY|RDWR|TRUNC|APPEND|TMPFILE)`).MatchString(m[2]) && !strings.Contains(m[2], `"/dev/null"`):
			calls = append(calls, line)
		}
	}
	return calls
}

// TestReadOnlyServerChangesNothing lists the system calls of a pull from a server
// that is read only: none changes anything, and no file is marked as read.
func TestReadOnlyServerChangesNothing(t *testing.T) {
	t.Parallel()
	strace := requireTool(t, "strace")
	b := newRestrictBench(t)
	check(t, os.WriteFile(filepath.Join(b.root, "large"), bytes.Repeat([]byte("content "), 1<<17), 0o644))
	log := filepath.Join(b.dir, "log")
	trace := strace + " -f -o " + log
	rsh := b.rsh(t, trace, "--read-only", "")
	for _, options := range []string{"-a", "-ac", "-aHz"} {
		out, status := b.run(t, options, "-e", rsh, "host:/", "got/")
		if status != 0 {
			t.Fatalf("exit %d\n%s", status, out)
		}
		data, err := os.ReadFile(log)
		check(t, err)
		if calls := mutating(string(data)); len(calls) > 0 {
			t.Errorf("%s:\n%s", options, strings.Join(calls, ""))
		}
		opened := 0
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, `"large"`) && strings.Contains(line, "openat(") {
				if opened++; !strings.Contains(line, "O_NOATIME") {
					t.Errorf("%s: %s", options, line)
				}
			}
		}
		if opened == 0 && options == "-a" {
			t.Error("the file was not opened: this test shows nothing")
		}
	}
	rsh = b.rsh(t, trace, "", "") // the control
	if out, status := b.run(t, "-a", "-e", rsh, "src/", "host:/up/"); status != 0 {
		t.Fatalf("exit %d\n%s", status, out)
	}
	data, err := os.ReadFile(log)
	check(t, err)
	if len(mutating(string(data))) == 0 {
		t.Error("a push changes nothing either: this test shows nothing")
	}
}

// TestMaxSessions: one client more than permitted is told so.
func TestMaxSessions(t *testing.T) {
	t.Parallel()
	b := newRestrictBench(t)
	state := "XDG_STATE_HOME=" + filepath.Join(b.dir, "state")
	first := exec.Command(b.gosync, "--server", "--restrict-to", b.root, "--max-sessions", "1")
	first.Env = append(os.Environ(), state)
	in, err := first.StdinPipe()
	check(t, err)
	out, err := first.StdoutPipe()
	check(t, err)
	check(t, first.Start())
	magic := make([]byte, len(wire.Magic)) // it serves now
	if _, err := out.Read(magic); err != nil {
		t.Fatal(err)
	}
	rsh := b.rsh(t, "", "--max-sessions 1", "")
	if text, status := b.run(t, "-a", "-e", rsh, "src/", "host:/up/"); status != 4 || !strings.Contains(text, "--max-sessions") {
		t.Errorf("exit %d\n%s", status, text)
	}
	check(t, in.Close())
	_ = first.Wait() // its client has hung up
	if text, status := b.run(t, "-a", "-e", rsh, "src/", "host:/up/"); status != 0 {
		t.Errorf("exit %d\n%s", status, text)
	}
}
