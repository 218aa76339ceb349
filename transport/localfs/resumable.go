package localfs

import (
	"context"
	"errors"

	"gosync/delta"
	"gosync/delta/checkpoint"
	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/meta"
)

// beginPartial begins a file that a later run can go on with. It reports false
// where that is not possible: the file is made all the same then, in another way.
func (f *newFile) beginPartial(ctx context.Context) (bool, error) {
	in := f.t.beside(f.d, f.t.partialName(f.name, f.how.Visible))
	waiting := f.t.newWait(f.path)
	for tries := 0; tries < tempTries; {
		fd, err := createAt(in.dirfd, in.name)
		if err == unix.EEXIST {
			waited, err := in.clear(ctx, waiting)
			switch {
			case errors.Is(err, engine.ErrInUse), ctx.Err() != nil && err != nil:
				return false, err
			case err != nil:
				f.unresumable(err)
				return false, nil
			case !waited:
				tries++ // whoever keeps putting something there does not stop us
			}
			continue
		}
		if err != nil {
			return false, err
		}
		locked, err := lockFile(fd)
		if err == nil && locked && in.names(fd) {
			f.temp, f.fd, f.resumable = in.name, fd, true
			f.beginSidecar()
			return true, nil
		}
		if err != nil { // a file system without locks
			_ = unix.Unlinkat(in.dirfd, in.name, 0)
		}
		_ = unix.Close(fd) // another run was faster, and takes it for a leftover
		if err != nil {
			f.unresumable(err)
			return false, nil
		}
		tries++
	}
	f.unresumable(unix.EEXIST)
	return false, nil
}

func (f *newFile) unresumable(err error) {
	f.t.log.Warn("the name of a partial cannot be used: if the run is interrupted the file begins anew", "path", f.t.full(f.path), "error", err)
}

// clear takes what stands at p out of the way, or waits a moment for the run that
// holds it. The error says that neither is possible.
func (p *place) clear(ctx context.Context, waiting *wait) (waited bool, err error) {
	var st unix.Stat_t
	if err := fstatAt(p.dirfd, p.name, &st); err != nil {
		return false, ignoreGone(err)
	}
	held, err := p.removeUnused()
	switch {
	case err != nil:
		return false, err
	case held && isTrusted(&st) && st.Mode&0o600 == 0o600:
		return true, waiting.step(ctx)
	case held, !isUsual(p.dirfd, p.name, &st):
		return false, unix.EEXIST // somebody else's, who could keep us for ever
	}
	return false, nil
}

// beginSidecar starts the sidecar of an empty partial. Without one the file
// cannot be resumed chunk by chunk, and that is all.
func (f *newFile) beginSidecar() {
	side, err := f.d.newSidecar(f.t, f.name)
	if err != nil {
		f.cannotResume(err)
		return
	}
	f.side = side.fd
	f.ckpt = checkpoint.Begin(side, &openFile{f.t, f.fd}, f.name, sourceID(f.how.Identity), f.checkpointing())
}

func (f *newFile) checkpointing() checkpoint.Options {
	return checkpoint.Options{Lazy: f.t.how.Durability == engine.SyncNone, Warn: f.cannotResume}
}

// cannotNote is cannotResume where there is an error.
func (f *newFile) cannotNote(err error) {
	if err != nil {
		f.cannotResume(err)
	}
}

func (f *newFile) cannotResume(err error) {
	f.t.log.Warn("what is received of a file cannot be noted: if the run is interrupted it begins anew", "path", f.t.full(f.path), "error", err)
}

// learnOf finds out which owner an existing partial has.
func (f *newFile) learnOf() error {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return err
	}
	f.has.UID, f.has.GID = st.Uid, st.Gid
	return nil
}

// Discard implements [engine.NewFile].
func (f *newFile) Discard() error {
	if !f.t.live.end(f) {
		return nil
	}
	return f.finishEarly(true)
}

// Remove implements [engine.NewFile].
func (f *newFile) Remove() error {
	if !f.t.live.end(f) {
		return nil
	}
	return f.finishEarly(false)
}

// finishEarly ends a file that is not finished.
func (f *newFile) finishEarly(keep bool) (err error) {
	lost := f.stopCheckpoints(keep)
	switch {
	case f.temp == "" && !f.made:
		if f.wrote.Load() {
			err = f.retouch() // and the mark stays
		}
		f.t.dirty.mark(f.d)
	case !keep || f.end.Load() == 0 || lost != nil:
		err = f.drop()
	case f.how.Visible && f.show():
		f.dropSidecar()
	case f.resumable && f.end.Load() >= delta.ChunkSize:
		f.giveBack()
		if f.t.how.PartialDir != "" {
			err = f.keepApart()
		}
		f.t.dirty.mark(f.d)
	case f.temp == "" && f.how.Visible:
		err = f.retouch()
	default:
		err = f.drop()
	}
	f.release()
	return f.t.fail("discard", f.path, err)
}

// drop removes what was made, and its sidecar: but not the mark of a file that
// was made under its own name and cannot be removed, for it says what that is.
func (f *newFile) drop() error {
	err := f.remove()
	if err == nil || f.temp != "" {
		f.dropSidecar()
	}
	return err
}

// giveBack gives back what was reserved for the rest of the file, or is of its basis: the
// disk may be full because of it.
func (f *newFile) giveBack() {
	if f.cloned {
		_ = again(func() error { return unix.Ftruncate(f.fd, f.end.Load()) }) // it only costs room
		return
	}
	if size, err := sizeOf(f.fd); err == nil && f.how.Size > largeFile {
		_ = again(func() error { return unix.Ftruncate(f.fd, size) }) // it only costs room
	}
}

// forget makes an ordinary temporary of a complete file that could be resumed. It
// reports whether that was not possible.
func (f *newFile) forget() (failed bool) {
	err := f.t.withTemp(func(name string) error {
		err := renameNew(f.d.fd, f.temp, name)
		if err == nil {
			f.temp, f.resumable = name, false
		}
		return err
	})
	if err == nil {
		f.dropSidecar()
	}
	return err != nil
}

// show gives an unfinished file its final name, unless something is there, with a
// time that no quick check takes for that of the whole.
func (f *newFile) show() bool {
	if f.temp == "" || f.t.how.PartialDir != "" {
		return false
	}
	var st unix.Stat_t
	if fstatAt(f.d.fd, f.name, &st) != unix.ENOENT || meta.SetTime(f.fd, engine.UnfinishedTime(f.how.Sec), 0) != nil {
		return false
	}
	f.giveBack()
	if renameNew(f.d.fd, f.temp, f.name) != nil {
		return false
	}
	f.t.dirty.mark(f.d)
	return true
}

// renameNew renames within a directory if nothing has the new name.
func renameNew(dirfd int, from, to string) error { return moveNew(dirfd, from, dirfd, to) }

// linkNew is moveNew for a file in two steps, of which the first fails if something has
// the new name.
func linkNew(fromfd int, from string, tofd int, to string) error {
	if err := again(func() error { return unix.Linkat(fromfd, from, tofd, to, 0) }); err != nil {
		return err
	}
	return unix.Unlinkat(fromfd, from, 0)
}
