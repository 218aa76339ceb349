package engine

import (
	"context"
	"slices"

	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// deadEntry is an entry of the destination that is to be removed. There may be as
// many as the destination has entries, so paths are made when they are needed.
type deadEntry struct {
	dir   *deadDir // where it lies
	entry manifest.Entry
}

// deadDir is a directory of the destination in which something is to be removed.
type deadDir struct {
	path  string // at the destination
	shown string // in messages
}

func (g *deadEntry) path() string  { return manifest.Join(g.dir.path, g.entry.Name) }
func (g *deadEntry) shown() string { return manifest.Join(g.dir.shown, g.entry.Name) }

// deadGroup is some entries that are removed one after the other, or a directory that
// would be but for what stays in it.
type deadGroup struct {
	entries []deadEntry
	kept    string // that directory, in messages
	slot    *slot  // their place among the events, kept until it is known whether they are removed
}

func (deadGroup) event() {}

func (g deadGroup) each(f func(Event) error) error {
	if g.kept != "" {
		return f(SkipEvent{Path: g.kept, Reason: ReasonNotEmpty})
	}
	for i := range g.entries {
		if err := f(DeleteEvent{Path: g.entries[i].shown(), Dir: g.entries[i].entry.IsDir()}); err != nil {
			return err
		}
	}
	return nil
}

// maxGroup is the greatest number of entries in a group. Groups are never copied
// as a whole, as one slice of all that is removed would be while it grows.
const maxGroup = 1024

// add appends an entry to what is removed.
func add(groups []deadGroup, g deadEntry) []deadGroup {
	if n := len(groups); n == 0 || len(groups[n-1].entries) == maxGroup || groups[n-1].kept != "" {
		groups = append(groups, deadGroup{})
	}
	last := &groups[len(groups)-1]
	last.entries = append(last.entries, g)
	return groups
}

// deletions collects what the destination has in dir and the source has not.
// What is collected is removed at the end, if at all: not before the source has
// listed everything without error and the amount was judged.
func (p *planner) deletions(ctx context.Context, dir *destDir) error {
	d := p.d
	hollow := dir.hollow != nil && !d.job.DeleteEmptySource
	if hollow && d.job.Delete && p.inScope(dir) && !d.others(dir) && dir.hasExtraneous() && !dir.hollow.hollowTold {
		dir.hollow.hollowTold = true
		d.hollow = append(d.hollow, dir.hollow.shown)
	}
	if !d.job.Delete || hollow || dir.incomplete || d.rename != "" || dir.failed || !p.inScope(dir) || d.others(dir) {
		return p.findStrays(ctx, dir)
	}
	order := manifest.Order(dir.dst)
	slices.Reverse(order)
	late := d.judgesLate()
	var extra []manifest.Entry
	for _, i := range order {
		dst := &dir.dst[i]
		_, ok := manifest.Find(dir.entries, dst.Name)
		if ok || !late && dir.protected != nil && dir.protected[i] || d.backups != "" && d.backups == manifest.Join(dir.path, dst.Name) {
			continue
		}
		extra = append(extra, *dst)
	}
	if late {
		if len(extra) > 0 {
			d.late = append(d.late, lateDir{dir, extra})
		}
		return p.findStrays(ctx, dir)
	}
	gone, err := p.subtrees(ctx, dir, extra, dir.scope)
	if err != nil {
		return err
	}
	p.noteStrays(gone)
	if !d.job.DeleteAfter && !d.job.DeleteBefore {
		d.hold(gone)
	}
	if entriesOf(gone) > 0 {
		dir.touched.Store(true)
	}
	d.dead = append(d.dead, gone...)
	return nil
}

// subtrees collects extraneous entries of dir, in the order given, with all below them.
func (p *planner) subtrees(ctx context.Context, dir *destDir, extra []manifest.Entry, scope *filter.Scope) (gone []deadGroup, err error) {
	var below []string
	for i := range extra {
		if e := &extra[i]; e.IsDir() && (e.Ext == nil || !e.Ext.Mount) {
			below = append(below, manifest.Join(dir.path, e.Name))
		}
	}
	p.ahead.want(below)
	at := &deadDir{dir.path, dir.shown}
	for i := range extra {
		if gone, _, err = p.subtree(ctx, gone, deadEntry{at, extra[i]}, scope); err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// hold keeps the places of entries among the events.
func (d *dest) hold(groups []deadGroup) {
	for i := range groups {
		groups[i].slot = d.rep.hold()
	}
}

// hasExtraneous reports whether the destination has something in dir that the
// source has not, and that is not protected.
func (dir *destDir) hasExtraneous() bool {
	for i := range dir.dst {
		if _, ok := manifest.Find(dir.entries, dir.dst[i].Name); !ok && (dir.protected == nil || !dir.protected[i]) {
			return true
		}
	}
	return false
}

// inScope reports whether the source stands for the whole content of dir, so
// that what it does not have is extraneous. It does not for directories that
// were only implied by the names given.
func (p *planner) inScope(dir *destDir) bool {
	if !p.d.requested.covers(dir.shown) {
		return false
	}
	if dir.index == 0 {
		return p.d.rootMsg.HasRoot
	}
	return p.d.job.Recursive
}

// subtree appends an extraneous entry with everything below it to gone, what is
// removed first coming first. Directories that hold something protected are left;
// all tells that the entry itself is not.
func (p *planner) subtree(ctx context.Context, gone []deadGroup, self deadEntry, scope *filter.Scope) (_ []deadGroup, all bool, err error) {
	if self.entry.Ext != nil && self.entry.Ext.Mount {
		return gone, false, nil // another file system is not the transfer's
	}
	if !self.entry.IsDir() {
		return add(gone, self), true, nil
	}
	first, err := p.doom(ctx, self, scope)
	if err != nil || first == nil {
		return gone, false, err
	}
	// An explicit stack, because the depth is the destination's.
	stack := []*doomed{first}
	for len(stack) > 0 {
		f := stack[len(stack)-1]
		if f.next == len(f.list) {
			stack = stack[:len(stack)-1]
			if !f.kept {
				gone = add(gone, f.self)
				continue
			}
			if gone = append(gone, deadGroup{kept: f.dir.shown}); len(stack) > 0 {
				stack[len(stack)-1].kept = true
			}
			continue
		}
		child, ok := f.step()
		if !ok {
			continue
		}
		if !child.entry.IsDir() {
			gone = add(gone, child)
			continue
		}
		g, err := p.doom(ctx, child, f.scope)
		if err != nil {
			return nil, false, err
		}
		if g == nil {
			f.kept = true
			continue
		}
		stack = append(stack, g)
	}
	return gone, !first.kept, nil
}

// doomed is an extraneous directory whose content is being collected.
type doomed struct {
	self  deadEntry
	dir   *deadDir         // the same, for what is in it
	list  []manifest.Entry // in the order of removal
	next  int
	kept  bool // something in it stays, and so it does too
	scope *filter.Scope
	d     *dest
}

// step returns the next entry that is removed; false where it stays.
func (f *doomed) step() (deadEntry, bool) {
	e := f.list[f.next]
	f.next++
	if f.stays(&e) {
		f.kept = true
		return deadEntry{}, false
	}
	if f.d.leavesBackup(f.dir.path, &e) {
		f.kept = true // for the backup
	}
	return deadEntry{f.dir, e}, true
}

// stays reports whether an entry is not removed: the rules protect it, or another file
// system begins there.
func (f *doomed) stays(e *manifest.Entry) bool {
	return f.scope != nil && f.scope.Excluded(e.Name, e.IsDir(), filter.Receiver) || e.Ext != nil && e.Ext.Mount ||
		f.d.backups != "" && f.d.backups == manifest.Join(f.dir.path, e.Name)
}

// doom lists an extraneous directory; nil where it must stay because the rules
// for it cannot be read.
func (p *planner) doom(ctx context.Context, self deadEntry, scope *filter.Scope) (*doomed, error) {
	d := p.d
	f := &doomed{self: self, dir: &deadDir{self.path(), self.shown()}, d: d}
	var err error
	if scope != nil {
		if f.scope, err = scope.Enter(self.entry.Name, p.mergeFile(ctx, &destDir{path: f.dir.path, index: -1})); err != nil {
			return nil, d.fileFailed("filter", f.dir.shown, err)
		}
		f.scope = f.scope.Doomed()
	}
	list, err := p.listDest(ctx, f.dir.path)
	if err != nil {
		f.kept = true
		if err := d.fileFailed("opendir", f.dir.shown, err); err != nil {
			return nil, err
		}
	}
	manifest.Sort(list)
	order := manifest.Order(list)
	slices.Reverse(order)
	var below []string
	for _, i := range order {
		if f.list = append(f.list, list[i]); list[i].IsDir() && !f.stays(&list[i]) {
			below = append(below, manifest.Join(f.dir.path, list[i].Name))
		}
	}
	p.ahead.want(below)
	d.countOwn(len(list))
	return f, nil
}

// entriesOf returns how many entries are in groups.
func entriesOf(groups []deadGroup) (n int64) {
	for _, g := range groups {
		n += int64(len(g.entries))
	}
	return n
}
