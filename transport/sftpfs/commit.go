package sftpfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"syscall"
	"time"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// syncMin is the size from which a file is made durable before the run ends. Each
// takes a flush of the server's disk by itself: there is no way to ask for that
// once for many.
const syncMin = 1 << 20

// ErrTime is in the chain of the error about a time that SFTP cannot tell.
var ErrTime = errors.New("SFTP tells times of 1970 to 2106 only")

// Commit implements [engine.NewFile]. If attributes cannot be set the file appears
// all the same, and done is told so.
func (f *newFile) Commit(ctx context.Context, size int64, e *manifest.Entry, attrs manifest.Attrs, done func(error)) {
	if !f.ends() {
		done(f.t.fail("commit", f.path, fs.ErrClosed))
		return
	}
	var err, attrErr error
	if !f.t.h.inOrder() { // else what follows does not overtake what is written
		err = f.settleWrites(ctx, 0)
	}
	if lost := f.stopCheckpoints(false); err == nil {
		err = lost
	}
	if err == nil {
		attrErr, err = f.finish(ctx, size, e, attrs)
	}
	if lost := f.settleWrites(ctx, 0); lost != nil {
		err = lost // what was not written is why the rest has failed
	}
	if err == nil && f.temp != "" {
		err = f.appear(ctx)
	}
	if err != nil {
		f.abandon(err)
	} else if f.temp == "" {
		f.dropSidecar() // the mark, or what the partial held
	}
	f.release()
	if err == nil {
		err = attrErr
	}
	done(f.t.fail("commit", f.path, err))
}

// abandon removes what was made of a file that cannot appear.
func (f *newFile) abandon(err error) {
	ctx, end := f.t.h.lasting(f.ctx)
	defer end()
	var stranded *strandedError
	if errors.As(err, &stranded) {
		return // it is all that there is
	}
	_ = f.removeMade(ctx) // the failure is what counts
	if f.temp != "" {
		f.dropSidecar()
	}
}

// finish gives the file its length and its attributes and closes it. A change of
// the owner comes before the mode, of which it takes bits away.
func (f *newFile) finish(ctx context.Context, size int64, e *manifest.Entry, want manifest.Attrs) (attrErr, err error) {
	if f.temp == "" && want&manifest.AttrTimes == 0 {
		now := *e // what is written in place has the epoch until it is complete
		now.Sec = f.t.h.Now().Unix()
		e, want = &now, want|manifest.AttrTimes
	}
	look := f.learnOwner(ctx, want)
	ownership, rest, attrErr := f.t.plan(e, want, f.has)
	var changes []change
	at := map[string]int{}
	put := func(name string, c change) {
		at[name] = len(changes)
		changes = append(changes, c)
	}
	if max(f.size, f.end.Load()) != size {
		put("size", setstat(fxpFsetstat, f.handle, sized(size)))
	}
	if ownership.flags != 0 {
		put("owner", setstat(fxpFsetstat, f.handle, ownership))
	}
	if rest.flags != 0 {
		put("attributes", setstat(fxpFsetstat, f.handle, rest))
	}
	if f.durable(size) {
		put("sync", fsync(f.handle))
	}
	put("close", closing(f.handle))
	f.handle = ""
	errs := f.t.h.batch(ctx, changes...)
	for name, i := range at {
		switch {
		case errs[i] == nil:
		case name == "owner" || name == "attributes":
			attrErr = errors.Join(attrErr, errs[i])
		case name == "sync" && errors.Is(errs[i], errors.ErrUnsupported):
		default:
			err = errors.Join(err, fmt.Errorf("%s: %w", name, f.t.explainFull(ctx, f.dir, errs[i])))
		}
	}
	if look != nil && err == nil {
		attrErr = errors.Join(attrErr, f.checkGuess(ctx, look, e, want))
	}
	return attrErr, err
}

func sized(size int64) attrs { return attrs{flags: attrSize, size: uint64(size)} }

// durable reports whether the file is to be on the disk before it gets its name.
func (f *newFile) durable(size int64) bool {
	if f.t.how.Durability == engine.SyncNone || !f.t.h.offers(extFsync) {
		return false
	}
	return f.t.how.Durability == engine.SyncEach || size >= syncMin || f.temp == ""
}

// plan returns the requests that give what belongs to has the attributes of e: its
// owner, which comes first, and the rest. The error tells what SFTP cannot express.
func (t *Tree) plan(e *manifest.Entry, want manifest.Attrs, has owner) (ownership, rest attrs, err error) {
	to := has
	if want&manifest.AttrOwner != 0 {
		to.uid = e.UID
	}
	if want&manifest.AttrGroup != 0 {
		to.gid = e.GID
	}
	if to != has {
		ownership = attrs{flags: attrOwner, uid: to.uid, gid: to.gid}
	}
	if want&manifest.AttrMode != 0 {
		rest.flags |= attrPerm
		rest.perm = uint32(e.Mode & 0o7777)
	}
	if want&manifest.AttrTimes != 0 {
		rest.flags |= attrTimes
		rest.atime, rest.mtime = t.now(), seconds(e.Sec)
		if e.Sec < 0 || e.Sec > math.MaxUint32 {
			err = fmt.Errorf("%w: that of the file becomes %v", ErrTime, time.Unix(int64(rest.mtime), 0).UTC())
		}
	}
	return ownership, rest, err
}

// appear gives the file its final name.
func (f *newFile) appear(ctx context.Context) error {
	if err := f.t.isDir(ctx, f.dir); err != nil {
		return err
	}
	if err := f.t.h.rename(ctx, f.t.at(f.beside(f.temp)), f.t.at(f.path), f.t.how.NoReplace); err != nil {
		return fmt.Errorf("rename: %w", err)
	}
	f.temp = ""
	return nil
}

// removeMade takes away what was made under a name of ours.
func (f *newFile) removeMade(ctx context.Context) error {
	name := f.temp
	if name == "" {
		if !f.made {
			return nil
		}
		name = f.name
	}
	return ignoreGone(f.t.h.remove(ctx, f.t.at(f.beside(name))))
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
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
	ctx, end := f.t.h.lasting(f.ctx)
	defer end()
	lost := f.settleWrites(ctx, 0)
	if cerr := f.stopCheckpoints(keep); lost == nil {
		lost = cerr
	}
	if f.old != nil && keep && f.temp != "" && lost == nil { // what was copied from the old file is none of it
		lost = f.t.h.make(ctx, setstat(fxpFsetstat, f.handle, sized(f.end.Load())))
	}
	switch {
	case f.temp == "" && !f.made:
		if f.wrote.Load() {
			err = f.setTime(ctx, engine.UnfinishedTime(f.how.Sec)) // and the mark stays
		}
	case !keep || f.end.Load() == 0 || lost != nil:
		err = f.dropMade(ctx)
	case f.how.Visible && f.show(ctx):
		f.dropSidecar()
	case f.resumable && f.end.Load() >= delta.ChunkSize: // it stays for a later run
	case f.temp == "" && f.how.Visible:
		err = f.setTime(ctx, engine.UnfinishedTime(f.how.Sec))
	default:
		err = f.dropMade(ctx)
	}
	f.release()
	return f.t.fail("discard", f.path, err)
}

// dropMade removes what was made, and its sidecar: but not the mark of a file that
// was made under its own name and cannot be removed, for it says what that is.
func (f *newFile) dropMade(ctx context.Context) error {
	err := f.removeMade(ctx)
	if err == nil || f.temp != "" {
		f.dropSidecar()
	}
	return err
}

// show gives an unfinished file its final name, unless something is there, with a
// time that no quick check takes for that of the whole.
func (f *newFile) show(ctx context.Context) bool {
	if f.temp == "" {
		return false
	}
	_, err := f.t.h.lstat(ctx, f.t.at(f.path))
	if !errors.Is(err, fs.ErrNotExist) || f.t.isDir(ctx, f.dir) != nil || f.setTime(ctx, engine.UnfinishedTime(f.how.Sec)) != nil {
		return false
	}
	return f.t.h.rename(ctx, f.t.at(f.beside(f.temp)), f.t.at(f.path), true) == nil
}

// errPartialDir: partials lie beside their files.
var errPartialDir = fmt.Errorf("%w: a directory for partials, over SFTP", syscall.ENOTSUP)
