package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// unreadableSource is row 17: reading files and directories fails, by permission and by strace. The rest arrives, and
// nothing is deleted.
func unreadableSource(t *testing.T, c *tally) {
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
	for _, way := range faultWays() {
		b.want(t, exitPartial, "permission denied", b.with(way, "-r", "--delete")...)
		b.here(t, true, "dst/f", "dst/sub/f", "dst/shut/extra", "dst/extra")
		b.here(t, false, "dst/secret")
		b.clean(t, "dst")
		c.count(1)
	}
	readErrors(t, c)
}

// readErrors is EIO from the system calls that read a file or a directory.
func readErrors(t *testing.T, c *tally) {
	for _, way := range faultWays() {
		for _, fault := range []struct{ what, path string }{{"file", "/src/d/bad"}, {"directory", "/src/d"}} {
			b := newFaultBench(t)
			b.file(t, "src/a", 300_000)
			b.file(t, "src/d/bad", 300_000)
			b.file(t, "src/z", 300_000)
			b.file(t, "dst/d/bad", 7)
			b.file(t, "dst/d/extra", 7)
			b.file(t, "dst/extra", 7)
			calls := []string{"read", "pread64", "copy_file_range", "sendfile", "splice"}
			if fault.what == "directory" {
				calls = []string{"getdents64"}
			}
			for i := range calls {
				calls[i] += ":error=EIO"
			}
			b.strace(t, way, "src", calls, b.path(fault.path))
			b.want(t, exitPartial, "input/output error", b.with(way, "-a", "--delete")...)
			b.injected(t)
			b.content(t, "dst/d/bad", "ddddddd")
			b.content(t, "dst/a", strings.Repeat("a", 300_000))
			b.content(t, "dst/z", strings.Repeat("z", 300_000))
			if fault.what == "directory" { // a listing is complete although a file in it cannot be read
				b.here(t, true, "dst/d/extra", "dst/extra")
			}
			b.clean(t, "dst")
			b.want(t, 0, "", b.with(way, "-a", "--delete")...)
			b.same(t, "src", "dst")
			c.count(1)
		}
	}
}

// interruptedCalls is row 21: system calls return EINTR, every second time. Nobody notices.
func interruptedCalls(t *testing.T, c *tally) {
	calls := strings.Fields("read write pread64 pwrite64 openat openat2 fsync fdatasync syncfs ftruncate fallocate copy_file_range getdents64 flock")
	injected := 0
	gosync := staticProgram(t) // the loader of others takes EINTR for an error
	for i, way := range faultWays() {
		for j, call := range calls {
			if !longRun() && (i+j)%5 != 0 {
				continue
			}
			b := newFaultBench(t)
			b.gosync = gosync
			b.file(t, "src/a", 300_000)
			b.file(t, "src/d/b", 3_000_000)
			b.file(t, "dst/d/b", 2_900_000)
			for _, part := range []string{"src", "dst"} {
				b.remove(t, "dst/a")
				b.strace(t, way, part, []string{call + ":error=EINTR:when=1+2"})
				b.want(t, 0, "", b.with(way, "-aI", "--fsync=each", "--partial")...)
				if log, err := os.ReadFile(b.path("strace.log")); err == nil && bytes.Contains(log, []byte("(INJECTED)")) {
					injected++ // not every end makes every call
				}
				b.plain()
				b.same(t, "src", "dst")
				c.count(1)
				if way == "local" {
					break
				}
			}
		}
	}
	if c.remark("calls were interrupted in %d of them", injected); injected == 0 {
		t.Error("nothing was injected")
	}
}

// staticProgram builds gosync without libraries of C.
func staticProgram(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "gosync")
	cmd := exec.Command("go", "build", "-o", name, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return name
}

// changingSource is row 26: somebody appends to a file, truncates it, or writes into it, again and again while it is
// read. What arrives was there at one moment, or the file is reported; all others arrive.
func changingSource(t *testing.T, c *tally) {
	for i, way := range faultWays() {
		for j, kind := range []string{"grows", "shrinks", "is rewritten"} {
			if !longRun() && i != j {
				continue
			}
			b := newFaultBench(t)
			options := b.slow(t)[:2]
			b.file(t, "src/fm", 2<<20)
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- b.change(ctx, b.path("src/fm"), kind) }()
			e := b.wantOneOf(t, []int{0, exitPartial}, "", b.with(way, append(options, "--bwlimit=12000")...)...)
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			b.uniform(t, "dst/fm", kind, e.status)
			if e.status != 0 && !strings.Contains(e.output, "fm") {
				t.Errorf("the file is not named:\n%s", e.output)
			}
			for i := range 12 {
				name := fmt.Sprintf("f%c", 'a'+i)
				b.content(t, "dst/"+name, strings.Repeat(name[1:], 1<<20))
			}
			b.clean(t, "dst")
			b.want(t, 0, "", b.with(way, "-a")...)
			b.same(t, "src", "dst")
			c.count(1)
		}
	}
}

// change changes a file until ctx ends. A rewrite gives all of it another letter, in one call.
func (b *faultBench) change(ctx context.Context, name, kind string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	size := int64(2 << 20)
	for i := 0; ctx.Err() == nil; i++ {
		switch kind {
		case "grows":
			_, err = f.WriteAt(bytes.Repeat([]byte{'m'}, 4096), size)
			size += 4096
		case "shrinks":
			size = max(size-4096, 0)
			err = f.Truncate(size)
		default:
			_, err = f.WriteAt(bytes.Repeat([]byte{byte('a' + i%26)}, int(size)), 0)
		}
		if err != nil {
			return err
		}
		time.Sleep(3 * time.Millisecond)
	}
	return nil
}

// uniform wants a file of which there were many versions, each of one letter, to be one of them, or to be missing, or
// the run to have said that something is wrong with it.
func (b *faultBench) uniform(t *testing.T, name, kind string, status int) {
	t.Helper()
	data, err := os.ReadFile(b.path(name))
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if status == 0 && (len(data)%4096 != 0 || kind == "is rewritten" && len(data) != 2<<20) {
		t.Errorf("a file that %s has %d bytes", kind, len(data))
	}
	if status == 0 && len(data) > 0 && len(bytes.TrimLeft(data, string(data[:1]))) > 0 {
		t.Errorf("a file that %s arrived as a mixture", kind)
	}
}

// vanishedSource is row 27: files are removed, files and directories are gone when they are opened. That is 24, and
// their older versions stay.
func vanishedSource(t *testing.T, c *tally) {
	for _, way := range faultWays() {
		b := newFaultBench(t)
		options := append(b.slow(t), "--delete")
		for i := range 12 { // older versions of all, as new files are asked for after the others
			b.file(t, fmt.Sprintf("dst/f%c", 'a'+i), 3)
		}
		cmd, output := b.command(b.with(way, options...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		b.begun(t)
		b.remove(t, "src/fk", "src/fl")
		if e := b.wait(t, cmd, output, time.Minute); e.status != 24 {
			t.Errorf("%s: exit %d\n%s", way, e.status, e.output)
		}
		b.content(t, "dst/fk", "kkk")
		b.content(t, "dst/fl", "lll")
		b.clean(t, "dst")
		b.want(t, 0, "", b.with(way, "-a", "--delete")...)
		b.same(t, "src", "dst")
		c.count(1)
	}
	vanishedNames(t, c)
}

// vanishedNames has names vanish between the moment in which they are listed and the one in which they are opened.
func vanishedNames(t *testing.T, c *tally) {
	for _, way := range faultWays() {
		for _, gone := range []string{"file", "directory"} {
			b := newFaultBench(t)
			b.file(t, "src/a", 1000)
			b.file(t, "src/z/f", 1000)
			for _, root := range []string{"src", "dst"} {
				name := root + "/d/x"
				if gone == "directory" {
					name += "/f"
				}
				b.file(t, name, len(root)*len(root))
			}
			b.file(t, "src/d/x"+map[string]string{"directory": "/g"}[gone], 12)
			if gone == "directory" {
				b.file(t, "dst/d/x/extra", 3)
			}
			b.file(t, "dst/extra", 3)
			// All that is opened below this directory.
			b.strace(t, way, "src", []string{"openat:error=ENOENT", "openat2:error=ENOENT"}, b.path("src/d"))
			b.want(t, 24, "vanish", b.with(way, "-a", "--delete")...)
			b.injected(t)
			b.here(t, true, "dst/a", "dst/z/f")
			if gone == "directory" {
				b.here(t, true, "dst/d/x/f", "dst/d/x/extra")
			} else {
				b.content(t, "dst/d/x", strings.Repeat("x", 9))
			}
			b.clean(t, "dst")
			b.want(t, 0, "", b.with(way, "-a", "--delete")...)
			b.same(t, "src", "dst")
			c.count(1)
		}
	}
}

// changedDestination is row 31: somebody writes into a file of the destination, or replaces it, while gosync builds the
// new version from it. Whoever is last wins, wholly.
func changedDestination(t *testing.T, c *tally) {
	for i, way := range faultWays() {
		for j, how := range []string{"written", "replaced", "removed"} {
			if !longRun() && i != (j+2)%3 {
				continue
			}
			b := newFaultBench(t)
			is := bytes.Repeat([]byte("what the source holds, line by line\n"), 60_000)
			was := append([]byte("an older version of it\n"), is[:1_500_000]...)
			b.file(t, "src/f", 0)
			b.file(t, "dst/f", 0)
			for name, data := range map[string][]byte{"src/f": is, "dst/f": was} {
				if err := os.WriteFile(b.path(name), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd, output := b.command(b.with(way, "-a", "--no-whole-file", "--bwlimit=1200")...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			b.begun(t)
			theirs := b.meddle(t, how)
			e := b.wait(t, cmd, output, time.Minute)
			data, err := os.ReadFile(b.path("dst/f"))
			if e.status == 0 && (err != nil || !bytes.Equal(data, is)) || e.status != 0 && e.status != exitPartial {
				t.Errorf("%s, %s: exit %d, %d bytes, %v\n%s", way, how, e.status, len(data), err, e.output)
			}
			if err == nil && !bytes.Equal(data, is) && !bytes.Equal(data, theirs) {
				t.Errorf("%s, %s: the file is neither ours nor theirs", way, how)
			}
			b.clean(t, "dst")
			b.want(t, 0, "", b.with(way, "-a")...)
			b.same(t, "src", "dst")
			c.count(1)
		}
	}
}

// meddle changes dst/f and returns what it holds then.
func (b *faultBench) meddle(t *testing.T, how string) []byte {
	t.Helper()
	theirs := bytes.Repeat([]byte("what somebody else has written there\n"), 30_000)
	var err error
	switch how {
	case "written": // in place; what is behind stays
		var f *os.File
		if f, err = os.OpenFile(b.path("dst/f"), os.O_WRONLY, 0); err == nil {
			_, err = f.Write(theirs)
			f.Close()
		}
	case "replaced":
		if err = os.WriteFile(b.path("theirs"), theirs, 0o600); err == nil {
			err = os.Rename(b.path("theirs"), b.path("dst/f"))
		}
	default:
		err = os.Remove(b.path("dst/f"))
	}
	if err != nil {
		t.Fatal(err)
	}
	now, _ := os.ReadFile(b.path("dst/f")) // nothing where it was removed
	return now
}

// emptySource is row 50: the source is empty, or the file system that held it is gone. With --delete that is no reason
// to delete everything.
func emptySource(t *testing.T, c *tally) {
	for _, way := range faultWays() {
		b := newFaultBench(t)
		mountSmall(t, b.path("src"), "size=4m")
		b.file(t, "src/a", 1000)
		b.file(t, "src/d/b", 1000)
		b.want(t, 0, "", b.with(way, "-a", "--delete")...)
		before := lookAt(t, b.path("dst"), 1<<40)
		if err := unix.Unmount(b.path("src"), unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		// The directory that is left has a time and a mode of its own, which are copied.
		b.want(t, exitDelete, "", b.with(way, "-rl", "--delete")...)
		for _, d := range before.differ("before", "after", lookAt(t, b.path("dst"), 1<<40)) {
			t.Errorf("%s: %s", way, d)
		}
		b.want(t, exitDelete, "", b.with(way, "-a", "--delete")...)
		b.here(t, true, "dst/a", "dst/d/b")
		b.want(t, 0, "", b.with(way, "-a", "--delete", "--delete-empty-source")...)
		b.same(t, "src", "dst")
		c.count(2)
	}
}
