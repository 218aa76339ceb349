package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/filter"
)

// comparisons are the two ways in which the ends find what differs. Events for
// what does not change need the listings.
func comparisons(t *testing.T, f func(t *testing.T, set func(o *engine.Options))) {
	t.Helper()
	t.Run("digests", func(t *testing.T) { f(t, func(*engine.Options) {}) })
	t.Run("listings", func(t *testing.T) { f(t, func(o *engine.Options) { o.ItemizeAll = true }) })
}

func rules(t *testing.T, rules ...string) *filter.Set {
	t.Helper()
	set := new(filter.Set)
	for _, r := range rules {
		must(t, set.Rule(r, nil))
	}
	return set
}

// names returns the paths below a directory, the directory itself left out.
func names(t *testing.T, dir string) (paths []string) {
	t.Helper()
	for p := range fingerprint(t, dir) {
		if p != "." {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}

func wantNames(t *testing.T, dir, want string) {
	t.Helper()
	if got := strings.Join(names(t, dir), " "); got != want {
		t.Errorf("have %s\nwant %s", got, want)
	}
}

// TestDeleteSparesExcluded deletes below directories of all kinds: what is
// excluded stays, and so do the directories that lead to it.
func TestDeleteSparesExcluded(t *testing.T) {
	dst := map[string]string{
		"d/a": "old", "d/gone": "", "d/old/keep.o": "", "d/old/gone": "", "d/old/er/keep.o": "",
		"d/e/f": "f", "d/e/old/keep.o": "", "d/e/old/gone": "", "d/dead/gone": "", "keep.o": "", "old/keep.o": "", "old/gone": "",
	}
	for _, x := range []struct{ name, rule, kept string }{
		{"anywhere", "- *.o", "keep.o old old/keep.o d/old d/old/keep.o d/old/er d/old/er/keep.o d/e/old d/e/old/keep.o"},
		{"at the top", "- /keep.o", "keep.o"},
		{"a path", "- /d/old/keep.o", "d/old d/old/keep.o"},
		{"a directory", "- old/", "old old/gone old/keep.o d/old d/old/gone d/old/keep.o d/old/er d/old/er/keep.o d/e/old d/e/old/gone d/e/old/keep.o"},
		{"a path in a directory", "- e/old/gone", "d/e/old d/e/old/gone"},
	} {
		t.Run(x.name, func(t *testing.T) {
			comparisons(t, func(t *testing.T, set func(*engine.Options)) {
				each(t, func(t *testing.T, w way) {
					src, dst := dirs(t, map[string]string{"d/a": "new", "d/e/f": "f"}, dst)
					job := jobFor(src, dst)
					job.Delete, job.Filter = true, rules(t, x.rule)
					set(&job.Options)
					trial{way: w, job: job}.must(t)
					want := append(strings.Fields("d d/a d/e d/e/f"), strings.Fields(x.kept)...)
					slices.Sort(want)
					wantNames(t, dst, strings.Join(want, " "))
				})
			})
		})
	}
}

// TestDeleteObeysMergeFiles has rules in files of the destination's directories,
// the root included.
func TestDeleteObeysMergeFiles(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t,
			map[string]string{".rules": "- *.keep\n", "d/.rules": "- *.stay\n", "d/a": "new"},
			map[string]string{
				".rules": "- *.keep\n", "p.keep": "", "p.stay": "", "old/q.keep": "", "old/gone": "",
				"d/.rules": "- *.stay\n", "d/a": "old", "d/old/r.stay": "", "d/old/r.keep": "", "d/old/gone": "",
			})
		job := jobFor(src, dst)
		job.Delete, job.Filter = true, rules(t, "dir-merge .rules")
		trial{way: w, job: job}.must(t)
		wantNames(t, dst, ".rules d d/.rules d/a d/old d/old/r.keep d/old/r.stay old old/q.keep p.keep")
	})
}

// TestDeleteWithoutItsRules wants nothing to be deleted where the rules that
// protect cannot be known, nor below; elsewhere things go on.
func TestDeleteWithoutItsRules(t *testing.T) {
	for _, x := range []struct{ file, want string }{
		{".rules", ".rules a d d/a d/gone e e/a e/gone e/old e/old/gone gone"},
		{"d/.rules", "a d d/.rules d/a d/gone e e/a"},
		{"e/old/.rules", "a d d/a e e/a e/old e/old/.rules e/old/gone"},
	} {
		t.Run(x.file, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{"a": "new", "d/a": "new", "e/a": "new"},
					map[string]string{"a": "older", "gone": "", "d/gone": "", "d/a": "", "e/gone": "", "e/a": "", "e/old/gone": "", x.file: "nonsense *.keep\n"})
				job := jobFor(src, dst)
				job.Delete, job.Filter = true, rules(t, "dir-merge .rules")
				out := trial{way: w, job: job}.do(t.Context())
				out.wantExit(t, wire.CodePartial)
				if len(out.fileErrors()) == 0 {
					t.Error("nothing was said of the file")
				}
				wantNames(t, dst, x.want)
				for _, p := range []string{"a", "d/a", "e/a"} {
					if content(t, filepath.Join(dst, p)) != "new" {
						t.Errorf("%s did not arrive", p)
					}
				}
			})
		})
	}
}

// TestDeleteInImpliedDirectories names sources with their parents: what lies
// beside them is none of the run's business.
func TestDeleteInImpliedDirectories(t *testing.T) {
	for _, x := range []struct {
		name, source string
		want         string // below dst
	}{
		{"directory", "./s/a/b", "keep s s/a s/a/b s/a/b/f s/a/other s/a/other/x s/keep"},
		{"content", "./s/a/b/", "keep s s/a s/a/b s/a/b/f s/a/other s/a/other/x s/keep"},
		{"file", "./s/a/b/f", "keep s s/a s/a/b s/a/b/f s/a/b/gone s/a/b/old s/a/b/old/gone s/a/other s/a/other/x s/keep"},
		{"upper directory", "./s/a", "keep s s/a s/a/b s/a/b/f s/keep"},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{"s/a/b/f": "f"},
					map[string]string{"keep": "", "s/keep": "", "s/a/other/x": "", "s/a/b/gone": "", "s/a/b/old/gone": ""})
				job := engine.Job{Options: archive(), Sources: []string{src + strings.TrimPrefix(x.source, ".")}, Dest: dst}
				job.Sources[0] = src + "/" + x.source
				job.Relative, job.Delete = true, true
				trial{way: w, job: job}.must(t)
				wantNames(t, dst, x.want)
			})
		})
	}
	// A directory that is named itself, beside one that is named in it, is
	// cleaned up.
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"s/a/b/f": "f"}, map[string]string{"s/gone": "", "s/a/gone": "", "keep": ""})
		job := engine.Job{Options: archive(), Sources: []string{src + "/./s/a/b", src + "/./s"}, Dest: dst}
		job.Relative, job.Delete = true, true
		trial{way: w, job: job}.must(t)
		wantNames(t, dst, "keep s s/a s/a/b s/a/b/f")
	})
}

// TestDirectoryInTheWayStays lets the removal of what is in the way fail: that
// is one error, and the content is not asked for.
func TestDirectoryInTheWayStays(t *testing.T) {
	for _, failing := range []string{"x/g", "x/sub/f", "x"} {
		t.Run(failing, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{"x": "file", "y": "y"}, map[string]string{"x/g": "", "x/sub/f": "inner"})
				var created []string
				var mu sync.Mutex
				h := &hookHost{host(), &hooks{fail: func(op, path string) error {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case op == "dst remove" && path == failing:
						return syscall.EACCES
					case op == "dst create":
						created = append(created, path)
					}
					return nil
				}}}
				job := jobFor(src, dst)
				job.Delete = true
				out := trial{way: w, host: h, job: job}.do(t.Context())
				out.wantExit(t, wire.CodePartial)
				out.wantFileError(t, failing, nil)
				if n := len(out.fileErrors()); n != 1 {
					t.Errorf("%d errors: %v", n, out.fileErrors())
				}
				if !slices.Equal(created, []string{"y"}) || out.sum.Transferred != 1 {
					t.Errorf("created %q, %d transferred, want y alone", created, out.sum.Transferred)
				}
				noTemporaries(t, dst)
				if !exists(filepath.Join(dst, failing)) {
					t.Errorf("%s is gone", failing)
				}
			})
		})
	}
}

// TestDirectoryInTheWayLimit counts what is removed to make way.
func TestDirectoryInTheWayLimit(t *testing.T) {
	for _, x := range []struct {
		limit int64
		code  wire.Code
		want  string
	}{
		{2, wire.CodePartial, "x x/g x/sub x/sub/f y"},
		{3, 0, "x y"},
	} {
		t.Run(fmt.Sprint(x.limit), func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{"x": "file", "y": "y"}, map[string]string{"x/g": "", "x/sub/f": "inner"})
				job := jobFor(src, dst)
				job.Delete, job.MaxDelete = true, x.limit
				for _, dry := range []bool{true, false} {
					job.DryRun = dry
					out := trial{way: w, job: job}.do(t.Context())
					out.wantExit(t, x.code)
					if said := int64(len(deletions(out.events))); said != out.sum.Deleted || (said > 0) != (x.code == 0) {
						t.Errorf("dry %v: said %q, %d deleted", dry, deletions(out.events), out.sum.Deleted)
					}
				}
				wantNames(t, dst, x.want)
			})
		})
	}
}

// TestDeleteGuardCountsEverything compares deletions with all that the
// destination has, what is equal included, each entry once.
func TestDeleteGuardCountsEverything(t *testing.T) {
	for _, x := range []struct {
		name        string
		equal, gone int // files in one directory; in another that goes
		code        wire.Code
	}{
		{"less than half", 160, 150, 0},
		{"more than half", 130, 150, wire.CodeDelete},
	} {
		t.Run(x.name, func(t *testing.T) {
			comparisons(t, func(t *testing.T, set func(*engine.Options)) {
				each(t, func(t *testing.T, w way) {
					src, dst := dirs(t, map[string]string{}, map[string]string{})
					tree(t, filepath.Join(src, "equal"), many("f", x.equal))
					tree(t, filepath.Join(dst, "gone"), many("f", x.gone))
					job := jobFor(filepath.Join(src, "equal"), filepath.Join(dst, "equal"))
					trial{way: w, job: job}.must(t)

					job = jobFor(src, dst)
					job.Delete = true
					set(&job.Options)
					out := trial{way: w, job: job}.do(t.Context())
					out.wantExit(t, x.code)
					if exists(filepath.Join(dst, "gone")) != (x.code != 0) {
						t.Error("the deletions are not what was said")
					}
				})
			})
		})
	}
}

// deadTemporary returns the name that a file in the making had of a run that is
// over.
func deadTemporary(t *testing.T) (name string) {
	t.Helper()
	dir := t.TempDir()
	tree, err := host().Dest(t.Context(), dir, engine.DestOptions{})
	must(t, err)
	f, err := tree.Create(t.Context(), "x", engine.CreateOptions{})
	must(t, err)
	entries, err := os.ReadDir(dir)
	must(t, err)
	must(t, f.Remove())
	must(t, tree.Close())
	return entries[0].Name()
}

// TestDeleteLooksAtItsOwn lets one of many directories take part: the others
// are not even listed, and nothing in them is touched.
func TestDeleteLooksAtItsOwn(t *testing.T) {
	temporary := deadTemporary(t)
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"photos/a": "a", "photos/d/b": "b"},
			map[string]string{"photos/gone": "", "photos/" + temporary: "", "other/deep/x": "", "other/" + temporary: ""})
		var mu sync.Mutex
		var listed []string
		h := &hookHost{host(), &hooks{fail: func(op, path string) error {
			if op == "dst list" {
				mu.Lock()
				listed = append(listed, path)
				mu.Unlock()
			}
			return nil
		}}}
		job := jobFor(src, dst)
		job.Sources = []string{src + "/photos"}
		job.Delete = true
		trial{way: w, host: h, job: job}.must(t)
		for _, p := range listed {
			if strings.HasPrefix(p, "other") {
				t.Errorf("%s was listed", p)
			}
		}
		wantNames(t, dst, "other other/"+temporary+" other/deep other/deep/x photos photos/a photos/d photos/d/b")
	})
}

// TestDeletionsToldAreDone wants to hear of those deletions alone that take place.
func TestDeletionsToldAreDone(t *testing.T) {
	for _, x := range []struct {
		name string
		set  func(o *engine.Options)
		gone int
		code wire.Code
		told int
	}{
		{"all", nil, 20, 0, 20},
		{"refused", nil, 150, wire.CodeDelete, 0},
		{"up to the limit", func(o *engine.Options) { o.MaxDelete = 7 }, 20, wire.CodeDelete, 7},
		{"none permitted", func(o *engine.Options) { o.MaxDelete = 0 }, 20, wire.CodeDelete, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			comparisons(t, func(t *testing.T, set func(*engine.Options)) {
				each(t, func(t *testing.T, w way) {
					src, dst := dirs(t, map[string]string{"a": "a"}, many("gone", x.gone))
					job := jobFor(src, dst)
					job.Delete, job.Itemize = true, true
					if x.set != nil {
						x.set(&job.Options)
					}
					set(&job.Options)
					for _, dry := range []bool{true, false} {
						job.DryRun = dry
						out := trial{way: w, job: job}.do(t.Context())
						out.wantExit(t, x.code)
						if told := deletions(out.events); len(told) != x.told || out.sum.Deleted != int64(x.told) {
							t.Errorf("dry %v: %d told, %d deleted, want %d", dry, len(told), out.sum.Deleted, x.told)
						} else if !dry {
							for _, p := range told {
								if exists(filepath.Join(dst, p)) {
									t.Errorf("%s is still there", p)
								}
							}
						}
					}
				})
			})
		})
	}
}

// TestDeletionsToldBesideOthers has other uses of the limit, and deletions that fail.
func TestDeletionsToldBesideOthers(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"x": "file"}, map[string]string{"x/g": "", "gone1": "", "gone2": ""})
		job := jobFor(src, dst)
		job.Delete, job.MaxDelete = true, 2
		out := trial{way: w, job: job}.do(t.Context())
		out.wantExit(t, wire.CodeDelete)
		wantTold(t, out, dst)

		src, dst = dirs(t, map[string]string{"x": "file"}, map[string]string{"gone1": "", "gone2": "", "gone3": ""})
		job = jobFor(src, dst)
		job.Delete, job.MaxDelete = true, 2
		out = trial{way: w, host: failing("dst remove", "gone3", os.ErrPermission), job: job}.do(t.Context())
		wantTold(t, out, dst)
	})
}

// wantTold fails the test unless what was said to be deleted, and not said to
// have failed, is what was.
func wantTold(t *testing.T, out outcome, dst string) {
	t.Helper()
	told := map[string]bool{}
	for _, p := range deletions(out.events) {
		told[p] = true
	}
	for _, e := range out.fileErrors() {
		delete(told, e.Path)
	}
	if int64(len(told)) != out.sum.Deleted {
		t.Errorf("told of %v, %d deleted", told, out.sum.Deleted)
	}
	for _, p := range []string{"gone1", "gone2", "gone3"} {
		if told[p] && exists(filepath.Join(dst, p)) {
			t.Errorf("%s was not deleted", p)
		}
	}
}
