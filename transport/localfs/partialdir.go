package localfs

import (
	"errors"
	"io"
	"path"
	"strings"

	"gosync/internal/engine"
	"gosync/internal/unix"
)

// errPartialDir is about a directory for partials that cannot be used.
var errPartialDir = errors.New("the directory for partial files must be below the destination's, or an absolute path to one of this user that nobody else can write")

// checkPartialDir checks DestOptions.PartialDir.
func checkPartialDir(name string, insecure bool) error {
	if name == "" {
		return nil
	}
	if isAbs(name) {
		fd, err := openApart(unix.AT_FDCWD, name, insecure)
		if err == unix.ENOENT {
			return nil // it is made when it is needed
		}
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
	if path.Clean(name) == "." {
		return errPartialDir
	}
	if err := checkPath(strings.TrimSuffix(name, "/")); err != nil {
		return errors.Join(errPartialDir, err)
	}
	return nil
}

// openApart opens a directory for partials. Anyone who could write there could
// make this run go on with content of their choice; it would be noticed, but
// why let it come that far.
func openApart(at int, name string, insecure bool) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY
	fd, err := -1, error(nil)
	if isAbs(name) {
		fd, err = openOperator(at, name, flags, 0, insecure)
	} else {
		fd, err = openAt(at, name, flags|unix.O_NOFOLLOW, 0)
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && (int(st.Uid) != unix.Geteuid() || st.Mode&0o022 != 0) {
		err = errPartialDir
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// apart opens the directory for the partials of d, -1 where there is none.
func (t *Tree) apart(d *dir, create bool) int {
	name := t.how.PartialDir
	if isAbs(name) {
		fd, err := openApart(unix.AT_FDCWD, name, t.insecure)
		if err == unix.ENOENT && create && mkdirOperator(unix.AT_FDCWD, name, 0o700, t.insecure) == nil {
			fd, err = openApart(unix.AT_FDCWD, name, t.insecure)
		}
		if err != nil {
			return -1
		}
		return fd
	}
	at := d.fd
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		if create {
			_ = unix.Mkdirat(at, part, 0o700) // opening it tells
		}
		fd, err := openApart(at, part, false)
		if at != d.fd {
			_ = unix.Close(at)
		}
		if err != nil {
			return -1
		}
		at = fd
	}
	return at
}

// kept returns where the partial of a name would lie in the directory for
// partials; nil where there is no such directory. It must be closed.
func (t *Tree) kept(d *dir, name string) *place {
	if t.how.PartialDir == "" {
		return nil
	}
	fd := t.apart(d, false)
	if fd < 0 {
		return nil
	}
	return &place{t: t, dirfd: fd, name: name, apart: true}
}

// tidyKept removes the directory for partials of d if nothing is left in it.
func (t *Tree) tidyKept(d *dir) {
	name := strings.TrimSuffix(t.how.PartialDir, "/")
	if name == "" || isAbs(name) || strings.Contains(name, "/") {
		return // one that the user has made, and may want to keep
	}
	_ = unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) // most often it is not empty
	t.dirty.mark(d)
}

// keepApart moves an unfinished file into the directory for partials.
func (f *newFile) keepApart() error {
	fd := f.t.apart(f.d, true)
	if fd < 0 {
		return nil // it stays where it is, and can be resumed as well
	}
	defer func() { _ = unix.Close(fd) }()
	if held, _ := (&place{t: f.t, dirfd: fd, name: f.name, apart: true}).removeUnused(); held {
		return nil // another file of this name lies there, until it appears
	}
	err := again(func() error { return unix.Renameat(f.d.fd, f.temp, fd, f.name) })
	if err == unix.EXDEV {
		if err = copyTo(f.t, f.fd, fd, f.name); err == nil {
			err = f.remove()
		}
	}
	if err == nil {
		f.dropSidecar()
	}
	return err
}

// dropKept removes what an earlier run has kept of the file, which is complete.
func (f *newFile) dropKept() {
	if in := f.t.kept(f.d, f.name); in != nil {
		_, _ = in.removeUnused() // if it stays it is a basis, and no more
		in.close()
		f.t.tidyKept(f.d)
	}
}

// hide moves a partial from the directory for partials to where it is written on, under
// the name hidden.
func (p *partial) hide(hidden string) error {
	held, err := p.t.beside(p.d, hidden).removeUnused()
	if err == nil && held {
		err = engine.ErrInUse
	}
	if err != nil {
		return err
	}
	err = again(func() error { return unix.Renameat(p.in.dirfd, p.in.name, p.d.fd, hidden) })
	if err != unix.EXDEV {
		if err == nil {
			p.t.tidyKept(p.d)
		}
		return err
	}
	if err := copyTo(p.t, p.fd, p.d.fd, hidden); err != nil {
		return err
	}
	fd, err := openAt(p.d.fd, hidden, unix.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	if locked, err := lockFile(fd); err != nil || !locked {
		_ = unix.Close(fd)
		return errors.Join(err, unix.EBUSY)
	}
	_ = unix.Close(p.fd)
	p.fd = fd
	return unix.Unlinkat(p.in.dirfd, p.in.name, 0)
}

// copyTo copies an open file to another directory, where the name must be free or
// this user's.
func copyTo(t *Tree, from, dirfd int, name string) error {
	if err := (&dir{fd: dirfd}).removeOwn(name); err != nil {
		return err
	}
	return copyNew(t, from, dirfd, name)
}

// copyNew is copyTo for a name that must be free.
func copyNew(t *Tree, from, dirfd int, name string) error {
	fd, err := createAt(dirfd, name)
	if err != nil {
		return err
	}
	out := &openFile{t, fd}
	size, err := sizeOf(from)
	if err == nil {
		_, err = io.Copy(io.NewOffsetWriter(out, 0), io.NewSectionReader(&openFile{t, from}, 0, size))
	}
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	if err != nil {
		_ = unix.Unlinkat(dirfd, name, 0)
	}
	return err
}
