package localfs

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// scan is the memory that listing a directory needs for a while.
type scan struct {
	buf   [64 << 10]byte
	names []byte   // one after the other
	ends  []uint32 // of each of them
}

// maxNames is the total length of the names in one directory.
const maxNames = 1<<32 - 1

// add keeps a name; it is called for each name that the directory has.
func (s *scan) add(name []byte) error {
	if string(name) == "." || string(name) == ".." {
		return nil
	}
	if len(s.names)+len(name) > maxNames {
		return unix.EOVERFLOW
	}
	s.names = append(s.names, name...)
	s.ends = append(s.ends, uint32(len(s.names)))
	return nil
}

// List implements [walker.Tree]. The names of one listing share their memory.
func (t *Tree) List(ctx context.Context, path string) ([]manifest.Entry, error) {
	for first := true; ; first = false {
		d, err := t.dir(path)
		if err != nil {
			return nil, err
		}
		entries, err := t.list(ctx, d)
		stale := first && path != "" && len(entries) == 0 && errors.Is(err, unix.ENOENT) && d.gone()
		t.dirs.release(d)
		if !stale {
			return entries, err
		}
		t.dirs.drop(path)
	}
}

func (t *Tree) list(ctx context.Context, d *dir) ([]manifest.Entry, error) {
	s := t.scans.Get().(*scan)
	defer t.scans.Put(s)
	s.names, s.ends = s.names[:0], s.ends[:0]
	err := s.read(ctx, d)
	if err != nil {
		err = t.fail("readdir", d.path, err)
	}
	entries, statErr := t.describe(ctx, d, string(s.names), s.ends)
	if err == nil {
		err = statErr
	}
	if t.follows {
		return t.followed(d, entries, err)
	}
	return entries, err
}

// read collects the names in d.
func (s *scan) read(ctx context.Context, d *dir) error {
	d.list.Lock()
	defer d.list.Unlock()
	fd := d.fd
	if d.mere {
		own, err := openAt(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer unix.Close(own)
		fd = own
	} else if d.moved {
		if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
			return err
		}
	}
	d.moved = true
	for ctx.Err() == nil {
		n, err := unix.ReadDirent(fd, s.buf[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n <= 0:
			return nil
		default:
			if err := parseNames(s.buf[:n], s.add); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// describe looks at each of the names in d, which end at ends. Names that are
// gone are left out; of other errors the first is returned.
func (t *Tree) describe(ctx context.Context, d *dir, names string, ends []uint32) (entries []manifest.Entry, first error) {
	var st unix.Stat_t
	entries = make([]manifest.Entry, 0, len(ends))
	at := uint32(0)
	for i, end := range ends {
		if i%1024 == 1023 && ctx.Err() != nil {
			return entries, t.fail("readdir", d.path, context.Cause(ctx))
		}
		e := manifest.Entry{Name: names[at:end]}
		at = end
		err := fstatAt(d.fd, e.Name, &st)
		if err == nil {
			meta.Entry(&e, &st)
			switch {
			case e.Type == manifest.Symlink:
				err = addLink(d.fd, &e)
			case e.IsDir() && deviceOf(&st) != d.dev:
				e.Ext = &manifest.Ext{Mount: true, Dev: deviceOf(&st)}
			}
		}
		switch {
		case err == nil:
			entries = append(entries, e)
		case err != unix.ENOENT && first == nil:
			first = t.fail("stat", manifest.Join(d.path, e.Name), err)
		}
	}
	return entries, first
}

// addLink reads the target of a symlink. One that is no symlink any more is as
// good as gone: the next run sees what it has become.
func addLink(dirfd int, e *manifest.Entry) error {
	target, err := readLink(dirfd, e.Name, e.Size)
	if err == unix.EINVAL {
		return unix.ENOENT
	}
	if e.Ext == nil {
		e.Ext = &manifest.Ext{}
	}
	e.Ext.Link, e.Size = target, int64(len(target))
	return err
}
