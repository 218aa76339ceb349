//go:build unix

package localfs

import (
	"testing"

	"gosync/internal/engine"
	"gosync/internal/engine/treetest"
)

func openTree(t testing.TB, root string, how engine.DestOptions) *Tree {
	t.Helper()
	tree, err := Open(root, how, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestSource(t *testing.T) {
	for _, resolves := range []bool{true, false} {
		t.Run(map[bool]string{true: "openat2", false: "openat"}[resolves], func(t *testing.T) {
			treetest.TestSource(t, func(t *testing.T) (engine.Source, string) {
				root := t.TempDir()
				tree := openTree(t, root, engine.DestOptions{ReadOnly: true})
				tree.resolves = tree.resolves && resolves
				t.Cleanup(func() { _ = tree.Close() })
				return tree, root
			}, treetest.Limits{})
		})
	}
}

func TestDest(t *testing.T) {
	for name, how := range map[string]engine.DestOptions{
		"run": {Durability: engine.SyncRun}, "each": {Durability: engine.SyncEach}, "none": {Durability: engine.SyncNone},
	} {
		t.Run(name, func(t *testing.T) { testDest(t, how, func(*Tree) {}) })
	}
	t.Run("openat", func(t *testing.T) {
		testDest(t, engine.DestOptions{Durability: engine.SyncNone}, func(tree *Tree) { tree.resolves = false })
	})
	t.Run("no syncfs", func(t *testing.T) {
		testDest(t, engine.DestOptions{}, func(tree *Tree) { tree.syncfs = false })
	})
}

func testDest(t *testing.T, how engine.DestOptions, change func(*Tree)) {
	treetest.TestDest(t, func(t *testing.T) (engine.Dest, string) {
		root := t.TempDir()
		tree := openTree(t, root, how)
		change(tree)
		if t.Name()[len(t.Name())-5:] != "Close" {
			t.Cleanup(func() { _ = tree.Close() })
		}
		return tree, root
	}, treetest.Limits{})
}
