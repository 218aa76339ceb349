package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// linked reports whether two paths are one file.
func linked(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.Lstat(a)
	must(t, err)
	y, err := os.Lstat(b)
	must(t, err)
	return os.SameFile(x, y)
}

// TestLinkedContentChanges changes the content of a file with two names in
// ways that are found by reading only: both names have to get it.
func TestLinkedContentChanges(t *testing.T) {
	for _, x := range []struct {
		name     string
		checksum bool
		nsec     int64
		size     int
	}{
		{"checksum, small", true, 0, 10},
		{"checksum, delta", true, 0, 200 << 10},
		{"nanoseconds, small", false, 7, 10},
		{"nanoseconds, delta", false, 7, 200 << 10},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{}, nil)
				a, b := filepath.Join(src, "a"), filepath.Join(src, "d/b")
				tree(t, src, map[string]string{"a": random(1, x.size), "d/": ""})
				must(t, os.Link(a, b))
				then := time.Unix(1_600_000_000, 123_456_789)
				must(t, os.Chtimes(a, then, then))
				job := jobFor(src, dst)
				job.HardLinks = true
				trial{way: w, job: job}.must(t)
				if !linked(t, filepath.Join(dst, "a"), filepath.Join(dst, "d/b")) {
					t.Fatal("not linked")
				}
				now := []byte(random(1, x.size))
				now[x.size/2] ^= 1
				must(t, os.WriteFile(a, now, 0o644))
				then = then.Add(time.Duration(x.nsec) * 1000)
				must(t, os.Chtimes(a, then, then))
				job.Checksum = x.checksum
				trial{way: w, job: job}.must(t)
				for _, name := range []string{"a", "d/b"} {
					if content(t, filepath.Join(dst, name)) != string(now) {
						t.Errorf("%s has the old content", name)
					}
				}
				if !linked(t, filepath.Join(dst, "a"), filepath.Join(dst, "d/b")) {
					t.Error("not linked any more")
				}
			})
		})
	}
}

// TestLinksRegroup moves a name from one group of links to another.
func TestLinksRegroup(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"a": "one", "b": "two"}, nil)
		at := func(name string) string { return filepath.Join(src, name) }
		must(t, os.Link(at("a"), at("c")))
		must(t, os.Link(at("b"), at("d")))
		job := jobFor(src, dst)
		job.HardLinks = true
		trial{way: w, job: job}.must(t)
		equalTrees(t, src, dst)
		must(t, os.Remove(at("c")))
		must(t, os.Link(at("b"), at("c")))
		must(t, os.Remove(at("d")))
		must(t, os.WriteFile(at("d"), []byte("alone"), 0o644))
		trial{way: w, job: job}.must(t)
		equalTrees(t, src, dst)
		if !linked(t, filepath.Join(dst, "b"), filepath.Join(dst, "c")) || linked(t, filepath.Join(dst, "b"), filepath.Join(dst, "d")) {
			t.Error("the groups are wrong")
		}
	})
}

// TestLinksAcrossDirectories has groups whose members lie in many directories,
// and changes these one by one.
func TestLinksAcrossDirectories(t *testing.T) {
	comparisons(t, func(t *testing.T, set func(o *engine.Options)) {
		each(t, func(t *testing.T, w way) {
			src, dst := dirs(t, map[string]string{"a/x": "group", "a/other": "o", "b/": "", "c/d/": "", "e/f": "f", "g/big": random(1, 200<<10)}, nil)
			at := func(name string) string { return filepath.Join(src, name) }
			link := func(old, name string) {
				t.Helper()
				must(t, os.Link(at(old), at(name)))
			}
			link("a/x", "b/y")
			link("a/x", "c/d/z")
			link("g/big", "e/big")
			job := jobFor(src, dst)
			job.HardLinks, job.Delete = true, true
			set(&job.Options)
			check := func(step string, groups ...[]string) {
				t.Helper()
				trial{way: w, job: job}.must(t)
				equalTrees(t, src, dst)
				for i, g := range groups {
					for _, name := range g {
						if !linked(t, filepath.Join(dst, g[0]), filepath.Join(dst, name)) {
							t.Errorf("%s: %s and %s are not linked", step, g[0], name)
						}
						if i > 0 && linked(t, filepath.Join(dst, groups[0][0]), filepath.Join(dst, name)) {
							t.Errorf("%s: %s is linked to %s", step, groups[0][0], name)
						}
					}
				}
				again := trial{way: w, job: job}.must(t)
				if again.sum.Created+again.sum.Transferred+again.sum.Deleted > 0 {
					t.Errorf("%s, again: %+v", step, again.sum)
				}
			}
			check("first", []string{"a/x", "b/y", "c/d/z"}, []string{"g/big", "e/big"})

			link("a/x", "b/new") // the first member's directory is as it was
			check("a link more", []string{"a/x", "b/y", "b/new", "c/d/z"}, []string{"g/big", "e/big"})

			link("a/x", "a-first") // in front of all
			check("a new first member", []string{"a-first", "a/x", "b/y", "b/new", "c/d/z"}, []string{"g/big", "e/big"})

			must(t, os.Remove(at("a/x")))
			must(t, os.Remove(at("a-first")))
			check("without the first member", []string{"b/y", "b/new", "c/d/z"}, []string{"g/big", "e/big"})

			must(t, os.WriteFile(at("c/d/z"), []byte("another content"), 0o644))
			must(t, os.WriteFile(at("g/big"), []byte(random(1, 200<<10)+"more"), 0o644))
			check("other content", []string{"b/y", "b/new", "c/d/z"}, []string{"g/big", "e/big"})

			must(t, os.Remove(at("e/big")))
			link("b/y", "e/big")
			check("to the other group", []string{"b/y", "b/new", "c/d/z", "e/big"}, []string{"g/big"})
		})
	})
}

// TestLinksFollowLateMember lets the new content of a group appear only after
// the other members were looked at, when they still are what they were.
func TestLinksFollowLateMember(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"a/x": "before", "m/f": "f", "z/": ""}, nil)
		must(t, os.Link(filepath.Join(src, "a/x"), filepath.Join(src, "z/y")))
		job := jobFor(src, dst)
		job.HardLinks = true
		trial{way: w, job: job}.must(t)

		must(t, os.WriteFile(filepath.Join(src, "a/x"), []byte("after, longer"), 0o644))
		job.Durability = engine.SyncRun // files appear in groups
		job.ItemizeAll = true           // listings come one by one
		received := make(chan struct{})
		var once sync.Once
		h := &hookHost{host(), &hooks{fail: func(op, path string) error {
			switch {
			case op == "dst commit" && path == "a/x":
				once.Do(func() { close(received) })
			case op == "src list" && path == "z":
				select {
				case <-received:
					time.Sleep(20 * time.Millisecond) // it is handed over now
				case <-time.After(5 * time.Second):
					return errors.New("a/x was not received while z was listed")
				}
			}
			return nil
		}}}
		trial{way: w, host: h, job: job}.must(t)
		if got := content(t, filepath.Join(dst, "z/y")); got != "after, longer" {
			t.Errorf("z/y holds %q", got)
		}
		if !linked(t, filepath.Join(dst, "a/x"), filepath.Join(dst, "z/y")) {
			t.Error("not linked any more")
		}
	})
}

// TestLinksWithoutFirstMember lets the group's first member fail: the others
// get the content all the same and stay one file, and the next run puts all right.
func TestLinksWithoutFirstMember(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"a/x": "before", "m/": "", "z/": ""}, nil)
		must(t, os.Link(filepath.Join(src, "a/x"), filepath.Join(src, "m/w")))
		must(t, os.Link(filepath.Join(src, "a/x"), filepath.Join(src, "z/y")))
		job := jobFor(src, dst)
		job.HardLinks = true
		trial{way: w, job: job}.must(t)
		must(t, os.WriteFile(filepath.Join(src, "a/x"), []byte("after, longer"), 0o644))
		out := trial{way: w, host: failing("dst write", "a/x", os.ErrPermission), job: job}.do(t.Context())
		out.wantExit(t, wire.CodePartial)
		for name, want := range map[string]string{"a/x": "before", "m/w": "after, longer", "z/y": "after, longer"} {
			if got := content(t, filepath.Join(dst, name)); got != want {
				t.Errorf("%s holds %q, want %q", name, got, want)
			}
		}
		if !linked(t, filepath.Join(dst, "m/w"), filepath.Join(dst, "z/y")) {
			t.Error("the others are not linked")
		}
		trial{way: w, job: job}.must(t)
		equalTrees(t, src, dst)
		if !linked(t, filepath.Join(dst, "a/x"), filepath.Join(dst, "z/y")) || !linked(t, filepath.Join(dst, "a/x"), filepath.Join(dst, "m/w")) {
			t.Error("not linked any more")
		}
	})
}
