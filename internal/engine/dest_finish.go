package engine

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// linkTask is a hard link to make when all content is in place.
type linkTask struct {
	dir   *destDir
	entry int
	lead  wire.ID  // the group's first member
	in    *destDir // its directory; nil where that is the same on both sides and was not planned
	old   string   // its path at the destination
}

// link plans an entry that is a hard link to an earlier one.
func (p *planner) link(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry, lead wire.ID) error {
	d := p.d
	path, shown, err := p.leader(lead.Dir, lead.Entry)
	if err != nil {
		return err
	}
	if dst != nil && dst.IsDir() {
		return p.displace(ctx, dir, i, e, dst)
	}
	linked := dst != nil && p.linked(ctx, path, dst)
	c := d.linkChange(e, dst)
	if alt, ok := p.altInodes[lead]; ok && dst != nil {
		linked = linked && dst.Ino == alt.ino // else the first is made a link to that one
	}
	if p.waited && dst != nil && dst.Type != e.Type {
		c = manifest.ChangeHardLink | manifest.ChangeLocal | manifest.ChangeNew // as rsync, which has removed what was there
	}
	if linked && d.job.DryRun { // as rsync has it, also where the run replaces the file that this is a name of
		shown, c = "", c&^manifest.ChangeTimeNow
	}
	if dst == nil && len(d.alts) > 0 && !p.waited { // what has waited is in none of them
		if all := p.candidates(ctx, dir, e); d.job.AltKind == AltCompare && len(all) > 0 && all[0].level == levelSame && p.alternate(ctx, dir, i, e) {
			return nil
		}
		if from, ok := p.linkFromAlternate(ctx, dir, e, lead); ok {
			c = from
		}
	}
	content := same
	if linked && e.IsRegular() {
		content = d.judge(e, dst)
	}
	switch {
	case linked && (content == same || content == doubtful && d.job.DryRun):
		// The first member has the same metadata: where these are equal it stays
		// what it is, else it is replaced and this one has to follow.
		if !d.job.DryRun {
			c = manifest.ChangeHardLink // what differs was told of at the first
		}
		d.tellLinked(dir, i, e, c, lead)
		// It is as good as its first member, which may be replaced, by a link to what
		// an alternate directory has for instance.
		if !d.job.DryRun && (d.job.RemoveSource || d.job.AltKind == AltLink && len(d.alts) > 0) {
			d.links = append(d.links, linkTask{dir, i, lead, p.byIndex[lead.Dir], path})
		}
		return nil
	case linked && content == doubtful:
		d.tellDoubtful(dir, i, e, c, shown, lead)
	default:
		d.linkItem(dir, i, e, c, shown, lead)
	}
	if c&manifest.ChangeNew != 0 {
		d.mu.Lock()
		d.made(e)
		d.mu.Unlock()
	}
	if !d.job.DryRun {
		d.links = append(d.links, linkTask{dir, i, lead, p.byIndex[lead.Dir], path})
	}
	return nil
}

// linkChange returns what is reported of an entry that becomes a hard link.
func (d *dest) linkChange(e, dst *manifest.Entry) manifest.Change {
	c := manifest.ChangeHardLink | manifest.ChangeLocal
	if dst == nil {
		return c | manifest.ChangeNew
	}
	w := d.wanted(e, dst)
	c |= d.differences(&w, dst)
	if !d.job.keepsTimes(e.Type) {
		c |= manifest.ChangeTimeNow
	}
	if e.IsRegular() && e.Size != dst.Size {
		c |= manifest.ChangeSize
	}
	return c
}

// linked reports whether the file at path is known to be the same as dst now.
func (p *planner) linked(ctx context.Context, path string, dst *manifest.Entry) bool {
	st, err := p.d.tree.Stat(ctx, path)
	return err == nil && st.Ino != 0 && st.Ino == dst.Ino && st.Type == dst.Type
}

// leader returns the path of the first member of a hard link group. It may lie
// in a directory that is equal at both ends and was not sent.
func (p *planner) leader(ld, le int) (path, shown string, err error) {
	d := p.d
	if lead := p.byIndex[ld]; lead != nil {
		e := &lead.entries[le]
		return d.pathFor(lead, e), shownPath(lead, e), nil
	}
	if d.own != nil && ld < len(d.own.source) {
		if own := d.own.source[ld]; own != nil {
			entries, _ := visible(own) // the same as the source's
			if le < len(entries) && !entries[le].IsDir() {
				path = manifest.Join(own.Path, entries[le].Name)
				return path, path, nil
			}
		}
	}
	return "", "", fmt.Errorf("%w: directory %d has the first of a group of links and was not listed", wire.ErrProtocol, ld)
}

// finish does what has to wait until all content is in place, and reports.
func (d *dest) finish(ctx context.Context) error {
	if d.tree != nil && !d.job.DryRun {
		if err := d.settle(ctx); err != nil {
			return err
		}
	} else if err := d.remove(ctx); err != nil {
		return err
	}
	d.sum.Transferred, d.sum.TransferredSize = d.transfers.Load(), d.transBytes.Load()
	d.sum.Matched = d.matched.Load()
	d.sum.Refused = d.refused
	if err := d.fatal.Load(); err != nil {
		return *err
	}
	if err := d.tellLanded(ctx); err != nil {
		return err
	}
	d.rep.flush(ctx)
	d.told.Store(true)
	if err := d.conn.Send(ctx, &d.sum); err != nil {
		return err
	}
	return d.conn.Drain(ctx)
}

// settle makes everything appear: files, links, removals, attributes of
// directories, in this order, each durable before the next where it matters.
func (d *dest) settle(ctx context.Context) error {
	if err := d.sync(ctx); err != nil {
		return err
	}
	for _, path := range d.mended { // what says that they are half written is void
		if err := d.tree.DropPartial(ctx, path); err != nil {
			if err := d.fileFailed("remove", path, err); err != nil {
				return err
			}
		}
	}
	if err := d.makeLinks(ctx); err != nil {
		return err
	}
	if d.judgeLate != nil {
		if err := d.judgeLate(ctx); err != nil {
			return err
		}
	}
	if err := d.remove(ctx); err != nil {
		return err
	}
	defer d.conn.Work()()
	for _, wave := range d.dirWaves() {
		err := d.each(ctx, len(wave), func(ctx context.Context, i int) error { return d.settleDir(ctx, wave[i]) })
		if err != nil {
			return err
		}
	}
	return d.sync(ctx)
}

// makeLinks makes the hard links. Where the first member of a group could not be
// made, what stands under its name is not the content: the next member is
// transferred in its place.
func (d *dest) makeLinks(ctx context.Context) error {
	for len(d.links) > 0 {
		links := d.links
		d.links = nil
		heirs := map[wire.ID]linkTask{}
		for _, l := range links {
			var err error
			switch heir, ok := heirs[l.lead]; {
			case d.unmade(l.dir): // it was said why
			case ok:
				l.lead, l.in, l.old = wire.ID{Dir: heir.dir.index, Entry: heir.entry}, heir.dir, d.pathFor(heir.dir, &heir.dir.entries[heir.entry])
				d.links = append(d.links, l)
			case d.isLost(l):
				heirs[l.lead] = l
				err = d.inherit(ctx, l)
			default:
				if err = d.makeLink(ctx, l); errors.Is(err, syscall.EMLINK) {
					// The first of a new group, with what can be linked to it.
					d.rep.post(NoteEvent{Text: shownPath(l.dir, &l.dir.entries[l.entry]) + " is copied: the file that it should be linked to has as many names as its file system permits"})
					heirs[l.lead] = l
					err = d.inherit(ctx, l)
				}
			}
			if err != nil {
				return err
			}
		}
		if len(heirs) == 0 {
			return nil
		}
		if err := d.await(ctx); err != nil {
			return err
		}
		if err := d.sync(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *dest) makeLink(ctx context.Context, l linkTask) error {
	e := &l.dir.entries[l.entry]
	path := d.pathFor(l.dir, e)
	if d.sameFile(ctx, path, l.old) {
		d.land(l.dir, e)
		return nil
	}
	l.dir.touched.Store(true)
	if err := d.tree.Link(ctx, path, l.old); err != nil {
		if errors.Is(err, syscall.EMLINK) {
			return err
		}
		return d.fileFailed("link", shownPath(l.dir, e), err)
	}
	d.land(l.dir, e)
	return nil
}

// inherit makes a member of a group whose first one is lost.
func (d *dest) inherit(ctx context.Context, l linkTask) error {
	e := &l.dir.entries[l.entry]
	l.dir.touched.Store(true)
	if !e.IsRegular() {
		w := d.wanted(e, nil)
		return d.makeOther(ctx, l.dir, e, &w)
	}
	d.countTransfer(e, e)
	return d.ask(ctx, d.expect(l.dir, l.entry, e, nil, trace{}))
}

// lose notes that a file could not be made.
func (d *dest) lose(id wire.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost[id] = true
}

// isLost reports whether the first member of a link's group could not be made.
func (d *dest) isLost(l linkTask) bool {
	if l.in != nil && (l.in.failed || d.unmade(l.in)) {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost[l.lead]
}

// sameFile reports whether two paths are known to be links to one file.
func (d *dest) sameFile(ctx context.Context, a, b string) bool {
	sa, err := d.tree.Stat(ctx, a)
	if err != nil {
		return false
	}
	sb, err := d.tree.Stat(ctx, b)
	return err == nil && sa.Ino != 0 && sa.Ino == sb.Ino && sa.Type == sb.Type
}

func (d *dest) sync(ctx context.Context) error {
	defer d.conn.Work()()
	if err := d.tree.Sync(ctx); err != nil {
		return &wire.Error{Code: wire.CodeFile, Kind: wire.KindOf(err), Op: "sync", Path: d.base, Text: text(err)}
	}
	if err := d.fatal.Load(); err != nil {
		return *err
	}
	return nil
}

func (d *dest) settleDir(ctx context.Context, dir *destDir) error {
	if dir.failed || d.unmade(dir) || dir.index == 0 && !d.rootMsg.HasRoot {
		return nil
	}
	attrs := dir.attrs
	if dir.touched.Load() && !dir.bare && d.job.keepsTimes(manifest.Directory) && !d.job.besides() {
		attrs |= manifest.AttrTimes
	}
	if attrs == 0 {
		return nil
	}
	if err := d.tree.SetAttrs(ctx, dir.path, &dir.want, attrs); err != nil {
		return d.fileFailed("set attributes", d.name(dir), err)
	}
	return nil
}
