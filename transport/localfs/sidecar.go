package localfs

import (
	"context"
	"io"

	"gosync/delta"
	"gosync/delta/checkpoint"
	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// openFile is an open partial or sidecar, as package checkpoint wants it.
type openFile struct {
	t  *Tree
	fd int
}

var _ checkpoint.File = (*openFile)(nil)

func (f *openFile) ReadAt(p []byte, off int64) (int, error) {
	return (&file{t: f.t, fd: f.fd}).ReadAt(p, off)
}

func (f *openFile) WriteAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := unix.Pwrite(f.fd, p[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err == nil && m == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return n, err
		}
		n += m
	}
	return n, nil
}

func (f *openFile) Sync() error          { return f.t.fsync(f.fd) }
func (f *openFile) Size() (int64, error) { return sizeOf(f.fd) }
func (f *openFile) Truncate(size int64) error {
	return again(func() error { return unix.Ftruncate(f.fd, size) })
}

// sourceID converts the identity of a source file.
func sourceID(id engine.Identity) checkpoint.Identity {
	return checkpoint.Identity{Size: id.Size, Sec: id.Sec, Nsec: id.Nsec}
}

// newSidecar makes the sidecar of a name anew. What stood there, if this user may
// remove it and no run uses it, is of no use any more.
func (d *dir) newSidecar(t *Tree, name string) (*openFile, error) {
	side := manifest.SidecarName(name)
	held, err := t.beside(d, side).removeUnused()
	if err == nil && held {
		err = engine.ErrInUse
	}
	if err != nil {
		return nil, err
	}
	fd, err := createAt(d.fd, side)
	if err != nil {
		return nil, err
	}
	return &openFile{t, fd}, nil
}

// removeOwn removes a file that this user may remove. What is not there, or stays
// because it is somebody else's, is no error.
func (d *dir) removeOwn(name string) error {
	var st unix.Stat_t
	if err := fstatAt(d.fd, name, &st); err != nil {
		return ignoreGone(err)
	}
	if !isUsual(d.fd, name, &st) {
		return nil
	}
	return ignoreGone(again(func() error { return unix.Unlinkat(d.fd, name, 0) }))
}

// isTrusted reports whether something is a regular file of this user that nobody
// else can have written.
func isTrusted(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG && int(st.Uid) == unix.Geteuid() && st.Nlink == 1 && st.Mode&0o022 == 0
}

// isRemovable reports whether what has a name may be taken out of the way. What root has
// received can be somebody else's already when root's run is killed; and whoever
// puts something there to have root remove it loses the name and nothing else.
func isRemovable(dirfd int, name string, st *unix.Stat_t) bool {
	return (int(st.Uid) == unix.Geteuid() || unix.Geteuid() == 0) && unix.OwnedAt(dirfd, name)
}

// isUsual reports whether what has a name can be a partial or a sidecar that this user may
// remove.
func isUsual(dirfd int, name string, st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG && isRemovable(dirfd, name, st)
}

// openTrusted opens an existing file that nobody else can have written. Others are
// not even opened.
func openTrusted(dirfd int, name string, st *unix.Stat_t) (int, error) {
	if err := fstatAt(dirfd, name, st); err != nil {
		return -1, err
	}
	if !isTrusted(st) {
		return -1, unix.EACCES
	}
	fd, err := openRegular(dirfd, name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, st)
	if err == nil && (!isTrusted(st) || !unix.Owned(fd)) { // it was exchanged, or is somebody else's on Windows
		_ = unix.Close(fd)
		return -1, unix.EACCES
	}
	return fd, err
}

// lockFile takes a file for this run, and reports false where another has it. The
// lock ends with the descriptor.
func lockFile(fd int) (bool, error) {
	err := again(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}

// names reports whether a name of d still stands for an open file.
func (d *dir) names(name string, fd int) bool {
	var own, now unix.Stat_t
	return unix.Fstat(fd, &own) == nil && fstatAt(d.fd, name, &now) == nil && own.Dev == now.Dev && own.Ino == now.Ino
}

// Landed implements [engine.NewFile].
func (f *newFile) Landed(_ context.Context, sum delta.Digest) {
	if f.ckpt != nil {
		f.ckpt.Landed(sum)
	}
}

// stopCheckpoints ends what goes on in the background. The error says that data
// is lost.
func (f *newFile) stopCheckpoints(flush bool) (err error) {
	switch {
	case f.ckpt == nil:
	case flush:
		err = f.ckpt.Flush()
	default:
		err = f.ckpt.Stop()
	}
	f.ckpt = nil
	return err
}

// dropSidecar removes the file's sidecar, which has become void.
func (f *newFile) dropSidecar() {
	if f.side < 0 || f.d == nil {
		return
	}
	_ = unix.Close(f.side) // nothing of it counts any more
	f.side = -1
	remove := func() error { return unix.Unlinkat(f.d.fd, manifest.SidecarName(f.name), 0) }
	// If it stays it is a mark of nothing, which the next run removes.
	if f.temp == "" && f.how.InPlace {
		_ = f.d.quietly(remove)
	} else {
		_ = remove()
	}
	f.t.dirty.mark(f.d)
}

// markInPlace notes, before the first write, that the file itself is written. A
// partial that an earlier run has left goes: the mark would be taken for its
// sidecar. The error wraps engine.ErrInUse where another run has marked the file.
func (f *newFile) markInPlace() error {
	return f.d.quietly(func() error {
		held, err := f.t.removePartials(f.d, f.name)
		if err == nil && held {
			err = unix.EBUSY // another run receives it, in another way
		}
		if err != nil {
			return err
		}
		side, err := f.d.newSidecar(f.t, f.name)
		if err != nil {
			return err
		}
		f.side = side.fd
		if _, err := lockFile(f.side); err != nil {
			f.t.log.Debug("other runs do not notice that a file is written in place", "path", f.t.full(f.path), "err", err)
		}
		return checkpoint.MarkInPlace(side, f.name, true)
	})
}

// syncMark makes the mark durable. That of a new file need not be: the directory
// has its name before it has the file's.
func (f *newFile) syncMark() error {
	if err := f.t.fsync(f.side); err != nil {
		return err
	}
	return f.t.fsyncDir(f.d)
}

// unmarked goes on without a mark.
func (f *newFile) unmarked(err error) {
	f.t.log.Warn("that a file is being written in place cannot be noted: if the run is interrupted, --size-only and --update may take it for complete", "path", f.t.full(f.path), "error", err)
	f.dropSidecar()
}

// quietly changes d and gives it its time back: writing in place changes no
// directory.
func (d *dir) quietly(change func() error) error {
	d.marking.Lock()
	defer d.marking.Unlock()
	var before unix.Stat_t
	known := unix.Fstat(d.fd, &before) == nil
	err := change()
	if known {
		sec, nsec := before.Mtim.Unix()
		_ = meta.SetTime(d.fd, sec, uint32(nsec)) // only its owner may, and nothing depends on it
	}
	return err
}
