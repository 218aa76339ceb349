package sftpfs

import (
	"context"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

var _ engine.Lister = (*Tree)(nil)

// OpenListed implements [engine.Lister]. A small file takes OPEN, READ, FSTAT and
// CLOSE, and two round trips: what a listing of a moment ago has told is not asked
// for again, and READ and FSTAT go at once. The FSTAT comes behind the READ, so that
// a file which was changed, or exchanged, since it was listed shows.
func (t *Tree) OpenListed(ctx context.Context, path string, e *manifest.Entry) (engine.File, error) {
	dir, _, err := split(path)
	if err != nil || !t.h.inOrder() || t.follows || e.Size > int64(t.h.readSize) || t.listAge(dir) > listTrust {
		return t.Open(ctx, path)
	}
	var f *file
	err = t.in(ctx, "open", path, func(dir, name string) error {
		handle, err := t.openSeen(ctx, dir, path)
		if err != nil {
			return err
		}
		f = t.opened(ctx, path, name, handle)
		was, fresh := *e, *e
		f.was, f.fresh = &was, &fresh
		f.size.Store(e.Size)
		f.readAll()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openSeen opens what a listing has shown to be a regular file. Unless that was as
// short ago as a look at a directory may be, the server looks again just before it.
func (t *Tree) openSeen(ctx context.Context, dir, path string) (handle string, err error) {
	if t.listAge(dir) < t.trust {
		return t.h.open(ctx, t.at(path), flagRead, 0)
	}
	look, err := t.startLook(ctx, path)
	if err != nil {
		return "", err
	}
	handle, err = t.h.open(ctx, t.at(path), flagRead, 0)
	if err == nil {
		if err = regular(decodeAttrs(look.want(ctx, fxpAttrs))); err != nil {
			t.h.forget(handle)
		}
	}
	return handle, err
}

// regular fails unless attributes are those of a regular file.
func regular(a attrs, err error) error {
	if is := typeOf(a.perm); err == nil && is != manifest.Regular {
		return &typeError{is, manifest.Regular}
	}
	return err
}

// readAll asks for the whole of a small file, and for its attributes behind that.
// What cannot be asked for now is when somebody wants it.
func (f *file) readAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.size.Load(); n > 0 {
		if !f.t.h.ahead.TryAcquire(n) {
			return
		}
		b, err := f.start(0, int(n))
		if err != nil {
			f.t.h.ahead.Release(n)
			return
		}
		b.held = true
		f.ahead[0] = b
	}
	f.after, _ = f.t.h.s.start(f.ctx, fxpFstat, onHandle(f.handle), nil)
}

// state returns what the file is now, or when asked was sent. If that is not what
// was listed something else may stand there, which must be a regular file, too.
func (f *file) state(asked *request, was *manifest.Entry) (e manifest.Entry, err error) {
	if asked == nil {
		e, err = f.look(f.ctx)
	} else {
		e, err = f.looked(decodeAttrs(asked.want(f.ctx, fxpAttrs)))
	}
	if err == nil && e.Type != manifest.Regular {
		err = &typeError{e.Type, manifest.Regular}
	}
	if err == nil && was != nil && (e.Size != was.Size || e.Sec != was.Sec) {
		err = regular(f.t.look(f.ctx, f.path))
	}
	return e, err
}
