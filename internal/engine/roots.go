package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// forest puts the sources of a job together into the tree that is walked.
type forest struct {
	host   Host
	job    *Job
	itself bool              // the destination is on the same machine, so that a source may be, or hold, it
	trees  map[string]Source // by path, so that many files of one directory share a tree
	root   *walker.Node
	places map[place]int // positions among the children

	asked      map[string][]walker.Origin // directories that were named, by their path in the transfer
	hollow     bool                       // of the contents that go into the root some are empty
	hasRoot    bool                       // the root has a source's attributes
	named      int                        // sources that exist
	ruledOut   int                        // ... of which the rules exclude these, with --relative
	contents   []string                   // directories whose content goes into the root
	skipped    []string
	dotSkipped bool     // "." is among these, for names that begin with "./"
	missing    []string // paths in the transfer of what was named and does not exist, with --delete-missing-args
	errs       []*FileError
	opened     []Source
	modes      manifest.ModeChanges // --chmod

	changing changing    // the trees, for what is removed from them
	tell     func(Event) // takes remarks; nil for nobody
}

// plant builds the forest of a job. What cannot be found is recorded, not
// returned: the run goes on without it.
func plant(ctx context.Context, host Host, job *Job, expand bool) (*forest, error) {
	f := newForest(host, job)
	return f, f.plant(ctx, expand)
}

func newForest(host Host, job *Job) *forest {
	return &forest{host: host, job: job, trees: map[string]Source{}, places: map[place]int{}, asked: map[string][]walker.Origin{}, root: &walker.Node{Entry: manifest.Entry{Type: manifest.Directory}}}
}

func (f *forest) plant(ctx context.Context, expand bool) (err error) {
	if f.modes, err = f.job.modes(); err != nil {
		return wire.Errorf(wire.CodeUsage, "--chmod: %w", err)
	}
	defer func() { f.root.Entry.Mode = f.modes.Apply(manifest.Directory, f.root.Entry.Mode) }()
	switch err := f.plantSources(ctx, expand); {
	case err != nil:
		_ = f.close() // read only: nothing to lose
		return err
	case f.named > 0:
		return f.checkMissing()
	}
	f.root = &walker.Node{Entry: f.root.Entry} // parents of what is not there are not wanted for themselves
	return nil
}

func (f *forest) plantSources(ctx context.Context, expand bool) error {
	host, job := f.host, f.job
	if job.Clean {
		return nil
	}
	if len(job.Sources) == 0 {
		return wire.Errorf(wire.CodeUsage, "no source given")
	}
	if job.Files != nil {
		if expand && len(job.Sources) == 1 { // ~ is a directory of the far side
			if paths, err := job.expand(ctx, host, job.Sources[0]); err == nil && len(paths) == 1 {
				job.Sources = paths
			}
		}
		return f.plantFiles(ctx)
	}
	for _, arg := range job.Sources {
		paths := []string{arg}
		if expand {
			var err error
			if paths, err = job.expand(ctx, host, arg); err != nil {
				f.fail("expand", arg, err)
				continue
			}
		}
		for _, p := range paths {
			if err := f.add(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// expand returns the paths that one of the job's stands for on its machine.
func (j *Job) expand(ctx context.Context, host Host, path string) ([]string, error) {
	if j.LiteralPaths {
		return []string{path}, nil
	}
	return host.Expand(ctx, path)
}

func (f *forest) fail(op, path string, err error) {
	if f.job.IgnoreMissing && op == "link_stat" && errors.Is(err, fs.ErrNotExist) {
		return
	}
	f.errs = append(f.errs, &FileError{Op: op, Path: path, Err: err})
}

// splitPath returns the directory and the last component of path, and whether
// the path means the content of a directory: it ends in a slash, "." or "..".
func splitPath(path string) (dir, name string, content bool) {
	content = strings.HasSuffix(path, "/")
	path = strings.TrimRight(path, "/")
	if path == "" {
		return "/", "", true
	}
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
		if dir == "" {
			dir = "/"
		}
	} else {
		dir, name = ".", path
	}
	if name == "." || name == ".." {
		content = true
	}
	return dir, name, content
}

func (f *forest) add(ctx context.Context, path string) error {
	if path == "" {
		path = "."
	}
	if f.job.Relative {
		return f.addRelative(ctx, path)
	}
	dir, name, content := f.job.split(path)
	if content {
		f.addContent(ctx, f.root, "", path)
		return nil
	}
	n := f.leaf(ctx, path, dir, name)
	if n == nil {
		return nil
	}
	if _, twice := f.places[place{f.root, name}]; twice && f.rulesOut(name, n.Entry.IsDir()) {
		return nil // it counts once among what the rules exclude, see kept
	}
	f.named++
	f.ask(name, n)
	switch {
	case f.job.LikeCp:
		f.graftLast(path, n)
	case !f.shadowed(ctx, n):
		f.graft(f.root, n)
	}
	return nil
}

// ask notes that the directory n was named, which is at that path in the transfer.
func (f *forest) ask(at string, n *walker.Node) {
	if n.Entry.IsDir() {
		f.asked[at] = append(f.asked[at], n.Contents...)
	}
}

// isHollow reports whether a source that was named for a directory, by itself or
// beside others, holds nothing: then it may be a file system that is not mounted.
func (f *forest) isHollow(ctx context.Context, d *walker.Dir) bool {
	if d.Path == "" {
		return f.hollow
	}
	asked := f.asked[d.Path]
	if len(asked) == 1 && d.Sole() {
		return false // that is what it holds, and need not be read again
	}
	return slices.ContainsFunc(asked, func(o walker.Origin) bool {
		entries, err := o.Tree.List(ctx, o.Dir)
		return err != nil || len(entries) == 0 // it may be going away just now
	})
}

// shadowed reports whether a directory whose content was named earlier has
// something of the name of n: the first wins, unless n is a directory.
func (f *forest) shadowed(ctx context.Context, n *walker.Node) bool {
	if n.Entry.IsDir() {
		return false
	}
	for _, dir := range f.contents {
		if _, err := f.host.Lstat(ctx, strings.TrimSuffix(dir, "/")+"/"+n.Entry.Name); err == nil {
			return true
		}
	}
	return false
}

// addContent adds the content of the directory at path to node, whose path in the
// transfer is at.
func (f *forest) addContent(ctx context.Context, node *walker.Node, at, path string) {
	e, err := f.statDir(ctx, path)
	if err != nil {
		f.fail("change_dir", path, err)
		return
	}
	if !e.IsDir() {
		f.fail("change_dir", path, errors.New("not a directory"))
		return
	}
	if err := f.intoItself(ctx, &e, "."); err != nil {
		f.fail("copy", path, err)
		return
	}
	if !f.job.Recursive && !f.job.Dirs {
		f.skip(".", path)
		return
	}
	tree, err := f.tree(ctx, path, at)
	if err != nil {
		f.fail("open", path, err)
		return
	}
	f.named++
	if node != f.root {
		f.asked[at] = append(f.asked[at], walker.Origin{Tree: tree})
	}
	e.Name = node.Entry.Name
	if node == f.root && !f.hasRoot {
		f.hasRoot = true
		node.Entry = e
	}
	node.Contents = append(node.Contents, walker.Origin{Tree: tree})
	if f.job.LikeCp { // the last source comes first, and so wins
		slices.Reverse(node.Contents)
		slices.Reverse(node.Contents[1:])
	}
	node.Implied = false
	if node == f.root {
		f.contents = append(f.contents, path)
	}
}

// leaf makes the node for the file or directory name in dir; nil where it
// does not exist or takes no part.
func (f *forest) leaf(ctx context.Context, path, dir, name string) *walker.Node {
	e, err := f.stat(ctx, path)
	if err != nil {
		f.lacks(ctx, path, dir, name, err)
		return nil
	}
	if e.IsDir() && !f.job.Recursive && !f.job.Dirs {
		if !f.rulesOut(name, true) {
			f.skip(name, path)
		}
		return nil
	}
	if f.job.LikeCp && !e.IsDir() && !f.job.copies(&e) {
		f.fail("copy", path, errNotRegular)
		return nil
	}
	if err := f.intoItself(ctx, &e, name); err != nil {
		f.fail("copy", path, err)
		return nil
	}
	where, at := dir, ""
	if e.IsDir() {
		where, at = path, name
	}
	tree, err := f.tree(ctx, where, at)
	if err != nil {
		f.fail("open", path, err)
		return nil
	}
	e.Name = name
	n := &walker.Node{Entry: e}
	switch {
	case e.IsDir() && f.job.Recursive:
		n.Contents = []walker.Origin{{Tree: tree}}
	case !e.IsDir():
		n.Tree, n.Path = tree, name
	}
	return n
}

// stat describes what a source of the command line is.
func (f *forest) stat(ctx context.Context, path string) (manifest.Entry, error) {
	follow := f.job.CopyLinks
	look := f.host.Lstat
	if follow {
		look = f.host.Stat
	}
	e, err := look(ctx, path)
	if err == nil && e.Type == manifest.Symlink && f.job.followsSome() {
		to, err2 := f.host.Stat(ctx, path)
		switch {
		case f.job.CopyDirLinks && err2 == nil && to.IsDir():
			e, follow = to, true
		case f.job.CopyUnsafeLinks && isUnsafe(e.Name, e.Link()):
			e, err, follow = to, err2, true
		}
	}
	if err == nil {
		err = f.detailedEntry(ctx, path, follow, &e)
	}
	return e, err
}

// skip notes a directory that is not taken because of the options.
func (f *forest) skip(name, path string) {
	if f.job.LikeCp {
		f.fail("copy", path, errNotRegular)
		return
	}
	f.skipped = append(f.skipped, name)
}

// tree opens the directory at path, which stands at a path in the transfer.
func (f *forest) tree(ctx context.Context, path, at string) (Source, error) {
	if t, ok := f.trees[path]; ok {
		return t, nil
	}
	t, err := f.host.Source(ctx, path)
	if err != nil {
		return nil, err
	}
	if f.job.CopyLinks {
		if err := follow(t); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	if f.job.followsSome() {
		if err := f.followSome(t, at); err != nil {
			return nil, errors.Join(err, t.Close())
		}
	}
	if err := f.detailed(t); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	f.trees[path] = t
	f.opened = append(f.opened, t)
	return t, nil
}

// parallel returns how many files are dealt with at a time where a source lies
// behind a line, else 0.
func (f *forest) parallel() (n int) {
	for _, t := range f.opened {
		if t, ok := t.(Distant); ok {
			n = max(n, t.Parallel())
		}
	}
	return n
}

// follow has a tree follow its symlinks.
func follow(t Source) error {
	err := errors.ErrUnsupported
	if f, ok := t.(Follower); ok {
		err = f.Follow()
	}
	if err != nil {
		err = fmt.Errorf("its symlinks cannot be followed: %w", err)
	}
	return err
}

// graft puts n below parent. Of two nodes with one name the first wins, but
// directories are merged and win over everything else.
func (f *forest) graft(parent, n *walker.Node) *walker.Node {
	at := place{parent, n.Entry.Name}
	i, taken := f.places[at]
	if !taken {
		f.places[at] = len(parent.Children)
		parent.Children = append(parent.Children, n)
		return n
	}
	c := parent.Children[i]
	switch {
	case c.Entry.IsDir() && n.Entry.IsDir():
		c.Contents = append(c.Contents, n.Contents...)
		c.Implied = c.Implied && n.Implied
		return c
	case n.Entry.IsDir():
		parent.Children[i] = n
		return n
	}
	return c
}

// place is a name below a node.
type place struct {
	parent *walker.Node
	name   string
}

// message returns what the destination is told about the sources.
func (f *forest) message(ctx context.Context) *wire.Roots {
	now := f.host.Now()
	m := &wire.Roots{Sec: now.Unix(), Nsec: uint32(now.Nanosecond()), Complete: true, HasRoot: f.hasRoot, Root: f.root.Entry}
	m.Root.Name = ""
	named := f.named - f.ruledOut
	if c := f.root.Children; named == 1 && len(f.missing) == 1 && len(c) == 0 && !f.hasRoot {
		m.Single, m.Name = true, f.missing[0][strings.LastIndexByte(f.missing[0], '/')+1:]
	} else if c := f.kept(); named+len(c)-len(f.root.Children) == 1 && len(c) == 1 && (f.job.LikeCp || !c[0].Entry.IsDir()) && len(f.root.Contents) == 0 && !f.hasRoot {
		m.Single, m.Name = true, c[0].Entry.Name
	}
	for _, c := range f.root.Children {
		if c.Entry.IsDir() {
			m.TopNames = append(m.TopNames, c.Entry.Name)
		}
	}
	empty, some := len(f.root.Children)+f.ruledOut == 0, false
	for _, o := range f.root.Contents {
		entries, err := o.Tree.List(ctx, o.Dir)
		if err != nil {
			m.Complete = false
		}
		empty = empty && len(entries) == 0 && err == nil
		some = some || len(entries) == 0 && err == nil
		for i := range entries {
			if entries[i].IsDir() {
				m.TopNames = append(m.TopNames, entries[i].Name)
			}
		}
	}
	size := 0
	for _, n := range m.TopNames {
		size += len(n) + 3
	}
	if size > wire.MaxFrame/2 {
		m.TopNames, m.Complete = nil, false
	}
	m.Missing = f.missing
	f.hollow = some && !empty
	m.Empty, m.Nothing = empty && f.named > 0, f.named == 0
	if f.named > 0 && !f.hasRoot && len(f.root.Contents)+len(f.missing)+len(f.kept()) == 0 {
		m.Single, m.Empty, m.Name, m.TopNames, m.Nothing = false, false, "", nil, true
	}
	return m
}

// kept returns which of the named children of the root the rules leave: as for rsync no destination is made where there
// is none, and one that is a file may get the destination's name.
func (f *forest) kept() []*walker.Node {
	if f.job.Filter == nil || f.job.LikeCp {
		return f.root.Children
	}
	scope := f.job.Filter.Root() // named nodes are judged without merge files, see the walker
	return slices.DeleteFunc(slices.Clone(f.root.Children), func(n *walker.Node) bool {
		return !n.Implied && scope.Excluded(n.Entry.Name, n.Entry.IsDir(), filter.Sender)
	})
}

// close closes the trees.
func (f *forest) close() error {
	var errs []error
	for _, t := range f.opened {
		errs = append(errs, t.Close())
	}
	errs = append(errs, f.changing.close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing sources: %w", err)
	}
	return nil
}
