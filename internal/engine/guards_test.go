package engine_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/filter"
)

// many returns n files, of which keep are said to be kept.
func many(prefix string, n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("%s%d", prefix, i)] = "x"
	}
	return m
}

func deletions(events []engine.Event) (paths []string) {
	for _, e := range events {
		if e, ok := e.(engine.DeleteEvent); ok {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// TestDeleteGuards tries deletions that look like accidents.
func TestDeleteGuards(t *testing.T) {
	for _, x := range []struct {
		name    string
		src     map[string]string
		gone    int // files that the destination has too many
		set     func(o *engine.Options)
		code    wire.Code
		deleted int64
	}{
		{"empty source", map[string]string{}, 3, nil, wire.CodeDelete, 0},
		{"empty source, permitted", map[string]string{}, 3, func(o *engine.Options) { o.DeleteEmptySource = true }, 0, 3},
		{"empty source, no deletions", map[string]string{}, 3, func(o *engine.Options) { o.Delete = false }, 0, 0},
		{"empty source, empty destination", map[string]string{}, 0, nil, 0, 0},
		{"empty source, limit", map[string]string{}, 3, func(o *engine.Options) { o.MaxDelete = 2 }, wire.CodeDelete, 0},
		{"up to the limit of the guard", map[string]string{"a": ""}, 100, nil, 0, 100},
		{"most of many", map[string]string{"a": ""}, 101, nil, wire.CodeDelete, 0},
		{"most of many, forced", map[string]string{"a": ""}, 101, func(o *engine.Options) { o.ForceDelete = true }, 0, 101},
		{"most of many, limit", map[string]string{"a": ""}, 101, func(o *engine.Options) { o.MaxDelete = 101 }, 0, 101},
		{"few of many", many("keep", 102), 101, nil, 0, 101},
		{"limit", map[string]string{"a": ""}, 7, func(o *engine.Options) { o.MaxDelete = 5 }, wire.CodeDelete, 5},
		{"limit of none", map[string]string{"a": ""}, 2, func(o *engine.Options) { o.MaxDelete = 0 }, wire.CodeDelete, 0},
		{"limit not reached", map[string]string{"a": ""}, 5, func(o *engine.Options) { o.MaxDelete = 5 }, 0, 5},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, x.src, many("gone", x.gone))
				for name := range x.src {
					tree(t, dst, map[string]string{name: x.src[name]})
				}
				job := jobFor(src, dst)
				job.Delete = true
				if x.set != nil {
					x.set(&job.Options)
				}
				// A dry run says the same and does nothing.
				for _, dry := range []bool{true, false} {
					job.DryRun = dry
					out := trial{way: w, job: job}.do(t.Context())
					out.wantExit(t, x.code)
					if out.sum.Deleted != x.deleted {
						t.Errorf("dry %v: %d deleted, want %d", dry, out.sum.Deleted, x.deleted)
					}
					left := len(fingerprint(t, dst)) - 1 - len(x.src)
					if want := x.gone - int(x.deleted); !dry && left != want || dry && left != x.gone {
						t.Errorf("dry %v: %d extra files are left, want %d", dry, left, want)
					}
					if x.code == wire.CodeDelete && !errors.Is(out.err, engine.ErrDeleteGuard) && !errors.Is(out.err, engine.ErrDeleteLimit) {
						t.Errorf("error %v", out.err)
					}
				}
			})
		})
	}
}

// TestDeleteHollow has sources of which one is empty, as a file system is that is not mounted: where its content
// belongs nothing is deleted, and elsewhere as usual.
func TestDeleteHollow(t *testing.T) {
	for _, x := range []struct {
		name    string
		sources string // below the sources' directory, where photos is empty and docs is not
		set     func(o *engine.Options)
		code    wire.Code
		want    string
	}{
		{"by its name", "photos", nil, wire.CodeDelete, "docs/gone docs/kept photos/a photos/b/c top"},
		{"by its name, permitted", "photos", func(o *engine.Options) { o.DeleteEmptySource = true }, 0, "docs/gone docs/kept photos/ top"},
		{"beside another", "photos docs", nil, wire.CodeDelete, "docs/kept photos/a photos/b/c top"},
		{"content beside another's", "photos/ docs/", nil, wire.CodeDelete, "docs/gone docs/kept kept photos/a photos/b/c top"},
		{"with its parents", "./photos", func(o *engine.Options) { o.Relative = true }, wire.CodeDelete, "docs/gone docs/kept photos/a photos/b/c top"},
		{"content with its parents", "./photos/", func(o *engine.Options) { o.Relative = true }, wire.CodeDelete, "docs/gone docs/kept photos/a photos/b/c top"},
		{"without deletions", "photos", func(o *engine.Options) { o.Delete = false }, 0, "docs/gone docs/kept photos/a photos/b/c top"},
		{"not named itself", "", nil, 0, "docs/kept photos/"},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{"docs/kept": ""}, map[string]string{"docs/kept": "", "docs/gone": "", "photos/a": "", "photos/b/c": "", "top": ""})
				must(t, os.Mkdir(filepath.Join(src, "photos"), 0o755))
				job := engine.Job{Options: archive(), Dest: dst}
				for _, s := range strings.Split(x.sources, " ") {
					job.Sources = append(job.Sources, src+"/"+s)
				}
				job.Delete, job.MaxDelete = true, -1
				if x.set != nil {
					x.set(&job.Options)
				}
				out := trial{way: w, job: job}.do(t.Context())
				out.wantExit(t, x.code)
				var have []string
				for path := range contents(t, dst) {
					have = append(have, path)
				}
				if left, err := os.ReadDir(filepath.Join(dst, "photos")); err == nil && len(left) == 0 {
					have = append(have, "photos/")
				}
				slices.Sort(have)
				if got := strings.Join(have, " "); got != x.want {
					t.Errorf("the destination has %s, want %s", got, x.want)
				}
			})
		})
	}
}

// TestDeleteHollowMerged has two sources for one directory, of which one may not be
// mounted: what came from it stays, below what the other has, too.
func TestDeleteHollowMerged(t *testing.T) {
	const all = "data/a data/old data/sub/a data/sub/old"
	for _, x := range []struct {
		name    string
		sources string // below the sources' directory, where m2/data is empty and m1/data is not
		set     func(o *engine.Options)
		code    wire.Code
		want    string
	}{
		{"names", "m1/data m2/data", nil, wire.CodeDelete, all},
		{"names, the other way round", "m2/data m1/data", nil, wire.CodeDelete, all},
		{"names with parents", "m1/./data m2/./data", func(o *engine.Options) { o.Relative = true }, wire.CodeDelete, all},
		{"names, permitted", "m1/data m2/data", func(o *engine.Options) { o.DeleteEmptySource = true }, 0, "data/a data/sub/a"},
		{"a name in the content", "m1/ m2/data", nil, wire.CodeDelete, all},
		{"names, one below the other", "m2/./data m1/./data/sub", func(o *engine.Options) { o.Relative = true }, wire.CodeDelete, all},
		{"a name twice", "m1/data m1/data", nil, 0, "data/a data/sub/a"},
		{"the other alone", "m1/data", nil, 0, "data/a data/sub/a"},
		{"contents", "m1/ m2/data/", nil, wire.CodeDelete, all},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{"m1/data/a": "", "m1/data/sub/a": "", "m2/data/": ""},
					map[string]string{"data/a": "", "data/old": "", "data/sub/a": "", "data/sub/old": ""})
				job := engine.Job{Options: archive(), Dest: dst}
				for _, s := range strings.Split(x.sources, " ") {
					job.Sources = append(job.Sources, src+"/"+s)
				}
				job.Delete, job.MaxDelete = true, -1
				if x.set != nil {
					x.set(&job.Options)
				}
				trial{way: w, job: job}.do(t.Context()).wantExit(t, x.code)
				if got := strings.Join(slices.Sorted(maps.Keys(contents(t, dst))), " "); got != x.want {
					t.Errorf("the destination has %s, want %s", got, x.want)
				}
			})
		})
	}
}

// TestDeleteInEmptyParents names a file, which the rules then exclude: its parent,
// of which nothing is listed, is no source that is empty.
func TestDeleteInEmptyParents(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"a/x.o": ""}, map[string]string{"a/keep": ""})
		job := engine.Job{Options: archive(), Sources: []string{src + "/./a/x.o"}, Dest: dst}
		job.Relative, job.Delete, job.Filter = true, true, rules(t, "- *.o")
		trial{way: w, job: job}.must(t)
		wantNames(t, dst, "a a/keep")
	})
}

// TestDeleteGuardKeepsCopying wants new files to arrive although deletions are
// refused.
func TestDeleteGuardKeepsCopying(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"new": "new"}, many("gone", 150))
		job := jobFor(src, dst)
		job.Delete = true
		out := trial{way: w, job: job}.do(t.Context())
		out.wantExit(t, wire.CodeDelete)
		if content(t, filepath.Join(dst, "new")) != "new" {
			t.Error("the new file did not arrive")
		}
	})
}

// TestDeleteMissingSource wants nothing to be deleted when one of the sources
// does not exist.
func TestDeleteMissingSource(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"a": "a"}, map[string]string{"extra": "", "d/extra": ""})
		job := jobFor(src, dst)
		job.Sources = append(job.Sources, src+"-missing/")
		job.Delete = true
		out := trial{way: w, job: job}.do(t.Context())
		out.wantExit(t, wire.CodePartial)
		if !exists(filepath.Join(dst, "extra")) || !exists(filepath.Join(dst, "d/extra")) || len(deletionsDone(out)) > 0 {
			t.Error("something was deleted")
		}
		if !exists(filepath.Join(dst, "a")) {
			t.Error("a did not arrive")
		}
	})
}

func deletionsDone(o outcome) []string {
	if o.sum.Deleted == 0 {
		return nil
	}
	return deletions(o.events)
}

// TestDeleteProtected wants what rules exclude to survive, with the
// directories that hold it.
func TestDeleteProtected(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for _, own := range []bool{false, true} { // with and without rules that are one side's
			src, dst := dirs(t,
				map[string]string{"a": "a", "hidden.keep": "source", "both/x": ""},
				map[string]string{"a": "a", "b.keep": "dst", "gone": "", "d/e/c.keep": "", "d/e/gone": "", "d/f/gone": "", "both/y.keep": "", "both/gone": ""})
			set := new(filter.Set)
			must(t, set.Exclude("*.keep"))
			if own {
				must(t, set.Rule("P d/none", nil))
			}
			job := jobFor(src, dst)
			job.Delete, job.Filter = true, set
			out := trial{way: w, job: job}.must(t)
			for _, p := range []string{"a", "b.keep", "d/e/c.keep", "both/x", "both/y.keep"} {
				if !exists(filepath.Join(dst, p)) {
					t.Errorf("%s is gone", p)
				}
			}
			for _, p := range []string{"gone", "d/e/gone", "d/f", "hidden.keep", "both/gone"} {
				if exists(filepath.Join(dst, p)) {
					t.Errorf("%s is there", p)
				}
			}
			if out.sum.Deleted != 5 || len(deletions(out.events)) != 5 {
				t.Errorf("%d deleted, %q, want 5", out.sum.Deleted, deletions(out.events))
			}
		}
	})
}

// TestDirectoryInTheWay puts a directory where the source has a file.
func TestDirectoryInTheWay(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		for _, typ := range []string{"file", "->link"} {
			src, dst := dirs(t, map[string]string{"x": typ, "a": "a"}, map[string]string{"x/sub/f": "inner", "x/g": ""})
			job := jobFor(src, dst)
			out := trial{way: w, job: job}.do(t.Context())
			out.wantExit(t, wire.CodePartial)
			out.wantFileError(t, "x", nil)
			if !exists(filepath.Join(dst, "x/sub/f")) || !exists(filepath.Join(dst, "a")) {
				t.Error("without delete: something is missing")
			}
			job.Delete = true
			trial{way: w, job: job}.must(t)
			equalTrees(t, src, dst)

			must(t, os.Remove(filepath.Join(dst, "x"))) // an empty one makes way
			must(t, os.Mkdir(filepath.Join(dst, "x"), 0o755))
			job.Delete = false
			trial{way: w, job: job}.must(t)
			equalTrees(t, src, dst)
		}
	})
}

// TestDirectoryInTheWayProtected lets the directory in the way hold something
// protected.
func TestDirectoryInTheWayProtected(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"x": "file"}, map[string]string{"x/a.keep": "precious", "x/z/gone": ""})
		set := new(filter.Set)
		must(t, set.Exclude("*.keep"))
		job := jobFor(src, dst)
		job.Delete, job.Filter = true, set
		out := trial{way: w, job: job}.do(t.Context())
		out.wantExit(t, wire.CodePartial)
		if content(t, filepath.Join(dst, "x/a.keep")) != "precious" {
			t.Error("a protected file was touched")
		}
		noTemporaries(t, dst)
	})
}
