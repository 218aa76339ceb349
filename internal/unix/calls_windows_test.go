package unix

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// opened opens a temporary directory.
func opened(t *testing.T) (dir string, fd int) {
	t.Helper()
	dir = t.TempDir()
	fd, err := Openat(AT_FDCWD, filepath.ToSlash(dir), O_RDONLY|O_DIRECTORY, 0)
	must(t, err)
	t.Cleanup(func() { _ = Close(fd) })
	return dir, fd
}

// makeFile makes a file.
func makeFile(t *testing.T, dirfd int, name, content string) int {
	t.Helper()
	fd, err := Openat(dirfd, name, O_RDWR|O_CREAT|O_EXCL|O_NOFOLLOW, 0o600)
	must(t, err)
	n, err := Pwrite(fd, []byte(content), 0)
	if err != nil || n != len(content) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	t.Cleanup(func() { _ = Close(fd) })
	return fd
}

func content(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

// makeClosed makes a file that is not open afterwards.
func makeClosed(t *testing.T, dirfd int, name, content string) {
	t.Helper()
	fd, err := Openat(dirfd, name, O_WRONLY|O_CREAT|O_EXCL, 0o600)
	must(t, err)
	_, err = Pwrite(fd, []byte(content), 0)
	must(t, errors.Join(err, Close(fd)))
}

// TestOld: what is open nowhere can be replaced and removed on every system, read-only or not.
func TestOld(t *testing.T) {
	dir, at := opened(t)
	makeClosed(t, at, "old", "old")
	must(t, Fchmodat(at, "old", 0o444, 0))
	makeFile(t, at, "new", "new")
	must(t, Renameat(at, "new", at, "old"))
	if got := content(t, filepath.Join(dir, "old")); got != "new" {
		t.Errorf("got %q", got)
	}
	makeClosed(t, at, "gone", "")
	must(t, Fchmodat(at, "gone", 0o444, 0))
	must(t, Unlinkat(at, "gone", 0))
	must(t, Mkdirat(at, "sub", 0o700))
	must(t, Unlinkat(at, "sub", AT_REMOVEDIR))
	for _, name := range []string{"new", "gone", "sub"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRenameOver: from Windows 10 on a file takes another one's place while both are open, and
// the other one is read-only.
func TestRenameOver(t *testing.T) {
	dir, at := opened(t)
	makeFile(t, at, "old", "old")
	must(t, Fchmodat(at, "old", 0o444, 0))
	makeFile(t, at, "new", "new")
	if err := RenameNew(at, "new", at, "old"); err != EEXIST {
		t.Errorf("a name that is taken: %v", err)
	}
	must(t, Renameat(at, "new", at, "old"))
	if got := content(t, filepath.Join(dir, "old")); got != "new" {
		t.Errorf("got %q", got)
	}
	var st Stat_t
	if err := Fstatat(at, "new", &st, AT_SYMLINK_NOFOLLOW); err != ENOENT {
		t.Errorf("the old name: %v", err)
	}
	must(t, RenameNew(at, "old", at, "new"))
}

// TestNamesStay: what is no name of a directory's own is not opened, made, renamed to or removed.
func TestNamesStay(t *testing.T) {
	dir, at := opened(t)
	makeFile(t, at, "file", "x")
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	for _, name := range []string{"..", `..\x`, `sub\x`, "sub/x", "a:b", "file:s", "NUL", "con.txt", "file.", "file ", "COM1", `\x`, "C:", ""} {
		if fd, err := Openat(at, name, O_RDWR|O_CREAT, 0o600); !errors.Is(err, EINVAL) {
			t.Errorf("open %q: %d, %v", name, fd, err)
		}
		if err := Mkdirat(at, name, 0o700); !errors.Is(err, EINVAL) {
			t.Errorf("mkdir %q: %v", name, err)
		}
		if err := Renameat(at, "file", at, name); !errors.Is(err, EINVAL) {
			t.Errorf("rename to %q: %v", name, err)
		}
		if err := Linkat(at, "file", at, name, 0); !errors.Is(err, EINVAL) {
			t.Errorf("link %q: %v", name, err)
		}
		if err := Symlinkat("x", at, name); !errors.Is(err, EINVAL) {
			t.Errorf("symlink %q: %v", name, err)
		}
		if err := Unlinkat(at, name, 0); !errors.Is(err, EINVAL) {
			t.Errorf("unlink %q: %v", name, err)
		}
	}
	if got := content(t, filepath.Join(dir, "file")); got != "x" {
		t.Errorf("got %q", got)
	}
}

// TestUnlink: what is open and what is read-only can be removed; a directory only as one.
func TestUnlink(t *testing.T) {
	dir, at := opened(t)
	makeFile(t, at, "file", "x")
	must(t, Fchmodat(at, "file", 0o444, 0))
	if err := Unlinkat(at, "file", AT_REMOVEDIR); err != ENOTDIR {
		t.Errorf("a file as a directory: %v", err)
	}
	must(t, Unlinkat(at, "file", 0))
	must(t, Mkdirat(at, "sub", 0o700))
	if err := Unlinkat(at, "sub", 0); err != EISDIR {
		t.Errorf("a directory as a file: %v", err)
	}
	sub, err := Openat(at, "sub", O_RDONLY|O_DIRECTORY|O_NOFOLLOW, 0)
	must(t, err)
	makeFile(t, sub, "in", "")
	if err := Unlinkat(at, "sub", AT_REMOVEDIR); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a directory that is not empty: %v", err)
	}
	must(t, Unlinkat(sub, "in", 0))
	must(t, Close(sub))
	must(t, Unlinkat(at, "sub", AT_REMOVEDIR))
	if _, err := os.Lstat(filepath.Join(dir, "sub")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestStat: sizes, times, and the attribute that stands for permissions.
func TestStat(t *testing.T) {
	_, at := opened(t)
	fd := makeFile(t, at, "file", "12345")
	when := time.Date(2024, 2, 3, 4, 5, 6, 789_123_456, time.UTC)
	must(t, SetTime(fd, when.Unix(), uint32(when.Nanosecond())))
	must(t, Fchmod(fd, 0o444))
	for _, look := range []func(*Stat_t) error{
		func(st *Stat_t) error { return Fstat(fd, st) },
		func(st *Stat_t) error { return Fstatat(at, "file", st, AT_SYMLINK_NOFOLLOW) },
		func(st *Stat_t) error { return Fstatat(at, "FILE", st, 0) },
	} {
		var st Stat_t
		must(t, look(&st))
		if st.Mode != S_IFREG|0o444 || st.Size != 5 || st.Nlink != 1 || st.Ino == 0 || st.Mtim.Sec != when.Unix() || st.Mtim.Nsec != 789_123_400 {
			t.Errorf("%+v", st)
		}
	}
	old := time.Date(1923, 1, 1, 0, 0, 0, 500, time.UTC)
	must(t, SetTimeAt(at, "file", old.Unix(), 500))
	var st Stat_t
	must(t, Fstat(fd, &st))
	if sec, nsec := st.Mtim.Unix(); sec != old.Unix() || nsec != 500 {
		t.Errorf("%d %d", sec, nsec)
	}
	if err := SetTime(fd, -1<<40, 0); err != EINVAL {
		t.Errorf("before the system's time: %v", err)
	}
	must(t, Fstatat(at, ".", &st, 0))
	if st.Mode != S_IFDIR|0o755 {
		t.Errorf("%+v", st)
	}
	if err := Fchown(fd, 1, 1); err != ENOTSUP {
		t.Errorf("chown: %v", err)
	}
}

// TestReadNames: a directory of many names is listed as a whole, and again.
func TestReadNames(t *testing.T) {
	_, at := opened(t)
	var want []string
	for i := range 300 {
		name := "a name of some length \u00e9 " + string(rune('\u4e00'+i))
		want = append(want, name)
		must(t, Close(func() int {
			fd, err := Openat(at, name, O_WRONLY|O_CREAT|O_EXCL, 0o600)
			must(t, err)
			return fd
		}()))
	}
	for range 2 {
		var got []string
		must(t, ReadNames(at, make([]byte, 4096), func(name []byte) error {
			if s := string(name); s != "." && s != ".." {
				got = append(got, s)
			}
			return nil
		}))
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%d names, want %d", len(got), len(want))
		}
	}
}

// TestReadWrite: at offsets, to the end, of another length, through a second descriptor.
func TestReadWrite(t *testing.T) {
	_, at := opened(t)
	fd := makeFile(t, at, "file", "hello")
	if n, err := Pwrite(fd, []byte("J"), 1<<20); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	must(t, Ftruncate(fd, 4))
	must(t, Fsync(fd))
	must(t, Fsync(at))
	other, err := Dup(fd)
	must(t, err)
	defer func() { _ = Close(other) }()
	buf := make([]byte, 10)
	if n, err := Pread(other, buf, 1); err != nil || string(buf[:n]) != "ell" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if n, err := Pread(other, buf, 4); n != 0 || err != nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
	reading, err := Openat(at, "file", O_RDONLY|O_NOFOLLOW, 0)
	must(t, err)
	defer func() { _ = Close(reading) }()
	must(t, Fsync(reading))
	if !Owned(reading) {
		t.Error("a file of this user is somebody else's")
	}
	if !OwnedAt(at, "file") || OwnedAt(at, "none") {
		t.Error("a file of this user is somebody else's, or one that is not there is this user's")
	}
	// The installer's, to which administrators give their own files no rights either.
	if explorer := filepath.Join(os.Getenv("SystemRoot"), "explorer.exe"); OwnedAt(AT_FDCWD, explorer) {
		t.Errorf("%s is this user's", explorer)
	}
}

// TestFlock: a lock keeps others out, not from reading, and becomes another one.
func TestFlock(t *testing.T) {
	_, at := opened(t)
	one := makeFile(t, at, "file", "hello")
	two, err := Openat(at, "file", O_RDWR, 0)
	must(t, err)
	defer func() { _ = Close(two) }()
	must(t, Flock(one, LOCK_SH|LOCK_NB))
	must(t, Flock(two, LOCK_SH|LOCK_NB))
	if err := Flock(two, LOCK_EX|LOCK_NB); err != EWOULDBLOCK {
		t.Errorf("a second lock: %v", err)
	}
	must(t, Flock(one, LOCK_EX|LOCK_NB)) // the other one has lost its own
	buf := make([]byte, 5)
	if n, err := Pread(two, buf, 0); n != 5 || err != nil {
		t.Errorf("reading what is locked: %d, %v", n, err)
	}
}

// TestLinks: hard links, and symlinks where this user may make them.
func TestLinks(t *testing.T) {
	dir, at := opened(t)
	makeFile(t, at, "file", "x")
	must(t, Linkat(at, "file", at, "hard", 0))
	var st Stat_t
	must(t, Fstatat(at, "hard", &st, 0))
	if st.Nlink != 2 {
		t.Errorf("%+v", st)
	}
	if err := Linkat(at, "file", at, "hard", 0); err != EEXIST {
		t.Errorf("a name that is taken: %v", err)
	}
	for _, far := range []string{`\\host\share`, "//host/share", `\??\C:\x`} {
		if err := Symlinkat(far, at, "far"); err != errFarLink {
			t.Errorf("%q: %v", far, err)
		}
	}
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	err := Symlinkat("sub/x", at, "link")
	if err != nil {
		t.Skipf("no symlinks here: %v", err)
	}
	buf := make([]byte, 100)
	if n, err := Readlinkat(at, "link", buf); err != nil || string(buf[:n]) != "sub/x" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	if fd, err := Openat(at, "link", O_RDONLY|O_NOFOLLOW, 0); err != ELOOP {
		t.Errorf("%d, %v", fd, err)
	}
	must(t, Fstatat(at, "link", &st, AT_SYMLINK_NOFOLLOW))
	if st.Mode&S_IFMT != S_IFLNK {
		t.Errorf("%+v", st)
	}
	must(t, Unlinkat(at, "link", 0))
}
