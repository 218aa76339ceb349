package memtree

import (
	"context"
	"syscall"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// Mkdir implements [engine.Dest].
func (t *tree) Mkdir(ctx context.Context, path string) error {
	return t.change(ctx, "mkdir", path, func(dir *inode, name string) error {
		return t.d.mkdir(dir, name, 0o700)
	})
}

// Symlink implements [engine.Dest].
func (t *tree) Symlink(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return t.special(ctx, "symlink", path, e, attrs)
}

// Mknod implements [engine.Dest].
func (t *tree) Mknod(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	return t.special(ctx, "mknod", path, e, attrs)
}

// special makes what has no content, in two operations: under a temporary name,
// then under its own.
func (t *tree) special(ctx context.Context, op, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	var made *inode
	return t.replace(ctx, op, path, func() (*inode, error) {
		if (op == "symlink") != (e.Type == manifest.Symlink) || e.IsRegular() || e.IsDir() {
			return nil, syscall.EINVAL
		}
		made = t.d.make(e.Type, 0o600)
		switch {
		case e.Type == manifest.Symlink:
			made.now.mode, made.link = 0o777, e.Link()
		case e.Type.IsDevice():
			made.major, made.minor = e.Device()
		}
		made.setAttrs(e, attrs)
		return made, nil
	})
}

// Link implements [engine.Dest].
func (t *tree) Link(ctx context.Context, path, old string) error {
	return t.replace(ctx, "link", path, func() (*inode, error) {
		dir, name, err := t.d.dirOf(t.top, old)
		if err != nil {
			return nil, err
		}
		e, ok := t.d.child(dir, name)
		switch {
		case !ok:
			return nil, syscall.ENOENT
		case e.ino.kind == manifest.Directory:
			return nil, syscall.EPERM
		}
		return e.ino, nil
	})
}

// replace makes an entry under a temporary name and renames it.
func (t *tree) replace(ctx context.Context, op, path string, get func() (*inode, error)) error {
	temp := ""
	var made *inode
	err := t.change(ctx, op, path, func(dir *inode, _ string) (err error) {
		if made, err = get(); err == nil {
			temp = t.temp()
			t.d.alter(dir, naming{temp, made})
		}
		return err
	})
	if err != nil {
		return err
	}
	err = t.change(ctx, "rename", path, func(dir *inode, name string) error {
		return t.rename(dir, temp, name, made)
	})
	if err != nil {
		_ = t.alter("unlink", path, func(dir *inode, _ string) error { // the first error counts
			t.d.unlink(dir, temp, made)
			return nil
		})
	}
	return err
}

// rename is that of the disk, unless what has a name is to keep it.
func (t *tree) rename(dir *inode, from, to string, i *inode) error {
	if _, there := t.d.child(dir, to); there && t.how.NoReplace {
		return syscall.EEXIST
	}
	return t.d.rename(dir, from, to, i)
}

// rename gives an inode that is in the directory another name there.
func (d *Disk) rename(dir *inode, from, to string, i *inode) error {
	if e, ok := d.child(dir, from); !ok || e.ino != i {
		return syscall.ENOENT
	}
	old, there := d.child(dir, to)
	switch {
	case there && old.ino.kind == manifest.Directory:
		return syscall.EISDIR
	case there && old.ino == i: // two names of one file: the system does nothing, and the caller removes one
		d.alter(dir, naming{from, nil})
		return nil
	}
	d.alter(dir, naming{from, nil}, naming{to, i})
	return nil
}

// unlink removes a name if it is still that of an inode.
func (d *Disk) unlink(dir *inode, name string, i *inode) {
	if e, ok := d.child(dir, name); ok && e.ino == i {
		d.alter(dir, naming{name, nil})
	}
}

// setAttrs applies attributes of e. A change of the owner clears setuid and setgid
// where e has another mode.
func (i *inode) setAttrs(e *manifest.Entry, attrs manifest.Attrs) {
	before := i.now
	if attrs&manifest.AttrOwner != 0 && i.now.uid != e.UID {
		i.now.uid = e.UID
		i.now.mode &^= 0o6000
	}
	if attrs&manifest.AttrGroup != 0 && i.now.gid != e.GID {
		i.now.gid = e.GID
		i.now.mode &^= 0o6000
	}
	keep := before.mode == e.Mode&0o7777 // those bits, too, as package meta has it
	if (attrs&manifest.AttrMode != 0 || keep) && i.kind != manifest.Symlink {
		i.now.mode = e.Mode & 0o7777
	}
	if attrs&manifest.AttrTimes != 0 {
		i.now.sec, i.now.nsec = e.Sec, e.Nsec
	}
	if i.now != before {
		i.note()
	}
}

// SetAttrs implements [engine.Dest].
func (t *tree) SetAttrs(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	err := t.mayChange(ctx)
	var i, dir *inode
	if err == nil {
		err = t.d.do(Op{Kind: "setattr", Path: t.full(path), Change: true}, func() (err error) {
			if i, err = t.d.find(t.top, path); err != nil {
				return err
			}
			if i.kind != e.Type {
				return wrongType(i.kind, e.Type)
			}
			i.setAttrs(e, attrs)
			if path != "" {
				dir, _, err = t.d.dirOf(t.top, path)
			}
			return err
		})
	}
	switch {
	case err != nil || t.how.Durability == engine.SyncNone:
	case t.d.o.Syncfs:
		t.markAll()
	case i.kind == manifest.Regular:
		err = t.fsync(path, i)
	case i.kind == manifest.Directory:
		err = t.fsyncDir(i)
	default: // it becomes durable with its directory
		t.mark(dir)
	}
	return t.fail("setattr", path, err)
}

func wrongType(is, want manifest.Type) error {
	switch {
	case is == manifest.Directory:
		return syscall.EISDIR
	case want == manifest.Directory:
		return syscall.ENOTDIR
	case is == manifest.Symlink:
		return syscall.ELOOP
	}
	return syscall.EINVAL
}

// Remove implements [engine.Dest].
func (t *tree) Remove(ctx context.Context, path string, e *manifest.Entry) error {
	return t.change(ctx, "remove", path, func(dir *inode, name string) error {
		old, ok := t.d.child(dir, name)
		switch {
		case !ok:
			return syscall.ENOENT
		case old.ino.kind != e.Type:
			return wrongType(old.ino.kind, e.Type)
		case len(old.ino.names) > 0:
			return syscall.ENOTEMPTY
		}
		t.d.alter(dir, naming{name, nil})
		return nil
	})
}
