package localfs

import (
	"context"
	"errors"
	"io/fs"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

var (
	_ engine.Detailed     = (*Tree)(nil)
	_ engine.Granter      = (*Tree)(nil)
	_ engine.DetailedHost = (*Host)(nil)
	_ engine.DetailedHost = (*Restricted)(nil)
)

// errNoDetails is about what the system, or gosync on it, has nothing for.
var errNoDetails = errors.New("access times, extended attributes and access control lists are kept on Linux only")

// Detail implements [engine.Detailed].
func (t *Tree) Detail(d manifest.Detail) error {
	if d&^meta.Details != 0 {
		return errNoDetails
	}
	if err := meta.CanDescribe(d); err != nil {
		return err
	}
	t.detail = d
	t.quiet = t.quiet || d&manifest.DetailQuiet != 0
	return nil
}

// described adds the details that the tree shows to e, which stands at a name of an
// open directory, or with "" is that directory itself.
func (t *Tree) described(fd int, name string, e *manifest.Entry, st *unix.Stat_t) error {
	if t.detail&^(manifest.DetailQuiet|manifest.DetailUser|manifest.DetailSource) == 0 {
		return nil
	}
	return meta.Describe(fd, name, t.detail, e, st)
}

// Details implements [engine.DetailedHost].
func (h *Host) Details(ctx context.Context, path string, follow bool, d manifest.Detail, e *manifest.Entry) error {
	flags := openRef
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	return details(path, d, e, func() (int, error) { return openAt(unix.AT_FDCWD, path, flags, 0) })
}

// Details implements [engine.DetailedHost].
func (h *Restricted) Details(ctx context.Context, path string, follow bool, d manifest.Detail, e *manifest.Entry) error {
	return details(path, d, e, func() (fd int, err error) {
		err = h.in(path, func(dirfd int, name string) error {
			fd, err = openAt(dirfd, name, openRef|unix.O_NOFOLLOW, 0)
			return err
		})
		return fd, err
	})
}

// details adds details of what open opens as a mere reference to e.
func details(path string, d manifest.Detail, e *manifest.Entry, open func() (int, error)) error {
	if d&^meta.Details != 0 {
		return errNoDetails
	}
	if err := meta.CanDescribe(d); err != nil {
		return err
	}
	fd, err := open()
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && meta.TypeOf(uint32(st.Mode)) == e.Type {
		err = meta.Describe(fd, "", d, e, &st)
	}
	if err != nil {
		return &fs.PathError{Op: "getxattr", Path: path, Err: err}
	}
	return nil
}

// describeReferent adds the details of what a symlink leads to.
func (t *Tree) describeReferent(d *dir, e *manifest.Entry) error {
	if t.detail&^(manifest.DetailQuiet|manifest.DetailUser|manifest.DetailSource) == 0 {
		return nil
	}
	return details(e.Name, t.detail, e, func() (int, error) { return openAt(d.fd, e.Name, openRef, 0) })
}

// Grants implements [engine.Granter]: the default access list of a directory takes the
// place of the umask.
func (t *Tree) Grants(path string) (perms uint16, ok bool) {
	d, err := t.dir(path)
	if err != nil {
		return 0, false
	}
	defer t.dirs.release(d)
	return meta.DefaultMode(d.fd)
}
