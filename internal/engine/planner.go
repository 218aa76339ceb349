package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"gosync/transport/wire"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// destDir is a directory of the source as the destination deals with it.
type destDir struct {
	index      int                // in the source's walk, -1 before its listing came
	path       string             // at the destination
	shown      string             // in messages
	entries    []manifest.Entry   // of the source
	incomplete bool               // the source could not list all
	hollow     *destDir           // this or the nearest one above of which the source says that it may not be mounted; nil for none
	hollowTold bool               // that is among those that are reported
	dst        []manifest.Entry   // of the destination, while it is planned
	left       map[string]bool    // names of partials and sidecars in it, while it is planned
	alts       [][]manifest.Entry // of the alternate directories, while it is planned and once they were needed
	like       []*likeness        // what is much like a new file, while it is planned and once that was needed
	protected  []bool             // of dst; nil if none
	refused    map[int]bool       // entries whose names the destination takes for others'; nil if none
	scope      *filter.Scope      // rules that protect from deletion; nil if none
	sent       *filter.Scope      // rules for what the source may send; nil if none
	subdirs    map[int]*destDir   // planned subdirectories, by entry
	order      []int              // entries that are directories, in the order of the run
	next       int                // position in order up to which they were planned
	bare       bool               // only what is below it was asked for: it keeps its attributes
	passed     bool               // the options leave it alone, with all that is below: it has failed, too
	failed     bool               // it cannot be made or entered: nothing below it can be made
	making     *making            // it is made by a job, see makeLater; nil where it is not
	exists     bool               // it was there before the run
	touched    atomic.Bool        // something in it is changed: its time is to be set again
	want       manifest.Entry     // the attributes that it is to have
	attrs      manifest.Attrs     // ... of which these are set at the end

	asked  sync.Once // sets grants
	grants uint16    // permissions that new entries can have
}

// planner compares the source's listings with the destination, in order, and
// decides what is done to each entry. It runs on one goroutine.
type planner struct {
	d         *dest
	stack     []*destDir // from the root to the directory that was planned last
	byIndex   map[int]*destDir
	listed    int      // directories that were, of those asked for
	partial   *destDir // its listing is not complete yet
	wants     []int    // of the directory in hand: files to ask for
	checks    []held   // ... and files to compare by content
	ahead     *lookahead
	alts      []*alternate           // ... and of files to compare in alternate directories
	groups    map[wire.ID]*linkGroup // by the first member
	waited    bool                   // what is planned now is a member of one that has waited
	heirs     map[wire.ID]*wire.ID   // of first members of groups of links: who stands for them, nil for nobody yet
	altInodes map[wire.ID]altInode   // what first members of groups of links are linked to
	kept      int64                  // bytes of what is kept of entries beyond the usual
	held      []heldRequest          // what is to be asked for when everything was removed
	removed   bool                   // it was
	git       gitRules
	renames   renames
}

// held is an entry whose place among the events is kept until its content is known.
type held struct {
	entry int
	slot  *slot
	then  *alternate // what may stand for it if it is not right; nil for nothing
}

func (p *planner) run(ctx context.Context) error {
	p.byIndex = map[int]*destDir{}
	if p.d.job.DeleteBefore {
		p.d.first = p.d.rep.hold()
	}
	begun, end := context.WithCancel(ctx)
	p.ahead = p.d.newLookahead(begun)
	defer p.ahead.wait()
	defer end()
	for {
		var it planItem
		select {
		case it = <-p.d.plan:
		case <-ctx.Done():
			return ctx.Err()
		}
		switch {
		case it.owner != nil:
			p.d.ids.learn(it.owner)
		case it.git != nil:
			if err := p.git.learn(p.d.job, p.byIndex, it.git); err != nil {
				return err
			}
		case it.rec != nil:
			if err := p.record(ctx, it.rec); err != nil {
				return err
			}
		default:
			return p.end(ctx, it.end)
		}
	}
}

// record takes a listing, or a part of one, that the source sent.
func (p *planner) record(ctx context.Context, r *wire.ListingRecord) error {
	if err := p.checkKept(r.Entries); err != nil {
		return err
	}
	if p.partial != nil {
		if r.Dir != p.partial.index {
			return fmt.Errorf("%w: the listing of directory %d is broken off", wire.ErrProtocol, p.partial.index)
		}
		last := &p.partial.entries[len(p.partial.entries)-1]
		if len(r.Entries) == 0 || r.Entries[0].Name <= last.Name {
			return fmt.Errorf("%w: the listing of directory %d is not sorted", wire.ErrProtocol, r.Dir)
		}
		p.partial.entries = append(p.partial.entries, r.Entries...)
		p.partial.incomplete = p.partial.incomplete || r.Incomplete
		if r.Hollow {
			p.partial.hollow = p.partial
		}
		return p.complete(ctx, r, p.partial)
	}
	dir, err := p.place(ctx, r)
	if err != nil {
		return err
	}
	dir.entries, dir.incomplete, dir.bare = r.Entries, r.Incomplete, r.Bare
	if r.Hollow {
		dir.hollow = dir
	}
	return p.complete(ctx, r, dir)
}

func (p *planner) complete(ctx context.Context, r *wire.ListingRecord, dir *destDir) error {
	if r.More {
		if len(dir.entries) == 0 {
			return fmt.Errorf("%w: a listing begins with nothing", wire.ErrProtocol)
		}
		p.partial = dir
		return nil
	}
	p.partial = nil
	if err := p.checkEntries(dir); err != nil {
		return err
	}
	if p.d.job.MungeLinks {
		munge(dir.entries)
	}
	if err := p.checkShare(dir); err != nil {
		return err
	}
	if err := p.d.requested.checkNames(dir); err != nil {
		return err
	}
	var parent *destDir
	var entry int
	if dir.index != 0 {
		parent, entry = p.parentOf(dir)
		if dir.hollow == nil {
			dir.hollow = parent.hollow // what is not mounted may have had something here, too
		}
	}
	if err := p.d.requested.checkFilter(dir, parent, entry); err != nil {
		return err
	}
	if dir.bare {
		if err := p.checkBare(dir); err != nil {
			return err
		}
		if err := p.bareLink(ctx, parent, dir, entry); err != nil {
			return err
		}
	}
	return p.contents(ctx, dir)
}

// Directories that lie in each other have long paths, which a peer can make for a
// few bytes each: their bytes in all are bounded, by so much and so much for each.
const (
	maxPaths  = 64 << 20
	pathShare = 1 << 10
)

func checkPaths(bytes int64, dirs int) error {
	if bytes <= maxPaths+pathShare*int64(dirs) {
		return nil
	}
	return wire.Errorf(wire.CodeMemory, "the paths of %d directories have %d bytes, which is too much: copy the deepest of them by themselves", dirs, bytes)
}

// place finds the directory that a listing is of, having planned what comes
// before it.
func (p *planner) place(ctx context.Context, r *wire.ListingRecord) (*destDir, error) {
	if p.d.own != nil {
		if p.listed == len(p.d.need) || p.d.need[p.listed] != r.Dir {
			return nil, fmt.Errorf("%w: directory %d is listed, which is not the next that was asked for", wire.ErrProtocol, r.Dir)
		}
		p.listed++
	}
	if p.byIndex[r.Dir] != nil {
		return nil, fmt.Errorf("%w: directory %d is listed twice", wire.ErrProtocol, r.Dir)
	}
	var dir *destDir
	if r.Dir == 0 {
		dir = p.rootDir()
	} else {
		parent := p.byIndex[r.Parent]
		if parent == nil || r.Entry >= len(parent.entries) || !parent.entries[r.Entry].IsDir() {
			return nil, fmt.Errorf("%w: directory %d has no parent", wire.ErrProtocol, r.Dir)
		}
		if err := p.ascend(ctx, parent); err != nil {
			return nil, err
		}
		if err := p.subdirsBefore(ctx, parent, r.Entry); err != nil {
			return nil, err
		}
		dir = p.subdir(parent, r.Entry)
	}
	if err := checkPaths(p.d.pathBytes, len(p.d.dirs)); err != nil {
		return nil, err
	}
	dir.index = r.Dir
	p.byIndex[r.Dir] = dir
	p.stack = append(p.stack, dir)
	return dir, nil
}

// ascend leaves the directories below parent, planning what is left in them.
func (p *planner) ascend(ctx context.Context, parent *destDir) error {
	for len(p.stack) > 0 {
		top := p.stack[len(p.stack)-1]
		if top == parent {
			return nil
		}
		if err := p.leave(ctx, top); err != nil {
			return err
		}
		p.stack = p.stack[:len(p.stack)-1]
	}
	return fmt.Errorf("%w: directories come out of order", wire.ErrProtocol)
}

// leave plans the subdirectories of dir that the source does not list.
func (p *planner) leave(ctx context.Context, dir *destDir) error {
	for dir.next < len(dir.order) {
		i := dir.order[dir.next]
		dir.next++
		if err := p.announce(ctx, dir, p.subdir(dir, i), i); err != nil {
			return err
		}
	}
	p.ahead.forget(p.common(dir)...)
	dir.scope = nil
	if p.d.job.DeleteBefore {
		return nil // its files are still to be asked for
	}
	dir.dst, dir.protected, dir.subdirs, dir.left, dir.alts, dir.like = nil, nil, nil, nil, nil, nil
	return nil
}

// subdirsBefore plans the subdirectories of parent that come before entry.
func (p *planner) subdirsBefore(ctx context.Context, parent *destDir, entry int) error {
	for parent.next < len(parent.order) {
		i := parent.order[parent.next]
		parent.next++
		if i == entry {
			return nil
		}
		if err := p.announce(ctx, parent, p.subdir(parent, i), i); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: directories come out of order", wire.ErrProtocol)
}

// checkEntries checks what only the whole listing shows: that the first
// members of hard link groups came before.
func (p *planner) checkEntries(dir *destDir) error {
	if dir.index == 0 && p.d.rootMsg.Single && (len(dir.entries) > 1 || len(dir.entries) == 1 && dir.entries[0].IsDir() && !p.d.job.LikeCp) {
		return fmt.Errorf("%w: a single file was announced and others came", wire.ErrProtocol)
	}
	if p.d.rootMsg.Nothing && len(dir.entries) > 0 {
		return fmt.Errorf("%w: no source was announced and entries come", wire.ErrProtocol)
	}
	for i := range dir.entries {
		ld, le, ok := dir.entries[i].Leader()
		if !ok {
			continue
		}
		lead := p.byIndex[ld]
		if lead == nil && p.d.own != nil && ld < dir.index {
			continue // the leader's directory is equal at both ends and was not sent
		}
		if lead == nil || le >= len(lead.entries) || lead == dir && le >= i || lead.entries[le].IsDir() || dir.entries[i].IsDir() {
			return fmt.Errorf("%w: entry %d of directory %d is linked to nothing", wire.ErrProtocol, i, dir.index)
		}
	}
	return nil
}

// rootDir is the directory that stands for the destination itself.
func (p *planner) rootDir() *destDir {
	d := p.d
	dir := &destDir{exists: !d.empty || d.tree != nil, subdirs: map[int]*destDir{}}
	d.dirs = append(d.dirs, dir)
	return dir
}

// scope returns the rules that protect entries of the destination's root.
func (d *dest) scope() *filter.Scope {
	if d.job.Filter == nil || d.job.Filter.Empty() || d.tree == nil {
		return nil
	}
	return d.job.Filter.Root()
}

// subdir returns the directory for an entry of its parent, made on demand.
func (p *planner) subdir(parent *destDir, entry int) *destDir {
	if dir := parent.subdirs[entry]; dir != nil {
		return dir
	}
	e := &parent.entries[entry]
	name := p.d.nameFor(parent, e)
	dir := &destDir{
		index: -1, path: manifest.Join(parent.path, name),
		failed: parent.failed || parent.refused[entry], subdirs: map[int]*destDir{},
	}
	if dir.shown = dir.path; parent.shown != parent.path || name != e.Name {
		dir.shown = manifest.Join(parent.shown, e.Name)
	}
	p.d.pathBytes += int64(len(dir.path))
	if dst := parent.find(name); dst != nil {
		dir.exists = dst.IsDir()
	}
	if parent.subdirs != nil {
		parent.subdirs[entry] = dir
	}
	p.d.dirs = append(p.d.dirs, dir)
	return dir
}

// find returns the destination's entry of a name, nil if there is none.
func (dir *destDir) find(name string) *manifest.Entry {
	if i, ok := manifest.Find(dir.dst, name); ok {
		return &dir.dst[i]
	}
	return nil
}

// contents plans a directory whose listing is complete: deletions in it, the
// directory itself, then everything in it but its subdirectories, which come
// when their listings do.
func (p *planner) contents(ctx context.Context, dir *destDir) error {
	defer p.d.conn.Work()()
	if err := p.list(ctx, dir); err != nil {
		return err
	}
	p.git.done(dir.index)
	if err := p.keepLinks(ctx, dir); err != nil {
		return err
	}
	p.ahead.want(p.common(dir))
	if err := p.deletions(ctx, dir); err != nil {
		return err
	}
	if dir.index == 0 {
		if err := p.root(ctx, dir); err != nil {
			return err
		}
	} else {
		parent, entry := p.parentOf(dir)
		if err := p.announce(ctx, parent, dir, entry); err != nil {
			return err
		}
	}
	dir.order = manifest.Dirs(dir.entries)
	if dir.failed {
		return nil
	}
	for i := range dir.entries {
		p.seeLink(dir, i)
		if dir.entries[i].IsDir() {
			continue
		}
		if err := p.one(ctx, dir, i); err != nil {
			return err
		}
	}
	return p.request(ctx, dir)
}

// one plans an entry that is no directory, unless it is left alone.
func (p *planner) one(ctx context.Context, dir *destDir, i int) error {
	if dir.refused[i] || p.passOver(dir, i) {
		return p.skipLink(ctx, dir, i)
	}
	if refused, err := p.limit(dir, i); err != nil {
		return err
	} else if refused {
		return p.skipLink(ctx, dir, i)
	}
	return p.linkable(ctx, dir, i)
}

// parentOf returns the directory above dir, which is on the stack, and dir's
// entry in it: the one that was reached last.
func (p *planner) parentOf(dir *destDir) (*destDir, int) {
	parent := p.stack[len(p.stack)-2]
	return parent, parent.order[parent.next-1]
}

// countOwn counts entries of the destination, which are known already where it
// was walked as a whole.
func (d *dest) countOwn(n int) {
	if d.own == nil {
		d.dstEntries += int64(n)
	}
}

// name returns a directory's path for messages.
func (d *dest) name(dir *destDir) string {
	if dir.shown == "" {
		return "."
	}
	return dir.shown
}

// end finishes the plan when the source has listed everything.
func (p *planner) end(ctx context.Context, m *wire.ListEnd) error {
	d := p.d
	if p.partial != nil {
		return fmt.Errorf("%w: the last listing is broken off", wire.ErrProtocol)
	}
	for len(p.stack) > 0 {
		top := p.stack[len(p.stack)-1]
		if err := p.leave(ctx, top); err != nil {
			return err
		}
		p.stack = p.stack[:len(p.stack)-1]
	}
	if d.own == nil && p.byIndex[0] == nil {
		return fmt.Errorf("%w: nothing was listed", wire.ErrProtocol)
	}
	if d.own != nil && p.listed != len(d.need) {
		return fmt.Errorf("%w: %d directories were listed, %d asked for", wire.ErrProtocol, p.listed, len(d.need))
	}
	if m.Dirs != len(p.byIndex) {
		return fmt.Errorf("%w: %d directories were listed, %d announced", wire.ErrProtocol, len(p.byIndex), m.Dirs)
	}
	if len(p.git.dirs) > 0 {
		return fmt.Errorf("%w: git's rules came of %d directories that were not listed", wire.ErrProtocol, len(p.git.dirs))
	}
	d.listEnd = *m
	if err := d.judgeDeletions(ctx); err != nil {
		return err
	}
	if err := p.unblock(ctx); err != nil {
		return err
	}
	if err := p.endGroups(ctx); err != nil {
		return err
	}
	if !d.judgesLate() {
		if err := p.missing(ctx); err != nil {
			return err
		}
		d.announceDeletions()
	}
	if err := p.removeFirst(ctx); err != nil {
		return err
	}
	if err := p.resolve(ctx); err != nil {
		return err
	}
	d.own = nil
	d.rep.post(PlanEvent{})
	return nil
}
