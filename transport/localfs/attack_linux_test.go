package localfs

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

// TestFlipper changes a directory and a symlink to the outside for each other
// all the time, while everything that a tree can do is done below that name.
func TestFlipper(t *testing.T) {
	const rounds = 500 * time.Millisecond
	for _, resolves := range []bool{true, false} {
		base := t.TempDir()
		root, outside := filepath.Join(base, "root"), filepath.Join(base, "outside")
		for _, dir := range []string{root + "/a/b", outside + "/b"} {
			must(t, os.MkdirAll(dir, 0o755))
			must(t, os.WriteFile(dir+"/file", []byte("secret of "+dir), 0o644))
		}
		must(t, os.Symlink(outside, root+"/x"))
		before := listAll(t, outside)

		stop := make(chan struct{})
		var flipper sync.WaitGroup
		flips := 0
		flipper.Go(func() {
			for ; ; flips++ {
				select {
				case <-stop:
					return
				default:
					_ = unix.Renameat2(unix.AT_FDCWD, root+"/a", unix.AT_FDCWD, root+"/x", unix.RENAME_EXCHANGE)
				}
			}
		})
		n, leaks := 0, 0
		for end := time.Now().Add(rounds); time.Now().Before(end); n++ {
			leaks += assault(t, root, outside, n, resolves)
		}
		close(stop)
		flipper.Wait()
		t.Logf("openat2 %v: %d rounds, %d flips", resolves, n, flips)
		if after := listAll(t, outside); after != before {
			t.Errorf("outside of the root something has changed\n%s\n%s", before, after)
		}
		if leaks > 0 {
			t.Errorf("%d reads came from outside of the root", leaks)
		}
	}
}

// assault does everything once in a tree, and returns how often that read
// something from the outside. A tree of its own has no directory cached.
func assault(t *testing.T, root, outside string, n int, resolves bool) (leaks int) {
	ctx := context.Background()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	tree.resolves = tree.resolves && resolves
	defer tree.Close()
	file, dir, link := entry(0o600), entry(0o700), entry(0o777)
	file.UID, file.Sec, dir.Type = 4711, int64(n), manifest.Directory
	link.Type, link.Ext = manifest.Symlink, &manifest.Ext{Link: "x"}
	for _, at := range []string{"a", "x", "a/b", "x/b"} {
		for _, how := range []engine.CreateOptions{{}, {InPlace: true}} {
			if f, err := tree.Create(ctx, at+"/file", how); err == nil {
				_, _ = f.WriteAt([]byte("evil"), 0)
				f.Commit(ctx, 4, file, allAttrs, func(error) {})
			}
		}
		_ = tree.Mkdir(ctx, at+"/dir")
		_ = tree.Symlink(ctx, at+"/link", link, allAttrs)
		_ = tree.Mknod(ctx, at+"/fifo", &manifest.Entry{Type: manifest.Fifo}, allAttrs)
		_ = tree.Link(ctx, at+"/hard", at+"/file")
		_ = tree.SetAttrs(ctx, at+"/file", file, allAttrs)
		_ = tree.SetAttrs(ctx, at, dir, allAttrs)
		_ = tree.Remove(ctx, at+"/dir", dir)
		_ = tree.Remove(ctx, at+"/link", link)
		_ = tree.Remove(ctx, at+"/hard", file)
		_ = tree.Remove(ctx, at+"/fifo", &manifest.Entry{Type: manifest.Fifo})
		if data, err := tree.ReadFile(ctx, at+"/file", 1000); err == nil && strings.Contains(string(data), outside) {
			leaks++
		}
	}
	return leaks
}

// TestWithoutRights does as an ordinary user what needs no more rights than
// the directories give. The thread alone loses its rights.
func TestWithoutRights(t *testing.T) {
	need.Root(t, "only root can become somebody else")
	const nobody = 65534
	base := t.TempDir()
	must(t, os.Chmod(filepath.Dir(base), 0o755))
	root := filepath.Join(base, "root")
	for _, dir := range []string{"", "blind", "closed"} {
		must(t, os.Mkdir(filepath.Join(root, dir), 0o755))
		must(t, os.Chown(filepath.Join(root, dir), nobody, nobody))
	}
	must(t, os.Chmod(filepath.Join(root, "blind"), 0o300))
	must(t, os.Chmod(filepath.Join(root, "closed"), 0))
	must(t, os.WriteFile(filepath.Join(root, "locked"), []byte("x"), 0o000))
	must(t, os.Chown(filepath.Join(root, "locked"), nobody, nobody))

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	must(t, unix.Setfsuid(nobody))
	defer func() { must(t, unix.Setfsuid(0)) }()

	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	put(t, tree, "blind/file", "x", func(err error) {
		// The owner of e is root, which is not to be had; all else is.
		if err == nil || !strings.Contains(err.Error(), "chown") {
			t.Errorf("done was called with %v", err)
		}
	})
	if e, err := tree.Stat(t.Context(), "blind/file"); err != nil || e.Mode != 0o644 || e.Sec != entry(0).Sec {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := tree.List(t.Context(), "blind"); err == nil {
		t.Error("a directory was listed that may not be read")
	}
	if _, err := tree.Stat(t.Context(), "closed/file"); err == nil {
		t.Error("a closed directory was entered")
	}
	must(t, tree.SetAttrs(t.Context(), "locked", entry(0o640), manifest.AttrMode|manifest.AttrTimes))
	if e, err := tree.Stat(t.Context(), "locked"); err != nil || e.Mode != 0o640 {
		t.Errorf("%+v, %v", e, err)
	}
}
