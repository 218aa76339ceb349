package sftpfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gosync/delta/checkpoint"
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// largeFile is the size from which it is looked whether there is room.
const largeFile = 64 << 20

// compareMin is the size of an old file from which it is compared.
const compareMin = 64 << 10

// newFile is a file in the making.
type newFile struct {
	ctx    context.Context //nolint:containedctx // of Create: writing has none of its own
	t      *Tree
	path   string
	dir    string
	name   string
	temp   string // name of the temporary, "" where the file itself is written
	handle string
	how    engine.CreateOptions
	has    owner
	made   bool  // in place: there was no file before
	size   int64 // length before anything was written
	old    *file // what is compared with before it is written, nil for nothing

	resumable bool               // temp is the partial that a later run finds
	side      *handleFile        // its sidecar, or the mark of a file written in place; nil for none
	ckpt      *checkpoint.Writer // nil for none
	holds     []string           // names that no other file of this host may use meanwhile

	wrote atomic.Bool  // something was written
	end   atomic.Int64 // end of what was written

	spoil    sync.Once // in place: the old time is taken away
	spoilErr error

	mu      sync.Mutex
	pending []*pendingWrite // in order
	failed  error           // of the first that has failed
}

// Create implements [engine.Dest].
func (t *Tree) Create(ctx context.Context, path string, how engine.CreateOptions) (engine.NewFile, error) {
	var f *newFile
	err := t.change(ctx, "create", path, func(dir, name string) error {
		f = &newFile{ctx: ctx, t: t, path: path, dir: dir, name: name, how: how}
		if err := f.room(); err != nil {
			return err
		}
		err := f.begin()
		if err != nil {
			f.release()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	t.enlist(f)
	return f, nil
}

func (t *Tree) enlist(f *newFile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.live[f] = struct{}{}
}

// ends takes f out of the files in the making, and reports whether it was there:
// the caller ends it.
func (f *newFile) ends() bool {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	_, ok := f.t.live[f]
	delete(f.t.live, f)
	return ok
}

// room fails if a large file will not fit, before it is sent.
func (f *newFile) room() error {
	if f.how.Size < largeFile || f.how.Sparse || f.how.InPlace {
		return nil
	}
	free, known := f.t.h.space(f.ctx, f.t.at(f.dir))
	if known && free < f.how.Size {
		return fmt.Errorf("%w: %d bytes are free, %d are needed", syscall.ENOSPC, free, f.how.Size)
	}
	return nil
}

// begin opens what is written to.
func (f *newFile) begin() error {
	if f.how.InPlace {
		if ok, err := f.beginInPlace(); ok || err != nil {
			return err
		}
	}
	ok := false
	if f.how.Resume && !f.how.InPlace {
		var err error
		if ok, err = f.beginPartial(); err != nil {
			return err
		}
	}
	if !ok {
		err := f.t.withTemp(func(name string) (err error) {
			f.temp = name
			f.handle, err = f.t.createAt(f.ctx, f.beside(name))
			return err
		})
		if err != nil {
			f.temp = ""
			return err
		}
	}
	f.copyOld()
	return nil
}

// beside returns the path of a name in the file's directory.
func (f *newFile) beside(name string) string { return manifest.Join(f.dir, name) }

// copyOld has the server copy the file that is replaced into the temporary, so that
// only what differs need be written. It is an optimization: without it all is.
func (f *newFile) copyOld() {
	if !f.t.h.opts.Compare || f.how.Sparse || !f.t.h.offers(extCopy) {
		return
	}
	a, err := f.t.h.lstat(f.ctx, f.t.at(f.path))
	if err != nil || typeOf(a.perm) != manifest.Regular || a.size < compareMin || a.size > maxSize {
		return
	}
	old, err := f.t.openRegular(f.ctx, f.path, f.name, flagRead, &a)
	if err != nil {
		return
	}
	if err := f.t.h.copyData(f.ctx, old.handle, f.handle); err != nil {
		_ = old.Close() // it was only read
		f.t.h.log.Debug("the server does not copy a file", "path", f.t.full(f.path), "err", err)
		_ = f.t.h.make(f.ctx, setstat(fxpFsetstat, f.handle, attrs{flags: attrSize})) // what was copied is overwritten or cut
		f.size = old.size.Load()
		return
	}
	f.old, f.size = old, old.size.Load()
}

// Begun implements [engine.NewFile].
func (f *newFile) Begun() int64 {
	if f.temp != "" || f.made {
		return 0
	}
	return f.size
}

// beginInPlace opens the file itself for writing, and reports false where a
// temporary must be used.
func (f *newFile) beginInPlace() (bool, error) {
	waiting := f.t.newWait(f.path)
	for !f.hold(f.path) {
		if err := waiting.step(f.ctx); err != nil {
			return false, err
		}
	}
	a, err := f.t.h.lstat(f.ctx, f.t.at(f.path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.makeInPlace()
	case err != nil:
		return false, err
	case typeOf(a.perm) != manifest.Regular:
		f.letGo()
		return false, nil
	}
	shared, err := f.t.isShared(f.ctx, f.dir, f.name)
	if err != nil {
		return false, err
	}
	if shared {
		f.letGo()
		return false, nil
	}
	file, err := f.t.openRegular(f.ctx, f.path, f.name, flagRead|flagWrite, &a)
	var other *typeError
	if errors.Is(err, fs.ErrPermission) || errors.As(err, &other) || isFailure(err) {
		f.letGo()
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f.handle, f.size = file.handle, file.size.Load()
	f.has = owner{a.uid, a.gid}
	if f.t.h.opts.Compare && f.size >= compareMin {
		f.old, _ = f.t.openRegular(f.ctx, f.path, f.name, flagRead, &a) // or all is written
	}
	return true, nil
}

// makeInPlace makes the file. It is marked from the start on.
func (f *newFile) makeInPlace() (bool, error) {
	if err := f.markInPlace(); err != nil {
		f.unmarked(err)
	}
	handle, err := f.t.createAt(f.ctx, f.path)
	if err != nil {
		f.dropSidecar()
		f.letGo()
		if errors.Is(err, fs.ErrExist) {
			return false, nil
		}
		return false, err
	}
	f.handle, f.made = handle, true
	_ = f.retouch() // the first write does it again, and tells
	return true, nil
}

// hold reserves a path for the file among all of this host.
func (f *newFile) hold(path string) bool {
	if !f.t.h.hold(f.t.at(path)) {
		return false
	}
	f.holds = append(f.holds, f.t.at(path))
	return true
}

func (f *newFile) letGo() {
	for _, p := range f.holds {
		f.t.h.letGo(p)
	}
	f.holds = nil
}

func (h *Host) hold(path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy[path] {
		return false
	}
	h.busy[path] = true
	return true
}

func (h *Host) letGo(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.busy, path)
}

func (h *Host) held(path string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.busy[path]
}

// release lets go of what the file holds.
func (f *newFile) release() {
	if f.handle != "" {
		f.t.h.forget(f.handle)
		f.handle = ""
	}
	if f.side != nil {
		_ = f.side.Close() // notes that are made
		f.side = nil
	}
	if f.old != nil {
		_ = f.old.Close() // it was only read
		f.old = nil
	}
	f.letGo()
}

// lasting returns a context for what has to be tidied up although ctx may have
// ended: it ends a while later. A server that does not answer by then is given up.
func (h *Host) lasting(ctx context.Context) (context.Context, func()) {
	c, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			h.s.fail(errSlow)
			cancel(errSlow)
		case <-c.Done():
		}
	})
	return c, func() { stop(); cancel(nil) }
}

// lockPoll is how often it is looked whether another file has ended.
const lockPoll = 100 * time.Millisecond

// wait waits for another file of this host.
type wait struct {
	t     *Tree
	path  string
	until time.Time
}

func (t *Tree) newWait(path string) *wait { return &wait{t: t, path: t.full(path)} }

// step waits a moment, or says that it has taken too long.
func (w *wait) step(ctx context.Context) error {
	if w.until.IsZero() {
		w.until = time.Now().Add(w.t.how.Wait)
		if w.t.how.Wait > 0 {
			w.t.h.log.Warn("another run is working on it: waiting", "path", w.path)
		}
	}
	if !time.Now().Before(w.until) {
		return engine.ErrInUse
	}
	timer := time.NewTimer(lockPoll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
