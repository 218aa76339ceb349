package sftpfs

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"gosync/delta"
	"gosync/delta/checkpoint"
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// everyChunks is how often what was received is noted: every 16 MiB.
const everyChunks = 16

// handleFile is an open partial or sidecar, as package checkpoint wants it.
type handleFile struct{ *file }

var _ checkpoint.File = (*handleFile)(nil)

// opened returns a file of a handle.
func (t *Tree) opened(ctx context.Context, path, name, handle string) *file {
	f := &file{ctx: ctx, t: t, path: path, name: name, handle: handle, ahead: map[int64]*block{}}
	return f
}

func (f *handleFile) WriteAt(p []byte, off int64) (n int, err error) {
	ctx, end := f.t.h.lasting(f.ctx)
	defer end()
	for n < len(p) {
		part := p[n:min(len(p), n+f.t.h.writeSize)]
		r, err := f.t.h.startWrite(ctx, f.handle, off+int64(n), part, nil)
		if err == nil {
			_, err = r.want(ctx, fxpStatus)
		}
		if err != nil {
			return n, f.t.fail("write", f.path, err)
		}
		n += len(part)
	}
	return n, nil
}

func (f *handleFile) Sync() error { return f.t.syncHandle(f.ctx, f.path, f.handle) }

// syncHandle makes an open file durable, where the server offers that.
func (t *Tree) syncHandle(ctx context.Context, path, handle string) error {
	if !t.h.offers(extFsync) || t.how.Durability == engine.SyncNone {
		return nil
	}
	ctx, end := t.h.lasting(ctx)
	defer end()
	err := t.h.make(ctx, fsync(handle))
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return t.fail("fsync", path, err)
}

func (f *handleFile) Size() (int64, error) {
	ctx, end := f.t.h.lasting(f.ctx)
	defer end()
	e, err := f.look(ctx)
	return e.Size, err
}

func (f *handleFile) Truncate(size int64) error {
	ctx, end := f.t.h.lasting(f.ctx)
	defer end()
	return f.t.fail("truncate", f.path, f.t.h.make(ctx, setstat(fxpFsetstat, f.handle, sized(size))))
}

// dataFile is a file in the making as package checkpoint wants it: it is durable
// when all that was written is.
type dataFile struct{ f *newFile }

var _ checkpoint.File = dataFile{}

func (d dataFile) ReadAt([]byte, int64) (int, error)  { return 0, errors.ErrUnsupported }
func (d dataFile) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (d dataFile) Size() (int64, error)               { return 0, errors.ErrUnsupported }
func (d dataFile) Truncate(int64) error               { return errors.ErrUnsupported }

func (d dataFile) Sync() error {
	ctx, end := d.f.t.h.lasting(d.f.ctx)
	defer end()
	if err := d.f.settleSoFar(ctx); err != nil {
		return err
	}
	return d.f.t.syncHandle(ctx, d.f.path, d.f.handle)
}

func (f *newFile) checkpointing() checkpoint.Options {
	return checkpoint.Options{Warn: f.cannotResume, Every: everyChunks}
}

func sourceID(id engine.Identity) checkpoint.Identity {
	return checkpoint.Identity{Size: id.Size, Sec: id.Sec, Nsec: id.Nsec}
}

// beginPartial begins a file that a later run can go on with. It reports false
// where that is not possible: the file is made all the same then.
func (f *newFile) beginPartial() (bool, error) {
	path := f.beside(manifest.PartialName(f.name))
	waiting := f.t.newWait(f.path)
	for !f.hold(path) {
		if err := waiting.step(f.ctx); err != nil {
			return false, err
		}
	}
	handle, err := f.t.createAt(f.ctx, path)
	if errors.Is(err, fs.ErrExist) {
		if err = f.t.removeRegular(f.ctx, path); err == nil {
			handle, err = f.t.createAt(f.ctx, path)
		}
		if err != nil && f.ctx.Err() == nil && !f.t.h.s.over() {
			f.t.h.log.Warn("the name of a partial cannot be used: if the run is interrupted the file begins anew", "path", f.t.full(f.path), "error", err)
			f.letGo()
			return false, nil
		}
	}
	if err != nil {
		return false, err
	}
	f.temp, f.handle, f.resumable = manifest.PartialName(f.name), handle, true
	f.beginSidecar()
	return true, nil
}

// beginSidecar starts the sidecar of an empty partial. Without one the file cannot
// be resumed chunk by chunk, and that is all.
func (f *newFile) beginSidecar() {
	side, err := f.newSidecar()
	if err != nil {
		f.cannotResume(err)
		return
	}
	f.side = side
	f.ckpt = checkpoint.Begin(side, dataFile{f}, f.name, sourceID(f.how.Identity), f.checkpointing())
}

func (f *newFile) cannotResume(err error) {
	f.t.h.log.Warn("what is received of a file cannot be noted: if the run is interrupted it begins anew", "path", f.t.full(f.path), "error", err)
}

// newSidecar makes the file's sidecar anew.
func (f *newFile) newSidecar() (*handleFile, error) {
	path := f.beside(manifest.SidecarName(f.name))
	if err := f.t.removeUnused(f.ctx, path); err != nil {
		return nil, err
	}
	handle, err := f.t.createAt(f.ctx, path)
	if err != nil {
		return nil, err
	}
	return &handleFile{f.t.opened(f.ctx, path, manifest.SidecarName(f.name), handle)}, nil
}

// dropSidecar removes the file's sidecar, which has become void.
func (f *newFile) dropSidecar() {
	if f.side == nil {
		return
	}
	ctx, end := f.t.h.lasting(f.ctx)
	defer end()
	_ = f.side.Close() // nothing of it counts any more
	f.side = nil
	remove := func() error { return f.t.h.remove(ctx, f.t.at(f.beside(manifest.SidecarName(f.name)))) }
	// If it stays it is a mark of nothing, which the next run removes.
	if f.how.InPlace {
		_ = f.t.quietly(ctx, f.dir, remove)
	} else {
		_ = remove()
	}
}

// stopCheckpoints ends what goes on in the background.
func (f *newFile) stopCheckpoints(flush bool) (err error) {
	switch {
	case f.ckpt == nil:
	case flush:
		err = f.ckpt.Flush()
	default:
		err = f.ckpt.Stop()
	}
	f.ckpt = nil
	return err
}

// markInPlace notes, before the first write, that the file itself is written. A
// partial that an earlier run has left goes: the mark would be taken for its
// sidecar.
func (f *newFile) markInPlace() error {
	ctx, end := f.t.h.lasting(f.ctx)
	defer end()
	return f.t.quietly(ctx, f.dir, func() error {
		if err := f.t.removeUnused(ctx, f.beside(manifest.PartialName(f.name))); err != nil {
			return err
		}
		side, err := f.newSidecar()
		if err != nil {
			return err
		}
		if !f.hold(side.path) {
			_ = side.Close()
			return engine.ErrInUse
		}
		f.side = side
		return checkpoint.MarkInPlace(side, f.name, f.t.how.Durability == engine.SyncNone)
	})
}

// unmarked goes on without a mark.
func (f *newFile) unmarked(err error) {
	f.t.h.log.Warn("that a file is being written in place cannot be noted: if the run is interrupted, --size-only and --update may take it for complete", "path", f.t.full(f.path), "error", err)
	f.dropSidecar()
}

// quietly changes dir and gives it its time back: writing in place changes no
// directory.
func (t *Tree) quietly(ctx context.Context, dir string, change func() error) error {
	before, statErr := t.h.stat(ctx, t.at(dir))
	err := change()
	if statErr == nil && before.flags&attrTimes != 0 {
		again := attrs{flags: attrTimes, atime: before.atime, mtime: before.mtime}
		_ = t.h.make(ctx, setstat(fxpSetstat, t.at(dir), again)) // only its owner may, and nothing depends on it
	}
	return err
}

// removeRegular removes a regular file that an earlier run has left.
func (t *Tree) removeRegular(ctx context.Context, path string) error {
	a, err := t.h.lstat(ctx, t.at(path))
	if err != nil {
		return ignoreGone(err)
	}
	if typeOf(a.perm) != manifest.Regular {
		return syscall.EEXIST
	}
	return ignoreGone(t.h.remove(ctx, t.at(path)))
}

// removeUnused is removeRegular for a name that a file of this host may use: the
// error wraps [engine.ErrInUse] then.
func (t *Tree) removeUnused(ctx context.Context, path string) error {
	if t.h.held(t.at(path)) {
		return engine.ErrInUse
	}
	err := t.removeRegular(ctx, path)
	if errors.Is(err, syscall.EEXIST) {
		return nil // not one of ours
	}
	return err
}

// partial is what an earlier run has kept of a file.
type partial struct {
	*handleFile
	dir, target string // where the file is to be, and its name
	holds       string
	side        *handleFile       // its sidecar, nil for none
	state       *checkpoint.State // what that says, nil for nothing
	held        []delta.Digest
	stays       string // the partial's path
}

// Partial implements [engine.Dest].
func (t *Tree) Partial(ctx context.Context, path string) (engine.Partial, error) {
	var p *partial
	err := t.change(ctx, "open partial of", path, func(dir, name string) (err error) {
		p, err = t.openPartial(ctx, path, dir, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (t *Tree) openPartial(ctx context.Context, path, dir, name string) (*partial, error) {
	at := manifest.Join(dir, manifest.PartialName(name))
	waiting := t.newWait(path)
	for !t.h.hold(t.at(at)) {
		if err := waiting.step(ctx); err != nil {
			return nil, err
		}
	}
	f, err := t.openTrusted(ctx, at, manifest.PartialName(name))
	if err != nil {
		t.h.letGo(t.at(at))
		return nil, err
	}
	p := &partial{handleFile: f, dir: dir, target: name, holds: t.at(at), stays: at}
	if err := p.readSidecar(ctx); err != nil {
		_ = p.Close() // it was only read
		return nil, err
	}
	return p, nil
}

// openTrusted opens an existing file that nobody else can have written, as far as
// its owner and mode tell. The error is fs.ErrNotExist where there is none.
func (t *Tree) openTrusted(ctx context.Context, path, name string) (*handleFile, error) {
	a, err := t.h.lstat(ctx, t.at(path))
	if err != nil {
		return nil, t.unless(ctx, err)
	}
	t.h.mu.Lock()
	login := t.h.login
	t.h.mu.Unlock()
	if typeOf(a.perm) != manifest.Regular || a.perm&0o022 != 0 || login != nil && a.uid != login.uid {
		return nil, fs.ErrNotExist
	}
	f, err := t.openRegular(ctx, path, name, flagRead|flagWrite, &a)
	if err != nil {
		return nil, t.unless(ctx, err)
	}
	return &handleFile{f}, nil
}

// unless returns fs.ErrNotExist in place of an error that concerns one file.
func (t *Tree) unless(ctx context.Context, err error) error {
	if ctx.Err() != nil || t.h.s.over() {
		return err
	}
	return fs.ErrNotExist
}

// readSidecar finds out what of the partial is good. That its sidecar is of no use
// is no error.
func (p *partial) readSidecar(ctx context.Context) error {
	t := p.t
	side, err := t.openTrusted(ctx, manifest.Join(p.dir, manifest.SidecarName(p.target)), manifest.SidecarName(p.target))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := checkpoint.Read(side, p.target)
	if err != nil || s.InPlace {
		return side.Close()
	}
	p.side, p.state = side, s
	p.held, err = t.held(ctx, s, p.handleFile)
	return err
}

// held returns the digests of the chunks that a partial holds: those that the
// sidecar knows, if they were durable before it, the last of them is right and
// nobody else can have made both; or all that are right, by reading them.
func (t *Tree) held(ctx context.Context, s *checkpoint.State, data *handleFile) ([]delta.Digest, error) {
	n := int(min(int64(len(s.Sums)), data.size.Load()/delta.ChunkSize))
	durable := t.h.offers(extFsync) && t.how.Durability != engine.SyncNone
	if t.h.opts.Verify || n == 0 || !durable || !t.mine(ctx, data) {
		return s.Held(ctx, data)
	}
	last := make([]byte, delta.ChunkSize)
	if k, err := data.ReadAt(last, int64(n-1)*delta.ChunkSize); k < len(last) && ctx.Err() != nil {
		return nil, err
	}
	if delta.Sum(last) != s.Sums[n-1] {
		return s.Held(ctx, data)
	}
	return s.Sums[:n:n], nil
}

// mine reports whether a file is known to belong to who this session is.
func (t *Tree) mine(ctx context.Context, f *handleFile) bool {
	t.meet(ctx)
	a, err := t.h.fstat(ctx, f.handle)
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	return err == nil && t.h.login != nil && a.flags&attrOwner != 0 && a.uid == t.h.login.uid && a.perm&0o022 == 0
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
	err := p.handleFile.Close()
	if p.side != nil {
		_ = p.side.Close() // it was only read
		p.side = nil
	}
	p.letGo()
	return err
}

func (p *partial) letGo() {
	if p.holds != "" {
		p.t.h.letGo(p.holds)
		p.holds = ""
	}
}

// Unlink implements [engine.Partial].
func (p *partial) Unlink(ctx context.Context) error {
	err := p.t.removeRegular(ctx, p.stays)
	if err == nil {
		err = p.t.removeRegular(ctx, manifest.Join(p.dir, manifest.SidecarName(p.target)))
	}
	p.letGo()
	return p.t.fail("remove partial of", manifest.Join(p.dir, p.target), err)
}

// Continue implements [engine.Partial].
func (p *partial) Continue(ctx context.Context, keep int, how engine.CreateOptions) (engine.NewFile, error) {
	size := int64(keep) * delta.ChunkSize
	path := manifest.Join(p.dir, p.target)
	err := p.t.h.make(ctx, setstat(fxpFsetstat, p.handle, sized(size)))
	if err != nil {
		_ = p.Close() // the error is what counts
		return nil, p.t.fail("go on with", path, err)
	}
	f := &newFile{
		ctx: ctx, t: p.t, path: path, dir: p.dir, name: p.target, temp: manifest.PartialName(p.target), resumable: true,
		handle: p.handle, side: p.side, how: how, size: size, holds: []string{p.holds},
	}
	f.end.Store(size)
	switch {
	case p.state != nil:
		f.ckpt = checkpoint.Resume(f.side, dataFile{f}, p.state, keep, f.name, sourceID(how.Identity), f.checkpointing())
	case keep == 0:
		f.beginSidecar()
	default: // there are no digests of what is kept
		if err := p.t.removeUnused(ctx, f.beside(manifest.SidecarName(f.name))); err != nil {
			f.cannotResume(err)
		}
	}
	p.handleFile.file.give() // the new file's
	p.t.enlist(f)
	return f, nil
}

// give lets go of what was read ahead, but not of the handle.
func (f *file) give() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handle = ""
	f.drop()
}

// DropPartial implements [engine.Dest].
func (t *Tree) DropPartial(ctx context.Context, path string) error {
	return t.change(ctx, "remove partial of", path, func(dir, name string) error {
		for _, n := range []string{manifest.PartialName(name), manifest.SidecarName(name)} {
			err := t.removeUnused(ctx, manifest.Join(dir, n))
			if errors.Is(err, engine.ErrInUse) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
