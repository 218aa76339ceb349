package manifest

import (
	"math"
	"time"
)

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
	ChangeAccess                      // access time: "u"
	ChangeACL                         // access control lists: "a"
	ChangeXattrs                      // extended attributes: "x"
	ChangeSameLink                    // with ChangeHardLink: an alternate directory has this link, too, which makes it no news
)

// Attrs is a set of attributes to apply to an entry.
type Attrs uint8

// The attributes, in the order in which they are applied.
const (
	AttrOwner Attrs = 1 << iota
	AttrGroup
	AttrMode
	AttrTimes
	AttrACL    // behind the mode, which does not say all
	AttrXattrs // before the times
	AttrAccess // with the times
)

// Clock is what is known of the times that a destination's file system keeps.
// The zero value stands for one that keeps seconds, or finer ones.
type Clock struct {
	Unit   time.Duration // times are cut to multiples of it, where it is more than a second
	Window int64         // seconds by which equal times may differ, besides; negative where nanoseconds count
}

// SameTime reports whether the modification time that the destination has may
// be taken for the source's: to the second, as rsync's may unless it is told
// otherwise, or to the clock's unit. A time at the limit of what a file system
// can keep stands for all times beyond it.
func (c Clock) SameTime(src, dst *Entry) bool {
	if c.Window != 0 {
		return c.inWindow(src, dst)
	}
	return c.cut(src.Sec) == c.cut(dst.Sec) || isClamped(src, dst)
}

// SameInstant reports whether two modification times are the same as far as the
// file systems that keep them can tell: equal, or one is the other cut to a
// coarser unit (some file systems keep seconds, microseconds or 100 ns), or as a
// program has set it that reckons in floating-point seconds, or the destination's
// is the last that its file system can keep.
func (c Clock) SameInstant(src, dst *Entry) bool {
	switch {
	case c.Window != 0:
		return c.inWindow(src, dst)
	case src.Sec != dst.Sec:
		return dst.Nsec == 0 && dst.Sec == c.cut(src.Sec) || isClamped(src, dst)
	case src.Nsec == dst.Nsec:
		return true
	}
	for unit := uint32(100); unit <= 1e9; unit *= 10 {
		if src.Nsec == dst.Nsec-dst.Nsec%unit || dst.Nsec == src.Nsec-src.Nsec%unit {
			return true
		}
	}
	return isRounded(src, dst) || isRounded(dst, src)
}

// isRounded reports whether the nanoseconds of one time are those of another of the same
// second after it was a float64 of seconds, which is off by some hundred nanoseconds today.
func isRounded(of, to *Entry) bool {
	f := float64(of.Sec) + 1e-9*float64(of.Nsec)
	nsec := (f - math.Floor(f)) * 1e9
	return uint32(nsec) == to.Nsec || uint32(math.Round(nsec)) == to.Nsec
}

// inWindow compares two times where the user has said how exact that is to be. A
// window of seconds looks at whole seconds only.
func (c Clock) inWindow(src, dst *Entry) bool {
	switch {
	case isClamped(src, dst):
		return true
	case c.Window > 0:
		d := uint64(src.Sec) - uint64(dst.Sec) // modulo 2^64, so that no difference is too great
		return min(d, -d) <= uint64(c.Window)
	case c.Unit > 0:
		return Clock{Unit: c.Unit}.SameInstant(src, dst)
	}
	return src.Sec == dst.Sec && src.Nsec == dst.Nsec
}

// Newer reports whether the modification time that the destination has is so much
// later than the source's that the file there is left alone by --update. As in
// rsync a window of seconds takes what is within it for newer, too.
func (c Clock) Newer(src, dst *Entry) bool {
	switch {
	case c.Window > 0:
		return dst.Sec > src.Sec || uint64(src.Sec)-uint64(dst.Sec) < uint64(c.Window)
	case c.Window < 0 && src.Sec == dst.Sec:
		return dst.Nsec > src.Nsec
	}
	return dst.Sec > src.Sec
}

// cut returns the last second at or before sec that the clock can show.
func (c Clock) cut(sec int64) int64 {
	unit := int64(c.Unit / time.Second)
	if unit <= 1 {
		return sec
	}
	return sec - ((sec%unit)+unit)%unit
}

// First and last seconds that common file systems can keep. What lies beyond is
// stored as the limit, and nothing tells of it.
const (
	minSec32   = -1 << 31          // 1901-12-13: ext4, xfs and others
	maxSec32   = 1<<31 - 1         // 2038-01-19: ext4 with inodes of 128 bytes, xfs
	maxUsec32  = 1<<32 - 1         // 2106-02-07: NFS 3
	maxSecExt4 = 1<<34 - 1<<31 - 1 // 2446-05-10: ext4 with inodes of 256 bytes
	maxSecXFS  = 16_299_260_424    // 2486-07-02: xfs with large timestamps
)

// isClamped reports whether dst has the time that a file system which cannot
// keep that of src puts in its place.
func isClamped(src, dst *Entry) bool {
	if dst.Nsec != 0 {
		return false
	}
	switch dst.Sec {
	case minSec32:
		return src.Sec < dst.Sec
	case maxSec32, maxUsec32, maxSecExt4, maxSecXFS:
		return src.Sec > dst.Sec
	}
	return false
}

// SameContent is the quick check: whether the regular files src and dst may be
// taken for equal without reading them.
func (p *Policy) SameContent(c Clock, src, dst *Entry) bool {
	if src.Size != dst.Size {
		return false
	}
	if p.SizeOnly {
		return true
	}
	return !p.IgnoreTimes && !p.Checksum && c.SameTime(src, dst)
}

// Attributes returns the attribute changes that make dst like src; uid and gid
// are the owner that dst shall have. For symlinks permissions do not count.
func (p *Policy) Attributes(clock Clock, src, dst *Entry, uid, gid uint32) (c Change) {
	if p.Times && !clock.SameTime(src, dst) {
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
	if c&ChangeAccess != 0 {
		a |= AttrAccess
	}
	if c&ChangeACL != 0 {
		a |= AttrACL | AttrMode // what the list does not say
	}
	if c&ChangeXattrs != 0 {
		a |= AttrXattrs
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
