package manifest

// Policy says how entries are compared: what a run preserves and when two
// regular files count as equal. The zero value compares types and, for regular
// files, size and modification time.
type Policy struct {
	Perms, Owner, Group, Times bool // attributes that the run preserves
	Links, Devices, Specials   bool // kinds of entries that the run copies
	NumericIDs                 bool // owners are compared by number, not by name

	Checksum    bool // content decides (the caller knows it), not size and time
	IgnoreTimes bool // every regular file counts as changed
	SizeOnly    bool // files of equal size count as equal
}

// Change says in what ways a destination entry differs from the source's. Its
// bits are those that an itemized line shows. They are part of the protocol.
type Change uint32

// The bits of a Change.
const (
	ChangeContent  Change = 1 << iota // content by checksum, target of a link, device number: "c"
	ChangeSize                        // size: "s"
	ChangeTime                        // modification time: "t"
	ChangePerms                       // permission bits: "p"
	ChangeOwner                       // owner: "o"
	ChangeGroup                       // group: "g"
	ChangeNew                         // there was no such entry, or one of another type: "+"
	ChangeTimeNow                     // the time becomes that of the transfer, times not being preserved: "T"
	ChangeHardLink                    // it becomes a hard link to its group's first member: "h"
	ChangeTransfer                    // content of a regular file is transferred: "<" or ">"
	ChangeLocal                       // it is made or changed without content: "c"
)

// Attrs is a set of attributes to apply to an entry.
type Attrs uint8

// The attributes, in the order in which they are applied.
const (
	AttrOwner Attrs = 1 << iota
	AttrGroup
	AttrMode
	AttrTimes
)

// SameTime reports whether two modification times count as equal: to the
// second, as rsync's do unless it is told otherwise.
func SameTime(a, b *Entry) bool { return a.Sec == b.Sec }

// SameInstant reports whether two modification times are the same as far as the
// file systems that keep them can tell: equal, or one is the other cut to a
// coarser unit (some file systems keep seconds, microseconds or 100 ns).
func SameInstant(a, b *Entry) bool {
	if a.Sec != b.Sec {
		return false
	}
	if a.Nsec == b.Nsec {
		return true
	}
	for unit := uint32(100); unit <= 1e9; unit *= 10 {
		if a.Nsec == b.Nsec-b.Nsec%unit || b.Nsec == a.Nsec-a.Nsec%unit {
			return true
		}
	}
	return false
}

// SameContent is the quick check: whether the regular files src and dst may be
// taken for equal without reading them.
func (p *Policy) SameContent(src, dst *Entry) bool {
	if src.Size != dst.Size {
		return false
	}
	if p.SizeOnly {
		return true
	}
	return !p.IgnoreTimes && !p.Checksum && SameTime(src, dst)
}

// Attributes returns the attribute changes that make dst like src; uid and gid
// are the owner that dst shall have. For symlinks permissions do not count.
func (p *Policy) Attributes(src, dst *Entry, uid, gid uint32) (c Change) {
	if p.Times && !SameTime(src, dst) {
		c |= ChangeTime
	}
	if p.Perms && src.Type != Symlink && src.Mode != dst.Mode {
		c |= ChangePerms
	}
	if p.Owner && uid != dst.UID {
		c |= ChangeOwner
	}
	if p.Group && gid != dst.GID {
		c |= ChangeGroup
	}
	return c
}

// Attrs returns the attributes that the changes in c call for.
func (c Change) Attrs() (a Attrs) {
	if c&ChangeTime != 0 {
		a |= AttrTimes
	}
	if c&ChangePerms != 0 {
		a |= AttrMode
	}
	if c&ChangeOwner != 0 {
		a |= AttrOwner
	}
	if c&ChangeGroup != 0 {
		a |= AttrGroup
	}
	return a
}

// Preserved returns the attributes that the policy applies to a new entry of
// the given type. The mode of a new entry is always set, except a symlink's.
func (p *Policy) Preserved(t Type) (a Attrs) {
	if t != Symlink {
		a |= AttrMode
	}
	if p.Times {
		a |= AttrTimes
	}
	if p.Owner {
		a |= AttrOwner
	}
	if p.Group {
		a |= AttrGroup
	}
	return a
}
