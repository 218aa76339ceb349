//go:build unix

package treetest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// testInUse: two runs do not write the same partial.
func testInUse(t *testing.T, d engine.Dest, root string) {
	how, content := resume(9*chunkSize), chunks(2, "the file")
	refused := func(what string) {
		t.Helper()
		_, err := d.Partial(t.Context(), "file")
		_, cerr := d.Create(t.Context(), "file", how)
		for _, err := range []error{err, cerr} {
			if !errors.Is(err, engine.ErrInUse) || !strings.Contains(err.Error(), filepath.Join(root, "file")) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	f, err := d.Create(t.Context(), "file", how)
	must(t, err)
	refused("while it is written")
	receive(t, f, content, 0)
	must(t, f.Discard())
	p := openPartial(t, d, "file")
	refused("while it is open")
	f, err = p.Continue(t.Context(), 2, how)
	must(t, err)
	refused("while it is written on")
	// Whoever does not resume is not in the way.
	must(t, create(t, d, "file", "short", engine.CreateOptions{}, fileEntry(0o600), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "file"), "short")
	must(t, commit(t.Context(), t, d, f, int64(len(content)), fileEntry(0o600), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "file"), content)
	wantNoTemps(t, d, root)
}

func testRemoveStale(t *testing.T, d engine.Dest, root string) {
	how, content := resume(9*chunkSize), chunks(2, "the file")
	partial, sidecar := manifest.PartialName("file"), manifest.SidecarName("file")
	try := func(what, name string, all, want bool) {
		t.Helper()
		if got, err := d.RemoveStale(t.Context(), name, all); got != want || err != nil {
			t.Errorf("%s: %s, all %v: %v, %v", what, name, all, got, err)
		}
	}
	interrupt(t, d, "file", content, how)
	try("of use", partial, false, false)
	try("of use", sidecar, false, false)
	wantHeld(t, d, "file", sums(content), how.Identity)
	p := openPartial(t, d, "file")
	try("open", partial, true, false)
	try("open", sidecar, true, false)
	must(t, p.Close())
	wantHeld(t, d, "file", sums(content), how.Identity)
	try("all", partial, true, true)
	wantNoTemps(t, d, root)
	try("gone", partial, true, false)
	try("gone", sidecar, true, false)

	interrupt(t, d, "file", content, how)
	must(t, os.Remove(filepath.Join(root, partial)))
	try("alone", sidecar, false, true)
	wantNoTemps(t, d, root)

	// A run with --partial shows what it receives, and may have been here before this one.
	interrupt(t, d, "file", content, how)
	shown := manifest.ShownName("file")
	must(t, os.Rename(filepath.Join(root, partial), filepath.Join(root, shown)))
	try("of one that is shown", sidecar, true, false)
	try("of use", shown, false, false)
	try("all", shown, true, true)
	wantNoTemps(t, d, root)

	for _, name := range []string{"file", ".gosync.x", partial + "x", shown + "x"} {
		write(t, filepath.Join(root, name), "x")
		try("another name", name, true, false)
		wantContent(t, filepath.Join(root, name), "x")
	}
}
