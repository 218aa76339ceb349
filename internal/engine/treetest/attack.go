//go:build unix

package treetest

import (
	"os"
	"path/filepath"
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

func testDestBadPaths(t *testing.T, d engine.Dest, root string) {
	must(t, os.Mkdir(filepath.Join(root, "a"), 0o755))
	write(t, filepath.Join(root, "b"), "b")
	before := snapshot(t, root)
	for _, path := range badPaths {
		for name, err := range attempts(t, d, path, Limits{}) {
			if err == nil {
				t.Errorf("%s %q succeeded", name, path)
			}
		}
	}
	if after := snapshot(t, root); after != before {
		t.Errorf("something has changed:\n%s%s", before, after)
	}
}

// attempts tries everything that changes a path.
func attempts(t *testing.T, d engine.Dest, path string, limits Limits) map[string]error {
	t.Helper()
	ctx := t.Context()
	file, dir, fifo := fileEntry(0o666), fileEntry(0o777), fileEntry(0o666)
	dir.Type, fifo.Type = manifest.Directory, manifest.Fifo
	attrs := manifest.AttrMode | manifest.AttrTimes
	results := map[string]error{
		"Mkdir":        d.Mkdir(ctx, path),
		"Symlink":      d.Symlink(ctx, path, linkEntry("evil"), manifest.AttrTimes),
		"SetAttrs":     d.SetAttrs(ctx, path, file, attrs),
		"SetAttrs dir": d.SetAttrs(ctx, path, dir, attrs),
		"Remove":       d.Remove(ctx, path, file),
		"Remove dir":   d.Remove(ctx, path, dir),
		"Create":       create(t, d, path, "evil", engine.CreateOptions{}, file, attrs),
	}
	if !limits.NoInPlace {
		results["Create in place"] = create(t, d, path, "evil", engine.CreateOptions{InPlace: true}, file, attrs)
	}
	if !limits.NoLinks {
		results["Link from"] = d.Link(ctx, "linked", path)
		results["Link"] = d.Link(ctx, path, "own")
	}
	if !limits.NoSpecials {
		results["Mknod"] = d.Mknod(ctx, path, fifo, attrs)
	}
	if f, err := d.Create(ctx, path, engine.CreateOptions{Visible: true}); err == nil {
		_, _ = f.WriteAt([]byte("evil"), 0)
		results["Partial"] = f.Discard()
	}
	return results
}

// testDestSymlinks plants symlinks to the outside in the way of everything
// that can be done.
func testDestSymlinks(t *testing.T, d engine.Dest, root string, limits Limits) {
	outside, check := canary(t)
	write(t, filepath.Join(root, "own"), "own")
	plant := func(target string, path ...string) string {
		full := filepath.Join(append([]string{root}, path...)...)
		must(t, os.RemoveAll(full))
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		must(t, os.Symlink(target, full))
		return filepath.Join(path...)
	}
	// A symlink on the way: nothing below it may be reached.
	for _, way := range []string{
		plant(outside, "first") + "/file",
		plant(outside, "a", "second") + "/file",
		plant(outside, "a", "b", "third") + "/sub/file",
		plant("../../own/..", "a", "b", "inside") + "/file",
		plant(outside, "first") + "/new",
	} {
		for name, err := range attempts(t, d, way, limits) {
			if err == nil {
				t.Errorf("%s of %s succeeded", name, way)
			}
		}
		check()
	}
	// A symlink as the last component: it may be replaced, not followed.
	for _, target := range []string{filepath.Join(outside, "file"), filepath.Join(outside, "sub"), filepath.Join(outside, "new"), outside} {
		for _, how := range []engine.CreateOptions{{}, {InPlace: !limits.NoInPlace}, {Visible: true}, {Sparse: true}} {
			leaf := plant(target, "dir", "leaf")
			must(t, create(t, d, leaf, "mine", how, fileEntry(0o600), manifest.AttrMode|manifest.AttrTimes))
			check()
		}
		leaf := plant(target, "dir", "leaf")
		attempts(t, d, leaf, limits)
		check()
	}
	if limits.ByPath {
		return
	}
	// A directory that is replaced after it was used.
	must(t, os.RemoveAll(filepath.Join(root, "dir")))
	must(t, d.Mkdir(t.Context(), "dir"))
	must(t, create(t, d, "dir/file", "mine", engine.CreateOptions{}, fileEntry(0o600), manifest.AttrMode))
	must(t, os.Rename(filepath.Join(root, "dir"), filepath.Join(root, "moved")))
	plant(outside, "dir")
	attempts(t, d, "dir/file", limits)
	check()
}
