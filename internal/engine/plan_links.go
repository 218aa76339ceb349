package engine

import (
	"cmp"
	"context"
	"slices"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Which name of a group of hard links carries the content is chosen as rsync does: the
// first, in the order of the walk, under which there is a file already, whatever it
// holds, else the last. So a new name of a file that is there costs no transfer,
// wherever it stands in order. A group is complete when as many names were seen as its
// file has; what lies outside of the transfer is waited for until everything was listed.
// What is no regular file is made under its group's first name.

// linkGroup is a group of regular files of which no member was chosen yet.
type linkGroup struct {
	first   wire.ID
	unseen  uint64 // names that were not listed yet
	waiting []waiter
}

// waiter is a member that the destination has nothing for.
type waiter struct {
	dir   *destDir
	entry int
	freed bool // a directory was in its way
}

func (w *waiter) id() wire.ID { return wire.ID{Dir: w.dir.index, Entry: w.entry} }

// seeLink finds the group of an entry that is listed now, which may begin with it.
func (p *planner) seeLink(dir *destDir, i int) {
	e := &dir.entries[i]
	switch ld, le, ok := e.Leader(); {
	case !p.d.job.HardLinks || !e.IsRegular():
	case ok:
		if g := p.groups[wire.ID{Dir: ld, Entry: le}]; g != nil && g.unseen > 0 {
			g.unseen--
		}
	case e.Ext != nil && e.Ext.First:
		id := wire.ID{Dir: dir.index, Entry: i}
		if p.groups == nil {
			p.groups = map[wire.ID]*linkGroup{}
		}
		p.groups[id] = &linkGroup{first: id, unseen: e.Ext.Nlink - 1}
	}
}

// groupOf returns the group of an entry, nil if it has none for which a member is still
// to be chosen.
func (p *planner) groupOf(dir *destDir, i int) *linkGroup {
	if len(p.groups) == 0 || !dir.entries[i].IsRegular() {
		return nil
	}
	id := wire.ID{Dir: dir.index, Entry: i}
	if ld, le, ok := dir.entries[i].Leader(); ok {
		id = wire.ID{Dir: ld, Entry: le}
	}
	return p.groups[id]
}

// linkable plans an entry that is no directory and may be one of a group. What the
// destination has nothing for waits for another of its group. Those that wait become
// links to the first that does not, or to the last.
func (p *planner) linkable(ctx context.Context, dir *destDir, i int) error {
	g := p.groupOf(dir, i)
	if g == nil {
		return p.entry(ctx, dir, i)
	}
	dst := dir.find(p.d.nameFor(dir, &dir.entries[i]))
	if dst != nil && dst.IsDir() {
		return p.entry(ctx, dir, i) // see vacant
	}
	if p.d.inTheWay(&dir.entries[i], dst) != nil {
		if err := p.entry(ctx, dir, i); err != nil {
			return err
		}
		return p.skipLink(ctx, dir, i)
	}
	if g.unseen > 0 && !p.hasBasisFor(ctx, dir, i, dst) {
		g.waiting = append(g.waiting, waiter{dir: dir, entry: i})
		return nil
	}
	p.choose(g, wire.ID{Dir: dir.index, Entry: i})
	if err := p.entry(ctx, dir, i); err != nil {
		return err
	}
	return p.linkWaiting(ctx, g)
}

// hasBasisFor reports whether there is something that a regular file can be made from.
func (p *planner) hasBasisFor(ctx context.Context, dir *destDir, i int, dst *manifest.Entry) bool {
	e := &dir.entries[i]
	if dst != nil && dst.IsRegular() || dir.leftPartial(p.d.nameFor(dir, e)) || len(p.candidates(ctx, dir, e)) > 0 {
		return true
	}
	_, like := p.like(ctx, dir, e)
	return like != nil
}

// choose has a member carry the content of its group.
func (p *planner) choose(g *linkGroup, carrier wire.ID) {
	delete(p.groups, g.first)
	if carrier != g.first {
		p.standFor(g.first, &carrier)
	}
}

// linkWaiting plans what has waited, the last first as rsync does. If the carrier is left
// alone after all one of them takes its place.
func (p *planner) linkWaiting(ctx context.Context, g *linkGroup) error {
	slices.SortFunc(g.waiting, compareWaiters)
	for _, w := range slices.Backward(g.waiting) {
		p.waited = !w.freed
		err := p.late(ctx, w)
		p.waited = false
		if err != nil {
			return err
		}
	}
	return nil
}

// late plans a member out of its turn, apart from what is asked for in the directory in
// hand.
func (p *planner) late(ctx context.Context, w waiter) error {
	wants, checks, alts := p.wants, p.checks, p.alts
	p.wants, p.checks, p.alts = nil, nil, nil
	plan := p.entry
	if w.freed {
		plan = p.fill
	}
	err := plan(ctx, w.dir, w.entry)
	if err == nil && len(p.wants)+len(p.checks)+len(p.alts) > 0 {
		err = p.requestLate(ctx, w.dir)
	}
	p.wants, p.checks, p.alts = wants, checks, alts
	return err
}

// skipLink goes on with a group of which a member is left alone: if it was the last, the
// last of those that wait takes its place.
func (p *planner) skipLink(ctx context.Context, dir *destDir, i int) error {
	g := p.groupOf(dir, i)
	if g == nil || g.unseen > 0 || len(g.waiting) == 0 {
		return nil
	}
	return p.carryLast(ctx, g)
}

// carryLast has the last of those that wait carry the content.
func (p *planner) carryLast(ctx context.Context, g *linkGroup) error {
	last := slices.MaxFunc(g.waiting, compareWaiters)
	g.waiting = slices.DeleteFunc(g.waiting, func(w waiter) bool { return w == last })
	p.choose(g, last.id())
	if err := p.late(ctx, last); err != nil {
		return err
	}
	return p.linkWaiting(ctx, g)
}

// vacant plans an entry where a directory is in the way no more, now or when everything
// was listed.
func (p *planner) vacant(ctx context.Context, dir *destDir, i int) error {
	if g := p.groupOf(dir, i); g != nil {
		g.waiting = append(g.waiting, waiter{dir, i, true})
		return nil
	}
	return p.fill(ctx, dir, i)
}

// endGroups plans what has waited for names that did not come, when everything was
// listed and is out of the way.
func (p *planner) endGroups(ctx context.Context) error {
	defer p.d.conn.Work()()
	var left []*linkGroup
	for _, g := range p.groups {
		if len(g.waiting) > 0 {
			left = append(left, g)
		} else {
			delete(p.groups, g.first) // all of it was left alone
		}
	}
	slices.SortFunc(left, func(a, b *linkGroup) int { return compareIDs(a.first, b.first) })
	for _, g := range left {
		if err := p.carryLast(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

func compareWaiters(a, b waiter) int { return compareIDs(a.id(), b.id()) }

func compareIDs(a, b wire.ID) int {
	return cmp.Or(cmp.Compare(a.Dir, b.Dir), cmp.Compare(a.Entry, b.Entry))
}

// tellLinked reports an entry that is a hard link already, if that is asked for or
// something differs.
func (d *dest) tellLinked(dir *destDir, i int, e *manifest.Entry, c manifest.Change, lead wire.ID) {
	if c &^= manifest.ChangeLocal; c != manifest.ChangeHardLink || d.job.ItemizeAll {
		d.linkItem(dir, i, e, c, "", lead)
	}
}

// tellDoubtful is that of an entry that is a link to a file whose content is compared:
// where it is not the same, that file is replaced.
func (d *dest) tellDoubtful(dir *destDir, i int, e *manifest.Entry, c manifest.Change, shown string, lead wire.ID) {
	if ev := d.itemEvent(dir, i, e, c, shown); ev != nil {
		it := ev.(ItemEvent)
		it.lead = lead
		d.rep.post(doubtfulLink{it, d})
	}
}

// doubtfulLink is the event of such an entry. When it is delivered that of the file it is
// linked to was.
type doubtfulLink struct {
	ItemEvent
	d *dest
}

// each delivers what there is to tell.
func (l doubtfulLink) each(f func(Event) error) error {
	l.d.mu.Lock()
	replaced := l.d.replaced[l.lead]
	l.d.mu.Unlock()
	ev := l.ItemEvent
	if !replaced {
		ev.Change, ev.Link = manifest.ChangeHardLink, ""
		if !l.d.job.ItemizeAll {
			return nil
		}
	}
	return f(ev)
}

// linkItem reports that an entry is or becomes a hard link to another.
func (d *dest) linkItem(dir *destDir, i int, e *manifest.Entry, c manifest.Change, shown string, lead wire.ID) {
	if ev := d.itemEvent(dir, i, e, c, shown); ev != nil {
		it := ev.(ItemEvent)
		it.lead = lead
		d.rep.post(it)
	}
}
