//go:build unix

package treetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// partialTests are about files that a later run goes on with.
var partialTests = []struct {
	name    string
	inPlace bool // files are written in place
	test    func(*testing.T, engine.Dest, string)
}{
	{"Resume", false, testResume},
	{"ResumeNothingNew", false, testResumeNothingNew},
	{"ResumeOther", false, testResumeOther},
	{"ResumeUnnoted", false, testResumeUnnoted},
	{"ResumeRemove", false, testResumeRemove},
	{"ResumeSparse", false, testResumeSparse},
	{"DropPartial", false, testDropPartial},
	{"UnlinkPartial", false, testUnlinkPartial},
	{"InUse", false, testInUse},
	{"RemoveStale", false, testRemoveStale},
	{"Visible", false, testVisible},
	{"PartialBadPaths", false, testPartialBadPaths},
	{"Mark", true, testMark},
	{"MarkBehindPartial", true, testMarkBehindPartial},
	{"MarkBesidePartial", true, testMarkBesidePartial},
	{"InPlaceInUse", true, testInPlaceInUse},
}

const chunkSize = delta.ChunkSize

// chunks returns n chunks, each of its own content.
func chunks(n int, version string) string {
	var b strings.Builder
	for i := range n {
		line := fmt.Sprintf("chunk %d of %s\n", i, version)
		b.WriteString(strings.Repeat(line, chunkSize/len(line)+1)[:chunkSize])
	}
	return b.String()
}

func sums(content string) []delta.Digest {
	var all []delta.Digest
	for ; len(content) >= chunkSize; content = content[chunkSize:] {
		all = append(all, delta.Sum([]byte(content[:chunkSize])))
	}
	return all
}

// resume are the options of a file that a later run can go on with.
func resume(size int) engine.CreateOptions {
	return engine.CreateOptions{
		Resume: true, Size: int64(size), Sec: mtime.Unix(),
		Identity: engine.Identity{Size: int64(size), Sec: mtime.Unix(), Nsec: 7},
	}
}

// receive writes content from a number of chunks on and lets its chunks land.
func receive(t *testing.T, f engine.NewFile, content string, from int) {
	t.Helper()
	off := from * chunkSize
	n, err := f.WriteAt([]byte(content[off:]), int64(off))
	if err != nil || n != len(content)-off {
		t.Fatalf("WriteAt: %d, %v", n, err)
	}
	for _, sum := range sums(content)[from:] {
		f.Landed(t.Context(), sum)
	}
}

// interrupt leaves a partial of content behind.
func interrupt(t *testing.T, d engine.Dest, path, content string, how engine.CreateOptions) {
	t.Helper()
	f, err := d.Create(t.Context(), path, how)
	must(t, err)
	receive(t, f, content, 0)
	must(t, f.Discard())
}

// openPartial opens a partial that must be there.
func openPartial(t *testing.T, d engine.Dest, path string) engine.Partial {
	t.Helper()
	p, err := d.Partial(t.Context(), path)
	must(t, err)
	return p
}

// wantHeld opens a partial, checks what it holds and closes it.
func wantHeld(t *testing.T, d engine.Dest, path string, want []delta.Digest, id engine.Identity) {
	t.Helper()
	p := openPartial(t, d, path)
	if !slices.Equal(p.Held(), want) {
		t.Errorf("%d chunks are held, want %d, or other ones", len(p.Held()), len(want))
	}
	if p.Identity() != id {
		t.Errorf("it is of %+v, want %+v", p.Identity(), id)
	}
	must(t, p.Close())
}

func wantNoPartial(t *testing.T, d engine.Dest, path string) {
	t.Helper()
	p, err := d.Partial(t.Context(), path)
	if err == nil {
		_ = p.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("opening a partial that should not be there: %v", err)
	}
}

// kept returns the names of the partial and the sidecar of a path.
func kept(root, path string) (partial, sidecar string) {
	dir, name := filepath.Split(filepath.Join(root, path))
	return dir + manifest.PartialName(name), dir + manifest.SidecarName(name)
}

func testResume(t *testing.T, d engine.Dest, root string) {
	must(t, d.Mkdir(t.Context(), "dir"))
	content := chunks(4, "the file") + "and the end"
	for _, path := range []string{"file", "dir/" + strings.Repeat("n", 255)} {
		how := resume(len(content))
		wantNoPartial(t, d, path)
		f, err := d.Create(t.Context(), path, how)
		must(t, err)
		receive(t, f, content[:2*chunkSize+100], 0)
		wantGone(t, filepath.Join(root, path))
		must(t, f.Discard())
		wantGone(t, filepath.Join(root, path))

		partial, sidecar := kept(root, path)
		for _, name := range []string{partial, sidecar} {
			if info, err := os.Lstat(name); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s is %v, %v", name, info, err)
			}
		}
		want := sums(content)[:2]
		wantHeld(t, d, path, want, how.Identity)
		wantHeld(t, d, path, want, how.Identity) // looking changes nothing

		p := openPartial(t, d, path)
		got := make([]byte, 2*chunkSize)
		if n, err := p.ReadAt(got, 0); n < len(got) || string(got) != content[:len(got)] {
			t.Errorf("it holds something else: %d, %v", n, err)
		}
		g, err := p.Continue(t.Context(), 2, how)
		must(t, err)
		receive(t, g, content, 2)
		must(t, commit(t.Context(), t, d, g, int64(len(content)), fileEntry(0o640), manifest.AttrMode|manifest.AttrTimes))
		wantContent(t, filepath.Join(root, path), content)
		if info, err := os.Lstat(filepath.Join(root, path)); err != nil || info.Mode() != 0o640 || info.ModTime().Unix() != mtime.Unix() {
			t.Errorf("%v, %v", info, err)
		}
		wantNoTemps(t, d, root)
		wantNoPartial(t, d, path)
	}
}

// testResumeNothingNew: a run that ends before anything new has come must not
// lose what was there.
func testResumeNothingNew(t *testing.T, d engine.Dest, root string) {
	content := chunks(3, "the file")
	how := resume(10 * chunkSize)
	interrupt(t, d, "file", content, how)
	for range 3 {
		p := openPartial(t, d, "file")
		f, err := p.Continue(t.Context(), len(p.Held()), how)
		must(t, err)
		must(t, f.Discard())
		wantHeld(t, d, "file", sums(content), how.Identity)
	}
	p := openPartial(t, d, "file")
	f, err := p.Continue(t.Context(), 3, how)
	must(t, err)
	must(t, commit(t.Context(), t, d, f, int64(len(content)), fileEntry(0o600), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "file"), content)
	wantNoTemps(t, d, root)
}

// testResumeChanged changes what was kept. Only what is there counts.
func testResumeChanged(t *testing.T, d engine.Dest, root string, limits Limits) {
	content := chunks(4, "the file")
	how := resume(10 * chunkSize)
	partial, sidecar := kept(root, "file")
	for name, tt := range map[string]struct {
		change func() error
		held   int
	}{
		"nothing":        {func() error { return nil }, 4},
		"a byte":         {func() error { return overwrite(partial, 2*chunkSize+5, "x") }, 2},
		"the first byte": {func() error { return overwrite(partial, 0, "x") }, 0},
		"cut":            {func() error { return os.Truncate(partial, 3*chunkSize-1) }, 2},
		"grown":          {func() error { return os.Truncate(partial, 9*chunkSize) }, 4},
		"emptied":        {func() error { return os.Truncate(partial, 0) }, 0},
		"no sidecar":     {func() error { return os.Remove(sidecar) }, 0},
		"empty sidecar":  {func() error { return os.Truncate(sidecar, 0) }, 0},
		"other sidecar":  {func() error { return overwrite(sidecar, 0, "something else") }, 0},
	} {
		if limits.Trusts && strings.HasSuffix(name, "byte") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			interrupt(t, d, "file", content, how)
			must(t, tt.change())
			p := openPartial(t, d, "file")
			if !slices.Equal(p.Held(), sums(content)[:tt.held]) {
				t.Errorf("%d chunks are held, want %d", len(p.Held()), tt.held)
			}
			f, err := p.Continue(t.Context(), len(p.Held()), how)
			must(t, err)
			receive(t, f, content, tt.held)
			must(t, commit(t.Context(), t, d, f, int64(len(content)), fileEntry(0o600), manifest.AttrMode))
			wantContent(t, filepath.Join(root, "file"), content)
			wantNoTemps(t, d, root)
			must(t, os.Remove(filepath.Join(root, "file")))
		})
	}
}

func overwrite(path string, off int64, with string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(with), off)
	return errors.Join(err, f.Close())
}

// testResumeOther goes on with fewer chunks, of another state of the source, again
// and again.
func testResumeOther(t *testing.T, d engine.Dest, root string) {
	how := resume(10 * chunkSize)
	have := chunks(4, "version 0")
	interrupt(t, d, "file", have, how)
	for i, keep := range []int{3, 0, 2, 4} {
		next := have[:keep*chunkSize] + chunks(keep+2, fmt.Sprint("version ", i+1))[keep*chunkSize:]
		how.Identity.Sec++
		p := openPartial(t, d, "file")
		f, err := p.Continue(t.Context(), keep, how)
		must(t, err)
		receive(t, f, next, keep)
		must(t, f.Discard())
		wantHeld(t, d, "file", sums(next), how.Identity)
		have = next
	}
	p := openPartial(t, d, "file")
	f, err := p.Continue(t.Context(), 1, how)
	must(t, err)
	must(t, f.Discard())
	wantHeld(t, d, "file", sums(have)[:1], how.Identity)
	must(t, d.DropPartial(t.Context(), "file"))
	wantNoTemps(t, d, root)
}

// testResumeUnnoted: without digests what was written is kept, but not known to be
// good; more than is known to be good may be kept; a little is not worth it.
func testResumeUnnoted(t *testing.T, d engine.Dest, root string) {
	content := chunks(3, "the file")
	how := resume(10 * chunkSize)
	f, err := d.Create(t.Context(), "file", how)
	must(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	must(t, err)
	must(t, f.Discard())
	p := openPartial(t, d, "file")
	st, err := p.Stat()
	if len(p.Held()) > 0 || err != nil || st.Size != int64(len(content)) {
		t.Errorf("%d chunks are held of %d bytes, %v", len(p.Held()), st.Size, err)
	}
	f, err = p.Continue(t.Context(), 3, how) // the caller has compared them
	must(t, err)
	must(t, f.Discard())
	p = openPartial(t, d, "file")
	if st, err := p.Stat(); err != nil || st.Size != int64(len(content)) {
		t.Errorf("%d bytes were kept, %v", st.Size, err)
	}
	f, err = p.Continue(t.Context(), 3, how)
	must(t, err)
	end := chunks(4, "the file")
	receive(t, f, end, 3)
	must(t, commit(t.Context(), t, d, f, int64(len(end)), fileEntry(0o600), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "file"), end)

	interrupt(t, d, "small", content[:chunkSize-1], how)
	wantNoPartial(t, d, "small")
	wantGone(t, filepath.Join(root, "small"))
	wantNoTemps(t, d, root)
}

func testResumeRemove(t *testing.T, d engine.Dest, root string) {
	how := resume(10 * chunkSize)
	f, err := d.Create(t.Context(), "file", how)
	must(t, err)
	receive(t, f, chunks(2, "the file"), 0)
	must(t, f.Remove())
	wantNoPartial(t, d, "file")
	wantNoTemps(t, d, root)

	interrupt(t, d, "file", chunks(2, "the file"), how)
	f, err = openPartial(t, d, "file").Continue(t.Context(), 2, how)
	must(t, err)
	must(t, f.Remove())
	wantNoPartial(t, d, "file")
	wantNoTemps(t, d, root)

	// A file that cannot be resumed leaves a partial of another run alone.
	interrupt(t, d, "file", chunks(2, "the file"), how)
	must(t, create(t, d, "other", "x", engine.CreateOptions{}, fileEntry(0o600), manifest.AttrMode))
	wantHeld(t, d, "file", sums(chunks(2, "the file")), how.Identity)
	must(t, create(t, d, "file", chunks(1, "new"), how, fileEntry(0o600), manifest.AttrMode)) // it begins anew
	wantNoTemps(t, d, root)
}

// testResumeSparse: holes at the end are no part of what is held, wherever the
// file ends meanwhile.
func testResumeSparse(t *testing.T, d engine.Dest, root string) {
	how := resume(6 * chunkSize)
	how.Sparse = true
	content := chunks(2, "the file") + string(make([]byte, 2*chunkSize))
	interrupt(t, d, "file", content, how)
	p := openPartial(t, d, "file")
	n := len(p.Held())
	if n < 2 || !slices.Equal(p.Held(), sums(content)[:n]) {
		t.Errorf("%d chunks are held", n)
	}
	content += chunks(2, "the end")
	f, err := p.Continue(t.Context(), n, how)
	must(t, err)
	receive(t, f, content, n)
	must(t, commit(t.Context(), t, d, f, int64(len(content)), fileEntry(0o600), manifest.AttrMode))
	wantContent(t, filepath.Join(root, "file"), content)
	wantNoTemps(t, d, root)
}

func testDropPartial(t *testing.T, d engine.Dest, root string) {
	must(t, d.DropPartial(t.Context(), "file"))
	interrupt(t, d, "file", chunks(2, "the file"), resume(9*chunkSize))
	p := openPartial(t, d, "file")
	must(t, d.DropPartial(t.Context(), "file")) // somebody uses it
	must(t, p.Close())
	wantHeld(t, d, "file", sums(chunks(2, "the file")), resume(9*chunkSize).Identity)
	must(t, d.DropPartial(t.Context(), "file"))
	wantNoPartial(t, d, "file")
	wantNoTemps(t, d, root)
}

// testUnlinkPartial: what was unlinked can be read, while a new file is made.
func testUnlinkPartial(t *testing.T, d engine.Dest, root string) {
	how, old, content := resume(9*chunkSize), chunks(2, "old"), chunks(3, "new")
	interrupt(t, d, "file", old, how)
	p := openPartial(t, d, "file")
	must(t, p.Unlink(t.Context()))
	wantNoTemps(t, d, root)
	f, err := d.Create(t.Context(), "file", how)
	must(t, err)
	receive(t, f, content, 0)
	got := make([]byte, len(old))
	if _, err := p.ReadAt(got, 0); err != nil && !errors.Is(err, io.EOF) || string(got) != old {
		t.Errorf("it cannot be read any more: %v", err)
	}
	must(t, p.Close())
	must(t, f.Discard())
	wantHeld(t, d, "file", sums(content), how.Identity)
	must(t, d.DropPartial(t.Context(), "file"))
	wantNoTemps(t, d, root)
}

// testVisible: an unfinished file is shown only where nothing is, and with a time
// that is not that of the source.
func testVisible(t *testing.T, d engine.Dest, root string) {
	content := chunks(2, "the file")
	for _, sec := range []int64{-1, 0, 2, 24 * 60 * 60, mtime.Unix()} {
		for _, resumes := range []bool{false, true} {
			how := resume(9 * chunkSize)
			how.Visible, how.Resume, how.Sec = true, resumes, sec
			path := filepath.Join(root, "file")
			interrupt(t, d, "file", content, how)
			wantContent(t, path, content)
			info, err := os.Lstat(path)
			if err != nil || isNear(info, sec) || info.ModTime().Unix() > 24*60*60 {
				t.Errorf("source of %d: time is %v, %v", sec, info.ModTime(), err)
			}
			wantNoTemps(t, d, root)

			interrupt(t, d, "file", chunks(3, "more"), how)
			wantContent(t, path, content)
			if resumes {
				wantHeld(t, d, "file", sums(chunks(3, "more")), how.Identity)
				must(t, d.DropPartial(t.Context(), "file"))
			}
			wantNoTemps(t, d, root)
			must(t, os.Remove(path))
		}
	}
	// A symlink that leads nowhere is something, too.
	how := resume(9 * chunkSize)
	how.Visible, how.Resume = true, false
	must(t, os.Symlink("nowhere", filepath.Join(root, "link")))
	interrupt(t, d, "link", content, how)
	if to, err := os.Readlink(filepath.Join(root, "link")); err != nil || to != "nowhere" {
		t.Errorf("the symlink was replaced: %q, %v", to, err)
	}
	wantNoTemps(t, d, root)
}

// isNear reports whether some file system, or user, may take a file's time for one
// of sec seconds.
func isNear(info fs.FileInfo, sec int64) bool {
	return info.ModTime().Unix() > sec-3600 && info.ModTime().Unix() < sec+3600
}

func testPartialBadPaths(t *testing.T, d engine.Dest, root string) {
	must(t, os.Mkdir(filepath.Join(root, "a"), 0o755))
	outside := t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(root, "away")))
	write(t, filepath.Join(outside, manifest.PartialName("file")), "canary")
	before := snapshot(t, outside)
	for _, path := range append(slices.Clone(badPaths), "away/file", "away/x") {
		if p, err := d.Partial(t.Context(), path); err == nil {
			_ = p.Close()
			t.Errorf("a partial of %q was opened", path)
		}
		if err := d.DropPartial(t.Context(), path); err == nil {
			t.Errorf("the partial of %q was dropped", path)
		}
		if f, err := d.Create(t.Context(), path, resume(chunkSize)); err == nil {
			_ = f.Remove()
			t.Errorf("%q was begun", path)
		}
		if ok, err := d.RemoveStale(t.Context(), path+"/"+manifest.PartialName("file"), true); ok {
			t.Errorf("something below %q was removed: %v", path, err)
		}
	}
	if snapshot(t, outside) != before {
		t.Error("outside of the root something has changed")
	}
}
