package engine

import (
	"context"
	"errors"
	"fmt"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Directories that are only on the way to what was named are not dealt with themselves
// where --no-implied-dirs says so: what the destination has of their names stays as it
// is, and what it does not have is made like any new directory.

var errNoDirectory = errors.New("it is no directory, and --no-implied-dirs leaves it as it is")

// checkBare refuses the claim that a directory was not asked for itself where all are: what
// is said to be so is looked for behind symlinks.
func (p *planner) checkBare(dir *destDir) error {
	if p.d.job.NoImplied {
		return nil
	}
	return fmt.Errorf("%w: directory %q is said not to be asked for itself", wire.ErrProtocol, dir.shown)
}

// bareLink has a symlink that stands where such a directory would be stand for the one
// that it leads to, inside of the destination.
func (p *planner) bareLink(ctx context.Context, parent, dir *destDir, entry int) error {
	d := p.d
	if d.tree == nil || parent.failed || dir.failed {
		return nil
	}
	e := &parent.entries[entry]
	dst := parent.find(d.nameFor(parent, e))
	if dst == nil || dst.IsDir() {
		return nil
	}
	err := errNoDirectory
	if t, ok := capability[DirLinker](d.tree); ok && dst.Type == manifest.Symlink {
		var to manifest.Entry
		if to, err = t.KeepLink(ctx, d.pathFor(parent, e)); err == nil {
			to.Name = dst.Name
			*dst = to
			dir.exists = true
			return nil
		}
		if errors.Is(err, ErrLeadsOut) {
			err = ErrLeadsOut
		}
	}
	dir.failed = true
	return d.fileFailed("open", dir.shown, err)
}

// bare plans such a directory.
func (p *planner) bare(ctx context.Context, parent, dir *destDir, e, dst *manifest.Entry) error {
	d := p.d
	if dst != nil && dst.IsDir() {
		dir.want = *dst
		return p.access(ctx, dir, dst)
	}
	dir.want = manifest.Entry{Name: e.Name, Type: manifest.Directory, Mode: d.grants(parent)}
	dir.attrs = manifest.AttrMode
	parent.touched.Store(true)
	return p.makeDir(ctx, parent, dir, nil)
}
