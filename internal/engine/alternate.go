package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// What the destination lacks may be in other directories of its machine, such as an
// earlier backup: from there it is linked (--link-dest) or copied (--copy-dest), or
// it is enough that it is there (--compare-dest). What is there in another state is
// the basis of a delta.

// Alternates says what is done with what alternate directories have.
type Alternates int64

// The kinds, as they travel.
const (
	AltNone    Alternates = iota
	AltCompare            // what is there unchanged is not made
	AltCopy               // ... is copied
	AltLink               // ... becomes a hard link to it
)

// option is the name that users know the kind by.
func (a Alternates) option() string {
	return [...]string{"", "--compare-dest", "--copy-dest", "--link-dest"}[a]
}

// MaxAlternates is how many alternate directories a run may have, as in rsync.
const MaxAlternates = 20

// AltDirs are the alternate directories of a run, relative to the destination or
// absolute; those that are not used are "".
type AltDirs [MaxAlternates]string

// List returns those that are used.
func (a *AltDirs) List() []string {
	for i, dir := range a {
		if dir == "" {
			return a[:i]
		}
	}
	return a[:]
}

// Add adds one, and reports false where there are too many, or it is "".
func (a *AltDirs) Add(dir string) bool {
	n := len(a.List())
	if n == len(a) || dir == "" {
		return false
	}
	a[n] = dir
	return true
}

// Linker is a [Dest] that can make hard links to what other trees of its machine have.
type Linker interface {
	// LinkFrom makes path a hard link to what from has at old, replacing whatever is
	// at path except a directory. It fails if that is not the file any more that was
	// listed as e. The error wraps errors.ErrUnsupported for a tree of another machine.
	LinkFrom(ctx context.Context, path string, from Source, old string, e *manifest.Entry) error
}

// altDir is an alternate directory.
type altDir struct {
	tree  Source
	entry manifest.Entry // what it is itself
}

// openAlternates opens the alternate directories. As for rsync one that is not there
// is worth a word and no more: the first backup has none to link to.
func (d *dest) openAlternates(ctx context.Context) {
	if d.rootMsg.Nothing {
		return
	}
	for _, name := range d.job.AltDirs.List() {
		at := name
		if !strings.HasPrefix(at, "/") {
			at = strings.TrimSuffix(d.base, "/") + "/" + name
		}
		if d.tree == nil { // a dry run: nothing can be reached by way of what is not made
			at = path.Clean(at)
		}
		e, err := d.host.Stat(ctx, at)
		if err == nil && !e.IsDir() {
			err = errors.New("it is no directory")
		}
		var t Source
		if err == nil {
			t, err = d.openAlternate(ctx, at, &e)
		}
		if err != nil {
			d.rep.post(NoteEvent{Text: fmt.Sprintf("%s %s is not used: %s", d.job.AltKind.option(), at, text(err))})
			continue
		}
		d.alts = append(d.alts, altDir{t, e})
	}
}

// openAlternate opens an alternate directory, and has it show what the run keeps, as the
// destination does. Like the destination it is one whose path somebody names who need not know
// what may have become of it: see [Host.Dest].
func (d *dest) openAlternate(ctx context.Context, at string, e *manifest.Entry) (Source, error) {
	t, err := d.host.Dest(ctx, at, DestOptions{ReadOnly: true, Durability: SyncNone})
	if err != nil {
		return nil, err
	}
	if l, ok := t.(*limitedDest); ok {
		t = l.Dest // nothing is changed there
	}
	if err := d.showAlternate(ctx, at, t, e); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (d *dest) closeAlternates() {
	for _, a := range d.alts {
		_ = a.tree.Close() // it was only read
	}
}

// alternates lists what the alternate directories have for dir. What cannot be
// listed has nothing.
func (p *planner) alternates(ctx context.Context, dir *destDir) [][]manifest.Entry {
	if dir.alts != nil || len(p.d.alts) == 0 {
		return dir.alts
	}
	dir.alts = make([][]manifest.Entry, len(p.d.alts))
	for j, a := range p.d.alts {
		entries, _ := a.tree.List(ctx, dir.path)
		manifest.Sort(entries)
		dir.alts[j] = entries
	}
	return dir.alts
}

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
		if w := d.wanted(e, &c.entry); c.level == levelContent && d.differences(&w, &c.entry) == 0 {
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
	right bool            // that is right as it is
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

// replacesEqual reports whether alternate directories matter for what the destination
// has already: equal digests do not mean then that there is nothing to do.
func (o *Options) replacesEqual() bool { return o.AltKind == AltCompare || o.AltKind == AltLink }

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
		return manifest.ChangeHardLink | manifest.ChangeLocal | d.differences(&w, &c.entry), true
	}
	return 0, false
}

// tell reports what is done to an entry.
func (d *dest) tellAlternate(a *alternate, c manifest.Change) {
	if a.slot == nil {
		d.item(a.dir, a.entry, a.e(), c, "")
		return
	}
	a.slot.settle(d.itemEvent(a.dir, a.entry, a.e(), c, ""))
}

// take makes an entry of the best candidate, whose content is right or, of what is no
// regular file, does not matter.
func (d *dest) take(ctx context.Context, a *alternate) {
	e, c := a.e(), &a.all[0]
	w := d.wanted(e, &c.entry)
	change := manifest.ChangeLocal | d.differences(&w, &c.entry)
	do := d.copyAlternate
	switch {
	case c.level == levelSame && d.job.AltKind == AltCompare:
		if change, do = 0, nil; a.dst != nil {
			do = d.dropCompared
		}
		d.lose(wire.ID{Dir: a.dir.index, Entry: a.entry}) // nothing can be linked to it
	case c.level == levelSame && d.job.AltKind == AltLink:
		change |= manifest.ChangeHardLink
		do = d.linkAlternate
	case e.IsRegular() && !d.job.Times:
		change |= manifest.ChangeTimeNow
	case !e.IsRegular() && c.level != levelSame:
		change |= manifest.ChangeContent
		switch {
		case !d.job.Times:
			change |= manifest.ChangeTimeNow
		case !d.job.keepsTimes(e.Type): // as in planner.other
			change |= manifest.ChangeTime
		}
	}
	d.tellAlternate(a, change)
	if do == nil {
		return
	}
	a.dir.touched.Store(true)
	if d.job.DryRun {
		return
	}
	d.begun()
	d.when(a.dir, func(there bool) error {
		defer d.over()
		if !there {
			d.lose(wire.ID{Dir: a.dir.index, Entry: a.entry})
			return nil // it was said why
		}
		return do(ctx, a)
	})
}

// dropCompared removes a file that stands at the destination in some state, where
// none is wanted because an alternate directory has the right one.
func (d *dest) dropCompared(ctx context.Context, a *alternate) error {
	if err := d.tree.Remove(ctx, d.pathFor(a.dir, a.e()), a.dst); err != nil && !isGone(err) {
		return d.fileFailed("remove", shownPath(a.dir, a.e()), err)
	}
	return nil
}

// linkAlternate makes an entry a hard link. Where that cannot be, because there are
// as many links as there may be, or another file system lies between, it is copied.
func (d *dest) linkAlternate(ctx context.Context, a *alternate) error {
	c, to := &a.all[0], d.pathFor(a.dir, a.e())
	err := errors.ErrUnsupported
	if l, ok := capability[Linker](d.tree); ok {
		err = l.LinkFrom(ctx, to, d.alts[c.alt].tree, manifest.Join(a.dir.path, c.entry.Name), &c.entry)
	}
	if err == nil || a.right && ctx.Err() == nil {
		d.land(a.dir, a.e())
		return nil
	}
	if ctx.Err() != nil || hopeless(err) {
		return d.fileFailed("link", shownPath(a.dir, a.e()), err)
	}
	return d.copyAlternate(ctx, a)
}

// copyAlternate makes an entry from what an alternate directory has. What cannot be
// read, or has changed since, is asked of the source.
func (d *dest) copyAlternate(ctx context.Context, a *alternate) error {
	e := a.e()
	if !e.IsRegular() {
		w := d.wantedIn(a.dir, e, nil)
		return d.makeOther(ctx, a.dir, e, &w)
	}
	in := d.expect(a.dir, a.entry, e, nil, trace{})
	c := &a.all[0]
	src, err := openListed(ctx, d.alts[c.alt].tree, manifest.Join(a.dir.path, c.entry.Name), &c.entry)
	if err != nil {
		d.countTransfer(e, e)
		return d.ask(ctx, in)
	}
	defer src.Close()
	f, err := in.create(ctx, d, nil)
	if err == nil {
		err = d.fill(ctx, f, src, e.Size)
	}
	var st manifest.Entry
	if err == nil {
		st, err = src.Stat()
	}
	switch {
	case err != nil:
		giveUp(f)
		defer d.finished(in)
		d.lose(in.id)
		return d.fileFailed("copy", in.shown, err)
	case !sameListed(&st, &c.entry):
		removeFile(f)
		d.countTransfer(e, e)
		return d.ask(ctx, in)
	}
	d.commit(ctx, in, f, e.Size, false)
	return nil
}

var errOther = errors.New("it is not the file any more that was listed")

// openListed opens a file, and fails if it is not what was listed.
func openListed(ctx context.Context, t Source, path string, e *manifest.Entry) (File, error) {
	f, err := t.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !sameListed(&st, e) {
		err = errOther
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func sameListed(st, e *manifest.Entry) bool {
	return st.Ino == e.Ino && st.Size == e.Size && st.Sec == e.Sec && st.Nsec == e.Nsec
}

// fill copies size bytes of src, by the kernel where it can.
func (d *dest) fill(ctx context.Context, f NewFile, src File, size int64) error {
	defer d.conn.Work()()
	if ok, err := f.CopyFrom(ctx, src, size); ok || err != nil {
		return err
	}
	buf := d.chunkBuffer(min(size, delta.ChunkSize))
	defer d.bufs.Put(&buf)
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := src.ReadAt(buf[:min(int64(len(buf)), size-off)], off)
		if n == 0 {
			return fmt.Errorf("%w: it ends at %d: %w", ErrChanged, off, errors.Join(err, io.ErrUnexpectedEOF))
		}
		if _, err := f.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

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

// checkAlternates has the content compared of candidates that may be right.
func (d *dest) checkAlternates(ctx context.Context, all []*alternate) {
	for _, a := range all {
		d.begun()
		d.jobs.put(func() error { return d.checkAlternate(ctx, a) })
	}
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

// newDir returns what is reported of a directory that is made, which is not new
// where an alternate directory has it.
func (p *planner) newDir(ctx context.Context, parent *destDir, e, want *manifest.Entry) manifest.Change {
	if all := p.candidates(ctx, parent, e); len(all) > 0 {
		c := p.d.differences(want, &all[0].entry)
		switch {
		case c == 0: // it is as if it were taken from there
		case !p.d.job.Times:
			c |= manifest.ChangeTimeNow
		case !p.d.job.keepsTimes(e.Type):
			c |= manifest.ChangeTime
		}
		return manifest.ChangeLocal | c
	}
	return manifest.ChangeNew | manifest.ChangeLocal
}

// newRoot is newDir for the destination itself.
func (d *dest) newRoot(want *manifest.Entry) manifest.Change {
	if len(d.alts) > 0 {
		return manifest.ChangeLocal | d.differences(want, &d.alts[0].entry)
	}
	return manifest.ChangeNew | manifest.ChangeLocal
}

// openBasis opens what a delta of a file is made against.
func (d *dest) openBasis(ctx context.Context, in *incoming) (File, error) {
	if in.alt != nil {
		return in.alt.tree.Open(ctx, in.alt.path)
	}
	return d.tree.Open(ctx, in.path)
}
