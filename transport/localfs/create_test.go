//go:build unix

package localfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func entry(mode uint16) *manifest.Entry {
	return &manifest.Entry{
		Type: manifest.Regular, Mode: mode, Sec: 1_234_567_890, Nsec: 5,
		UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
	}
}

// put begins a file, writes it and commits it.
func put(t testing.TB, tree *Tree, path, content string, done func(error)) {
	t.Helper()
	f, err := tree.Create(context.Background(), path, engine.CreateOptions{Size: int64(len(content))})
	must(t, err)
	if content != "" {
		_, err = f.WriteAt([]byte(content), 0)
		must(t, err)
	}
	f.Commit(context.Background(), int64(len(content)), entry(0o644), allAttrs, done)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// listAll describes all that is in a directory.
func listAll(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		content := ""
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(data)
		}
		fmt.Fprintln(&b, path, info.Mode(), info.ModTime(), content)
		return nil
	}))
	return b.String()
}

// descriptors returns how many the process has open.
func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		need.Missing(t, "proc", "there is no way to count descriptors here: "+err.Error())
	}
	return len(list) - 1 // that of the list itself
}

// noLeaks fails the test if it ends with more goroutines or descriptors.
func noLeaks(t *testing.T) {
	t.Helper()
	fds, routines := descriptors(t), runtime.NumGoroutine()
	t.Cleanup(func() {
		for i := 0; runtime.NumGoroutine() > routines && i < 100; i++ {
			time.Sleep(10 * time.Millisecond) // they may be on their last instructions
		}
		if n := runtime.NumGoroutine(); n > routines {
			t.Errorf("%d goroutines became %d", routines, n)
		}
		if n := descriptors(t); n > fds { // fewer: what an earlier test left was collected
			t.Errorf("%d descriptors became %d", fds, n)
		}
	})
}

// TestGroupAppearsTogether: nothing of a group is visible before all of it is durable.
func TestGroupAppearsTogether(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	var done atomic.Int32
	for i := range 10 {
		put(t, tree, fmt.Sprint(i), "content", func(err error) {
			if err != nil {
				t.Error(err)
			}
			if !exists(filepath.Join(root, fmt.Sprint(i))) {
				t.Error("done was called too early")
			}
			done.Add(1)
		})
	}
	if exists(filepath.Join(root, "0")) || done.Load() > 0 {
		t.Error("a file has appeared before its group was closed")
	}
	must(t, tree.Sync(t.Context()))
	if done.Load() != 10 {
		t.Errorf("%d files are done", done.Load())
	}
	must(t, tree.Close())
}

func TestGroupClosesByItself(t *testing.T) {
	for name, fill := range map[string]func(*testing.T, *Tree, func(error)){
		"bytes": func(t *testing.T, tree *Tree, done func(error)) {
			f, err := tree.Create(t.Context(), "file", engine.CreateOptions{})
			must(t, err)
			f.Commit(t.Context(), groupBytes, entry(0o644), allAttrs, done) // a hole
		},
		"time": func(t *testing.T, tree *Tree, done func(error)) {
			tree.groups.wait = time.Millisecond
			put(t, tree, "file", "content", done)
		},
		"files": func(t *testing.T, tree *Tree, done func(error)) {
			tree.syncfs = false
			put(t, tree, "file", "content", done)
			for i := range groupOpen - 1 {
				put(t, tree, fmt.Sprint(i), "", func(error) {})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			tree := openTree(t, t.TempDir(), engine.DestOptions{})
			result := make(chan error, 1)
			fill(t, tree, func(err error) { result <- err })
			must(t, <-result)
			must(t, tree.Close())
		})
	}
}

// TestManyFiles writes many files in many directories at once, and counts descriptors.
func TestManyFiles(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	before := descriptors(t)
	const dirs, files = maxDirs + 50, 5
	var done, most atomic.Int64
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := w; i < dirs; i += 4 {
				if err := tree.Mkdir(t.Context(), fmt.Sprint(i)); err != nil {
					t.Error(err)
					return
				}
				for k := range files {
					put(t, tree, fmt.Sprintf("%d/%d", i, k), "content", func(err error) {
						if err != nil {
							t.Error(err)
						}
						done.Add(1)
					})
				}
				if i%16 == 0 {
					most.Store(max(most.Load(), int64(descriptors(t))))
				}
			}
		})
	}
	writers.Wait()
	must(t, tree.Sync(t.Context()))
	if done.Load() != dirs*files {
		t.Errorf("%d files are done", done.Load())
	}
	// Besides the caches of directories and of the group being filled, those
	// that writers and lists of /proc have open.
	if extra := int(most.Load()) - before; extra > maxDirs+2*groupOpen+40 {
		t.Errorf("%d more descriptors were open", extra)
	}
	must(t, tree.Close())
	if n := tree.dirs.idle.next; n != &tree.dirs.idle || len(tree.dirs.open) > 0 {
		t.Error("directories are still open")
	}
}

// TestCancelledCommit: who does not want to wait for a group gets an error,
// and nothing is left.
func TestCancelledCommit(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	for range groupsAtOnce {
		tree.groups.slots <- struct{}{} // as if groups took long
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f, err := tree.Create(t.Context(), "file", engine.CreateOptions{})
	must(t, err)
	var got error
	f.Commit(ctx, groupBytes, entry(0o644), allAttrs, func(err error) { got = err })
	if !errors.Is(got, context.Canceled) {
		t.Errorf("done was called with %v", got)
	}
	for range groupsAtOnce {
		<-tree.groups.slots
	}
	must(t, tree.Close())
	if list, _ := os.ReadDir(root); len(list) > 0 {
		t.Errorf("%v was left", list)
	}
}

// TestCommitErrors: the path of an error is that of the file, its identity the system's.
func TestCommitErrors(t *testing.T) {
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "dir", "is"), 0o755))
	for _, how := range []engine.Durability{engine.SyncRun, engine.SyncEach, engine.SyncNone} {
		tree := openTree(t, root, engine.DestOptions{Durability: how})
		var got error
		put(t, tree, "dir/is", "x", func(err error) { got = err })
		must(t, tree.Close())
		var pe *fs.PathError
		if !errors.As(got, &pe) || pe.Path != filepath.Join(root, "dir/is") || pe.Op != "rename" || !errors.Is(got, unix.EISDIR) {
			t.Errorf("policy %d: %v", how, got)
		}
		if list, _ := os.ReadDir(filepath.Join(root, "dir")); len(list) != 1 {
			t.Errorf("policy %d: %v was left", how, list)
		}
	}
}

func TestReadOnly(t *testing.T) {
	tree := openTree(t, t.TempDir(), engine.DestOptions{ReadOnly: true})
	defer tree.Close()
	_, err := tree.Create(t.Context(), "x", engine.CreateOptions{})
	for _, err := range []error{
		err, tree.Mkdir(t.Context(), "x"), tree.Remove(t.Context(), "x", entry(0)),
		tree.SetAttrs(t.Context(), "", entry(0), 0), tree.SetAttrs(t.Context(), "x", entry(0), 0), tree.Link(t.Context(), "x", "y"),
	} {
		if !errors.Is(err, unix.EROFS) {
			t.Errorf("got %v", err)
		}
	}
}

// TestUmask: permissions that are asked for do not depend on the process's umask.
func TestUmask(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	put(t, tree, "file", "x", func(err error) { must(t, err) })
	if info, err := os.Lstat(filepath.Join(root, "file")); err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if mask := NewHost().IDs().Umask(); runtime.GOOS == "linux" && mask != 0o077 {
		t.Errorf("umask is %o", mask)
	}
}

// TestSetgidDirectory: a directory may give its group to new files, so that
// the process's own group has to be set there.
func TestSetgidDirectory(t *testing.T) {
	need.Root(t, "only root may give groups away")
	root := t.TempDir()
	dir := filepath.Join(root, "dir")
	must(t, os.Mkdir(dir, 0o755))
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	group := func(name string) uint32 {
		put(t, tree, name, "x", func(err error) { must(t, err) })
		info, err := os.Lstat(filepath.Join(root, name))
		must(t, err)
		return info.Sys().(*syscall.Stat_t).Gid
	}
	if gid := group("dir/before"); gid != uint32(os.Getegid()) {
		t.Errorf("before it has group %d", gid)
	}
	e := entry(0o2755)
	e.Type, e.GID = manifest.Directory, 4321
	must(t, tree.SetAttrs(t.Context(), "dir", e, manifest.AttrGroup|manifest.AttrMode))
	if gid := group("dir/after"); gid != uint32(os.Getegid()) {
		t.Errorf("afterwards it has group %d", gid)
	}
}

func TestSparseIsSparse(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	for name, how := range map[string]engine.CreateOptions{"holes": {Sparse: true}, "full": {}} {
		f, err := tree.Create(t.Context(), name, how)
		must(t, err)
		content := make([]byte, 8<<20)
		copy(content[1<<20:], "data")
		_, err = f.WriteAt(content, 0)
		must(t, err)
		f.Commit(t.Context(), int64(len(content)), entry(0o644), allAttrs, func(err error) { must(t, err) })
		info, err := os.Lstat(filepath.Join(root, name))
		must(t, err)
		blocks := info.Sys().(*syscall.Stat_t).Blocks * 512
		if sparse := blocks < 1<<20; info.Size() != int64(len(content)) || sparse != how.Sparse {
			t.Errorf("%s has %d bytes in %d", name, info.Size(), blocks)
		}
	}
}

// TestPreallocation: room that was reserved and not needed is given back, and
// the length is never ahead of the data.
func TestPreallocation(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	f, err := tree.Create(t.Context(), "file", engine.CreateOptions{Size: largeFile + 1})
	must(t, err)
	_, err = f.WriteAt([]byte("0123456789"), 0)
	must(t, err)
	if size, err := sizeOf(f.(*newFile).fd); err != nil || size != 10 {
		t.Errorf("while it is written it is %d bytes long, %v", size, err)
	}
	f.Commit(t.Context(), 10, entry(0o644), allAttrs, func(err error) { must(t, err) })
	info, err := os.Lstat(filepath.Join(root, "file"))
	must(t, err)
	if blocks := info.Sys().(*syscall.Stat_t).Blocks; info.Size() != 10 || blocks > 100 {
		t.Errorf("%d bytes in %d blocks", info.Size(), blocks)
	}
}

// TestStatTells: the first Stat tells the state in which the file was opened, the next
// what has become of it.
func TestStatTells(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{ReadOnly: true})
	defer tree.Close()
	name := filepath.Join(root, "file")
	must(t, os.WriteFile(name, []byte("before"), 0o644))
	f, err := tree.Open(t.Context(), "file")
	must(t, err)
	defer f.Close()
	must(t, os.WriteFile(name, []byte("it has grown"), 0o644))
	before, err := f.Stat()
	must(t, err)
	after, err := f.Stat()
	must(t, err)
	if before.Size != 6 || after.Size != 12 {
		t.Errorf("%d bytes before, %d after", before.Size, after.Size)
	}
}

// TestCopyElsewhere: what the kernel cannot copy is left to the caller.
func TestCopyElsewhere(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "localfs")
	if err != nil {
		need.Missing(t, "shm", "there is no second file system at /dev/shm: "+err.Error())
	}
	defer os.RemoveAll(other)
	must(t, os.WriteFile(filepath.Join(other, "file"), []byte("content"), 0o644))
	src := openTree(t, other, engine.DestOptions{ReadOnly: true})
	defer src.Close()
	tree := openTree(t, t.TempDir(), engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	from, err := src.Open(t.Context(), "file")
	must(t, err)
	defer from.Close()
	f, err := tree.Create(t.Context(), "file", engine.CreateOptions{})
	must(t, err)
	ok, err := f.CopyFrom(t.Context(), from, 7)
	must(t, err)
	if size, _ := sizeOf(f.(*newFile).fd); ok != (size == 7) || !ok && size != 0 {
		t.Errorf("%v, but %d bytes", ok, size)
	}
	if ok, err := f.CopyFrom(t.Context(), struct{ engine.File }{from}, 7); ok || err != nil {
		t.Errorf("from a foreign file: %v, %v", ok, err)
	}
	must(t, f.Discard())
	must(t, f.Discard()) // the second one does nothing
}

// TestSyncReplaced: a directory that has changed and is something else by now needs no
// sync any more.
func TestSyncReplaced(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"nothing":   func(string) error { return nil },
		"a symlink": func(path string) error { return os.Symlink("/nowhere", path) },
		"a file":    func(path string) error { return os.WriteFile(path, nil, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			tree := openTree(t, root, engine.DestOptions{})
			must(t, tree.Mkdir(t.Context(), "d"))
			must(t, os.RemoveAll(filepath.Join(root, "d")))
			must(t, replace(filepath.Join(root, "d")))
			for _, path := range []string{"d", "d/e"} {
				tree.dirty.paths[path] = struct{}{}
			}
			must(t, tree.Sync(t.Context()))
			must(t, tree.Close())
		})
	}
}
