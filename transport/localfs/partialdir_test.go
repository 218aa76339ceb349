//go:build unix

package localfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

// TestPartialDir keeps files apart under their own names.
func TestPartialDir(t *testing.T) {
	shm := ""
	if dir, err := os.MkdirTemp("/dev/shm", "gosync"); err == nil {
		defer os.RemoveAll(dir)
		shm = filepath.Join(dir, "partial")
	}
	for name, apart := range map[string]string{
		"relative": ".partial", "slash": "partial/", "nested": "some/partial", "absolute": filepath.Join(t.TempDir(), "partial"), "other file system": shm,
	} {
		t.Run(name, func(t *testing.T) {
			if apart == "" {
				need.Missing(t, "shm", "there is no other file system at /dev/shm")
			}
			testPartialDir(t, apart)
		})
	}
}

func testPartialDir(t *testing.T, apart string) {
	noLeaks(t)
	root := t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, "dir"), 0o755))
	tree := openTree(t, root, engine.DestOptions{PartialDir: apart, Durability: engine.SyncNone})
	where := apart
	if !filepath.IsAbs(apart) {
		where = filepath.Join(root, "dir", apart)
	}
	f := begin(t, tree, "dir/file", resumable, 3)
	if !exists(filepath.Join(root, "dir", manifest.ShownName("file"))) || exists(filepath.Join(where, "file")) {
		t.Error("while it is received it has another name")
	}
	for range 2 {
		must(t, f.Discard())
		wantChunks(t, filepath.Join(where, "file"), 3)
		if info, err := os.Lstat(where); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the directory is %v, %v", info, err)
		}
		for _, name := range []string{manifest.ShownName("file"), manifest.PartialName("file"), manifest.SidecarName("file")} {
			if exists(filepath.Join(root, "dir", name)) {
				t.Errorf("%s was left", name)
			}
		}
		p, err := tree.Partial(t.Context(), "dir/file")
		must(t, err)
		if len(p.Held()) > 0 {
			t.Errorf("%d chunks are held of what has no sidecar", len(p.Held()))
		}
		f, err = p.Continue(t.Context(), 3, resumable)
		must(t, err)
		if exists(filepath.Join(where, "file")) {
			t.Error("it is in two places")
		}
	}
	receive(t, f, 3, 4)
	finish(t, tree, f, 4, entry(0o644))
	wantChunks(t, filepath.Join(root, "dir", "file"), 4)

	// A file that is made in another way makes what was kept void.
	must(t, begin(t, tree, "dir/file", resumable, 2).Discard())
	put(t, tree, "dir/file", "short", func(err error) { must(t, err) })
	must(t, tree.Sync(t.Context()))
	if _, err := tree.Partial(t.Context(), "dir/file"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
	must(t, begin(t, tree, "dir/file", resumable, 2).Discard())
	must(t, tree.DropPartial(t.Context(), "dir/file"))
	if exists(filepath.Join(where, "file")) {
		t.Error("it was not dropped")
	}
	p := begin(t, tree, "dir/file", resumable, 2)
	must(t, p.Discard())
	opened, err := tree.Partial(t.Context(), "dir/file")
	must(t, err)
	must(t, opened.Unlink(t.Context()))
	must(t, opened.Close())
	if exists(filepath.Join(where, "file")) {
		t.Error("it was not unlinked")
	}
	must(t, tree.Close())
	if apart == ".partial" {
		wantOnly(t, filepath.Join(root, "dir"), "file")
	}
}

// TestPartialDirPlanted: what others have prepared in the place of the directory,
// or in it, is not used, and no file fails because of it.
func TestPartialDirPlanted(t *testing.T) {
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "file"), []byte("victim"), 0o600))
	before := listAll(t, outside)
	for name, plant := range map[string]func(dir string) error{
		"symlink":        func(dir string) error { return os.Symlink(outside, dir) },
		"file":           func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
		"group writable": func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o770)) },
		"symlink inside": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Symlink(filepath.Join(outside, "file"), filepath.Join(dir, "file")))
		},
		"hard link inside": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Link(filepath.Join(outside, "file"), filepath.Join(dir, "file")))
		},
		"directory inside": func(dir string) error { return os.MkdirAll(filepath.Join(dir, "file"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			must(t, plant(filepath.Join(root, "apart")))
			tree := openTree(t, root, engine.DestOptions{PartialDir: "apart", Durability: engine.SyncNone})
			defer tree.Close()
			if _, err := tree.Partial(t.Context(), "file"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Partial: %v", err)
			}
			if err := begin(t, tree, "file", resumable, 2).Discard(); err != nil {
				t.Logf("Discard: %v", err) // it stays hidden, and the run ends anyway
			}
			p, err := tree.Partial(t.Context(), "file")
			must(t, err)
			must(t, p.Close())
			f := begin(t, tree, "file", resumable, 3)
			finish(t, tree, f, 3, entry(0o644))
			wantChunks(t, filepath.Join(root, "file"), 3)
			must(t, tree.DropPartial(t.Context(), "file"))
			if after := listAll(t, outside); after != before {
				t.Errorf("outside of the root something has changed\n%s\n%s", before, after)
			}
		})
	}
}

func TestPartialDirOption(t *testing.T) {
	base := t.TempDir()
	must(t, os.Mkdir(filepath.Join(base, "mine"), 0o700))
	must(t, os.Mkdir(filepath.Join(base, "open"), 0o700))
	must(t, os.Chmod(filepath.Join(base, "open"), 0o777))
	must(t, os.WriteFile(filepath.Join(base, "file"), nil, 0o600))
	must(t, os.Symlink("mine", filepath.Join(base, "link")))
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for option, ok := range map[string]bool{
		"": true, ".partial": true, ".partial/": true, "a/b": true, base + "/mine": true, base + "/none": true,
		".": false, "./": false, "..": false, "../x": false, "a/../b": false, "a//b": false, "a/./b": false, "a\x00b": false,
		base + "/open": false, base + "/file": false, base + "/link": true, // a symlink of this user
	} {
		tree, err := NewHost().Dest(t.Context(), t.TempDir(), engine.DestOptions{PartialDir: option})
		if (err == nil) != ok {
			t.Errorf("%q: %v", option, err)
		}
		if err == nil {
			must(t, tree.Close())
		}
	}
}
