package localfs

import (
	"context"
	"errors"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// Sync implements [engine.Dest].
func (t *Tree) Sync(ctx context.Context) error {
	if err := t.groups.finish(ctx); err != nil {
		return t.fail("sync", "", err)
	}
	t.delayed.appear(t)
	if err := t.backups.sync(); err != nil {
		return err
	}
	return t.dirty.flush()
}

// Mkdir implements [engine.Dest].
func (t *Tree) Mkdir(ctx context.Context, path string) error {
	return t.change(ctx, "mkdir", path, func(d *dir, name string) error {
		err := again(func() error { return unix.Mkdirat(d.fd, name, 0o700) })
		if err == nil {
			t.dirs.drop(path) // somebody else may have removed what is cached
		}
		return err
	})
}

// Symlink implements [engine.Dest].
func (t *Tree) Symlink(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return t.change(ctx, "symlink", path, func(d *dir, name string) error {
		return t.replace(d, path, name, func(temp string) error {
			err := t.makeLink(d, temp, e)
			if err != nil {
				return err
			}
			target := meta.Target{FD: d.fd, Name: temp, Type: manifest.Symlink, Detail: t.detail}
			return given(meta.Apply(&target, e, attrs))
		})
	})
}

// Mknod implements [engine.Dest].
func (t *Tree) Mknod(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return t.change(ctx, "mknod", path, func(d *dir, name string) error {
		if !e.Type.IsDevice() && !e.Type.IsSpecial() {
			return unix.EINVAL
		}
		return t.replace(d, path, name, func(temp string) error {
			if err := t.makeNode(d, temp, e); err != nil {
				return err
			}
			target := meta.Target{FD: d.fd, Name: temp, Type: e.Type, Detail: t.detail}
			return given(meta.Apply(&target, e, attrs))
		})
	})
}

// Link implements [engine.Dest].
func (t *Tree) Link(ctx context.Context, path, old string) error {
	return t.change(ctx, "link", path, func(d *dir, name string) error {
		return t.in("link", old, func(from *dir, oldName string) error {
			made := ""
			err := t.replace(d, path, name, func(temp string) error {
				made = temp
				return unix.Linkat(from.fd, oldName, d.fd, temp, 0)
			})
			if err == nil {
				// To rename a name of a file to another one of it does nothing.
				_ = unix.Unlinkat(d.fd, made, 0)
			}
			return err
		})
	})
}

// LinkFrom implements [engine.Linker]. The source is another tree of this machine;
// that what is linked is what was listed is looked at once it has a name here.
func (t *Tree) LinkFrom(ctx context.Context, path string, from engine.Source, old string, e *manifest.Entry) error {
	src, ok := from.(*Tree)
	if !ok {
		return t.fail("link", path, errors.ErrUnsupported)
	}
	return t.change(ctx, "link", path, func(d *dir, name string) error {
		return src.in("link", old, func(at *dir, oldName string) error {
			make := func(name string) error {
				if err := unix.Linkat(at.fd, oldName, d.fd, name, 0); err != nil {
					return err
				}
				if has, err := t.check(d, name, e.Type); err != nil || !isListed(&has, e) {
					_ = unix.Unlinkat(d.fd, name, 0)
					return errors.Join(unix.ESTALE, err)
				}
				return nil
			}
			err := make(name)
			if err != unix.EEXIST || t.how.NoReplace {
				return err
			}
			made := ""
			if err = t.replace(d, path, name, func(temp string) error { made = temp; return make(temp) }); err == nil {
				_ = unix.Unlinkat(d.fd, made, 0) // left where both are one file already
			}
			return err
		})
	})
}

// isListed reports whether an entry is still the file that was listed as e, and a
// regular one as long and as old: what was written to it since is not what is wanted.
func isListed(has, e *manifest.Entry) bool {
	return has.Ino == e.Ino && (!e.IsRegular() || has.Size == e.Size && has.Sec == e.Sec && has.Nsec == e.Nsec)
}

// attrError is a failure to set attributes of something that was made. It does
// not keep that from appearing.
type attrError struct{ error }

func (e attrError) Unwrap() error { return e.error }

func given(err error) error {
	if err == nil {
		return nil
	}
	return attrError{err}
}

// replace makes an entry under a temporary name and renames it.
func (t *Tree) replace(d *dir, path, name string, make func(temp string) error) error {
	temp := ""
	err := t.withTemp(func(n string) error {
		temp = n
		return make(n)
	})
	var attr attrError
	if err != nil && !errors.As(err, &attr) {
		return err
	}
	err = t.keep(d, path, name, true)
	if err == nil {
		err = t.rename(d.fd, temp, name)
	}
	if err != nil {
		_ = unix.Unlinkat(d.fd, temp, 0)
		return t.fail("rename", path, err)
	}
	if attr.error == nil {
		return nil
	}
	t.dirty.mark(d)
	return attr.error
}

// Remove implements [engine.Dest].
func (t *Tree) Remove(ctx context.Context, path string, e *manifest.Entry) error {
	return t.change(ctx, "remove", path, func(d *dir, name string) error {
		if _, err := t.check(d, name, e.Type); err != nil {
			return err
		}
		if b := t.backups; b != nil && !e.IsDir() && !b.how.IsBackup(name) {
			return t.keep(d, path, name, false)
		}
		flags := 0
		if e.IsDir() {
			flags = unix.AT_REMOVEDIR
		}
		err := again(func() error { return unix.Unlinkat(d.fd, name, flags) })
		if err == nil && e.IsDir() {
			t.dirs.drop(path)
		}
		return err
	})
}

// check returns what is at a name, and fails if it is not of the type.
func (t *Tree) check(d *dir, name string, want manifest.Type) (has manifest.Entry, err error) {
	var st unix.Stat_t
	if err := fstatAt(d.fd, name, &st); err != nil {
		return has, err
	}
	meta.Entry(&has, &st)
	if t.fakes() {
		if err := meta.Describe(d.fd, name, manifest.DetailFake, &has, &st); err != nil {
			return has, err
		}
	}
	if has.Type != want {
		return has, &typeError{has.Type, want}
	}
	return has, nil
}

// allAttrs is what a look at a file tells.
const allAttrs = manifest.AttrOwner | manifest.AttrGroup | manifest.AttrMode | manifest.AttrTimes

// SetAttrs implements [engine.Dest].
func (t *Tree) SetAttrs(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	if path == "" {
		return t.setRoot(ctx, e, attrs)
	}
	switch d, err := t.linked(path); {
	case err != nil:
		return t.fail("setattr", path, err)
	case d != nil:
		defer t.dirs.release(d)
		return t.setLinked(ctx, d, e, attrs)
	}
	if err := t.mayChange(ctx); err != nil {
		return t.fail("setattr", path, err)
	}
	return t.setAttrs(ctx, path, e, attrs)
}

func (t *Tree) setAttrs(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	if err := t.backups.follow(ctx, path, e, attrs); err != nil {
		return err
	}
	return t.in("setattr", path, func(d *dir, name string) error {
		if e.IsDir() {
			// What new files get may change with it.
			defer t.dirs.drop(path)
		}
		if e.IsDir() || e.IsRegular() {
			if done, err := t.setOpen(d, path, name, e, attrs); done {
				return err
			}
		}
		has, err := t.check(d, name, e.Type)
		if err != nil {
			return err
		}
		t.noteAttrs(d)
		target := meta.Target{FD: d.fd, Name: name, Type: e.Type, Has: has, Known: allAttrs, Detail: t.detail}
		return meta.Apply(&target, e, attrs)
	})
}

func (t *Tree) setRoot(ctx context.Context, e *manifest.Entry, attrs manifest.Attrs) error {
	if err := t.mayChange(ctx); err != nil {
		return t.fail("setattr", "", err)
	}
	if t.top.mere {
		return t.fail("setattr", "", unix.EACCES)
	}
	t.top.gives.Store(nil)
	return t.setFile(t.top, "", t.top.fd, e, attrs)
}

// setOpen sets attributes by the file's own descriptor. It reports false where
// the file cannot be opened, as is the case without the right to read it.
func (t *Tree) setOpen(d *dir, path, name string, e *manifest.Entry, attrs manifest.Attrs) (bool, error) {
	flags := readFlags
	if e.IsDir() {
		flags |= unix.O_DIRECTORY
	}
	fd, err := openAt(d.fd, name, flags, 0)
	if err != nil {
		return err == unix.ENOENT, err
	}
	defer unix.Close(fd)
	return true, t.setFile(d, path, fd, e, attrs)
}

// setFile sets attributes of an open file or directory. d is the directory
// that holds it, or the root itself.
func (t *Tree) setFile(d *dir, path string, fd int, e *manifest.Entry, attrs manifest.Attrs) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	target := meta.Target{FD: fd, Known: allAttrs, Detail: t.detail}
	meta.Entry(&target.Has, &st)
	if t.fakes() {
		if err := meta.Describe(fd, "", manifest.DetailFake, &target.Has, &st); err != nil {
			return t.fail("getxattr", path, err)
		}
	}
	if target.Type = target.Has.Type; target.Type != e.Type {
		return t.fail("setattr", path, &typeError{target.Type, e.Type})
	}
	if err := meta.Apply(&target, e, attrs); err != nil {
		return t.fail("setattr", path, err)
	}
	if t.how.Durability == engine.SyncNone {
		return nil
	}
	if t.syncfs && deviceOf(&st) == t.dev {
		t.dirty.markAll()
		return nil
	}
	return t.fail("fsync", path, t.fsync(fd))
}

// noteAttrs notes that attributes of something in d have changed that cannot
// be made durable by itself.
func (t *Tree) noteAttrs(d *dir) {
	switch {
	case t.how.Durability == engine.SyncNone:
	case t.dirty.covers(d):
		t.dirty.markAll()
	default:
		t.dirty.mark(d)
	}
}
