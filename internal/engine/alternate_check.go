package engine

import (
	"context"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// checkAlternates has the content compared of candidates that may be right.
func (d *dest) checkAlternates(ctx context.Context, all []*alternate) {
	for _, a := range all {
		d.begun()
		d.jobs.put(func() error { return d.checkAlternate(ctx, a) })
	}
}

// tryAlternate goes on with a file of the destination that was compared, for which an alternate directory may have
// what takes its place. What becomes of it is told in slot.
func (d *dest) tryAlternate(ctx context.Context, a *alternate, slot *slot) error {
	a.slot = slot
	if d.begun(); !a.all[0].sure {
		return d.checkAlternate(ctx, a)
	}
	defer d.over()
	d.take(ctx, a)
	return nil
}

func (d *dest) checkAlternate(ctx context.Context, a *alternate) error {
	id := wire.ID{Dir: a.dir.index, Entry: a.entry}
	c := &a.all[0]
	sum, err := d.digestIn(ctx, d.alts[c.alt].tree, manifest.Join(a.dir.path, c.entry.Name), a.e().Size)
	if err != nil { // what cannot be read is not equal
		return d.alternateChecked(ctx, a, false)
	}
	d.mu.Lock()
	d.checks[id] = &checking{alt: a}
	d.mu.Unlock()
	return d.conn.Send(ctx, &wire.Check{Dir: id.Dir, Entries: []int{id.Entry}, Digests: []delta.Digest{sum}})
}

// alternateChecked goes on when it is known whether the best candidate has the
// right content. If not it is a basis, and the next may have it.
func (d *dest) alternateChecked(ctx context.Context, a *alternate, same bool) error {
	if same {
		defer d.over()
		a.all[0].sure = true
		d.take(ctx, a)
		return nil
	}
	c := a.all[0]
	c.level, c.sure = levelBasis, true
	a.all = append(a.all[1:], c)
	if c := &a.all[0]; c.level > levelBasis {
		if !c.sure {
			return d.checkAlternate(ctx, a)
		}
		defer d.over()
		d.take(ctx, a)
		return nil
	}
	defer d.over()
	e, old := a.e(), a.dst
	if a.holds { // and stays, for nothing else does
		w := d.wanted(e, a.dst)
		change := d.differences(&w, a.dst)
		d.tellAlternate(a, change)
		return d.setAttrs(ctx, a.dir, e, &w, change|d.exact(e, a.dst))
	}
	if old == nil {
		old = &a.all[0].entry
	}
	d.tellAlternate(a, d.transferChange(e, old))
	d.countTransfer(e, old)
	a.dir.touched.Store(true)
	if d.job.DryRun {
		return nil
	}
	if a.dst == nil {
		d.noteBasis(a, &a.all[0])
	}
	in := d.expect(a.dir, a.entry, e, a.dst, a.was)
	if in.left {
		return d.startLeft(ctx, in)
	}
	return d.ask(ctx, in)
}
