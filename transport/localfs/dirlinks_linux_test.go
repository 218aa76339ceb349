package localfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

// TestManyLinks: symlinks that stand for directories cost no descriptor each, and one that
// is opened again leads to the directory that it led to first, or nowhere.
func TestManyLinks(t *testing.T) {
	const links, limit = 40, 4
	root := t.TempDir()
	for i := range links {
		must(t, os.MkdirAll(filepath.Join(root, "real", fmt.Sprint(i)), 0o755))
		must(t, os.Symlink(fmt.Sprintf("real/%d", i), filepath.Join(root, fmt.Sprint("l", i))))
	}
	must(t, os.Mkdir(filepath.Join(root, "other"), 0o755))
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	if !tree.resolves {
		need.Missing(t, "openat2", "the system cannot keep a path inside of a tree")
	}
	tree.dirs.limit = limit
	before := descriptors(t)
	for i := range links {
		e, err := tree.KeepLink(t.Context(), fmt.Sprint("l", i))
		must(t, err)
		if !e.IsDir() || e.Name != fmt.Sprint("l", i) {
			t.Errorf("%+v", e)
		}
	}
	if n := descriptors(t) - before; n > limit {
		t.Errorf("%d descriptors for %d links", n, links)
	}
	for i := range links {
		put(t, tree, fmt.Sprintf("l%d/file", i), fmt.Sprint(i), func(err error) { must(t, err) })
		if data, err := os.ReadFile(filepath.Join(root, "real", fmt.Sprint(i), "file")); err != nil || string(data) != fmt.Sprint(i) {
			t.Errorf("link %d: %q, %v", i, data, err)
		}
	}

	must(t, os.Remove(filepath.Join(root, "l0")))
	must(t, os.Symlink("other", filepath.Join(root, "l0")))
	dir := &manifest.Entry{Name: "l0", Type: manifest.Directory, Mode: 0o700}
	_, statted := tree.Stat(t.Context(), "l0")
	for what, err := range map[string]error{
		"stat": statted, "mkdir": tree.Mkdir(t.Context(), "l0/new"), "setattr": tree.SetAttrs(t.Context(), "l0", dir, manifest.AttrMode),
	} {
		if !errors.Is(err, errLinkChanged) {
			t.Errorf("%s below a link that was changed: %v", what, err)
		}
	}
	must(t, os.RemoveAll(filepath.Join(root, "real", "1")))
	for _, path := range []string{"l1/new", "l1/x/new"} {
		if err := tree.Mkdir(t.Context(), path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("mkdir %s below a link to a directory that was removed: %v", path, err)
		}
	}
	if list, err := os.ReadDir(filepath.Join(root, "other")); err != nil || len(list) > 0 {
		t.Errorf("%v in the other directory, %v", list, err)
	}
}
