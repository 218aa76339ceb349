package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// lacks deals with a source that cannot be looked at. Where it only does not exist, in
// a directory that does, options may ask for that: see Selection.IgnoreMissing.
func (f *forest) lacks(ctx context.Context, path, dir, name string, err error) {
	if !f.job.IgnoreMissing && !f.job.DeleteMissing || !errors.Is(err, fs.ErrNotExist) {
		f.fail("link_stat", path, err)
		return
	}
	if _, err := f.host.Stat(ctx, dir); err != nil {
		f.fail("change_dir", dir, err)
		return
	}
	if st, lerr := f.host.Lstat(ctx, path); lerr == nil && st.Type == manifest.Symlink && f.job.CopyUnsafeLinks && !f.job.CopyLinks {
		f.fail("follow", path, err) // it exists; with -L, as for rsync, it does not
		return
	}
	if f.job.DeleteMissing {
		f.miss(name)
	}
}

// lacksBelow is lacks for a path that is kept at the destination. As for rsync the
// directories on the way are wanted then, and one that does not exist is an error.
func (f *forest) lacksBelow(ctx context.Context, base string, parts []string) {
	base = strings.TrimSuffix(base, "/")
	for i := range len(parts) - 1 {
		at := base + "/" + strings.Join(parts[:i+1], "/")
		if _, err := f.host.Stat(ctx, at); err != nil {
			f.errs = append(f.errs, &FileError{Op: "vanished", Path: at, Err: fmt.Errorf("%w: %w", ErrVanished, err)})
			return
		}
	}
	if f.job.NoImplied {
		f.miss(strings.Join(parts, "/"))
		return
	}
	if node, _ := f.descend(ctx, base, parts[:len(parts)-1]); node != nil {
		f.miss(strings.Join(parts, "/"))
	}
}

// miss notes that what was named at a path of the transfer does not exist, unless the
// rules exclude it.
func (f *forest) miss(path string) {
	if f.rulesOut(path, false) {
		return
	}
	f.named++
	f.missing = append(f.missing, path)
}

// rulesOut reports whether the rules exclude what was named at a path of the transfer. As
// for rsync the directories on the way do not matter, nor do files with rules in them.
func (f *forest) rulesOut(path string, isDir bool) bool {
	if f.job.Filter == nil || f.job.Filter.Empty() || f.job.LikeCp {
		return false
	}
	scope := f.job.Filter.Root()
	parts := strings.Split(path, "/")
	for _, dir := range parts[:len(parts)-1] {
		var err error
		if scope, err = scope.Enter(dir, noFile); err != nil {
			return true // what they say is not known
		}
	}
	return scope.Excluded(parts[len(parts)-1], isDir, filter.Sender)
}

// maxMissing is how many bytes the names of what is missing may have: they are in one
// message with all else that is said of the sources.
const maxMissing = wire.MaxFrame / 4

// checkMissing refuses names that do not fit in a message.
func (f *forest) checkMissing() error {
	size := 0
	for _, m := range f.missing {
		size += len(m) + 3
	}
	if size > maxMissing {
		return wire.Errorf(wire.CodeUsage, "%d sources do not exist, which is too much for --delete-missing-args: name them in parts", len(f.missing))
	}
	return nil
}

// missing adds what the destination has of the names that were given and do not exist
// at the source to what is removed. That was asked for name by name: none of what guards
// other deletions keeps it.
func (p *planner) missing(ctx context.Context) error {
	d := p.d
	if !d.job.DeleteMissing || d.tree == nil {
		return nil
	}
	if err := d.requested.checkMissing(d.rootMsg); err != nil {
		return err
	}
	names := slices.Clone(d.rootMsg.Missing)
	slices.Sort(names)
	if len(names) == 0 {
		return nil
	}
	dirs := map[string]*destDir{}
	for _, dir := range d.dirs {
		dirs[dir.path] = dir
	}
	done := d.deadPaths()
	for _, name := range slices.Compact(names) {
		if d.rename != "" {
			name = d.rename
		}
		if p.isListed(dirs, name) || within(done, name) {
			continue
		}
		done[name] = true
		gone, err := p.missed(ctx, name)
		if err != nil {
			return err
		}
		if len(gone) == 0 {
			continue
		}
		if dir := dirs[parentPath(name)]; dir != nil && entriesOf(gone) > 0 {
			dir.touched.Store(true)
		}
		if !d.job.DeleteAfter && !d.job.DeleteBefore {
			d.hold(gone)
		}
		d.dead = append(d.dead, gone...)
	}
	return nil
}

// ReasonNotEmpty is the reason of the [SkipEvent] for a directory that is to be removed, and
// stays because something in it does: the rules protect it, it is a backup or the root of
// another file system, or --delete-missing-args alone removes no more than an empty one.
const ReasonNotEmpty = "cannot delete non-empty directory"

func parentPath(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

// isListed reports whether the source has something of a path of the destination.
func (p *planner) isListed(dirs map[string]*destDir, name string) bool {
	dir := dirs[parentPath(name)]
	if dir == nil {
		return false
	}
	_, ok := manifest.Find(dir.entries, path.Base(name))
	return ok
}

// within reports whether a path is one of some, or below one.
func within(paths map[string]bool, name string) bool {
	for name != "" {
		if paths[name] {
			return true
		}
		name = parentPath(name)
	}
	return false
}

// deadPaths returns the paths of what is removed anyway.
func (d *dest) deadPaths() map[string]bool {
	paths := map[string]bool{}
	for _, g := range d.dead {
		for i := range g.entries {
			paths[g.entries[i].path()] = true
		}
	}
	return paths
}

// missed collects what is at a path of the destination.
func (p *planner) missed(ctx context.Context, name string) ([]deadGroup, error) {
	d := p.d
	st, err := d.tree.Stat(ctx, name)
	if err != nil {
		if isGone(err) || ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, d.fileFailed("delete", name, err)
	}
	st.Name = path.Base(name)
	up := parentPath(name)
	self := deadEntry{&deadDir{up, up}, st}
	scope, protected, err := p.protects(ctx, name, st.IsDir())
	if protected || err != nil {
		return nil, err
	}
	if st.IsDir() && !d.job.Delete && !d.job.Force {
		list, err := d.tree.List(ctx, name)
		if err != nil {
			return nil, d.fileFailed("opendir", name, err)
		}
		if len(list) > 0 {
			d.rep.post(SkipEvent{Path: name, Reason: ReasonNotEmpty})
			return nil, nil
		}
		return add(nil, self), nil
	}
	gone, _, err := p.subtree(ctx, nil, self, scope)
	return gone, err
}

// protects reports whether the rules keep what is at a path from being removed, and
// returns those that are in force in its directory.
func (p *planner) protects(ctx context.Context, name string, isDir bool) (scope *filter.Scope, protected bool, err error) {
	d := p.d
	if scope = d.scope(); scope == nil {
		return nil, false, nil
	}
	scope, err = scope.Open(p.mergeFile(ctx, &destDir{}))
	parts := strings.Split(name, "/")
	for i := 0; i < len(parts)-1 && err == nil; i++ {
		scope, err = scope.Enter(parts[i], p.mergeFile(ctx, &destDir{path: strings.Join(parts[:i+1], "/")}))
	}
	if err != nil {
		return nil, true, d.fileFailed("filter", name, err)
	}
	return scope, scope.Excluded(parts[len(parts)-1], isDir, filter.Receiver), nil
}
