package engine

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"gosync/walker"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// list reads what the destination has in a directory.
func (p *planner) list(ctx context.Context, dir *destDir) error {
	d := p.d
	switch {
	case dir.failed || d.tree == nil:
		return nil
	case !dir.exists:
		return p.alias(ctx, dir)
	case d.own != nil:
		if own := d.own.byPath[dir.path]; own != nil && !(own.Err != nil && p.unlock(ctx, dir, own.Err)) {
			dir.dst = own.Entries
			for _, name := range d.own.left[dir.path] {
				dir.leftover(name)
			}
			if own.Err != nil {
				dir.incomplete = true // as below
				d.fail("opendir", d.name(dir), own.Err)
			}
			return p.match(ctx, dir)
		}
	}
	entries, err := p.listDest(ctx, dir.path)
	if err != nil && p.unlock(ctx, dir, err) {
		entries, err = d.tree.List(ctx, dir.path)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// What is there cannot be compared, so it cannot be deleted either;
		// the files are sent, and fail or not.
		dir.incomplete = true
		d.fail("opendir", d.name(dir), err)
	}
	kept := entries[:0]
	for _, e := range entries {
		if !manifest.Temporary(e.Name) {
			kept = append(kept, e)
			continue
		}
		if err := p.removeStale(ctx, dir, e.Name); err != nil {
			return err
		}
	}
	manifest.Sort(kept)
	dir.dst = kept
	d.countOwn(len(kept))
	return p.match(ctx, dir)
}

// unlock gives this process the right to list a directory of its own that it could not
// list, and reports whether it did. What comes next to the directory knows the mode that
// it had, and sets it again at the end.
func (p *planner) unlock(ctx context.Context, dir *destDir, err error) bool {
	d := p.d
	if d.job.DryRun || d.host.IDs().Root() || !errors.Is(err, fs.ErrPermission) {
		return false
	}
	st, err := d.tree.Stat(ctx, dir.path)
	if err != nil || !st.IsDir() || st.Mode&0o700 == 0o700 {
		return false
	}
	st.Mode |= 0o700
	return d.tree.SetAttrs(ctx, dir.path, &st, manifest.AttrMode) == nil
}

// match finds out which entries of the destination stand for those of the source,
// and which are protected.
func (p *planner) match(ctx context.Context, dir *destDir) error {
	if err := p.alias(ctx, dir); err != nil {
		return err
	}
	return p.protect(ctx, dir)
}

// protect marks the entries that filter rules keep from deletion.
func (p *planner) protect(ctx context.Context, dir *destDir) error {
	d := p.d
	if d.scope() == nil || !d.job.Delete && !d.job.Force {
		return nil
	}
	scope, err := p.scopeOf(ctx, dir)
	if err != nil || scope == nil {
		dir.incomplete = true // what is protected is not known, so nothing is deleted
		if err != nil {
			err = d.fileFailed("filter", d.name(dir), err)
		}
		return err
	}
	dir.scope = scope
	dir.protected = make([]bool, len(dir.dst))
	for i := range dir.dst {
		dir.protected[i] = scope.Excluded(dir.dst[i].Name, dir.dst[i].IsDir(), filter.Receiver)
	}
	return nil
}

// scopeOf returns the rules in force in dir, nil where those of its parent are
// not known.
func (p *planner) scopeOf(ctx context.Context, dir *destDir) (*filter.Scope, error) {
	if dir.index == 0 {
		return p.d.scope().Open(p.mergeFile(ctx, dir))
	}
	parent, entry := p.parentOf(dir)
	if parent.scope == nil {
		return nil, nil
	}
	return parent.scope.Enter(parent.entries[entry].Name, p.mergeFile(ctx, dir))
}

// removeStale removes what a killed run has left in dir.
func (p *planner) removeStale(ctx context.Context, dir *destDir, name string) error {
	if p.d.job.DryRun {
		dir.leftover(name)
		return nil
	}
	removed, err := p.d.tree.RemoveStale(ctx, manifest.Join(dir.path, name), false)
	if removed {
		dir.touched.Store(true)
	} else {
		dir.leftover(name)
	}
	if err != nil {
		return p.d.fileFailed("remove", manifest.Join(dir.shown, name), err)
	}
	return nil
}

// mergeLimit is the greatest size in bytes of a per-directory filter file.
const mergeLimit = 1 << 20

func (p *planner) mergeFile(ctx context.Context, dir *destDir) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if filter.IsGit(name) {
			return p.git.read(dir.index, name)
		}
		path := manifest.Join(dir.path, name)
		data, err := p.d.tree.ReadFile(ctx, path, mergeLimit)
		if errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.EMLINK) { // a symlink, to most systems and to FreeBSD
			if t, ok := capability[walker.RuleLinker](p.d.tree); ok {
				return t.ReadLinked(ctx, path, mergeLimit)
			}
			return nil, fs.ErrNotExist
		}
		return data, err
	}
}
