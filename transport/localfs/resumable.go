package localfs

import (
	"context"

	"golang.org/x/sys/unix"

	"gosync/delta"
	"gosync/delta/checkpoint"
	"gosync/internal/engine"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// beginPartial begins a file that a later run can go on with. It reports false
// where something that is not this user's stands under its name: the file is made
// all the same then, but cannot be resumed.
func (f *newFile) beginPartial(ctx context.Context) (bool, error) {
	name := manifest.PartialName(f.name)
	waiting := f.t.newWait(f.path)
	for {
		fd, err := createAt(f.d.fd, name)
		if err == unix.EEXIST {
			free, err := (&place{dirfd: f.d.fd, name: name}).removeUnused()
			if err == nil && !free {
				err = waiting.step(ctx)
			}
			if err != nil {
				return false, err
			}
			var st unix.Stat_t
			if free && fstatAt(f.d.fd, name, &st) == nil && !isOwn(&st) {
				f.t.log.Warn("the name of a partial is taken by somebody: the file cannot be resumed", "path", f.t.full(f.path))
				return false, nil
			}
			continue
		}
		if err != nil {
			return false, err
		}
		if locked, err := lockFile(fd); err != nil || !locked || !f.d.names(name, fd) {
			_ = unix.Close(fd) // another run was faster, and takes it for a leftover
			if err != nil {
				return false, err
			}
			continue
		}
		f.temp, f.fd, f.resumable = name, fd, true
		f.beginSidecar()
		return true, nil
	}
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
	wrote := f.wrote.Load() && f.end.Load() > 0
	switch {
	case f.temp == "" && !f.made:
		if f.wrote.Load() {
			err = f.retouch() // and the mark stays
		}
		f.t.dirty.mark(f.d)
	case !keep || !wrote || lost != nil:
		err = f.remove()
		f.dropSidecar()
	case f.how.Visible && f.show():
		f.dropSidecar()
	case f.resumable && f.end.Load() >= delta.ChunkSize:
		if f.t.how.PartialDir != "" {
			err = f.keepApart()
		}
		f.t.dirty.mark(f.d)
	case f.temp == "" && f.how.Visible:
		err = f.retouch()
	default:
		err = f.remove()
		f.dropSidecar()
	}
	f.release()
	return f.t.fail("discard", f.path, err)
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
	if fstatAt(f.d.fd, f.name, &st) != unix.ENOENT || meta.SetTime(f.fd, f.spoiledTime(), 0) != nil {
		return false
	}
	if renameNew(f.d.fd, f.temp, f.name) != nil {
		return false
	}
	f.t.dirty.mark(f.d)
	return true
}

// spoiledTime is the time of a file that is not whole, in seconds: one of long
// ago that is not by chance that of the source.
func (f *newFile) spoiledTime() int64 {
	if f.how.Sec == 0 {
		return 24 * 60 * 60
	}
	return 0
}

// linkNew renames a file within a directory in two steps, of which the first
// fails if something has the new name.
func linkNew(dirfd int, from, to string) error {
	if err := again(func() error { return unix.Linkat(dirfd, from, dirfd, to, 0) }); err != nil {
		return err
	}
	return unix.Unlinkat(dirfd, from, 0)
}
