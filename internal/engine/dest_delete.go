package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"gosync/transport/wire"
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

// blockedEntry is an entry of the source where the destination has a directory
// that is to be removed first.
type blockedEntry struct {
	dir   *destDir
	entry int
	gone  []deadGroup // what lies in that directory
	self  deadEntry   // the directory itself, which is replaced, not deleted
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

// guardMin is the number of deletions up to which no share of the destination
// is too large.
const guardMin = 100

// judgeDeletions decides whether what was collected may be removed at all. The
// error is that of the connection.
func (d *dest) judgeDeletions(ctx context.Context) error {
	n := entriesOf(d.dead)
	for _, b := range d.blocked {
		n += entriesOf(b.gone) + 1
	}
	if d.listEnd.Complete && len(d.hollow) > 0 {
		what := "a source"
		if len(d.hollow) > 1 {
			what = fmt.Sprintf("%d sources, the first of them", len(d.hollow))
		}
		d.refused = fmt.Sprintf("%s, %q, is empty: is it mounted? Nothing was deleted there; --delete-empty-source permits it", what, cmp.Or(d.hollow[0], "."))
	}
	failed := !d.listEnd.Complete && !d.job.IgnoreErrors
	if failed && (n > 0 || d.job.Delete) { // of a directory that the source could not list nothing was collected
		d.rep.post(NoteEvent{Text: "IO error encountered -- skipping file deletion"})
	}
	if failed {
		d.late = nil
	}
	switch {
	case n == 0:
		if failed {
			d.spare(d.dead)
			d.dead = nil
		}
	case failed:
		d.spare(d.dead)
		d.dead = nil
		d.blocked = slices.DeleteFunc(d.blocked, func(b blockedEntry) bool {
			if len(b.gone) == 0 || d.job.Force {
				return false // an empty directory makes way, and so does what was to make way by all means
			}
			d.spare(b.gone)
			d.lose(wire.ID{Dir: b.dir.index, Entry: b.entry})
			d.fail("replace", shownPath(b.dir, &b.dir.entries[b.entry]), errors.New("a directory is in the way, and nothing is deleted after an error at the source"))
			return true
		})
	default:
		return d.guard(ctx, n)
	}
	return nil
}

// guard refuses n deletions where they look like a mistake. The error is that of the connection.
func (d *dest) guard(ctx context.Context, n int64) error {
	switch {
	case d.sourceEmpty() && !d.job.DeleteEmptySource:
		d.refuse("the source is empty: is it mounted? Nothing was deleted; --delete-empty-source permits it")
	case n > guardMin && 2*n > d.dstEntries && !d.job.ForceDelete && d.job.MaxDelete < 0:
		much := fmt.Sprintf("%d of %d entries of the destination would be deleted, more than half", n, d.dstEntries)
		yes, err := d.confirm(ctx, much)
		if err != nil {
			return err
		}
		if !yes {
			d.refuse(fmt.Sprintf("%s; nothing was deleted; --force-delete or --max-delete=%d permits it", much, n))
		}
	}
	return nil
}

// sourceEmpty reports whether the source has nothing, whatever it says of itself.
func (d *dest) sourceEmpty() bool {
	filtered := d.job.Filter != nil && !d.job.Filter.Empty() // it may have something that takes no part
	return d.rootMsg.Empty || d.rootMsg.HasRoot && !filtered && d.listEnd.Totals.Files <= 1 && len(d.dirs) > 0 && len(d.dirs[0].entries) == 0
}

// entriesOf returns how many entries are in groups.
func entriesOf(groups []deadGroup) (n int64) {
	for _, g := range groups {
		n += int64(len(g.entries))
	}
	return n
}

// spare gives up the events of entries that are not removed.
func (d *dest) spare(groups []deadGroup) {
	for _, g := range groups {
		if g.slot != nil {
			g.slot.settle(nil)
		}
	}
}

// announceDeletions tells of the entries that will be removed, and leaves out
// those that the limit does not permit.
func (d *dest) announceDeletions() {
	if left := d.job.MaxDelete - d.sum.Deleted.Files; d.job.MaxDelete >= 0 && left < entriesOf(d.dead) {
		d.sum.Limited = true
		for i := range d.dead {
			g := &d.dead[i]
			g.entries = g.entries[:min(left, int64(len(g.entries)))]
			left -= int64(len(g.entries))
		}
	}
	switch {
	case d.first != nil:
		d.first.settle(groupEvents(d.dead))
	case d.job.DeleteAfter:
		d.rep.post(groupEvents(d.dead))
	default:
		for _, g := range d.dead {
			g.slot.settle(g)
		}
	}
}

// groupEvents are the events of all groups.
type groupEvents []deadGroup

func (groupEvents) event() {}

func (e groupEvents) each(f func(Event) error) error {
	for _, g := range e {
		if err := g.each(f); err != nil {
			return err
		}
	}
	return nil
}

func (d *dest) refuse(why string) {
	d.refused = why
	d.spare(d.dead)
	d.dead, d.late = nil, nil
	for _, b := range d.blocked {
		d.spare(b.gone)
		d.lose(wire.ID{Dir: b.dir.index, Entry: b.entry})
		d.fail("replace", shownPath(b.dir, &b.dir.entries[b.entry]), fmt.Errorf("a directory is in the way: %w", ErrDeleteGuard))
	}
	d.blocked = nil
}

// unblock removes the directories that stand where something else is to be,
// and plans what replaces them.
func (p *planner) unblock(ctx context.Context) error {
	defer p.d.conn.Work()()
	for _, b := range p.d.blocked {
		dir, e := b.dir, &b.dir.entries[b.entry]
		gone, err := p.makeWay(ctx, b)
		if err != nil {
			return err
		}
		if !gone {
			p.d.lose(wire.ID{Dir: dir.index, Entry: b.entry})
			continue
		}
		dir.touched.Store(true)
		err = p.vacant(ctx, dir, b.entry, e)
		if err == nil {
			err = p.request(ctx, dir)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeWay removes the directory that is in the way of an entry, and reports
// whether it is gone.
func (p *planner) makeWay(ctx context.Context, b blockedEntry) (bool, error) {
	d := p.d
	if d.job.MaxDelete >= 0 && d.sum.Deleted.Files+entriesOf(b.gone) > d.job.MaxDelete {
		d.sum.Limited = true
		d.spare(b.gone)
		d.fail("replace", shownPath(b.dir, &b.dir.entries[b.entry]), fmt.Errorf("a directory is in the way: %w", ErrDeleteLimit))
		return false, nil
	}
	for i, group := range b.gone {
		for j := range group.entries {
			g := &group.entries[j]
			if err := d.removeBlocking(ctx, g); err != nil {
				group.slot.settle(deadGroup{entries: group.entries[:j+1]})
				d.spare(b.gone[i+1:])
				return false, d.fileFailed("remove", g.shown(), err)
			}
			count(&d.sum.Deleted, &g.entry)
		}
		group.slot.settle(group)
	}
	if err := d.removeBlocking(ctx, &b.self); err != nil {
		return false, d.fileFailed("remove", shownPath(b.dir, &b.dir.entries[b.entry]), err)
	}
	return true, nil
}

func (d *dest) removeBlocking(ctx context.Context, g *deadEntry) error {
	if d.job.DryRun {
		return nil
	}
	return d.tree.Remove(ctx, g.path(), &g.entry)
}

// remove removes what was collected and announced.
func (d *dest) remove(ctx context.Context) error {
	defer d.conn.Work()()
	for _, wave := range d.deadWaves() {
		err := d.each(ctx, len(wave), func(ctx context.Context, i int) error { return d.removeDead(ctx, wave[i]) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *dest) removeDead(ctx context.Context, g *deadEntry) error {
	if !d.job.DryRun {
		if err := d.tree.Remove(ctx, g.path(), &g.entry); err != nil && !isGone(err) {
			return d.fileFailed("delete", g.shown(), err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	count(&d.sum.Deleted, &g.entry)
	return nil
}
