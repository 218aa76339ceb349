package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"gosync/transport/wire"
)

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
	switch {
	case failed:
		d.spare(d.dead)
		d.dead, d.late = nil, nil
		d.blocked = slices.DeleteFunc(d.blocked, func(b blockedEntry) bool {
			if len(b.gone) == 0 || d.job.Force {
				return false // an empty directory makes way, and so does what was to make way by all means
			}
			d.spare(b.gone)
			d.lose(wire.ID{Dir: b.dir.index, Entry: b.entry})
			d.fail("replace", shownPath(b.dir, &b.dir.entries[b.entry]), errors.New("a directory is in the way, and nothing is deleted after an error at the source"))
			return true
		})
	case n > 0:
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

// refuse gives up all that was to be removed, and says why.
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
