package localfs

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"

	"gosync/delta/checkpoint"
	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// largeFile is the size from which room is reserved: below, the allocator of
// the file system does as well without being told.
const largeFile = 64 << 20

// newFile is a file in the making.
type newFile struct {
	t      *Tree
	d      *dir // the directory, in use; nil once it was let go
	path   string
	name   string
	temp   string // name of the temporary, "" where the file itself is written
	fd     int    // -1 once closed
	how    engine.CreateOptions
	has    manifest.Entry  // what the file was given when it was created or found
	made   bool            // in place: there was no file before
	away   bool            // temp is in the directory for temporaries
	staged bool            // ... in the one that files which are held back lie in
	was    *manifest.Entry // what the file is, where its content alone was copied there; else nil
	size   int64           // length before anything was written, in place or of a clone
	lost   uint64          // how often the file system had lost data when the file was begun

	resumable bool               // temp is the partial that a later run finds, and is locked
	side      int                // its sidecar, or the mark of a file written in place; -1 for none
	ckpt      *checkpoint.Writer // nil for none

	cloned bool // it shares the blocks of CreateOptions.Basis

	wrote atomic.Bool  // something was written
	end   atomic.Int64 // end of what was written

	spoil    sync.Once // in place: the old time is taken away
	spoilErr error

	done    func(error)
	attrErr error // attributes could not be set; the content is in place all the same
	failed  error // the file cannot appear
	waits   bool  // it cannot appear in this run, but a later one can go on with it
}

// Create implements [engine.Dest].
func (t *Tree) Create(ctx context.Context, path string, how engine.CreateOptions) (engine.NewFile, error) {
	if err := t.mayChange(ctx); err != nil {
		return nil, t.fail("create", path, err)
	}
	var f *newFile
	err := t.in("create", path, func(d *dir, name string) error {
		f = &newFile{t: t, d: d, path: path, name: name, fd: -1, side: -1, how: how, lost: t.dirty.lost()}
		if err := f.begin(ctx); err != nil {
			return err
		}
		t.dirs.hold(d) // until the file has appeared
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.live.add(f)
	if how.Basis != nil {
		if err := f.share(how.Basis); err != nil {
			return nil, errors.Join(t.fail("clone to", path, err), f.Discard())
		}
	}
	if how.Size > largeFile && !how.Sparse && !f.cloned { // a clone has most of its room
		if err := preallocate(f.fd, how.Size); err != nil {
			return nil, errors.Join(t.fail("allocate", path, err), f.Discard())
		}
	}
	return f, nil
}

// begin opens what is written to.
func (f *newFile) begin(ctx context.Context) error {
	if f.how.InPlace {
		if ok, err := f.beginInPlace(ctx); ok || err != nil {
			return err
		}
	}
	if f.how.Resume && !f.how.InPlace {
		if ok, err := f.beginPartial(ctx); err != nil {
			return err
		} else if ok {
			return f.learn()
		}
	}
	if f.t.temps >= 0 {
		return f.beginAway()
	}
	err := f.t.withTemp(func(name string) (err error) {
		f.temp = name
		f.fd, err = createAt(f.d.fd, name)
		return err
	})
	if err != nil {
		return err
	}
	return f.learn()
}

func createAt(dirfd int, name string) (int, error) {
	return openAt(dirfd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
}

// learn finds out which owner new files of the directory get. It asks for the
// first file only: it is that of the process, or what the directory's setgid
// bit or the file system say.
func (f *newFile) learn() error {
	gives := f.d.gives.Load()
	if gives == nil {
		var st unix.Stat_t
		if err := unix.Fstat(f.fd, &st); err != nil {
			f.abandon()
			return err
		}
		gives = &owner{st.Uid, st.Gid}
		f.d.gives.Store(gives)
	}
	f.has.UID, f.has.GID = gives.uid, gives.gid
	return nil
}

// Begun implements [engine.NewFile].
func (f *newFile) Begun() int64 {
	if f.temp != "" || f.made {
		return 0
	}
	return f.size
}

// Cloned implements [engine.Cloned].
func (f *newFile) Cloned() (engine.File, error) {
	if !f.cloned {
		return nil, nil
	}
	fd, err := dupClosing(f.fd)
	if err != nil {
		return nil, f.t.fail("open", f.path, err)
	}
	return &file{t: f.t, path: f.path, fd: fd}, nil
}

// beginInPlace opens the file itself for writing, and reports false where a
// temporary must be used: other names of the file, if it has any, shall not
// change, and what is no regular file is replaced. Two runs do not write the same
// file at once, or neither's content would come of it: one waits.
func (f *newFile) beginInPlace(ctx context.Context) (bool, error) {
	waiting := f.t.newWait(f.path)
	for {
		ok, err := f.openInPlace()
		if errors.Is(err, engine.ErrInUse) {
			err = waiting.step(ctx)
			if err == nil {
				continue
			}
		}
		if !ok || err != nil {
			return false, err
		}
		locked, err := lockFile(f.fd)
		if err != nil { // a file system without locks
			f.t.log.Debug("other runs do not notice that a file is written in place", "path", f.t.full(f.path), "err", err)
		}
		if err != nil || locked && f.mine() {
			return f.lookInPlace()
		}
		_ = f.close() // nothing was written
		f.dropSidecar()
		if !locked {
			if err := waiting.step(ctx); err != nil {
				return false, err
			}
		}
	}
}

// openInPlace opens the file, or makes it.
func (f *newFile) openInPlace() (ok bool, err error) {
	var st unix.Stat_t
	f.made = false
	f.fd, err = openRegular(f.d.fd, f.name, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, &st)
	if err == unix.ENOENT {
		err = f.makeInPlace()
	}
	var other *typeError
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &other), err == unix.ELOOP, err == unix.ENXIO, err == unix.EISDIR,
		err == unix.EACCES, err == unix.ETXTBSY, err == unix.EEXIST:
		return false, nil
	}
	return false, err
}

// makeInPlace makes the file. It is marked from the start on: for a moment, and again
// with every write, it has the time of now, and a run that is to replace older
// files only would leave it alone for ever.
func (f *newFile) makeInPlace() (err error) {
	if err := f.markInPlace(); errors.Is(err, engine.ErrInUse) {
		return err
	} else if err != nil {
		f.unmarked(err)
	}
	if f.fd, err = createAt(f.d.fd, f.name); err != nil {
		f.dropSidecar()
		return err
	}
	f.made = true
	_ = f.retouch() // the first write does it again, and tells
	return nil
}

// lookInPlace finds out what the file is that was opened, and reports false where a
// temporary must be used.
func (f *newFile) lookInPlace() (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		_ = f.close()
		return false, err
	}
	// Before it was locked another run can have written all of it: then it is that
	// run's file, whatever made it.
	if f.made = f.made && st.Size == 0; f.made {
		return true, f.learn()
	}
	if st.Nlink != 1 {
		return false, f.close()
	}
	f.size = st.Size
	meta.Entry(&f.has, &st)
	if err := f.keepCopy(); err != nil {
		_ = f.close() // nothing was written
		return false, err
	}
	return true, nil
}

// remove takes away what was made under a name of ours.
func (f *newFile) remove() error {
	name := f.temp
	if name == "" {
		if !f.made || !f.mine() {
			return nil
		}
		name = f.name
	}
	at := f.d.fd
	switch {
	case f.away:
		at = f.t.temps
	case f.staged:
		at = f.t.delayed.apart
	}
	err := unix.Unlinkat(at, name, 0)
	if err == unix.ENOENT {
		return nil
	}
	return err
}

// mine reports whether the final name still stands for the open file.
func (f *newFile) mine() bool {
	var own, now unix.Stat_t
	return f.fd >= 0 && unix.Fstat(f.fd, &own) == nil && fstatAt(f.d.fd, f.name, &now) == nil &&
		own.Dev == now.Dev && own.Ino == now.Ino
}

// abandon removes what was made after a failure that is reported anyway.
func (f *newFile) abandon() {
	_ = f.stopCheckpoints(false)
	_ = f.remove()
	f.dropSidecar()
	_ = f.close()
}

func (f *newFile) close() error {
	fd := f.fd
	f.fd = -1
	if fd < 0 {
		return nil
	}
	return unix.Close(fd)
}

// release lets go of what the file holds.
func (f *newFile) release() {
	_ = f.close()
	if f.side >= 0 {
		_ = unix.Close(f.side) // a lock, and notes that are made
		f.side = -1
	}
	if f.d != nil {
		f.t.dirs.release(f.d)
		f.d = nil
	}
}

// renameAt renames within a directory.
func renameAt(dirfd int, from, to string) error {
	return again(func() error { return unix.Renameat(dirfd, from, dirfd, to) })
}

// rename gives a file that is made its final name.
func (t *Tree) rename(dirfd int, from, to string) error {
	if t.how.NoReplace {
		return renameNew(dirfd, from, to)
	}
	return renameAt(dirfd, from, to)
}

// pathError names the operation that failed on the file.
func (f *newFile) pathError(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: f.t.full(f.path), Err: err}
}
