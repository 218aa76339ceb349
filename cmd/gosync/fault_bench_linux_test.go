package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
	"gosync/walker/manifest"
)

// temporaryPrefix begins the names of files that are being written.
const temporaryPrefix = ".gosync."

// isTemporary reports whether a name is one of a file that is being written: also that which --partial shows.
func isTemporary(name string) bool {
	return strings.HasPrefix(name, temporaryPrefix) || manifest.Temporary(name)
}

// A faultBench is a directory in which gosync meets a fault. Beside what a test makes
// there it has a tree that must not change, and that is looked at when the test ends.
type faultBench struct {
	dir    string
	gosync string
	rsh    string
	nobody bool     // run as a user without rights
	alone  bool     // away from the terminal that the tests may have
	under  []string // the command that gosync is run by
	far    string   // what runs on the far side; empty: gosync
	env    []string // added to the environment, as NAME=value
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
	canary(t, b.path("canary"))
	return b
}

// canary makes a tree and wants it to be the same when the test ends.
func canary(t *testing.T, dir string) {
	t.Helper()
	tree := peerTree{}.with(peerNode{path: "sub/file", kind: 'f', mode: 0o640, sec: 1_400_000_000, data: []byte("untouched")})
	tree = tree.with(peerNode{path: "sub/.gosync.0123456789abcdef.part", kind: 'f', mode: 0o600, sec: 1_400_000_001, data: []byte("not yours")})
	tree = tree.with(peerNode{path: "link", kind: 'l', target: "sub/file", sec: 1_400_000_002})
	tree.make(t, dir, 1_400_000_003)
	before := lookAt(t, dir, 1<<40)
	t.Cleanup(func() {
		for _, d := range before.differ("before", "after", lookAt(t, dir, 1<<40)) {
			t.Errorf("beside the destination: %s", d)
		}
	})
}

func (b *faultBench) path(name string) string { return filepath.Join(b.dir, name) }

// needRoot skips a test that changes who it is, or mounts.
func needRoot(t *testing.T) {
	t.Helper()
	need.Root(t, "only root can mount, and change who it is")
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

// remove removes trees.
func (b *faultBench) remove(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.RemoveAll(b.path(name)); err != nil {
			t.Fatal(err)
		}
	}
}

// command prepares gosync in the directory.
func (b *faultBench) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	argv := slices.Concat(b.under, []string{b.gosync}, args)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), b.env...)
	cmd.WaitDelay = 5 * time.Second
	output := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: b.alone}
	if b.nobody {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	return cmd, output
}

// An ended run of gosync.
type ended struct {
	status int
	output string
	usage  *syscall.Rusage // of gosync and what it waited for; its Maxrss is at least that of the process that started it
	peak   int64           // of its own memory, in bytes
}

// run runs gosync. It may not panic, and must say once why it failed.
func (b *faultBench) run(t *testing.T, args ...string) ended {
	t.Helper()
	cmd, output := b.command(args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return b.wait(t, cmd, output, time.Minute)
}

// wait waits for a run that was started, and kills it when it hangs.
func (b *faultBench) wait(t *testing.T, cmd *exec.Cmd, output *bytes.Buffer, limit time.Duration) ended {
	t.Helper()
	if longRun() {
		limit *= 20
	}
	hangs := time.AfterFunc(limit, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) }) // which shows where
	var peak int64
	var measuring sync.WaitGroup
	over := make(chan struct{})
	measuring.Go(func() { peak = residentPeak(cmd.Process.Pid, over) })
	_ = cmd.Wait() // the exit status tells
	close(over)
	measuring.Wait()
	if !hangs.Stop() {
		t.Fatalf("gosync %q has not ended within %v\n%s", cmd.Args, limit, output)
	}
	e := ended{status: cmd.ProcessState.ExitCode(), output: output.String(), peak: peak}
	e.usage, _ = cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if complaint := badEnd(e.output, e.status); complaint != "" {
		t.Errorf("gosync %q ends with %d and %s:\n%s", cmd.Args, e.status, complaint, e.output)
	}
	return e
}

// badEnd says what is wrong with the last words of a run; nothing where it is all well.
func badEnd(output string, status int) string {
	if strings.Contains(output, "goroutine ") {
		return "panics"
	}
	finals := regexp.MustCompile(`(?m)^gosync: .*\(exit (\d+)\)$`).FindAllStringSubmatch(output, -1)
	switch {
	case status == 0 && len(finals) > 0:
		return "says that it failed"
	case status == 0 || status == -1 || status == 128+int(syscall.SIGKILL): // who is killed says nothing
		return ""
	case len(finals) != 1 || finals[0][1] != strconv.Itoa(status):
		return "does not say once why"
	}
	return ""
}

// want runs gosync and wants an exit status and a text in its output.
func (b *faultBench) want(t *testing.T, status int, text string, args ...string) ended {
	t.Helper()
	return b.wantOneOf(t, []int{status}, text, args...)
}

// wantOneOf is want where several statuses will do.
func (b *faultBench) wantOneOf(t *testing.T, statuses []int, text string, args ...string) ended {
	t.Helper()
	e := b.run(t, args...)
	if !slices.Contains(statuses, e.status) || !strings.Contains(e.output, text) {
		t.Errorf("gosync %q: exit %d, want %d with %q\n%s", args, e.status, statuses, text, e.output)
	}
	return e
}

// same wants two trees to be equal, and free of temporaries.
func (b *faultBench) same(t *testing.T, src, dst string) {
	t.Helper()
	b.equalTrees(t, src, dst)
	b.clean(t, dst)
}

// equalTrees wants two trees to be equal.
func (b *faultBench) equalTrees(t *testing.T, src, dst string) {
	t.Helper()
	if diff := lookAt(t, b.path(src), 1<<40).differ("source", "dst", lookAt(t, b.path(dst), 1<<40)); len(diff) > 0 {
		t.Errorf("%s and %s differ in %d names: %s", src, dst, len(diff), strings.Join(diff[:min(len(diff), 10)], "\n"))
	}
}

// clean wants no temporaries.
func (b *faultBench) clean(t *testing.T, dst string) {
	t.Helper()
	if left := temporaries(t, b.path(dst)); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// content wants a file to hold a text.
func (b *faultBench) content(t *testing.T, name, want string) {
	t.Helper()
	if data, err := os.ReadFile(b.path(name)); err != nil || string(data) != want {
		t.Errorf("%s holds %.40q (%d bytes), want %.40q (%d bytes): %v", name, data, len(data), want, len(want), err)
	}
}

// here wants names to be there, or not.
func (b *faultBench) here(t *testing.T, want bool, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := os.Lstat(b.path(name)); (err == nil) != want {
			t.Errorf("%s is there: %t, want %t", name, err == nil, want)
		}
	}
}

// faultWays are the ways to reach a directory on this machine.
func faultWays() []string { return []string{"local", "push", "pull"} }

// ways are the command lines that reach the same directory in all ways. The destination is dst.
func (b *faultBench) ways(src, dst string) map[string][]string {
	far := b.far
	if far == "" {
		far = b.gosync
	}
	remote := []string{"-e", b.rsh, "--gosync-path=" + far}
	return map[string][]string{
		"local": {src, dst},
		"push":  append(remote[:2:2], remote[2], src, "host:"+dst),
		"pull":  append(remote[:2:2], remote[2], "host:"+src, dst),
	}
}

// with is the command line for one way, with options in front.
func (b *faultBench) with(way string, options ...string) []string {
	return slices.Concat(options, b.ways("src/", "dst/")[way])
}

// strace puts the end that has a part of the copy, "src" or "dst", under strace, which is to change what system calls
// return. Paths limit that to calls about them. What that end starts is let alone. Without strace the test is skipped.
func (b *faultBench) strace(t *testing.T, way, part string, inject []string, paths ...string) {
	t.Helper()
	requireTool(t, "strace")
	b.plain()
	_ = os.Remove(b.path("strace.log")) // of the case before
	argv := []string{"strace", "-f", "-b", "execve", "-qq", "-o", b.path("strace.log")}
	var calls []string
	for _, i := range inject {
		argv = append(argv, "-e", "inject="+i)
		name, _, _ := strings.Cut(i, ":")
		calls = append(calls, name)
	}
	argv = append(argv, "-e", "trace="+strings.Join(calls, ","))
	for _, p := range paths {
		argv = append(argv, "-P", p)
	}
	if way == "local" || way == "push" && part == "src" || way == "pull" && part == "dst" {
		b.under = argv
	} else {
		b.far = strings.Join(argv, " ") + " " + b.gosync
	}
}

// plain takes strace away.
func (b *faultBench) plain() { b.under, b.far = nil, "" }

// injected wants strace to have done something: else the case shows nothing.
func (b *faultBench) injected(t *testing.T) {
	t.Helper()
	log, err := os.ReadFile(b.path("strace.log"))
	if err != nil || !bytes.Contains(log, []byte("(INJECTED)")) {
		t.Errorf("nothing was injected: %v\n%s", err, log[max(0, len(log)-2000):])
	}
	b.plain()
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
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) { // it is unmounted already
			t.Error(err)
		}
	})
}

// remount changes a file system's options.
func remount(t *testing.T, dir, options string) {
	t.Helper()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, options); err != nil {
		t.Fatal(err)
	}
}

// temporaries returns the names below root that no finished run leaves behind.
func temporaries(t testing.TB, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has been renamed meanwhile
		}
		if err == nil && isTemporary(e.Name()) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// waitFor waits until something is true.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
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
	if err := os.MkdirAll(b.path("dst"), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"-a", "-W", "--bwlimit=6000"}
}

// begun waits for the first temporary of a run.
func (b *faultBench) begun(t *testing.T) {
	t.Helper()
	waitFor(t, "the first temporary", func() bool { return len(temporaries(t, b.path("dst"))) > 0 })
}

// literalData reads from the output of --stats how many bytes of content went over the line.
func literalData(t testing.TB, output string) int64 {
	t.Helper()
	found := regexp.MustCompile(`(?m)^Literal data: ([\d,.]+) bytes$`).FindStringSubmatch(output)
	if found == nil {
		t.Fatalf("no statistics:\n%s", output)
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(found[1], ",", ""), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
