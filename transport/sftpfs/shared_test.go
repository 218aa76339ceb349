//go:build unix

package sftpfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/localfs"
)

// TestInPlaceSparesOtherNames writes in place into a file that has another name: under that it stays what it was, as far
// as the server tells how many names there are.
func TestInPlaceSparesOtherNames(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	for _, name := range []string{"one", "two"} {
		must(t, os.WriteFile(filepath.Join(src, name), []byte("new content"), 0o644))
		must(t, os.WriteFile(filepath.Join(dst, name), []byte("old"), 0o644))
	}
	must(t, os.Link(filepath.Join(dst, "one"), filepath.Join(dst, "snapshot")))
	before, err := os.Stat(filepath.Join(dst, "two"))
	must(t, err)
	job := archive(src, dst)
	job.InPlace = true
	_, events, err := run(t, localfs.NewHost(), newHost(t, openSSH, Options{}), job)
	must(t, err)
	for _, e := range events {
		if e, ok := e.(engine.ErrorEvent); ok {
			t.Error(e.Err)
		}
	}
	for name, want := range map[string]string{"one": "new content", "two": "new content", "snapshot": "old"} {
		if b, err := os.ReadFile(filepath.Join(dst, name)); string(b) != want {
			t.Errorf("%s holds %q, %v, want %q", name, b, err, want)
		}
	}
	if after, err := os.Stat(filepath.Join(dst, "two")); err != nil || !os.SameFile(before, after) {
		t.Errorf("a file with one name was replaced: %v", err)
	}
}

// newDest opens a destination that a test looks into.
func newDest(t *testing.T, h *Host, root string) *Tree {
	t.Helper()
	d, err := h.Dest(t.Context(), root, engine.DestOptions{Durability: engine.SyncNone})
	must(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d.(*Tree)
}

// TestInPlaceLooksAtOtherNamesInTime makes the other name behind the listing, as a snapshot does that is taken meanwhile,
// or without any listing.
func TestInPlaceLooksAtOtherNamesInTime(t *testing.T) {
	for _, listed := range []bool{true, false} {
		root := t.TempDir()
		name := filepath.Join(root, "d", "one")
		must(t, os.Mkdir(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, []byte("old"), 0o644))
		tree := newDest(t, newHost(t, openSSH, Options{}), root)
		if listed {
			_, err := tree.List(t.Context(), "d")
			must(t, err)
		}
		must(t, os.Link(name, filepath.Join(root, "snapshot")))
		f, err := tree.Create(t.Context(), "d/one", engine.CreateOptions{InPlace: true})
		must(t, err)
		_, err = f.WriteAt([]byte("new"), 0)
		must(t, err)
		must(t, f.Discard())
		if b, err := os.ReadFile(filepath.Join(root, "snapshot")); string(b) != "old" {
			t.Errorf("listed before: %v: the other name holds %q, %v", listed, b, err)
		}
	}
}

// TestListingsKeepNoNames lists a directory of files with other names, and wants nothing of it to stay.
func TestListingsKeepNoNames(t *testing.T) {
	root := t.TempDir()
	const files = 5000
	first := filepath.Join(root, "first")
	must(t, os.WriteFile(first, nil, 0o644))
	for i := range files {
		must(t, os.Link(first, filepath.Join(root, fmt.Sprintf("%0200d", i))))
	}
	tree := newDest(t, newHost(t, openSSH, Options{}), root)
	before := heap()
	entries, err := tree.List(t.Context(), "")
	if err != nil || len(entries) != files+1 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	entries = nil
	if grown := heap() - before; grown > files*50 {
		t.Errorf("%d bytes stay of %d names", grown, files)
	}
	runtime.KeepAlive(tree)
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// countedLine counts what a session asks for.
type countedLine struct {
	io.ReadWriteCloser
	mu    sync.Mutex
	asked packets
	kinds map[byte]int
}

func (l *countedLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	l.asked.take(p, func(kind byte, _ uint32) { l.kinds[kind]++ })
	l.mu.Unlock()
	return l.ReadWriteCloser.Write(p)
}

func (l *countedLine) opendirs() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kinds[fxpOpendir]
}

// TestSharedIsAskedOnce asks about many files at a time.
func TestSharedIsAskedOnce(t *testing.T) {
	const dirs = 10
	root := t.TempDir()
	for d := range dirs {
		dir := filepath.Join(root, fmt.Sprint(d))
		must(t, os.Mkdir(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "two"), nil, 0o644))
		must(t, os.Link(filepath.Join(dir, "two"), filepath.Join(dir, "names")))
		must(t, os.WriteFile(filepath.Join(dir, "lone"), nil, 0o644))
		must(t, os.Mkdir(filepath.Join(dir, "dir"), 0o755))
		must(t, os.Mkdir(filepath.Join(dir, "dir", "dir"), 0o755))
	}
	line := &countedLine{ReadWriteCloser: openSSH(t), kinds: map[byte]int{}}
	tree := newDest(t, newHost(t, func(testing.TB) io.ReadWriteCloser { return line }, Options{}), root)
	var all sync.WaitGroup
	for i := range 400 {
		all.Go(func() {
			name := []string{"two", "names", "lone", "none", "dir"}[i%5]
			got, err := tree.isShared(t.Context(), fmt.Sprint(i%dirs), name)
			if err != nil || got != (name == "two" || name == "names") {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		})
	}
	all.Wait()
	if n := line.opendirs(); n != dirs {
		t.Errorf("%d listings of %d directories", n, dirs)
	}
	tree.maxEntries = 2
	if got, err := tree.isShared(t.Context(), "", "lone"); err != nil || !got {
		t.Errorf("what cannot be listed counts as a file of one name: %v, %v", got, err)
	}
}

// TestSharedAfterAnInterrupt interrupts the one that looks while another waits for what it finds.
func TestSharedAfterAnInterrupt(t *testing.T) {
	root := t.TempDir()
	must(t, os.WriteFile(filepath.Join(root, "a"), nil, 0o644))
	must(t, os.Link(filepath.Join(root, "a"), filepath.Join(root, "b")))
	line := newSlowLine(t, 100*time.Millisecond)
	tree := newDest(t, newHost(t, func(testing.TB) io.ReadWriteCloser { return line }, Options{}), root)
	ctx, cancel := context.WithCancel(t.Context())
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := tree.isShared(ctx, "", "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	})
	time.Sleep(30 * time.Millisecond)
	both.Go(func() {
		if got, err := tree.isShared(t.Context(), "", "a"); err != nil || !got {
			t.Errorf("%v, %v", got, err)
		}
	})
	time.Sleep(30 * time.Millisecond)
	cancel()
	both.Wait()
}

// TestSharedCacheIsBounded fills it with directories of all sizes.
func TestSharedCacheIsBounded(t *testing.T) {
	name := func(i int) string { return fmt.Sprint("f", i) }
	for _, size := range []int{0, 1, 1000, sharedNames - 1, sharedNames} {
		var c sharedCache
		var names []string
		for i := range size {
			names = append(names, name(i))
		}
		for i := range 3 * sharedDirs {
			d, mine := c.get(fmt.Sprint(i))
			if !mine {
				t.Fatalf("%d is known before", i)
			}
			c.set(d, names, false, nil)
			if again, mine := c.get(d.dir); mine || again != d {
				t.Fatalf("the last directory was forgotten, of %d names", size)
			}
			kept := 0
			for _, d := range c.dirs {
				kept += len(d.names)
			}
			if len(c.dirs) > sharedDirs || kept > 2*sharedNames {
				t.Fatalf("%d directories with %d names are kept", len(c.dirs), kept)
			}
			if size > 1000 && i > 4 {
				break
			}
		}
	}
}

// TestIsShared reads what servers print for people.
func TestIsShared(t *testing.T) {
	for long, want := range map[string]bool{
		"-rw-r--r--    2 root     root            3 Nov 25 23:00 one": true,
		"-rw-r--r--    1 root     root            3 Nov 25 23:00 one": false,
		"drwxr-xr-x    2 root     root         4096 Nov 25 23:00 d":   false,
		"-rw-r--r--    ? 0        0               3 Nov 25 23:00 one": false,
		"-rw-r--r--@ 12 root root":                                    true,
		"2 2 2":                                                       false, "": false, "-rw-r--r--": false, "one": false,
	} {
		if got := isShared([]byte(long)); got != want {
			t.Errorf("%q: %v", long, got)
		}
	}
}
