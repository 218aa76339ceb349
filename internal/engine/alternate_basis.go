package engine

import (
	"context"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// altBasis is a file that a delta can be made against.
type altBasis struct {
	tree Source
	path string
	size int64
}

// noteBasis remembers the basis of a file that is about to be asked for.
func (d *dest) noteBasis(a *alternate, c *candidate) {
	d.addBasis(wire.ID{Dir: a.dir.index, Entry: a.entry}, &altBasis{d.alts[c.alt].tree, manifest.Join(a.dir.path, c.entry.Name), c.entry.Size})
}

func (d *dest) addBasis(id wire.ID, b *altBasis) {
	if d.job.DryRun || d.job.WholeFile || d.distant() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bases == nil {
		d.bases = map[wire.ID]*altBasis{}
	}
	d.bases[id] = b
}

// hasBasis reports whether there is one for a file that is new.
func (d *dest) hasBasis(id wire.ID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bases[id] != nil
}

// takeBasis gives a file that is about to be asked for its basis. d.mu is held.
func (d *dest) takeBasis(in *incoming) {
	b := d.bases[in.id]
	delete(d.bases, in.id)
	if b != nil && in.basis < 0 {
		in.alt = b
		in.delta = b.size >= minDelta && in.e.Size >= minDelta
	}
}

// openBasis opens what a delta of a file is made against.
func (d *dest) openBasis(ctx context.Context, in *incoming) (File, error) {
	if in.alt != nil {
		return in.alt.tree.Open(ctx, in.alt.path)
	}
	return d.tree.Open(ctx, in.path)
}
