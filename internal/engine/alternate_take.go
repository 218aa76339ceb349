package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// tellAlternate reports what is done to an entry.
func (d *dest) tellAlternate(a *alternate, c manifest.Change) {
	if a.slot == nil {
		d.item(a.dir, a.entry, a.e(), c, "")
		return
	}
	a.slot.settle(d.itemEvent(a.dir, a.entry, a.e(), c, ""))
}

// take makes an entry of the best candidate, whose content is right or, of what is no
// regular file, does not matter.
func (d *dest) take(ctx context.Context, a *alternate) {
	e, c := a.e(), &a.all[0]
	w := d.wanted(e, &c.entry)
	change := manifest.ChangeLocal | d.differences(&w, &c.entry)
	do := d.copyAlternate
	switch {
	case c.level == levelSame && d.job.AltKind == AltCompare:
		if change, do = 0, nil; a.dst != nil || a.other != nil {
			do = d.dropCompared
		}
		d.lose(wire.ID{Dir: a.dir.index, Entry: a.entry}) // nothing can be linked to it
	case c.level == levelSame && d.job.AltKind == AltLink:
		change |= manifest.ChangeHardLink
		do = d.linkAlternate
	case e.IsRegular() && !d.job.Times:
		change |= manifest.ChangeTimeNow
	case !e.IsRegular() && c.level != levelSame:
		change |= manifest.ChangeContent
		switch {
		case !d.job.Times:
			change |= manifest.ChangeTimeNow
		case !d.job.keepsTimes(e.Type): // as in planner.other
			change |= manifest.ChangeTime
		}
	}
	d.tellAlternate(a, change)
	if do == nil {
		return
	}
	a.dir.touched.Store(true)
	if d.job.DryRun {
		return
	}
	d.begun()
	d.when(a.dir, func(there bool) error {
		defer d.over()
		if !there {
			d.lose(wire.ID{Dir: a.dir.index, Entry: a.entry})
			return nil // it was said why
		}
		return do(ctx, a)
	})
}

// dropCompared removes a file that stands at the destination in some state, or what is
// there in its place, where none is wanted because an alternate directory has the right one.
func (d *dest) dropCompared(ctx context.Context, a *alternate) error {
	if err := d.tree.Remove(ctx, d.pathFor(a.dir, a.e()), cmp.Or(a.dst, a.other)); err != nil && !isGone(err) {
		return d.fileFailed("remove", shownPath(a.dir, a.e()), err)
	}
	return nil
}

// linkAlternate makes an entry a hard link. Where that cannot be, because there are
// as many links as there may be, or another file system lies between, it is copied.
func (d *dest) linkAlternate(ctx context.Context, a *alternate) error {
	c, to := &a.all[0], d.pathFor(a.dir, a.e())
	err := errors.ErrUnsupported
	if l, ok := capability[Linker](d.tree); ok {
		err = l.LinkFrom(ctx, to, d.alts[c.alt].tree, manifest.Join(a.dir.path, c.entry.Name), &c.entry)
	}
	if err == nil || a.right && ctx.Err() == nil {
		d.land(a.dir, a.e())
		return nil
	}
	if ctx.Err() != nil || hopeless(err) {
		return d.fileFailed("link", shownPath(a.dir, a.e()), err)
	}
	return d.copyAlternate(ctx, a)
}

// copyAlternate makes an entry from what an alternate directory has. What cannot be
// read, or has changed since, is asked of the source.
func (d *dest) copyAlternate(ctx context.Context, a *alternate) error {
	e := a.e()
	if !e.IsRegular() {
		w := d.wantedIn(a.dir, e, nil)
		return d.makeOther(ctx, a.dir, e, &w)
	}
	in := d.expect(a.dir, a.entry, e, nil, trace{})
	c := &a.all[0]
	src, err := openListed(ctx, d.alts[c.alt].tree, manifest.Join(a.dir.path, c.entry.Name), &c.entry)
	if err != nil {
		d.countTransfer(e, e)
		return d.ask(ctx, in)
	}
	defer src.Close()
	f, err := in.create(ctx, d, nil)
	if err == nil {
		err = d.fill(ctx, f, src, e.Size)
	}
	var st manifest.Entry
	if err == nil {
		st, err = src.Stat()
	}
	switch {
	case err != nil:
		giveUp(f)
		defer d.finished(in)
		d.lose(in.id)
		return d.fileFailed("copy", in.shown, err)
	case !sameListed(&st, &c.entry):
		removeFile(f)
		d.countTransfer(e, e)
		return d.ask(ctx, in)
	}
	d.commit(ctx, in, f, e.Size, false)
	return nil
}

var errOther = errors.New("it is not the file any more that was listed")

// openListed opens a file, and fails if it is not what was listed.
func openListed(ctx context.Context, t Source, path string, e *manifest.Entry) (File, error) {
	f, err := t.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !sameListed(&st, e) {
		err = errOther
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func sameListed(st, e *manifest.Entry) bool {
	return st.Ino == e.Ino && st.Size == e.Size && st.Sec == e.Sec && st.Nsec == e.Nsec
}

// fill copies size bytes of src, by the kernel where it can.
func (d *dest) fill(ctx context.Context, f NewFile, src File, size int64) error {
	defer d.conn.Work()()
	if ok, err := f.CopyFrom(ctx, src, size); ok || err != nil {
		return err
	}
	buf := d.chunkBuffer(min(size, delta.ChunkSize))
	defer d.bufs.Put(&buf)
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := src.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if n == 0 {
			return fmt.Errorf("%w: it ends at %d: %w", ErrChanged, off, errors.Join(err, io.ErrUnexpectedEOF))
		}
		if _, err := f.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}
