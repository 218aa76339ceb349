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

// testMark: while a file is written in place, and afterwards if that was not
// completed, something says so, whatever the file's size and time are.
func testMark(t *testing.T, d engine.Dest, root string) {
	path := filepath.Join(root, "file")
	_, mark := kept(root, "file")
	for _, sec := range []int64{0, 2, mtime.Unix()} {
		how := engine.CreateOptions{InPlace: true, Sec: sec}
		write(t, path, "0123456789")
		f, err := d.Create(t.Context(), "file", how)
		must(t, err)
		wantGone(t, mark) // nothing has happened yet
		_, err = f.WriteAt([]byte("AB"), 2)
		must(t, err)
		wantMarked(t, d, path, mark, sec)
		must(t, f.Discard())
		wantMarked(t, d, path, mark, sec)

		f, err = d.Create(t.Context(), "file", how)
		must(t, err)
		_, err = f.WriteAt([]byte("CD"), 4)
		must(t, err)
		must(t, f.Remove())
		wantMarked(t, d, path, mark, sec)

		e := fileEntry(0o600)
		e.Sec, e.Nsec = sec, 0
		must(t, create(t, d, "file", "ABCD456789", how, e, manifest.AttrMode|manifest.AttrTimes))
		wantGone(t, mark)
		wantContent(t, path, "ABCD456789")
		if info, err := os.Lstat(path); err != nil || info.ModTime().Unix() != sec {
			t.Errorf("it has time %v, %v", info.ModTime(), err)
		}
	}
	// What was not written is not marked, and DropPartial takes the mark away.
	f, err := d.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()})
	must(t, err)
	must(t, f.Discard())
	wantGone(t, mark)
	f, err = d.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()})
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	must(t, err)
	must(t, d.DropPartial(t.Context(), "file")) // it is being written
	wantMarked(t, d, path, mark, mtime.Unix())
	must(t, f.Discard())
	must(t, d.DropPartial(t.Context(), "file"))
	wantGone(t, mark)
	// A new file is marked from the start on, and leaves nothing if it is given up.
	f, err = d.Create(t.Context(), "new", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()})
	must(t, err)
	path = filepath.Join(root, "new")
	_, mark = kept(root, "new")
	wantMarked(t, d, path, mark, mtime.Unix())
	_, err = f.WriteAt([]byte("x"), 0)
	must(t, err)
	wantMarked(t, d, path, mark, mtime.Unix())
	must(t, f.Discard())
	wantGone(t, path)
	wantNoTemps(t, d, root)
	// Where it is to be seen it stays marked.
	f, err = d.Create(t.Context(), "new", engine.CreateOptions{InPlace: true, Visible: true, Sec: mtime.Unix()})
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	must(t, err)
	must(t, f.Discard())
	wantMarked(t, d, path, mark, mtime.Unix())
	must(t, create(t, d, "new", "whole", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()}, fileEntry(0o600), manifest.AttrMode|manifest.AttrTimes))
	wantNoTemps(t, d, root)
}

// wantMarked checks that a file cannot be taken for complete, and that nothing
// but the run's end changes that.
func wantMarked(t *testing.T, d engine.Dest, path, mark string, sec int64) {
	t.Helper()
	if info, err := os.Lstat(mark); err != nil || info.Mode() != 0o600 {
		t.Errorf("there is no mark: %v, %v", info, err)
	}
	if info, err := os.Lstat(path); err != nil || isNear(info, sec) || info.ModTime().Unix() > 24*60*60 {
		t.Errorf("the time is %v, %v", info.ModTime(), err)
	}
	for _, all := range []bool{false, true} {
		if ok, err := d.RemoveStale(t.Context(), filepath.Base(mark), all); ok || err != nil {
			t.Errorf("the mark was removed: %v, %v", ok, err)
		}
	}
	wantNoPartial(t, d, "file")
}

// testMarkBehindPartial: the mark shows, and lasts, although an earlier run has
// left a partial of the same name.
func testMarkBehindPartial(t *testing.T, d engine.Dest, root string) {
	write(t, filepath.Join(root, "file"), "0123456789")
	partial, mark := kept(root, "file")
	interrupt(t, d, "file", chunks(2, "another run"), resume(9*chunkSize))
	f, err := d.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()})
	must(t, err)
	_, err = f.WriteAt([]byte("AB"), 2)
	must(t, err)
	must(t, f.Discard())
	wantGone(t, partial) // or the mark would be taken for its sidecar
	if _, err := d.RemoveStale(t.Context(), filepath.Base(partial), true); err != nil {
		t.Error(err)
	}
	wantMarked(t, d, filepath.Join(root, "file"), mark, mtime.Unix())
	must(t, d.DropPartial(t.Context(), "file"))
	wantNoTemps(t, d, root)
}

// testMarkBesidePartial: the mark does not take the place of the sidecar of a
// partial that is being received, nor the other way round.
func testMarkBesidePartial(t *testing.T, d engine.Dest, root string) {
	write(t, filepath.Join(root, "file"), "0123456789")
	how, content := resume(9*chunkSize), chunks(2, "another run")
	f, err := d.Create(t.Context(), "file", how)
	must(t, err)
	must(t, create(t, d, "file", "AB", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()}, fileEntry(0o600), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "file"), "AB")
	receive(t, f, content, 0)
	must(t, f.Discard())
	wantHeld(t, d, "file", sums(content), how.Identity)
	must(t, d.DropPartial(t.Context(), "file"))
	wantNoTemps(t, d, root)

	f, err = d.Create(t.Context(), "file", engine.CreateOptions{InPlace: true, Sec: mtime.Unix()})
	must(t, err)
	_, err = f.WriteAt([]byte("CD"), 0)
	must(t, err)
	must(t, create(t, d, "other", content, how, fileEntry(0o600), manifest.AttrMode))
	g, err := d.Create(t.Context(), "file", how)
	must(t, err)
	receive(t, g, content, 0)
	must(t, g.Remove())
	_, mark := kept(root, "file")
	wantMarked(t, d, filepath.Join(root, "file"), mark, mtime.Unix())
	must(t, f.Discard())
	must(t, d.DropPartial(t.Context(), "file"))
	wantNoTemps(t, d, root)
}

// testInPlaceInUse: two runs do not write the same file in place.
func testInPlaceInUse(t *testing.T, d engine.Dest, root string) {
	how := engine.CreateOptions{InPlace: true, Sec: mtime.Unix()}
	write(t, filepath.Join(root, "old"), "0123456789")
	for _, name := range []string{"old", "new"} {
		f, err := d.Create(t.Context(), name, how)
		must(t, err)
		refused := func() {
			t.Helper()
			if _, err := d.Create(t.Context(), name, how); !errors.Is(err, engine.ErrInUse) || !strings.Contains(err.Error(), filepath.Join(root, name)) {
				t.Errorf("%s: %v", name, err)
			}
		}
		refused()
		_, err = f.WriteAt([]byte("AB"), 0)
		must(t, err)
		refused()
		must(t, commit(t.Context(), t, d, f, 2, fileEntry(0o600), manifest.AttrMode))
		must(t, create(t, d, name, "whole", how, fileEntry(0o600), manifest.AttrMode))
		wantContent(t, filepath.Join(root, name), "whole")
	}
	wantNoTemps(t, d, root)
}
