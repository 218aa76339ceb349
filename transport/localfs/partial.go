package localfs

import (
	"context"
	"time"

	"gosync/delta"
	"gosync/delta/checkpoint"
	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
)

// lockPoll is how often it is looked whether another run has ended.
const lockPoll = 100 * time.Millisecond

// partial is what an earlier run has kept of a file. It is locked.
type partial struct {
	file                    // opened for writing, too
	d     *dir              // of the target, held; nil once it was let go
	in    *place            // where it lies
	name  string            // of the target
	side  int               // its sidecar, -1 for none
	state *checkpoint.State // what the sidecar says, nil for nothing
	held  []delta.Digest
}

// Partial implements [engine.Dest].
func (t *Tree) Partial(ctx context.Context, path string) (engine.Partial, error) {
	var p *partial
	err := t.in("open partial of", path, func(d *dir, name string) (err error) {
		for _, at := range manifest.PartialNames(name) {
			if p, err = t.openPartial(ctx, d, t.beside(d, at), path, name); err != unix.ENOENT {
				return err
			}
		}
		in := t.kept(d, name)
		if in == nil {
			return err
		}
		if p, err = t.openPartial(ctx, d, in, path, name); err != nil {
			in.close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// partialName is the name that a new partial gets.
func (t *Tree) partialName(name string, visible bool) string {
	return manifest.NewPartialName(name, visible || t.how.PartialDir != "")
}

// openPartial opens and locks the partial of a name, and finds out what of it is
// good.
func (t *Tree) openPartial(ctx context.Context, d *dir, in *place, path, name string) (*partial, error) {
	fd, err := t.openLocked(ctx, in, path)
	if err != nil {
		return nil, err
	}
	p := &partial{file: file{t: t, path: path, fd: fd}, in: in, name: name, side: -1}
	if !in.apart {
		err = p.readSidecar(ctx, d)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	t.dirs.hold(d)
	p.d = d
	return p, nil
}

// openLocked opens an existing partial that nobody else can have written, and
// waits for the run that holds it.
func (t *Tree) openLocked(ctx context.Context, in *place, path string) (int, error) {
	waiting := t.newWait(path)
	for {
		var st unix.Stat_t
		fd, err := openTrusted(in.dirfd, in.name, &st)
		if err != nil {
			return -1, unix.ENOENT // nothing that can be used
		}
		locked, err := lockFile(fd)
		if err == nil && locked && in.names(fd) {
			return fd, nil
		}
		_ = unix.Close(fd)
		switch {
		case err != nil: // a file system without locks
			return -1, unix.ENOENT
		case !locked && in.apart && isAbs(t.how.PartialDir):
			return -1, unix.ENOENT // it is held back, and more likely another of this name than this one
		case !locked:
			if err := waiting.step(ctx); err != nil {
				return -1, err
			}
		}
	}
}

// readSidecar finds out what of the partial is good. That its sidecar is of no
// use is no error.
func (p *partial) readSidecar(ctx context.Context, d *dir) error {
	var st unix.Stat_t
	fd, err := openTrusted(d.fd, manifest.SidecarName(p.name), &st)
	if err != nil {
		return nil //nolint:nilerr // there is none: the content is a basis
	}
	s, err := checkpoint.Read(&openFile{p.t, fd}, p.name)
	if err != nil || s.InPlace {
		return unix.Close(fd)
	}
	p.side, p.state = fd, s
	p.held, err = s.Held(ctx, &openFile{p.t, p.fd})
	if err != nil {
		_ = unix.Close(fd)
		p.side = -1
	}
	return err
}

// Identity implements [engine.Partial].
func (p *partial) Identity() engine.Identity {
	if p.state == nil {
		return engine.Identity{Size: -1}
	}
	return engine.Identity{Size: p.state.Source.Size, Sec: p.state.Source.Sec, Nsec: p.state.Source.Nsec}
}

// Held implements [engine.Partial].
func (p *partial) Held() []delta.Digest { return p.held }

// Close implements [engine.Partial].
func (p *partial) Close() error {
	err := p.file.Close()
	p.letGo()
	return err
}

// letGo releases everything but the partial itself.
func (p *partial) letGo() {
	if p.side >= 0 {
		_ = unix.Close(p.side) // it was only read
		p.side = -1
	}
	if p.d != nil {
		p.t.dirs.release(p.d)
		p.d = nil
	}
	p.in.close()
}

// Unlink implements [engine.Partial].
func (p *partial) Unlink(ctx context.Context) error {
	if err := p.t.mayChange(ctx); err != nil {
		return p.t.fail("remove partial of", p.path, err)
	}
	err := p.in.unlink()
	if err == nil && !p.in.apart {
		err = p.d.removeOwn(manifest.SidecarName(p.name))
	}
	if p.in.apart {
		p.t.tidyKept(p.d)
	}
	p.t.dirty.mark(p.d)
	return p.t.fail("remove partial of", p.path, err)
}

// Continue implements [engine.Partial].
func (p *partial) Continue(ctx context.Context, keep int, how engine.CreateOptions) (engine.NewFile, error) {
	f, err := p.goOn(ctx, keep, how)
	if err != nil {
		_ = p.Close() // the error is what counts
		return nil, p.t.fail("go on with", p.path, err)
	}
	return f, nil
}

func (p *partial) goOn(ctx context.Context, keep int, how engine.CreateOptions) (engine.NewFile, error) {
	if err := p.t.mayChange(ctx); err != nil {
		return nil, err
	}
	temp := p.in.name
	if p.in.apart {
		temp = p.t.partialName(p.name, how.Visible)
		if err := p.hide(temp); err != nil {
			return nil, err
		}
	}
	size := int64(keep) * delta.ChunkSize
	if err := again(func() error { return unix.Ftruncate(p.fd, size) }); err != nil {
		return nil, err
	}
	f := &newFile{
		t: p.t, d: p.d, path: p.path, name: p.name, temp: temp, resumable: true,
		fd: p.fd, side: p.side, how: how, size: size, lost: p.t.dirty.lost(),
	}
	f.end.Store(size)
	if err := f.learnOf(); err != nil {
		return nil, err
	}
	if how.Size > largeFile && !how.Sparse {
		if err := preallocate(f.fd, how.Size); err != nil {
			return nil, err
		}
	}
	f.resumeSidecar(p.state, keep)
	p.d, p.side, p.fd = nil, -1, -1 // the new file's
	p.in.close()
	p.t.live.add(f)
	return f, nil
}

// resumeSidecar goes on with the sidecar of a partial of which keep chunks stay.
func (f *newFile) resumeSidecar(s *checkpoint.State, keep int) {
	data := &openFile{f.t, f.fd}
	switch {
	case s != nil:
		f.ckpt = checkpoint.Resume(&openFile{f.t, f.side}, data, s, keep, f.name, sourceID(f.how.Identity), f.checkpointing())
	case keep == 0:
		f.beginSidecar()
	default: // there are no digests of what is kept
		f.cannotNote(f.d.removeOwn(manifest.SidecarName(f.name)))
	}
}

// DropPartial implements [engine.Dest].
func (t *Tree) DropPartial(ctx context.Context, path string) error {
	return t.change(ctx, "remove partial of", path, func(d *dir, name string) error {
		if in := t.kept(d, name); in != nil {
			_, err := in.removeUnused()
			in.close()
			if err != nil {
				return err
			}
			t.tidyKept(d)
		}
		held, err := t.removePartials(d, name)
		if err != nil || held {
			return err
		}
		_, err = t.beside(d, manifest.SidecarName(name)).removeUnused()
		return err
	})
}

// removePartials removes the partials of a name in d, and reports whether a run holds one.
func (t *Tree) removePartials(d *dir, name string) (held bool, err error) {
	for _, at := range manifest.PartialNames(name) {
		if held, err = t.beside(d, at).removeUnused(); held || err != nil {
			break
		}
	}
	return held, err
}

// wait waits for another run.
type wait struct {
	t     *Tree
	path  string
	until time.Time
}

func (t *Tree) newWait(path string) *wait {
	return &wait{t: t, path: t.full(path)}
}

// step waits a moment, or says that it has taken too long.
func (w *wait) step(ctx context.Context) error {
	if w.until.IsZero() {
		w.until = time.Now().Add(w.t.how.Wait)
		if w.t.how.Wait > 0 {
			w.t.log.Warn("another run is working on it: waiting", "path", w.path)
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

// place is where a partial or sidecar lies.
type place struct {
	t     *Tree
	dirfd int
	name  string
	apart bool // in the directory of DestOptions.PartialDir; dirfd is the place's own
}

// beside is the place of a name in d.
func (t *Tree) beside(d *dir, name string) *place { return &place{t: t, dirfd: d.fd, name: name} }

func (p *place) close() {
	if p.apart && p.dirfd >= 0 {
		_ = unix.Close(p.dirfd) // it only served to find names
		p.dirfd = -1
	}
}

func (p *place) names(fd int) bool { return (&dir{fd: p.dirfd}).names(p.name, fd) }

// removeUnused removes a file that an earlier run has left, and reports whether it
// stays because a run holds it. What was not left by a run, or is somebody else's,
// stays, too.
func (p *place) removeUnused() (held bool, err error) {
	var st unix.Stat_t
	if err := fstatAt(p.dirfd, p.name, &st); err != nil || !isUsual(p.dirfd, p.name, &st) {
		return false, ignoreGone(err)
	}
	flags := readFlags
	if isTrusted(&st) && st.Mode&0o200 != 0 {
		flags |= unix.O_RDWR // some network file systems lock only what can be written
	}
	fd, err := openRegular(p.dirfd, p.name, flags, &st)
	switch {
	case err == unix.EACCES && p.t.owner.isOld(&st):
		return false, p.unlink() // so old that no run can hold it
	case err == unix.EACCES:
		return true, nil // as far as can be known
	case err != nil:
		return false, ignoreGone(err)
	}
	defer func() { _ = unix.Close(fd) }()
	locked, err := lockFile(fd)
	switch {
	case err != nil:
		return false, err
	case !locked, !p.names(fd): // or its run has just put it in place
		return true, nil
	}
	return false, p.unlink()
}

func (p *place) unlink() error {
	return ignoreGone(again(func() error { return unix.Unlinkat(p.dirfd, p.name, 0) }))
}
