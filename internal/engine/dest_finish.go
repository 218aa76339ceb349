package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// linkTask is a hard link to make when all content is in place.
type linkTask struct {
	dir   *destDir
	entry int
	old   string // path at the destination of the group's first member
}

// link plans an entry that is a hard link to an earlier one.
func (p *planner) link(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry) error {
	d := p.d
	ld, le, _ := e.Leader()
	leadPath, leadShown, lead, pending, err := p.leader(ctx, ld, le)
	if err != nil {
		return err
	}
	if dst != nil && dst.IsDir() {
		return p.displace(ctx, dir, i, e, dst)
	}
	if dst != nil && !pending && lead != nil && lead.Ino == dst.Ino && lead.Type == dst.Type {
		if d.job.ItemizeAll {
			d.item(dir, i, e, manifest.ChangeHardLink, "")
		}
		return nil
	}
	c := manifest.ChangeHardLink | manifest.ChangeLocal
	if dst == nil {
		c |= manifest.ChangeNew
		d.mu.Lock()
		d.made(e)
		d.mu.Unlock()
	} else {
		w := d.wanted(e, dst)
		c |= d.differences(&w, dst)
		if e.IsRegular() && e.Size != dst.Size {
			c |= manifest.ChangeSize
		}
	}
	d.item(dir, i, e, c, leadShown)
	dir.touched = true
	if !d.job.DryRun {
		d.links = append(d.links, linkTask{dir, i, leadPath})
	}
	return nil
}

// leader returns the first member of a hard link group as the destination has
// it, and whether it is about to be replaced.
func (p *planner) leader(ctx context.Context, ld, le int) (path, shown string, st *manifest.Entry, pending bool, err error) {
	d := p.d
	lead := p.byIndex[ld]
	if lead == nil {
		return "", "", nil, false, fmt.Errorf("%w: directory %d has the first of a group of links and was not listed", wire.ErrProtocol, ld)
	}
	e := &lead.entries[le]
	path, shown = d.pathFor(lead, e), shownPath(lead, e)
	d.mu.Lock()
	_, pending = d.files[wire.ID{Dir: ld, Entry: le}]
	d.mu.Unlock()
	for _, i := range p.wants {
		pending = pending || lead.index == p.stack[len(p.stack)-1].index && i == le
	}
	if d.tree != nil && !pending {
		if s, err := d.tree.Stat(ctx, path); err == nil {
			st = &s
		}
	}
	return path, shown, st, pending, nil
}

// finish does what has to wait until all content is in place, and reports.
func (d *dest) finish(ctx context.Context) error {
	if d.tree != nil && !d.job.DryRun {
		if err := d.settle(ctx); err != nil {
			return err
		}
	} else if err := d.remove(ctx); err != nil {
		return err
	}
	d.sum.Transferred, d.sum.TransferredSize = d.transfers.Load(), d.transBytes.Load()
	d.sum.Matched = d.matched.Load()
	d.sum.Refused = d.refused
	d.rep.flush(ctx)
	if err := d.conn.Send(ctx, &d.sum); err != nil {
		return err
	}
	return d.conn.Drain(ctx)
}

// settle makes everything appear: files, links, removals, attributes of
// directories, in this order, each durable before the next where it matters.
func (d *dest) settle(ctx context.Context) error {
	if err := d.sync(ctx); err != nil {
		return err
	}
	for _, l := range d.links {
		e := &l.dir.entries[l.entry]
		if err := d.tree.Link(ctx, d.pathFor(l.dir, e), l.old); err != nil {
			if err := d.fileFailed("link", shownPath(l.dir, e), err); err != nil {
				return err
			}
		}
	}
	if err := d.remove(ctx); err != nil {
		return err
	}
	for i := len(d.dirs) - 1; i >= 0; i-- { // children stand behind their parents
		if err := d.settleDir(ctx, d.dirs[i]); err != nil {
			return err
		}
	}
	return d.sync(ctx)
}

func (d *dest) sync(ctx context.Context) error {
	if err := d.tree.Sync(ctx); err != nil {
		return &wire.Error{Code: wire.CodeFile, Kind: wire.KindOf(err), Op: "sync", Path: d.base, Text: text(err)}
	}
	if err := d.fatal.Load(); err != nil {
		return *err
	}
	return nil
}

func (d *dest) settleDir(ctx context.Context, dir *destDir) error {
	if dir.failed || dir.index == 0 && !d.rootMsg.HasRoot {
		return nil
	}
	attrs := dir.attrs
	if dir.touched && d.job.Times {
		attrs |= manifest.AttrTimes
	}
	if attrs == 0 {
		return nil
	}
	if err := d.tree.SetAttrs(ctx, dir.path, &dir.want, attrs); err != nil {
		return d.fileFailed("set attributes", d.name(dir), err)
	}
	return nil
}

// copyLocal copies a file whose source is on this machine.
func (d *dest) copyLocal(ctx context.Context, in *incoming) error {
	s := d.local
	s.prog.TotalFiles.Add(1)
	s.prog.TotalBytes.Add(in.e.Size)
	dir, _, err := s.entry(in.id)
	if err != nil {
		return err
	}
	defer s.prog.DoneFiles.Add(1)
	src, err := s.openEntry(ctx, dir, in.id.Entry)
	if err != nil {
		d.finished(in)
		if isGone(err) {
			d.fail("vanished", in.shown, fmt.Errorf("%w: %w", ErrVanished, err))
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.fail("open", in.shown, err)
		return nil
	}
	defer src.Close()
	size, f, err := d.copyContent(ctx, in, src)
	if err != nil {
		d.finished(in)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return d.fileFailed("copy", in.shown, err)
	}
	d.commit(ctx, in, f, size)
	return nil
}

// copyContent copies the content of src, by the kernel where it can, and again
// where src changed meanwhile.
func (d *dest) copyContent(ctx context.Context, in *incoming, src File) (size int64, f NewFile, err error) {
	for try := 0; ; try++ {
		before, err := src.Stat()
		if err != nil {
			return 0, nil, err
		}
		if f, err = d.tree.Create(ctx, in.path, d.createOptions(before.Size)); err != nil {
			return 0, nil, err
		}
		size = before.Size
		ok, err := f.CopyFrom(ctx, src, size)
		if err == nil && !ok {
			size, err = d.copyChunks(ctx, src, f, size)
		}
		if err != nil {
			_ = f.Discard() // the error that counts is the copy's
			return 0, nil, err
		}
		after, err := src.Stat()
		if err != nil {
			_ = f.Discard()
			return 0, nil, err
		}
		if sameState(&before, &after) {
			break
		}
		if try == rereads {
			d.fail("read", in.shown, ErrChanged)
			break
		}
		_ = f.Discard() // it is made again
	}
	d.literal.Add(size)
	d.local.moved(size, size)
	return size, f, nil
}

// copyChunks copies through memory, leaving holes alone.
func (d *dest) copyChunks(ctx context.Context, src File, f NewFile, size int64) (int64, error) {
	buf := make([]byte, min(size, delta.ChunkSize))
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return off, err
		}
		if d.job.Sparse {
			if start, _, err := src.NextData(off); err == nil && start > off {
				off = min(start, size)
				continue
			}
		}
		n, err := src.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if n > 0 {
			if _, werr := f.WriteAt(buf[:n], off); werr != nil {
				return off, werr
			}
			off += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return off, nil // it shrank
		}
		if err != nil {
			return off, err
		}
	}
	return size, nil
}
