package localfs

import (
	"context"
	"io"

	"golang.org/x/sys/unix"

	"gosync/delta"
	"gosync/delta/checkpoint"
	"gosync/internal/engine"
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

// newSidecar makes the sidecar of a name anew. What stood there, if it is a file
// of this user, is of no use any more.
func (d *dir) newSidecar(t *Tree, name string) (*openFile, error) {
	side := manifest.SidecarName(name)
	if err := d.removeOwn(side); err != nil {
		return nil, err
	}
	fd, err := createAt(d.fd, side)
	if err != nil {
		return nil, err
	}
	return &openFile{t, fd}, nil
}

// removeOwn removes a file if it is a regular one of this user. What is not there
// is no error.
func (d *dir) removeOwn(name string) error {
	var st unix.Stat_t
	if err := fstatAt(d.fd, name, &st); err != nil {
		return ignoreGone(err)
	}
	if !isOwn(&st) {
		return unix.EEXIST
	}
	return ignoreGone(again(func() error { return unix.Unlinkat(d.fd, name, 0) }))
}

// isOwn reports whether something is a regular file of this user.
func isOwn(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG && int(st.Uid) == unix.Geteuid()
}

// isTrusted reports whether nobody else can have written a file.
func isTrusted(st *unix.Stat_t) bool {
	return isOwn(st) && st.Nlink == 1 && st.Mode&0o022 == 0
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
	if f.temp == "" && f.how.InPlace {
		defer f.d.unmarked()
	}
	_ = unix.Close(f.side) // nothing of it counts any more
	f.side = -1
	// If it stays it is a mark of nothing, which the next run removes.
	_ = unix.Unlinkat(f.d.fd, manifest.SidecarName(f.name), 0)
	f.t.dirty.mark(f.d)
}

// markInPlace notes, before the first write, that the file itself is written.
func (f *newFile) markInPlace() error {
	f.d.marked()
	side, err := f.d.newSidecar(f.t, f.name)
	if err != nil {
		return err
	}
	f.side = side.fd
	if _, err := lockFile(f.side); err != nil {
		return err
	}
	lazy := f.t.how.Durability == engine.SyncNone
	if err := checkpoint.MarkInPlace(side, f.name, lazy); err != nil || lazy {
		return err
	}
	return f.t.fsyncDir(f.d)
}

// marked notes that a mark is about to be made in d, unmarked that it is gone.
// Writing in place changes no directory, so its time is given back with the last.
func (d *dir) marked() {
	d.marking.Lock()
	defer d.marking.Unlock()
	if d.marks++; d.marks == 1 && unix.Fstat(d.fd, &d.before) != nil {
		d.before = unix.Stat_t{}
	}
}

func (d *dir) unmarked() {
	d.marking.Lock()
	defer d.marking.Unlock()
	if d.marks--; d.marks > 0 || d.before.Ino == 0 {
		return
	}
	sec, nsec := d.before.Mtim.Unix()
	_ = meta.SetTime(d.fd, sec, uint32(nsec)) // only its owner may, and nothing depends on it
}
