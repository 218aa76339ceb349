//go:build unix

package meta

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
	"gosync/walker/manifest"
)

const all = manifest.AttrOwner | manifest.AttrGroup | manifest.AttrMode | manifest.AttrTimes

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// at returns what is at a path, and a descriptor of its directory.
func at(t *testing.T, dir, name string) (e manifest.Entry, dirfd int) {
	t.Helper()
	f, err := os.Open(dir)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	var st unix.Stat_t
	must(t, unix.Fstatat(int(f.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW))
	Entry(&e, &st)
	return e, int(f.Fd())
}

func TestEntry(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("hello"), 0o640))
	must(t, os.Chtimes(filepath.Join(dir, "file"), time.Time{}, time.Unix(-5, 7)))
	must(t, os.Link(filepath.Join(dir, "file"), filepath.Join(dir, "hard")))
	must(t, os.Symlink("file", filepath.Join(dir, "link")))
	must(t, os.Mkdir(filepath.Join(dir, "dir"), 0o711))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	for name, want := range map[string]manifest.Entry{
		"file": {Type: manifest.Regular, Mode: 0o640, Size: 5, Sec: -5, Nsec: 7},
		"link": {Type: manifest.Symlink, Size: 4},
		"dir":  {Type: manifest.Directory, Mode: 0o711},
		"fifo": {Type: manifest.Fifo, Mode: 0o600},
	} {
		got, _ := at(t, dir, name)
		if got.Type != want.Type || got.Size != want.Size || got.Type != manifest.Symlink && got.Mode != want.Mode || got.Ino == 0 {
			t.Errorf("%s: %+v", name, got)
		}
		if want.Sec != 0 && (got.Sec != want.Sec || got.Nsec != want.Nsec) {
			t.Errorf("%s: time %d.%d", name, got.Sec, got.Nsec)
		}
		if linked := got.Ext != nil && got.Ext.Nlink == 2 && got.Ext.Dev != 0; linked != (name == "file") {
			t.Errorf("%s: %+v", name, got.Ext)
		}
	}
	var e manifest.Entry
	var st unix.Stat_t
	must(t, unix.Stat("/dev/null", &st))
	Entry(&e, &st)
	if major, minor := e.Device(); e.Type != manifest.CharDevice || major != 1 || minor != 3 || Device(&e) != uint64(st.Rdev) {
		t.Errorf("/dev/null: %+v %+v", e, e.Ext)
	}
}

func TestTypes(t *testing.T) {
	for typ := manifest.Regular; typ <= manifest.BlockDevice; typ++ {
		if got := TypeOf(Mode(typ) | 0o7777); got != typ {
			t.Errorf("%v became %v", typ, got)
		}
	}
	if TypeOf(0) != manifest.Unknown || Mode(manifest.Unknown) != 0 {
		t.Error("what is unknown has a type")
	}
}

// TestApply applies attributes by descriptor and by name to each kind of file.
func TestApply(t *testing.T) {
	dir := t.TempDir()
	want := manifest.Entry{Mode: 0o4751, Sec: 1000, Nsec: 500, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if os.Geteuid() == 0 {
		want.UID, want.GID = 1234, 4321
	}
	must(t, os.WriteFile(filepath.Join(dir, "open"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "named"), nil, 0o600))
	must(t, os.Symlink("victim", filepath.Join(dir, "link")))
	must(t, os.WriteFile(filepath.Join(dir, "victim"), nil, 0o600))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	victim, _ := at(t, dir, "victim")
	for _, name := range []string{"open", "named", "link", "fifo"} {
		has, dirfd := at(t, dir, name)
		target := Target{FD: dirfd, Name: name, Type: has.Type}
		if name == "open" {
			f, err := os.Open(filepath.Join(dir, name))
			must(t, err)
			defer f.Close()
			target.FD, target.Name = int(f.Fd()), ""
		}
		must(t, Apply(&target, &want, all))
		got, _ := at(t, dir, name)
		if got.UID != want.UID || got.GID != want.GID || got.Sec != 1000 || got.Nsec != 500 {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Type != manifest.Symlink && got.Mode != want.Mode {
			t.Errorf("%s has mode %o", name, got.Mode)
		}
	}
	if now, _ := at(t, dir, "victim"); now != victim {
		t.Errorf("a symlink was followed: %+v", now)
	}
}

// TestApplyKnown: what is known to be right is left alone, and setuid bits
// survive a change of the owner.
func TestApplyKnown(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	must(t, os.WriteFile(path, nil, 0o600))
	has, dirfd := at(t, dir, "file")
	same := has
	target := Target{FD: dirfd, Name: "no such file", Type: manifest.Regular, Has: has, Known: all}
	must(t, Apply(&target, &same, all)) // or it would have failed

	need.Root(t, "only root may give files away")
	must(t, unix.Chmod(path, 0o6755))
	has, _ = at(t, dir, "file")
	want := has
	want.UID = 1234
	target = Target{FD: dirfd, Name: "file", Type: manifest.Regular, Has: has, Known: all}
	must(t, Apply(&target, &want, manifest.AttrOwner))
	if got, _ := at(t, dir, "file"); got.UID != 1234 || got.Mode != 0o6755 {
		t.Errorf("%+v", got)
	}
}

// TestApplyErrors: all attributes are tried, the first failure is told, and
// without the owner there are no setuid bits.
func TestApplyErrors(t *testing.T) {
	dir := t.TempDir()
	_, dirfd := at(t, dir, ".")
	want := manifest.Entry{Mode: 0o755, UID: 1}
	err := Apply(&Target{FD: dirfd, Name: "none", Type: manifest.Regular}, &want, all)
	var e *Error
	if !errors.As(err, &e) || e.Op != "chown" || !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v", err)
	}
	err = Apply(&Target{FD: dirfd, Name: "none", Type: manifest.Regular}, &want, manifest.AttrTimes)
	if !errors.As(err, &e) || e.Op != "utimens" {
		t.Errorf("got %v", err)
	}
}

// TestAddCtime: the change time moves where the modification time was put back, and
// what is listed does without it.
func TestAddCtime(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	must(t, os.WriteFile(path, nil, 0o600))
	old := time.Unix(1000, 0)
	must(t, os.Chtimes(path, old, old))
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	var e manifest.Entry
	if Entry(&e, &st); e.Ext != nil {
		t.Errorf("an ordinary file has %+v", e.Ext)
	}
	AddCtime(&e, &st)
	if e.Sec != 1000 || e.Ext == nil || time.Since(time.Unix(e.Ext.CtimeSec, int64(e.Ext.CtimeNsec))).Abs() > time.Hour {
		t.Errorf("%+v %+v", e, e.Ext)
	}
}
