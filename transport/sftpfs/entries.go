package sftpfs

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/pkg/sftp"

	"gosync/walker/manifest"
)

// Mkdir implements [engine.Dest].
func (t *Tree) Mkdir(ctx context.Context, path string) error {
	return t.change(ctx, "mkdir", path, func(_, _ string) error {
		err := t.h.mkdir(ctx, t.at(path), attrs{flags: attrPerm, perm: dirMode})
		if err == nil {
			t.saw(path, time.Now())
			err = t.closed(ctx, t.at(path))
		}
		return err
	})
}

// dirMode lets only the owner use a directory.
const dirMode = 0o700

// closed makes sure that a new directory is its owner's only: some servers choose
// the mode by themselves. The first one shows whether this is one of them.
func (t *Tree) closed(ctx context.Context, at string) error {
	t.h.mu.Lock()
	known, needs := t.h.mkdirKnown, t.h.mkdirDeaf
	t.h.mu.Unlock()
	if !known {
		a, err := t.h.lstat(ctx, at)
		if err != nil {
			return err
		}
		needs = a.perm&0o077 != 0
		t.h.mu.Lock()
		t.h.mkdirKnown, t.h.mkdirDeaf = true, needs
		t.h.mu.Unlock()
	}
	if !needs {
		return nil
	}
	return t.h.make(ctx, setstat(fxpSetstat, at, attrs{flags: attrPerm, perm: dirMode}))
}

// Symlink implements [engine.Dest].
func (t *Tree) Symlink(ctx context.Context, path string, e *manifest.Entry, want manifest.Attrs) error {
	return t.change(ctx, "symlink", path, func(dir, _ string) error {
		var attrErr error
		err := t.replace(ctx, dir, path, func(temp string) error {
			err := t.h.s.do(ctx, func(c *sftp.Client) error { return c.Symlink(e.Link(), temp) })
			if err = t.h.explainTaken(ctx, temp, err); err == nil {
				attrErr = t.setLink(ctx, temp, e, want, nil)
			}
			return err
		})
		return errors.Join(err, attrErr)
	})
}

// Mknod implements [engine.Dest]: SFTP makes neither devices nor FIFOs.
func (t *Tree) Mknod(ctx context.Context, path string, e *manifest.Entry, _ manifest.Attrs) error {
	return t.change(ctx, "mknod", path, func(_, _ string) error { return &madeError{e.Type} })
}

// madeError says that SFTP cannot make an entry of a type.
type madeError struct{ kind manifest.Type }

func (e *madeError) Error() string { return "SFTP cannot make a " + e.kind.String() }

// Unwrap returns the system's error for the case.
func (e *madeError) Unwrap() error { return syscall.ENOTSUP }

// Link implements [engine.Dest].
func (t *Tree) Link(ctx context.Context, path, old string) error {
	if !t.h.offers(extHardlink) {
		return t.fail("link", path, &noExtension{"hard links", extHardlink})
	}
	return t.change(ctx, "link", path, func(dir, _ string) error {
		return t.in(ctx, "link", old, func(_, _ string) error {
			made := ""
			err := t.replace(ctx, dir, path, func(temp string) error {
				made = temp
				err := t.h.s.do(ctx, func(c *sftp.Client) error { return c.Link(t.at(old), temp) })
				return t.h.explainTaken(ctx, temp, err)
			})
			if err == nil {
				// To rename a name of a file to another one of it does nothing.
				err = ignoreGone(t.h.remove(ctx, made))
			}
			return err
		})
	})
}

// noExtension says what is not possible with this server.
type noExtension struct{ what, name string }

func (e *noExtension) Error() string {
	return "the SFTP server does not offer " + e.what + " (" + e.name + ")"
}

// Unwrap returns the system's error for the case.
func (e *noExtension) Unwrap() error { return syscall.ENOTSUP }

// replace makes an entry under a temporary name and renames it.
func (t *Tree) replace(ctx context.Context, dir, path string, make func(temp string) error) error {
	temp := ""
	err := t.withTemp(func(name string) error {
		temp = t.at(manifest.Join(dir, name))
		return make(temp)
	})
	if err != nil {
		return err
	}
	err = t.h.rename(ctx, temp, t.at(path), t.how.NoReplace)
	var stranded *strandedError
	if err != nil && !errors.As(err, &stranded) {
		late, end := t.h.lasting(ctx)
		defer end()
		_ = t.h.remove(late, temp) // the failure is what counts
	}
	return err
}

// Remove implements [engine.Dest].
func (t *Tree) Remove(ctx context.Context, path string, e *manifest.Entry) error {
	return t.change(ctx, "remove", path, func(_, _ string) error {
		if _, err := t.check(ctx, path, e.Type); err != nil {
			return err
		}
		if e.IsDir() {
			return t.h.rmdir(ctx, t.at(path))
		}
		return t.h.remove(ctx, t.at(path))
	})
}

// check returns what is at a path, and fails if it is not of the type.
func (t *Tree) check(ctx context.Context, path string, want manifest.Type) (attrs, error) {
	a, err := t.h.lstat(ctx, t.at(path))
	if is := typeOf(a.perm); err == nil && is != want {
		err = &typeError{is, want}
	}
	return a, err
}

// SetAttrs implements [engine.Dest]. What stands there is looked at first; the
// server goes by the name all the same.
func (t *Tree) SetAttrs(ctx context.Context, path string, e *manifest.Entry, want manifest.Attrs) error {
	if path == "" {
		return t.setRoot(ctx, e, want)
	}
	return t.change(ctx, "setattr", path, func(_, _ string) error {
		a, err := t.check(ctx, path, e.Type)
		if err != nil {
			return err
		}
		if e.IsDir() { // what new files get may change with it
			t.mu.Lock()
			delete(t.give, path)
			t.mu.Unlock()
		}
		if e.Type == manifest.Symlink {
			return t.setLink(ctx, t.at(path), e, want, &owner{a.uid, a.gid})
		}
		return t.set(ctx, t.at(path), e, want, a)
	})
}

func (t *Tree) setRoot(ctx context.Context, e *manifest.Entry, want manifest.Attrs) error {
	if t.how.ReadOnly {
		return t.fail("setattr", "", syscall.EROFS)
	}
	a, err := t.h.stat(ctx, t.top)
	if is := typeOf(a.perm); err == nil && is != e.Type {
		err = &typeError{is, e.Type}
	}
	if err == nil {
		t.mu.Lock()
		delete(t.give, "")
		t.mu.Unlock()
		err = t.set(ctx, t.top, e, want, a)
	}
	return t.fail("setattr", "", err)
}

// set sets attributes of a file or directory: the owner first, which takes bits of
// the mode away. Where that is possible a symlink that has come to be there is not
// followed.
func (t *Tree) set(ctx context.Context, at string, e *manifest.Entry, want manifest.Attrs, has attrs) error {
	ownership, rest, err := t.plan(e, want, owner{has.uid, has.gid})
	if ownership.flags != 0 && want&manifest.AttrMode == 0 && has.flags&attrPerm != 0 {
		rest.flags |= attrPerm
		rest.perm = has.perm & 0o7777
	}
	var changes []change
	times := rest
	if t.h.offers(extLsetstat) {
		if ownership.flags != 0 {
			changes = append(changes, lsetstat(at, ownership))
		}
		if rest.flags &^= attrTimes; rest.flags != 0 { // lchmod is not to be had everywhere
			changes = append(changes, setstat(fxpSetstat, at, rest))
		}
		if times.flags &= attrTimes; times.flags != 0 {
			changes = append(changes, lsetstat(at, times))
		}
	} else {
		if ownership.flags != 0 {
			changes = append(changes, setstat(fxpSetstat, at, ownership))
		}
		if rest.flags != 0 {
			changes = append(changes, setstat(fxpSetstat, at, rest))
		}
	}
	return errors.Join(append(t.h.batch(ctx, changes...), err)...)
}

// setLink sets the owner and the time of a symlink. has is its owner, if that is
// known.
func (t *Tree) setLink(ctx context.Context, at string, e *manifest.Entry, want manifest.Attrs, has *owner) error {
	want &^= manifest.AttrMode
	if want == 0 {
		return nil
	}
	if !t.h.offers(extLsetstat) {
		return &noExtension{"to set attributes of symlinks", extLsetstat}
	}
	if has == nil && want&(manifest.AttrOwner|manifest.AttrGroup) != 0 {
		a, err := t.h.lstat(ctx, at)
		if err != nil {
			return err
		}
		has = &owner{a.uid, a.gid}
	}
	if has == nil {
		has = &owner{}
	}
	ownership, rest, err := t.plan(e, want, *has)
	var changes []change
	for _, a := range []attrs{ownership, rest} {
		if a.flags != 0 {
			changes = append(changes, lsetstat(at, a))
		}
	}
	return errors.Join(append(t.h.batch(ctx, changes...), err)...)
}
