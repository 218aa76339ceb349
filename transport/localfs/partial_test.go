//go:build unix

package localfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

// resumable are the options of a large file.
var resumable = engine.CreateOptions{Resume: true, Sec: 1_234_567_890, Identity: engine.Identity{Size: 99 << 20, Sec: 5}}

// checkpointed is after how many chunks a checkpoint is made.
const checkpointed = 64

// chunk returns the content of a chunk of a file.
func chunk(n int) []byte {
	b := make([]byte, delta.ChunkSize)
	for i := range b {
		b[i] = byte(n) + 1
	}
	return b
}

// receive writes chunks of a file and lets them land.
func receive(t testing.TB, f engine.NewFile, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		b := chunk(n)
		_, err := f.WriteAt(b, int64(n)*delta.ChunkSize)
		must(t, err)
		f.Landed(context.Background(), delta.Sum(b))
	}
}

// begin begins a file and receives chunks of it.
func begin(t testing.TB, tree *Tree, path string, how engine.CreateOptions, chunks int) engine.NewFile {
	t.Helper()
	f, err := tree.Create(context.Background(), path, how)
	must(t, err)
	receive(t, f, 0, chunks)
	return f
}

// finish commits a file of that many chunks and waits for it.
func finish(t testing.TB, tree *Tree, f engine.NewFile, chunks int, e *manifest.Entry) {
	t.Helper()
	result := make(chan error, 1)
	f.Commit(context.Background(), int64(chunks)*delta.ChunkSize, e, allAttrs, func(err error) { result <- err })
	must(t, tree.Sync(context.Background()))
	must(t, <-result)
}

// wantChunks checks that a file consists of that many chunks.
func wantChunks(t testing.TB, path string, chunks int) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	if len(data) != chunks*delta.ChunkSize {
		t.Fatalf("%s has %d bytes, not %d chunks", path, len(data), chunks)
	}
	for n := range chunks {
		if delta.Sum(data[n*delta.ChunkSize:][:delta.ChunkSize]) != delta.Sum(chunk(n)) {
			t.Errorf("chunk %d of %s is wrong", n, path)
		}
	}
}

// wantOnly checks what a directory holds.
func wantOnly(t testing.TB, dir string, want ...string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	got := make([]string, len(list))
	for i, e := range list {
		got[i] = e.Name()
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// TestPartialLeaks counts descriptors whatever the way that a partial ends.
func TestPartialLeaks(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{PartialDir: ".partial"})
	must(t, begin(t, tree, "file", resumable, 2).Discard()) // in the directory for partials
	hidden := openTree(t, root, engine.DestOptions{})
	must(t, begin(t, hidden, "file", resumable, 2).Discard()) // and hidden
	open := func() engine.Partial {
		p, err := tree.Partial(t.Context(), "file")
		must(t, err)
		return p
	}
	fds := descriptors(t)
	for range 5 {
		p := open()
		_, err := tree.Partial(t.Context(), "file")
		if !errors.Is(err, engine.ErrInUse) {
			t.Error(err)
		}
		must(t, p.Close())
		_, err = tree.Partial(t.Context(), "none")
		if !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	if n := descriptors(t); n != fds {
		t.Errorf("%d descriptors became %d", fds, n)
	}
	f, err := open().Continue(t.Context(), 2, resumable)
	must(t, err)
	receive(t, f, 2, 3)
	finish(t, tree, f, 3, entry(0o644))
	must(t, hidden.Close())
	must(t, tree.Close())
	wantOnly(t, root, "file")
}

// TestPartialWaits: a run waits for another one to end, but not for ever.
func TestPartialWaits(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	first := openTree(t, root, engine.DestOptions{})
	second := openTree(t, root, engine.DestOptions{Wait: time.Hour})
	f := begin(t, first, "file", resumable, 2)

	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	go cancel(enough)
	if _, err := second.Partial(ctx, "file"); !errors.Is(err, enough) {
		t.Errorf("Partial: %v", err)
	}
	if _, err := second.Create(ctx, "file", resumable); !errors.Is(err, enough) {
		t.Errorf("Create: %v", err)
	}
	got := make(chan error, 2)
	go func() {
		p, err := second.Partial(t.Context(), "file")
		if err == nil {
			if len(p.Held()) != 2 {
				t.Errorf("%d chunks are held", len(p.Held()))
			}
			err = p.Close()
		}
		got <- err
	}()
	must(t, f.Discard())
	must(t, <-got)

	f = begin(t, first, "file", resumable, 1) // it begins anew
	go func() {
		g, err := second.Create(t.Context(), "file", resumable)
		if err == nil {
			err = g.Remove()
		}
		got <- err
	}()
	finish(t, first, f, 1, entry(0o644))
	must(t, <-got)
	must(t, first.Close())
	must(t, second.Close())
	wantOnly(t, root, "file")
	wantChunks(t, filepath.Join(root, "file"), 1)
}

// TestPartialReserves: what was reserved for the rest of a file is given back when
// only its beginning is kept.
func TestPartialReserves(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	defer tree.Close()
	how := resumable
	how.Size = largeFile + 16<<20
	f := begin(t, tree, "file", how, 2)
	path := filepath.Join(root, manifest.PartialName("file"))
	if allocated(t, path) < how.Size {
		need.Missing(t, "fallocate", "this file system reserves nothing")
	}
	if size := sizeAt(t, path); size != 2*delta.ChunkSize {
		t.Errorf("while it is received it has %d bytes", size)
	}
	must(t, f.Discard())
	if n := allocated(t, path); n > 3*delta.ChunkSize {
		t.Errorf("a partial of %d bytes takes %d", sizeAt(t, path), n)
	}
	p, err := tree.Partial(t.Context(), "file")
	must(t, err)
	f, err = p.Continue(t.Context(), 2, how)
	must(t, err)
	if size := sizeAt(t, path); size != 2*delta.ChunkSize {
		t.Errorf("going on, it has %d bytes", size)
	}
	receive(t, f, 2, 3)
	finish(t, tree, f, 3, entry(0o644))
	wantChunks(t, filepath.Join(root, "file"), 3)
	if n := allocated(t, filepath.Join(root, "file")); n > 4*delta.ChunkSize {
		t.Errorf("the file takes %d bytes", n)
	}
}

func allocated(t testing.TB, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(path, &st))
	return st.Blocks * 512
}

func sizeAt(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return info.Size()
}

// TestPartialGroups: large files that can be resumed appear with their groups, and
// as many of them as anybody likes.
func TestPartialGroups(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	const files = groupOpen + 20
	done := make(chan error, files)
	for i := range files {
		f := begin(t, tree, strings.Repeat("f", i+1), resumable, 1)
		f.Commit(t.Context(), delta.ChunkSize, entry(0o644), allAttrs, func(err error) { done <- err })
	}
	must(t, tree.Sync(t.Context()))
	for range files {
		must(t, <-done)
	}
	must(t, tree.Close())
	list, err := os.ReadDir(root)
	if err != nil || len(list) != files {
		t.Errorf("%d files, %v", len(list), err)
	}
}

// TestPartialClose: what is not finished when the tree is closed is kept, too.
func TestPartialClose(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	begin(t, tree, "file", resumable, 3)
	must(t, tree.Close())
	wantOnly(t, root, manifest.SidecarName("file"), manifest.PartialName("file"))
	tree = openTree(t, root, engine.DestOptions{})
	p, err := tree.Partial(t.Context(), "file")
	must(t, err)
	if len(p.Held()) != 3 {
		t.Errorf("%d chunks are held", len(p.Held()))
	}
	must(t, p.Close())
	must(t, tree.Close())
}

// TestPartialSharedName: a sidecar of another file, whose name happens to have the
// same hash, says nothing.
func TestPartialSharedName(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	defer tree.Close()
	must(t, begin(t, tree, "file", resumable, 2).Discard())
	for _, name := range []func(string) string{manifest.PartialName, manifest.SidecarName} {
		must(t, os.Rename(filepath.Join(root, name("file")), filepath.Join(root, name("other"))))
	}
	p, err := tree.Partial(t.Context(), "other")
	must(t, err)
	if len(p.Held()) > 0 || p.Identity() == resumable.Identity {
		t.Errorf("%d chunks of another file are held", len(p.Held()))
	}
	must(t, p.Close())
}

// TestPartialReadOnly: a run that changes nothing leaves partials alone.
func TestPartialReadOnly(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	must(t, begin(t, tree, "file", resumable, 2).Discard())
	must(t, tree.Close())
	tree = openTree(t, root, engine.DestOptions{ReadOnly: true})
	defer tree.Close()
	if err := tree.DropPartial(t.Context(), "file"); !errors.Is(err, unix.EROFS) {
		t.Errorf("DropPartial: %v", err)
	}
	if _, err := tree.RemoveStale(t.Context(), manifest.PartialName("file"), true); !errors.Is(err, unix.EROFS) {
		t.Errorf("RemoveStale: %v", err)
	}
	if p, err := tree.Partial(t.Context(), "file"); err == nil {
		if _, err := p.Continue(t.Context(), 2, resumable); !errors.Is(err, unix.EROFS) {
			t.Errorf("Continue: %v", err)
		}
	}
	wantOnly(t, root, manifest.SidecarName("file"), manifest.PartialName("file"))
}

// TestPartialShown: what --partial lets the user see while it is received is found by
// later runs, whether they want that or not, and is cleaned up with its sidecar.
func TestPartialShown(t *testing.T) {
	shown := resumable
	shown.Visible = true
	part, side := manifest.ShownName("file"), manifest.SidecarName("file")
	for _, how := range []engine.CreateOptions{shown, resumable} {
		root := t.TempDir()
		tree := openTree(t, t.TempDir(), engine.DestOptions{})
		f := begin(t, tree, "file", shown, 3)
		for _, name := range []string{part, side} { // as if the run had been killed now
			data, err := os.ReadFile(filepath.Join(tree.root, name))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(root, name), data, 0o600))
		}
		must(t, f.Discard())
		must(t, tree.Close())
		tree = openTree(t, root, engine.DestOptions{})
		for _, name := range []string{part, side} {
			if removed, err := tree.RemoveStale(t.Context(), name, false); removed || err != nil {
				t.Errorf("%s is removed: %v, %v", name, removed, err)
			}
		}
		p, err := tree.Partial(t.Context(), "file")
		must(t, err)
		g, err := p.Continue(t.Context(), 3, how)
		must(t, err)
		receive(t, g, 3, 4)
		finish(t, tree, g, 4, entry(0o644))
		wantChunks(t, filepath.Join(root, "file"), 4)
		wantOnly(t, root, "file")

		must(t, os.WriteFile(filepath.Join(root, part), []byte("old"), 0o600))
		must(t, os.WriteFile(filepath.Join(root, side), []byte("old"), 0o600))
		tree.owner.now = func() time.Time { return time.Now().Add(staleAge + time.Hour) }
		if removed, err := tree.RemoveStale(t.Context(), part, false); !removed || err != nil {
			t.Errorf("%v, %v", removed, err)
		}
		wantOnly(t, root, "file")
		must(t, begin(t, tree, "file", resumable, 2).Discard())
		must(t, os.WriteFile(filepath.Join(root, part), []byte("old"), 0o600))
		must(t, tree.DropPartial(t.Context(), "file"))
		wantOnly(t, root, "file")
		must(t, tree.Close())
	}
}

// TestPartialAge: a partial is kept for a week after anything was done with it,
// whatever its own time is; the mark of a file stays as long as the file.
func TestPartialAge(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	defer tree.Close()
	must(t, begin(t, tree, "file", resumable, 2).Discard())
	must(t, os.WriteFile(filepath.Join(root, "marked"), []byte("old"), 0o600))
	f, err := tree.Create(t.Context(), "marked", engine.CreateOptions{InPlace: true})
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	must(t, err)
	must(t, f.Discard())
	must(t, os.WriteFile(filepath.Join(root, manifest.SidecarName("nonsense")), []byte("?"), 0o600))
	must(t, os.WriteFile(filepath.Join(root, manifest.TempPrefix+"fffffffffffffff0"), []byte("another machine's"), 0o600))
	sweep := func(all bool) {
		t.Helper()
		list, err := os.ReadDir(root)
		must(t, err)
		for _, e := range list {
			if _, err := tree.RemoveStale(t.Context(), e.Name(), all); err != nil {
				t.Error(err)
			}
		}
	}
	names := func() (n int) {
		list, err := os.ReadDir(root)
		must(t, err)
		for _, e := range list {
			must(t, os.Chtimes(filepath.Join(root, e.Name()), time.Unix(1, 0), time.Unix(1, 0)))
		}
		return len(list)
	}
	if n := names(); n != 6 {
		t.Fatalf("%d entries", n)
	}
	sweep(false)
	if n := names(); n != 6 {
		t.Errorf("%d entries, all of which are new", n)
	}
	tree.owner.now = func() time.Time { return time.Now().Add(staleAge - time.Hour) }
	sweep(false)
	if n := names(); n != 6 {
		t.Errorf("%d entries after less than a week", n)
	}
	p, err := tree.Partial(t.Context(), "file")
	must(t, err)
	tree.owner.now = func() time.Time { return time.Now().Add(staleAge + time.Hour) }
	sweep(false)
	if n := names(); n != 4 {
		t.Errorf("%d entries after more than a week, while a partial is in use", n)
	}
	must(t, p.Close())
	sweep(false)
	wantOnly(t, root, manifest.SidecarName("marked"), "marked")
	sweep(true)
	wantOnly(t, root, manifest.SidecarName("marked"), "marked")
	must(t, os.Remove(filepath.Join(root, "marked")))
	sweep(false)
	wantOnly(t, root)
}

// TestPartialCancelled: a file that is complete, but may not wait for its group, can
// be gone on with.
func TestPartialCancelled(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{})
	for range groupsAtOnce {
		tree.groups.slots <- struct{}{} // as if groups took long
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := begin(t, tree, "file", resumable, checkpointed)
	side := filepath.Join(root, manifest.SidecarName("file"))
	for sizeAt(t, side) < checkpointed*32 { // a checkpoint is being made
		time.Sleep(time.Millisecond)
	}
	var got error
	f.Commit(ctx, groupBytes, entry(0o644), allAttrs, func(err error) { got = err })
	if !errors.Is(got, context.Canceled) {
		t.Errorf("done was called with %v", got)
	}
	for range groupsAtOnce {
		<-tree.groups.slots
	}
	p, err := tree.Partial(t.Context(), "file")
	must(t, err)
	if len(p.Held()) != checkpointed {
		t.Errorf("%d chunks are held", len(p.Held()))
	}
	g, err := p.Continue(t.Context(), checkpointed, resumable)
	must(t, err)
	finish(t, tree, g, checkpointed, entry(0o644))
	must(t, tree.Close())
	wantOnly(t, root, "file")
}

// TestInPlaceWaits: a run waits for another one that writes the same file, and sees
// what that has made of it.
func TestInPlaceWaits(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Wait: time.Hour, Durability: engine.SyncNone})
	how := engine.CreateOptions{InPlace: true, Sec: entry(0).Sec}
	for _, ends := range []string{"commit", "remove"} {
		f, err := tree.Create(t.Context(), "file", how) // it is new
		must(t, err)
		receive(t, f, 0, 2)
		got := make(chan error, 1)
		go func() {
			g, err := tree.Create(t.Context(), "file", how)
			if err != nil {
				got <- err
				return
			}
			g.Commit(t.Context(), delta.ChunkSize, entry(0o644), allAttrs, func(err error) { got <- err })
		}()
		if ends == "commit" {
			finish(t, tree, f, 2, entry(0o644))
			must(t, <-got)
			wantChunks(t, filepath.Join(root, "file"), 1)
		} else {
			must(t, f.Remove())
			must(t, <-got)
			if data, err := os.ReadFile(filepath.Join(root, "file")); err != nil || len(data) != delta.ChunkSize || data[0] != 0 {
				t.Errorf("%d bytes, %v", len(data), err)
			}
		}
		must(t, os.Remove(filepath.Join(root, "file")))
	}
	must(t, tree.Close())
}

// TestInPlaceQuiet: writing in place does not change the directory's time, nor hide
// that somebody else has changed it.
func TestInPlaceQuiet(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	defer tree.Close()
	must(t, os.WriteFile(filepath.Join(root, "file"), []byte("old"), 0o600))
	then := time.Unix(1_000_000_000, 5)
	must(t, os.Chtimes(root, then, then))
	for _, other := range []bool{false, true} {
		f, err := tree.Create(t.Context(), "file", engine.CreateOptions{InPlace: true})
		must(t, err)
		receive(t, f, 0, 1)
		if other {
			must(t, os.WriteFile(filepath.Join(root, "other"), nil, 0o600))
		}
		finish(t, tree, f, 1, entry(0o644))
		info, err := os.Lstat(root)
		must(t, err)
		if info.ModTime().Equal(then) == other {
			t.Errorf("somebody else has changed the directory: %v; its time is %v", other, info.ModTime())
		}
	}
}

// TestInPlaceAboutToBeMade: another run has marked a file that it is about to make.
func TestInPlaceAboutToBeMade(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	mark, err := os.OpenFile(filepath.Join(root, manifest.SidecarName("file")), os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	if locked, err := lockFile(int(mark.Fd())); !locked {
		t.Skipf("nothing can be locked here: %v", err)
	}
	how := engine.CreateOptions{InPlace: true, Sec: entry(0).Sec}
	if _, err := tree.Create(t.Context(), "file", how); !errors.Is(err, engine.ErrInUse) {
		t.Errorf("Create: %v", err)
	}
	patient := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone, Wait: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), lockPoll/2)
	defer cancel()
	if _, err := patient.Create(ctx, "file", how); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Create with time to wait: %v", err)
	}
	must(t, patient.Close())
	wantOnly(t, root, manifest.SidecarName("file"))
	must(t, mark.Close())
	f, err := tree.Create(t.Context(), "file", how)
	must(t, err)
	receive(t, f, 0, 1)
	finish(t, tree, f, 1, entry(0o644))
	must(t, tree.Close())
	wantOnly(t, root, "file")
}

// TestInPlaceMadeAndOvertaken: between the moment when a run makes a file and the
// one when it locks it, another run writes it. What that has written behind the end
// of the first run's content must not stay.
func TestInPlaceMadeAndOvertaken(t *testing.T) {
	noLeaks(t)
	root := t.TempDir()
	slow := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	fast := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	how := engine.CreateOptions{InPlace: true, Sec: entry(0).Sec}
	var f *newFile
	must(t, slow.in("create", "file", func(d *dir, name string) error {
		f = &newFile{t: slow, d: d, path: "file", name: name, fd: -1, side: -1, how: how}
		slow.dirs.hold(d)
		_, err := f.openInPlace()
		return err
	}))
	slow.live.add(f)
	g, err := fast.Create(t.Context(), "file", how)
	must(t, err)
	receive(t, g, 0, 3)
	finish(t, fast, g, 3, entry(0o644))
	if locked, err := lockFile(f.fd); !locked || !f.mine() {
		t.Fatalf("the file cannot be locked: %v", err)
	}
	if ok, err := f.lookInPlace(); !ok {
		t.Fatalf("lookInPlace: %v", err)
	}
	receive(t, f, 0, 1)
	finish(t, slow, f, 1, entry(0o644))
	must(t, slow.Close())
	must(t, fast.Close())
	wantOnly(t, root, "file")
	wantChunks(t, filepath.Join(root, "file"), 1)
}
