package localfs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

var _ engine.DirLinker = (*Tree)(nil)

// dirLinks are the symlinks to directories that stand for these, by path. What is done
// below one goes to the directory that it led to when it was found, whatever the link
// becomes: descriptors are kept with those of other directories, as many as there may be,
// and one that is opened again has to be of the same directory.
type dirLinks struct {
	any atomic.Bool // there are some
	mu  sync.Mutex
	to  map[string]linkedTo
}

// linkedTo is which directory a symlink stands for.
type linkedTo struct{ dev, ino uint64 }

// errLinkChanged: a symlink that stands for a directory leads to another one now.
var errLinkChanged = errors.New("the symlink was changed meanwhile and leads to another directory: run again")

// KeepLink implements [engine.DirLinker].
func (t *Tree) KeepLink(ctx context.Context, path string) (e manifest.Entry, err error) {
	if err := context.Cause(ctx); err != nil {
		return e, t.fail("open", path, err)
	}
	d, err := t.linked(path)
	if d == nil && err == nil {
		d, err = t.keepLink(path)
	}
	if err != nil {
		return e, t.fail("open", path, err)
	}
	defer t.dirs.release(d)
	return t.statLinked(d)
}

// keepLink has a symlink stand for the directory that it leads to, which must be released.
func (t *Tree) keepLink(path string) (*dir, error) {
	d, err := t.openLinked(path)
	if err != nil {
		return nil, err
	}
	t.links.mu.Lock()
	defer t.links.mu.Unlock()
	if to, ok := t.links.to[path]; ok && to != (linkedTo{d.dev, d.ino}) { // another call was faster
		closeDir(d)
		return nil, errLinkChanged
	}
	if t.links.to == nil {
		t.links.to = map[string]linkedTo{}
	}
	t.dirs.drop(path) // it may have been a directory
	t.links.to[path] = linkedTo{d.dev, d.ino}
	t.links.any.Store(true)
	return t.dirs.put(d), nil
}

// openLinked opens the directory that the symlink at path leads to.
func (t *Tree) openLinked(path string) (*dir, error) {
	fd, err := t.openThrough(path)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &dir{path: path, fd: fd, dev: deviceOf(&st), ino: st.Ino}, nil
}

// openThrough opens the directory that the symlink at path leads to, inside of the tree.
func (t *Tree) openThrough(path string) (int, error) {
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

// linked returns the directory that the symlink at path stands for, nil for none. It must
// be released.
func (t *Tree) linked(path string) (*dir, error) {
	if !t.links.any.Load() {
		return nil, nil
	}
	t.links.mu.Lock()
	to, ok := t.links.to[path]
	t.links.mu.Unlock()
	if !ok {
		return nil, nil
	}
	if d := t.dirs.get(path); d != nil {
		return d, nil
	}
	d, err := t.openLinked(path)
	if err == nil && to != (linkedTo{d.dev, d.ino}) {
		closeDir(d)
		err = errLinkChanged
	}
	if err != nil {
		return nil, err
	}
	return t.dirs.put(d), nil
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
