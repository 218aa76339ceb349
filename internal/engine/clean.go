package engine

import (
	"context"
	"strings"

	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/manifest"
)

// clean removes what runs that are over have left in the destination: files in
// the making, and partials with their sidecars. It is a run without sources.
func (d *dest) clean(ctx context.Context) error {
	if d.tree == nil {
		return wire.Errorf(wire.CodeSelect, "%w: there is no directory %s to clean", ErrSelect, d.base)
	}
	defer d.conn.Work()()
	var stale staleNames
	node := &walker.Node{Contents: []walker.Origin{{Tree: d.tree}}}
	node.Entry.Type = manifest.Directory
	err := walker.Walk(ctx, node, walker.Options{Skip: stale.skip}, func(w *walker.Dir) error {
		if w.Err != nil {
			d.fail("opendir", w.Path, w.Err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	names := map[[2]string]bool{}
	for _, p := range stale.paths {
		names[p] = true
	}
	for _, p := range stale.paths {
		if base, ok := strings.CutSuffix(p[1], manifest.SidecarSuffix); ok && names[[2]string{p[0], base + manifest.PartialSuffix}] {
			continue // it goes with its partial
		}
		if err := d.cleanOne(ctx, p[0], p[1]); err != nil {
			return err
		}
	}
	d.listEnd.Complete = true
	d.rep.post(PlanEvent{})
	return d.finish(ctx)
}

// cleanOne removes one temporary, and gives its directory back the time that it had.
func (d *dest) cleanOne(ctx context.Context, dir, name string) error {
	path := manifest.Join(dir, name)
	was, err := d.tree.Stat(ctx, path)
	if err != nil {
		return nil //nolint:nilerr // its run has ended meanwhile, or it went with its partial
	}
	parent, perr := d.tree.Stat(ctx, dir)
	if !d.job.DryRun {
		removed, err := d.tree.RemoveStale(ctx, path, true)
		if err != nil {
			return d.fileFailed("remove", path, err)
		}
		if !removed {
			d.rep.post(SkipEvent{Path: path, Reason: "in use, or another machine's, so it stays:"})
			return nil
		}
	}
	d.rep.post(DeleteEvent{Path: path})
	count(&d.sum.Deleted, &was)
	if perr != nil || d.job.DryRun {
		return nil
	}
	if err := d.tree.SetAttrs(ctx, dir, &parent, manifest.AttrTimes); err != nil {
		return d.fileFailed("set attributes", dir, err)
	}
	return nil
}
