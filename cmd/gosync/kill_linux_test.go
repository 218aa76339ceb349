package main

import (
	"bytes"
	"context"
	"errors"
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

// temporaryPrefix begins the names of files that are being written.
const temporaryPrefix = ".gosync."

// A killBench is an upgrade that is interrupted: directories old and new, and dst, which is to become new.
type killBench struct {
	dir    string
	gosync string
	rsh    string
	sshd   *sshtest.Server // nil: there is none
	old    map[string]string
	new    map[string]string
	first  time.Duration // until an uninterrupted run begins to write
	whole  time.Duration // until it ends
	left   int           // temporaries that killed runs left
}

// A killKind is a way to run gosync and the processes to kill.
type killKind struct {
	way          string // local, push, pull
	ssh          bool   // through sshd, else through a remote shell that stays here
	client, far  bool
	description  string
	interrupting syscall.Signal
}

// killKinds are all combinations.
func killKinds(ssh bool) []killKind {
	kinds := []killKind{{way: "local", client: true}}
	for _, way := range []string{"push", "pull"} {
		for _, overSSH := range []bool{false, true} {
			if overSSH && !ssh {
				continue
			}
			for _, who := range [][2]bool{{true, false}, {false, true}, {true, true}} {
				kinds = append(kinds, killKind{way: way, ssh: overSSH, client: who[0], far: who[1]})
			}
		}
	}
	for i := range kinds {
		k := &kinds[i]
		k.interrupting = syscall.SIGKILL
		k.description = fmt.Sprintf("%s, ssh %t, client dies %t, far side dies %t", k.way, k.ssh, k.client, k.far)
	}
	return kinds
}

// newKillBench makes the trees.
func newKillBench(t *testing.T, r *rand.Rand) *killBench {
	t.Helper()
	b := &killBench{dir: t.TempDir(), gosync: program(t)}
	b.rsh = loopShell(t, b.dir)
	was, is := upgrade(r)
	was.make(t, b.path("old"), 1_500_000_000)
	is.make(t, b.path("new"), 1_600_000_000)
	b.old, b.new = contents(t, b.path("old")), contents(t, b.path("new"))
	return b
}

func (b *killBench) path(name string) string { return filepath.Join(b.dir, name) }

// upgrade makes two versions of a tree: several hundred small files and a few of some MiB, of which about half change.
func upgrade(r *rand.Rand) (was, is peerTree) {
	for i := range 360 {
		dir := fmt.Sprintf("d%02d", i%20)
		n := peerNode{kind: 'f', mode: 0o644, sec: 1_500_000_000 + int64(i), path: fmt.Sprintf("%s/f%03d", dir, i)}
		n.data = noise(r, r.IntN(20_000))
		if i%60 == 0 {
			n.data = noise(r, 1<<20+r.IntN(5<<20))
		}
		if i >= 12 {
			was = was.with(n)
		}
		if i < 348 {
			if inHundred(r, 55) {
				n.edit(r)
				n.sec = 1_600_000_000 + int64(i)
			}
			is = is.with(n)
		}
	}
	return was, is
}

func noise(r *rand.Rand, size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// contents reads all files below root, temporaries left out.
func contents(t testing.TB, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.HasPrefix(e.Name(), temporaryPrefix) {
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

// temporaries returns the names below root that no finished run leaves behind.
func temporaries(t testing.TB, root string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has been renamed meanwhile
		}
		if err == nil && strings.HasPrefix(e.Name(), temporaryPrefix) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
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

// A killedRun is a gosync and its far side.
type killedRun struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	ended  chan struct{}
	pid    string // the file that names the far side's process
}

// argv is the command line of an upgrade, or of whatever extra says.
func (b *killBench) argv(k killKind, extra ...string) []string {
	args := append([]string{"-a", "--delete"}, extra...)
	src, dst := b.path("new")+"/", b.path("dst")+"/"
	if k.way == "local" {
		return append(args, src, dst)
	}
	host := "host:"
	if k.ssh {
		args, host = append(args, "--ssh-config", b.sshd.Config), b.sshd.Alias+":"
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
	run := &killedRun{cmd: exec.Command(b.gosync, b.argv(k, extra...)...), stderr: new(bytes.Buffer), ended: make(chan struct{}), pid: b.path("pid")}
	run.cmd.Stderr = run.stderr
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
		t.Fatalf("gosync did not end within %v\n%s", limit, run.stderr)
	}
	for pid := run.far(); pid > 0 && alive(pid); time.Sleep(5 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("the far side (process %d) did not end within %v\n%s", pid, limit, run.stderr)
		}
	}
	if strings.Contains(run.stderr.String(), "goroutine ") {
		t.Errorf("panic: %s", run.stderr)
	}
	return run.cmd.ProcessState.ExitCode()
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

// mixture counts the files in dst that are old and new, and fails the test for any that is neither.
func (b *killBench) mixture(t testing.TB) (old, done int) {
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

// finish runs gosync again, and wants dst to be like new then, with nothing left behind.
func (b *killBench) finish(t testing.TB, k killKind) {
	t.Helper()
	run := b.start(t, k, "--fsync=none")
	if status := run.wait(t, time.Minute); status != 0 {
		t.Fatalf("the next run ends with %d\n%s", status, run.stderr)
	}
	far := time.Now().Unix() + 1000
	if diff := lookAt(t, b.path("new"), far).differ("source", "dst", lookAt(t, b.path("dst"), far)); len(diff) > 0 {
		t.Errorf("after the next run %d names differ: %s", len(diff), strings.Join(diff[:min(len(diff), 10)], "\n"))
	}
	if left := temporaries(t, b.path("dst")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestKill kills the receiver, the sender or both at random moments of an upgrade. Every file is whole then, old or
// new, and the next run finishes and leaves nothing behind.
func TestKill(t *testing.T) {
	t.Parallel()
	count := 10
	if longRun() {
		count = 50
	}
	seed := peerSeeds(t, 1, 1)[0]
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	b := newKillBench(t, r)
	if _, err := exec.LookPath("sshd"); err == nil || slices.Contains(strings.Split(os.Getenv("GOSYNC_REQUIRE"), ","), "sshd") {
		b.sshd = sshtest.Start(t, sshtest.Options{})
	}
	b.reset(t)
	began := time.Now()
	run := b.start(t, killKind{way: "push"})
	b.writing(t, run)
	b.first = time.Since(began)
	run.wait(t, time.Minute)
	b.whole = time.Since(began)
	kinds := killKinds(b.sshd != nil)
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	early, amid, late := 0, 0, 0
	for i := range count {
		switch old, done := b.kill(t, kinds[i%len(kinds)], r); {
		case done == 0:
			early++
		case old == 0:
			late++
		default:
			amid++
		}
		if t.Failed() {
			t.Fatalf("after %s, kill %d", kinds[i%len(kinds)].description, i)
		}
	}
	t.Logf("%d kills: %d before the first change, %d amid, %d after the last; %d temporaries were left; an uninterrupted run takes %v",
		count, early, amid, late, b.left, b.whole)
}

// writing waits until dst has a temporary, or gosync has ended.
func (b *killBench) writing(t testing.TB, run *killedRun) {
	t.Helper()
	for len(temporaries(t, b.path("dst"))) == 0 {
		select {
		case <-run.ended:
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// kill does one kill and says how far dst was. One moment in four is taken from the whole run, three from the time in
// which it writes, which is short.
func (b *killBench) kill(t *testing.T, k killKind, r *rand.Rand) (old, done int) {
	t.Helper()
	b.reset(t)
	run := b.start(t, k)
	after := b.whole
	if !inHundred(r, 25) {
		b.writing(t, run)
		after -= b.first
	}
	select {
	case <-run.ended:
	case <-time.After(time.Duration(r.Int64N(int64(after)))):
	}
	run.signal(k)
	status := run.wait(t, 20*time.Second)
	old, done = b.mixture(t)
	b.left += len(temporaries(t, b.path("dst")))
	if !k.client && !slices.Contains([]int{0, 2, 12}, status) { // 2: killed before it said hello
		t.Errorf("the far side died, and gosync ends with %d\n%s", status, run.stderr)
	}
	b.finish(t, k)
	return old, done
}
