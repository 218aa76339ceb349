package engine

import (
	"context"
	"fmt"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// wanted returns the entry as it is to be at the destination: with its owner
// translated, and the mode that the policy gives it.
func (d *dest) wanted(e, dst *manifest.Entry) manifest.Entry {
	w := *e
	w.UID, w.GID = d.ids.translate(e)
	if d.job.LikeCp {
		w.Mode &^= setID
	}
	if e.Ext != nil && e.Ext.Kept != nil {
		w.Keep(d.wantedKept(e))
	}
	if !d.job.Perms {
		if dst != nil && dst.Type == e.Type {
			w.Mode = dst.Mode
			if d.job.Executability && e.IsRegular() {
				w.Mode = executable(e.Mode, dst.Mode)
			}
		} else {
			w.Mode = e.Mode & 0o777 &^ d.host.IDs().Umask()
		}
	}
	w.Mode = d.keptMode(w.Type, w.Mode)
	return w
}

// ModeKeeper is a [Dest] whose file system keeps less of a mode than what there is to it.
type ModeKeeper interface {
	// KeptMode returns what an entry of the type shows that was given the mode.
	KeptMode(t manifest.Type, mode uint16) uint16
}

// keptMode returns what becomes of a mode at the destination.
func (d *dest) keptMode(t manifest.Type, mode uint16) uint16 {
	if k, ok := capability[ModeKeeper](d.tree); ok {
		return k.KeptMode(t, mode)
	}
	return mode
}

// wantedIn is wanted for an entry of a directory: where modes are not kept, what is new
// gets the permissions that the directory grants.
func (d *dest) wantedIn(dir *destDir, e, dst *manifest.Entry) manifest.Entry {
	w := d.wanted(e, dst)
	if !d.job.Perms && (dst == nil || dst.Type != e.Type) {
		w.Mode = d.keptMode(e.Type, e.Mode&d.grants(dir))
	}
	return w
}

// Granter is a [Dest] whose directories can say what permissions new entries get.
type Granter interface {
	// Grants returns these permissions of the directory at path, and false where the
	// umask of the process decides.
	Grants(path string) (perms uint16, ok bool)
}

// grants returns the permissions that what is new in a directory can have.
func (d *dest) grants(dir *destDir) uint16 {
	dir.asked.Do(func() {
		dir.grants = 0o777 &^ d.host.IDs().Umask()
		if d.tree == nil {
			return
		}
		if t, ok := capability[Granter](d.tree); ok {
			if perms, ok := t.Grants(dir.path); ok {
				dir.grants = perms & 0o777
			}
		}
	})
	return dir.grants
}

// allAttrs returns the attributes to set on a new entry.
func (d *dest) allAttrs(w *manifest.Entry) (a manifest.Attrs) {
	if w.Type != manifest.Symlink {
		a |= manifest.AttrMode
	}
	if d.job.keepsTimes(w.Type) {
		a |= manifest.AttrTimes
	}
	if d.ids.owner {
		a |= manifest.AttrOwner
	}
	if d.ids.canGroup(w.GID) {
		a |= manifest.AttrGroup
	}
	return (a | d.keptAttrs(w.Type)) & d.keepable(w.Type)
}

// differences returns the attribute changes between what is wanted and what is there.
func (d *dest) differences(w, dst *manifest.Entry) manifest.Change {
	policy := d.job.Policy
	kept := d.keepable(w.Type)
	policy.Owner = d.ids.owner && kept&manifest.AttrOwner != 0
	policy.Group = d.ids.canGroup(w.GID) && kept&manifest.AttrGroup != 0
	policy.Perms = (policy.Perms || d.job.Executability && w.IsRegular()) && kept&manifest.AttrMode != 0
	policy.Times = d.job.keepsTimes(w.Type) && kept&manifest.AttrTimes != 0
	return policy.Attributes(d.clock, w, dst, w.UID, w.GID) | d.keptDifferences(w, dst)
}

// item reports what is done to an entry.
func (d *dest) item(dir *destDir, entry int, e *manifest.Entry, c manifest.Change, link string) {
	if ev := d.itemEvent(dir, entry, e, c, link); ev != nil {
		d.rep.post(ev)
	}
}

func (d *dest) itemEvent(dir *destDir, entry int, e *manifest.Entry, c manifest.Change, link string) Event {
	if !d.job.Itemize || c == 0 && !d.job.ItemizeAll {
		return nil
	}
	ev := ItemEvent{Entry: *e, Change: c, Link: link, id: wire.ID{Dir: dir.index, Entry: entry}}
	if entry != rootEntry {
		ev.Path = shownPath(dir, e)
	}
	return ev
}

// made counts an entry that is created.
func (d *dest) made(e *manifest.Entry) { count(&d.sum.Created, e) }

// root plans the destination directory itself, where a source's content goes
// into it.
func (p *planner) root(ctx context.Context, dir *destDir) error {
	d := p.d
	if !d.rootMsg.HasRoot || d.tree == nil && (d.rootMsg.Nothing || !d.job.DryRun) { // for nothing it is not made
		return nil
	}
	var st manifest.Entry
	if d.names.root != nil {
		st = *d.names.root
	} else if d.tree != nil {
		var err error
		if st, err = d.tree.Stat(ctx, ""); err != nil {
			return d.fileFailed("stat", d.base, err)
		}
	}
	if d.unlocked {
		st.Mode = d.lockedMode
	}
	if d.tree == nil && d.job.MakePath { // what is made is like what is wanted, but for its time
		st = d.wanted(&d.rootMsg.Root, nil)
		st.Sec = 0
	}
	old := &st
	if d.created {
		old = nil
	}
	dir.want = d.wanted(&d.rootMsg.Root, old)
	c := d.differences(&dir.want, &st)
	dir.attrs = (c | d.exact(&d.rootMsg.Root, &st)).Attrs()
	if d.created {
		dir.attrs = d.allAttrs(&dir.want)
		if c = d.newRoot(&dir.want); c&manifest.ChangeNew != 0 {
			d.made(&d.rootMsg.Root)
		}
	}
	if d.others(dir) && !d.job.DryRun {
		if !d.created {
			c, dir.attrs = 0, 0
		} else if err := d.openEarly(ctx, dir); err != nil {
			return err
		}
	}
	d.item(dir, rootEntry, &d.rootMsg.Root, c, "")
	return p.access(ctx, dir, &st)
}

// announce plans a subdirectory: it is made, or its attributes are compared.
func (p *planner) announce(ctx context.Context, parent, dir *destDir, entry int) error {
	d, e := p.d, &parent.entries[entry]
	if err := checkPaths(d.pathBytes, len(d.dirs)); err != nil {
		return err
	}
	if parent.failed || dir.failed {
		dir.failed, dir.passed = true, parent.passed
		return nil
	}
	dst := parent.find(d.nameFor(parent, e))
	if passed, err := d.passedDir(dir, dst); passed || err != nil {
		dir.failed, dir.passed = true, true
		return err
	}
	if err := d.inTheWay(e, dst); err != nil {
		dir.failed = true
		return d.fileFailed("mkdir", dir.shown, err)
	}
	if dir.bare {
		return p.bare(ctx, parent, dir, e, dst)
	}
	dir.want = d.wantedIn(parent, e, dst)
	if dst != nil && dst.IsDir() {
		c := d.differences(&dir.want, dst)
		dir.attrs = (c | d.exact(e, dst)).Attrs()
		if d.others(dir) {
			c, dir.attrs = 0, 0
		}
		d.item(parent, entry, e, c, "")
		if c&manifest.ChangePerms != 0 && dir.want.Mode&^dst.Mode&0o2000 != 0 && !d.job.DryRun {
			if err := d.setgid(ctx, dir); err != nil {
				return err
			}
		}
		return p.access(ctx, dir, dst)
	}
	c := p.newDir(ctx, parent, e, &dir.want)
	if d.item(parent, entry, e, c, ""); c&manifest.ChangeNew != 0 {
		d.made(e)
	}
	dir.attrs = d.allAttrs(&dir.want)
	parent.touched.Store(true)
	return p.makeDir(ctx, parent, dir, dst)
}

// makeDir makes a directory, at once or when there is time for it.
func (p *planner) makeDir(ctx context.Context, parent, dir *destDir, dst *manifest.Entry) error {
	d := p.d
	if d.job.DryRun {
		return nil
	}
	if d.afar() {
		d.makeLater(parent, dir, func() (bool, error) { return d.makeDir(ctx, dir, dst) })
		return nil
	}
	made, err := d.makeDir(ctx, dir, dst)
	dir.failed = !made
	return err
}

// makeDir makes a directory, where something else may be in the way, and reports
// whether it is there.
func (d *dest) makeDir(ctx context.Context, dir *destDir, inTheWay *manifest.Entry) (bool, error) {
	if inTheWay != nil {
		if err := d.tree.Remove(ctx, dir.path, inTheWay); err != nil {
			return false, d.fileFailed("remove", dir.shown, err)
		}
	}
	if err := d.tree.Mkdir(ctx, dir.path); err != nil {
		if d.madeByOther(ctx, dir, err) {
			if d.others(dir) {
				dir.attrs = 0
			}
			return true, nil
		}
		return false, d.fileFailed("mkdir", dir.shown, err)
	}
	if dir.want.Mode&0o2000 != 0 {
		if err := d.setgid(ctx, dir); err != nil {
			return true, err
		}
	}
	if !d.job.Perms || dir.bare { // a setgid bit that it inherits stays
		if st, err := d.tree.Stat(ctx, dir.path); err == nil {
			dir.want.Mode |= st.Mode & 0o2000
		}
	}
	if d.others(dir) {
		return true, d.openEarly(ctx, dir)
	}
	return true, nil
}

// setgid gives a directory its setgid bit before anything is made in it, because
// what is made inherits the group from it.
func (d *dest) setgid(ctx context.Context, dir *destDir) error {
	early := dir.want
	early.Mode |= 0o700
	if err := d.tree.SetAttrs(ctx, dir.path, &early, manifest.AttrMode); err != nil {
		return d.fileFailed("set attributes", dir.shown, err)
	}
	dir.attrs |= manifest.AttrMode
	return nil
}

// access lets this process work in a directory that its owner may not write:
// the mode that it is to have is set at the end.
func (p *planner) access(ctx context.Context, dir *destDir, dst *manifest.Entry) error {
	d := p.d
	if d.job.DryRun || d.host.IDs().Root() || dst.Mode&0o700 == 0o700 || !dir.exists {
		return nil
	}
	open := dir.want
	open.Mode = dst.Mode | 0o700
	if err := d.tree.SetAttrs(ctx, dir.path, &open, manifest.AttrMode); err != nil {
		return nil //nolint:nilerr // whatever is done in it will say what it needs
	}
	dir.want.Mode, dir.attrs = d.finalMode(dir, dst), dir.attrs|manifest.AttrMode
	return nil
}

func (d *dest) finalMode(dir *destDir, dst *manifest.Entry) uint16 {
	if d.job.Perms {
		return dir.want.Mode
	}
	return dst.Mode
}

// entry plans one entry that is not a directory.
func (p *planner) entry(ctx context.Context, dir *destDir, i int) error {
	d, e := p.d, &dir.entries[i]
	dst := dir.find(d.nameFor(dir, e))
	if !d.copies(e) {
		d.rep.post(SkipEvent{Path: shownPath(dir, e), Reason: "skipping non-regular file"})
		return nil
	}
	if d.job.SafeLinks && e.Type == manifest.Symlink && isUnsafe(shownPath(dir, e), e.Link()) {
		d.lose(wire.ID{Dir: dir.index, Entry: i})
		d.rep.post(SkipEvent{Path: shownPath(dir, e) + "\" -> \"" + e.Link(), Reason: UnsafeSymlink})
		return nil
	}
	if err := d.inTheWay(e, dst); err != nil {
		d.lose(wire.ID{Dir: dir.index, Entry: i})
		return d.fileFailed("copy", shownPath(dir, e), err)
	}
	if lead, ok := p.linkedTo(dir, i, e); ok {
		return p.link(ctx, dir, i, e, dst, lead)
	}
	if dst != nil && !sameKind(e.Type, dst.Type) {
		if dst.IsDir() {
			return p.displace(ctx, dir, i, e, dst)
		}
		dst = nil // anything but a directory is replaced in one step
	}
	if e.IsRegular() {
		return p.regular(ctx, dir, i, e, dst)
	}
	return p.other(ctx, dir, i, e, dst)
}

// nameFor returns the name that an entry has at the destination.
func (d *dest) nameFor(dir *destDir, e *manifest.Entry) string {
	if d.rename != "" && dir.index == 0 {
		return d.rename
	}
	return e.Name
}

// pathFor returns the path that an entry has at the destination.
func (d *dest) pathFor(dir *destDir, e *manifest.Entry) string {
	return manifest.Join(dir.path, d.nameFor(dir, e))
}

// copies reports whether the run copies entries of this type.
func (d *dest) copies(e *manifest.Entry) bool {
	if e.Type.IsDevice() && !d.job.isSuper(d.host.IDs()) && !d.job.ListOnly {
		return false // nobody else may make any
	}
	return d.job.copies(e)
}

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
	if verdict != same && dst.Size >= e.Size && (d.job.Append || d.job.AppendVerify) && !spoiled && !isUnfinished(dst) {
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

// exact returns ChangeTime where two times count as equal but are not the same:
// the time is then made exact without a word.
func (d *dest) exact(e, dst *manifest.Entry) manifest.Change {
	if d.job.keepsTimes(e.Type) && d.keepable(e.Type)&manifest.AttrTimes != 0 && d.clock.SameTime(e, dst) && !d.clock.SameInstant(e, dst) {
		return manifest.ChangeTime
	}
	return 0
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
	d.item(dir, i, e, c, "")
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

// other plans a symlink, a device, a FIFO or a socket.
func (p *planner) other(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry) error {
	d := p.d
	w := d.wantedIn(dir, e, dst)
	if dst != nil && sameSpecial(e, dst) {
		c := d.differences(&w, dst)
		d.item(dir, i, e, c, "")
		return d.setAttrs(ctx, dir, e, &w, c|d.exact(e, dst))
	}
	if dst == nil && p.alternate(ctx, dir, i, e) {
		return nil
	}
	c := manifest.ChangeLocal | manifest.ChangeNew
	if dst != nil {
		c = manifest.ChangeLocal | manifest.ChangeContent | d.differences(&w, dst)
		switch {
		case !d.job.Times:
			c |= manifest.ChangeTimeNow
		case !d.job.keepsTimes(w.Type): // rsync's letter for it is that of a time that is kept
			c |= manifest.ChangeTime
		}
	} else {
		d.mu.Lock()
		d.made(e)
		d.mu.Unlock()
	}
	d.item(dir, i, e, c, "")
	dir.touched.Store(true)
	if d.job.DryRun {
		return nil
	}
	return d.do(dir, func() error { return d.makeOther(ctx, dir, e, &w) })
}

// sameSpecial reports whether two entries of one type stand for the same thing.
func sameSpecial(a, b *manifest.Entry) bool {
	if a.Type == manifest.Symlink {
		return a.Link() == b.Link()
	}
	am, an := a.Device()
	bm, bn := b.Device()
	return a.Type == b.Type && am == bm && an == bn
}

// sameKind reports whether an entry of one type that takes the place of one of the other
// counts as changed, and not as new. Devices are of one kind, and so are FIFOs and sockets.
func sameKind(a, b manifest.Type) bool {
	return a == b || a.IsDevice() && b.IsDevice() || a.IsSpecial() && b.IsSpecial()
}

// displace plans an entry where the destination has a directory: that is
// removed first, if it is empty or if deletions are asked for.
func (p *planner) displace(ctx context.Context, dir *destDir, i int, e, dst *manifest.Entry) error {
	d := p.d
	id := wire.ID{Dir: dir.index, Entry: i}
	if !d.job.Delete && !d.job.Force {
		path := d.pathFor(dir, e)
		entries, err := d.tree.List(ctx, path)
		if err == nil && len(entries) > 0 {
			d.lose(id)
			d.rep.post(SkipEvent{Path: shownPath(dir, e), Reason: ReasonNotEmpty})
			return d.fileFailed("replace", shownPath(dir, e), fmt.Errorf("a directory is in the way and not empty: remove it, or use --delete or --force"))
		}
		if err == nil && !d.job.DryRun {
			err = d.tree.Remove(ctx, path, dst)
		}
		if err != nil {
			d.lose(id)
			return d.fileFailed("remove", shownPath(dir, e), err)
		}
		return p.vacant(ctx, dir, i, e)
	}
	self := deadEntry{&deadDir{dir.path, dir.shown}, *dst}
	gone, all, err := p.subtree(ctx, nil, self, dir.scope)
	if err != nil {
		return err
	}
	if !all {
		d.lose(id)
		return d.fileFailed("replace", shownPath(dir, e), d.errKept())
	}
	last := &gone[len(gone)-1] // the directory itself
	if last.entries = last.entries[:len(last.entries)-1]; len(last.entries) == 0 {
		gone = gone[:len(gone)-1]
	}
	d.hold(gone)
	d.blocked = append(d.blocked, blockedEntry{dir: dir, entry: i, gone: gone, self: self})
	return nil
}

// vacant plans an entry where nothing is in the way any more.
func (p *planner) vacant(ctx context.Context, dir *destDir, i int, e *manifest.Entry) error {
	lead, linked := p.linkedTo(dir, i, e)
	switch {
	case linked:
		return p.link(ctx, dir, i, e, nil, lead)
	case e.IsRegular():
		return p.regular(ctx, dir, i, e, nil)
	}
	return p.other(ctx, dir, i, e, nil)
}
