package engine

import (
	"context"
	"errors"
	"path"
	"slices"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// --detect-renames: a file that the destination lacks may have been moved at the
// source. Then the destination has it under another name, of which the source knows
// nothing any more. Such names ([stray]) of the same size and time are candidates;
// the digest of their content decides. A candidate that is about to be deleted is
// moved, any other is copied.
//
// What is new is held back until everything was listed, because only then all strays
// are known, and with --delete whether they will really go.

// stray is a file of the destination that the source does not have.
type stray struct {
	path  string
	entry manifest.Entry
	going bool // it will be deleted, and may be moved instead

	users int // files that may still be made of it; guarded by dest.mu
}

// strayKey is what strays are looked for by.
type strayKey struct {
	size, sec int64
	name      string // "" for any
}

// renames is what the planner knows of strays and of new files.
type renames struct {
	strays map[strayKey][]*stray
	paths  map[string]*stray
	held   []heldFile
	over   bool // everything was listed: nothing is held any more
}

// heldFile is a new file that waits for the end of the listings.
type heldFile struct {
	dir   *destDir
	entry int
}

// moved is a file that is made of a stray.
type moved struct {
	dir   *destDir
	entry int
	from  []*stray // that may be it, the best first
	slot  *slot    // its place among the events
}

// Bounds on the looking for strays that may be a file.
const (
	maxStrayScan = 256 // that are compared by name
	maxStrayTry  = 2   // whose content is
)

// holdNew keeps a new file until all strays are known; false where none is of use.
func (p *planner) holdNew(dir *destDir, i int, e *manifest.Entry) bool {
	d := p.d
	if !d.job.DetectRenames || p.renames.over || d.empty || d.tree == nil || d.distant() || d.rename != "" || e.Size == 0 || d.traceOf(dir, e) != (trace{}) {
		return false
	}
	p.renames.held = append(p.renames.held, heldFile{dir, i})
	return true
}

// findStrays notes what the destination has in dir and the source has not, where
// that is not looked at to be deleted.
func (p *planner) findStrays(ctx context.Context, dir *destDir) error {
	d := p.d
	if !d.job.DetectRenames || d.empty || dir.failed || d.tree == nil || d.rename != "" || d.rootMsg.Single || d.others(dir) {
		return nil
	}
	var found []deadGroup
	at := &deadDir{dir.path, dir.shown}
	for i := range dir.dst {
		if _, ok := manifest.Find(dir.entries, dir.dst[i].Name); ok {
			continue
		}
		var err error
		if found, _, err = p.subtree(ctx, found, deadEntry{at, dir.dst[i]}, nil); err != nil {
			return err
		}
	}
	p.noteStrays(found)
	return nil
}

// noteStrays remembers files among entries that the source does not have.
func (p *planner) noteStrays(groups []deadGroup) {
	if !p.d.job.DetectRenames {
		return
	}
	r := &p.renames
	if r.strays == nil {
		r.strays, r.paths = map[strayKey][]*stray{}, map[string]*stray{}
	}
	for _, g := range groups {
		for i := range g.entries {
			e := &g.entries[i].entry
			if !e.IsRegular() || e.Size == 0 || manifest.Temporary(e.Name) {
				continue
			}
			s := &stray{path: g.entries[i].path(), entry: *e}
			key := strayKey{size: e.Size, sec: e.Sec}
			r.strays[key] = append(r.strays[key], s)
			key.name = e.Name
			r.strays[key] = append(r.strays[key], s)
			r.paths[s.path] = s
		}
	}
}

// resolve finds out, when everything was listed and judged, of what the files that
// were held back can be made, and plans the others.
func (p *planner) resolve(ctx context.Context) error {
	d, r := p.d, &p.renames
	r.over = true
	if d.job.Delete && !d.job.Backup && !d.job.DelayUpdates {
		for _, g := range d.dead {
			for i := range g.entries {
				if s := r.paths[g.entries[i].path()]; s != nil {
					s.going = true
				}
			}
		}
	}
	r.paths = nil
	held := r.held
	r.held = nil
	slices.SortStableFunc(held, func(a, b heldFile) int { // some came late
		return compareIDs(wire.ID{Dir: a.dir.index, Entry: a.entry}, wire.ID{Dir: b.dir.index, Entry: b.entry})
	})
	// All is wanted before anything is moved: what several want is copied.
	from := make([][]*stray, len(held))
	for i, h := range held {
		from[i] = p.strayFor(h.dir, &h.dir.entries[h.entry])
	}
	for len(held) > 0 {
		dir, n := held[0].dir, 1
		for n < len(held) && held[n].dir == dir {
			n++
		}
		if err := p.resolveDir(ctx, dir, held[:n], from[:n]); err != nil {
			return err
		}
		held, from = held[n:], from[n:]
	}
	r.strays = nil
	return nil
}

// resolveDir deals with the files of a directory, each of which may have been one of some strays.
func (p *planner) resolveDir(ctx context.Context, dir *destDir, held []heldFile, from [][]*stray) error {
	d := p.d
	var all []*moved
	for i, h := range held {
		e := &dir.entries[h.entry]
		if len(from[i]) == 0 {
			if err := p.regular(ctx, dir, h.entry, e, nil); err != nil {
				return err
			}
			continue
		}
		all = append(all, &moved{dir: dir, entry: h.entry, from: from[i], slot: d.rep.hold()})
		dir.touched.Store(true)
		d.begun()
	}
	for part := range slices.Chunk(all, smallBatch) {
		d.jobs.put(func() error { return d.checkMoved(ctx, part) })
	}
	return p.request(ctx, dir)
}

// strayFor returns the strays that a new file may have been, the best first: one of its
// name whose path ends as its own, then any that nobody else wants.
func (p *planner) strayFor(dir *destDir, e *manifest.Entry) []*stray {
	d := p.d
	to := d.pathFor(dir, e)
	key := strayKey{e.Size, e.Sec, d.nameFor(dir, e)}
	var found []*stray
	look := func(list []*stray, most int) {
		for _, s := range list[:min(len(list), most)] {
			if d.clock.SameInstant(e, &s.entry) && !slices.Contains(found, s) {
				found = append(found, s)
			}
		}
	}
	look(p.renames.strays[key], maxStrayScan)
	slices.SortStableFunc(found, func(a, b *stray) int { return sameEnd(b.path, to) - sameEnd(a.path, to) })
	if len(found) == 0 {
		key.name = ""
		look(p.renames.strays[key], maxStrayScan)
		d.mu.Lock()
		slices.SortStableFunc(found, func(a, b *stray) int { return a.users - b.users })
		d.mu.Unlock()
	}
	found = found[:min(len(found), maxStrayTry)]
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range found {
		s.users++
	}
	return slices.Clone(found)
}

// sameEnd returns how many components at the end of two paths are the same.
func sameEnd(a, b string) (n int) {
	for a != "" && b != "" && path.Base(a) == path.Base(b) {
		n++
		a, _, _ = splitPath(a)
		b, _, _ = splitPath(b)
		if a == "." || b == "." || a == "/" || b == "/" {
			break
		}
	}
	return n
}

// checkMoved has the source compare the content of the best strays for some files of
// one directory.
func (d *dest) checkMoved(ctx context.Context, part []*moved) error {
	m := &wire.Check{Dir: part[0].dir.index}
	for _, mv := range part {
		sum, err := d.digestStray(ctx, mv.from[0])
		if err != nil { // what cannot be read, or is another file by now, is not it
			if err := d.movedChecked(ctx, mv, false); err != nil {
				return err
			}
			continue
		}
		d.mu.Lock()
		d.checks[wire.ID{Dir: mv.dir.index, Entry: mv.entry}] = &checking{moved: mv}
		d.mu.Unlock()
		m.Entries, m.Digests = append(m.Entries, mv.entry), append(m.Digests, sum)
	}
	if len(m.Entries) == 0 {
		return nil
	}
	return d.conn.Send(ctx, m)
}

// digestStray digests a stray that is still what was listed.
func (d *dest) digestStray(ctx context.Context, s *stray) (sum delta.Digest, err error) {
	defer d.conn.Work()()
	f, err := d.openStray(ctx, s)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	if sum, err = delta.SumReaderAt(ctx, f, s.entry.Size, 1, nil); err != nil {
		return sum, err
	}
	return sum, isStill(f, s)
}

func (d *dest) openStray(ctx context.Context, s *stray) (File, error) {
	f, err := d.tree.Open(ctx, s.path)
	if err != nil {
		return nil, err
	}
	if err := isStill(f, s); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// isStill fails if a file is not what was listed any more.
func isStill(f File, s *stray) error {
	st, err := f.Stat()
	if err == nil && !sameListed(&st, &s.entry) {
		err = errOther
	}
	return err
}

// movedChecked goes on when it is known whether the best stray has the content.
func (d *dest) movedChecked(ctx context.Context, mv *moved, same bool) error {
	if same {
		return d.takeStray(ctx, mv)
	}
	d.mu.Lock()
	mv.from[0].users--
	d.mu.Unlock()
	if mv.from = mv.from[1:]; len(mv.from) > 0 {
		return d.checkMoved(ctx, []*moved{mv})
	}
	e := &mv.dir.entries[mv.entry]
	mv.slot.settle(d.itemEvent(mv.dir, mv.entry, e, d.transferChange(e, nil), ""))
	d.countTransfer(e, nil)
	if d.job.DryRun {
		d.over()
		return nil
	}
	d.whenThere(mv, func() error { return d.ask(ctx, d.expect(mv.dir, mv.entry, e, nil, trace{})) })
	return nil
}

// takeStray makes a file of the best stray, whose content is right.
func (d *dest) takeStray(ctx context.Context, mv *moved) error {
	e := &mv.dir.entries[mv.entry]
	mv.slot.settle(d.itemEvent(mv.dir, mv.entry, e, manifest.ChangeLocal|manifest.ChangeNew, ""))
	d.mu.Lock()
	d.made(e)
	for _, s := range mv.from[1:] {
		s.users--
	}
	d.mu.Unlock()
	if d.job.DryRun {
		d.over()
		return nil
	}
	d.whenThere(mv, func() error {
		s := mv.from[0]
		defer func() {
			d.mu.Lock()
			s.users--
			d.mu.Unlock()
		}()
		if d.mayMove(s) {
			if done, err := d.moveStray(ctx, mv, s); done || err != nil {
				return err
			}
		}
		return d.copyStray(ctx, mv, s)
	})
	return nil
}

// whenThere does the rest for a file, if its directory could be made.
func (d *dest) whenThere(mv *moved, f func() error) {
	d.when(mv.dir, func(there bool) error {
		defer d.over()
		if !there {
			d.lose(wire.ID{Dir: mv.dir.index, Entry: mv.entry})
			return nil // it was said why
		}
		return f()
	})
}

// mayMove reports whether a stray need not stay: it will be deleted, is no part of
// a group of links, whose other names would change with it, and nothing else is made
// of it.
func (d *dest) mayMove(s *stray) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return s.going && s.users == 1 && (s.entry.Ext == nil || s.entry.Ext.Nlink < 2)
}

// moveStray gives a stray its new name; done is false where that cannot be, and it
// may be copied. It gets the new name before it loses the old one, so that nothing is
// lost in between.
func (d *dest) moveStray(ctx context.Context, mv *moved, s *stray) (done bool, err error) {
	e := &mv.dir.entries[mv.entry]
	to := d.pathFor(mv.dir, e)
	l, can := capability[Linker](d.tree)
	from, ok := capability[Source](d.tree)
	if !can || !ok || l.LinkFrom(ctx, to, from, s.path, &s.entry) != nil {
		return false, ctx.Err()
	}
	if err := d.tree.Remove(ctx, s.path, &s.entry); err != nil && !isGone(err) {
		d.fail("delete", s.path, err) // the deletion tries again
	}
	st, err := d.tree.Stat(ctx, to)
	if err != nil || !sameListed(&st, &s.entry) { // somebody has written to it
		d.countTransfer(e, &st)
		return true, d.ask(ctx, d.expect(mv.dir, mv.entry, e, nil, trace{}))
	}
	d.matched.Add(e.Size)
	w := d.wanted(e, nil)
	c := d.differences(&w, &st) | d.exact(e, &st)
	if w.Mode != st.Mode {
		c |= manifest.ChangePerms // as that of a new file, kept or not
	}
	return true, d.setAttrs(ctx, mv.dir, e, &w, c)
}

// copyStray makes a copy of a stray. What cannot be read, or has changed since, is
// asked of the source.
func (d *dest) copyStray(ctx context.Context, mv *moved, s *stray) error {
	e := &mv.dir.entries[mv.entry]
	in := d.expect(mv.dir, mv.entry, e, nil, trace{})
	src, err := d.openStray(ctx, s)
	if err != nil {
		d.countTransfer(e, e)
		return d.ask(ctx, in)
	}
	defer src.Close()
	f, err := in.create(ctx, d, nil)
	if err == nil {
		if err = d.fill(ctx, f, src, e.Size); err != nil {
			giveUp(f)
		}
	}
	switch changed := isStill(src, s); {
	case err != nil && changed == nil:
		defer d.finished(in)
		d.lose(in.id)
		return d.fileFailed("copy", in.shown, err)
	case changed != nil:
		if err == nil {
			removeFile(f)
		}
		d.countTransfer(e, e)
		return d.ask(ctx, in)
	}
	d.matched.Add(e.Size)
	d.commit(ctx, in, f, e.Size, false)
	return nil
}

// refuseRenames refuses trees that would have to read everything over a line to find
// out what has moved.
func refuseRenames(job *Job, tree Dest, source *source) error {
	_, afar := tree.(Distant)
	if job.DetectRenames && (afar || source != nil && source.forest.parallel() > 0) {
		return wire.Errorf(wire.CodeUnsupported, "--detect-renames needs gosync on both machines: content is compared by digests")
	}
	return nil
}
