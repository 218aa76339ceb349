package meta

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
	"gosync/walker/manifest"
)

// TestChmodRef: the way to change a mode on older systems follows no symlink either.
func TestChmodRef(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, os.Symlink("file", filepath.Join(dir, "link")))
	_, dirfd := at(t, dir, "file")
	must(t, chmodRef(dirfd, "file", 0o640))
	if err := chmodRef(dirfd, "link", 0o666); err == nil {
		t.Error("a symlink got a mode")
	}
	if got, _ := at(t, dir, "file"); got.Mode != 0o640 {
		t.Errorf("mode is %o", got.Mode)
	}
}

// TestNoSetuidWithoutOwner: who cannot give a file away must not make it run
// with its own rights either.
func TestNoSetuidWithoutOwner(t *testing.T) {
	need.Root(t, "only root can become somebody else")
	const nobody = 65534
	dir := t.TempDir()
	must(t, os.Chown(dir, nobody, nobody))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, os.Chown(filepath.Join(dir, "file"), nobody, nobody))
	has, dirfd := at(t, dir, "file")

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	must(t, unix.Setfsuid(nobody))
	want := manifest.Entry{Mode: 0o4755, UID: 0, Sec: 99}
	target := Target{FD: dirfd, Name: "file", Type: has.Type, Has: has, Known: all}
	err := Apply(&target, &want, all)
	must(t, unix.Setfsuid(0))
	if err == nil {
		t.Error("a file was given away")
	}
	if got, _ := at(t, dir, "file"); got.Mode != 0o755 || got.Sec != 99 {
		t.Errorf("%+v", got)
	}
}
