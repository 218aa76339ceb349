//go:build unix

package treetest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

func testMkdir(t *testing.T, d engine.Dest, root string) {
	must(t, d.Mkdir(t.Context(), "dir"))
	must(t, d.Mkdir(t.Context(), "dir/sub"))
	if info, err := os.Lstat(filepath.Join(root, "dir")); err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("directory is %v, %v", info.Mode(), err)
	}
	if err := d.Mkdir(t.Context(), "dir"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("twice: %v", err)
	}
	if err := d.Mkdir(t.Context(), "none/dir"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("below nothing: %v", err)
	}
	must(t, create(t, d, "dir/sub/file", "x", engine.CreateOptions{}, fileEntry(0o644), manifest.AttrMode))
	must(t, d.Sync(t.Context()))
}

func linkEntry(target string) *manifest.Entry {
	e := fileEntry(0o777)
	e.Type, e.Ext = manifest.Symlink, &manifest.Ext{Link: target}
	return e
}

func testSymlink(t *testing.T, d engine.Dest, root string, limits Limits) {
	attrs := manifest.AttrTimes
	if limits.NoLinkTimes {
		attrs = 0
	}
	at := func(name string) string { return filepath.Join(root, name) }
	write(t, at("file"), "old")
	must(t, os.Symlink("old", at("link")))
	must(t, os.Mkdir(at("dir"), 0o755))
	for _, name := range []string{"new", "file", "link"} {
		must(t, d.Symlink(t.Context(), name, linkEntry("../some/where"), attrs))
		if got, err := os.Readlink(at(name)); err != nil || got != "../some/where" {
			t.Errorf("%s leads to %q, %v", name, got, err)
		}
		if info, err := os.Lstat(at(name)); err != nil || attrs != 0 && info.ModTime().Unix() != mtime.Unix() {
			t.Errorf("%s has time %v, %v", name, info.ModTime(), err)
		}
	}
	if err := d.Symlink(t.Context(), "dir", linkEntry("x"), 0); err == nil {
		t.Error("a directory was replaced")
	}
	wantNoTemps(t, d, root)
}

func testLink(t *testing.T, d engine.Dest, root string) {
	at := func(name string) string { return filepath.Join(root, name) }
	write(t, at("file"), "content")
	write(t, at("other"), "other")
	must(t, os.Mkdir(at("dir"), 0o755))
	for _, name := range []string{"dir/new", "other", "other", "file"} {
		must(t, d.Link(t.Context(), name, "file"))
		a, err := os.Lstat(at("file"))
		must(t, err)
		if b, err := os.Lstat(at(name)); err != nil || !os.SameFile(a, b) {
			t.Errorf("%s is no link: %v", name, err)
		}
	}
	if err := d.Link(t.Context(), "x", "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("link to nothing: %v", err)
	}
	wantNoTemps(t, d, root)
}

func testMknod(t *testing.T, d engine.Dest, root string) {
	e := fileEntry(0o640)
	e.Type = manifest.Fifo
	for range 2 { // the second one replaces the first
		must(t, d.Mknod(t.Context(), "fifo", e, manifest.AttrMode|manifest.AttrTimes))
		info, err := os.Lstat(filepath.Join(root, "fifo"))
		must(t, err)
		if info.Mode() != fs.ModeNamedPipe|0o640 || info.ModTime().Unix() != mtime.Unix() {
			t.Errorf("fifo is %v of %v", info.Mode(), info.ModTime())
		}
	}
	wantNoTemps(t, d, root)
}

func testSetAttrs(t *testing.T, d engine.Dest, root string, limits Limits) {
	at := func(name string) string { return filepath.Join(root, name) }
	write(t, at("file"), "x")
	must(t, os.Mkdir(at("dir"), 0o700))
	must(t, os.Symlink("file", at("link")))
	file, dir, link := fileEntry(0o604), fileEntry(0o705), linkEntry("file")
	dir.Type = manifest.Directory
	file.Sec, dir.Sec, link.Sec = 1000, 2000, 3000
	for name, e := range map[string]*manifest.Entry{"file": file, "dir": dir, "link": link} {
		if name == "link" && limits.NoLinkTimes {
			continue
		}
		must(t, d.SetAttrs(t.Context(), name, e, manifest.AttrMode|manifest.AttrTimes))
		info, err := os.Lstat(at(name))
		must(t, err)
		if info.ModTime().Unix() != e.Sec || name != "link" && info.Mode().Perm() != fs.FileMode(e.Mode) {
			t.Errorf("%s has %v %v", name, info.Mode(), info.ModTime())
		}
	}
	for name, e := range map[string]*manifest.Entry{"dir": file, "link": file, "file": dir} {
		if err := d.SetAttrs(t.Context(), name, e, manifest.AttrMode); err == nil {
			t.Errorf("%s took the attributes of a %v", name, e.Type)
		}
	}
	if err := d.SetAttrs(t.Context(), "none", file, manifest.AttrMode); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("attributes of nothing: %v", err)
	}
	must(t, d.SetAttrs(t.Context(), "", dir, manifest.AttrTimes))
	if info, err := os.Lstat(root); err != nil || info.ModTime().Unix() != 2000 {
		t.Errorf("the root has %v, %v", info.ModTime(), err)
	}
}

// testSetuid: a change of the owner takes the setuid bit away, so it must come first.
func testSetuid(t *testing.T, d engine.Dest, root string, limits Limits) {
	path := filepath.Join(root, "file")
	want := func(uid uint32, mode uint32) {
		t.Helper()
		info, err := os.Lstat(path)
		must(t, err)
		if st := info.Sys().(*syscall.Stat_t); st.Uid != uid || uint32(st.Mode)&0o7777 != mode {
			t.Errorf("uid %d mode %o, want %d %o", st.Uid, st.Mode&0o7777, uid, mode)
		}
	}
	e := fileEntry(0o6755)
	e.UID, e.GID = 12345, 12346
	must(t, create(t, d, "file", "x", engine.CreateOptions{}, e, allAttrs))
	want(12345, 0o6755)
	e.UID = 54321
	must(t, d.SetAttrs(t.Context(), "file", e, manifest.AttrOwner))
	want(54321, 0o6755)
	if limits.NoLinkTimes {
		return
	}
	link := linkEntry("file")
	link.UID = 777
	must(t, d.Symlink(t.Context(), "link", link, manifest.AttrOwner))
	want(54321, 0o6755)
	if info, err := os.Lstat(filepath.Join(root, "link")); err != nil || info.Sys().(*syscall.Stat_t).Uid != 777 {
		t.Errorf("link: %v", err)
	}
}

func testRemove(t *testing.T, d engine.Dest, root string) {
	at := func(name string) string { return filepath.Join(root, name) }
	write(t, at("file"), "x")
	must(t, os.Mkdir(at("dir"), 0o700))
	must(t, os.Mkdir(at("full"), 0o700))
	write(t, at("full/file"), "x")
	must(t, os.Symlink("full", at("link")))
	file, link, dir := fileEntry(0), linkEntry(""), fileEntry(0)
	dir.Type = manifest.Directory
	for name, e := range map[string]*manifest.Entry{"file": dir, "dir": file, "link": dir, "full": dir} {
		if err := d.Remove(t.Context(), name, e); err == nil {
			t.Errorf("%s was removed as a %v", name, e.Type)
		}
	}
	if err := d.Remove(t.Context(), "link", file); err == nil {
		t.Error("link was removed as a file")
	}
	for name, e := range map[string]*manifest.Entry{"file": file, "dir": dir, "link": link} {
		must(t, d.Remove(t.Context(), name, e))
		wantGone(t, at(name))
	}
	wantContent(t, at("full/file"), "x")
	if err := d.Remove(t.Context(), "none", file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove nothing: %v", err)
	}
	must(t, d.Sync(t.Context()))
}
