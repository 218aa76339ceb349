package engine

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"gosync/walker/manifest"
)

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
		if !d.job.Perms { // as in makeDir, and the directory above grants what it has been made with
			dir.want.Mode = d.keptMode(manifest.Directory, d.rootMsg.Root.Mode&st.Mode&0o777) | st.Mode&0o2000
		}
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
	if dir.attrs&(manifest.AttrMode|manifest.AttrGroup) != 0 {
		if err := d.setgidBefore(ctx, dir, &st); err != nil {
			return err
		}
	}
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
		if dir.attrs&(manifest.AttrMode|manifest.AttrGroup) != 0 {
			now := *dst
			dst = &now
			if err := d.setgidBefore(ctx, dir, dst); err != nil {
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
		if d.madeByOther(ctx, dir, err) || d.madeForBackups(ctx, dir, err) {
			if d.others(dir) {
				dir.attrs = 0
			}
			return true, nil
		}
		return false, d.fileFailed("mkdir", dir.shown, err)
	}
	if dir.want.Mode&0o2000 != 0 {
		if err := d.setgid(ctx, dir, 0o2700); err != nil {
			return true, err
		}
	}
	if err := d.inherited(ctx, dir); err != nil {
		return true, err
	}
	if d.others(dir) {
		return true, d.openEarly(ctx, dir)
	}
	return true, nil
}

// madeForBackups reports whether a directory could not be made because backups of this run
// have made it meanwhile, in it or below.
func (d *dest) madeForBackups(ctx context.Context, dir *destDir, err error) bool {
	if d.backups != dir.path && !strings.HasPrefix(d.backups, dir.path+"/") || !errors.Is(err, fs.ErrExist) {
		return false
	}
	st, serr := d.tree.Stat(ctx, dir.path)
	return serr == nil && st.IsDir()
}

// inherited looks after a setgid bit that a new directory has from its parent. It stays where
// permissions are not kept, and else goes before anything inherits a group because of it:
// that is for good where groups are not kept, or only root's process could set them.
func (d *dest) inherited(ctx context.Context, dir *destDir) error {
	stays := !d.job.Perms || dir.bare
	if !stays && (d.job.Group && d.ids.root || dir.want.Mode&0o2000 != 0) {
		return nil
	}
	st, err := d.tree.Stat(ctx, dir.path)
	switch {
	case err != nil || st.Mode&0o2000 == 0:
		return nil //nolint:nilerr // what is done to it will say so
	case stays:
		dir.want.Mode |= 0o2000
		return nil
	}
	return d.setgid(ctx, dir, 0o700)
}

// setgidBefore is setgid for a directory that is there, where it has another bit. dst
// has the mode that it has then.
func (d *dest) setgidBefore(ctx context.Context, dir *destDir, dst *manifest.Entry) error {
	if d.job.DryRun || (dir.want.Mode^dst.Mode)&0o2000 == 0 && !d.givesGroup(dir) {
		return nil
	}
	mode := dst.Mode&^0o2000 | dir.want.Mode&0o2000
	if err := d.setgid(ctx, dir, mode|0o700); err != nil {
		return err
	}
	dst.Mode = mode
	return nil
}

// setgid gives a directory the setgid bit that it is to have, or takes it away, before
// anything is made in it, because what is made inherits the group where it is set. The
// other permissions that it is to have wait for its owner.
func (d *dest) setgid(ctx context.Context, dir *destDir, mode uint16) error {
	early, attrs := dir.want, manifest.AttrMode
	early.Mode = mode
	if d.givesGroup(dir) {
		attrs |= manifest.AttrGroup
	}
	if err := d.tree.SetAttrs(ctx, dir.path, &early, attrs); err != nil {
		dir.attrs &^= manifest.AttrMode
		return d.fileFailed("set attributes", d.name(dir), err)
	}
	dir.attrs |= manifest.AttrMode
	return nil
}

// givesGroup reports whether a directory gets another group that what is made in it inherits.
// Root's process sets the group of all of that itself.
func (d *dest) givesGroup(dir *destDir) bool {
	return dir.want.Mode&0o2000 != 0 && dir.attrs&manifest.AttrGroup != 0 && !d.ids.root
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
