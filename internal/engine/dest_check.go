package engine

import (
	"context"
	"fmt"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// checking is a file whose digest was sent to the source (-c).
type checking struct {
	dir   *destDir
	dst   manifest.Entry
	slot  *slot // its place among the events
	was   trace
	then  *alternate // what may stand for it if it is not right; nil for nothing
	alt   *alternate // it is of an alternate directory; nil for the file itself
	moved *moved     // it is of a stray; nil where it is not
}

// startChecks digests files of dir and asks the source whether its are equal.
func (d *dest) startChecks(ctx context.Context, dir *destDir, entries []held) {
	for len(entries) > 0 {
		n := min(len(entries), smallBatch)
		part := make([]int, 0, n)
		for _, h := range entries[:n] {
			e := &dir.entries[h.entry]
			c := &checking{dir: dir, dst: *dir.find(d.nameFor(dir, e)), slot: h.slot, was: d.traceOf(dir, e), then: h.then}
			d.mu.Lock()
			d.checks[wire.ID{Dir: dir.index, Entry: h.entry}] = c
			d.mu.Unlock()
			d.begun()
			part = append(part, h.entry)
		}
		entries = entries[n:]
		d.jobs.put(func() error { return d.sendChecks(ctx, dir, part) })
	}
}

func (d *dest) sendChecks(ctx context.Context, dir *destDir, entries []int) error {
	m := &wire.Check{Dir: dir.index}
	for _, i := range entries {
		e := &dir.entries[i]
		sum, err := d.digest1(ctx, d.pathFor(dir, e), e.Size)
		if err != nil {
			// What cannot be read is not equal.
			if err := d.checked(ctx, wire.ID{Dir: dir.index, Entry: i}, false); err != nil {
				return err
			}
			continue
		}
		m.Entries, m.Digests = append(m.Entries, i), append(m.Digests, sum)
	}
	if len(m.Entries) == 0 {
		return nil
	}
	return d.conn.Send(ctx, m)
}

func (d *dest) digest1(ctx context.Context, path string, size int64) (delta.Digest, error) {
	return d.digestIn(ctx, d.tree, path, size)
}

// opener is a tree whose files can be read.
type opener interface {
	Open(ctx context.Context, path string) (File, error)
}

func (d *dest) digestIn(ctx context.Context, t opener, path string, size int64) (delta.Digest, error) {
	defer d.conn.Work()()
	f, err := t.Open(ctx, path)
	if err != nil {
		return delta.Digest{}, err
	}
	defer f.Close()
	return delta.SumReaderAt(ctx, f, size, 1, nil)
}

// same takes the source's answers.
func (d *dest) same(ctx context.Context, m *wire.Same) error {
	for i, id := range m.IDs {
		same := m.Same[i]
		d.mu.Lock()
		known := d.checks[id] != nil
		d.mu.Unlock()
		if !known {
			return fmt.Errorf("%w: an answer about entry %d of directory %d, which was not asked about", wire.ErrProtocol, id.Entry, id.Dir)
		}
		d.jobs.put(func() error { return d.checked(ctx, id, same) })
	}
	return nil
}

// replace notes that a file is replaced of which that was not known when it was planned.
func (d *dest) replace(id wire.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.replaced == nil {
		d.replaced = map[wire.ID]bool{}
	}
	d.replaced[id] = true
}

// checked goes on with a file when it is known whether its content is right.
func (d *dest) checked(ctx context.Context, id wire.ID, same bool) error {
	d.mu.Lock()
	c := d.checks[id]
	delete(d.checks, id)
	d.mu.Unlock()
	if c == nil {
		return fmt.Errorf("%w: entry %d of directory %d was answered twice", wire.ErrProtocol, id.Entry, id.Dir)
	}
	if c.moved != nil {
		return d.movedChecked(ctx, c.moved, same)
	}
	if c.alt != nil {
		return d.alternateChecked(ctx, c.alt, same)
	}
	defer d.over()
	e := &c.dir.entries[id.Entry]
	if same {
		w := d.wanted(e, &c.dst)
		change := d.differences(&w, &c.dst)
		if a := c.then; a != nil && !(change == 0 && d.job.AltKind == AltLink && isOneFile(&c.dst, &a.all[0].entry)) {
			a.right, a.holds = change == 0, true // as in planner.instead
			return d.tryAlternate(ctx, a, c.slot)
		}
		c.slot.settle(d.attrEvent(c.dir, id.Entry, e, change, &w, &c.dst))
		return d.setAttrs(ctx, c.dir, e, &w, change|d.exact(e, &c.dst))
	}
	if d.job.appends() && !unfinished(&c.dst, e) {
		c.slot.settle(nil) // as in planner.regular: it is as long as the source's
		if d.job.HardLinks {
			d.lose(id) // other names of the source's are no links to it
		}
		return nil
	}
	if d.job.HardLinks {
		d.replace(id)
	}
	if a := c.then; a != nil {
		return d.tryAlternate(ctx, a, c.slot)
	}
	change := d.transferChange(e, &c.dst)
	if d.job.Times && !d.clock.SameInstant(e, &c.dst) {
		change |= manifest.ChangeTime
	}
	c.slot.settle(d.itemEvent(c.dir, id.Entry, e, change, ""))
	d.countTransfer(e, &c.dst)
	c.dir.touched.Store(true)
	if d.job.DryRun {
		return nil
	}
	in := d.expect(c.dir, id.Entry, e, &c.dst, c.was)
	if in.left {
		return d.startLeft(ctx, in)
	}
	return d.ask(ctx, in)
}
