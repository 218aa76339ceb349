package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// A killBench is an upgrade that is interrupted: directories old and new, and dst, which is to become new.
type killBench struct {
	dir    string
	gosync string
	rsh    string
	sshd   *sshtest.Server // nil: there is none
	config string          // of the client; empty: the server's
	dst    string          // the destination's path; empty: dst in dir
	old    map[string]string
	new    map[string]string
	first  time.Duration // until an uninterrupted run begins to write
	whole  time.Duration // until it ends
	left   int           // temporaries that killed runs left
	lost   int           // files whose data a disk has lost, where nobody had asked for more
	tally  *tally
}

// A killKind is a way to run gosync and the processes to kill.
type killKind struct {
	way          string // local, push, pull
	ssh          bool   // through sshd, else through a remote shell that stays here
	client, far  bool
	options      []string
	interrupting syscall.Signal
}

func (k killKind) String() string {
	return fmt.Sprintf("%s, ssh %t, client dies %t, far side dies %t, %q", k.way, k.ssh, k.client, k.far, k.options)
}

// receiverDies reports whether the end that writes is killed.
func (k killKind) receiverDies() bool {
	return k.client && k.way != "push" || k.far && k.way == "push"
}

// newKillBench makes the trees: several hundred small files and a few of some MiB.
func newKillBench(t *testing.T, r *rand.Rand) *killBench {
	t.Helper()
	return newUpgrade(t, r, 360, 6)
}

// newUpgrade makes trees with so many files, of which some are large.
func newUpgrade(t *testing.T, r *rand.Rand, files, large int) *killBench {
	t.Helper()
	b := &killBench{dir: t.TempDir(), gosync: program(t)}
	b.rsh = loopShell(t, b.dir)
	canary(t, b.path("canary"))
	was, is := upgrade(r, files, large)
	was.make(t, b.path("old"), 1_500_000_000)
	is.make(t, b.path("new"), 1_600_000_000)
	b.old, b.new = contents(t, b.path("old")), contents(t, b.path("new"))
	return b
}

func (b *killBench) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "dst"); ok && b.dst != "" {
		return b.dst + rest
	}
	return filepath.Join(b.dir, name)
}

// upgrade makes two versions of a tree, of which about half changes. The largest file is another one altogether.
func upgrade(r *rand.Rand, files, large int) (was, is peerTree) {
	for i := range files {
		dir := fmt.Sprintf("d%02d", i%20)
		n := peerNode{kind: 'f', mode: 0o644, sec: 1_500_000_000 + int64(i), path: fmt.Sprintf("%s/f%03d", dir, i)}
		n.data = noise(r, r.IntN(20_000))
		if i%max(files/max(large, 1), 1) == 0 {
			n.data = noise(r, 1<<20+r.IntN(5<<20))
		}
		if i >= files/30 {
			was = was.with(n)
		}
		if i < files-files/30 {
			if inHundred(r, 55) {
				n.edit(r)
				n.sec = 1_600_000_000 + int64(i)
			}
			is = is.with(n)
		}
	}
	big := peerNode{kind: 'f', mode: 0o644, sec: 1_500_000_000, path: "d03/big", data: noise(r, 3<<20)}
	was = was.with(big)
	big.data, big.sec = noise(r, 8<<20), 1_600_000_000
	return was, is.with(big)
}

func noise(r *rand.Rand, size int) []byte {
	data := make([]byte, size)
	for i := 0; i < size; {
		for x, k := r.Uint64(), 0; k < 8 && i < size; i, k = i+1, k+1 {
			data[i] = byte(x)
			x >>= 8
		}
	}
	return data
}

// contents reads all files below root, temporaries left out.
func contents(t testing.TB, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || isTemporary(e.Name()) {
			return err
		}
		data, err := os.ReadFile(name)
		files[strings.TrimPrefix(name, root+"/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// reset makes dst the old tree again.
func (b *killBench) reset(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll(b.path("dst")); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", b.path("old"), b.path("dst")).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
}

// withServer starts sshd, where there is one or has to be one.
func (b *killBench) withServer(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("sshd"); err == nil || slices.Contains(strings.Split(os.Getenv("GOSYNC_REQUIRE"), ","), "sshd") {
		b.sshd = sshtest.Start(t, sshtest.Options{})
		b.config = b.sshd.Config
	}
}

// A killedRun is a gosync and its far side.
type killedRun struct {
	cmd    *exec.Cmd
	stdout *bytes.Buffer
	stderr *bytes.Buffer
	ended  chan struct{}
	pid    string // the file that names the far side's process
}

// argv is the command line of an upgrade, or of whatever extra says.
func (b *killBench) argv(k killKind, extra ...string) []string {
	args := slices.Concat([]string{"-a", "--delete"}, k.options, extra)
	src, dst := b.path("new")+"/", b.path("dst")+"/"
	if k.way == "local" {
		return append(args, src, dst)
	}
	host := "host:"
	if k.ssh {
		args, host = append(args, "--ssh-config", b.config), b.sshd.Alias+":"
	} else {
		args = append(args, "-e", b.rsh)
	}
	// The far side's shell notes its process and becomes gosync.
	args = append(args, fmt.Sprintf("--gosync-path=echo $$ >%s; exec %s", b.path("pid"), b.gosync))
	if k.way == "push" {
		return append(args, src, host+dst)
	}
	return append(args, host+src, dst)
}

func (b *killBench) start(t testing.TB, k killKind, extra ...string) *killedRun {
	t.Helper()
	_ = os.Remove(b.path("pid")) // of the run before
	run := &killedRun{
		cmd: exec.Command(b.gosync, b.argv(k, extra...)...), stdout: new(bytes.Buffer), stderr: new(bytes.Buffer),
		ended: make(chan struct{}), pid: b.path("pid"),
	}
	run.cmd.Stdout, run.cmd.Stderr = run.stdout, run.stderr
	run.cmd.WaitDelay = 5 * time.Second
	if err := run.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(run.ended)
		_ = run.cmd.Wait() // the exit status tells
	}()
	t.Cleanup(func() {
		_ = run.cmd.Process.Kill() // it has ended, unless the test failed
		<-run.ended
	})
	return run
}

// far returns the far side's process, 0 where there is none yet.
func (run *killedRun) far() int {
	text, err := os.ReadFile(run.pid)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// wait waits for both ends and returns the exit status.
func (run *killedRun) wait(t testing.TB, limit time.Duration) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	select {
	case <-run.ended:
	case <-ctx.Done():
		_ = run.cmd.Process.Signal(syscall.SIGQUIT) // which shows where it hangs
		<-run.ended
		t.Fatalf("gosync did not end within %v\n%s", limit, run.stderr)
	}
	for pid := run.far(); pid > 0 && alive(pid); time.Sleep(5 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("the far side (process %d) did not end within %v\n%s", pid, limit, run.stderr)
		}
	}
	status := run.cmd.ProcessState.ExitCode()
	if complaint := badEnd(run.stderr.String(), status); complaint != "" {
		t.Errorf("gosync ends with %d and %s:\n%s", status, complaint, run.stderr)
	}
	return status
}

// alive reports whether a process runs; one that waits to be reaped does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(rest, []byte("Z"))
}

// signal kills who is to be killed. One who has ended already is no error: moments are random.
func (run *killedRun) signal(k killKind) {
	if pid := run.far(); k.far && pid > 0 && alive(pid) {
		_ = syscall.Kill(pid, k.interrupting)
	}
	if k.client {
		_ = run.cmd.Process.Signal(k.interrupting)
	}
}

// What a file may be beside old and new. In no case may it have the size and time of the source then.
type allowance struct {
	torn    bool // anything: it was written in place, or nobody saw to it that it survives
	partial bool // a beginning of the new file where there was no old one, as --partial has it
	lost    *int // counts files whose data the disk has lost while it kept what speaks of it; nil: there must be none
}

// allows is the allowance that belongs to options.
func allows(options []string) allowance {
	return allowance{torn: slices.Contains(options, "--inplace"), partial: slices.Contains(options, "--partial")}
}

// mixture counts the files in dst that are old and new, and fails the test for any that is neither, nor allowed.
func (b *killBench) mixture(t testing.TB, may allowance) (old, done int) {
	t.Helper()
	for name, data := range contents(t, b.path("dst")) {
		was, isOld := b.old[name]
		is, isNew := b.new[name]
		switch {
		case isOld && isNew && was == is && data == is:
		case isNew && data == is:
			done++
		case isOld && data == was:
			old++
		case may.torn, may.partial && !isOld && strings.HasPrefix(is, data):
			if err := silentlyWrong(b.path("new/"+name), b.path("dst/"+name)); err != nil {
				if may.lost == nil {
					t.Error(err)
				} else {
					*may.lost++
				}
			}
		default:
			t.Errorf("%s is neither old nor new: %d bytes, old %d, new %d", name, len(data), len(was), len(is))
		}
	}
	for name := range b.old {
		if _, err := os.Lstat(b.path("dst/" + name)); err != nil && b.new[name] != "" {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
	return old, done
}

// arrived is how many bytes of the new version are at the destination: of files that are done, and of those that are
// not. It is exact where files are sent whole.
func (b *killBench) arrived(t testing.TB) int64 {
	t.Helper()
	var n int64
	now := contents(t, b.path("dst"))
	for name, data := range b.new {
		if now[name] == data && b.old[name] != data {
			n += int64(len(data))
		}
	}
	for _, name := range temporaries(t, b.path("dst")) {
		info, err := os.Lstat(name)
		if err == nil && info.Mode().IsRegular() && filepath.Ext(name) != ".ckpt" {
			n += info.Size()
		}
	}
	return n
}

// missing is how many bytes have to arrive in all, where files are sent whole.
func (b *killBench) missing() int64 {
	var n int64
	for name, data := range b.new {
		if b.old[name] != data {
			n += int64(len(data))
		}
	}
	return n
}

// finish runs gosync again, and wants dst to be like new then, with nothing left behind. It returns how many bytes of
// content that took.
func (b *killBench) finish(t testing.TB, k killKind) int64 {
	t.Helper()
	run := b.start(t, k, "--fsync=none", "--stats")
	if status := run.wait(t, time.Minute); status != 0 {
		t.Fatalf("the next run ends with %d\n%s", status, run.stderr)
	}
	if diff := lookAt(t, b.path("new"), 1<<40).differ("source", "dst", lookAt(t, b.path("dst"), 1<<40)); len(diff) > 0 {
		t.Errorf("after the next run %d names differ: %s", len(diff), strings.Join(diff[:min(len(diff), 10)], "\n"))
	}
	if left := temporaries(t, b.path("dst")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	return literalData(t, run.stdout.String())
}

// measure runs without a fault, so that the moments of the faults can be chosen.
func (b *killBench) measure(t *testing.T, k killKind) {
	t.Helper()
	b.reset(t)
	began := time.Now()
	run := b.start(t, k)
	b.writing(t, run)
	b.first = time.Since(began)
	if status := run.wait(t, time.Minute); status != 0 {
		t.Fatalf("without a fault: exit %d\n%s", status, run.stderr)
	}
	b.whole = time.Since(began)
}

// writing waits until dst has a temporary, or gosync has ended.
func (b *killBench) writing(t testing.TB, run *killedRun) {
	t.Helper()
	for len(temporaries(t, b.path("dst"))) == 0 {
		select {
		case <-run.ended:
			return
		case <-time.After(4 * time.Millisecond):
		}
	}
}

// amid waits for a random moment of a run. One in four is taken from all of it, three from the time in which it
// writes, which is short.
func (b *killBench) amid(t testing.TB, run *killedRun, r *rand.Rand) {
	t.Helper()
	after := b.whole
	if !inHundred(r, 25) {
		b.writing(t, run)
		after -= b.first
	}
	select {
	case <-run.ended:
	case <-time.After(time.Duration(r.Int64N(max(int64(after), 1)))):
	}
}
