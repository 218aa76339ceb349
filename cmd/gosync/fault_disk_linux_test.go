package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/walker/manifest"
)

// fullDestination is row 14.
func fullDestination(t *testing.T, c *tally) {
	for _, way := range faultWays() {
		for _, options := range [][]string{{"-a"}, {"-a", "--fsync=each"}, {"-a", "--partial"}, {"-a", "--inplace"}} {
			b := newFaultBench(t)
			b.file(t, "src/a", 1000)
			b.file(t, "src/big", 8<<20)
			b.file(t, "src/z", 1000)
			mountSmall(t, b.path("dst"), "size=4m")
			b.file(t, "dst/big", 100)
			b.want(t, exitFile, "no space left on device", b.with(way, options...)...)
			info, err := os.Stat(b.path("dst/big"))
			switch inPlace := options[len(options)-1] == "--inplace"; {
			case err != nil || !inPlace && info.Size() != 100:
				t.Errorf("%s %q: the old file is not what it was: %v, %v", way, options, info, err)
			case inPlace:
				b.notSilent(t, "src/big", "dst/big")
			}
			if options[len(options)-1] != "--partial" && options[len(options)-1] != "--inplace" {
				b.clean(t, "dst")
			}
			remount(t, b.path("dst"), "size=32m")
			b.want(t, 0, "", b.with(way, options...)...)
			b.same(t, "src", "dst")
			c.count(1)
		}
	}
}

// notSilent wants a wrong file not to look right: size and time are what the next run compares.
func (b *faultBench) notSilent(t *testing.T, src, dst string) {
	t.Helper()
	if err := silentlyWrong(b.path(src), b.path(dst)); err != nil {
		t.Error(err)
	}
}

// silentlyWrong says so where a file is not like the source, but has its size and time.
func silentlyWrong(src, dst string) error {
	is, err := os.Lstat(src)
	if err != nil {
		return err
	}
	got, err := os.Lstat(dst)
	if err != nil || got.Size() != is.Size() || !got.ModTime().Equal(is.ModTime()) {
		return nil
	}
	want, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	if data, err := os.ReadFile(dst); err != nil || string(data) != string(want) {
		return fmt.Errorf("%s is wrong, with the size and time of the source: %v", dst, err)
	}
	return nil
}

// noRoomForNames is row 15: no inodes, no room in a directory, no room for the record of what has arrived.
func noRoomForNames(t *testing.T, c *tally) {
	for _, way := range faultWays() {
		b := newFaultBench(t)
		for i := range 40 {
			b.file(t, fmt.Sprintf("src/f%d", i), 10)
		}
		mountSmall(t, b.path("dst"), "nr_inodes=20")
		b.want(t, exitFile, "no space left on device", b.with(way, "-a")...)
		b.clean(t, "dst")
		remount(t, b.path("dst"), "nr_inodes=100")
		b.want(t, 0, "", b.with(way, "-a")...)
		b.same(t, "src", "dst")
		c.count(1)
	}
	for _, way := range faultWays() {
		b := newFaultBench(t)
		b.file(t, "src/a", 1000)
		b.file(t, "src/d/b", 1000)
		b.file(t, "dst/a", 10)
		b.strace(t, way, "dst", []string{"rename:error=ENOSPC", "renameat:error=ENOSPC", "renameat2:error=ENOSPC"})
		b.want(t, exitFile, "no space left on device", b.with(way, "-a")...)
		b.injected(t)
		b.content(t, "dst/a", strings.Repeat("a", 10))
		b.clean(t, "dst")
		b.want(t, 0, "", b.with(way, "-a")...)
		b.same(t, "src", "dst")
		c.count(1)
	}
	for _, way := range []string{"push", "pull"} {
		noRoomForSidecar(t, way)
		c.count(1)
	}
}

// noRoomForSidecar has the writes of a sidecar fail, and nothing else. The copy goes on without one.
func noRoomForSidecar(t *testing.T, way string) {
	b := newFaultBench(t)
	b.file(t, "src/f", 0)
	if err := os.WriteFile(b.path("src/f"), noise(rand.New(rand.NewPCG(1, 1)), 8<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	b.strace(t, way, "dst", []string{"write:error=ENOSPC", "pwrite64:error=ENOSPC"}, b.path("dst/"+manifest.SidecarName("f")))
	b.want(t, 0, "", b.with(way, "-a", "--partial")...)
	b.injected(t)
	b.same(t, "src", "dst")
}

// quota is row 19: EDQUOT from a write, EFBIG from a limit of the process.
func quota(t *testing.T, c *tally) {
	for _, way := range faultWays() {
		for _, fault := range []string{"EDQUOT", "EFBIG"} {
			b := newFaultBench(t)
			b.file(t, "src/a", 1000)
			b.file(t, "src/big", 8<<20)
			b.file(t, "src/z", 1000)
			b.file(t, "dst/big", 100)
			statuses, text := []int{exitFile}, "disk quota exceeded"
			if fault == "EDQUOT" {
				b.strace(t, way, "dst", []string{"pwrite64:error=EDQUOT", "copy_file_range:error=EDQUOT", "fallocate:error=EDQUOT"})
			} else {
				statuses, text = []int{exitFile, exitPartial}, "file too large"
				b.under = []string{"prlimit", "--fsize=1048576"} // the far side is its child
			}
			b.wantOneOf(t, statuses, text, b.with(way, "-a")...)
			if fault == "EDQUOT" {
				b.injected(t)
			}
			b.plain()
			b.content(t, "dst/big", strings.Repeat("g", 100))
			b.clean(t, "dst")
			b.want(t, 0, "", b.with(way, "-a")...)
			b.same(t, "src", "dst")
			c.count(1)
		}
	}
}

// noDescriptors is row 22. Go programs cannot go on without memory of their own or without threads, so that what is
// tried is the kernel's answer to a call.
func noDescriptors(t *testing.T, c *tally) {
	wide := func(b *faultBench) {
		for i := range 80 {
			b.file(t, fmt.Sprintf("src/d%d/e/f/g/h/file", i), 100)
			b.file(t, fmt.Sprintf("src/d%d/file", i), 100)
		}
	}
	for _, way := range faultWays() {
		b := newFaultBench(t)
		wide(b)
		b.under = []string{"prlimit", "--nofile=64:64"}
		e := b.wantOneOf(t, []int{0, 22, exitPartial, exitFile}, "", b.with(way, "-a")...)
		if e.status != 0 {
			c.remark("%s with 64 descriptors: exit %d", way, e.status)
		}
		b.plain()
		b.want(t, 0, "", b.with(way, "-a")...)
		b.same(t, "src", "dst")
		c.count(1)
	}
	for i, way := range faultWays() {
		for j, fault := range []string{"EMFILE", "ENFILE", "ENOMEM"} {
			if !longRun() && i != j {
				continue
			}
			for _, part := range []string{"src", "dst"} {
				b := newFaultBench(t)
				wide(b)
				b.strace(t, way, part, []string{"openat:error=" + fault + ":when=20..25", "openat2:error=" + fault + ":when=20..25"})
				// To remove a temporary takes a descriptor of its directory, so some may be left for the next run.
				b.wantOneOf(t, []int{0, 3, 22, exitPartial, exitFile}, "", b.with(way, "-a")...)
				b.injected(t)
				b.want(t, 0, "", b.with(way, "-a")...)
				b.same(t, "src", "dst")
				c.count(1)
			}
		}
	}
}

// forbiddenDestination is row 24: permissions, a read-only file system, files and directories that are marked.
func forbiddenDestination(t *testing.T, c *tally) {
	b := newFaultBench(t)
	b.file(t, "src/open/f", 1000)
	b.file(t, "src/shut/f", 1000)
	b.file(t, "src/shut/g", 1000)
	b.file(t, "dst/shut/f", 5)
	if err := os.Chown(b.path("dst"), 65534, 65534); err != nil { // what is below stays root's
		t.Fatal(err)
	}
	b.nobody = true
	for _, way := range faultWays() {
		b.want(t, exitPartial, "permission denied", b.with(way, "-r")...)
		b.content(t, "dst/shut/f", "fffff")
		b.here(t, true, "dst/open/f")
		b.clean(t, "dst")
		c.count(1)
	}
	for _, way := range faultWays() {
		readOnly(t, way)
		marked(t, way, "+i", "dst/d/f")
		marked(t, way, "+i", "dst/d")
		marked(t, way, "+a", "dst/d")
		c.count(4)
	}
}

// readOnly has the destination, and then a directory in it, be read-only.
func readOnly(t *testing.T, way string) {
	b := newFaultBench(t)
	b.file(t, "src/a", 1000)
	b.file(t, "src/d/f", 1000)
	b.file(t, "real/d/f", 5)
	for _, at := range []string{"real", "real/d"} {
		dst := "dst" + strings.TrimPrefix(at, "real")
		b.here(t, dst != "dst", "dst/d/f")
		if err := os.MkdirAll(b.path(dst), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(b.path(at), b.path(dst), "", unix.MS_BIND, ""); err != nil {
			t.Skipf("mounting: %v", err)
		}
		mounted := true
		unmount := func() {
			if mounted {
				mounted = false
				if err := unix.Unmount(b.path(dst), unix.MNT_DETACH); err != nil {
					t.Error(err)
				}
			}
		}
		t.Cleanup(unmount)
		if err := unix.Mount("", b.path(dst), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		b.wantOneOf(t, []int{exitFile, exitPartial}, "read-only file system", b.with(way, "-a")...)
		b.content(t, dst+strings.TrimPrefix("/d/f", strings.TrimPrefix(at, "real")), "fffff")
		b.clean(t, "dst")
		unmount()
		if at == "real" {
			if err := os.CopyFS(b.path("dst"), os.DirFS(b.path("real"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.want(t, 0, "", b.with(way, "-a")...)
	b.same(t, "src", "dst")
}

// marked has a file or directory of the destination be immutable, or a directory in which names may only be added.
func marked(t *testing.T, way, flag, name string) {
	b := newFaultBench(t)
	b.file(t, "src/a", 1000)
	b.file(t, "src/d/f", 1000)
	b.file(t, "dst/d/f", 5)
	chattr := func(flag string) error { return exec.Command("chattr", flag, b.path(name)).Run() }
	if err := chattr(flag); err != nil {
		t.Skipf("chattr: %v", err)
	}
	off := strings.Replace(flag, "+", "-", 1)
	t.Cleanup(func() { _ = chattr(off) }) // it may be off
	b.want(t, exitPartial, "operation not permitted", b.with(way, "-a")...)
	b.content(t, "dst/d/f", "fffff")
	b.content(t, "dst/a", strings.Repeat("a", 1000))
	if left := temporaries(t, b.path("dst")); flag == "+i" && len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if err := chattr(off); err != nil {
		t.Fatal(err)
	}
	b.want(t, 0, "", b.with(way, "-a")...)
	b.same(t, "src", "dst")
}
