//go:build unix

package sftpfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/walker/manifest"
)

// run does a job with one end on each host.
func run(t testing.TB, src, dst engine.Host, job engine.Job) (engine.Summary, []engine.Event, error) {
	t.Helper()
	var events []engine.Event
	sum, err := engine.Between(t.Context(), src, dst, job, engine.Report{Event: func(e engine.Event) { events = append(events, e) }})
	return sum, events, err
}

func archive(src, dst string) engine.Job {
	return engine.Job{
		Options: engine.Options{
			Policy:    manifest.Policy{Perms: true, Times: true, Links: true, Owner: true, Group: true},
			Recursive: true, Itemize: true, MaxDelete: -1,
		},
		Sources: []string{src + "/"}, Dest: dst,
	}
}

// plant makes a tree with all that SFTP can carry.
func plant(t testing.TB, root string) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	for _, dir := range []string{"", "a", "a/b", "empty", "a/b/c"} {
		must(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
		for i, size := range []int{0, 1, 4096, 70_000} {
			content := make([]byte, size)
			for k := range content {
				content[k] = byte(r.Uint32())
			}
			if dir == "empty" {
				break
			}
			path := filepath.Join(root, dir, fmt.Sprintf("file %d", i))
			must(t, os.WriteFile(path, content, fs.FileMode(0o600+i)))
			must(t, os.Chtimes(path, mtime(int64(i)), mtime(int64(i))))
		}
	}
	large := make([]byte, 9<<20+17)
	for k := range large {
		large[k] = byte(r.Uint32())
	}
	must(t, os.WriteFile(filepath.Join(root, "large"), large, 0o640))
	must(t, os.Chtimes(filepath.Join(root, "large"), mtime(7), mtime(7)))
	must(t, os.Symlink("../file 1", filepath.Join(root, "a/link")))
	must(t, os.Symlink("/nowhere", filepath.Join(root, "dangling")))
	if os.Geteuid() == 0 {
		must(t, os.Chown(filepath.Join(root, "large"), 1234, 5678))
		must(t, os.Chmod(filepath.Join(root, "large"), 0o640|fs.ModeSetuid))
		must(t, os.Lchown(filepath.Join(root, "dangling"), 1234, 5678))
	}
}

// wantSame compares two trees; links says that times and owners of symlinks count.
func wantSame(t testing.TB, a, b string, links bool) {
	t.Helper()
	left, right := look(t, a, links), look(t, b, links)
	for path, want := range left {
		if right[path] != want {
			t.Errorf("%s: %s, want %s", path, right[path], want)
		}
		delete(right, path)
	}
	for path := range right {
		t.Errorf("%s is too much", path)
	}
}

func look(t testing.TB, root string, links bool) map[string]string {
	t.Helper()
	h, seen := localfs.NewHost(), map[string]string{}
	must(t, filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		e, err := h.Lstat(context.Background(), path)
		if err != nil {
			return err
		}
		s := fmt.Sprintf("%v %o %d:%d %d %q", e.Type, e.Mode, e.UID, e.GID, e.Sec, e.Link())
		if e.Type == manifest.Symlink && !links {
			s = fmt.Sprintf("%v %q", e.Type, e.Link())
		}
		if e.IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			s += fmt.Sprintf(" %d %x", e.Size, delta.Sum(content))
		}
		rel, err := filepath.Rel(root, path)
		seen[rel] = s
		return err
	}))
	return seen
}

// TestSync copies a tree in each direction and finds nothing to do the second time.
func TestSync(t *testing.T) {
	for name, tt := range map[string]struct {
		dial  dialer
		o     Options
		links bool
	}{
		"OpenSSH":                     {openSSH, Options{}, true},
		"OpenSSH, comparing":          {openSSH, Options{Compare: true}, true},
		"OpenSSH, without extensions": {openSSH, Options{Without: []string{extPosixRename, extLsetstat, extLimits, extFsync}}, false},
		"package sftp":                {inProcess, Options{}, false},
	} {
		for _, pull := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, pull %v", name, pull), func(t *testing.T) {
				src, dst := t.TempDir(), filepath.Join(t.TempDir(), "new")
				plant(t, src)
				far, near := newHost(t, tt.dial, tt.o), localfs.NewHost()
				from, to := engine.Host(near), engine.Host(far)
				if pull {
					from, to = to, from
				}
				links := tt.links || pull
				_, _, err := run(t, from, to, archive(src, dst))
				must(t, err)
				wantSame(t, src, dst, links)
				sum, events, err := run(t, from, to, archive(src, dst))
				must(t, err)
				wantNothing(t, sum, events)

				// Something changes, something goes.
				must(t, os.WriteFile(filepath.Join(src, "a/file 2"), []byte("changed"), 0o600))
				must(t, os.Chtimes(filepath.Join(src, "a/file 2"), mtime(99), mtime(99)))
				must(t, os.RemoveAll(filepath.Join(src, "a/b/c")))
				must(t, os.Chmod(filepath.Join(src, "a/file 3"), 0o755))
				must(t, overwrite(filepath.Join(src, "large"), 5<<20, "some other bytes"))
				must(t, os.Chtimes(filepath.Join(src, "large"), mtime(100), mtime(100)))
				job := archive(src, dst)
				job.Delete = true
				_, _, err = run(t, from, to, job)
				must(t, err)
				wantSame(t, src, dst, links)
				sum, events, err = run(t, from, to, job)
				must(t, err)
				wantNothing(t, sum, events)
			})
		}
	}
}

func overwrite(path string, off int64, with string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(with), off)
	return errors.Join(err, f.Close())
}

// wantNothing fails if a run has changed something, or said that it has.
func wantNothing(t testing.TB, sum engine.Summary, events []engine.Event) {
	t.Helper()
	if sum.Transferred != 0 || sum.Literal != 0 {
		t.Errorf("%d files and %d bytes were transferred", sum.Transferred, sum.Literal)
	}
	for _, e := range events {
		if item, ok := e.(engine.ItemEvent); ok {
			t.Errorf("changed again: %+v", item)
		}
	}
}

// TestInPlace writes the blocks only that differ, into the file itself.
func TestInPlace(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	plant(t, src)
	far, near := newHost(t, openSSH, Options{Compare: true}), localfs.NewHost()
	_, _, err := run(t, near, far, archive(src, dst))
	must(t, err)
	before, err := os.Stat(filepath.Join(dst, "large"))
	must(t, err)
	must(t, overwrite(filepath.Join(src, "large"), 5<<20, "some other bytes"))
	must(t, os.Chtimes(filepath.Join(src, "large"), mtime(100), mtime(100)))
	job := archive(src, dst)
	job.InPlace, job.WholeFile = true, true
	_, _, err = run(t, near, far, job)
	must(t, err)
	wantSame(t, src, dst, true)
	if after, err := os.Stat(filepath.Join(dst, "large")); err != nil || !os.SameFile(before, after) {
		t.Errorf("it is another file: %v", err)
	}
}

// TestHostile is about names that a path must not have: nothing leaves the tree.
func TestStrangeNames(t *testing.T) {
	src, dst := t.TempDir(), filepath.Join(t.TempDir(), "new")
	for _, name := range []string{"new\nline", "-rf", "*", "~", "back\\slash", "inv\xff", strings.Repeat("n", 255)} {
		must(t, os.WriteFile(filepath.Join(src, name), []byte(name), 0o600))
	}
	far := newHost(t, openSSH, Options{})
	_, _, err := run(t, localfs.NewHost(), far, archive(src, dst))
	must(t, err)
	wantSame(t, src, dst, true)
}

// TestNoneMakesNothingDurable has the server asked to make a large file durable as
// often as the policy says: with --fsync=none never, its checkpoints included.
func TestNoneMakesNothingDurable(t *testing.T) {
	src := t.TempDir()
	must(t, os.WriteFile(filepath.Join(src, "f"), make([]byte, 40<<20), 0o644))
	for policy, want := range map[engine.Durability]bool{engine.SyncNone: false, engine.SyncRun: true, engine.SyncEach: true} {
		var asked atomic.Int32
		far := newHost(t, func(t testing.TB) io.ReadWriteCloser {
			return &changedRequests{ReadWriteCloser: openSSH(t), change: func(packet []byte) {
				if packet[4] == fxpExtended && bytes.Contains(packet, []byte(extFsync)) {
					asked.Add(1)
				}
			}}
		}, Options{})
		job := archive(src, t.TempDir())
		job.Durability, job.Partial = policy, true
		_, _, err := run(t, localfs.NewHost(), far, job)
		must(t, err)
		if n := asked.Load(); (n > 0) != want {
			t.Errorf("policy %v: %d requests", policy, n)
		}
	}
}
