//go:build unix

package localfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// heldBack commits a file of chunks that counts as a large one, which is locked until it appears.
func heldBack(t *testing.T, tree *Tree, path string, chunks int) {
	t.Helper()
	f := begin(t, tree, path, resumable, chunks).(*newFile)
	f.end.Store(largeFile + 1)
	f.Commit(context.Background(), int64(chunks)*delta.ChunkSize, entry(0o640), allAttrs, func(err error) { must(t, err) })
}

// TestStaged: files that are held back lie in a directory for partials that is an absolute path, made where it is not
// there, whatever their names and whatever lies there, and come from there, on another file system, too.
func TestStaged(t *testing.T) {
	t.Parallel()
	for _, durability := range []engine.Durability{engine.SyncRun, engine.SyncEach, engine.SyncNone} {
		for _, away := range []bool{false, true} {
			dir, parent := t.TempDir(), t.TempDir()
			if away {
				parent = elsewhere(t, dir)
			}
			must(t, os.Mkdir(parent+"/real", 0o700))
			must(t, os.Symlink("real", parent+"/link"))
			stagedRun(t, dir, parent+"/link/sub", durability, away)
		}
	}
}

func stagedRun(t *testing.T, dir, apart string, durability engine.Durability, away bool) {
	t.Helper()
	for _, name := range []string{"a", "b", "c"} {
		must(t, os.Mkdir(dir+"/"+name, 0o755))
	}
	tree := openTree(t, dir, engine.DestOptions{Durability: durability, PartialDir: apart})
	tree.DelayUpdates()
	done := 0
	if exists(apart) {
		t.Error("the directory is made before it is needed")
	}
	heldBack(t, tree, "a/n", 3)
	heldBack(t, tree, "b/n", 2)
	for _, name := range []string{"n", "c/n", "f"} {
		put(t, tree, name, "content of "+name, func(err error) { must(t, err); done++ })
	}
	must(t, tree.groups.finish(t.Context()))
	if got := names(t, apart); len(got) != 5 || slices.Contains(got, "n") == away {
		t.Errorf("%q are held back, on another file system: %t", got, away)
	}
	for _, name := range []string{"a", "b", "c"} {
		if got := names(t, dir+"/"+name); len(got) != 0 {
			t.Errorf("%q are in %s", got, name)
		}
	}
	// What is held back is not another file's partial, nor does one take its place.
	if _, err := tree.Partial(t.Context(), "c/n"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("what is held back is taken for a partial:", err)
	}
	must(t, begin(t, tree, "c/n", resumable, 1).Discard())
	must(t, tree.DropPartial(t.Context(), "c/n"))
	must(t, tree.Sync(t.Context()))
	wantChunks(t, dir+"/a/n", 3)
	wantChunks(t, dir+"/b/n", 2)
	for _, name := range []string{"n", "c/n", "f"} {
		holds(t, dir+"/"+name, "content of "+name)
	}
	for name, mode := range map[string]os.FileMode{"a/n": 0o640, "f": 0o644} {
		if st, err := os.Stat(dir + "/" + name); err != nil || st.Mode() != mode || st.ModTime().Unix() != entry(0).Sec {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
	if got := names(t, apart); done != 3 || len(got) != 0 {
		t.Errorf("%d of 3 are done; %q are left", done, got)
	}
	must(t, tree.Close())
	wantOnly(t, dir+"/c", "n")
}

// TestStagedBrokenOff: of a run that ends before the files appear nothing is left but what can be resumed.
func TestStagedBrokenOff(t *testing.T) {
	noLeaks(t)
	dir, apart := t.TempDir(), t.TempDir()+"/p"
	tree := openTree(t, dir, engine.DestOptions{Durability: engine.SyncNone, PartialDir: apart})
	tree.DelayUpdates()
	f := begin(t, tree, "n", resumable, 2).(*newFile)
	f.end.Store(largeFile + 1)
	var failed error
	f.Commit(t.Context(), 2*delta.ChunkSize, entry(0o640), allAttrs, func(err error) { failed = err })
	put(t, tree, "small", "x", func(error) {})
	must(t, tree.Close())
	if failed == nil || len(names(t, dir)) != 0 {
		t.Errorf("%v; %q are there", failed, names(t, dir))
	}
	wantOnly(t, apart, "n")
	wantChunks(t, apart+"/n", 2)
}

// TestStagedNowhere: without the directory files wait where they appear.
func TestStagedNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree := opened(t, dir, engine.DestOptions{PartialDir: dir + "/no/such", Durability: engine.SyncNone})
	tree.DelayUpdates()
	put(t, tree, "a", "x", func(err error) { must(t, err) })
	if got := names(t, dir); len(got) != 1 || !manifest.Temporary(got[0]) {
		t.Errorf("%q are there", got)
	}
	must(t, tree.Sync(t.Context()))
	wantOnly(t, dir, "a")
}
