//go:build unix

package localfs

import (
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

// elsewhere returns a directory on another file system than dir.
func elsewhere(t *testing.T, dir string) string {
	t.Helper()
	other, err := os.MkdirTemp("/dev/shm", "gosync-")
	if err != nil {
		need.Missing(t, "a second file system", err.Error())
	}
	t.Cleanup(func() { must(t, os.RemoveAll(other)) })
	var a, b unix.Stat_t
	must(t, unix.Stat(dir, &a))
	must(t, unix.Stat(other, &b))
	if a.Dev == b.Dev {
		need.Missing(t, "a second file system", "/dev/shm is on that of the temporary directory")
	}
	return other
}

func opened(t *testing.T, dir string, how engine.DestOptions) *Tree {
	t.Helper()
	tree, err := Open(dir, how, nil)
	must(t, err)
	t.Cleanup(func() { must(t, tree.Close()) })
	return tree
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o750))
	must(t, os.WriteFile(path, []byte(content), 0o640))
}

func holds(t *testing.T, path, content string) {
	t.Helper()
	if data, err := os.ReadFile(path); err != nil || string(data) != content {
		t.Errorf("%s holds %q, %v; want %q", path, data, err, content)
	}
}

// TestBackupElsewhere keeps files, symlinks and FIFOs on another file system, where they have to be copied.
func TestBackupElsewhere(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	other := elsewhere(t, dir)
	write(t, dir+"/sub/file", "old")
	write(t, dir+"/sub/gone", "gone")
	must(t, os.Chtimes(dir+"/sub/file", epoch(1000), epoch(1000)))
	must(t, os.Symlink("to", dir+"/sub/link"))
	must(t, unix.Mkfifo(dir+"/sub/fifo", 0o600))
	tree := opened(t, dir, engine.DestOptions{})
	if inside, err := tree.KeepBackups(engine.Backups{Dir: other + "/new/bak", Suffix: ".s"}); err != nil || inside != "" {
		t.Fatal(inside, err)
	}
	put(t, tree, "sub/file", "new", func(err error) { must(t, err) })
	must(t, tree.Remove(ctx, "sub/gone", &manifest.Entry{Type: manifest.Regular}))
	must(t, tree.Remove(ctx, "sub/fifo", &manifest.Entry{Type: manifest.Fifo}))
	must(t, tree.Symlink(ctx, "sub/link", &manifest.Entry{Type: manifest.Symlink, Ext: &manifest.Ext{Link: "elsewhere"}}, 0))
	must(t, tree.Sync(ctx))
	bak := other + "/new/bak/sub/"
	holds(t, dir+"/sub/file", "new")
	holds(t, bak+"file.s", "old")
	holds(t, bak+"gone.s", "gone")
	if to, err := os.Readlink(bak + "link.s"); err != nil || to != "to" {
		t.Error(to, err)
	}
	for name, mode := range map[string]os.FileMode{"file.s": 0o640, "fifo.s": os.ModeNamedPipe | 0o600, "": os.ModeDir | 0o750} {
		if st, err := os.Lstat(bak + name); err != nil || st.Mode() != mode {
			t.Errorf("%q: %v, %v; want mode %v", name, st, err, mode)
		}
	}
	if st, err := os.Stat(bak + "file.s"); err != nil || st.ModTime().Unix() != 1000 {
		t.Error("time of the backup:", st, err)
	}
	if exists(dir+"/sub/gone") || exists(dir+"/sub/fifo") {
		t.Error("what was removed is there")
	}
}

// TestBackupIsTheFile wants the old file itself to become the backup.
func TestBackupIsTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/a", "old")
	before, err := os.Stat(dir + "/a")
	must(t, err)
	tree := opened(t, dir, engine.DestOptions{Durability: engine.SyncEach})
	_, err = tree.KeepBackups(engine.Backups{Suffix: "~"})
	must(t, err)
	put(t, tree, "a", "new", func(err error) { must(t, err) })
	holds(t, dir+"/a", "new")
	after, err := os.Stat(dir + "/a~")
	must(t, err)
	if !os.SameFile(before, after) || after.Sys().(*syscall.Stat_t).Nlink != 1 {
		t.Error("the backup is another file, or has two names")
	}
	// A backup is not kept once more when it is removed.
	must(t, tree.Remove(context.Background(), "a~", &manifest.Entry{Type: manifest.Regular}))
	if exists(dir + "/a~~") {
		t.Error("there is a backup of a backup")
	}
}

// TestBackupLeaves: symlinks that are not to be kept go without a backup, whatever takes them away.
func TestBackupLeaves(t *testing.T) {
	t.Parallel()
	ctx, dir := context.Background(), t.TempDir()
	must(t, os.Mkdir(dir+"/sub", 0o755))
	for _, name := range []string{"a", "b", "c", "sub/d"} {
		must(t, os.Symlink("/"+name, dir+"/"+name))
	}
	tree := opened(t, dir, engine.DestOptions{})
	var asked []string
	_, err := tree.KeepBackups(engine.Backups{Suffix: "~", Leaves: func(path, target string) bool {
		asked = append(asked, path+" "+target)
		return path != "c"
	}})
	must(t, err)
	link := &manifest.Entry{Type: manifest.Symlink, Ext: &manifest.Ext{Link: "new"}}
	must(t, tree.Remove(ctx, "a", link))
	must(t, tree.Symlink(ctx, "b", link, 0))
	must(t, tree.Symlink(ctx, "c", link, 0))
	must(t, tree.Remove(ctx, "sub/d", link))
	if got, want := names(t, dir), []string{"b", "c", "c~", "sub"}; !slices.Equal(got, want) {
		t.Errorf("%q are there, want %q", got, want)
	}
	if got := names(t, dir+"/sub"); len(got) != 0 {
		t.Errorf("%q are in sub", got)
	}
	if want := []string{"a /a", "b /b", "c /c", "sub/d /sub/d"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	m := &munged{opened(t, dir, engine.DestOptions{})}
	must(t, os.Symlink(mungePrefix+"in", dir+"/sub/m"))
	_, err = m.KeepBackups(engine.Backups{Suffix: "~", Leaves: func(_, target string) bool { return target != "in" }})
	must(t, err)
	must(t, m.Remove(ctx, "sub/m", link))
	if got := names(t, dir+"/sub"); !slices.Equal(got, []string{"m~"}) {
		t.Errorf("%q are in sub, want m~", got)
	}
}

// TestBackupBelowOlder keeps, beside that one, what lies in a directory where an older backup is of the file or
// symlink that stood in the directory's place.
func TestBackupBelowOlder(t *testing.T) {
	t.Parallel()
	dir, bak := t.TempDir(), t.TempDir()
	write(t, bak+"/a", "older")
	write(t, bak+"/a~", "one that has the name already")
	must(t, os.Symlink(t.TempDir(), bak+"/b"))
	write(t, dir+"/a/x", "1")
	write(t, dir+"/b/c/x", "2")
	tree := opened(t, dir, engine.DestOptions{})
	_, err := tree.KeepBackups(engine.Backups{Dir: bak})
	must(t, err)
	for _, path := range []string{"a/x", "b/c/x"} {
		must(t, tree.Remove(context.Background(), path, &manifest.Entry{Type: manifest.Regular}))
	}
	holds(t, bak+"/a/x", "1")
	holds(t, bak+"/b/c/x", "2")
	holds(t, bak+"/a~", "one that has the name already")
	holds(t, bak+"/a~1", "older")
	if st, err := os.Lstat(bak + "/b~"); err != nil || st.Mode().Type() != os.ModeSymlink {
		t.Errorf("the older backup of a symlink is lost: %v", err)
	}
}

// TestBackupAboveOlder keeps a file where older backups are in a directory of its name, which
// make room; beside the file itself, a directory of that name is nobody's backup.
func TestBackupAboveOlder(t *testing.T) {
	t.Parallel()
	dir, bak := t.TempDir(), t.TempDir()
	write(t, dir+"/a", "new a")
	write(t, dir+"/b", "new b")
	write(t, dir+"/c", "new c")
	write(t, bak+"/a/x", "older")
	must(t, os.Mkdir(bak+"/b", 0o755))
	write(t, bak+"/c/x", "older")
	tree := opened(t, dir, engine.DestOptions{})
	_, err := tree.KeepBackups(engine.Backups{Dir: bak})
	must(t, err)
	for _, path := range []string{"a", "b"} {
		must(t, tree.Remove(context.Background(), path, &manifest.Entry{Type: manifest.Regular}))
	}
	put(t, tree, "c", "newer c", func(err error) { must(t, err) })
	must(t, tree.Sync(t.Context()))
	for name, want := range map[string]string{"a": "new a", "a~/x": "older", "b": "new b", "c": "new c", "c~/x": "older"} {
		holds(t, bak+"/"+name, want)
	}
	if exists(bak + "/b~") {
		t.Error("an empty directory is kept")
	}

	write(t, dir+"/d", "d")
	write(t, dir+"/d~/x", "somebody's")
	tree = opened(t, dir, engine.DestOptions{})
	_, err = tree.KeepBackups(engine.Backups{Suffix: "~"})
	must(t, err)
	if err := tree.Remove(context.Background(), "d", &manifest.Entry{Type: manifest.Regular}); err == nil {
		t.Error("no error")
	}
	holds(t, dir+"/d", "d")
	holds(t, dir+"/d~/x", "somebody's")
}

// TestBackupInside tells where the directory for backups lies, however it is called.
func TestBackupInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/in/deep", 0o755))
	must(t, os.Symlink(dir+"/in", dir+"/link"))
	base := filepath.Base(dir)
	for name, want := range map[string]string{
		"bak": "bak", "a//b/": "a/b", "../bak": "", "../" + base + "/in": "in", dir + "/in/deep": "in/deep", "/nowhere": "", dir + "/link/deep": "in/deep",
	} {
		tree := opened(t, dir, engine.DestOptions{})
		if got, err := tree.KeepBackups(engine.Backups{Dir: name}); err != nil || got != want {
			t.Errorf("%s: inside %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"link", "link/deep"} {
		if _, err := opened(t, dir, engine.DestOptions{}).KeepBackups(engine.Backups{Dir: name}); err == nil {
			t.Errorf("%s: a symlink is followed", name)
		}
	}
	// What the source may have sent does not lead backups out of the tree, however that
	// is named, nor does a symlink that it sends while it is copied.
	other := t.TempDir()
	must(t, os.Symlink(other, dir+"/out"))
	for _, name := range []string{dir + "/out", dir + "/out/bak", "../" + base + "/out/bak"} {
		if _, err := opened(t, dir, engine.DestOptions{}).KeepBackups(engine.Backups{Dir: name}); err == nil {
			t.Errorf("%s: a symlink is followed", name)
		}
		if err := opened(t, dir, engine.DestOptions{}).UseTempDir(name); err == nil {
			t.Errorf("%s: a symlink is followed to temporaries", name)
		}
	}
	late := opened(t, dir, engine.DestOptions{})
	if got, err := late.KeepBackups(engine.Backups{Dir: dir + "/late/bak"}); err != nil || got != "late/bak" {
		t.Errorf("late/bak: inside %q, %v", got, err)
	}
	must(t, os.Symlink(other, dir+"/late"))
	write(t, dir+"/f", "old")
	if err := late.Remove(context.Background(), "f", &manifest.Entry{Type: manifest.Regular}); err == nil || !exists(dir+"/f") || exists(other+"/bak") {
		t.Errorf("a symlink that came later is followed: %v", err)
	}
	// The root may be named by way of a symlink, and the directory need not be there.
	must(t, os.Symlink(dir, other+"/root"))
	named := opened(t, other+"/root", engine.DestOptions{})
	if got, err := named.KeepBackups(engine.Backups{Dir: dir + "/new/bak"}); err != nil || got != "new/bak" {
		t.Errorf("new/bak: inside %q, %v", got, err)
	}
	for _, name := range []string{"../x", "/x", "a/../../x"} {
		m := &munged{opened(t, dir, engine.DestOptions{})}
		if _, err := m.KeepBackups(engine.Backups{Dir: name}); err == nil {
			t.Errorf("%s: it leads out of what the client may reach", name)
		}
		if err := m.UseTempDir(name); err == nil {
			t.Errorf("%s: temporaries lead out of what the client may reach", name)
		}
	}
}

// TestTempDir makes a file in another directory, on the same file system and on another. It does not take the
// place of a file that has its temporary name at the destination.
func TestTempDir(t *testing.T) {
	t.Parallel()
	for _, apart := range []bool{false, true} {
		dir, temps := t.TempDir(), t.TempDir()
		if apart {
			temps = elsewhere(t, dir)
		}
		tree := opened(t, dir, engine.DestOptions{})
		must(t, tree.UseTempDir(temps))
		f, err := tree.Create(context.Background(), "a", engine.CreateOptions{})
		must(t, err)
		_, err = f.WriteAt([]byte("content"), 0)
		must(t, err)
		if here, there := names(t, dir), names(t, temps); len(here) != 0 || len(there) != 1 {
			t.Errorf("while it is written: %q at the destination, %q in the other directory", here, there)
		}
		taken := dir + "/" + names(t, temps)[0]
		write(t, taken, "another's")
		f.Commit(context.Background(), 7, entry(0o604), allAttrs, func(err error) { must(t, err) })
		must(t, tree.Sync(context.Background()))
		holds(t, dir+"/a", "content")
		holds(t, taken, "another's")
		must(t, os.Remove(taken))
		if st, err := os.Stat(dir + "/a"); err != nil || st.Mode() != 0o604 || st.ModTime().Unix() != 1_234_567_890 {
			t.Error(st, err)
		}
		g, err := tree.Create(context.Background(), "b", engine.CreateOptions{Visible: true})
		must(t, err)
		_, err = g.WriteAt([]byte("content"), 0)
		must(t, err)
		must(t, g.Discard())
		if here, there := names(t, dir), names(t, temps); len(here) != 1 || len(there) != 0 {
			t.Errorf("in the end: %q at the destination, %q in the other directory", here, there)
		}
	}
}

// TestTempDirSwapped has somebody put another file in the place of a temporary.
func TestTempDirSwapped(t *testing.T) {
	t.Parallel()
	dir, temps := t.TempDir(), t.TempDir()
	tree := opened(t, dir, engine.DestOptions{})
	must(t, tree.UseTempDir(temps))
	f, err := tree.Create(context.Background(), "a", engine.CreateOptions{})
	must(t, err)
	name := temps + "/" + names(t, temps)[0]
	must(t, os.Remove(name))
	write(t, name, "evil")
	var failed error
	f.Commit(context.Background(), 0, entry(0o644), allAttrs, func(err error) { failed = err })
	must(t, tree.Sync(context.Background()))
	if failed == nil || exists(dir+"/a") {
		t.Error("what somebody else has made appears:", failed)
	}
}

// TestDelayUpdates wants no file to appear before the tree is synced, and none ever if it is not.
func TestDelayUpdates(t *testing.T) {
	t.Parallel()
	for _, durability := range []engine.Durability{engine.SyncRun, engine.SyncEach, engine.SyncNone} {
		dir := t.TempDir()
		write(t, dir+"/a", "old")
		tree := opened(t, dir, engine.DestOptions{Durability: durability})
		tree.DelayUpdates()
		tree.groups.wait = 0
		done := 0
		for range 3 {
			put(t, tree, "a", "new", func(err error) { must(t, err); done++ })
			put(t, tree, "b", "new", func(err error) { must(t, err); done++ })
			must(t, tree.groups.finish(context.Background()))
		}
		holds(t, dir+"/a", "old")
		if exists(dir+"/b") || done != 0 {
			t.Error("a file has appeared before the end")
		}
		must(t, tree.Sync(context.Background()))
		holds(t, dir+"/a", "new")
		holds(t, dir+"/b", "new")
		if done != 6 {
			t.Errorf("%d of 6 files were said to be done", done)
		}
	}
	dir := t.TempDir()
	tree, err := Open(dir, engine.DestOptions{}, nil)
	must(t, err)
	tree.DelayUpdates()
	var failed error
	put(t, tree, "a", "new", func(err error) { failed = err })
	must(t, tree.Close())
	if failed == nil || len(names(t, dir)) != 0 {
		t.Error("a run that is broken off leaves", names(t, dir), failed)
	}
}

func epoch(sec int64) time.Time { return time.Unix(sec, 0) }

// names lists what is in a directory.
func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// TestBackupChanged: what has changed while a copy of it was made stays.
func TestBackupChanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := elsewhere(t, dir)
	write(t, dir+"/a", "newer")
	tree, to := opened(t, dir, engine.DestOptions{}), opened(t, other, engine.DestOptions{})
	e, err := tree.Stat(context.Background(), "a")
	must(t, err)
	e.Sec-- // as it was when the copy began
	k := &kept{t: tree, from: tree.top, name: "a", e: &e, to: to.top, as: "a"}
	if err := k.put(false); err == nil {
		t.Error("it is removed")
	}
	holds(t, dir+"/a", "newer")
}

// TestLinkFromChanged: a file that has changed since it was listed is not linked.
func TestLinkFromChanged(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir, old := t.TempDir(), t.TempDir()
	write(t, old+"/a", "as it was listed")
	tree, from := opened(t, dir, engine.DestOptions{}), opened(t, old, engine.DestOptions{ReadOnly: true})
	e, err := from.Stat(ctx, "a")
	must(t, err)
	must(t, tree.LinkFrom(ctx, "same", from, "a", &e))
	write(t, old+"/a", "another content")
	if err := tree.LinkFrom(ctx, "other", from, "a", &e); err == nil || exists(dir+"/other") {
		t.Errorf("it is linked: %v", err)
	}
	write(t, dir+"/there", "stays")
	if err := tree.LinkFrom(ctx, "there", from, "a", &e); err == nil {
		t.Error("it is linked")
	}
	holds(t, dir+"/there", "stays")
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 {
		t.Errorf("%v, %v are there; want same and there", names, err)
	}
}

// TestDelayedDescriptors: of large files that are held back only some stay open.
func TestDelayedDescriptors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree := opened(t, dir, engine.DestOptions{Durability: engine.SyncNone})
	tree.DelayUpdates()
	for i, open := range []bool{true, false} {
		name := [...]string{"a", "b"}[i]
		f := begin(t, tree, name, resumable, 2).(*newFile)
		f.end.Store(largeFile + 1)
		f.Commit(context.Background(), 2*delta.ChunkSize, entry(0o644), allAttrs, func(err error) { must(t, err) })
		if f.fd >= 0 != open || f.resumable != open {
			t.Errorf("%s: descriptor %d, resumable: %t", name, f.fd, f.resumable)
		}
		tree.delayed.locks = maxLocks
	}
	must(t, tree.Sync(context.Background()))
	if got := names(t, dir); len(got) != 2 {
		t.Errorf("%q are there; want a and b", got)
	}
}

// TestTempDirStale: what a killed run has left in the directory for temporaries goes,
// unless this run changes nothing, and what others have there stays.
func TestTempDirStale(t *testing.T) {
	t.Parallel()
	host := hostTag()
	for _, readOnly := range []bool{true, false} {
		temps := t.TempDir()
		stale := tempPrefix + hex.EncodeToString(host[:]) + "0a0b" + "01234567"
		other := tempPrefix + hex.EncodeToString([]byte{host[0] + 1, host[1]}) + "0a0b" + "01234567"
		for _, name := range []string{stale, other, "mine", ".gosync.mine"} {
			write(t, temps+"/"+name, "x")
		}
		tree := opened(t, t.TempDir(), engine.DestOptions{ReadOnly: readOnly})
		must(t, tree.UseTempDir(temps))
		if got := exists(temps + "/" + stale); got != readOnly {
			t.Errorf("read only %t: what was left is there: %t", readOnly, got)
		}
		for _, name := range []string{other, "mine", ".gosync.mine"} {
			holds(t, temps+"/"+name, "x")
		}
	}
}
