package walker

import (
	"fmt"
	"slices"
	"testing"

	"gosync/walker/manifest"
)

// pruned walks a tree and prunes what it finds.
func pruned(t *testing.T, root *Node, keep func(d *Dir, entry int) bool) (left []*Dir, lines []string, gone int) {
	t.Helper()
	var dirs []*Dir
	err := Walk(t.Context(), root, Options{HardLinks: true}, func(d *Dir) error { dirs = append(dirs, d); return nil })
	if err != nil {
		t.Fatal(err)
	}
	left, dropped := Prune(dirs, keep)
	for i := range left {
		check(t, left[:i+1])
		lines = append(lines, line(left[i]))
	}
	return left, lines, len(dropped)
}

func TestPrune(t *testing.T) {
	tree := newTree("a/b/c/", "a/d/", "e/f/x", "e/g/", "h/", "y", "z/i/j/k")
	_, lines, gone := pruned(t, root(tree), nil)
	want(t, lines, ": e/> y z/>", "e: f/>", "e/f: x", "z: i/>", "z/i: j/>", "z/i/j: k")
	if gone != 6 {
		t.Errorf("%d directories are gone", gone)
	}
	_, lines, _ = pruned(t, root(tree), func(d *Dir, i int) bool { return d.Path == "a" && d.Entries[i].Name == "d" })
	want(t, lines, ": a/> e/> y z/>", "a: d/>", "a/d:", "e: f/>", "e/f: x", "z: i/>", "z/i: j/>", "z/i/j: k")
	_, lines, _ = pruned(t, root(newTree("a/b/", "c/")), nil)
	want(t, lines, ":")
}

// TestPruneMerged: what comes of several places keeps its origin and its group of links.
func TestPruneMerged(t *testing.T) {
	one, two := newTree("a/e/", "b/x"), newTree("a/f/", "b/c/", "b/y", "c/z")
	for _, p := range []string{"b/y", "c/z"} {
		e := two.entry(p)
		e.Ino, e.Ext = 7, &manifest.Ext{Dev: 1, Nlink: 2}
	}
	left, lines, _ := pruned(t, &Node{Contents: []Origin{{one, ""}, {two, ""}}}, nil)
	want(t, lines, ": b/> c/>", "b: x y", "c: z")
	tree, path := left[1].Origin(1)
	if tree != Tree(two) || path != "b/y" {
		t.Errorf("y comes from %q", path)
	}
	if ld, le, ok := left[2].Entries[0].Leader(); fmt.Sprint(ld, le, ok) != "1 1 true" {
		t.Errorf("z is linked to %d %d %v", ld, le, ok)
	}
	if slices.ContainsFunc(left, func(d *Dir) bool { return d.Path == "a" }) {
		t.Error("a is left")
	}
}
