package localfs

import (
	"context"
	"time"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// Commit implements [engine.NewFile]. If attributes cannot be set the file
// appears all the same, and done is told so afterwards: the content is right,
// and the next run will try again. Commit may wait until an earlier group of
// files is durable. done must not wait for other calls of the tree.
func (f *newFile) Commit(ctx context.Context, size int64, e *manifest.Entry, attrs manifest.Attrs, done func(error)) {
	if !f.t.live.end(f) {
		done(f.pathError("commit", unix.EBADF))
		return
	}
	f.done = done
	err := f.pathError("fsync", f.stopCheckpoints(false))
	if err == nil {
		err = f.pathError("move", f.comeHome())
	}
	if err == nil {
		err = f.settle(size, e, attrs)
	}
	if err != nil {
		f.failed = err
		f.conclude()
		return
	}
	if f.temp == "" {
		f.conclude()
		return
	}
	switch f.t.how.Durability {
	case engine.SyncRun:
		f.t.groups.add(ctx, f, size)
		return
	}
	if f.delay() {
		return
	}
	switch f.t.how.Durability {
	case engine.SyncEach:
		f.failed = f.pathError("fsync", f.t.fsync(f.fd))
		f.appear()
		if f.failed == nil {
			f.failed = f.pathError("fsync", f.t.fsyncDir(f.d))
		}
		f.conclude()
	default:
		f.appear()
		f.conclude()
	}
}

// settle gives the file its length and its attributes.
func (f *newFile) settle(size int64, e *manifest.Entry, attrs manifest.Attrs) error {
	length := max(f.size, f.end.Load())
	if length != size || f.how.Size > max(size, largeFile) { // or more room was reserved than needed
		if err := f.touch(); err != nil {
			return err
		}
		if err := again(func() error { return unix.Ftruncate(f.fd, size) }); err != nil {
			return f.pathError("truncate", err)
		}
	}
	if f.temp == "" {
		// Whatever the policy: size and time together say that the content is
		// right, and in place nothing else stands between them and a power cut.
		if err := f.t.fsync(f.fd); err != nil {
			return f.pathError("fsync", err)
		}
	}
	known := manifest.AttrOwner | manifest.AttrGroup
	if f.temp == "" && !f.made {
		known |= manifest.AttrMode
	}
	if f.temp == "" && attrs&manifest.AttrTimes == 0 {
		// What is written in place carries the epoch until it is complete.
		now := *e
		now.Sec, now.Nsec = time.Now().Unix(), uint32(time.Now().Nanosecond())
		e, attrs = &now, attrs|manifest.AttrTimes
	}
	target := meta.Target{FD: f.fd, Type: manifest.Regular, Has: f.has, Known: known, Detail: f.t.detail}
	if err := meta.Apply(&target, e, attrs); err != nil {
		f.attrErr = f.t.fail("commit", f.path, err)
	}
	if f.temp == "" && f.t.how.Durability != engine.SyncNone {
		if err := f.t.fsync(f.fd); err != nil {
			return f.pathError("fsync", err)
		}
		f.t.dirty.mark(f.d)
	}
	if f.temp == "" {
		f.dropSidecar() // the mark: the file is whole
	}
	return nil
}

// appear gives the file its final name, if nothing has failed so far. Its
// directory is found again where it was let go.
func (f *newFile) appear() {
	if f.failed != nil || f.temp == "" {
		return
	}
	f.failed = f.inDir(func() error {
		if err := f.t.keep(f.d, f.path, f.name, true); err != nil {
			return err
		}
		if err := f.t.rename(f.d.fd, f.temp, f.name); err != nil {
			return f.pathError("rename", err)
		}
		f.temp = ""
		f.dropSidecar()
		if f.t.how.PartialDir != "" {
			f.dropKept()
		}
		f.t.dirty.mark(f.d)
		return nil
	})
}

// conclude ends the file, whatever has become of it, and tells so.
func (f *newFile) conclude() {
	if f.failed != nil && f.temp != "" && !f.waits {
		if f.d == nil { // it may be closed already, but its name is known
			if up, _, err := split(f.path); err == nil {
				f.d, _ = f.t.dir(up)
			}
		}
		if f.d != nil {
			_ = f.remove() // the failure is what counts
			f.dropSidecar()
		}
	}
	err := f.failed
	if err == nil {
		err = f.attrErr
	}
	f.release()
	f.done(err)
}
