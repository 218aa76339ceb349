//go:build unix

// Package treetest tests implementations of [engine.Source] and [engine.Dest]:
// that they describe, read and write what is there, report errors that can be
// told apart, and do not leave their root, whatever stands in their way.
//
// Trees are tested against a directory of this machine that the caller names,
// in which the tests put files and look for them with package os. A tree
// behind a server on this machine can be tested as well.
package treetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// Limits says what a tree cannot do. What is marked so is not tested.
type Limits struct {
	NoInodes    bool // inode numbers and counts of links are not known
	NoNanos     bool // times are to the second
	NoLongPaths bool // paths are limited to the system's length
	NoLinks     bool // hard links cannot be made
	NoSpecials  bool // FIFOs cannot be made
	NoOwners    bool // owners cannot be set, even by root
	NoInPlace   bool // files cannot be written in place
	NoPartials  bool // what was received cannot be kept for a later run
	NoLinkTimes bool // symlinks keep the time at which they were made
	ByPath      bool // a directory that was used and is replaced by a symlink may be followed for a while
	Trusts      bool // of a partial the last chunk that its sidecar knows is read, not all of them
}

// mtime is a time that no file gets by itself.
var mtime = time.Unix(1_234_567_890, 123_456_789)

func names(entries []manifest.Entry) []string {
	out := make([]string, 0, len(entries))
	for i := range entries {
		out = append(out, entries[i].Name)
	}
	slices.Sort(out)
	return out
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, mtime); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s holds %d bytes %.40q, want %d bytes %.40q", path, len(got), got, len(want), want)
	}
}

func wantGone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s exists (error %v)", path, err)
	}
}

func find(t *testing.T, entries []manifest.Entry, name string) *manifest.Entry {
	t.Helper()
	for i := range entries {
		if entries[i].Name == name {
			return &entries[i]
		}
	}
	t.Fatalf("no entry %q in %q", name, names(entries))
	return nil
}

// within fails the test if f takes longer than any operation may, as it does
// when it waits for the other end of a FIFO.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("hangs")
	}
}

// badPaths name nothing in a tree.
var badPaths = []string{"..", ".", "/", "/etc/passwd", "../x", "a/../b", "a/..", "a/./b", "a//b", "a/", "/a", "a\x00b", "a/../../x"}

// oddNames are valid names of files.
var oddNames = []string{
	strings.Repeat("n", 255), "new\nline", "\x1b]0;x\x07", "-rf", " lead", "trail ", "inv\xff\xfealid", "back\\slash",
	"*", "~", "a'b\"c", "\u202eevil", "...", "..x", ".gosync.x",
}

// deep makes a directory whose path is about 12,000 bytes long below root, and
// returns that path.
func deep(t *testing.T, root string) string {
	t.Helper()
	const depth = 60
	r, err := os.OpenRoot(root)
	must(t, err)
	var parts []string
	for range depth {
		name := strings.Repeat("d", 200)
		must(t, r.Mkdir(name, 0o755))
		next, err := r.OpenRoot(name)
		must(t, err)
		must(t, r.Close())
		r = next
		parts = append(parts, name)
	}
	must(t, r.WriteFile("leaf", []byte("deep"), 0o644))
	must(t, r.Close())
	return strings.Join(parts, "/")
}

// canary makes a directory outside the root that nothing may touch, and
// returns it with a function that checks that.
func canary(t *testing.T) (dir string, check func()) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "file"), "canary")
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	write(t, filepath.Join(dir, "sub", "file"), "canary")
	before := snapshot(t, dir)
	return dir, func() {
		t.Helper()
		if after := snapshot(t, dir); after != before {
			t.Errorf("outside of the root something has changed\nbefore:\n%safter:\n%s", before, after)
		}
	}
}

func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		content := ""
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(data)
		}
		b.WriteString(strings.Join([]string{path, info.Mode().String(), info.ModTime().String(), content}, " "))
		b.WriteString(" " + time.Duration(st.Uid).String() + time.Duration(st.Gid).String() + "\n")
		return nil
	}))
	return b.String()
}

// create writes a file through a tree and returns what done was called with.
func create(t *testing.T, d engine.Dest, path, content string, how engine.CreateOptions, e *manifest.Entry, attrs manifest.Attrs) error {
	t.Helper()
	ctx := t.Context()
	f, err := d.Create(ctx, path, how)
	if err != nil {
		return err
	}
	if len(content) > 0 {
		if n, err := f.WriteAt([]byte(content), 0); err != nil || n != len(content) {
			t.Fatalf("WriteAt %s: %d, %v", path, n, err)
		}
	}
	return commit(ctx, t, d, f, int64(len(content)), e, attrs)
}

// commit commits a file and waits until it has appeared or failed to.
func commit(ctx context.Context, t *testing.T, d engine.Dest, f engine.NewFile, size int64, e *manifest.Entry, attrs manifest.Attrs) error {
	t.Helper()
	result := make(chan error, 2)
	f.Commit(ctx, size, e, attrs, func(err error) { result <- err })
	if err := d.Sync(ctx); err != nil {
		t.Errorf("Sync: %v", err)
	}
	err := <-result
	if len(result) > 0 {
		t.Error("done was called twice")
	}
	return err
}

// fileEntry describes a regular file.
func fileEntry(mode uint16) *manifest.Entry {
	return &manifest.Entry{
		Type: manifest.Regular, Mode: mode, Sec: mtime.Unix(), Nsec: uint32(mtime.Nanosecond()),
		UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()),
	}
}
