package memtree_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"gosync/internal/engine"
	"gosync/internal/engine/memtree"
	"gosync/walker/manifest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func dir() memtree.Node { return memtree.Node{Type: manifest.Directory, Mode: 0o755, Sec: 1} }

func regular(content string) memtree.Node {
	return memtree.Node{Type: manifest.Regular, Mode: 0o644, Sec: 1, Data: []byte(content)}
}

// openDest returns a disk with an empty durable directory /dst, opened.
func openDest(t *testing.T, o memtree.Options, how engine.DestOptions) (*memtree.Disk, engine.Dest) {
	t.Helper()
	d := memtree.New(o)
	must(t, d.Put("/dst", dir()))
	d.Settle()
	tree, err := d.Host().Dest(t.Context(), "/dst", how)
	must(t, err)
	return d, tree
}

// put writes a file through a tree.
func put(t *testing.T, tree engine.Dest, path, content string, how engine.CreateOptions) error {
	t.Helper()
	f, err := tree.Create(t.Context(), path, how)
	must(t, err)
	if _, err := f.WriteAt([]byte(content), 0); err != nil {
		return errors.Join(err, f.Remove())
	}
	var failed error
	e := manifest.Entry{Type: manifest.Regular, Mode: 0o644, Sec: 77}
	f.Commit(t.Context(), int64(len(content)), &e, manifest.AttrMode|manifest.AttrTimes, func(err error) { failed = err })
	return errors.Join(tree.Sync(t.Context()), failed)
}

// crashes calls f with many disks as a power cut may leave them.
func crashes(d *memtree.Disk, loss memtree.Loss, f func(files map[string]memtree.Node)) {
	for seed := range uint64(300) {
		f(d.Glimpse(rand.New(rand.NewPCG(seed, 0)), loss).Tree("/dst"))
	}
}

func TestDurable(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 2000)
	for _, how := range []engine.Durability{engine.SyncRun, engine.SyncEach} {
		for _, o := range []memtree.Options{{}, {Syncfs: true}} {
			d, tree := openDest(t, o, engine.DestOptions{Durability: how})
			must(t, tree.Mkdir(t.Context(), "sub"))
			must(t, put(t, tree, "sub/file", content, engine.CreateOptions{}))
			must(t, put(t, tree, "in place", content, engine.CreateOptions{InPlace: true}))
			must(t, tree.Symlink(t.Context(), "link", &manifest.Entry{Type: manifest.Symlink, Ext: &manifest.Ext{Link: "to"}, Sec: 5}, manifest.AttrTimes))
			must(t, tree.SetAttrs(t.Context(), "sub", &manifest.Entry{Type: manifest.Directory, Mode: 0o750, Sec: 9}, manifest.AttrMode|manifest.AttrTimes))
			must(t, tree.Sync(t.Context()))
			crashes(d, memtree.Weak, func(files map[string]memtree.Node) {
				for _, p := range []string{"sub/file", "in place"} {
					if n := files[p]; string(n.Data) != content || n.Sec != 77 || n.Mode != 0o644 {
						t.Fatalf("policy %d: %s has %d bytes, time %d, mode %o", how, p, len(n.Data), n.Sec, n.Mode)
					}
				}
				if files["link"].Sec != 5 || files["sub"].Sec != 9 || files["sub"].Mode != 0o750 || len(files) != 5 {
					t.Fatalf("policy %d: %+v", how, files)
				}
			})
			must(t, tree.Close())
		}
	}
}

// TestVolatile writes a file that is not made durable: all that a power cut may
// leave of it is seen, and nothing else.
func TestVolatile(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 20_000)
	for _, loss := range []memtree.Loss{memtree.Ordered, memtree.Weak} {
		d, tree := openDest(t, memtree.Options{}, engine.DestOptions{Durability: engine.SyncNone})
		must(t, put(t, tree, "file", string(content), engine.CreateOptions{}))
		seen := map[string]bool{}
		crashes(d, loss, func(files map[string]memtree.Node) {
			n, ok := files["file"]
			switch {
			case !ok && len(files) > 1:
				seen["temporary"] = true
			case !ok:
				seen["gone"] = true
			case bytes.Equal(n.Data, content):
				seen["whole"] = true
			case len(n.Data) == 0:
				seen["empty"] = true
			case bytes.HasPrefix(content, n.Data):
				seen["prefix"] = true
			case len(n.Data) == len(content) && n.Sec == 77:
				seen["holes"] = true
			}
		})
		for _, want := range []string{"temporary", "gone", "whole", "empty"} {
			if !seen[want] {
				t.Errorf("loss %d: never %s", loss, want)
			}
		}
		if seen["holes"] != (loss == memtree.Weak) || seen["prefix"] != (loss == memtree.Ordered) {
			t.Errorf("loss %d: %v", loss, seen)
		}
	}
}

// TestOverwritten writes into a durable file: its pages are old or new.
func TestOverwritten(t *testing.T) {
	d, tree := openDest(t, memtree.Options{}, engine.DestOptions{Durability: engine.SyncNone})
	must(t, d.Put("/dst/file", regular(strings.Repeat("a", 12_000))))
	d.Settle()
	must(t, put(t, tree, "file", strings.Repeat("b", 12_000), engine.CreateOptions{InPlace: true}))
	seen := map[string]bool{}
	crashes(d, memtree.Ordered, func(files map[string]memtree.Node) {
		b := files["file"].Data
		if len(b) != 12_000 {
			t.Fatalf("%d bytes", len(b))
		}
		seen[string([]byte{b[0], b[4095], b[4096], b[8191], b[8192], b[11_999]})] = true
	})
	for s := range seen {
		if s[0] != s[1] || s[2] != s[3] || s[4] != s[5] {
			t.Errorf("a page is half written: %s", s)
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d of 8 mixtures were seen", len(seen))
	}
}

// TestOrder makes names one after the other: a power cut leaves the first of them.
func TestOrder(t *testing.T) {
	d, tree := openDest(t, memtree.Options{}, engine.DestOptions{Durability: engine.SyncNone})
	for _, name := range []string{"a", "b", "c", "d"} {
		must(t, tree.Mkdir(t.Context(), name))
	}
	counts := map[int]int{}
	crashes(d, memtree.Weak, func(files map[string]memtree.Node) {
		n := len(files) - 1
		counts[n]++
		for i, name := range []string{"a", "b", "c", "d"} {
			if _, ok := files[name]; ok != (i < n) {
				t.Fatalf("%d names are left, and %s: %v", n, name, ok)
			}
		}
	})
	if len(counts) != 5 {
		t.Errorf("left were %v names", counts)
	}
}

// TestLost has a sync fail: what it was about never becomes durable.
func TestLost(t *testing.T) {
	d, tree := openDest(t, memtree.Options{}, engine.DestOptions{Durability: engine.SyncEach})
	fail := true
	d.SetGate(func(op memtree.Op) error {
		if op.Kind == "fsync" && fail {
			fail = false
			return syscall.EIO
		}
		return nil
	})
	if err := put(t, tree, "file", "content", engine.CreateOptions{}); !errors.Is(err, syscall.EIO) {
		t.Errorf("the error is %v", err)
	}
	if files := d.Tree("/dst"); len(files) != 1 {
		t.Errorf("there is %v", files)
	}
	fail = true
	must(t, d.Put("/dst/file", regular("old")))
	d.Settle()
	if err := put(t, tree, "file", "new", engine.CreateOptions{InPlace: true}); !errors.Is(err, syscall.EIO) {
		t.Errorf("the error is %v", err)
	}
	must(t, tree.Sync(t.Context()))
	crashes(d, memtree.Weak, func(files map[string]memtree.Node) {
		if string(files["file"].Data) != "old" {
			t.Fatalf("%q is on the disk", files["file"].Data)
		}
	})
}

func TestKill(t *testing.T) {
	d, tree := openDest(t, memtree.Options{}, engine.DestOptions{Exclusive: true})
	f, err := tree.Create(t.Context(), "file", engine.CreateOptions{})
	must(t, err)
	_, err = f.WriteAt([]byte("some"), 0)
	must(t, err)
	if _, err := d.Host().Dest(t.Context(), "/dst", engine.DestOptions{}); !errors.Is(err, engine.ErrInUse) {
		t.Errorf("a tree that is locked was opened: %v", err)
	}
	after := d.Kill()
	if err := f.Remove(); !errors.Is(err, memtree.ErrDead) {
		t.Errorf("the dead go on: %v", err)
	}
	next, err := after.Host().Dest(t.Context(), "/dst", engine.DestOptions{})
	must(t, err)
	entries, err := next.List(t.Context(), "")
	must(t, err)
	if len(entries) != 1 || !manifest.Temporary(entries[0].Name) || entries[0].Size != 4 {
		t.Fatalf("left is %+v", entries)
	}
	if removed, err := next.RemoveStale(t.Context(), entries[0].Name, false); err != nil || !removed {
		t.Errorf("the temporary of a dead run stays: %v", err)
	}
}

func TestGate(t *testing.T) {
	d, tree := openDest(t, memtree.Options{}, engine.DestOptions{Durability: engine.SyncNone})
	must(t, d.Put("/dst/a", regular("")))
	must(t, d.Put("/dst/b", regular("")))
	full := false
	d.SetGate(func(op memtree.Op) error {
		if full && op.Kind == "write" || op.Kind == "list" {
			return syscall.ENOSPC
		}
		return nil
	})
	entries, err := tree.List(t.Context(), "")
	if !errors.Is(err, syscall.ENOSPC) || len(entries) != 1 {
		t.Errorf("list: %d entries, %v", len(entries), err)
	}
	f, err := tree.Create(t.Context(), "c", engine.CreateOptions{})
	must(t, err)
	full = true
	if n, err := f.WriteAt(make([]byte, 100), 0); n != 50 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("write: %d, %v", n, err)
	}
	must(t, f.Remove())
}

func TestSameNames(t *testing.T) {
	for _, c := range []struct {
		o    memtree.Options
		a, b string
		same bool
	}{
		{memtree.Options{}, "Name", "name", false},
		{memtree.Options{FoldCase: true}, "Name", "name", true},
		{memtree.Options{FoldCase: true}, "\u00e9", "\u00c9", true},
		{memtree.Options{FoldCase: true}, "e\u0301", "\u00e9", false},
		{memtree.Options{Normalise: true}, "e\u0301", "\u00e9", true},
		{memtree.Options{Normalise: true}, "E\u0301", "\u00e9", false},
		{memtree.Options{FoldCase: true, Normalise: true}, "E\u0301", "\u00e9", true},
	} {
		_, tree := openDest(t, c.o, engine.DestOptions{Durability: engine.SyncNone})
		must(t, put(t, tree, c.a, "one", engine.CreateOptions{}))
		_, err := tree.Stat(t.Context(), c.b)
		if (err == nil) != c.same {
			t.Errorf("%+v: %q and %q: %v", c.o, c.a, c.b, err)
		}
		must(t, put(t, tree, c.b, "two", engine.CreateOptions{}))
		entries, err := tree.List(t.Context(), "")
		must(t, err)
		if len(entries) == 1 != c.same || c.same && entries[0].Name != c.a {
			t.Errorf("%+v: %q and %q: %+v", c.o, c.a, c.b, entries)
		}
	}
}

func TestCancelled(t *testing.T) {
	d, tree := openDest(t, memtree.Options{}, engine.DestOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tree.Mkdir(ctx, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("Mkdir: %v", err)
	}
	if _, err := d.Host().Source(ctx, "/dst"); !errors.Is(err, context.Canceled) {
		t.Errorf("Source: %v", err)
	}
}
