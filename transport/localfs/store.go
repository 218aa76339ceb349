package localfs

import (
	"context"
	"io"
	"io/fs"
	"os"
	"strings"

	"gosync/internal/engine"
	"gosync/internal/unix"
)

// Move gives what is at a path another name in the same directory, which nothing may have.
func (t *Tree) Move(ctx context.Context, path, to string) error {
	up, name, err := split(to)
	if err == nil && up != path[:max(strings.LastIndexByte(path, '/'), 0)] {
		err = unix.EXDEV
	}
	if err != nil {
		return t.fail("move", to, err)
	}
	return t.change(ctx, "move", path, func(d *dir, old string) error {
		err := again(func() error { return renameNewDir(d.fd, old, name) })
		if err == nil {
			t.dirs.drop(path)
			t.dirs.drop(to)
		}
		return err
	})
}

// renameNewDir renames within a directory, a directory, too, if nothing has the new name.
func renameNewDir(dirfd int, from, to string) error {
	var st unix.Stat_t
	if err := fstatAt(dirfd, to, &st); err == nil {
		return unix.EEXIST
	} else if err != unix.ENOENT {
		return err
	}
	if err := fstatAt(dirfd, from, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return renameNew(dirfd, from, to)
	}
	return renameAt(dirfd, from, to)
}

// Lock takes a lock on a file of the tree, which is made if it is not there. The error
// wraps [engine.ErrInUse] where somebody holds it. It is held until it is closed, or the
// process ends.
func (t *Tree) Lock(ctx context.Context, path string) (io.Closer, error) {
	f, err := t.openOwn(ctx, path, unix.O_RDWR)
	if err != nil {
		return nil, err
	}
	err = again(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK {
		err = engine.ErrInUse
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, t.fail("lock", path, err)
	}
	return f, nil
}

// Append opens a file of the tree to write behind its end, and makes it if it is not there.
func (t *Tree) Append(ctx context.Context, path string) (io.WriteCloser, error) {
	f, err := t.openOwn(ctx, path, unix.O_WRONLY|unix.O_APPEND)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openOwn opens a regular file for the tree's own use.
func (t *Tree) openOwn(ctx context.Context, path string, flags int) (f *os.File, err error) {
	err = t.change(ctx, "open", path, func(d *dir, name string) error {
		fd := -1
		err := again(func() (err error) {
			fd, err = unix.Openat(d.fd, name, flags|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
			return err
		})
		if err != nil {
			return err
		}
		f = os.NewFile(uintptr(fd), t.full(path))
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			_ = f.Close() // nothing was written
			return fs.ErrInvalid
		}
		return nil
	})
	return f, err
}
