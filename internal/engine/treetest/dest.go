//go:build unix

package treetest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// OpenDest opens a tree on an empty directory of this machine, which it
// returns too. The caller closes the tree.
type OpenDest func(t *testing.T) (tree engine.Dest, root string)

const allAttrs = manifest.AttrOwner | manifest.AttrGroup | manifest.AttrMode | manifest.AttrTimes

// TestDest tests a tree that is written to. Each test opens one of its own.
func TestDest(t *testing.T, open OpenDest, limits Limits) {
	tests := []struct {
		name string
		skip bool
		test func(*testing.T, engine.Dest, string)
	}{
		{"Create", false, testCreate},
		{"Attributes", false, func(t *testing.T, d engine.Dest, root string) { testAttributes(t, d, root, limits) }},
		{"Invisible", false, testInvisible},
		{"Discard", false, testDiscard},
		{"Replace", false, testReplace},
		{"InPlace", limits.NoInPlace, testInPlace},
		{"InPlaceElsewhere", limits.NoInPlace, func(t *testing.T, d engine.Dest, root string) { testInPlaceElsewhere(t, d, root, limits) }},
		{"Sparse", false, testSparse},
		{"CopyFrom", false, testCopyFrom},
		{"Mkdir", false, testMkdir},
		{"Symlink", false, func(t *testing.T, d engine.Dest, root string) { testSymlink(t, d, root, limits) }},
		{"Link", limits.NoLinks, testLink},
		{"Mknod", limits.NoSpecials, testMknod},
		{"SetAttrs", false, func(t *testing.T, d engine.Dest, root string) { testSetAttrs(t, d, root, limits) }},
		{"Setuid", limits.NoOwners || os.Geteuid() != 0, func(t *testing.T, d engine.Dest, root string) { testSetuid(t, d, root, limits) }},
		{"Remove", false, testRemove},
		{"Stat", false, testStat},
		{"Names", false, testDestNames},
		{"BadPaths", false, testDestBadPaths},
		{"Symlinks", false, func(t *testing.T, d engine.Dest, root string) { testDestSymlinks(t, d, root, limits) }},
		{"Deep", limits.NoLongPaths, testDestDeep},
		{"Cancelled", false, testDestCancelled},
		{"Moved", false, testMoved},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.skip {
				t.Skip("this tree cannot do it, or this user")
			}
			d, root := open(t)
			tt.test(t, d, root)
		})
	}
	t.Run("ResumeChanged", func(t *testing.T) {
		if limits.NoPartials {
			t.Skip("this tree cannot do it")
		}
		d, root := open(t)
		testResumeChanged(t, d, root, limits)
	})
	for _, tt := range partialTests {
		t.Run(tt.name, func(t *testing.T) {
			if limits.NoPartials || tt.inPlace && limits.NoInPlace {
				t.Skip("this tree cannot do it")
			}
			d, root := open(t)
			tt.test(t, d, root)
		})
	}
	t.Run("Close", func(t *testing.T) { testClose(t, open) })
}

func testCreate(t *testing.T, d engine.Dest, root string) {
	large := strings.Repeat("0123456789", 300_000)
	for name, content := range map[string]string{"empty": "", "small": "hello", "large": large} {
		must(t, create(t, d, name, content, engine.CreateOptions{Size: int64(len(content))}, fileEntry(0o640), manifest.AttrMode|manifest.AttrTimes))
		wantContent(t, filepath.Join(root, name), content)
	}
	f, err := d.Create(t.Context(), "cut", engine.CreateOptions{Size: 100})
	must(t, err)
	_, err = f.WriteAt([]byte("0123456789"), 0)
	must(t, err)
	must(t, commit(t.Context(), t, d, f, 4, fileEntry(0o644), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "cut"), "0123")
	wantNoTemps(t, d, root)
}

func wantNoTemps(t *testing.T, d engine.Dest, root string) {
	t.Helper()
	must(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && manifest.Temporary(e.Name()) {
			t.Errorf("%s was left behind", path)
		}
		return err
	}))
}

func testAttributes(t *testing.T, d engine.Dest, root string, limits Limits) {
	for _, mode := range []uint16{0o600, 0o644, 0o755, 0o400, 0o000, 0o7777} {
		must(t, create(t, d, "file", "x", engine.CreateOptions{}, fileEntry(mode), manifest.AttrMode|manifest.AttrTimes))
		info, err := os.Lstat(filepath.Join(root, "file"))
		must(t, err)
		st := info.Sys().(*syscall.Stat_t)
		if uint16(st.Mode)&0o7777 != mode {
			t.Errorf("mode %o became %o", mode, st.Mode&0o7777)
		}
		if got := info.ModTime(); got.Unix() != mtime.Unix() || !limits.NoNanos && !got.Equal(mtime) {
			t.Errorf("time is %v", got)
		}
	}
}

func testInvisible(t *testing.T, d engine.Dest, root string) {
	write(t, filepath.Join(root, "file"), "old")
	f, err := d.Create(t.Context(), "file", engine.CreateOptions{})
	must(t, err)
	_, err = f.WriteAt([]byte("new content"), 0)
	must(t, err)
	wantContent(t, filepath.Join(root, "file"), "old")
	entries, err := os.ReadDir(root)
	must(t, err)
	for _, e := range entries {
		if e.Name() == "file" {
			continue
		}
		info, err := e.Info()
		must(t, err)
		if !manifest.Temporary(e.Name()) || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s with mode %v is visible", e.Name(), info.Mode())
		}
	}
	must(t, commit(t.Context(), t, d, f, 11, fileEntry(0o644), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "file"), "new content")
}

func testDiscard(t *testing.T, d engine.Dest, root string) {
	write(t, filepath.Join(root, "kept"), "old")
	for _, tt := range []struct {
		name    string
		content string
		how     engine.CreateOptions
		want    string // "" for none
	}{
		{"kept", "new", engine.CreateOptions{}, "old"},
		{"gone", "new", engine.CreateOptions{}, ""},
		{"nothing", "", engine.CreateOptions{Visible: true, Sec: mtime.Unix()}, ""},
		{"partial", "part", engine.CreateOptions{Visible: true, Sec: mtime.Unix()}, "part"},
	} {
		f, err := d.Create(t.Context(), tt.name, tt.how)
		must(t, err)
		if tt.content != "" {
			_, err = f.WriteAt([]byte(tt.content), 0)
			must(t, err)
		}
		must(t, f.Discard())
		path := filepath.Join(root, tt.name)
		if tt.want == "" {
			wantGone(t, path)
			continue
		}
		wantContent(t, path, tt.want)
		if info, err := os.Lstat(path); tt.how.Visible && (err != nil || info.ModTime().Unix() != 0) {
			t.Errorf("%s has time %v, %v", tt.name, info.ModTime(), err)
		}
	}
	wantNoTemps(t, d, root)
}

func testReplace(t *testing.T, d engine.Dest, root string) {
	at := func(name string) string { return filepath.Join(root, name) }
	write(t, at("target"), "target")
	must(t, os.Symlink("target", at("link")))
	must(t, syscall.Mkfifo(at("fifo"), 0o600))
	must(t, os.Link(at("target"), at("hard")))
	must(t, os.Mkdir(at("dir"), 0o755))
	write(t, at("dir/file"), "in")
	within(t, func() {
		for _, name := range []string{"link", "fifo", "hard"} {
			if err := create(t, d, name, "new "+name, engine.CreateOptions{}, fileEntry(0o644), manifest.AttrMode); err != nil {
				t.Errorf("replace %s: %v", name, err)
			}
		}
	})
	for _, name := range []string{"link", "fifo", "hard"} {
		wantContent(t, at(name), "new "+name)
		if info, err := os.Lstat(at(name)); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is %v, %v", name, info.Mode(), err)
		}
	}
	wantContent(t, at("target"), "target")
	if err := create(t, d, "dir", "x", engine.CreateOptions{}, fileEntry(0o644), manifest.AttrMode); err == nil {
		t.Error("a directory was replaced")
	}
	wantContent(t, at("dir/file"), "in")
	if err := create(t, d, "none/file", "x", engine.CreateOptions{}, fileEntry(0o644), manifest.AttrMode); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a directory that does not exist: %v", err)
	}
	wantNoTemps(t, d, root)
}

func testInPlace(t *testing.T, d engine.Dest, root string) {
	path := filepath.Join(root, "file")
	write(t, path, "0123456789")
	before, err := os.Lstat(path)
	must(t, err)
	f, err := d.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()})
	must(t, err)
	if got := f.Begun(); got != 10 {
		t.Errorf("it begins with %d bytes of the old file, want 10", got)
	}
	_, err = f.WriteAt([]byte("AB"), 2)
	must(t, err)
	if info, err := os.Lstat(path); err != nil || info.ModTime().Unix() != 0 {
		t.Errorf("while it is written the time is %v, %v", info.ModTime(), err)
	}
	must(t, commit(t.Context(), t, d, f, 8, fileEntry(0o600), manifest.AttrMode|manifest.AttrTimes))
	wantContent(t, path, "01AB4567")
	after, err := os.Lstat(path)
	must(t, err)
	if !os.SameFile(before, after) || after.Mode().Perm() != 0o600 || after.ModTime().Unix() != mtime.Unix() {
		t.Errorf("%v became %v", before, after)
	}
	must(t, create(t, d, "new", "content", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()}, fileEntry(0o644), manifest.AttrMode|manifest.AttrTimes))
	wantContent(t, filepath.Join(root, "new"), "content")

	f, err = d.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()})
	must(t, err)
	_, err = f.WriteAt([]byte("XY"), 0)
	must(t, err)
	must(t, f.Discard())
	if info, err := os.Lstat(path); err != nil || info.ModTime().Unix() != 0 {
		t.Errorf("a discarded file has time %v, %v", info.ModTime(), err)
	}
}

// testInPlaceElsewhere: what is written in place must not reach anything else.
func testInPlaceElsewhere(t *testing.T, d engine.Dest, root string, limits Limits) {
	at := func(name string) string { return filepath.Join(root, name) }
	write(t, at("victim"), "victim")
	must(t, os.Link(at("victim"), at("hard")))
	must(t, os.Symlink("victim", at("link")))
	must(t, syscall.Mkfifo(at("fifo"), 0o600))
	others := []string{"link", "fifo"}
	if !limits.NoInodes { // else whether a file has other names is not known
		others = append(others, "hard")
	}
	within(t, func() {
		for _, name := range append(others, "new") {
			f, err := d.Create(t.Context(), name, engine.CreateOptions{InPlace: true, Sec: mtime.Unix()})
			must(t, err)
			if got := f.Begun(); got != 0 {
				t.Errorf("%s begins with %d bytes", name, got)
			}
			must(t, f.Remove())
		}
		for _, name := range others {
			if err := create(t, d, name, "new", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()}, fileEntry(0o644), manifest.AttrMode); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	wantContent(t, at("victim"), "victim")
	for _, name := range others {
		wantContent(t, at(name), "new")
	}
}

func testSparse(t *testing.T, d engine.Dest, root string) {
	content := make([]byte, 300_000)
	copy(content[5000:], "some data")
	copy(content[200_000:], "more data")
	f, err := d.Create(t.Context(), "holes", engine.CreateOptions{Sparse: true, Size: int64(len(content))})
	must(t, err)
	for off := 0; off < len(content); off += 70_001 {
		part := content[off:min(off+70_001, len(content))]
		n, err := f.WriteAt(part, int64(off))
		if err != nil || n != len(part) {
			t.Fatalf("WriteAt: %d, %v", n, err)
		}
	}
	// What is written twice counts the second time, zeros too.
	clear(content[200_000:200_100])
	_, err = f.WriteAt(content[190_000:210_000], 190_000)
	must(t, err)
	must(t, commit(t.Context(), t, d, f, int64(len(content)), fileEntry(0o644), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "holes"), string(content))
}

func testCopyFrom(t *testing.T, d engine.Dest, root string) {
	content := bytes.Repeat([]byte("abcdefgh"), 100_000)
	file, err := os.Create(filepath.Join(root, "from"))
	must(t, err)
	_, err = file.Write(content)
	must(t, err)
	_, err = file.WriteAt([]byte("behind a hole"), 4<<20)
	must(t, err)
	must(t, file.Close())
	want, err := os.ReadFile(filepath.Join(root, "from"))
	must(t, err)
	for _, size := range []int{len(want), len(content), 1000, 0} {
		src, err := d.Open(t.Context(), "from")
		must(t, err)
		f, err := d.Create(t.Context(), "to", engine.CreateOptions{Size: int64(size)})
		must(t, err)
		ok, err := f.CopyFrom(t.Context(), src, int64(size))
		must(t, err)
		if !ok && size > 0 {
			_, err := f.WriteAt(want[:size], 0)
			must(t, err)
		}
		must(t, src.Close())
		must(t, commit(t.Context(), t, d, f, int64(size), fileEntry(0o644), manifest.AttrMode))
		wantContent(t, filepath.Join(root, "to"), string(want[:size]))
	}
}

func testStat(t *testing.T, d engine.Dest, root string) {
	write(t, filepath.Join(root, "file"), "hello")
	must(t, os.Symlink("file", filepath.Join(root, "link")))
	if e, err := d.Stat(t.Context(), "file"); err != nil || !e.IsRegular() || e.Size != 5 || e.Name != "file" {
		t.Errorf("file: %+v, %v", e, err)
	}
	if e, err := d.Stat(t.Context(), "link"); err != nil || e.Type != manifest.Symlink || e.Link() != "file" {
		t.Errorf("link: %+v, %v", e, err)
	}
	if e, err := d.Stat(t.Context(), ""); err != nil || !e.IsDir() {
		t.Errorf("root: %+v, %v", e, err)
	}
	if _, err := d.Stat(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func testDestNames(t *testing.T, d engine.Dest, root string) {
	for _, name := range oddNames {
		must(t, create(t, d, name, name, engine.CreateOptions{}, fileEntry(0o644), manifest.AttrMode))
		wantContent(t, filepath.Join(root, name), name)
	}
	entries, err := d.List(t.Context(), "")
	must(t, err)
	if got := names(entries); !slices.Equal(got, slices.Sorted(slices.Values(oddNames))) {
		t.Errorf("got %q", got)
	}
	long := strings.Repeat("x", 256)
	if err := create(t, d, long, "x", engine.CreateOptions{}, fileEntry(0o644), manifest.AttrMode); err == nil {
		t.Error("a name of 256 bytes was accepted")
	}
	wantNoTemps(t, d, root)
}

func testDestDeep(t *testing.T, d engine.Dest, root string) {
	path := deep(t, root)
	must(t, d.Mkdir(t.Context(), path+"/sub"))
	must(t, create(t, d, path+"/sub/file", "very deep", engine.CreateOptions{}, fileEntry(0o644), manifest.AttrMode))
	if data, err := d.ReadFile(t.Context(), path+"/sub/file", 100); err != nil || string(data) != "very deep" {
		t.Errorf("%q, %v", data, err)
	}
	must(t, d.Remove(t.Context(), path+"/sub/file", fileEntry(0)))
}

func testDestCancelled(t *testing.T, d engine.Dest, root string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Mkdir(ctx, "dir"); !errors.Is(err, context.Canceled) {
		t.Errorf("Mkdir: %v", err)
	}
	if _, err := d.Create(ctx, "file", engine.CreateOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v", err)
	}
	wantGone(t, filepath.Join(root, "dir"))
}

// testMoved: a directory that somebody else has replaced is found again.
func testMoved(t *testing.T, d engine.Dest, root string) {
	must(t, d.Mkdir(t.Context(), "dir"))
	must(t, d.Mkdir(t.Context(), "dir/sub"))
	must(t, create(t, d, "dir/sub/file", "one", engine.CreateOptions{}, fileEntry(0o644), manifest.AttrMode))
	must(t, os.RemoveAll(filepath.Join(root, "dir")))
	must(t, os.MkdirAll(filepath.Join(root, "dir", "sub"), 0o755))
	must(t, create(t, d, "dir/sub/file", "two", engine.CreateOptions{}, fileEntry(0o644), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "dir", "sub", "file"), "two")
	if entries, err := d.List(t.Context(), "dir/sub"); err != nil || len(entries) != 1 {
		t.Errorf("%q, %v", names(entries), err)
	}
	must(t, d.Sync(t.Context()))
}

func testClose(t *testing.T, open OpenDest) {
	d, root := open(t)
	f, err := d.Create(t.Context(), "pending", engine.CreateOptions{})
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	must(t, err)
	g, err := d.Create(t.Context(), "done", engine.CreateOptions{})
	must(t, err)
	result := make(chan error, 1)
	g.Commit(t.Context(), 0, fileEntry(0o644), manifest.AttrMode, func(err error) { result <- err })
	must(t, d.Close())
	must(t, <-result)
	wantGone(t, filepath.Join(root, "pending"))
	wantContent(t, filepath.Join(root, "done"), "")
	entries, err := os.ReadDir(root)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("%d entries were left", len(entries))
	}
}
