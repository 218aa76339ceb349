package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Granular is a [Dest] that knows how coarse the times are that its file system
// keeps: they are cut to multiples of what it returns.
type Granular interface {
	Granularity() time.Duration
}

// Keeper is a [Dest] that does not keep every attribute of every type of entry.
// What it does not keep is neither compared nor set, so that it is not reported as
// changed by every run.
type Keeper interface {
	Keeps(t manifest.Type) manifest.Attrs
}

// keepable returns the attributes of entries of a type that the destination keeps.
func (d *dest) keepable(t manifest.Type) manifest.Attrs {
	keeps := ^manifest.Attrs(0)
	if k, ok := capability[Keeper](d.tree); ok {
		keeps = k.Keeps(t)
	}
	if t == manifest.Directory && d.job.besides() {
		keeps &^= manifest.AttrTimes // as with rsync: a directory with backups in it is no copy any more
	}
	return keeps
}

// Folder is a [Dest] whose file system may take different names for the same:
// one that ignores case, or how accented letters are encoded.
type Folder interface {
	// Folding returns a function that maps names which its file system takes
	// for the same to one key, nil where every name is its own. It may map
	// others to one key, too, and need not be safe for concurrent use. Finding
	// that out may take a temporary in the root for a moment, so it is called
	// once at the most, by a run that has something to create.
	Folding(ctx context.Context) func(name string) string
}

// ErrSameName: the destination takes two names of the source for the same.
var ErrSameName = errors.New("the destination takes two names for the same")

// capability returns what t can do beyond [Dest], where it can.
func capability[T any](t Dest) (T, bool) {
	if l, ok := t.(*limitedDest); ok {
		t = l.Dest
	}
	v, ok := t.(T)
	return v, ok
}

// learnClock finds out what times the destination can keep, and what this user may
// do there: a machine behind a line may know that only now.
func (d *dest) learnClock() {
	if g, ok := capability[Granular](d.tree); ok {
		d.clock = manifest.Clock{Unit: g.Granularity()}
	}
	d.clock.Window = d.job.ModifyWindow
	d.ids.root = d.job.isSuper(d.ids.ids)
	d.ids.owner = d.job.Owner && d.ids.root
}

// folding is what is known of the names that the destination takes for the same.
// It is the planner's.
type folding struct {
	known bool
	key   func(name string) string // nil where every name is its own
	root  *manifest.Entry          // the destination itself as it was before that was found out; nil if it was not asked
}

// fold returns the function that makes keys of names, nil where every name is its
// own. The first directory that lacks something asks for it.
func (d *dest) fold(ctx context.Context) func(string) string {
	f := &d.names
	if f.known {
		return f.key
	}
	f.known = true
	t, ok := capability[Folder](d.tree)
	if !ok || d.job.DryRun {
		return nil
	}
	defer d.conn.Work()()
	if st, err := d.tree.Stat(ctx, ""); err == nil {
		f.root = &st
	}
	f.key = t.Folding(ctx)
	d.dirs[0].touched.Store(true) // a temporary was there
	return f.key
}

// alias deals with names that the destination takes for the same. Of the entries
// of dir that would be one at the destination the first is kept and the others are
// refused, with all that is below them. What the destination has under another
// form of a name is given the source's, so that it is found, and is not deleted
// as something that the source does not have.
func (p *planner) alias(ctx context.Context, dir *destDir) error {
	d := p.d
	if d.tree == nil || dir.failed || d.names.known && d.names.key == nil || !p.lacks(dir) {
		return nil
	}
	key := d.fold(ctx)
	if key == nil {
		return context.Cause(ctx)
	}
	names := p.refuse(dir, key)
	return p.rename(ctx, dir, key, names)
}

// lacks reports whether the destination has no entry of the very name of one of
// the source.
func (p *planner) lacks(dir *destDir) bool {
	for i := range dir.entries {
		if dir.find(p.d.nameFor(dir, &dir.entries[i])) == nil {
			return true
		}
	}
	return false
}

// refuse refuses all but the first of the entries of dir that have one key. It
// returns the names that are kept, by key.
func (p *planner) refuse(dir *destDir, key func(string) string) map[string]string {
	d := p.d
	names := make(map[string]string, len(dir.entries))
	for i := range dir.entries {
		e := &dir.entries[i]
		name := d.nameFor(dir, e)
		first, taken := names[key(name)]
		if !taken {
			names[key(name)] = name
			continue
		}
		if dir.find(first) != nil && dir.find(name) != nil {
			continue // it has both, so it tells them apart
		}
		if dir.refused == nil {
			dir.refused = map[int]bool{}
		}
		dir.refused[i] = true
		if !e.IsDir() {
			d.lose(wire.ID{Dir: dir.index, Entry: i})
		}
		d.fail("copy", shownPath(dir, e), fmt.Errorf("%w: %q and %q", ErrSameName, first, name))
	}
	return names
}

// rename gives entries of the destination the names that the source has for
// them. The key only says which may be the same; whether they are is asked.
func (p *planner) rename(ctx context.Context, dir *destDir, key func(string) string, names map[string]string) error {
	var renamed []manifest.Entry
	for i := range dir.dst {
		dst := dir.dst[i] // a copy: the listing may be that of the walk before
		name, ok := names[key(dst.Name)]
		if ok && name != dst.Name && dir.find(name) == nil {
			st, err := p.d.tree.Stat(ctx, manifest.Join(dir.path, name))
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err == nil && st.Ino == dst.Ino && st.Type == dst.Type {
				dst.Name = name
			}
		}
		renamed = append(renamed, dst)
	}
	manifest.Sort(renamed)
	// Two can have become one only if they are links to one file.
	dir.dst = slices.CompactFunc(renamed, func(a, b manifest.Entry) bool { return a.Name == b.Name })
	return nil
}
