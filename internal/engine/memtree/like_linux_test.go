package memtree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/internal/engine/memtree"
	"gosync/internal/need"
	"gosync/transport/localfs"
	"gosync/walker/manifest"
)

// TestLikeLocalfs does the same to a tree in memory and to one of this machine, and
// compares what comes of it.
func TestLikeLocalfs(t *testing.T) {
	need.Root(t, "memtree's user is root")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	rapid.Check(t, func(rt *rapid.T) {
		root, err := os.MkdirTemp("", "memtree")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(root)
		how := engine.DestOptions{Durability: rapid.SampledFrom([]engine.Durability{engine.SyncNone, engine.SyncRun, engine.SyncEach}).Draw(rt, "durability")}
		real, err := localfs.NewHost().Dest(rt.Context(), root, how)
		if err != nil {
			rt.Fatal(err)
		}
		d := memtree.New(memtree.Options{Syncfs: rapid.Bool().Draw(rt, "syncfs")})
		if err := d.Put("/dst", dir()); err != nil {
			rt.Fatal(err)
		}
		mem, err := d.Host().Dest(rt.Context(), "/dst", how)
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 25).Draw(rt, "operations") {
			do := drawAction(rt)
			a, b := do(mem), do(real)
			if kind(a) != kind(b) {
				rt.Fatalf("in memory: %v, on disk: %v", a, b)
			}
		}
		if a, b := mem.Close(), real.Close(); kind(a) != kind(b) {
			rt.Errorf("Close: %v and %v", a, b)
		}
		got, want := described(d), surveyed(rt, root)
		if !maps.Equal(got, want) {
			rt.Errorf("in memory:\n%v\non disk:\n%v", got, want)
		}
	})
}

// kind names what an error is about.
func kind(err error) string {
	if errors.Is(err, syscall.ELOOP) {
		return syscall.ENOTDIR.Error() // which of them, depends on where in the path the symlink is
	}
	for _, known := range []error{fs.ErrNotExist, fs.ErrExist, syscall.EISDIR, syscall.ENOTDIR, syscall.ENOTEMPTY, syscall.EINVAL, syscall.EPERM, manifest.ErrName} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "another error"
	}
	return ""
}

// drawAction draws something to do to a tree.
func drawAction(rt *rapid.T) func(engine.Dest) error {
	ctx := rt.Context()
	path := func(label string) string {
		return rapid.SampledFrom([]string{"a", "b", "c", "a/x", "a/y", "b/x", "a/x/z", "../up"}).Draw(rt, label)
	}
	p := path("path")
	e := manifest.Entry{
		Type: rapid.SampledFrom([]manifest.Type{manifest.Regular, manifest.Directory, manifest.Symlink, manifest.Fifo}).Draw(rt, "type"),
		Mode: rapid.SampledFrom([]uint16{0o644, 0o755, 0o4711, 0o600}).Draw(rt, "mode"), Sec: int64(rapid.IntRange(1, 9).Draw(rt, "sec")), Nsec: 5,
		UID: uint32(rapid.IntRange(0, 1).Draw(rt, "uid")), Ext: &manifest.Ext{Link: "to"},
	}
	attrs := manifest.AttrTimes | manifest.Attrs(rapid.IntRange(0, 7).Draw(rt, "attrs"))
	switch rapid.SampledFrom([]string{"mkdir", "file", "file", "file", "special", "link", "attrs", "remove", "stat", "partial"}).Draw(rt, "what") {
	case "mkdir":
		return func(d engine.Dest) error { return d.Mkdir(ctx, p) }
	case "special":
		if e.Type == manifest.Symlink {
			return func(d engine.Dest) error { return d.Symlink(ctx, p, &e, attrs) }
		}
		return func(d engine.Dest) error { return d.Mknod(ctx, p, &e, attrs) }
	case "link":
		old := path("old")
		return func(d engine.Dest) error {
			return errors.Join(d.Sync(ctx), d.Link(ctx, p, old))
		}
	case "attrs":
		return func(d engine.Dest) error { return d.SetAttrs(ctx, p, &e, attrs) }
	case "remove":
		return func(d engine.Dest) error { return d.Remove(ctx, p, &e) }
	case "stat":
		return func(d engine.Dest) error { _, err := d.Stat(ctx, p); return err }
	case "partial":
		return func(d engine.Dest) error { return readPartial(rt, d, p) }
	}
	return drawFile(rt, p, &e, attrs)
}

// readPartial reports an error for a partial of which nothing is held.
func readPartial(rt *rapid.T, d engine.Dest, path string) error {
	part, err := d.Partial(rt.Context(), path)
	if err != nil {
		return err
	}
	defer part.Close()
	if len(part.Held()) == 0 {
		return errors.New("nothing is held")
	}
	return nil
}

// drawFile draws the making of a file.
func drawFile(rt *rapid.T, path string, e *manifest.Entry, attrs manifest.Attrs) func(engine.Dest) error {
	ctx := rt.Context()
	how := engine.CreateOptions{InPlace: rapid.Bool().Draw(rt, "in place"), Sparse: rapid.Bool().Draw(rt, "sparse"), Visible: rapid.Bool().Draw(rt, "visible"), Sec: e.Sec}
	how.Resume = !how.InPlace && rapid.Bool().Draw(rt, "resume")
	content := make([]byte, rapid.SampledFrom([]int{0, 1, 10_000, delta.ChunkSize + 5}).Draw(rt, "size"))
	if rapid.Bool().Draw(rt, "data") {
		for i := range content {
			content[i] = byte(i%251 + 1)
		}
	}
	end := rapid.SampledFrom([]string{"commit", "commit", "commit", "discard", "remove"}).Draw(rt, "end")
	return func(d engine.Dest) error {
		f, err := d.Create(ctx, path, how)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(content, 0); err != nil {
			return errors.Join(err, f.Remove())
		}
		if len(content) > delta.ChunkSize {
			f.Landed(ctx, delta.Sum(content[:delta.ChunkSize]))
		}
		switch end {
		case "discard":
			return f.Discard()
		case "remove":
			return f.Remove()
		}
		reg := *e
		reg.Type = manifest.Regular
		done := make(chan error, 1)
		f.Commit(ctx, int64(len(content)), &reg, attrs, func(err error) { done <- err })
		return errors.Join(d.Sync(ctx), <-done)
	}
}

func line(typ manifest.Type, mode uint16, uid uint32, sec int64, nlink uint64, data []byte, link string) string {
	if typ == manifest.Symlink {
		mode = 0
	}
	if sec > 1_000_000_000 || typ == manifest.Directory {
		sec = -1 // that of now
	}
	return fmt.Sprintf("%v %o %d %d %d %x %s", typ, mode, uid, sec, nlink, delta.Sum(data), link)
}

// temporaries whose names differ from run to run are told by their prefix only.
func described(d *memtree.Disk) map[string]string {
	m := map[string]string{}
	for p, n := range d.Tree("/dst") {
		if n.Type == manifest.Directory {
			n.Nlink = 0
		}
		if p == "" {
			continue
		}
		m[p] = line(n.Type, n.Mode, n.UID, n.Sec, uint64(n.Nlink), sidecarless(p, n.Data), n.Link)
	}
	return m
}

// sidecarless leaves the content of sidecars out: times of sources may differ.
func sidecarless(p string, data []byte) []byte {
	if filepath.Ext(p) == manifest.SidecarSuffix {
		return nil
	}
	return data
}

func surveyed(rt *rapid.T, root string) map[string]string {
	h := localfs.NewHost()
	src, err := h.Source(rt.Context(), root)
	if err != nil {
		rt.Fatal(err)
	}
	defer src.Close()
	m := map[string]string{}
	var visit func(dir string)
	visit = func(dir string) {
		entries, err := src.List(rt.Context(), dir)
		if err != nil {
			rt.Fatal(err)
		}
		for _, e := range slices.Clone(entries) {
			p := manifest.Join(dir, e.Name)
			var data []byte
			nlink := uint64(1)
			if e.Ext != nil && e.Ext.Nlink > 1 {
				nlink = e.Ext.Nlink
			}
			switch {
			case e.IsDir():
				nlink = 0
				visit(p)
			case e.IsRegular():
				if data, err = src.ReadFile(rt.Context(), p, 10<<20); err != nil {
					rt.Fatal(err)
				}
			}
			m[p] = line(e.Type, e.Mode, e.UID, e.Sec, nlink, sidecarless(p, data), e.Link())
		}
	}
	visit("")
	return m
}
