package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// foldHost is this machine with destinations that ignore case.
type foldHost struct {
	engine.Host
	probes *atomic.Int64 // how often a destination was asked whether it does
	exact  bool          // it does not, although it says that it may
	key    func(name string) string
}

func folds() *foldHost {
	return &foldHost{Host: host(), probes: new(atomic.Int64), key: strings.ToLower}
}

func (h *foldHost) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	t, err := h.Host.Dest(ctx, path, how)
	if err != nil {
		return nil, err
	}
	return &foldDest{t, h, path}, nil
}

type foldDest struct {
	engine.Dest
	h    *foldHost
	root string
}

func (d *foldDest) Folding(context.Context) func(string) string {
	d.h.probes.Add(1)
	return d.h.key
}

// real returns the path under which the file system has what path names.
func (d *foldDest) real(path string) string {
	if d.h.exact || path == "" {
		return path
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = actual(filepath.Join(d.root, strings.Join(parts[:i], "/")), part)
	}
	return strings.Join(parts, "/")
}

// actual returns the name that dir has for what name names.
func actual(dir, name string) string {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if strings.EqualFold(e.Name(), name) {
			return e.Name()
		}
	}
	return name
}

func (d *foldDest) List(ctx context.Context, path string) ([]manifest.Entry, error) {
	return d.Dest.List(ctx, d.real(path))
}

func (d *foldDest) ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	return d.Dest.ReadFile(ctx, d.real(path), limit)
}

func (d *foldDest) Open(ctx context.Context, path string) (engine.File, error) {
	return d.Dest.Open(ctx, d.real(path))
}

func (d *foldDest) Stat(ctx context.Context, path string) (manifest.Entry, error) {
	e, err := d.Dest.Stat(ctx, d.real(path))
	e.Name = filepath.Base(path)
	return e, err
}

func (d *foldDest) Create(ctx context.Context, path string, how engine.CreateOptions) (engine.NewFile, error) {
	return d.Dest.Create(ctx, d.real(path), how)
}

func (d *foldDest) Mkdir(ctx context.Context, path string) error {
	return d.Dest.Mkdir(ctx, d.real(path))
}

func (d *foldDest) Symlink(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return d.Dest.Symlink(ctx, d.real(path), e, attrs)
}

func (d *foldDest) Mknod(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return d.Dest.Mknod(ctx, d.real(path), e, attrs)
}

func (d *foldDest) Link(ctx context.Context, path, old string) error {
	return d.Dest.Link(ctx, d.real(path), d.real(old))
}

func (d *foldDest) SetAttrs(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return d.Dest.SetAttrs(ctx, d.real(path), e, attrs)
}

func (d *foldDest) Remove(ctx context.Context, path string, e *manifest.Entry) error {
	return d.Dest.Remove(ctx, d.real(path), e)
}

// foldCase is a run to a destination that ignores case, with what it shall lead to.
type foldCase struct {
	name     string
	src, dst map[string]string
	delete   bool
	hard     [2]string // a hard link of the source: new name, old name
	exit     int
	refused  []string          // paths of which an error is told
	want     map[string]string // content of all files of the destination
}

func foldCases() []foldCase {
	type m = map[string]string
	return []foldCase{
		{name: "no collision", src: m{"a": "1", "d/b": "2"}, want: m{"a": "1", "d/b": "2"}},
		{name: "two files", src: m{"README": "first", "readme": "second", "z": "z"}, exit: 23, refused: []string{"readme"}, want: m{"README": "first", "z": "z"}},
		{name: "three files", src: m{"AA": "1", "Aa": "2", "aa": "3"}, exit: 23, refused: []string{"Aa", "aa"}, want: m{"AA": "1"}},
		{name: "two directories", src: m{"Dir/a": "1", "dir/b/c": "2", "dir/a": "3"}, exit: 23, refused: []string{"dir"}, want: m{"Dir/a": "1"}},
		{name: "file and directory", src: m{"X": "file", "x/f": "f", "y": "y"}, exit: 23, refused: []string{"x"}, want: m{"X": "file", "y": "y"}},
		{name: "file and symlink", src: m{"L": "file", "l": "->nowhere"}, exit: 23, refused: []string{"l"}, want: m{"L": "file"}},
		{name: "in a new directory", src: m{"d/e/F": "1", "d/e/f": "2"}, exit: 23, refused: []string{"d/e/f"}, want: m{"d/e/F": "1"}},
		{name: "in an old directory", src: m{"d/F": "1", "d/f": "2"}, dst: m{"d/x": "x"}, exit: 23, refused: []string{"d/f"}, want: m{"d/F": "1", "d/x": "x"}},
		{name: "old under another case", src: m{"README": "new"}, dst: m{"readme": "older"}, want: m{"readme": "new"}},
		{name: "equal under another case, delete", src: m{"README": "same"}, dst: m{"readme": "same", "gone": ""}, delete: true, want: m{"readme": "same"}},
		{name: "directory under another case, delete", src: m{"Dir/A/f": "f"}, dst: m{"dir/a/f": "f", "dir/a/gone": "", "dir/gone/x": ""}, delete: true, want: m{"dir/a/f": "f"}},
		{name: "the second is the one that is there", src: m{"README": "first", "readme": "second"}, dst: m{"readme": "second"}, delete: true, exit: 23, refused: []string{"readme"}, want: m{"readme": "first"}},
		{name: "collision and nothing deleted", src: m{"A": "1", "a": "2"}, dst: m{"gone": ""}, delete: true, exit: 23, refused: []string{"a"}, want: m{"A": "1"}},
		{name: "group of links", src: m{"A": "1", "a": "2"}, hard: [2]string{"z", "a"}, exit: 23, refused: []string{"a"}, want: m{"A": "1", "z": "2"}},
	}
}

// TestFolding copies to a destination that ignores case: of names that are one
// there the first arrives and the others are refused, what is there under another
// case is found, and none of it is deleted. A second run finds nothing to do.
func TestFolding(t *testing.T) {
	for _, x := range foldCases() {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, x.src, x.dst)
				if x.dst == nil {
					must(t, os.Mkdir(dst, 0o755))
				}
				x.check(t, trial{way: w, job: jobFor(src, dst), host: folds()})
			})
		})
	}
}

// check runs the case, and once more.
func (x *foldCase) check(t *testing.T, c trial) {
	t.Helper()
	src, dst := strings.TrimSuffix(c.job.Sources[0], "/"), c.job.Dest
	if x.hard[0] != "" {
		must(t, os.Link(filepath.Join(src, x.hard[1]), filepath.Join(src, x.hard[0])))
	}
	c.job.Delete, c.job.Itemize, c.job.HardLinks = x.delete, true, x.hard[0] != ""
	for round := range 2 {
		out := c.do(t.Context())
		if got := engine.ExitCode(out.err); got != x.exit {
			t.Errorf("round %d: exit %d (%v), want %d", round, got, out.err, x.exit)
		}
		var refused []string
		for _, e := range out.fileErrors() {
			refused = append(refused, e.Path)
			if name := strings.ToUpper(filepath.Base(e.Path)); !strings.Contains(strings.ToUpper(e.Error()), `"`+name+`" AND "`+name+`"`) {
				t.Errorf("round %d: the error does not say both names: %v", round, e)
			}
		}
		slices.Sort(refused)
		if !slices.Equal(refused, x.refused) {
			t.Errorf("round %d: refused %q, want %q", round, refused, x.refused)
		}
		got := contents(t, dst)
		for p := range got {
			if got[p] != x.want[p] {
				t.Errorf("round %d: %s holds %q, want %q", round, p, got[p], x.want[p])
			}
		}
		if len(got) != len(x.want) {
			t.Errorf("round %d: have %v, want %v", round, got, x.want)
		}
		// What is linked to something refused is sent again by every run.
		if ch := changes(out); round == 1 && x.hard[0] == "" && (len(ch) > 0 || out.sum.Deleted > 0 || out.sum.Transferred > 0) {
			t.Errorf("the second run changes %q, and deletes %d", ch, out.sum.Deleted)
		}
		noTemporaries(t, dst)
	}
}

// TestFoldingAsked holds when a destination is asked whether it ignores case: once,
// by a run that has something to make, and never in a dry run.
func TestFoldingAsked(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"a": "a", "d/e/f": "f"}, map[string]string{"a": "a"})
		h := folds()
		run := func(want int64, dry bool) {
			t.Helper()
			h.probes.Store(0)
			job := jobFor(src, dst)
			job.DryRun, job.ItemizeAll = dry, true
			trial{way: w, job: job, host: h}.must(t)
			if got := h.probes.Load(); got != want {
				t.Errorf("asked %d times, want %d", got, want)
			}
		}
		run(0, true)
		run(1, false)
		run(0, false)
		must(t, os.WriteFile(filepath.Join(src, "a"), []byte("other"), 0o644))
		run(0, false)
		equalTrees(t, src, dst)
	})
}

// TestFoldingWrong lets a destination say that names may be the same that are not:
// what it has is believed.
func TestFoldingWrong(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"README": "1", "x": "x"}, map[string]string{"readme": "2"})
		h := folds()
		h.exact = true
		job := jobFor(src, dst)
		trial{way: w, job: job, host: h}.must(t)
		if content(t, filepath.Join(dst, "README")) != "1" || content(t, filepath.Join(dst, "readme")) != "2" {
			t.Error("one was taken for the other")
		}
		tree(t, src, map[string]string{"readme": "33", "y": "y"})
		trial{way: w, job: job, host: h}.must(t)
		equalTrees(t, src, dst)
		must(t, os.Remove(filepath.Join(src, "readme")))
		tree(t, src, map[string]string{"z": "z"})
		job.Delete = true
		trial{way: w, job: job, host: h}.must(t)
		equalTrees(t, src, dst)
	})
}

// TestFoldingWide lets a destination ignore less than its keys do.
func TestFoldingWide(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"README": "same"}, map[string]string{"0readme": "same", "readme": "same"})
		h := folds()
		h.key = func(name string) string { return strings.TrimPrefix(strings.ToLower(name), "0") }
		job := jobFor(src, dst)
		job.Delete = true
		out := trial{way: w, job: job, host: h}.must(t)
		wantNames(t, dst, "readme")
		if out.sum.Deleted != 1 || out.sum.Transferred != 0 {
			t.Errorf("%d deleted, %d transferred", out.sum.Deleted, out.sum.Transferred)
		}
	})
}

// TestNames copies names of all kinds: they arrive byte by byte.
func TestNames(t *testing.T) {
	names := []string{
		strings.Repeat("n", manifest.MaxName), strings.Repeat("\u00e9", manifest.MaxName/2), "line\nfeed", "esc\x1b[31mred", `back\slash`, `\#012`,
		"-rf", "--delete", " leading", "trailing ", "trailing.", "tab\t", "bell\a", "\x7f", "invalid \xff\xfe", "\xc3", "bidi \u202egpj.exe",
		"e\u0301", "\u00e9", "*", "?[a-z]", "~", "#", "$(touch x)", "`x`", "'", `"`, "a:b", "C:", "...", "..x", "nul", "\U0001f600", "%s%n", "a|b;c&d",
	}
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"plain": ""}, nil)
		for i, name := range names {
			for _, p := range []string{name, filepath.Join("d", name, "f"), filepath.Join("d", name, "g"+name)} {
				if len(filepath.Base(p)) > manifest.MaxName {
					continue
				}
				p = src + "/" + p
				err := os.MkdirAll(filepath.Dir(p), 0o755)
				if err == nil {
					err = os.WriteFile(p, []byte(random(uint64(i), 20)), 0o644)
				}
				if errors.Is(err, syscall.EILSEQ) {
					continue // this system knows other names only
				}
				must(t, err)
			}
			_ = os.Symlink(name, filepath.Join(src, "link"+name)) // the longest has no room
		}
		trial{way: w, job: jobFor(src, dst)}.must(t)
		equalTrees(t, src, dst)
		for i, name := range names {
			if i%2 == 0 {
				must(t, os.RemoveAll(filepath.Join(src, name)))
				must(t, os.RemoveAll(filepath.Join(src, "d", name)))
			}
		}
		job := jobFor(src, dst)
		job.Delete = true
		trial{way: w, job: job}.must(t)
		equalTrees(t, src, dst)
	})
}
