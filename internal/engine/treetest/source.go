//go:build unix

package treetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// OpenSource opens a tree on an empty directory of this machine, which it returns too.
type OpenSource func(t *testing.T) (tree engine.Source, root string)

// TestSource tests a tree that is read. Each test opens one of its own.
func TestSource(t *testing.T, open OpenSource, limits Limits) {
	t.Run("List", func(t *testing.T) { testList(t, open, limits) })
	t.Run("ListErrors", func(t *testing.T) { testListErrors(t, open) })
	t.Run("Names", func(t *testing.T) { testNames(t, open) })
	t.Run("ReadFile", func(t *testing.T) { testReadFile(t, open) })
	t.Run("Open", func(t *testing.T) { testOpen(t, open, limits) })
	t.Run("OpenErrors", func(t *testing.T) { testOpenErrors(t, open) })
	t.Run("NextData", func(t *testing.T) { testNextData(t, open) })
	t.Run("Symlinks", func(t *testing.T) { testSourceSymlinks(t, open) })
	t.Run("BadPaths", func(t *testing.T) { testSourceBadPaths(t, open) })
	t.Run("Cancelled", func(t *testing.T) { testSourceCancelled(t, open) })
	if !limits.NoLongPaths {
		t.Run("Deep", func(t *testing.T) { testSourceDeep(t, open) })
	}
}

func testList(t *testing.T, open OpenSource, limits Limits) {
	tree, root := open(t)
	must(t, os.Mkdir(filepath.Join(root, "dir"), 0o750))
	write(t, filepath.Join(root, "dir", "file"), "hello")
	must(t, os.Chmod(filepath.Join(root, "dir", "file"), 0o640))
	must(t, os.Symlink("some/where", filepath.Join(root, "dir", "link")))
	must(t, os.Link(filepath.Join(root, "dir", "file"), filepath.Join(root, "dir", "hard")))
	must(t, syscall.Mkfifo(filepath.Join(root, "dir", "fifo"), 0o600))

	top, err := tree.List(t.Context(), "")
	must(t, err)
	if len(top) != 1 || top[0].Name != "dir" || !top[0].IsDir() || top[0].Mode != 0o750 || top[0].Size != 0 {
		t.Errorf("root holds %+v", top)
	}
	entries, err := tree.List(t.Context(), "dir")
	must(t, err)
	if got, want := names(entries), []string{"fifo", "file", "hard", "link"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	file := find(t, entries, "file")
	if !file.IsRegular() || file.Size != 5 || file.Mode != 0o640 || file.Sec != mtime.Unix() {
		t.Errorf("file is %+v", file)
	}
	if !limits.NoNanos && int(file.Nsec) != mtime.Nanosecond() {
		t.Errorf("file has %d ns", file.Nsec)
	}
	if file.UID != uint32(os.Geteuid()) {
		t.Errorf("file belongs to %d", file.UID)
	}
	link := find(t, entries, "link")
	if link.Type != manifest.Symlink || link.Link() != "some/where" || link.Size != 10 {
		t.Errorf("link is %+v to %q", link, link.Link())
	}
	if fifo := find(t, entries, "fifo"); fifo.Type != manifest.Fifo {
		t.Errorf("fifo is %+v", fifo)
	}
	if hard := find(t, entries, "hard"); !limits.NoInodes &&
		(hard.Ext == nil || hard.Ext.Nlink != 2 || hard.Ino != file.Ino || file.Ext == nil || hard.Ext.Dev != file.Ext.Dev) {
		t.Errorf("hard link is %+v %+v, its other name %+v", hard, hard.Ext, file)
	}
	again, err := tree.List(t.Context(), "dir")
	if err != nil || len(again) != len(entries) {
		t.Errorf("second listing: %d entries, %v", len(again), err)
	}
}

func testListErrors(t *testing.T, open OpenSource) {
	tree, root := open(t)
	write(t, filepath.Join(root, "file"), "x")
	if _, err := tree.List(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	if _, err := tree.List(t.Context(), "file"); err == nil {
		t.Error("a file was listed")
	}
}

func testNames(t *testing.T, open OpenSource) {
	tree, root := open(t)
	for _, name := range oddNames {
		write(t, filepath.Join(root, name), name)
	}
	entries, err := tree.List(t.Context(), "")
	must(t, err)
	want := slices.Sorted(slices.Values(oddNames))
	if got := names(entries); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, name := range oddNames {
		if data, err := tree.ReadFile(t.Context(), name, 1000); err != nil || string(data) != name {
			t.Errorf("%q: %q, %v", name, data, err)
		}
	}
}

func testReadFile(t *testing.T, open OpenSource) {
	tree, root := open(t)
	write(t, filepath.Join(root, "ten"), "0123456789")
	write(t, filepath.Join(root, "empty"), "")
	for _, tt := range []struct {
		name  string
		limit int64
		want  string
		fail  bool
	}{{"ten", 10, "0123456789", false}, {"ten", 9, "", true}, {"empty", 0, "", false}, {"none", 10, "", true}} {
		got, err := tree.ReadFile(t.Context(), tt.name, tt.limit)
		if (err != nil) != tt.fail || string(got) != tt.want {
			t.Errorf("%s up to %d: %q, %v", tt.name, tt.limit, got, err)
		}
	}
}

func testOpen(t *testing.T, open OpenSource, limits Limits) {
	tree, root := open(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
	write(t, filepath.Join(root, "file"), string(content))
	f, err := tree.Open(t.Context(), "file")
	must(t, err)
	e, err := f.Stat()
	must(t, err)
	if !e.IsRegular() || e.Size != int64(len(content)) || e.Sec != mtime.Unix() {
		t.Errorf("stat: %+v", e)
	}
	if !limits.NoInodes && (e.Ino == 0 || e.Ext == nil || e.Ext.Dev == 0) {
		t.Errorf("inode and device are not known: %+v", e)
	}
	var readers sync.WaitGroup
	for i := range 4 {
		readers.Go(func() {
			part := make([]byte, 40_000)
			if n, err := f.ReadAt(part, int64(i*40_000)); n != len(part) || err != nil && err != io.EOF {
				t.Errorf("ReadAt: %d, %v", n, err)
			}
			if !bytes.Equal(part, content[i*40_000:(i+1)*40_000]) {
				t.Error("content differs")
			}
		})
	}
	readers.Wait()
	if n, err := f.ReadAt(make([]byte, 10), int64(len(content)-4)); n != 4 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(make([]byte, 10), int64(len(content)+4)); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	must(t, f.Close())
}

func testOpenErrors(t *testing.T, open OpenSource) {
	tree, root := open(t)
	must(t, os.Mkdir(filepath.Join(root, "dir"), 0o755))
	must(t, syscall.Mkfifo(filepath.Join(root, "fifo"), 0o600))
	write(t, filepath.Join(root, "file"), "x")
	must(t, os.Symlink("file", filepath.Join(root, "link")))
	within(t, func() {
		for _, name := range []string{"dir", "fifo", "link", "", "file/x"} {
			if f, err := tree.Open(t.Context(), name); err == nil {
				t.Errorf("%q was opened", name)
				_ = f.Close()
			}
			if _, err := tree.ReadFile(t.Context(), name, 10); err == nil {
				t.Errorf("%q was read", name)
			}
		}
	})
	if _, err := tree.Open(t.Context(), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func testNextData(t *testing.T, open OpenSource) {
	tree, root := open(t)
	const size = 10 << 20
	name := filepath.Join(root, "holes")
	file, err := os.Create(name)
	must(t, err)
	for _, off := range []int64{1 << 20, 6 << 20} {
		_, err := file.WriteAt([]byte("data"), off)
		must(t, err)
	}
	must(t, file.Truncate(size))
	must(t, file.Close())
	f, err := tree.Open(t.Context(), "holes")
	must(t, err)
	defer f.Close()
	covered := map[int64]bool{}
	for off := int64(0); off < size; {
		start, end, err := f.NextData(off)
		must(t, err)
		if start < off || end < start || start < size && end == start || end > size {
			t.Fatalf("NextData(%d) = %d, %d", off, start, end)
		}
		for _, at := range []int64{1 << 20, 6 << 20} {
			if start <= at && at+4 <= end {
				covered[at] = true
			}
		}
		off = max(end, start)
	}
	if len(covered) != 2 {
		t.Error("data lies outside of what was called data")
	}
	if start, _, err := f.NextData(size); err != nil || start != size {
		t.Errorf("at the end: %d, %v", start, err)
	}
}

func testSourceSymlinks(t *testing.T, open OpenSource) {
	tree, root := open(t)
	outside, check := canary(t)
	must(t, os.Symlink(outside, filepath.Join(root, "out")))
	must(t, os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	must(t, os.Symlink(outside, filepath.Join(root, "a", "b", "out")))
	write(t, filepath.Join(root, "a", "b", "file"), "in")
	must(t, os.Symlink("a", filepath.Join(root, "alias")))
	must(t, os.Symlink(filepath.Join(outside, "file"), filepath.Join(root, "a", "leaf")))
	for _, path := range []string{"out/file", "out/sub/file", "a/b/out/file", "a/b/out/sub/file", "a/leaf", "alias/b/file"} {
		if data, err := tree.ReadFile(t.Context(), path, 100); err == nil {
			t.Errorf("%s was read through a symlink: %q", path, data)
		}
		if f, err := tree.Open(t.Context(), path); err == nil {
			t.Errorf("%s was opened through a symlink", path)
			_ = f.Close()
		}
	}
	for _, path := range []string{"out", "out/sub", "a/b/out", "alias", "alias/b"} {
		if entries, err := tree.List(t.Context(), path); err == nil || len(entries) > 0 {
			t.Errorf("%s was listed through a symlink: %q", path, names(entries))
		}
	}
	if data, err := tree.ReadFile(t.Context(), "a/b/file", 100); err != nil || string(data) != "in" {
		t.Errorf("without symlinks: %q, %v", data, err)
	}
	check()
}

func testSourceBadPaths(t *testing.T, open OpenSource) {
	tree, root := open(t)
	must(t, os.Mkdir(filepath.Join(root, "a"), 0o755))
	write(t, filepath.Join(root, "b"), "b")
	for _, path := range badPaths {
		if _, err := tree.ReadFile(t.Context(), path, 100); err == nil {
			t.Errorf("%q was read", path)
		}
		if f, err := tree.Open(t.Context(), path); err == nil {
			t.Errorf("%q was opened", path)
			_ = f.Close()
		}
		if _, err := tree.List(t.Context(), path+"/x"); err == nil {
			t.Errorf("%q was listed", path+"/x")
		}
	}
	for _, path := range []string{"..", ".", "/", "a/..", "../", "a/../a"} {
		if _, err := tree.List(t.Context(), path); err == nil {
			t.Errorf("%q was listed", path)
		}
	}
}

func testSourceCancelled(t *testing.T, open OpenSource) {
	tree, root := open(t)
	write(t, filepath.Join(root, "file"), "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tree.List(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v", err)
	}
	if _, err := tree.Open(ctx, "file"); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
}

func testSourceDeep(t *testing.T, open OpenSource) {
	tree, root := open(t)
	path := deep(t, root)
	entries, err := tree.List(t.Context(), path)
	if err != nil || len(entries) != 1 || entries[0].Name != "leaf" {
		t.Errorf("List: %q, %v", names(entries), err)
	}
	if data, err := tree.ReadFile(t.Context(), path+"/leaf", 100); err != nil || string(data) != "deep" {
		t.Errorf("ReadFile: %q, %v", data, err)
	}
}
