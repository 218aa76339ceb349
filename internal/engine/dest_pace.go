package engine

import (
	"context"
	"slices"

	"gosync/transport/wire"
)

// A file that was asked for takes some hundred bytes until it has arrived. Of new
// files, of which there may be millions, only so many are asked for at a time; the
// others wait as numbers.
const (
	maxAsked  = 16 << 10 // files that are asked for, above which new ones wait
	paceBatch = 2 << 10  // files that are asked for at once
)

// waiting are new files of a directory that are still to be asked for.
type waiting struct {
	dir     *destDir
	entries []int
}

// askLater asks for new files of dir, of which nothing is at the destination, now
// or when others have arrived.
func (d *dest) askLater(ctx context.Context, dir *destDir, entries []int) error {
	if len(entries) == 0 {
		return nil
	}
	if d.local == nil {
		d.prog.TotalFiles.Add(int64(len(entries)))
		for _, i := range entries {
			d.prog.TotalBytes.Add(dir.entries[i].Size)
		}
	}
	d.mu.Lock()
	d.pending += len(entries)
	d.later = append(d.later, waiting{dir, entries})
	if d.more == nil {
		d.more = func() error { return d.pump(ctx) }
	}
	d.mu.Unlock()
	return d.pump(ctx)
}

// pump asks for files that wait, as far as there is room.
func (d *dest) pump(ctx context.Context) error {
	for {
		dir, part := d.takeLater()
		if len(part) == 0 {
			return nil
		}
		for _, i := range part {
			in := d.register(dir, i, &dir.entries[i], nil, trace{})
			if d.local != nil {
				d.askWhenMade(ctx, dir, in)
			}
		}
		if d.local != nil {
			continue
		}
		if err := d.conn.Send(ctx, &wire.Want{Dir: dir.index, Entries: part}); err != nil {
			return err
		}
	}
}

// takeLater returns the next files to ask for, none where there is no room.
func (d *dest) takeLater() (dir *destDir, part []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pumping = false
	if len(d.later) == 0 || len(d.files) >= maxAsked {
		return nil, nil
	}
	w := &d.later[0]
	n := min(len(w.entries), paceBatch)
	dir, part = w.dir, w.entries[:n:n]
	if w.entries = w.entries[n:]; len(w.entries) == 0 {
		d.later = slices.Delete(d.later, 0, 1)
	}
	return dir, part
}

// paced has files asked for that wait, when enough of the others have arrived. The
// caller holds d.mu.
func (d *dest) paced() {
	if len(d.later) > 0 && !d.pumping && len(d.files) < maxAsked/2 {
		d.pumping = true // once is enough
		d.jobs.put(d.more)
	}
}
