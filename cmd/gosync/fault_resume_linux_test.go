package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
)

// A resumeBench is a directory in which a large file is copied.
type resumeBench struct {
	*faultBench
	size int64
}

// A resumeRun is a program that copies the file one way.
type resumeRun struct {
	program string
	way     string
	size    int64
}

// TestSentAgain kills gosync, both ends at once, when half of a large file has arrived, and counts what the next run
// sends again: at most what comes between two checkpoints, 64 MiB, and 1 % of that. Beside it stands what rsync sends
// again in the same place. The file has 8 GiB; GOSYNC_FAULT_SIZE is another size in bytes. Pull and local are done with
// a quarter of it.
func TestSentAgain(t *testing.T) {
	if !longRun() {
		need.Missing(t, "long", "needs GOSYNC_LONG: it copies 8 GiB several times")
	}
	b := &resumeBench{faultBench: newFaultBench(t), size: 8 << 30}
	if text := os.Getenv("GOSYNC_FAULT_SIZE"); text != "" {
		var err error
		if b.size, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatalf("GOSYNC_FAULT_SIZE: %v", err)
		}
	}
	var st unix.Statfs_t
	if err := unix.Statfs(b.dir, &st); err != nil || int64(st.Bavail)*st.Bsize < 3*b.size+2<<30 {
		t.Skipf("needs %d bytes of disk: %v", 3*b.size+2<<30, err)
	}
	runs := []resumeRun{{b.gosync, "push", b.size}, {b.gosync, "pull", b.size / 4}, {b.gosync, "local", b.size / 4}}
	if _, err := exec.LookPath("rsync"); err == nil {
		runs = append(runs, resumeRun{"rsync", "push", b.size})
	}
	fmt.Fprintf(t.Output(), "%-8s%-7s%15s%15s%15s%15s  %s\n", "program", "way", "file", "at the kill", "sent then", "sent again", "left behind")
	var made int64
	for _, r := range runs {
		if made != r.size {
			b.large(t, r.size)
			made = r.size
		}
		b.sendAgain(t, r)
	}
}

// large makes the source, without holes and without repetitions.
func (b *resumeBench) large(t *testing.T, size int64) {
	t.Helper()
	b.remove(t, "src", "dst")
	if err := os.Mkdir(b.path("src"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(b.path("src/large"))
	if err == nil {
		_, err = io.Copy(f, io.LimitReader(rand.NewChaCha8([32]byte{8}), size))
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// command prepares the copy, as the leader of a group of processes that holds the far side too.
func (b *resumeBench) command(r resumeRun, extra ...string) (cmd *exec.Cmd, output *bytes.Buffer) {
	args := append([]string{"-a", "--partial", "--stats"}, extra...)
	if r.program == "rsync" {
		args = append(args, "-e", b.rsh, "src/", "host:"+b.path("dst/"))
	} else {
		args = append(args, b.ways("src/", b.path("dst")+"/")[r.way]...)
	}
	cmd = exec.Command(r.program, args...)
	cmd.Dir = b.dir
	output = new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd, output
}

// sendAgain does one run, its kill, and the next run.
func (b *resumeBench) sendAgain(t *testing.T, r resumeRun) {
	t.Helper()
	b.remove(t, "dst")
	if err := os.Mkdir(b.path("dst"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd, output := b.command(r)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := -cmd.Process.Pid
	end := time.Now().Add(30 * time.Minute)
	for b.largest(t) < r.size/2 && time.Now().Before(end) {
		time.Sleep(time.Millisecond)
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	_ = cmd.Wait() // it was killed
	waitFor(t, "all processes end", func() bool { return syscall.Kill(group, 0) != nil })
	arrived := b.largest(t)
	if arrived < r.size/2 || arrived >= r.size {
		t.Fatalf("%s had %d of %d bytes when it was killed\n%s", r.program, arrived, r.size, output)
	}
	cmd, output = b.command(r)
	if err := cmd.Run(); err != nil {
		t.Fatalf("the next run of %s: %v\n%s", r.program, err, output)
	}
	sent := literalData(t, output.String())
	again := sent - (r.size - arrived)
	left := b.others(t)
	number := numbers(1).count
	fmt.Fprintf(t.Output(), "%-8s%-7s%15s%15s%15s%15s  %s\n", filepath.Base(r.program), r.way, number(r.size), number(arrived), number(sent), number(again), strings.Join(left, " "))
	if out, err := exec.Command("cmp", b.path("src/large"), b.path("dst/large")).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", r.program, err, out)
	}
	const window = 64 << 20
	if r.program != "rsync" && (again > window+window/100 || len(left) > 0) {
		t.Errorf("%d bytes were sent again, left behind: %q", again, left)
	}
}

// largest is the size of the largest file of dst: the one that is being written.
func (b *resumeBench) largest(t *testing.T) (size int64) {
	t.Helper()
	entries, err := os.ReadDir(b.path("dst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			size = max(size, info.Size())
		}
	}
	return size
}

// others are the names in dst that are not in src.
func (b *resumeBench) others(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(b.path("dst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "large" {
			names = append(names, e.Name())
		}
	}
	return names
}
