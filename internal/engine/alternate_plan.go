package engine

import (
	"context"
	"slices"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// level says how much of an entry an alternate directory has.
type level uint8

const (
	levelBasis   level = iota // something of its type
	levelContent              // its content
	levelSame                 // all that the run keeps of it
)

// candidate is what an alternate directory has for an entry.
type candidate struct {
	alt   int
	entry manifest.Entry
	level level
	sure  bool // that level is known, else the content must be compared
}

// candidates returns what there is for an entry, the best first.
func (p *planner) candidates(ctx context.Context, dir *destDir, e *manifest.Entry) (all []candidate) {
	d := p.d
	name := d.nameFor(dir, e)
	for j, entries := range p.alternates(ctx, dir) {
		i, ok := manifest.Find(entries, name)
		if !ok || !sameKind(entries[i].Type, e.Type) {
			continue
		}
		c := candidate{alt: j, entry: entries[i], sure: true}
		switch {
		case e.IsDir():
			c.level = levelContent
		case !e.IsRegular() && sameSpecial(e, &c.entry):
			c.level = levelContent
		case e.IsRegular():
			v := d.judge(e, &c.entry)
			if c.sure = v != doubtful; v != different {
				c.level = levelContent
			}
		}
		w := d.wanted(e, &c.entry)
		other := e.IsDir() && d.job.Times && !d.clock.SameTime(&w, &c.entry) // which tells with -O, too, which one is the best
		if c.level == levelContent && !other && d.differences(&w, &c.entry) == 0 {
			c.level = levelSame
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return int(b.level) - int(a.level) })
	return all
}

// alternate is an entry that is to be made of what alternate directories have.
type alternate struct {
	dir   *destDir
	entry int
	all   []candidate // that are left, the best first
	was   trace
	dst   *manifest.Entry // what the destination has; nil for nothing
	other *manifest.Entry // what it has that is of another kind; nil for nothing
	right bool            // that is right as it is
	holds bool            // ... or its content is at least, as a comparison has shown
	slot  *slot           // its place among the events, where the content must be compared
}

func (a *alternate) e() *manifest.Entry { return &a.dir.entries[a.entry] }

// alternate plans an entry that the destination lacks and an alternate directory
// may have; false where none has.
func (p *planner) alternate(ctx context.Context, dir *destDir, i int, e *manifest.Entry) bool {
	d := p.d
	if len(d.alts) == 0 || !e.IsRegular() && dir.find(d.nameFor(dir, e)) != nil {
		return false
	}
	a := &alternate{dir: dir, entry: i, all: p.candidates(ctx, dir, e), was: d.traceOf(dir, e)}
	if other := dir.find(d.nameFor(dir, e)); other != nil && !other.IsDir() {
		was := *other
		a.other = &was
	}
	switch {
	case len(a.all) == 0:
		return false
	case a.all[0].level == levelBasis && e.IsRegular():
		c := &a.all[0]
		d.noteBasis(a, c)
		p.transfer(dir, i, e, &c.entry, d.transferChange(e, &c.entry))
	case !a.all[0].sure:
		a.slot = d.rep.hold()
		p.alts = append(p.alts, a)
	default:
		p.noteAlternate(a)
		d.take(ctx, a)
	}
	return true
}

// instead plans a file of which the destination has some state, where an alternate
// directory has the right one with all its attributes: then it is linked all the
// same, or needs not be there. right says that the destination's is right, too.
func (p *planner) instead(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry, right bool) bool {
	a := p.exactly(ctx, dir, i, e, dst)
	switch {
	case a == nil:
		return false
	case right && (!a.all[0].sure || p.d.job.AltKind == AltLink && isOneFile(dst, &a.all[0].entry)):
		return false
	case right:
		a.right = true
		p.noteAlternate(a)
		p.d.take(ctx, a)
	case !a.all[0].sure:
		a.slot = p.d.rep.hold()
		p.alts = append(p.alts, a)
	default:
		p.noteAlternate(a)
		p.d.take(ctx, a)
	}
	return true
}

// exactly returns a file that stands at the destination in another state, if an
// alternate directory may have the right one; else nil.
func (p *planner) exactly(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry) *alternate {
	d := p.d
	if len(d.alts) == 0 || d.job.AltKind == AltCopy {
		return nil
	}
	was := *dst
	a := &alternate{dir: dir, entry: i, was: d.traceOf(dir, e), dst: &was}
	a.all = slices.DeleteFunc(p.candidates(ctx, dir, e), func(c candidate) bool { return c.level != levelSame })
	if len(a.all) == 0 {
		return nil
	}
	return a
}

// isOneFile reports whether two entries, of any trees of this machine, are links to
// one file.
func isOneFile(a, b *manifest.Entry) bool {
	return a.Ext != nil && b.Ext != nil && a.Ext.Nlink > 1 && b.Ext.Nlink > 1 && a.Ino == b.Ino && a.Ext.Dev == b.Ext.Dev
}

// noteAlternate remembers what the members of a group of links have to know of their
// first one.
func (p *planner) noteAlternate(a *alternate) {
	c := &a.all[0]
	if !p.d.job.HardLinks || c.level != levelSame {
		return
	}
	switch p.d.job.AltKind {
	case AltCompare:
		p.pass(a.dir, a.entry)
	case AltLink:
		if p.altInodes == nil {
			p.altInodes = map[wire.ID]altInode{}
		}
		p.altInodes[wire.ID{Dir: a.dir.index, Entry: a.entry}] = altInode{c.alt, c.entry.Ino}
	}
}

// altInode is a file of an alternate directory.
type altInode struct {
	alt int
	ino uint64
}

// linkFromAlternate returns what is reported of a member of a group of links that an
// alternate directory has as well; false where it is new.
func (p *planner) linkFromAlternate(ctx context.Context, dir *destDir, e *manifest.Entry, lead wire.ID) (manifest.Change, bool) {
	d := p.d
	if d.job.AltKind != AltLink && !e.IsRegular() {
		return 0, false
	}
	for _, c := range p.candidates(ctx, dir, e) {
		first, ok := p.altInodes[lead]
		if d.job.AltKind == AltLink && (!ok || first != altInode{c.alt, c.entry.Ino}) || c.level == levelBasis {
			continue
		}
		w := d.wanted(e, &c.entry)
		change := manifest.ChangeHardLink | manifest.ChangeLocal | d.differences(&w, &c.entry)
		if d.job.AltKind == AltLink {
			change |= manifest.ChangeSameLink
		}
		return change, true
	}
	return 0, false
}

// newDir returns what is reported of a directory that is made, which is not new
// where an alternate directory has it.
func (p *planner) newDir(ctx context.Context, parent *destDir, e, want *manifest.Entry) manifest.Change {
	if all := p.candidates(ctx, parent, e); len(all) > 0 {
		return p.d.likeDir(want, &all[0].entry)
	}
	return manifest.ChangeNew | manifest.ChangeLocal
}

// newRoot is newDir for the destination itself.
func (d *dest) newRoot(want *manifest.Entry) manifest.Change {
	if len(d.alts) > 0 {
		return d.likeDir(want, &d.alts[0].entry)
	}
	return manifest.ChangeNew | manifest.ChangeLocal
}

// likeDir returns what is reported of a directory that is made, and that an alternate
// directory has. A time that is not kept counts where something else differs and, where
// only those of directories are not, where it is another.
func (d *dest) likeDir(want, have *manifest.Entry) manifest.Change {
	c := d.differences(want, have)
	switch omitted := d.job.Times && (!d.job.keepsTimes(want.Type) || d.job.besides()); {
	case omitted && (c != 0 || !d.clock.SameTime(want, have)):
		c |= manifest.ChangeTime
	case c == 0: // it is as if it were taken from there
	case !d.job.Times:
		c |= manifest.ChangeTimeNow
	}
	return manifest.ChangeLocal | c
}
