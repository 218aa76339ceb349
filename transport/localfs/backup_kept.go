package localfs

import (
	"errors"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// kept is an entry that is kept.
type kept struct {
	t    *Tree
	from *dir
	name string
	e    *manifest.Entry
	to   *dir
	as   string
	away bool // to is of a directory for backups
}

// put makes the backup: as another name of the same file where it stays, by a rename
// where it goes, and by a copy where neither can be done.
func (k *kept) put(leave bool) error {
	if !leave {
		err := k.rename(k.from.fd, k.name)
		if err == nil {
			return k.gone()
		}
		if err != unix.EXDEV {
			return err
		}
	} else if done, err := k.link(); done {
		return err
	}
	before := k.e
	if err := k.copy(); err != nil || leave {
		return err
	}
	if now, err := statAt(k.from.fd, k.name); err != nil || !isListed(&now, before) {
		return errors.Join(errKeptChanged, err)
	}
	return again(func() error { return unix.Unlinkat(k.from.fd, k.name, 0) })
}

// rename gives what has a name in another directory that of the backup. In a directory for
// backups what was a directory in an earlier one makes room, with what is kept in it.
func (k *kept) rename(dirfd int, name string) error {
	rename := func() error { return unix.Renameat(dirfd, name, k.to.fd, k.as) }
	err := again(rename)
	if err != unix.EISDIR || !k.away {
		return err
	}
	if unix.Unlinkat(k.to.fd, k.as, unix.AT_REMOVEDIR) != nil {
		if err := setAside(k.to, k.as); err != nil {
			return err
		}
	}
	return again(rename)
}

// gone removes a name that a rename has left, because the backup was one of the same file.
func (k *kept) gone() error {
	now, err := statAt(k.from.fd, k.name)
	if err != nil || now.Ino != k.e.Ino {
		return nil //nolint:nilerr // it is free, or somebody else's
	}
	return again(func() error { return unix.Unlinkat(k.from.fd, k.name, 0) })
}

// link gives the file a second name. done is false where there can be none.
func (k *kept) link() (done bool, err error) {
	made := ""
	err = k.t.withTemp(func(temp string) error {
		made = temp
		return unix.Linkat(k.from.fd, k.name, k.to.fd, temp, 0)
	})
	switch err {
	case nil:
	case unix.EXDEV, unix.EPERM, unix.EMLINK, unix.ENOTSUP, unix.ENOSYS, unix.EACCES:
		return false, nil
	default:
		return true, err
	}
	err = k.rename(k.to.fd, made)
	_ = unix.Unlinkat(k.to.fd, made, 0) // it is there after a failure, and where the backup was the same file
	return true, err
}

// copy makes a new file, symlink or special file that is like the one that is kept.
func (k *kept) copy() error {
	made := ""
	e, err := k.t.whole(k.from, k.name)
	if err != nil {
		return err
	}
	k.e = &e
	err = k.t.withTemp(func(temp string) error {
		made = temp
		switch {
		case k.e.IsRegular():
			return k.content(temp)
		case k.e.Type == manifest.Symlink:
			return unix.Symlinkat(k.e.Link(), k.to.fd, temp)
		}
		return mknodAt(k.to.fd, temp, k.e)
	})
	if err != nil {
		return err
	}
	if !k.e.IsRegular() {
		detail, attrs := k.t.backedUp()
		target := meta.Target{FD: k.to.fd, Name: made, Type: k.e.Type, Detail: detail}
		err = notOwner(meta.Apply(&target, k.e, attrs))
	}
	if err == nil {
		err = k.rename(k.to.fd, made)
	}
	if err != nil {
		_ = unix.Unlinkat(k.to.fd, made, 0)
	}
	return err
}

// content copies a regular file, with what it has beside its content.
func (k *kept) content(temp string) error {
	var st unix.Stat_t
	from, err := openRegular(k.from.fd, k.name, readFlags, &st)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(from) }()
	if err := copyNew(k.t, from, k.to.fd, temp); err != nil {
		return err
	}
	fd, err := openRegular(k.to.fd, temp, readFlags, &st)
	if err != nil {
		return err
	}
	detail, attrs := k.t.backedUp()
	target := meta.Target{FD: fd, Type: manifest.Regular, Detail: detail}
	err = notOwner(meta.Apply(&target, k.e, attrs))
	if err == nil && k.t.how.Durability != engine.SyncNone {
		err = k.t.fsync(fd)
	}
	return errors.Join(err, unix.Close(fd))
}
