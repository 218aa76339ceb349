package engine

import (
	"context"
	"fmt"

	"gosync/transport/wire"
)

// blockedEntry is an entry of the source where the destination has a directory
// that is to be removed first.
type blockedEntry struct {
	dir   *destDir
	entry int
	gone  []deadGroup // what lies in that directory
	self  deadEntry   // the directory itself, which is replaced, not deleted
}

// unblock removes the directories that stand where something else is to be,
// and plans what replaces them.
func (p *planner) unblock(ctx context.Context) error {
	defer p.d.conn.Work()()
	for _, b := range p.d.blocked {
		dir := b.dir
		gone, err := p.makeWay(ctx, b)
		if err != nil {
			return err
		}
		if !gone {
			p.d.lose(wire.ID{Dir: dir.index, Entry: b.entry})
			continue
		}
		dir.touched.Store(true)
		err = p.vacant(ctx, dir, b.entry)
		if err == nil {
			err = p.requestLate(ctx, dir)
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
