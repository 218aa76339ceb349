package engine

import (
	"context"

	"gosync/walker/manifest"
)

// regular plans a regular file.
func (p *planner) regular(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry) error {
	d := p.d
	if dst == nil {
		if p.alternate(ctx, dir, i, e) || p.holdNew(dir, i, e) {
			return nil
		}
		p.fuzzy(ctx, dir, i, e)
		p.transfer(dir, i, e, nil, d.transferChange(e, nil))
		return nil
	}
	verdict := d.judge(e, dst)
	spoiled := dir.spoiled(d.nameFor(dir, e), dst)
	if (spoiled || verdict != same) && d.isItself(ctx, dir, i, dst) {
		return p.itself(ctx, dir, i, e, dst)
	}
	if spoiled {
		verdict = different
		d.timeSpoiled(ctx, dir, e, dst)
	}
	if verdict == different && d.job.appends() && dst.Size >= e.Size && !spoiled && !unfinished(dst, e) {
		p.pass(dir, i)
		return nil // there is nothing to append; rsync leaves such files alone, too
	}
	if w := d.wanted(e, dst); verdict != doubtful && p.instead(ctx, dir, i, e, dst, verdict == same && d.differences(&w, dst) == 0) {
		return nil
	}
	switch verdict {
	case doubtful:
		p.checks = append(p.checks, held{i, d.rep.hold(), p.exactly(ctx, dir, i, e, dst)})
	case same:
		return p.same(ctx, dir, i, e, dst)
	default:
		p.transfer(dir, i, e, dst, d.transferChange(e, dst))
	}
	return nil
}

// appends reports whether files that are shorter than the source's are added to.
func (o *Options) appends() bool { return o.Append || o.AppendVerify }

// timeSpoiled gives a file that an earlier run has left half written a time that
// says so, if it has not: what is received in its stead may have a sidecar, which
// takes the place of the one that says it now.
func (d *dest) timeSpoiled(ctx context.Context, dir *destDir, e, dst *manifest.Entry) {
	if d.job.DryRun || !d.keeps(e.Size) || isUnfinished(dst) {
		return
	}
	marked := *dst
	marked.Sec, marked.Nsec = UnfinishedTime(e.Sec), 0
	// Where it fails nothing is lost now: the file is sent. Only a run that breaks off
	// once more could leave one behind that does not say what it is.
	if d.tree.SetAttrs(ctx, d.pathFor(dir, e), &marked, manifest.AttrTimes) == nil && d.job.Durability != SyncNone {
		_ = d.sync(ctx)
	}
}

// verdict says what the metadata of two regular files tells of their content.
type verdict uint8

const (
	different verdict = iota
	same
	doubtful // only the content itself can tell
)

// judge compares two regular files by their metadata. Only the content can tell
// where that is asked for, where their times lie within one second and are not
// the same, which the quick check to the second would accept, and where the
// source's was written so shortly before that its time need not show it.
func (d *dest) judge(e, dst *manifest.Entry) verdict {
	quick := d.job.SameContent(d.clock, e, dst)
	switch {
	case dst.Size != e.Size:
		return different
	case e.Size == 0 && (quick || d.job.Checksum):
		return same
	case d.job.Checksum || quick && !d.job.SizeOnly && (!d.clock.SameInstant(e, dst) || d.isRacy(e)):
		return doubtful
	case quick:
		return same
	}
	return different
}

// transferChange returns what is reported of a file whose content is transferred.
func (d *dest) transferChange(e, dst *manifest.Entry) manifest.Change {
	if dst == nil {
		return manifest.ChangeNew | manifest.ChangeTransfer
	}
	w := d.wanted(e, dst)
	c := manifest.ChangeTransfer | d.differences(&w, dst)
	if e.Size != dst.Size {
		c |= manifest.ChangeSize
	}
	if d.job.Checksum {
		c |= manifest.ChangeContent
	}
	if !d.job.Times {
		c |= manifest.ChangeTimeNow
	}
	return c
}

// same plans a file whose content is right: only attributes may differ.
func (p *planner) same(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry) error {
	d := p.d
	w := d.wanted(e, dst)
	c := d.differences(&w, dst)
	d.attrItem(dir, i, e, c, &w, dst)
	return d.setAttrs(ctx, dir, e, &w, c|d.exact(e, dst))
}

// transfer reports and asks for a file.
func (p *planner) transfer(dir *destDir, i int, e, dst *manifest.Entry, c manifest.Change) {
	p.d.item(dir, i, e, c, "")
	p.d.countTransfer(e, dst)
	dir.touched.Store(true)
	if !p.d.job.DryRun {
		p.wants = append(p.wants, i)
	}
}

func (d *dest) countTransfer(e, dst *manifest.Entry) {
	d.transfers.Add(1)
	d.transBytes.Add(e.Size)
	if dst == nil {
		d.mu.Lock()
		d.made(e)
		d.mu.Unlock()
	}
}
