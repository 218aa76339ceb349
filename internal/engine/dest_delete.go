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

// deadEntry is an entry of the destination that is to be removed.
type deadEntry struct {
	path  string // at the destination
	shown string
	entry manifest.Entry
	slot  *slot // its place among the events, kept until it is known whether it is removed
}

// blockedEntry is an entry of the source where the destination has a directory
// that is to be removed first.
type blockedEntry struct {
	dir   *destDir
	entry int
	gone  []deadEntry
}

// deletions collects what the destination has in dir and the source has not.
// What is collected is removed at the end, if at all: not before the source has
// listed everything without error and the amount was judged.
func (p *planner) deletions(ctx context.Context, dir *destDir) error {
	d := p.d
	hollow := dir.hollow != nil && !d.job.DeleteEmptySource
	if hollow && d.job.Delete && p.inScope(dir) && dir.hasExtraneous() && !dir.hollow.hollowTold {
		dir.hollow.hollowTold = true
		d.hollow = append(d.hollow, dir.hollow.shown)
	}
	if !d.job.Delete || hollow || dir.incomplete || d.rename != "" || dir.failed || !p.inScope(dir) {
		return nil
	}
	order := manifest.Order(dir.dst)
	slices.Reverse(order)
	order = slices.DeleteFunc(order, func(i int) bool {
		_, ok := manifest.Find(dir.entries, dir.dst[i].Name)
		return ok || dir.protected != nil && dir.protected[i]
	})
	var below []string
	for _, i := range order {
		if dst := &dir.dst[i]; dst.IsDir() && (dst.Ext == nil || !dst.Ext.Mount) {
			below = append(below, manifest.Join(dir.path, dst.Name))
		}
	}
	p.ahead.want(below)
	for _, i := range order {
		dst := &dir.dst[i]
		gone, err := p.subtree(ctx, manifest.Join(dir.path, dst.Name), manifest.Join(dir.shown, dst.Name), dst, dir.scope)
		if err != nil {
			return err
		}
		for j := range gone {
			gone[j].slot = d.rep.hold()
		}
		if len(gone) > 0 {
			dir.touched.Store(true)
		}
		d.dead = append(d.dead, gone...)
	}
	return nil
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

// subtree lists an extraneous entry with everything below it, what is removed
// first coming first. Directories that hold something protected are left.
func (p *planner) subtree(ctx context.Context, path, shown string, dst *manifest.Entry, scope *filter.Scope) ([]deadEntry, error) {
	if dst.Ext != nil && dst.Ext.Mount {
		return nil, nil // another file system is not the transfer's
	}
	self := deadEntry{path: path, shown: shown, entry: *dst}
	if !dst.IsDir() {
		return []deadEntry{self}, nil
	}
	first, err := p.doom(ctx, self, scope)
	if err != nil || first == nil {
		return nil, err
	}
	// An explicit stack, because the depth is the destination's.
	var gone []deadEntry
	stack := []*doomed{first}
	for len(stack) > 0 {
		f := stack[len(stack)-1]
		if f.next == len(f.list) {
			stack = stack[:len(stack)-1]
			if !f.kept {
				gone = append(gone, f.self)
			} else if len(stack) > 0 {
				stack[len(stack)-1].kept = true
			}
			continue
		}
		child, ok := f.step()
		if !ok {
			continue
		}
		if !child.entry.IsDir() {
			gone = append(gone, child)
			continue
		}
		g, err := p.doom(ctx, child, f.scope)
		if err != nil {
			return nil, err
		}
		if g == nil {
			f.kept = true
			continue
		}
		stack = append(stack, g)
	}
	return gone, nil
}

// doomed is an extraneous directory whose content is being collected.
type doomed struct {
	self  deadEntry
	list  []manifest.Entry // in the order of removal
	next  int
	kept  bool // something in it stays, and so it does too
	scope *filter.Scope
}

// step returns the next entry that is removed; false where it stays.
func (f *doomed) step() (deadEntry, bool) {
	e := f.list[f.next]
	f.next++
	if f.stays(&e) {
		f.kept = true
		return deadEntry{}, false
	}
	return deadEntry{path: manifest.Join(f.self.path, e.Name), shown: manifest.Join(f.self.shown, e.Name), entry: e}, true
}

// stays reports whether an entry is not removed: the rules protect it, or another file
// system begins there.
func (f *doomed) stays(e *manifest.Entry) bool {
	return f.scope != nil && f.scope.Excluded(e.Name, e.IsDir(), filter.Receiver) || e.Ext != nil && e.Ext.Mount
}

// doom lists an extraneous directory; nil where it must stay because the rules
// for it cannot be read.
func (p *planner) doom(ctx context.Context, self deadEntry, scope *filter.Scope) (*doomed, error) {
	d := p.d
	f := &doomed{self: self}
	var err error
	if scope != nil {
		if f.scope, err = scope.Enter(self.entry.Name, p.mergeFile(ctx, &destDir{path: self.path})); err != nil {
			return nil, d.fileFailed("filter", self.shown, err)
		}
		f.scope = f.scope.Doomed()
	}
	list, err := p.listDest(ctx, self.path)
	if err != nil {
		f.kept = true
		if err := d.fileFailed("opendir", self.shown, err); err != nil {
			return nil, err
		}
	}
	manifest.Sort(list)
	order := manifest.Order(list)
	slices.Reverse(order)
	var below []string
	for _, i := range order {
		if f.list = append(f.list, list[i]); list[i].IsDir() && !f.stays(&list[i]) {
			below = append(below, manifest.Join(self.path, list[i].Name))
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
	n := int64(len(d.dead))
	for _, b := range d.blocked {
		n += int64(len(b.gone))
	}
	if d.listEnd.Complete && len(d.hollow) > 0 {
		what := "a source"
		if len(d.hollow) > 1 {
			what = fmt.Sprintf("%d sources, the first of them", len(d.hollow))
		}
		d.refused = fmt.Sprintf("%s, %q, is empty: is it mounted? Nothing was deleted there; --delete-empty-source permits it", what, cmp.Or(d.hollow[0], "."))
	}
	if n == 0 {
		return nil
	}
	switch {
	case !d.listEnd.Complete:
		d.rep.post(NoteEvent{Text: "IO error encountered -- skipping file deletion"})
		d.spare(d.dead)
		d.dead = nil
		d.blocked = slices.DeleteFunc(d.blocked, func(b blockedEntry) bool {
			if len(b.gone) <= 1 {
				return false // an empty directory makes way
			}
			d.spare(b.gone)
			d.lose(wire.ID{Dir: b.dir.index, Entry: b.entry})
			d.fail("replace", shownPath(b.dir, &b.dir.entries[b.entry]), errors.New("a directory is in the way, and nothing is deleted after an error at the source"))
			return true
		})
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

// spare gives up the events of entries that are not removed.
func (d *dest) spare(entries []deadEntry) {
	for _, g := range entries {
		if g.slot != nil {
			g.slot.settle(nil)
		}
	}
}

// announceDeletions tells of the entries that will be removed, and leaves out
// those that the limit does not permit.
func (d *dest) announceDeletions() {
	if left := d.job.MaxDelete - d.sum.Deleted.Files; d.job.MaxDelete >= 0 && left < int64(len(d.dead)) {
		d.sum.Limited = true
		d.spare(d.dead[left:])
		d.dead = d.dead[:left]
	}
	for _, g := range d.dead {
		g.slot.settle(DeleteEvent{Path: g.shown, Dir: g.entry.IsDir()})
	}
}

func (d *dest) refuse(why string) {
	d.refused = why
	d.spare(d.dead)
	d.dead = nil
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
	inside := len(b.gone) - 1 // the directory itself comes last, and is replaced, not deleted
	if d.job.MaxDelete >= 0 && d.sum.Deleted.Files+int64(inside) > d.job.MaxDelete {
		d.sum.Limited = true
		d.spare(b.gone)
		d.fail("replace", shownPath(b.dir, &b.dir.entries[b.entry]), fmt.Errorf("a directory is in the way: %w", ErrDeleteLimit))
		return false, nil
	}
	for i, g := range b.gone {
		if g.slot != nil {
			g.slot.settle(DeleteEvent{Path: g.shown, Dir: g.entry.IsDir()})
		}
		if !d.job.DryRun {
			if err := d.tree.Remove(ctx, g.path, &g.entry); err != nil {
				d.spare(b.gone[i+1:])
				return false, d.fileFailed("remove", g.shown, err)
			}
		}
		if i < inside {
			count(&d.sum.Deleted, &g.entry)
		}
	}
	return true, nil
}

// remove removes what was collected and announced.
func (d *dest) remove(ctx context.Context) error {
	defer d.conn.Work()()
	for _, wave := range d.deadWaves() {
		err := d.each(ctx, len(wave), func(ctx context.Context, i int) error { return d.removeDead(ctx, &wave[i]) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *dest) removeDead(ctx context.Context, g *deadEntry) error {
	if !d.job.DryRun {
		if err := d.tree.Remove(ctx, g.path, &g.entry); err != nil && !isGone(err) {
			return d.fileFailed("delete", g.shown, err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	count(&d.sum.Deleted, &g.entry)
	return nil
}
