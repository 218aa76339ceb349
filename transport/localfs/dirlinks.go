package localfs

import (
	"context"
	"sync"
	"sync/atomic"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

var _ engine.DirLinker = (*Tree)(nil)

// dirLinks are the symlinks to directories that stand for these. Each was opened once:
// what is done below it goes by that descriptor, whatever the link becomes.
type dirLinks struct {
	any  atomic.Bool // there are some
	mu   sync.Mutex
	open map[string]*dir
}

// KeepLink implements [engine.DirLinker].
func (t *Tree) KeepLink(ctx context.Context, path string) (e manifest.Entry, err error) {
	if err := context.Cause(ctx); err != nil {
		return e, t.fail("open", path, err)
	}
	if d := t.linked(path); d != nil {
		return t.statLinked(d)
	}
	d := &dir{path: path, refs: 1}
	if d.fd, err = t.openLinked(path); err != nil {
		return e, t.fail("open", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		_ = unix.Close(d.fd)
		return e, t.fail("stat", path, err)
	}
	d.dev, d.ino = deviceOf(&st), st.Ino
	t.links.mu.Lock()
	if t.links.open == nil {
		t.links.open = map[string]*dir{}
	}
	if was := t.links.open[path]; was != nil { // another call was faster
		_ = unix.Close(d.fd)
		d = was
	}
	t.links.open[path] = d
	t.links.any.Store(true)
	t.links.mu.Unlock()
	return t.statLinked(d)
}

// openLinked opens the directory that the symlink at path leads to, inside of the tree.
func (t *Tree) openLinked(path string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NONBLOCK | unix.O_CLOEXEC
	err := checkPath(path)
	if err != nil {
		return -1, err
	}
	fd, err := -1, error(unix.EXDEV) // where nothing keeps a path inside none is followed
	if t.resolves {
		fd, err = openInside(t.top.fd, path, flags)
	}
	if err != unix.EXDEV {
		return fd, err
	}
	err = t.in("stat", path, func(up *dir, name string) error {
		var st unix.Stat_t
		if err := again(func() error { return unix.Fstatat(up.fd, name, &st, 0) }); err != nil {
			return err
		}
		if meta.TypeOf(uint32(st.Mode)) != manifest.Directory {
			return unix.ENOTDIR
		}
		return engine.ErrLeadsOut
	})
	return -1, err
}

// linked returns the directory that the symlink at path stands for, nil for none.
func (t *Tree) linked(path string) *dir {
	if !t.links.any.Load() {
		return nil
	}
	t.links.mu.Lock()
	defer t.links.mu.Unlock()
	return t.links.open[path]
}

func (t *Tree) statLinked(d *dir) (e manifest.Entry, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return e, t.fail("stat", d.path, err)
	}
	_, e.Name, _ = split(d.path)
	meta.Entry(&e, &st)
	withDevice(&e, &st)
	return e, t.fail("getxattr", d.path, t.described(d.fd, "", &e, &st))
}

// setLinked sets attributes of a directory that a symlink stands for.
func (t *Tree) setLinked(ctx context.Context, d *dir, e *manifest.Entry, attrs manifest.Attrs) error {
	if err := t.mayChange(ctx); err != nil {
		return t.fail("setattr", d.path, err)
	}
	d.gives.Store(nil)
	return t.setFile(d, d.path, d.fd, e, attrs)
}

// close closes the directories.
func (l *dirLinks) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for path, d := range l.open {
		closeDir(d)
		delete(l.open, path)
	}
}
