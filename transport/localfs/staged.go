package localfs

import "gosync/internal/unix"

// Files that are held back lie in the directory for partials where that is an absolute path,
// as rsync has it: it may have room that the destination lacks, and nobody who looks at the
// destination finds them there. Since all directories share it, a file has its own name
// there only as long as this run holds its lock, so that no other of this name, and no other
// run, takes it for what was left. All others have names of temporaries, which the next run
// with the same directory removes if this one is killed.

// stagingDir returns the directory that files which are held back lie in; -1 where each lies
// beside its final name. The first call makes it.
func (t *Tree) stagingDir() int {
	l := t.delayed
	l.find.Do(func() {
		if !isAbs(t.how.PartialDir) {
			return
		}
		if l.apart = t.apart(nil, true); l.apart < 0 {
			t.log.Warn("the directory for partial files cannot be used: what is held back lies in the destination", "path", t.how.PartialDir)
		}
	})
	return l.apart
}

// stage moves a complete file to the directory for what is held back. It stays beside its
// final name, from where it can appear as well, where that cannot be done.
func (f *newFile) stage() {
	to := f.t.stagingDir()
	if to < 0 || f.failed != nil || f.temp == "" {
		return
	}
	err := f.inDir(func() error {
		if f.resumable && f.fd >= 0 && moveNew(f.d.fd, f.temp, to, f.name) == nil {
			f.temp, f.staged = f.name, true
			f.dropSidecar()
			return nil
		}
		err := f.moveTemp(f.d.fd, to, func(name string) error { return f.copyOut(to, name) })
		if err == nil {
			f.staged = true
			f.dropSidecar()
			_ = f.close() // it may be of the copy's original, which would take up room
		}
		return err
	})
	if err != nil {
		f.t.log.Warn("a file that is held back lies in the destination", "path", f.t.full(f.path), "error", err)
	}
}

// unstage moves a file from there to a temporary beside its final name, from where it
// appears in one step. All files do so before the first appears: between file systems it
// takes its time.
func (f *newFile) unstage() {
	if f.failed != nil || !f.staged {
		return
	}
	from := f.t.delayed.apart
	if f.fd >= 0 && !f.is(from, f.temp) {
		f.failed = f.pathError("move", errSwapped)
		return
	}
	err := f.inDir(func() error {
		return f.moveTemp(from, f.d.fd, func(name string) error { return f.copyBack(from, name) })
	})
	if err != nil {
		f.failed = f.pathError("move", err)
		return
	}
	f.staged = false
}

// moveTemp gives the temporary a new name in another directory. copy does it between file
// systems. It cannot be resumed any more.
func (f *newFile) moveTemp(from, to int, copy func(name string) error) error {
	return f.t.withTemp(func(name string) error {
		err := moveNew(from, f.temp, to, name)
		if err == unix.EXDEV {
			err = copy(name)
		}
		if err == nil {
			f.temp, f.resumable = name, false
		}
		return err
	})
}

// copyOut copies the content to another file system, and notes what else the file has been
// given: there it is only this user's.
func (f *newFile) copyOut(to int, name string) error {
	was, err := f.t.whole(f.d, f.temp)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	from, err := openRegular(f.d.fd, f.temp, readFlags, &st)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(from) }()
	if err := copyNew(f.t, from, to, name); err != nil {
		return err
	}
	f.was = &was
	return f.remove()
}

// copyBack makes of the copy what the file was.
func (f *newFile) copyBack(from int, name string) error {
	if f.was == nil {
		return unix.EXDEV // it was not copied there
	}
	k := &kept{t: f.t, from: &dir{fd: from}, name: f.temp, e: f.was, to: f.d}
	if err := k.content(name); err != nil {
		if err != unix.EEXIST {
			_ = unix.Unlinkat(f.d.fd, name, 0)
		}
		return err
	}
	_ = f.remove() // if it stays it is only litter
	return nil
}

// inDir calls do with the file's directory, which is found again where it was let go, and
// let go again: there may be as many directories as files.
func (f *newFile) inDir(do func() error) error {
	if f.d != nil {
		return do()
	}
	up, _, err := split(f.path)
	if err == nil {
		f.d, err = f.t.dir(up)
	}
	if err != nil {
		return err
	}
	defer func() {
		f.t.dirs.release(f.d)
		f.d = nil
	}()
	return do()
}
