package engine_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// TestDestinationForms gives the destination in all forms that it may have.
// Sources and destination are below one directory.
func TestDestinationForms(t *testing.T) {
	base := map[string]string{"f": "content of f", "g": "content of g", "s/a": "a", "s/d/b": "b", "dst/": "", "old": "old", "empty/": ""}
	for _, x := range []struct {
		name    string
		sources []string
		dest    string
		want    []string // "path=content of what"; names below the top that are new or changed
		code    wire.Code
		set     func(o *engine.Options)
	}{
		{name: "file into a directory", sources: []string{"f"}, dest: "dst", want: []string{"dst/f=content of f"}},
		{name: "file into a directory with a slash", sources: []string{"f"}, dest: "dst/", want: []string{"dst/f=content of f"}},
		{name: "file to a new name", sources: []string{"f"}, dest: "new", want: []string{"new=content of f"}},
		{name: "file to a new name in a directory", sources: []string{"f"}, dest: "dst/new", want: []string{"dst/new=content of f"}},
		{name: "file onto a file", sources: []string{"f"}, dest: "old", want: []string{"old=content of f"}},
		{name: "file into a new directory", sources: []string{"f"}, dest: "new/", want: []string{"new/f=content of f"}},
		{name: "files into a new directory", sources: []string{"f", "g"}, dest: "new", want: []string{"new/f=content of f", "new/g=content of g"}},
		{name: "directory into a directory", sources: []string{"s"}, dest: "dst", want: []string{"dst/s/a=a", "dst/s/d/b=b"}},
		{name: "directory into a new directory", sources: []string{"s"}, dest: "new", want: []string{"new/s/a=a", "new/s/d/b=b"}},
		{name: "content into a directory", sources: []string{"s/"}, dest: "dst", want: []string{"dst/a=a", "dst/d/b=b"}},
		{name: "content with a dot", sources: []string{"s/."}, dest: "dst/", want: []string{"dst/a=a", "dst/d/b=b"}},
		{name: "content into a new directory", sources: []string{"s/"}, dest: "new", want: []string{"new/a=a", "new/d/b=b"}},
		{name: "missing parent", sources: []string{"s/"}, dest: "no/new", code: wire.CodeFile},
		{name: "missing parent of a file", sources: []string{"f"}, dest: "no/new", code: wire.CodeSelect},
		{name: "directory onto a file", sources: []string{"s"}, dest: "old", code: wire.CodeSelect},
		{name: "content onto a file", sources: []string{"s/"}, dest: "old", code: wire.CodeSelect},
		{name: "files onto a file", sources: []string{"f", "g"}, dest: "old", code: wire.CodeSelect},
		{name: "file onto a file with a slash", sources: []string{"f"}, dest: "old/", code: wire.CodeSelect},
		{name: "below a file", sources: []string{"f"}, dest: "old/new", code: wire.CodeSelect},
		{name: "missing source", sources: []string{"no"}, dest: "dst", code: wire.CodePartial},
		{name: "one missing source", sources: []string{"no", "f"}, dest: "dst", want: []string{"dst/f=content of f"}, code: wire.CodePartial},
		{name: "directory without recursion", sources: []string{"s", "f"}, dest: "dst", want: []string{"dst/f=content of f"}, set: func(o *engine.Options) { o.Recursive = false }},
		{name: "same file twice", sources: []string{"f", "f"}, dest: "dst", want: []string{"dst/f=content of f"}},
		{name: "empty directory", sources: []string{"empty/"}, dest: "dst"},
		{name: "relative", sources: []string{"s/d/b"}, dest: "dst", want: []string{"dst/TOP/s/d/b=b"}, set: func(o *engine.Options) { o.Relative = true }},
		{name: "relative from a dot", sources: []string{"./s/d/b"}, dest: "dst", want: []string{"dst/s/d/b=b"}, set: func(o *engine.Options) { o.Relative = true }},
		{name: "relative with a parent", sources: []string{"s/../f"}, dest: "dst", code: wire.CodeUsage, set: func(o *engine.Options) { o.Relative = true }},
		{name: "no source", dest: "dst", code: wire.CodeUsage},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				top := t.TempDir()
				tree(t, top, base)
				job := engine.Job{Options: archive(), Dest: top + "/" + x.dest}
				for _, s := range x.sources {
					job.Sources = append(job.Sources, top+"/"+s)
				}
				if x.set != nil {
					x.set(&job.Options)
				}
				before := contents(t, top)
				out := trial{way: w, job: job}.do(t.Context())
				out.wantExit(t, x.code)
				if got := engine.ExitCode(out.served); w != local && x.code != wire.CodePartial && (out.served == nil) != (x.code == 0) && x.code != wire.CodeUsage {
					t.Errorf("the server ends with %d: %v", got, out.served)
				}
				want := maps.Clone(before)
				for _, s := range x.want {
					p, c, _ := strings.Cut(s, "=")
					want[strings.ReplaceAll(p, "TOP", strings.TrimPrefix(top, "/"))] = c
				}
				if got := contents(t, top); !maps.Equal(got, want) {
					t.Errorf("have %v\nwant %v", got, want)
				}
			})
		})
	}
}

// contents returns the regular files below a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for p, s := range fingerprint(t, dir) {
		if strings.HasPrefix(s, "-") && !strings.HasPrefix(s, "->") {
			out[p] = content(t, filepath.Join(dir, p))
		}
	}
	return out
}

// TestMerge gives sources that have names in common: directories are merged,
// of files the first wins.
func TestMerge(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		top := t.TempDir()
		tree(t, top, map[string]string{
			"one/d/a": "one", "one/d/both": "first", "one/f": "first", "one/x": "file",
			"two/d/b": "two", "two/d/both": "second, longer", "two/f": "second, longer", "two/x/y": "in a directory",
		})
		dst := filepath.Join(top, "dst")
		job := engine.Job{Options: archive(), Sources: []string{top + "/one/", top + "/two/"}, Dest: dst}
		want := map[string]string{"d/a": "one", "d/b": "two", "d/both": "first", "f": "first", "x/y": "in a directory"}
		for range 2 {
			trial{way: w, job: job}.must(t)
			if got := contents(t, dst); !maps.Equal(got, want) {
				t.Errorf("have %v\nwant %v", got, want)
			}
		}
		// With --delete what only one of the sources has stays.
		job.Delete = true
		tree(t, dst, map[string]string{"gone": "", "d/gone": ""})
		trial{way: w, job: job}.must(t)
		if got := contents(t, dst); !maps.Equal(got, want) {
			t.Errorf("with delete: have %v\nwant %v", got, want)
		}
	})
}

// TestMergeNamed gives directories of one name, without a slash behind them.
func TestMergeNamed(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		top := t.TempDir()
		tree(t, top, map[string]string{
			"one/d/a": "one", "one/d/both": "first", "two/d/b": "two", "two/d/both": "second, longer", "one/x": "file", "two/x/y": "in a directory",
		})
		dst := filepath.Join(top, "dst")
		job := engine.Job{Options: archive(), Sources: []string{top + "/one/d", top + "/one/x", top + "/two/d", top + "/two/x"}, Dest: dst}
		want := map[string]string{"d/a": "one", "d/b": "two", "d/both": "first", "x/y": "in a directory"}
		trial{way: w, job: job}.must(t)
		if got := contents(t, dst); !maps.Equal(got, want) {
			t.Errorf("have %v\nwant %v", got, want)
		}
	})
}

// TestFilesFrom takes names from a list.
func TestFilesFrom(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"a": "a", "b": "b", "d/e/f": "f", "d/g": "g", "h/i": "i", "odd\nname": "o"}, map[string]string{"extra": "extra", "d/extra": "x"})
		job := jobFor(src, dst)
		job.Files = []string{"a", "d/e/f", "/../h", "odd\nname", "missing"}
		job.Relative, job.Recursive, job.Dirs = true, false, true
		out := trial{way: w, job: job}.do(t.Context())
		out.wantExit(t, wire.CodePartial)
		out.wantFileError(t, "missing", os.ErrNotExist)
		want := map[string]string{"a": "a", "d/e/f": "f", "odd\nname": "o", "extra": "extra", "d/extra": "x"}
		if got := contents(t, dst); !maps.Equal(got, want) {
			t.Errorf("have %v\nwant %v", got, want)
		}
		if !exists(filepath.Join(dst, "h")) {
			t.Error("h was not made")
		}
		job.Files = []string{}
		trial{way: w, job: job}.must(t)
		// More names than fit into a message.
		job.Files = slices.Repeat([]string{strings.Repeat("d/../", 30) + "b"}, 10_000)
		trial{way: w, job: job}.must(t)
		if want["b"] = "b"; !maps.Equal(contents(t, dst), want) {
			t.Errorf("have %v\nwant %v", contents(t, dst), want)
		}
	})
}

// TestItems wants the same changes reported in the same order, in all ways.
func TestItems(t *testing.T) {
	report := func(w way) (lines []string) {
		src, dst := dirs(t, map[string]string{"a": "new", "b/c": "c", "b/d": "->x", "z": random(1, 9000)}, map[string]string{"b/c": "older", "q": "", "z": random(1, 8000)})
		job := jobFor(src, dst)
		job.Itemize, job.Delete = true, true
		for _, e := range (trial{way: w, job: job}).must(t).events {
			switch e := e.(type) {
			case engine.ItemEvent:
				lines = append(lines, e.Path)
			case engine.DeleteEvent:
				lines = append(lines, "-"+e.Path)
			}
		}
		return lines
	}
	want := report(local)
	if len(want) < 5 {
		t.Errorf("only %q", want)
	}
	for _, w := range []way{push, pull} {
		if got := report(w); !slices.Equal(got, want) {
			t.Errorf("%s reports %q, local %q", w, got, want)
		}
	}
}

// TestLiteralPaths has paths that are names for who has written the job, and would be something else for the far side's
// shell.
func TestLiteralPaths(t *testing.T) {
	base := map[string]string{"s*/[f]": "it", "s*/f": "another", "s1/[f]": "a third", `s1/\*`: "a star", "s1/x": "x", "d?/": "", "d1/keep": "keep", "~/h": "below a tilde"}
	for _, x := range []struct {
		source, dest string
		relative     bool
		want         []string
	}{
		{"s*/[f]", "d?", false, []string{"d?/[f]=it"}},
		{"s*/", "d?/", false, []string{"d?/[f]=it", "d?/f=another"}},
		{`s1/\*`, "new?", false, []string{"new?=a star"}},
		{"s*", "[d]1", false, []string{"[d]1/s*/[f]=it", "[d]1/s*/f=another"}},
		{"~/", "d?", false, []string{"d?/h=below a tilde"}},
		{"~", "d?", false, []string{"d?/~/h=below a tilde"}},
		{"~/h", "d?", true, []string{"d?/~/h=below a tilde"}},
		{"s*/f", "~", false, []string{"~/f=another"}},
	} {
		t.Run(x.source+" to "+x.dest, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				top := t.TempDir()
				t.Setenv("HOME", t.TempDir()) // what is put there is missing below top
				t.Chdir(top)
				tree(t, top, base)
				want := contents(t, top)
				job := engine.Job{Options: archive(), Sources: []string{x.source}, Dest: x.dest}
				job.LiteralPaths, job.Relative = true, x.relative
				job.Delete, job.MaxDelete, job.ForceDelete = strings.HasSuffix(x.source, "/"), -1, true
				trial{way: w, job: job}.do(t.Context()).wantExit(t, wire.CodeOK)
				for _, s := range x.want {
					p, c, _ := strings.Cut(s, "=")
					want[p] = c
				}
				if got := contents(t, top); !maps.Equal(got, want) {
					t.Errorf("have %v\nwant %v", got, want)
				}
			})
		})
	}
}
