//go:build unix

package localfs

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// A listing comes in its order, and takes memory for the whole, not for each name.
func TestListAtOnce(t *testing.T) {
	const files = 1000
	root := t.TempDir()
	for i := range files {
		must(t, os.WriteFile(filepath.Join(root, fmt.Sprintf("%03d-%s", i*7%files, strings.Repeat("x", i%200))), nil, 0o644))
	}
	tree := openTree(t, root, engine.DestOptions{ReadOnly: true})
	defer tree.Close()
	var entries []manifest.Entry
	var err error
	allocs := testing.AllocsPerRun(10, func() { entries, err = tree.List(t.Context(), "") })
	if err != nil || len(entries) != files || cap(entries) != files {
		t.Fatalf("%d entries in room for %d, %v", len(entries), cap(entries), err)
	}
	if !slices.IsSortedFunc(entries, func(a, b manifest.Entry) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the listing is not sorted")
	}
	for i := range entries {
		if _, err := os.Lstat(filepath.Join(root, entries[i].Name)); err != nil {
			t.Error(err)
		}
	}
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" && allocs > 20 {
		t.Errorf("%v allocations for %d names", allocs, files)
	}
}

// Names count as quick when those before them were, and not for longer than that.
func TestPace(t *testing.T) {
	var p pace
	p.begin()
	if p.next() {
		t.Error("the first name is quick")
	}
	ask := func() (quick int) {
		for range 4 * paceNames {
			if p.next() {
				quick++
			}
		}
		return quick
	}
	if n := ask(); n == 0 { // a machine that is busy may interrupt one of the groups
		t.Error("no name is quick")
	}
	p.since = p.since.Add(-time.Second) // as if the last names had taken so long
	if n := ask(); n > 3*paceNames {
		t.Errorf("%d names are quick after slow ones", n)
	}
	before := p.quick
	if p.begin(); p.next() != before {
		t.Error("another directory begins anew")
	}
}
