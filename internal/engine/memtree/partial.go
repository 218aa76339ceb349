package memtree

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	"gosync/delta"
	"gosync/delta/checkpoint"
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// sideFile is an open partial or sidecar, as package checkpoint wants it. What it
// does may happen under a lock of that package.
type sideFile struct {
	t    *tree
	path string // of the target
	i    *inode
}

func (s *sideFile) op(kind string, change bool) Op {
	return Op{Kind: kind, Path: s.t.full(s.path), Change: change, Inline: true}
}

func (s *sideFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = s.t.d.do(s.op("read sidecar", false), func() error {
		if off < int64(len(s.i.data)) {
			n = copy(p, s.i.data[off:])
		}
		return nil
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (s *sideFile) WriteAt(p []byte, off int64) (int, error) {
	err := s.t.d.do(s.op("write sidecar", true), func() error {
		s.i.write(p, off)
		s.t.d.touch(s.i)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *sideFile) Truncate(size int64) error {
	return s.t.d.do(s.op("truncate sidecar", true), func() error {
		s.i.resize(size)
		s.t.d.touch(s.i)
		return nil
	})
}

func (s *sideFile) Sync() error {
	return s.t.d.do(s.op("fsync sidecar", true), func() error { s.i.sync(); return nil })
}

func (s *sideFile) Size() (size int64, err error) {
	err = s.t.d.locked(func() error { size = int64(len(s.i.data)); return nil })
	return size, err
}

// dataFile is the partial of a sideFile: its operations may wait.
type dataFile struct{ sideFile }

func (f *dataFile) ReadAt(p []byte, off int64) (int, error) {
	return (&file{f.t, f.path, f.i}).ReadAt(p, off)
}

func (f *dataFile) Sync() error { return f.t.fsync(f.path, f.i) }

func (f *newFile) checkpointing() checkpoint.Options {
	return checkpoint.Options{Lazy: f.t.how.Durability == engine.SyncNone, Now: f.t.d.o.Now}
}

func sourceID(id engine.Identity) checkpoint.Identity {
	return checkpoint.Identity{Size: id.Size, Sec: id.Sec, Nsec: id.Nsec}
}

// beginPartial begins a file that a later run can go on with.
func (f *newFile) beginPartial(ctx context.Context) error {
	until := time.Now().Add(f.t.how.Wait)
	for {
		err := f.alter("create", func(dir *inode, name string) error {
			name = manifest.NewPartialName(name, f.how.Visible)
			if e, there := f.t.d.child(dir, name); there {
				if e.ino.kind != manifest.Regular {
					return errTaken
				}
				if e.ino.holder != nil {
					return engine.ErrInUse
				}
				f.t.d.alter(dir, naming{name, nil})
			}
			f.temp, f.resumable = name, true
			f.i = f.t.d.create(dir, name)
			f.i.holder = f.t
			return nil
		})
		if err == nil {
			f.beginSidecar()
			return nil
		}
		if err := wait(ctx, until, err); err != nil {
			return err
		}
	}
}

// beginSidecar starts the sidecar of an empty partial.
func (f *newFile) beginSidecar() {
	if f.newSidecar() != nil {
		return // it cannot be resumed, and that is all
	}
	f.ckpt = checkpoint.Begin(f.sidecar(), f.data(), f.name, sourceID(f.how.Identity), f.checkpointing())
}

func (f *newFile) sidecar() *sideFile { return &sideFile{f.t, f.path, f.side} }
func (f *newFile) data() *dataFile    { return &dataFile{sideFile{f.t, f.path, f.i}} }

// newSidecar makes the sidecar anew.
func (f *newFile) newSidecar() error {
	return f.alter("create sidecar", func(dir *inode, name string) error {
		name = manifest.SidecarName(name)
		if e, there := f.t.d.child(dir, name); there {
			if e.ino.kind != manifest.Regular {
				return errTaken
			}
			f.t.d.alter(dir, naming{name, nil})
		}
		f.side = f.t.d.create(dir, name)
		return nil
	})
}

// dropSidecar removes the file's sidecar, which has become void.
func (f *newFile) dropSidecar() {
	if f.side == nil {
		return
	}
	// If it stays it is a mark of nothing, which the next run removes.
	_ = f.drop(manifest.SidecarName(f.name), f.side)
	_ = f.t.d.locked(func() error { f.side.holder = nil; return nil })
	f.side = nil
}

// markInPlace notes, before the first write, that the file itself is written.
func (f *newFile) markInPlace() error {
	err := f.alter("drop partial", func(dir *inode, name string) error {
		if !f.t.removePartials(dir, name) {
			return syscall.EBUSY // another run receives it, in another way
		}
		return nil
	})
	if err == nil {
		err = f.newSidecar()
	}
	if err != nil {
		return err
	}
	_ = f.t.d.locked(func() error { f.side.holder = f.t; return nil })
	return checkpoint.MarkInPlace(f.sidecar(), f.name, true)
}

// stopCheckpoints ends what goes on in the background. The error says that data is
// lost.
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

// partial is what an earlier run has kept of a file. It is locked.
type partial struct {
	file
	name  string            // of the file
	temp  string            // its own
	side  *inode            // its sidecar, nil for none
	state *checkpoint.State // what the sidecar says, nil for nothing
	held  []delta.Digest
}

// Partial implements [engine.Dest].
func (t *tree) Partial(ctx context.Context, path string) (engine.Partial, error) {
	until := time.Now().Add(t.how.Wait)
	p := &partial{file: file{t: t, path: path}}
	for {
		err := t.look(ctx, "open partial", path, func() error {
			dir, name, err := t.d.dirOf(t.top, path)
			if err != nil {
				return err
			}
			p.name = name
			return p.find(dir)
		})
		if err == nil {
			break
		}
		if err := wait(ctx, until, err); err != nil {
			return nil, t.fail("open partial", path, err)
		}
	}
	if err := p.readSidecar(ctx); err != nil {
		_ = p.Close() // the error is what counts
		return nil, t.fail("open partial", path, err)
	}
	return p, nil
}

// find looks for the partial and its sidecar, and locks it. The disk is locked.
func (p *partial) find(dir *inode) error {
	for _, p.temp = range manifest.PartialNames(p.name) {
		e, ok := p.t.d.child(dir, p.temp)
		switch {
		case !ok || !trusted(e.ino):
			continue
		case e.ino.holder != nil:
			return engine.ErrInUse
		}
		p.i = e.ino
		p.i.holder = p.t
		if e, ok := p.t.d.child(dir, manifest.SidecarName(p.name)); ok && trusted(e.ino) {
			p.side = e.ino
		}
		return nil
	}
	return syscall.ENOENT
}

// trusted reports whether nobody else can have written a file.
func trusted(i *inode) bool {
	return i.kind == manifest.Regular && i.nlink == 1 && i.now.uid == 0 && i.now.mode&0o022 == 0
}

// readSidecar finds out what of the partial is good.
func (p *partial) readSidecar(ctx context.Context) error {
	if p.side == nil {
		return nil
	}
	s, err := checkpoint.Read(&sideFile{p.t, p.path, p.side}, p.name)
	if err != nil || s.InPlace {
		p.side = nil
		return nil //nolint:nilerr // it is of no use: the content is a basis
	}
	p.state = s
	p.held, err = s.Held(ctx, &dataFile{sideFile{p.t, p.path, p.i}})
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
	_ = p.t.d.locked(func() error {
		if p.i.holder == p.t {
			p.i.holder = nil
		}
		return nil
	})
	return nil
}

// Unlink implements [engine.Partial].
func (p *partial) Unlink(ctx context.Context) error {
	return p.t.change(ctx, "unlink", p.path, func(dir *inode, name string) error {
		p.t.d.unlink(dir, p.temp, p.i)
		if e, ok := p.t.d.child(dir, manifest.SidecarName(name)); ok && e.ino.kind == manifest.Regular {
			p.t.d.alter(dir, naming{e.name, nil})
		}
		return nil
	})
}

// Continue implements [engine.Partial].
func (p *partial) Continue(ctx context.Context, keep int, how engine.CreateOptions) (engine.NewFile, error) {
	f := p.t.newFile(p.path, how)
	f.temp, f.resumable, f.i, f.side = p.temp, true, p.i, p.side
	f.size = int64(keep) * delta.ChunkSize
	f.end.Store(f.size)
	f.wrote.Store(true) // by an earlier run
	err := p.t.mayChange(ctx)
	if err == nil {
		err = f.truncate(f.size)
	}
	if err != nil {
		_ = p.Close() // the error is what counts
		return nil, p.t.fail("go on with", p.path, err)
	}
	switch {
	case p.state != nil:
		f.ckpt = checkpoint.Resume(f.sidecar(), f.data(), p.state, keep, p.name, sourceID(how.Identity), f.checkpointing())
	case keep == 0:
		f.beginSidecar()
	default: // there are no digests of what is kept
		_ = f.alter("unlink sidecar", func(dir *inode, name string) error { // it would be of no use, and that is all
			if e, ok := p.t.d.child(dir, manifest.SidecarName(name)); ok && e.ino.kind == manifest.Regular {
				p.t.d.alter(dir, naming{e.name, nil})
			}
			return nil
		})
	}
	p.t.enlist(f)
	return f, nil
}

// DropPartial implements [engine.Dest].
func (t *tree) DropPartial(ctx context.Context, path string) error {
	err := t.change(ctx, "drop partial", path, func(dir *inode, name string) error {
		if t.removePartials(dir, name) {
			t.removeUnused(dir, manifest.SidecarName(name))
		}
		return nil
	})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return err
}

// removePartials removes the partials of a name, and reports whether no run holds
// one. The disk is locked.
func (t *tree) removePartials(dir *inode, name string) (free bool) {
	for _, at := range manifest.PartialNames(name) {
		if !t.removeUnused(dir, at) {
			return false
		}
	}
	return true
}

// removeUnused removes a regular file that no run holds, and reports whether
// nothing is there now that one holds. The disk is locked.
func (t *tree) removeUnused(dir *inode, name string) (free bool) {
	e, ok := t.d.child(dir, name)
	if !ok || e.ino.kind != manifest.Regular {
		return true
	}
	if e.ino.holder != nil {
		return false
	}
	t.d.alter(dir, naming{name, nil})
	return true
}
