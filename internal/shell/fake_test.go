package shell

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fakeFS is a tree in memory: paths to entries. A path that ends in ! cannot be read.
type fakeFS map[string]Entry

// fake makes a tree from paths: those with a slash at the end are directories,
// a->b is a symlink.
func fake(paths ...string) fakeFS {
	f := fakeFS{"/": {Name: "/", Mode: fs.ModeDir | 0o755}}
	for i, p := range paths {
		p, target, link := strings.Cut(p, "->")
		e := Entry{Mode: 0o644, Size: int64(i + 1), ModTime: time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC), UID: 1000, GID: 100}
		if strings.HasSuffix(p, "/") {
			e.Mode = fs.ModeDir | 0o755
		}
		if link {
			e.Mode, e.Target = fs.ModeSymlink|0o777, target
		}
		p = path.Clean(p)
		e.Name = path.Base(p)
		f[p] = e
	}
	return f
}

func (f fakeFS) ReadDir(_ context.Context, dir string, _ bool) ([]Entry, error) {
	dir = path.Clean(dir)
	if e := f[dir]; e.Mode.Type() == fs.ModeSymlink {
		dir = absolute(path.Dir(dir), e.Target)
	}
	if e, ok := f[dir]; !ok || !e.Mode.IsDir() {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrNotExist}
	}
	if strings.HasSuffix(dir, "!") {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: fs.ErrPermission}
	}
	var out []Entry
	for p, e := range f {
		if p != "/" && path.Dir(p) == dir {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (f fakeFS) Lstat(_ context.Context, name string) (Entry, error) {
	e, ok := f[path.Clean(name)]
	if !ok {
		return e, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return e, nil
}

func (f fakeFS) Stat(ctx context.Context, name string) (Entry, error) {
	e, err := f.Lstat(ctx, name)
	if err == nil && e.Mode.Type() == fs.ModeSymlink {
		return f.Lstat(ctx, absolute(path.Dir(path.Clean(name)), e.Target))
	}
	return e, err
}

func (f fakeFS) ReadLink(_ context.Context, name string) (string, error) {
	return f[path.Clean(name)].Target, nil
}

// escaped stands in for the program's display.
func escaped(s string) string {
	if harmless(s) {
		return s
	}
	return strings.Trim(strconv.QuoteToASCII(s), `"`)
}
