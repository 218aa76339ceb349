package sftpfs

import (
	"context"
	"math"

	"gosync/walker/manifest"
)

// learnOwner finds out whom the file belongs to, if that is to be set. Of the files
// of a directory the first only is looked at, and where it is known who the session
// is that is taken for the answer: the request that asks is returned, and
// [newFile.checkGuess] has to hear what comes of it.
func (f *newFile) learnOwner(ctx context.Context, want manifest.Attrs) *request {
	if want&(manifest.AttrOwner|manifest.AttrGroup) == 0 || f.temp == "" && !f.made {
		return nil
	}
	f.t.mu.Lock()
	has, ok := f.t.give[f.dir]
	f.t.mu.Unlock()
	if ok && !f.resumable {
		f.has = has
		return nil
	}
	look, err := f.t.h.s.start(ctx, fxpFstat, onHandle(f.handle), nil)
	if err != nil {
		f.has = owner{math.MaxUint32, math.MaxUint32} // as nobody's it is given away
		return nil
	}
	f.t.h.mu.Lock()
	login := f.t.h.login
	f.t.h.mu.Unlock()
	if login != nil && f.t.h.inOrder() && !f.resumable {
		f.has = *login
		return look
	}
	a, err := decodeAttrs(look.want(ctx, fxpAttrs))
	f.learn(a, err)
	return nil
}

// learn takes the answer, and notes it for the other files of the directory.
func (f *newFile) learn(a attrs, err error) {
	if err != nil || a.flags&attrOwner == 0 {
		f.has = owner{math.MaxUint32, math.MaxUint32}
		return
	}
	f.has = owner{a.uid, a.gid}
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	if len(f.t.give) >= maxDirs {
		clear(f.t.give)
	}
	f.t.give[f.dir] = f.has
}

// checkGuess gives the file its attributes again where it has not belonged to whom
// it was thought to: a directory may hand its group on.
func (f *newFile) checkGuess(ctx context.Context, look *request, e *manifest.Entry, want manifest.Attrs) error {
	guess := f.has
	a, err := decodeAttrs(look.want(ctx, fxpAttrs))
	if f.learn(a, err); f.has == guess {
		return nil
	}
	name := f.temp
	if name == "" {
		name = f.name
	}
	a.uid, a.gid = f.has.uid, f.has.gid
	return f.t.set(ctx, f.t.at(f.beside(name)), e, want, a)
}
