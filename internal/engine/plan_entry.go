package engine

import (
	"context"
	"fmt"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// item reports what is done to an entry.
func (d *dest) item(dir *destDir, entry int, e *manifest.Entry, c manifest.Change, link string) {
	if ev := d.itemEvent(dir, entry, e, c, link); ev != nil {
		d.rep.post(ev)
	}
}

func (d *dest) itemEvent(dir *destDir, entry int, e *manifest.Entry, c manifest.Change, link string) Event {
	if !d.job.Itemize || c == 0 && !d.job.ItemizeAll {
		return nil
	}
	ev := ItemEvent{Entry: *e, Change: c, Link: link, id: wire.ID{Dir: dir.index, Entry: entry}}
	if entry != rootEntry {
		ev.Path = shownPath(dir, e)
	}
	return ev
}

// made counts an entry that is created.
func (d *dest) made(e *manifest.Entry) { count(&d.sum.Created, e) }

// entry plans one entry that is not a directory.
func (p *planner) entry(ctx context.Context, dir *destDir, i int) error {
	d, e := p.d, &dir.entries[i]
	dst := dir.find(d.nameFor(dir, e))
	if !d.copies(e) {
		d.rep.post(SkipEvent{Path: shownPath(dir, e), Reason: "skipping non-regular file"})
		return nil
	}
	if d.job.SafeLinks && e.Type == manifest.Symlink && isUnsafe(shownPath(dir, e), e.Link()) {
		d.lose(wire.ID{Dir: dir.index, Entry: i})
		d.rep.post(SkipEvent{Path: shownPath(dir, e) + "\" -> \"" + e.Link(), Reason: UnsafeSymlink})
		return nil
	}
	if err := d.inTheWay(e, dst); err != nil {
		d.lose(wire.ID{Dir: dir.index, Entry: i})
		return d.fileFailed("copy", shownPath(dir, e), err)
	}
	if lead, ok := p.linkedTo(dir, i, e); ok {
		return p.link(ctx, dir, i, e, dst, lead)
	}
	if dst != nil && !sameKind(e.Type, dst.Type) {
		if dst.IsDir() {
			return p.displace(ctx, dir, i, e, dst)
		}
		dst = nil // anything but a directory is replaced in one step
	}
	if e.IsRegular() {
		return p.regular(ctx, dir, i, e, dst)
	}
	return p.other(ctx, dir, i, e, dst)
}

// nameFor returns the name that an entry has at the destination.
func (d *dest) nameFor(dir *destDir, e *manifest.Entry) string {
	if d.rename != "" && dir.index == 0 {
		return d.rename
	}
	return e.Name
}

// pathFor returns the path that an entry has at the destination.
func (d *dest) pathFor(dir *destDir, e *manifest.Entry) string {
	return manifest.Join(dir.path, d.nameFor(dir, e))
}

// copies reports whether the run copies entries of this type.
func (d *dest) copies(e *manifest.Entry) bool {
	if e.Type.IsDevice() && !d.job.isSuper(d.host.IDs()) && !d.job.ListOnly {
		return false // nobody else may make any
	}
	return d.job.copies(e)
}

// other plans a symlink, a device, a FIFO or a socket.
func (p *planner) other(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry) error {
	d := p.d
	w := d.wantedIn(dir, e, dst)
	if dst != nil && sameSpecial(e, dst) {
		c := d.differences(&w, dst)
		d.attrItem(dir, i, e, c, &w, dst)
		return d.setAttrs(ctx, dir, e, &w, c|d.exact(e, dst))
	}
	if dst == nil && p.alternate(ctx, dir, i, e) {
		return nil
	}
	c := manifest.ChangeLocal | manifest.ChangeNew
	if dst != nil {
		c = manifest.ChangeLocal | manifest.ChangeContent | d.differences(&w, dst)
		switch {
		case !d.job.Times:
			c |= manifest.ChangeTimeNow
		case !d.job.keepsTimes(w.Type): // rsync's letter for it is that of a time that is kept
			c |= manifest.ChangeTime
		}
	} else {
		d.mu.Lock()
		d.made(e)
		d.mu.Unlock()
	}
	d.item(dir, i, e, c, "")
	dir.touched.Store(true)
	if d.job.DryRun {
		return nil
	}
	return d.do(dir, func() error { return d.makeOther(ctx, dir, e, &w) })
}

// sameSpecial reports whether two entries of one type stand for the same thing.
func sameSpecial(a, b *manifest.Entry) bool {
	if a.Type == manifest.Symlink {
		return a.Link() == b.Link()
	}
	am, an := a.Device()
	bm, bn := b.Device()
	return a.Type == b.Type && am == bm && an == bn
}

// sameKind reports whether an entry of one type that takes the place of one of the other
// counts as changed, and not as new. Devices are of one kind, and so are FIFOs and sockets.
func sameKind(a, b manifest.Type) bool {
	return a == b || a.IsDevice() && b.IsDevice() || a.IsSpecial() && b.IsSpecial()
}

// displace plans an entry where the destination has a directory: that is
// removed first, if it is empty or if deletions are asked for.
func (p *planner) displace(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry) error {
	d := p.d
	id := wire.ID{Dir: dir.index, Entry: i}
	if !d.job.Delete && !d.job.Force {
		path := d.pathFor(dir, e)
		entries, err := d.tree.List(ctx, path)
		if err == nil && len(entries) > 0 {
			d.lose(id)
			d.rep.post(SkipEvent{Path: shownPath(dir, e), Reason: ReasonNotEmpty})
			return d.fileFailed("replace", shownPath(dir, e), fmt.Errorf("a directory is in the way and not empty: remove it, or use --delete or --force"))
		}
		if err == nil && !d.job.DryRun {
			err = d.tree.Remove(ctx, path, dst)
		}
		if err != nil {
			d.lose(id)
			return d.fileFailed("remove", shownPath(dir, e), err)
		}
		return p.vacant(ctx, dir, i)
	}
	self := deadEntry{&deadDir{dir.path, dir.shown}, *dst}
	gone, all, err := p.subtree(ctx, nil, self, dir.scope)
	if err != nil {
		return err
	}
	if !all {
		d.lose(id)
		for _, g := range gone {
			if g.kept != "" {
				d.rep.post(g)
			}
		}
		return d.fileFailed("replace", shownPath(dir, e), d.errKept())
	}
	last := &gone[len(gone)-1] // the directory itself
	if last.entries = last.entries[:len(last.entries)-1]; len(last.entries) == 0 {
		gone = gone[:len(gone)-1]
	}
	d.hold(gone)
	d.blocked = append(d.blocked, blockedEntry{dir: dir, entry: i, gone: gone, self: self})
	return nil
}

// fill plans an entry where the destination has nothing any more.
func (p *planner) fill(ctx context.Context, dir *destDir, i int) error {
	e := &dir.entries[i]
	lead, linked := p.linkedTo(dir, i, e)
	switch {
	case linked:
		return p.link(ctx, dir, i, e, nil, lead)
	case e.IsRegular():
		return p.regular(ctx, dir, i, e, nil)
	}
	return p.other(ctx, dir, i, e, nil)
}
