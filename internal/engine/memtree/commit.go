package memtree

import (
	"context"
	"errors"
	"syscall"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// Commit implements [engine.NewFile].
func (f *newFile) Commit(ctx context.Context, size int64, e *manifest.Entry, attrs manifest.Attrs, done func(error)) {
	if !f.ends() {
		done(f.t.fail("commit", f.path, badDescriptor))
		return
	}
	f.done = done
	err := f.stopCheckpoints(false)
	if err == nil {
		err = f.settle(size, e, attrs)
	}
	f.failed = f.t.fail("commit", f.path, err)
	switch {
	case err != nil || f.temp == "":
		f.conclude()
	case f.t.how.Durability == engine.SyncRun:
		f.t.join(ctx, f, size)
	default:
		each := f.t.how.Durability == engine.SyncEach
		if each {
			f.failed = f.t.fail("fsync", f.path, f.t.fsync(f.path, f.i))
		}
		f.appear()
		if each && f.failed == nil {
			f.failed = f.syncDir()
		}
		f.conclude()
	}
}

// syncDir makes the file's directory durable.
func (f *newFile) syncDir() error {
	var dir *inode
	err := f.t.d.locked(func() (err error) {
		dir, _, err = f.t.d.dirOf(f.t.top, f.path)
		return err
	})
	if err == nil {
		err = f.t.fsyncDir(dir)
	}
	return f.t.fail("fsync", f.path, err)
}

// settle gives the file its length and its attributes.
func (f *newFile) settle(size int64, e *manifest.Entry, attrs manifest.Attrs) error {
	if max(f.size, f.end.Load()) != size {
		if err := f.touch(); err != nil {
			return err
		}
		if err := f.truncate(size); err != nil {
			return err
		}
	}
	durable := f.temp == "" && f.t.how.Durability != engine.SyncNone
	if durable {
		if err := f.t.fsync(f.path, f.i); err != nil {
			return err
		}
	}
	if f.temp == "" && attrs&manifest.AttrTimes == 0 {
		// What is written in place carries the epoch until it is complete.
		now := *e
		at := f.t.d.o.Now()
		now.Sec, now.Nsec = at.Unix(), uint32(at.Nanosecond())
		e, attrs = &now, attrs|manifest.AttrTimes
	}
	err := f.t.d.do(Op{Kind: "fsetattr", Path: f.t.full(f.path), Change: true}, func() error {
		f.i.setAttrs(e, attrs)
		return nil
	})
	if err == nil && durable {
		err = f.t.fsync(f.path, f.i)
	}
	if err == nil && f.temp == "" {
		f.dropSidecar() // the mark: the file is whole
	}
	return err
}

// appear gives the file its final name, if nothing has failed so far.
func (f *newFile) appear() {
	if f.failed != nil || f.temp == "" {
		return
	}
	err := f.alter("rename", func(dir *inode, name string) error {
		return f.t.rename(dir, f.temp, name, f.i)
	})
	if err != nil {
		f.failed = f.t.fail("rename", f.path, err)
		return
	}
	f.temp = ""
	f.dropSidecar()
}

// conclude ends the file, whatever has become of it, and tells so.
func (f *newFile) conclude() {
	if f.failed != nil && f.temp != "" {
		_ = f.drop(f.temp, f.i) // the failure is what counts
		f.dropSidecar()
	}
	f.release()
	f.done(f.failed)
}

// release gives the file's locks back.
func (f *newFile) release() {
	_ = f.t.d.locked(func() error {
		for _, i := range []*inode{f.i, f.side} {
			if i != nil && i.holder == f.t {
				i.holder = nil
			}
		}
		return nil
	})
}

// Discard implements [engine.NewFile].
func (f *newFile) Discard() error {
	if !f.ends() {
		return nil
	}
	return f.finishEarly(true)
}

// Remove implements [engine.NewFile].
func (f *newFile) Remove() error {
	if !f.ends() {
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
	case !keep || f.end.Load() == 0 || lost != nil:
		err = f.remove()
	case f.how.Visible && f.temp != "" && f.show():
		f.dropSidecar()
	case f.resumable && f.end.Load() >= delta.ChunkSize:
	case f.temp == "" && f.how.Visible:
		err = f.retouch()
	default:
		err = f.remove()
	}
	f.release()
	return f.t.fail("discard", f.path, err)
}

// remove takes away what was made under a name of ours.
func (f *newFile) remove() error {
	name := f.temp
	if name == "" {
		name = f.name
	}
	err := f.drop(name, f.i)
	if err == nil || f.temp != "" { // else the mark still says what the file is
		f.dropSidecar()
	}
	return err
}

// show gives an unfinished file its final name, unless something is there, with a
// time that no quick check takes for that of the whole.
func (f *newFile) show() bool {
	free := errors.Is(f.t.d.do(Op{Kind: "stat", Path: f.t.full(f.path)}, func() error {
		dir, name, err := f.t.d.dirOf(f.t.top, f.path)
		if err != nil {
			return syscall.ENOTDIR // and not that the file is not there
		}
		if _, there := f.t.d.child(dir, name); !there {
			return syscall.ENOENT
		}
		return nil
	}), syscall.ENOENT)
	if !free || f.setTime(engine.UnfinishedTime(f.how.Sec)) != nil {
		return false
	}
	err := f.alter("rename", func(dir *inode, name string) error {
		if _, there := f.t.d.child(dir, name); there {
			return errTaken
		}
		return f.t.d.rename(dir, f.temp, name, f.i)
	})
	return err == nil
}
