package engine

import "context"

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
