package localfs

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

const nobody = 65534

// plants put something at a path that this user's partials or sidecars will need.
// victim is a file of this user's outside of the tree.
var plants = []struct {
	name  string
	root  bool // only root can make it
	usual bool // it is a file that this user may remove, so resuming works as ever
	plant func(path, victim string) error
}{
	{"nothing", false, true, func(string, string) error { return nil }},
	{"symlink", false, false, func(path, victim string) error { return os.Symlink(victim, path) }},
	{"symlink to nothing", false, false, func(path, _ string) error { return os.Symlink("new", path) }},
	{"symlink to a directory", false, false, func(path, _ string) error { return os.Symlink(".", path) }},
	{"hard link", false, true, func(path, victim string) error { return os.Link(victim, path) }},
	{"fifo", false, false, func(path, _ string) error { return unix.Mkfifo(path, 0o666) }},
	{"directory", false, false, func(path, _ string) error { return os.Mkdir(path, 0o777) }},
	{"leftover", false, true, func(path, _ string) error { return os.WriteFile(path, large(), 0o600) }},
	{"group writable", false, true, func(path, _ string) error {
		return errors.Join(os.WriteFile(path, large(), 0o600), os.Chmod(path, 0o660))
	}},
	{"world writable", false, true, func(path, _ string) error {
		return errors.Join(os.WriteFile(path, large(), 0o600), os.Chmod(path, 0o606))
	}},
	{"foreign", true, false, func(path, _ string) error {
		return errors.Join(os.WriteFile(path, large(), 0o600), os.Chown(path, nobody, nobody))
	}},
	{"device", true, false, func(path, _ string) error { return unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) }},
}

func large() []byte { return bytes.Repeat([]byte("planted\n"), 3*delta.ChunkSize/8) }

// TestPlanted prepares the names that a run will use. Nothing is followed, nothing
// of others is changed, what was planted is not taken for good, and no file fails.
func TestPlanted(t *testing.T) {
	for _, where := range []struct {
		name string
		of   func(string) string
	}{{"partial", manifest.PartialName}, {"sidecar", manifest.SidecarName}} {
		for _, tt := range plants {
			t.Run(where.name+" "+tt.name, func(t *testing.T) {
				if tt.root {
					need.Root(t, "only root can make it")
				}
				outside := t.TempDir()
				victim := filepath.Join(outside, "victim")
				must(t, os.WriteFile(victim, large(), 0o600))
				plant := func(root string) { must(t, tt.plant(filepath.Join(root, where.of("file")), victim)) }
				check := func() {
					t.Helper()
					data, err := os.ReadFile(victim)
					if err != nil || !bytes.Equal(data, large()) {
						t.Errorf("the victim has changed: %v", err)
					}
					wantOnly(t, outside, "victim")
				}
				testPlanted(t, plant, tt.usual, tt.name == "leftover" && where.name == "partial")
				check()
				testPlantedInPlace(t, plant)
				check()
				testPlantedLater(t, plant, where.of("file"))
				check()
			})
		}
	}
}

// testPlanted: something is there before a file is begun. Only what nobody else can
// have written is of use.
func testPlanted(t *testing.T, plant func(root string), usual, useful bool) {
	root := t.TempDir()
	plant(root)
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	p, err := tree.Partial(t.Context(), "file")
	switch {
	case err == nil && useful:
		if len(p.Held()) > 0 {
			t.Errorf("%d chunks are held", len(p.Held()))
		}
		must(t, p.Close())
	case useful, !errors.Is(err, fs.ErrNotExist):
		t.Errorf("Partial: %v", err)
	}
	must(t, begin(t, tree, "file", resumable, 2).Discard())
	held := 0
	if p, err = tree.Partial(t.Context(), "file"); err == nil {
		held = len(p.Held())
		must(t, p.Close())
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Partial: %v", err)
	}
	if usual && held != 2 {
		t.Errorf("%d chunks are held after an interruption", held)
	}
	must(t, tree.DropPartial(t.Context(), "file"))
	f := begin(t, tree, "file", resumable, 3)
	finish(t, tree, f, 3, entry(0o644))
	wantChunks(t, filepath.Join(root, "file"), 3)
	for _, name := range []string{manifest.PartialName("file"), manifest.SidecarName("file")} {
		if _, err := tree.RemoveStale(t.Context(), name, true); err != nil {
			t.Errorf("RemoveStale: %v", err)
		}
	}
	if usual {
		wantOnly(t, root, "file")
	}
}

// testPlantedInPlace: something is there before a file is written in place.
func testPlantedInPlace(t *testing.T, plant func(root string)) {
	root := t.TempDir()
	plant(root)
	must(t, os.WriteFile(filepath.Join(root, "file"), []byte("old"), 0o600))
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	f, err := tree.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: entry(0).Sec})
	must(t, err)
	receive(t, f, 0, 2)
	finish(t, tree, f, 2, entry(0o644))
	wantChunks(t, filepath.Join(root, "file"), 2)
}

// testPlantedLater: something takes the place of what a run has left, or has open.
func testPlantedLater(t *testing.T, plant func(root string), name string) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	must(t, begin(t, tree, "file", resumable, 2).Discard())
	must(t, os.Remove(filepath.Join(root, name)))
	plant(root)
	p, err := tree.Partial(t.Context(), "file")
	if err == nil {
		if len(p.Held()) > 0 {
			t.Errorf("%d chunks are held", len(p.Held()))
		}
		if err := p.Unlink(t.Context()); err != nil {
			t.Errorf("Unlink: %v", err)
		}
		must(t, p.Close())
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Partial: %v", err)
	}
	f := begin(t, tree, "file", resumable, 3)
	finish(t, tree, f, 3, entry(0o644))
	wantChunks(t, filepath.Join(root, "file"), 3)
}

// TestPlantedSidecar: a sidecar counts only if nobody else can have written it.
func TestPlantedSidecar(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	must(t, begin(t, tree, "file", resumable, 2).Discard())
	side := filepath.Join(root, manifest.SidecarName("file"))
	want := func(chunks int) {
		t.Helper()
		p, err := tree.Partial(t.Context(), "file")
		must(t, err)
		if len(p.Held()) != chunks {
			t.Errorf("%d chunks are held, want %d", len(p.Held()), chunks)
		}
		must(t, p.Close())
	}
	want(2)
	must(t, os.Link(side, side+"x"))
	want(0)
	must(t, os.Remove(side+"x"))
	for mode, chunks := range map[os.FileMode]int{0o620: 0, 0o602: 0, 0o644: 2} {
		must(t, os.Chmod(side, mode))
		want(chunks)
	}
	if os.Geteuid() == 0 {
		must(t, os.Chown(side, nobody, nobody))
		want(0)
	}
}

// TestPlantedSidecarSize: a sidecar that somebody else has made is not read,
// however much there is to read.
func TestPlantedSidecarSize(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	defer tree.Close()
	must(t, begin(t, tree, "file", resumable, 2).Discard())
	side := filepath.Join(root, manifest.SidecarName("file"))
	must(t, os.Remove(side))
	must(t, os.WriteFile(side, nil, 0o600))
	must(t, os.Truncate(side, 1<<30))
	must(t, os.Chmod(side, 0o622))
	if os.Geteuid() == 0 {
		must(t, os.Chown(side, nobody, nobody))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p, err := tree.Partial(t.Context(), "file")
	must(t, err)
	if len(p.Held()) > 0 {
		t.Errorf("%d chunks are held", len(p.Held()))
	}
	must(t, p.Close())
	must(t, os.Remove(filepath.Join(root, manifest.PartialName("file"))))
	if _, err := tree.RemoveStale(t.Context(), manifest.SidecarName("file"), true); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d MiB were allocated", n>>20)
	}
}

// asNobody runs f as an ordinary user. Of root's threads this one alone loses its
// rights.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(nobody); err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = unix.Setfsuid(0) }() // the thread ends with its goroutine if not
	f()
}

// TestInPlaceUnmarked: where the mark cannot be made the file is written all the
// same, as it is for this that people write in place.
func TestInPlaceUnmarked(t *testing.T) {
	base := t.TempDir()
	must(t, os.Chmod(filepath.Dir(base), 0o755))
	must(t, os.Chmod(base, 0o755))
	root := filepath.Join(base, "root")
	must(t, os.Mkdir(root, 0o755))
	path := filepath.Join(root, "file")
	must(t, os.WriteFile(path, []byte("old content"), 0o600))
	if os.Geteuid() == 0 {
		must(t, os.Chown(path, nobody, nobody))
	}
	for _, policy := range []engine.Durability{engine.SyncRun, engine.SyncNone} {
		asNobody(t, func() {
			var log bytes.Buffer
			tree, err := Open(root, engine.DestOptions{Durability: policy}, slog.New(slog.NewTextHandler(&log, nil)))
			must(t, err)
			defer tree.Close()
			f, err := tree.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: entry(0).Sec})
			must(t, err)
			_, err = f.WriteAt([]byte("NEW"), 0)
			must(t, err)
			_, err = f.WriteAt([]byte("more"), 3)
			must(t, err)
			if info, err := os.Lstat(path); err != nil || info.ModTime().Unix() != 0 {
				t.Errorf("while it is written it has time %v, %v", info.ModTime(), err)
			}
			result := make(chan error, 1)
			f.Commit(t.Context(), 11, entry(0o600), manifest.AttrTimes, func(err error) { result <- err })
			must(t, tree.Sync(t.Context()))
			must(t, <-result)
			if n := strings.Count(log.String(), "level=WARN"); n != 1 {
				t.Errorf("%d warnings: %s", n, log.String())
			}
		})
		data, err := os.ReadFile(path)
		if err != nil || string(data) != "NEWmorentent" && string(data) != "NEWmoretent" {
			t.Errorf("%q, %v", data, err)
		}
	}
}

// noInodes returns a directory in which n more files can be made, with room for their content.
func noInodes(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	opts := "size=64m,mode=700,nr_inodes=" + string(rune('0'+n+1))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, opts); err != nil {
		t.Skipf("nothing can be mounted: %v", err)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	return dir
}

// TestNoRoomForSidecar: that the sidecar cannot be made costs a later run bytes.
func TestNoRoomForSidecar(t *testing.T) {
	root := noInodes(t, 1)
	var log bytes.Buffer
	tree, err := Open(root, engine.DestOptions{}, slog.New(slog.NewTextHandler(&log, nil)))
	must(t, err)
	defer tree.Close()
	must(t, begin(t, tree, "file", resumable, 2).Discard())
	wantOnly(t, root, manifest.PartialName("file"))
	p, err := tree.Partial(t.Context(), "file")
	must(t, err)
	f, err := p.Continue(t.Context(), 0, resumable)
	must(t, err)
	receive(t, f, 0, 3)
	finish(t, tree, f, 3, entry(0o644))
	wantChunks(t, filepath.Join(root, "file"), 3)
	if n := strings.Count(log.String(), "level=WARN"); n != 2 {
		t.Errorf("%d warnings of two runs: %s", n, log.String())
	}
	f, err = tree.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: entry(0).Sec})
	must(t, err)
	receive(t, f, 0, 2)
	finish(t, tree, f, 2, entry(0o644))
	wantChunks(t, filepath.Join(root, "file"), 2)
	wantOnly(t, root, "file")
}

// TestNoRoomForData: what is there of a file that did not fit can be gone on with.
func TestNoRoomForData(t *testing.T) {
	root := noInodes(t, 4)
	must(t, os.WriteFile(filepath.Join(root, "other"), make([]byte, 60<<20), 0o600))
	tree := openTree(t, root, engine.DestOptions{})
	defer tree.Close()
	f := begin(t, tree, "file", resumable, 2)
	_, err := f.WriteAt(make([]byte, 8<<20), 2<<20)
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	must(t, f.Discard())
	if exists(filepath.Join(root, "file")) {
		t.Error("it is visible")
	}
	// What is there already can be written on a full disk, in place.
	other, err := os.OpenFile(filepath.Join(root, "other"), os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	for n := 1 << 20; n > 0; {
		if _, err := other.Write(make([]byte, n)); err != nil {
			n /= 2
		}
	}
	must(t, other.Close())
	g, err := tree.Create(t.Context(), "other", engine.CreateOptions{InPlace: true, Sec: entry(0).Sec})
	must(t, err)
	receive(t, g, 0, 1)
	if exists(filepath.Join(root, manifest.SidecarName("other"))) {
		t.Error("half a mark was left")
	}
	must(t, g.Discard())
	must(t, os.Remove(filepath.Join(root, "other")))
	p, err := tree.Partial(t.Context(), "file")
	must(t, err)
	if len(p.Held()) != 2 {
		t.Errorf("%d chunks are held", len(p.Held()))
	}
	f, err = p.Continue(t.Context(), 2, resumable)
	must(t, err)
	receive(t, f, 2, 5)
	finish(t, tree, f, 5, entry(0o644))
	wantChunks(t, filepath.Join(root, "file"), 5)
	wantOnly(t, root, "file")
}

// TestUnreadablePartial: a leftover that this user may not even read must not
// keep a run going round.
func TestUnreadablePartial(t *testing.T) {
	base := t.TempDir()
	must(t, os.Chmod(filepath.Dir(base), 0o755))
	must(t, os.Chmod(base, 0o755))
	root := filepath.Join(base, "root")
	must(t, os.Mkdir(root, 0o755))
	name := filepath.Join(root, manifest.PartialName("file"))
	must(t, os.WriteFile(name, large(), 0o000))
	if os.Geteuid() == 0 {
		must(t, os.Chown(root, nobody, nobody)) // the file stays that of the process's user
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		asNobody(t, func() {
			tree, err := Open(root, engine.DestOptions{Durability: engine.SyncNone}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer tree.Close()
			if err := tree.DropPartial(t.Context(), "file"); err != nil {
				t.Error(err)
			}
			if f, err := tree.Create(t.Context(), "file", resumable); err != nil {
				t.Error(err)
			} else if err := f.Remove(); err != nil {
				t.Error(err)
			}
			if !exists(name) {
				t.Error("a run may have held it, and it is gone")
			}
			tree.owner.now = func() time.Time { return time.Now().Add(staleAge + time.Hour) }
			if ok, err := tree.RemoveStale(t.Context(), filepath.Base(name), false); !ok || err != nil {
				t.Errorf("when it is old: %v, %v", ok, err)
			}
		})
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("hangs")
	}
}
