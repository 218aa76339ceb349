package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// open finds out what the destination path means, and opens it: a directory
// that the sources go into, or the name that a single file is to have.
func (d *dest) open(ctx context.Context) error {
	path := d.job.Dest
	if path == "" {
		path = "."
	}
	if err := d.ids.learnMaps(d.job, func(text string) { d.rep.post(NoteEvent{Text: text}) }); err != nil {
		return err
	}
	if d.job.LikeCp {
		return d.openLikeCp(ctx, path)
	}
	st, err := d.host.Stat(ctx, path)
	switch {
	case err == nil && st.IsDir():
		return d.openDir(ctx, path)
	case d.rootMsg.Nothing && (err == nil || d.requested != nil || !strings.HasSuffix(path, "/")):
		d.base = path // nothing will be put there, so it need not be anything
		return nil
	case err == nil && d.rootMsg.Single && !strings.HasSuffix(path, "/"):
		return d.openParent(ctx, path)
	case err == nil:
		return wire.Errorf(wire.CodeSelect, "%w: %s is not a directory, and more than one file is to be copied there: name a directory", ErrSelect, path)
	case !errors.Is(err, fs.ErrNotExist) && d.job.MakePath:
		return &wire.Error{Code: wire.CodeFile, Kind: wire.KindOf(err), Op: "mkdir", Path: path, Text: text(err)}
	case !errors.Is(err, fs.ErrNotExist):
		return &wire.Error{Code: wire.CodeSelect, Kind: wire.KindOf(err), Op: "open destination", Path: path, Text: text(err)}
	case d.rootMsg.Single && !strings.HasSuffix(path, "/"):
		return d.openParent(ctx, path)
	default:
		return d.makeRoot(ctx, path)
	}
}

// openParent opens the directory of a destination that is a file's name.
func (d *dest) openParent(ctx context.Context, path string) error {
	dir, name, _ := splitPath(path)
	if err := manifest.ValidName(name); err != nil {
		return wire.Errorf(wire.CodeSelect, "%w: destination %q: %w", ErrSelect, path, err)
	}
	d.rename = name
	st, err := d.host.Stat(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) && d.job.MakePath {
		return d.makePath(ctx, dir)
	}
	if err != nil {
		err := missingParent(path, dir, err)
		err.Code = wire.CodeSelect
		return err
	}
	if !st.IsDir() {
		return wire.Errorf(wire.CodeSelect, "%w: %s is not a directory", ErrSelect, dir)
	}
	return d.openDir(ctx, dir)
}

func missingParent(path, dir string, err error) *wire.Error {
	return &wire.Error{
		Code: wire.CodeFile, Kind: wire.KindOf(err), Op: "mkdir", Path: path,
		Text: fmt.Sprintf("%s: %s; create it first (mkdir -p)", dir, text(err)),
	}
}

// makeRoot creates the destination directory. Its parent must exist.
func (d *dest) makeRoot(ctx context.Context, path string) error {
	d.empty = true
	clean := strings.TrimRight(path, "/")
	if d.job.MakePath {
		return d.makePath(ctx, clean)
	}
	dir, _, _ := splitPath(clean)
	if st, err := d.host.Stat(ctx, dir); err != nil || !st.IsDir() {
		if err == nil {
			err = errors.New("not a directory")
		}
		return missingParent(clean, dir, err)
	}
	d.base, d.created = clean, true
	if !d.job.DryRun {
		if err := d.host.Mkdir(ctx, clean); err != nil && (d.job.Shard.Count <= 1 || !errors.Is(err, fs.ErrExist)) {
			return &wire.Error{Code: wire.CodeFile, Kind: wire.KindOf(err), Op: "mkdir", Path: clean, Text: text(err)}
		}
	}
	d.rep.post(NoteEvent{Text: "created directory " + clean})
	if d.job.DryRun {
		d.learnClock()
		return nil
	}
	return d.openDir(ctx, clean)
}

// patience is how long another run that works on the same files is waited for.
// It may be this run's own, on a connection that has died: its far side notices
// that within its timeout.
func (d *dest) patience() time.Duration { return max(d.job.Timeout, time.Minute) + 5*time.Second }

// Unlocker is a [Dest] whose root this process may have no right to use, although it is
// the owner's.
type Unlocker interface {
	// Unlock gives the owner all rights to the root, which had the mode was, and reports
	// whether something was changed. It is called before anything else is.
	Unlock() (was uint16, done bool)
}

func (d *dest) openDir(ctx context.Context, path string) error {
	how := DestOptions{
		Durability: d.job.Durability, ReadOnly: d.job.DryRun, PartialDir: d.job.PartialDir,
		Exclusive: (d.job.Delete && d.job.Shard.Count <= 1 || d.job.DeleteMissing || d.job.Force || d.job.Clean) && !d.job.DryRun, Wait: d.patience(),
	}
	defer d.conn.Work()() // it may have to wait
	t, err := d.host.Dest(ctx, path, how)
	if err != nil {
		return &wire.Error{Code: wire.CodeSelect, Kind: wire.KindOf(err), Op: "open destination", Path: path, Text: text(err)}
	}
	if err := d.startBackups(t); err != nil {
		return errors.Join(err, t.Close())
	}
	if err := d.startDelays(t); err != nil {
		return errors.Join(err, t.Close())
	}
	d.tree, d.base = t, path
	d.widen(ctx)
	d.learnClock()
	if u, ok := capability[Unlocker](t); ok && !d.job.DryRun && !d.host.IDs().Root() {
		d.lockedMode, d.unlocked = u.Unlock()
	}
	if err := d.detailed(); err != nil {
		return err
	}
	if err := refuseRenames(d.job, t, d.local); err != nil {
		return err
	}
	if !d.empty && d.rename == "" {
		entries, err := t.List(ctx, "")
		d.empty = err == nil && len(entries) == 0
	}
	return nil
}

// mode decides how the two ends compare. Digests stand for equality of all
// that a run preserves, so policies that count more or less as equal, and
// trees of which each end sees another part, need the listings.
func (d *dest) mode() *wire.Mode {
	j := d.job
	digests := !d.empty && d.tree != nil && d.rename == "" && !d.rootMsg.Single &&
		j.Recursive && j.Links && j.Devices && j.Specials && !j.Dirs && !j.Relative && j.Files == nil &&
		!j.needsListings() && !j.DeleteMissing && !j.replacesEqual() && !j.Update && !j.IgnoreTimes && !j.SizeOnly && !j.Checksum && !j.ItemizeAll && !j.RemoveSource &&
		(j.Filter == nil || !j.Filter.SideSpecific()) && (j.Delete && d.rootMsg.HasRoot || d.rootMsg.Complete)
	m := &wire.Mode{Digests: digests, Named: j.LikeCp && d.rename != ""}
	set := func(on bool, f manifest.Fields) {
		if on {
			m.Fields |= f
		}
	}
	set(j.Perms, manifest.FieldMode)
	set(j.Times, manifest.FieldTimes)
	set(j.Times && j.OmitDirTimes, manifest.FieldOmitDirTimes)
	set(j.Times && j.OmitLinkTimes, manifest.FieldOmitLinkTimes)
	set(j.Xattrs, manifest.FieldXattrs)
	set(j.Xattrs && !d.ids.root, manifest.FieldUserXattrs)
	set(j.ACLs, manifest.FieldACLs)
	set(j.HardLinks, manifest.FieldHardLinks)
	set(d.ids.owner, manifest.FieldUser)
	set(d.ids.group, manifest.FieldGroup)
	set(j.NumericIDs, manifest.FieldNumeric)
	return m
}

// compareDigests finds the directories that differ. over says that none does.
func (d *dest) compareDigests(ctx context.Context, fields manifest.Fields) (over bool, err error) {
	own, root, err := d.walkOwn(ctx)
	if err != nil {
		return false, err
	}
	digests := digestTree(own.dirs, root, fields, d.host.IDs())
	var m *wire.RootDigest
	select {
	case m = <-d.digest:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	d.listed.Add(manifest.DigestSize)
	if m.Digest == digests[0] && !m.Incomplete && !own.unsure[0] {
		d.listEnd = wire.ListEnd{Complete: true, Totals: m.Totals}
		d.rep.post(PlanEvent{})
		return true, nil
	}
	d.wantTable.Store(true)
	if err := d.conn.Send(ctx, &wire.NeedDirs{Table: true}); err != nil {
		return false, err
	}
	d.own = own
	need, err := d.compareTable(ctx, own, digests)
	if err != nil {
		return false, err
	}
	d.need = need
	for len(need) > needBatch {
		if err := d.conn.Send(ctx, &wire.NeedDirs{More: true, Dirs: need[:needBatch]}); err != nil {
			return false, err
		}
		need = need[needBatch:]
	}
	d.wantPlan.Store(true)
	return false, d.conn.Send(ctx, &wire.NeedDirs{Dirs: need})
}

// needBatch is how many directories one NeedDirs asks for at the most.
const needBatch = 1 << 17

// compareTable reads the source's table of digests and returns the indices of
// the directories that differ. Equal ones are left with all that is below.
func (d *dest) compareTable(ctx context.Context, own *ownTree, digests []manifest.Digest) (need []int, err error) {
	t := &digestTable{own: own, digests: digests}
	for last := false; !last; {
		var m *wire.DirTable
		select {
		case m = <-d.table:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if len(t.equal)+len(m.Dirs) > maxEntries {
			return nil, tooMany()
		}
		if m.First != len(t.equal) {
			return nil, fmt.Errorf("%w: digest table has a gap at %d", wire.ErrProtocol, len(t.equal))
		}
		for i := range m.Dirs {
			r := &m.Dirs[i]
			known := r.Parent >= 0 && t.equal[r.Parent]
			if t.add(r); known {
				continue
			}
			if !t.equal[m.First+i] {
				need = append(need, m.First+i)
			}
			d.listed.Add(int64(len(r.Name) + manifest.DigestSize + 3))
		}
		last = m.Last
	}
	return need, nil
}

// digestTable is the source's table of digests beside what the destination has.
// There are no paths in it: directories that lie in each other have long ones, and
// cost their source a few bytes each.
type digestTable struct {
	own     *ownTree
	digests []manifest.Digest
	equal   []bool // for each row
}

// add compares the next row, whose parent is one of those before. What lies in an
// equal directory is equal.
func (t *digestTable) add(r *wire.DirDigest) {
	dir, equal := t.own.root(), false
	if r.Parent >= 0 {
		dir, equal = t.own.below(t.own.source[r.Parent], r.Name), t.equal[r.Parent]
	}
	if !equal && dir != nil {
		equal = !r.Incomplete && r.Digest == t.digests[dir.Index] && !t.own.unsure[dir.Index]
	}
	t.own.source = append(t.own.source, dir)
	t.equal = append(t.equal, equal)
}

// walkOwn walks the destination. Unless entries of the root are to be deleted, of its directories
// only those that the source has are entered: what else lies there may be large.
func (d *dest) walkOwn(ctx context.Context) (*ownTree, *manifest.Entry, error) {
	defer d.conn.Work()()
	st, err := d.tree.Stat(ctx, "")
	if err != nil {
		return nil, nil, &wire.Error{Code: wire.CodeFile, Kind: wire.KindOf(err), Op: "stat", Path: d.base, Text: text(err)}
	}
	node := &walker.Node{Entry: st}
	node.Entry.Name = ""
	if d.job.Delete && d.rootMsg.HasRoot {
		node.Contents = []walker.Origin{{Tree: d.tree}}
	} else if err := d.nodeForTop(ctx, node); err != nil {
		return nil, nil, err
	}
	own := &ownTree{byPath: map[string]*walker.Dir{}, left: map[string][]string{}}
	opts := walker.Options{Filter: d.job.Filter, Side: filter.Receiver, HardLinks: d.job.HardLinks, Only: d.job.Shard.only()}
	if d.afar() {
		opts.Workers = d.width / 2
	}
	var stale staleNames
	opts.Skip = stale.skip
	err = walker.Walk(ctx, node, opts, func(w *walker.Dir) error {
		own.dirs = append(own.dirs, w)
		d.dstEntries += int64(len(w.Entries))
		own.byPath[w.Path] = w
		return nil
	})
	own.unsure = make([]bool, len(own.dirs))
	d.markRacy(own)
	for _, p := range stale.paths { // what was begun must be looked at
		if w := own.byPath[p[0]]; w != nil {
			own.unsure[w.Index] = own.unsure[w.Index] || strings.HasSuffix(p[1], manifest.SidecarSuffix)
			own.left[p[0]] = append(own.left[p[0]], p[1])
		}
	}
	for i := len(own.dirs) - 1; i >= 0; i-- {
		w := own.dirs[i]
		own.unsure[i] = own.unsure[i] || w.Err != nil
		if own.unsure[i] && w.Parent >= 0 {
			own.unsure[w.Parent] = true
		}
	}
	if err == nil && !d.job.DryRun {
		err = d.removeStale(ctx, own, &st, stale.paths)
	}
	var root *manifest.Entry
	if d.rootMsg.HasRoot {
		root = &st
	}
	return own, root, err
}

// staleNames collects the temporaries that a walk meets.
type staleNames struct {
	mu    sync.Mutex
	paths [][2]string // directory and name
}

func (n *staleNames) skip(dir, name string) bool {
	if !manifest.Temporary(name) {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paths = append(n.paths, [2]string{dir, name})
	return true
}

// removeStale removes what killed runs have left, and gives the directories
// back the times that the walk has seen, because these are compared.
func (d *dest) removeStale(ctx context.Context, own *ownTree, root *manifest.Entry, paths [][2]string) error {
	for _, p := range paths {
		path := manifest.Join(p[0], p[1])
		removed, err := d.tree.RemoveStale(ctx, path, false)
		if err != nil {
			if err := d.fileFailed("remove", path, err); err != nil {
				return err
			}
		}
		if w := own.byPath[p[0]]; removed && w != nil && d.job.Times {
			e := *root
			if w.Parent >= 0 {
				e = own.dirs[w.Parent].Entries[w.Entry]
			}
			if err := d.tree.SetAttrs(ctx, p[0], &e, manifest.AttrTimes); err != nil {
				return d.fileFailed("set attributes", p[0], err)
			}
		}
	}
	return nil
}

func (d *dest) nodeForTop(ctx context.Context, node *walker.Node) error {
	entries, err := d.tree.List(ctx, "")
	if err != nil {
		return &wire.Error{Code: wire.CodeFile, Kind: wire.KindOf(err), Op: "opendir", Path: d.base, Text: text(err)}
	}
	top := map[string]bool{}
	for _, n := range d.rootMsg.TopNames {
		top[n] = true
	}
	for _, e := range entries {
		c := &walker.Node{Entry: e, Tree: d.tree, Path: e.Name}
		if e.IsDir() && top[e.Name] {
			c.Contents = []walker.Origin{{Tree: d.tree, Dir: e.Name}}
		}
		node.Children = append(node.Children, c)
	}
	return nil
}
