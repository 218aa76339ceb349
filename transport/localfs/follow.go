package localfs

import (
	"errors"
	"fmt"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

var _ engine.Follower = (*Tree)(nil)

// Follow implements [engine.Follower]. From then on the tree is for reading only,
// and nothing keeps what is read below its root: that is what following is for.
func (t *Tree) Follow() error {
	t.follows, t.how.ReadOnly = true, true
	return nil
}

var _ engine.SomeFollower = (*Tree)(nil)

// FollowSome implements [engine.SomeFollower].
func (t *Tree) FollowSome(choose func(path, target string) bool, dirs bool) error {
	t.follows, t.how.ReadOnly = true, true
	t.some = &followed{choose, dirs}
	return nil
}

// followed says which symlinks a tree follows.
type followed struct {
	choose func(path, target string) bool
	dirs   bool
}

// stays reports whether a symlink is shown as what it is.
func (t *Tree) stays(d *dir, e *manifest.Entry) bool {
	s := t.some
	if s == nil || e.Type != manifest.Symlink || s.choose != nil && s.choose(manifest.Join(d.path, e.Name), e.Link()) {
		return false
	}
	if !s.dirs {
		return true
	}
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(d.fd, e.Name, &st, 0) })
	return err != nil || meta.TypeOf(uint32(st.Mode)) != manifest.Directory
}

// errLoop is about a symlink to a directory that it lies in. That it is an ELOOP
// is the system's idea of it, too.
var errLoop = fmt.Errorf("it leads to a directory that it lies in: %w", unix.ELOOP)

// maxUnfollowed bounds the errors of one directory; the last tells of the rest.
const maxUnfollowed = 100

// followed replaces the symlinks among the entries of d by what they lead to. err
// is what listing d has ended with. What cannot be followed, and a directory that
// the way to d has passed through already, is left out and becomes an error.
func (t *Tree) followed(d *dir, entries []manifest.Entry, err error) ([]manifest.Entry, error) {
	var errs []error
	if err != nil {
		errs = append(errs, err)
	}
	var above []fileID
	kept := entries[:0]
	var lost []string
	for _, e := range entries {
		if (e.Type == manifest.Symlink || e.IsDir()) && !t.stays(d, &e) {
			if above == nil {
				above = t.above(d)
			}
			if err := t.follow(d, &e, above); err != nil {
				if lost = append(lost, e.Name); len(lost) <= maxUnfollowed {
					errs = append(errs, &walker.EntryError{Names: []string{e.Name}, Err: t.fail("follow", manifest.Join(d.path, e.Name), err)})
				}
				continue
			}
		}
		kept = append(kept, e)
	}
	if len(lost) > maxUnfollowed {
		rest := lost[maxUnfollowed:]
		errs = append(errs, &walker.EntryError{Names: rest, Err: t.fail("follow", d.path, fmt.Errorf("and %d more in this directory", len(rest)))})
	}
	return kept, errors.Join(errs...)
}

// follow describes in e what its name in d leads to.
func (t *Tree) follow(d *dir, e *manifest.Entry, above []fileID) error {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstatat(d.fd, e.Name, &st, 0) }); err != nil {
		return err
	}
	for _, id := range above {
		if meta.TypeOf(uint32(st.Mode)) == manifest.Directory && id == (fileID{deviceOf(&st), st.Ino}) {
			return errLoop
		}
	}
	if e.Type == manifest.Symlink {
		*e = manifest.Entry{Name: e.Name}
		meta.Entry(e, &st)
		return t.describeReferent(d, e)
	}
	return nil
}

// fileID tells a file from all others of the machine.
type fileID struct{ dev, ino uint64 }

// above returns the directories from the root of the tree down to d. They were
// opened on the way to d; one that cannot be opened any more is no loop either.
func (t *Tree) above(d *dir) []fileID {
	ids := []fileID{{t.top.dev, t.top.ino}}
	for i := range len(d.path) {
		if d.path[i] != '/' {
			continue
		}
		if up, err := t.dir(d.path[:i]); err == nil {
			ids = append(ids, fileID{up.dev, up.ino})
			t.dirs.release(up)
		}
	}
	return append(ids, fileID{d.dev, d.ino})
}
