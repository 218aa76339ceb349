package walker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// maxRules is the size in bytes up to which a file of filter rules is read.
const maxRules = 4 << 20

// scope is nil where a walk has no filter.
type scope = *filter.Scope

// place is a directory of a tree, with the scope in which its names are judged.
type place struct {
	Origin
	scope scope
}

// lister lists what jobs need. It is not changed by that.
type lister struct {
	opts Options
}

// list fills in what is known of j once it is listed. The parent is listed.
func (l *lister) list(ctx context.Context, j *job) {
	if j.parent != nil {
		j.path = manifest.Join(j.parent.path, j.name)
	}
	j.dir = &Dir{Path: j.path, bare: j.bare()}
	j.dirsOnly = l.opts.Only != nil && !l.opts.Only(j.path)
	lists := l.read(ctx, j)
	j.dir.origins = make([]Origin, len(j.places))
	for i := range j.places {
		j.dir.origins[i] = j.places[i].Origin
	}
	j.dir.mergeGit()
	if len(lists) == 1 && !j.hasNamed() {
		l.plain(j, lists[0])
		return
	}
	l.merge(j, lists)
}

// bare reports whether nothing but names below it put j there.
func (j *job) bare() bool {
	return j.merged != nil && j.parent != nil && len(j.merged.from) == 0 && !slices.ContainsFunc(j.merged.nodes, func(n *Node) bool { return !n.Implied })
}

// hasNamed reports whether nodes below j were named one by one.
func (j *job) hasNamed() bool {
	return j.merged != nil && slices.ContainsFunc(j.merged.nodes, func(n *Node) bool { return len(n.Children) > 0 })
}

// read lists the places that j is made of and enters their scopes. Places that
// cannot be read become errors of the listing.
func (l *lister) read(ctx context.Context, j *job) [][]manifest.Entry {
	want := l.places(j)
	j.places = make([]place, 0, len(want))
	lists := make([][]manifest.Entry, 0, len(want))
	var errs []error
	for _, p := range want {
		entries, bad := p.Tree.List(ctx, p.Dir)
		entries = unique(entries)
		var rules []string
		var err error
		if p.scope, rules, err = l.enter(ctx, j, p, entries, bad == nil); err == nil && p.scope != nil {
			bad, _ = l.concerns(p.scope, rules, bad)
		}
		if bad != nil {
			errs = append(errs, bad)
		}
		if err != nil {
			// Without the rules nothing may be said about the names.
			errs = append(errs, fmt.Errorf("filter %q: %w", p.Dir, err))
			continue
		}
		j.places = append(j.places, p)
		lists = append(lists, entries)
	}
	if err := l.enterNamed(j); err != nil {
		errs = append(errs, err)
	}
	if len(errs) == 1 {
		j.dir.Err = errs[0]
	} else {
		j.dir.Err = errors.Join(errs...)
	}
	return lists
}

// places returns what j is made of, with the scopes of the directories above:
// named content first, since the first wins.
func (l *lister) places(j *job) []place {
	if j.merged == nil {
		p := &j.parent.places[0]
		return []place{{p.below(j), p.scope}}
	}
	var places []place
	for _, n := range j.merged.nodes {
		for _, o := range n.Contents {
			p := place{Origin: o}
			if j.parent != nil {
				p.scope = j.parent.named
			}
			places = append(places, p)
		}
	}
	for _, i := range j.merged.from {
		p := &j.parent.places[i]
		places = append(places, place{p.below(j), p.scope})
	}
	return places
}

// below returns the origin of the child j of a place. Where paths in the tree
// are those in the transfer they share their memory.
func (p *place) below(j *job) Origin {
	if p.Dir == j.parent.path {
		return Origin{p.Tree, j.path}
	}
	return Origin{p.Tree, manifest.Join(p.Dir, j.name)}
}

// enter returns the scope for the names in p, which holds entries, and nothing
// else if that is complete. If it is not, rules are the names that rules were looked
// for under.
func (l *lister) enter(ctx context.Context, j *job, p place, entries []manifest.Entry, complete bool) (sc scope, rules []string, err error) {
	if l.opts.Filter == nil {
		return nil, nil, nil
	}
	read := func(name string) ([]byte, error) {
		if !complete {
			rules = append(rules, name)
		}
		// The listing spares a look at files that are not there.
		i, ok := manifest.Find(entries, name)
		switch {
		case filter.IsGit(name):
			return l.readGit(ctx, j, p, name, entries)
		case ok && entries[i].Type == manifest.Symlink:
			if t, ok := p.Tree.(RuleLinker); ok {
				return t.ReadLinked(ctx, manifest.Join(p.Dir, name), maxRules)
			}
			return nil, fs.ErrNotExist
		case ok && !entries[i].IsRegular() || !ok && complete:
			return nil, fs.ErrNotExist
		}
		return p.Tree.ReadFile(ctx, manifest.Join(p.Dir, name), maxRules)
	}
	if j.parent == nil {
		sc, err = l.opts.Filter.Root().Open(read)
	} else {
		sc, err = p.scope.Enter(j.name, read)
	}
	return sc, rules, err
}

// enterNamed sets the scope that judges nodes named below j. Merge files do not
// count there: the directory of a node may be none of a tree.
func (l *lister) enterNamed(j *job) (err error) {
	if l.opts.Filter == nil || j.merged == nil || len(j.merged.nodes) == 0 {
		return nil
	}
	if j.parent == nil {
		j.named = l.opts.Filter.Root()
		return nil
	}
	none := func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	j.named, err = j.parent.named.Enter(j.name, none)
	return err
}

// unique sorts entries and drops names that a directory yielded twice, as it
// may while it is changed. Most trees list in order.
func unique(entries []manifest.Entry) []manifest.Entry {
	if ascending(entries) {
		return entries
	}
	manifest.Sort(entries)
	return slices.CompactFunc(entries, func(a, b manifest.Entry) bool { return a.Name == b.Name })
}

func ascending(entries []manifest.Entry) bool {
	for i := 1; i < len(entries); i++ {
		if entries[i-1].Name >= entries[i].Name {
			return false
		}
	}
	return true
}

// verdict says whether an entry takes part and whether it is protected.
func (l *lister) verdict(j *job, sc scope, e *manifest.Entry) (keep, protected bool) {
	if l.opts.Skip != nil && l.opts.Skip(j.path, e.Name) || j.dirsOnly && !e.IsDir() {
		return false, false
	}
	if l.opts.NoMounts && e.IsDir() && e.Ext != nil && e.Ext.Mount {
		return false, false
	}
	if sc == nil || !sc.Excluded(e.Name, e.IsDir(), l.opts.Side) {
		return true, false
	}
	return l.opts.Side == filter.Receiver, true
}

// named is verdict for a named node: one that is implied takes part.
func (l *lister) named(j *job, n *Node) (keep, protected bool) {
	if n.Implied {
		return true, false
	}
	return l.verdict(j, j.named, &n.Entry)
}

// plain fills in a directory that has one place and nothing named.
func (l *lister) plain(j *job, entries []manifest.Entry) {
	sc := j.places[0].scope
	var protected []bool
	kept := entries[:0]
	for i := range entries {
		keep, prot := l.verdict(j, sc, &entries[i])
		if !keep {
			continue
		}
		if prot && protected == nil {
			protected = make([]bool, len(kept), len(entries))
		}
		if protected != nil {
			protected = append(protected, prot)
		}
		if len(kept) == i {
			kept = entries[:i+1] // nothing was left out so far: it stands in its place
		} else {
			kept = append(kept, entries[i])
		}
	}
	j.dir.Entries, j.dir.Protected = exact(kept), protected
	if l.opts.NoRecurse {
		return
	}
	dirs := manifest.Dirs(j.dir.Entries)
	j.dir.Children = slices.DeleteFunc(dirs, func(i int) bool {
		return protected != nil && protected[i] || !l.enters(&j.dir.Entries[i])
	})
	j.children = make([]job, len(j.dir.Children))
	for k, i := range j.dir.Children {
		j.children[k] = job{parent: j, name: j.dir.Entries[i].Name, entry: i}
	}
}

// enters reports whether the walk enters a directory that a tree listed.
func (l *lister) enters(e *manifest.Entry) bool {
	if l.opts.NoRecurse {
		return false
	}
	return !l.opts.OneDevice || e.Ext == nil || !e.Ext.Mount
}

// exact returns entries without room behind them, since listings are kept.
func exact(entries []manifest.Entry) []manifest.Entry {
	if len(entries) == cap(entries) {
		return entries
	}
	return append(make([]manifest.Entry, 0, len(entries)), entries...)
}
