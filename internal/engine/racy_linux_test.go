package engine_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
)

// mountNew mounts a new file system of some kind and size in bytes on a new directory.
func mountNew(t *testing.T, kind string, size int64, args ...string) string {
	t.Helper()
	need.Root(t, "only root can mount")
	mkfs, err := exec.LookPath("mkfs." + kind)
	if err != nil {
		need.Missing(t, "mkfs."+kind, err.Error())
	}
	top := t.TempDir()
	image, dir := filepath.Join(top, "image"), filepath.Join(top, "mnt")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, size))
	must(t, os.Mkdir(dir, 0o755))
	if out, err := exec.Command(mkfs, append(args, "-q", image)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", mkfs, err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		need.Missing(t, "mount."+kind, fmt.Sprintf("mount: %v: %s", err, out)) // the kernel may not know the kind
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	return dir
}

// TestClampedTimes copies files whose times the destination cannot keep: it
// stores the first or last that it can. The second run finds nothing to do.
func TestClampedTimes(t *testing.T) {
	for _, inode := range []string{"128", "256"} {
		t.Run(inode, func(t *testing.T) {
			mnt := mountNew(t, "ext4", 16<<20, "-I", inode)
			each(t, func(t *testing.T, w way) {
				// tmpfs keeps all times; the directories of tests need not.
				src, err := os.MkdirTemp("/dev/shm", "gosync-test")
				if err != nil {
					need.Missing(t, "shm", err.Error())
				}
				t.Cleanup(func() { _ = os.RemoveAll(src) })
				for name, sec := range map[string]int64{
					"1800": -5_364_662_400, "1901": -1 << 31, "1970": 0, "2038": 1<<31 - 1, "2100": 4_102_444_800,
					"2446": 15_032_385_535, "2500": 16_725_225_600, "9999": 253_402_300_799,
				} {
					tree(t, src, map[string]string{name: name, "d" + name + "/f": name, "l" + name: "->target"})
					ts := []unix.Timespec{{Sec: sec, Nsec: 123_456_789}, {Sec: sec, Nsec: 123_456_789}}
					for _, p := range []string{name, "d" + name + "/f", "l" + name, "d" + name} {
						must(t, unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(src, p), ts, unix.AT_SYMLINK_NOFOLLOW))
					}
				}
				must(t, os.Chtimes(src, time.Time{}, time.Unix(1_500_000_000, 7)))
				dst := filepath.Join(mnt, string(w))
				job := jobFor(src, dst)
				job.Itemize = true
				trial{way: w, job: job}.must(t)
				before := fingerprint(t, dst)
				out := trial{way: w, job: job}.must(t)
				if c := changes(out); len(c) != 0 || out.sum.Transferred != 0 {
					t.Errorf("the second run has changed %q", c)
				}
				for p, s := range fingerprint(t, dst) {
					if before[p] != s {
						t.Errorf("%s: %q became %q", p, before[p], s)
					}
				}
				var st unix.Stat_t
				must(t, unix.Stat(filepath.Join(dst, "2500"), &st))
				if st.Mtim.Sec == 16_725_225_600 {
					t.Error("the file system keeps it all: this test shows nothing")
				}
			})
		})
	}
}

// TestRewrittenWithinSecond rewrites a file, of the same size, right after a run, on
// a file system that keeps seconds. Its time must show that: the run has not read
// the file before its second was over.
func TestRewrittenWithinSecond(t *testing.T) {
	mnt := mountNew(t, "ext4", 16<<20, "-I", "128")
	each(t, func(t *testing.T, w way) {
		t.Parallel()
		src, dst := filepath.Join(mnt, string(w)), filepath.Join(t.TempDir(), "dst")
		must(t, os.Mkdir(src, 0o755))
		path := filepath.Join(src, "f")
		must(t, os.WriteFile(path, []byte("old"), 0o644))
		trial{way: w, job: jobFor(src, dst)}.must(t)
		must(t, os.WriteFile(path, []byte("new"), 0o644))
		trial{way: w, job: jobFor(src, dst)}.must(t)
		if got := content(t, filepath.Join(dst, "f")); got != "new" {
			t.Errorf("%q is taken for what was written later", got)
		}
	})
}
