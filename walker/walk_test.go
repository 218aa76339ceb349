package walker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// memTree is a tree in memory: directories by path, and contents of files.
type memTree struct {
	dirs   map[string][]manifest.Entry
	files  map[string]string
	fails  map[string]error
	delay  func()
	list   func(dir string)
	listed sync.Map // path -> *atomic.Int32
}

func newTree(paths ...string) *memTree {
	t := &memTree{dirs: map[string][]manifest.Entry{"": nil}, files: map[string]string{}, fails: map[string]error{}}
	for _, p := range paths {
		t.add(p)
	}
	return t
}

// add makes a file, or with a final slash a directory, and its parents.
func (t *memTree) add(path string) {
	isDir := strings.HasSuffix(path, "/")
	parts := strings.Split(strings.Trim(path, "/"), "/")
	at := ""
	for i, name := range parts {
		e := manifest.Entry{Name: name, Type: manifest.Directory}
		if i == len(parts)-1 && !isDir {
			e.Type = manifest.Regular
		}
		if _, ok := manifest.Find(t.dirs[at], name); !ok {
			t.dirs[at] = append(t.dirs[at], e)
			manifest.Sort(t.dirs[at])
		}
		at = manifest.Join(at, name)
		if _, ok := t.dirs[at]; e.IsDir() && !ok {
			t.dirs[at] = nil
		}
	}
}

func (t *memTree) entry(path string) *manifest.Entry {
	i := strings.LastIndexByte(path, '/')
	dir := t.dirs[path[:max(i, 0)]]
	k, _ := manifest.Find(dir, path[i+1:])
	return &dir[k]
}

func (t *memTree) List(ctx context.Context, dir string) ([]manifest.Entry, error) {
	n, _ := t.listed.LoadOrStore(dir, new(atomic.Int32))
	n.(*atomic.Int32).Add(1)
	if t.list != nil {
		t.list(dir)
	}
	if t.delay != nil {
		t.delay()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	entries, ok := t.dirs[dir]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	entries = slices.Clone(entries)
	rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	return entries, t.fails[dir]
}

func (t *memTree) ReadFile(_ context.Context, name string, _ int64) ([]byte, error) {
	content, ok := t.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(content), nil
}

func root(t Tree) *Node { return &Node{Contents: []Origin{{t, ""}}} }

// walk returns one line for each directory: its path and what it holds.
func walk(t testing.TB, root *Node, opts Options) []string {
	t.Helper()
	var lines []string
	var dirs []*Dir
	err := Walk(context.Background(), root, opts, func(d *Dir) error {
		dirs = append(dirs, d)
		check(t, dirs)
		lines = append(lines, line(d))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func line(d *Dir) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", d.Path)
	for i, e := range d.Entries {
		b.WriteString(" " + e.Name)
		if e.IsDir() {
			b.WriteByte('/')
		}
		if slices.Contains(d.Children, i) {
			b.WriteByte('>')
		}
		if d.Protected != nil && d.Protected[i] {
			b.WriteByte('!')
		}
	}
	if d.Err != nil {
		b.WriteString(" error")
	}
	return b.String()
}

// check holds what is promised of the last of the directories that were yielded.
func check(t testing.TB, dirs []*Dir) {
	t.Helper()
	d := dirs[len(dirs)-1]
	if d.Index != len(dirs)-1 {
		t.Errorf("%q has index %d", d.Path, d.Index)
	}
	if d.Parent < 0 != (d.Index == 0) || d.Parent >= d.Index {
		t.Fatalf("%q has parent %d", d.Path, d.Parent)
	}
	if d.Parent >= 0 {
		up := dirs[d.Parent]
		if !slices.Contains(up.Children, d.Entry) || manifest.Join(up.Path, up.Entries[d.Entry].Name) != d.Path {
			t.Errorf("%q is not entry %d of %q", d.Path, d.Entry, up.Path)
		}
	}
	if cap(d.Entries) != len(d.Entries) {
		t.Errorf("%q has room for %d entries, holds %d", d.Path, cap(d.Entries), len(d.Entries))
	}
	if d.Protected != nil && len(d.Protected) != len(d.Entries) {
		t.Errorf("%q has %d entries and %d marks", d.Path, len(d.Entries), len(d.Protected))
	}
	for i := 1; i < len(d.Entries); i++ {
		if d.Entries[i-1].Name >= d.Entries[i].Name {
			t.Errorf("%q is not sorted", d.Path)
		}
	}
}

func want(t *testing.T, got []string, lines ...string) {
	t.Helper()
	if !slices.Equal(got, lines) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(lines, "\n  "))
	}
}

func rules(t *testing.T, lines ...string) *filter.Set {
	t.Helper()
	s := &filter.Set{}
	for _, l := range lines {
		if err := s.Rule(l, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestOrder(t *testing.T) {
	tree := newTree("b", "a/x", "a/y/z", "a-b/q", "a.b/", "c/d/e/f", "z")
	for _, workers := range []int{1, 2, 8} {
		want(t, walk(t, root(tree), Options{Workers: workers}),
			": a/> a-b/> a.b/> b c/> z",
			"a-b: q", "a.b:", "a: x y/>", "a/y: z", "c: d/>", "c/d: e/>", "c/d/e: f")
	}
}

func TestNoRecurse(t *testing.T) {
	tree := newTree("a/x", "a/sub/y", "b")
	want(t, walk(t, root(tree), Options{NoRecurse: true}), ": a/ b")
	named := &Node{Children: []*Node{{
		Entry: manifest.Entry{Name: "a", Type: manifest.Directory}, Contents: []Origin{{tree, "a"}},
	}, {
		Entry: manifest.Entry{Name: "c", Type: manifest.Directory},
	}}}
	want(t, walk(t, named, Options{NoRecurse: true}), ": a/> c/", "a: sub/ x")
	want(t, walk(t, named, Options{}), ": a/> c/", "a: sub/> x", "a/sub: y")
}

func TestSkipAndDevices(t *testing.T) {
	tree := newTree("a/x", "m/y", "tmp1", "tmp2/z")
	tree.entry("m").Ext = &manifest.Ext{Mount: true}
	opts := Options{OneDevice: true, Skip: func(_, name string) bool { return strings.HasPrefix(name, "tmp") }}
	want(t, walk(t, root(tree), opts), ": a/> m/", "a: x")
}

func TestErrors(t *testing.T) {
	tree := newTree("a/x", "b/y", "c/z")
	tree.fails["b"] = errors.New("broken")
	tree.add("gone/")
	delete(tree.dirs, "gone")
	want(t, walk(t, root(tree), Options{}), ": a/> b/> c/> gone/>", "a: x", "b: y error", "c: z", "gone: error")
	want(t, walk(t, &Node{Contents: []Origin{{tree, "none"}}}, Options{}), ": error")

	stop := errors.New("enough")
	n := 0
	err := Walk(t.Context(), root(tree), Options{}, func(*Dir) error {
		if n++; n == 2 {
			return stop
		}
		return nil
	})
	if err != stop || n != 2 {
		t.Errorf("got %v after %d directories", err, n)
	}
}

func TestCancel(t *testing.T) {
	tree := newTree()
	for i := range 100 {
		tree.add(fmt.Sprintf("d%02d/x", i))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("stopped")
	n := 0
	err := Walk(ctx, root(tree), Options{}, func(*Dir) error {
		if n++; n == 10 {
			cancel(cause)
		}
		return nil
	})
	if err != cause || n != 10 {
		t.Errorf("got %v after %d directories", err, n)
	}
}

func TestMerge(t *testing.T) {
	one := newTree("a/x", "a/only1", "file", "mixed", "p")
	two := newTree("a/x", "a/only2", "file", "mixed/in", "q/r")
	one.entry("file").Size, two.entry("file").Size = 1, 2
	one.entry("a/x").Size, two.entry("a/x").Size = 1, 2
	named := newTree("n", "sub/deep/er")
	named.entry("n").Size = 3
	top := &Node{
		Contents: []Origin{{one, ""}, {two, ""}},
		Children: []*Node{
			{Entry: manifest.Entry{Name: "file", Type: manifest.Regular, Size: 3}, Tree: named, Path: "n"},
			{
				Entry:    manifest.Entry{Name: "q", Type: manifest.Directory},
				Contents: []Origin{{named, "sub"}},
				Children: []*Node{{Entry: manifest.Entry{Name: "z", Type: manifest.Regular}, Tree: named, Path: "n"}},
			},
		},
	}
	want(t, walk(t, top, Options{}),
		": a/> file mixed/> p q/>", "a: only1 only2 x", "mixed: in", "q: deep/> r z", "q/deep: er")

	from := map[string]string{}
	trees := map[Tree]string{one: "one", two: "two", named: "named"}
	sizes := map[string]int64{}
	must := Walk(t.Context(), top, Options{}, func(d *Dir) error {
		for i, e := range d.Entries {
			tree, path := d.Origin(i)
			from[manifest.Join(d.Path, e.Name)] = trees[tree] + " " + path
			sizes[manifest.Join(d.Path, e.Name)] = e.Size
		}
		return nil
	})
	if must != nil {
		t.Fatal(must)
	}
	for path, origin := range map[string]string{
		"a": "one a", "a/x": "one a/x", "a/only2": "two a/only2", "file": "named n", "mixed": "two mixed",
		"mixed/in": "two mixed/in", "q": "named sub", "q/deep/er": "named sub/deep/er", "q/r": "two q/r", "q/z": "named n",
	} {
		if from[path] != origin {
			t.Errorf("%s comes from %q, want %q", path, from[path], origin)
		}
	}
	if sizes["file"] != 3 || sizes["a/x"] != 1 {
		t.Errorf("sizes: %v", sizes)
	}
}

func TestOriginOfPlainWalk(t *testing.T) {
	tree := newTree("a/b/c")
	err := Walk(t.Context(), &Node{Contents: []Origin{{tree, "a"}}}, Options{}, func(d *Dir) error {
		for i, e := range d.Entries {
			if _, path := d.Origin(i); path != manifest.Join("a", manifest.Join(d.Path, e.Name)) {
				t.Errorf("%q of %q comes from %q", e.Name, d.Path, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilter(t *testing.T) {
	tree := newTree("a/x.o", "a/y", "skip/z", "x.o", "keep")
	set := rules(t, "- *.o", "- skip/")
	want(t, walk(t, root(tree), Options{Filter: set, Side: filter.Sender}), ": a/> keep", "a: y")
	want(t, walk(t, root(tree), Options{Filter: set, Side: filter.Receiver}),
		": a/> keep skip/! x.o!", "a: x.o! y")

	named := &Node{Children: []*Node{
		{Entry: manifest.Entry{Name: "skip", Type: manifest.Directory}, Contents: []Origin{{tree, "skip"}}},
		{Entry: manifest.Entry{Name: "a", Type: manifest.Directory}, Contents: []Origin{{tree, "a"}}},
		{Entry: manifest.Entry{Name: "x.o", Type: manifest.Regular}, Tree: tree, Path: "x.o"},
	}}
	want(t, walk(t, named, Options{Filter: set}), ": a/>", "a: y")
	want(t, walk(t, named, Options{Filter: set, Side: filter.Receiver}), ": a/> skip/! x.o!", "a: x.o! y")
}

func TestMergeFiles(t *testing.T) {
	tree := newTree(".rules", "x", "a/.rules", "a/x", "a/y", "a/b/y", "a/b/z", "c/y", "bad/.rules", "bad/y")
	tree.files[".rules"] = "- x\n"
	tree.files["a/.rules"] = "- y\n"
	tree.files["bad/.rules"] = "? nonsense\n"
	set := rules(t, ": .rules")
	want(t, walk(t, root(tree), Options{Filter: set}),
		": .rules a/> bad/> c/>", "a: .rules b/>", "a/b: z", "bad: error", "c: y")

	// Each place has its own rules.
	other := newTree("x", "a/y")
	both := &Node{Contents: []Origin{{tree, ""}, {other, ""}}}
	want(t, walk(t, both, Options{Filter: set}),
		": .rules a/> bad/> c/> x", "a: .rules b/> y", "a/b: z", "bad: error", "c: y")
}

func TestDuplicateNames(t *testing.T) {
	tree := newTree("a", "b/c")
	tree.dirs[""] = append(tree.dirs[""], tree.dirs[""]...) // as readdir may when a directory changes
	want(t, walk(t, root(tree), Options{}), ": a b/>", "b: c")
}

func TestHardLinks(t *testing.T) {
	tree := newTree("a/one", "a/two", "b/three", "z", "single", "gone")
	for _, p := range []string{"a/one", "a/two", "b/three", "z"} {
		e := tree.entry(p)
		e.Ino, e.Ext = 7, &manifest.Ext{Dev: 1, Nlink: 4}
	}
	e := tree.entry("single")
	e.Ino, e.Ext = 7, &manifest.Ext{Dev: 2, Nlink: 2}
	got := map[string]string{}
	for range 3 {
		err := Walk(t.Context(), root(tree), Options{HardLinks: true}, func(d *Dir) error {
			for i := range d.Entries {
				if dir, entry, ok := d.Entries[i].Leader(); ok {
					got[manifest.Join(d.Path, d.Entries[i].Name)] = fmt.Sprint(dir, entry)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// The root holds a, b, gone, single, z; so z, entry 4, is the first.
		if want := map[string]string{"a/one": "0 4", "a/two": "0 4", "b/three": "0 4"}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

// TestAhead: the walk lists ahead, but not without bound, and each directory once.
func TestAhead(t *testing.T) {
	tree := newTree()
	const dirs = 4 * maxAhead
	for i := range dirs {
		tree.add(fmt.Sprintf("d%04d/x", i))
	}
	var count atomic.Int32
	tree.delay = func() { count.Add(1) }
	yielded, most := 0, 0
	err := Walk(t.Context(), root(tree), Options{Workers: 4}, func(d *Dir) error {
		yielded++
		if yielded == 2 {
			for int(count.Load()) < maxAhead { // the workers get there
				time.Sleep(time.Millisecond)
			}
		}
		most = max(most, int(count.Load())-yielded)
		return nil
	})
	if err != nil || yielded != dirs+1 {
		t.Fatalf("%d directories, %v", yielded, err)
	}
	if most > maxAhead+1 {
		t.Errorf("%d directories were listed ahead", most)
	}
	tree.listed.Range(func(path, n any) bool {
		if n.(*atomic.Int32).Load() != 1 {
			t.Errorf("%v was listed %d times", path, n)
		}
		return true
	})
}

// TestAheadInOrder: what is needed soonest is listed first.
func TestAheadInOrder(t *testing.T) {
	tree := newTree("a/b/c/d", "a/e/f", "g/h/i", "j/k")
	var mu sync.Mutex
	var order, want []string
	tree.list = func(dir string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, dir)
	}
	first := true
	err := Walk(t.Context(), root(tree), Options{Workers: 1}, func(d *Dir) error {
		want = append(want, d.Path)
		for first {
			mu.Lock()
			first = len(order) < len(tree.dirs)
			mu.Unlock()
			time.Sleep(time.Millisecond)
		}
		return nil
	})
	if err != nil || !slices.Equal(order, want) {
		t.Errorf("listed %q, yielded %q, %v", order, want, err)
	}
}

// TestWorkersDoNotShow: what is yielded is the same for any number of workers
// and any delays, and is what a simple recursive walk finds.
func TestWorkersDoNotShow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "a-", "a.", "c"})
		paths := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) string {
			return strings.Join(rapid.SliceOfN(name, 1, 5).Draw(r, "parts"), "/") + rapid.SampledFrom([]string{"", "/"}).Draw(r, "end")
		}), 0, 30).Draw(r, "paths")
		tree := newTree()
		for _, p := range paths {
			if !conflicts(tree, p) {
				tree.add(p)
			}
		}
		var simple []string
		var visit func(path string)
		visit = func(path string) {
			d := &Dir{Path: path, Listing: manifest.Listing{Entries: tree.dirs[path]}, Children: manifest.Dirs(tree.dirs[path])}
			simple = append(simple, line(d))
			for _, i := range d.Children {
				visit(manifest.Join(path, d.Entries[i].Name))
			}
		}
		visit("")
		tree.delay = func() {
			if rand.IntN(4) == 0 {
				time.Sleep(time.Duration(rand.IntN(50)) * time.Microsecond)
			}
		}
		got := walk(t, root(tree), Options{Workers: rapid.IntRange(1, 6).Draw(r, "workers")})
		if !slices.Equal(got, simple) {
			r.Fatalf("got %q, want %q", got, simple)
		}
	})
}

// conflicts reports whether path needs a file of the tree to be a directory, or the other way round.
func conflicts(t *memTree, path string) bool {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	at := ""
	for i, name := range parts {
		k, ok := manifest.Find(t.dirs[at], name)
		isDir := i < len(parts)-1 || strings.HasSuffix(path, "/")
		if ok && t.dirs[at][k].IsDir() != isDir {
			return true
		}
		at = manifest.Join(at, name)
	}
	return false
}

func BenchmarkWalk(b *testing.B) {
	tree := newTree()
	for i := range 1000 {
		for k := range 20 {
			tree.add(fmt.Sprintf("d%02d/e%02d/file%d", i/40, i%40, k))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := Walk(b.Context(), root(tree), Options{}, func(*Dir) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
