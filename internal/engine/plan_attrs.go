package engine

import "gosync/walker/manifest"

// wanted returns the entry as it is to be at the destination: with its owner
// translated, and the mode that the policy gives it.
func (d *dest) wanted(e, dst *manifest.Entry) manifest.Entry {
	w := *e
	w.UID, w.GID = d.ids.translate(e)
	if d.job.LikeCp {
		w.Mode &^= setID
	}
	if e.Ext != nil && e.Ext.Kept != nil {
		w.Keep(d.wantedKept(e))
	}
	if !d.job.Perms {
		if dst != nil && dst.Type == e.Type {
			w.Mode = dst.Mode
			if d.job.Executability && e.IsRegular() {
				w.Mode = executable(e.Mode, dst.Mode)
			}
		} else {
			w.Mode = e.Mode & 0o777 &^ d.host.IDs().Umask()
		}
	}
	w.Mode = d.keptMode(w.Type, w.Mode)
	return w
}

// ModeKeeper is a [Dest] whose file system keeps less of a mode than what there is to it.
type ModeKeeper interface {
	// KeptMode returns what an entry of the type shows that was given the mode.
	KeptMode(t manifest.Type, mode uint16) uint16
}

// keptMode returns what becomes of a mode at the destination.
func (d *dest) keptMode(t manifest.Type, mode uint16) uint16 {
	if k, ok := capability[ModeKeeper](d.tree); ok {
		return k.KeptMode(t, mode)
	}
	return mode
}

// wantedIn is wanted for an entry of a directory: where modes are not kept, what is new
// gets the permissions that the directory grants.
func (d *dest) wantedIn(dir *destDir, e, dst *manifest.Entry) manifest.Entry {
	w := d.wanted(e, dst)
	if !d.job.Perms && (dst == nil || dst.Type != e.Type) {
		w.Mode = d.keptMode(e.Type, e.Mode&d.grants(dir))
	}
	return w
}

// Granter is a [Dest] whose directories can say what permissions new entries get.
type Granter interface {
	// Grants returns these permissions of the directory at path, and false where the
	// umask of the process decides.
	Grants(path string) (perms uint16, ok bool)
}

// grants returns the permissions that what is new in a directory can have.
func (d *dest) grants(dir *destDir) uint16 {
	dir.asked.Do(func() {
		dir.grants = 0o777 &^ d.host.IDs().Umask()
		if d.tree == nil {
			return
		}
		if t, ok := capability[Granter](d.tree); ok {
			if perms, ok := t.Grants(dir.path); ok {
				dir.grants = perms & 0o777
			}
		}
	})
	return dir.grants
}

// allAttrs returns the attributes to set on a new entry.
func (d *dest) allAttrs(w *manifest.Entry) (a manifest.Attrs) {
	if w.Type != manifest.Symlink {
		a |= manifest.AttrMode
	}
	if d.job.keepsTimes(w.Type) {
		a |= manifest.AttrTimes
	}
	if d.ids.owner {
		a |= manifest.AttrOwner
	}
	if d.ids.canGroup(w.GID) {
		a |= manifest.AttrGroup
	}
	return (a | d.keptAttrs(w.Type)) & d.keepable(w.Type)
}

// differences returns the attribute changes between what is wanted and what is there.
func (d *dest) differences(w, dst *manifest.Entry) manifest.Change {
	policy := d.job.Policy
	kept := d.keepable(w.Type)
	policy.Owner = d.ids.owner && kept&manifest.AttrOwner != 0
	policy.Group = d.ids.canGroup(w.GID) && kept&manifest.AttrGroup != 0
	policy.Perms = (policy.Perms || d.job.Executability && w.IsRegular()) && kept&manifest.AttrMode != 0
	policy.Times = d.job.keepsTimes(w.Type) && kept&manifest.AttrTimes != 0
	return policy.Attributes(d.clock, w, dst, w.UID, w.GID) | d.keptDifferences(w, dst)
}

// exact returns ChangeTime where two times count as equal but are not the same:
// the time is then made exact without a word.
func (d *dest) exact(e, dst *manifest.Entry) manifest.Change {
	clock := d.clock
	if d.job.Checksum && e.IsRegular() { // the window then says what is told of, as for rsync, and no more
		clock.Window = 0
	}
	if d.job.keepsTimes(e.Type) && d.keepable(e.Type)&manifest.AttrTimes != 0 && d.clock.SameTime(e, dst) && !clock.SameInstant(e, dst) {
		return manifest.ChangeTime
	}
	return 0
}
