package engine

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// On one machine two paths may lead to the same file, so that a run would copy it
// onto itself: written in place it would seem to change while it is read. As for
// rsync such a file needs nothing; cp and scp call it an error, and so does a run
// with LikeCp, for directories that would be copied into themselves as well.

var (
	errSameFile   = errors.New("source and destination are the same file")
	errIntoItself = errors.New("a directory cannot be copied into itself")
)

// sameInode reports whether two descriptions are of one file.
func sameInode(a, b *manifest.Entry) bool {
	return a.Ino != 0 && a.Ino == b.Ino && a.Ext != nil && b.Ext != nil && a.Ext.Dev == b.Ext.Dev
}

// isItself reports whether a file of the destination is the very file that the
// source has for it. Listings have no devices, so where inode numbers are equal
// both are opened; what cannot be opened is left for the copy to fail on.
func (d *dest) isItself(ctx context.Context, dir *destDir, i int, dst *manifest.Entry) bool {
	if d.twin == nil || dst.Ino == 0 {
		return false
	}
	from, e, err := d.twin.entry(wire.ID{Dir: dir.index, Entry: i})
	if err != nil || e.Ino != dst.Ino {
		return false
	}
	tree, path := from.Origin(i)
	src, ok := tree.(Source)
	if !ok {
		return false
	}
	a, err := stated(src.Open(ctx, path))
	if err != nil {
		return false
	}
	b, err := stated(d.tree.Open(ctx, d.pathFor(dir, &dir.entries[i])))
	return err == nil && sameInode(&a, &b)
}

// stated describes a file that was opened to be described.
func stated(f File, err error) (manifest.Entry, error) {
	if err != nil {
		return manifest.Entry{}, err
	}
	e, err := f.Stat()
	return e, errors.Join(err, f.Close())
}

// itself plans a file that is the source's own.
func (p *planner) itself(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry) error {
	if !p.d.job.LikeCp {
		return p.same(ctx, dir, i, e, dst)
	}
	p.d.lose(wire.ID{Dir: dir.index, Entry: i})
	p.d.fail("copy", shownPath(dir, e), errSameFile)
	return nil
}

// intoItself returns the error for a directory of the sources that LikeCp would
// copy onto itself, as name of the destination, or to a place below itself.
func (f *forest) intoItself(ctx context.Context, e *manifest.Entry, name string) error {
	if !f.itself || !f.job.LikeCp || !e.IsDir() {
		return nil
	}
	at := f.job.Dest
	st, err := f.host.Stat(ctx, at)
	if errors.Is(err, fs.ErrNotExist) {
		at, _, _ = splitPath(strings.TrimRight(at, "/"))
		st, err = f.host.Stat(ctx, at)
	} else if to, err := f.host.Stat(ctx, at+"/"+name); err == nil && sameInode(&to, e) {
		return errSameFile
	}
	for err == nil { // up to the root, which is its own parent
		if sameInode(&st, e) {
			return errIntoItself
		}
		at += "/.."
		below := st
		if st, err = f.host.Stat(ctx, at); err == nil && sameInode(&st, &below) {
			return nil
		}
	}
	return nil
}
