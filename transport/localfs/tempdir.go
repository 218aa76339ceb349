package localfs

import (
	"errors"
	"io/fs"
	"os"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
)

// UseTempDir implements [engine.TempDirer].
func (t *Tree) UseTempDir(dir string) error {
	b := backups{t: t, how: engine.Backups{Dir: dir}, in: t.inside(dir)}
	fd, err := b.open(false)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	t.temps = fd
	if !t.how.ReadOnly {
		t.sweepTemps(fd)
	}
	return nil
}

// sweepTemps removes what runs that were killed have left in a directory for
// temporaries: nobody lists it as a part of the tree. It may be shared, so what
// cannot be removed is left to others.
func (t *Tree) sweepTemps(dirfd int) {
	fd, err := openAt(dirfd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close() // it was only read
	for {
		names, err := f.Readdirnames(1024)
		for _, name := range names {
			if manifest.Temporary(name) && len(name) == len(tempPrefix)+manifest.TempDigits { // none that can be resumed
				_, _ = t.removeStaleTemp(&dir{fd: dirfd}, name)
			}
		}
		if err != nil {
			return
		}
	}
}

// UseTempDir implements [engine.TempDirer].
func (t *munged) UseTempDir(dir string) error {
	if !isBelow(dir) {
		return &fs.PathError{Op: "use", Path: dir, Err: errOutside}
	}
	return t.Tree.UseTempDir(dir)
}

// beginAway makes the file in the directory for temporaries.
func (f *newFile) beginAway() error {
	err := f.t.withTemp(func(name string) (err error) {
		f.temp = name
		f.fd, err = createAt(f.t.temps, name)
		return err
	})
	if err != nil {
		return err
	}
	f.away, f.how.Visible = true, false
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		f.abandon()
		return err
	}
	f.has.UID, f.has.GID = st.Uid, st.Gid
	return nil
}

// errSwapped is about a temporary that somebody has put another file in the place of.
var errSwapped = errors.New("the temporary file was replaced by somebody else")

// comeHome moves a file that was made in the directory for temporaries to a temporary
// beside its final name, from where it appears in one step: by a rename, and between
// file systems by a copy.
func (f *newFile) comeHome() error {
	if !f.away {
		return nil
	}
	if !f.is(f.t.temps, f.temp) {
		return errSwapped
	}
	// A temporary there may have the name that was free here: one that is held back, for instance.
	err := moveNew(f.t.temps, f.temp, f.d.fd, f.temp)
	if err == unix.EEXIST {
		err = f.moveTemp(f.t.temps, f.d.fd, func(string) error { return unix.EXDEV })
	}
	switch {
	case err == unix.EXDEV:
		return f.copyHome()
	case err != nil:
		return err
	}
	f.away = false
	if !f.is(f.d.fd, f.temp) { // now that nobody else can change it
		return errSwapped
	}
	return nil
}

// copyHome does it by a copy.
func (f *newFile) copyHome() error {
	name, from := f.temp, f.fd
	err := f.t.withTemp(func(temp string) error {
		f.temp = temp
		return copyNew(f.t, from, f.d.fd, temp)
	})
	if err != nil {
		f.temp = name
		return err
	}
	_ = unix.Unlinkat(f.t.temps, name, 0) // if it stays it is only litter
	_ = unix.Close(from)                  // it was read as a whole
	f.away = false
	f.fd, err = openAt(f.d.fd, f.temp, unix.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	f.d.gives.Store(nil)
	return f.learn()
}

// is reports whether a name stands for the open file.
func (f *newFile) is(dirfd int, name string) bool {
	var own, now unix.Stat_t
	return unix.Fstat(f.fd, &own) == nil && fstatAt(dirfd, name, &now) == nil && own.Dev == now.Dev && own.Ino == now.Ino
}
