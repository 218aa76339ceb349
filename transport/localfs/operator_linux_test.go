package localfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
)

// TestOpenOperator: a path leads where the system would go, unless a symlink of another user is on the way.
func TestOpenOperator(t *testing.T) {
	need.Root(t, "only root can give a symlink to another user")
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "a/b/c"), 0o755))
	must(os.WriteFile(filepath.Join(dir, "a/b/file"), nil, 0o644))
	for _, l := range [][2]string{{"own", "a"}, {"abs", dir + "/a"}, {"chain", "own/b"}, {"up", "a/b/../b/c/.."}, {"loop", "loop"}, {"to", "a/b/file"}, {"gone", "nowhere"}, {"slash", "a//b/"}} {
		must(os.Symlink(l[1], filepath.Join(dir, l[0])))
	}
	for _, l := range [][2]string{{"bad", "a"}, {"a/badup", ".."}} {
		must(os.Symlink(l[1], filepath.Join(dir, l[0])))
		must(os.Lchown(filepath.Join(dir, l[0]), 65534, 65534))
	}
	must(os.Symlink("bad/b", filepath.Join(dir, "viabad")))
	top, err := openAt(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(err)
	defer unix.Close(top)
	for _, path := range []string{
		".", "a", "a/", "a/.", "a/b/..", "own", "own/", "own/b/c", "abs/b", "chain", "chain/c/", "up", "up/file", "to", "loop", "loop/x", "gone", "gone/", "slash/c", "a/b/file", "a/b/file/",
		"a/b/file/x", "to/", "no", "no/x", "", "../" + filepath.Base(dir) + "/own/b", dir + "/chain", "/", "//", "a//b", "/proc/self/fd/0", "/dev/fd/0", "/proc/self",
	} {
		var st, want unix.Stat_t
		fd, err := openOperator(top, path, unix.O_RDONLY|unix.O_NONBLOCK, 0, false)
		plain, wantErr := openAt(top, path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
		if !errors.Is(err, wantErr) {
			t.Errorf("%q: %v, want %v", path, err, wantErr)
		}
		if err == nil && wantErr == nil {
			must(unix.Fstat(fd, &st))
			must(unix.Fstat(plain, &want))
			if st.Ino != want.Ino || st.Dev != want.Dev {
				t.Errorf("%q leads elsewhere", path)
			}
		}
		_, _ = unix.Close(fd), unix.Close(plain)
	}
	for _, path := range []string{"bad", "bad/", "bad/b", "viabad", "viabad/c", "a/badup", "a/badup/a", dir + "/bad/b"} {
		if fd, err := openOperator(top, path, unix.O_RDONLY, 0, false); !isForeign(err) || !errors.Is(err, unix.ELOOP) {
			t.Errorf("%q: %d, %v", path, fd, err)
		}
		fd, err := openOperator(top, path, unix.O_RDONLY, 0, true)
		if err != nil {
			t.Errorf("%q: %v", path, err)
		}
		_ = unix.Close(fd)
	}
	if err := mkdirOperator(top, "bad/new", 0o755, false); !isForeign(err) {
		t.Errorf("mkdir: %v", err)
	}
	must(mkdirOperator(top, "own/new/", 0o755, false))
	must(mkdirOperator(top, "bad/new2", 0o755, true))
	for _, name := range []string{"new", "new2"} {
		if _, err := os.Stat(filepath.Join(dir, "a", name)); err != nil {
			t.Error(err)
		}
	}
	f, err := OpenFile(filepath.Join(dir, "gone"), os.O_WRONLY|os.O_CREATE, 0o600)
	must(err)
	must(f.Close())
	if _, err := os.Stat(filepath.Join(dir, "nowhere")); err != nil {
		t.Error(err)
	}
}
