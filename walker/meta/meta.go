// Package meta reads and applies what the operating system keeps beside a
// file's content: type, permissions, owner, times, device numbers, and on Linux
// access control lists and extended attributes.
//
// All of it works on descriptors, or on a name in a directory's descriptor
// without following a symlink, so that it never touches anything but what the
// caller has opened. Attributes are applied in the order owner, mode,
// lists, extended attributes, times: a change of the owner clears the setuid bits
// and the capabilities, so it must come before these, a list is set together with
// the mode that is a part of it, and every other change touches what times may
// depend on.
//
// Modification times are those that the file system can store, which may be
// coarser than what was asked for; access times are kept to the second where they
// are asked for, else left as they are.
package meta

import (
	"gosync/internal/unix"
	"gosync/walker/manifest"
)

// TypeOf returns the kind of entry that a mode word of the operating system names.
func TypeOf(mode uint32) manifest.Type {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return manifest.Regular
	case unix.S_IFDIR:
		return manifest.Directory
	case unix.S_IFLNK:
		return manifest.Symlink
	case unix.S_IFIFO:
		return manifest.Fifo
	case unix.S_IFSOCK:
		return manifest.Socket
	case unix.S_IFCHR:
		return manifest.CharDevice
	case unix.S_IFBLK:
		return manifest.BlockDevice
	default:
		return manifest.Unknown
	}
}

// Mode returns the type bits of the operating system for a kind of entry.
func Mode(t manifest.Type) uint32 {
	switch t {
	case manifest.Regular:
		return unix.S_IFREG
	case manifest.Directory:
		return unix.S_IFDIR
	case manifest.Symlink:
		return unix.S_IFLNK
	case manifest.Fifo:
		return unix.S_IFIFO
	case manifest.Socket:
		return unix.S_IFSOCK
	case manifest.CharDevice:
		return unix.S_IFCHR
	case manifest.BlockDevice:
		return unix.S_IFBLK
	default:
		return 0
	}
}

// Entry fills e with what st says, all but the name and a symlink's target. Ext
// is set where the entry needs it: for device numbers and hard links.
func Entry(e *manifest.Entry, st *unix.Stat_t) {
	e.Type = TypeOf(uint32(st.Mode))
	e.Mode = uint16(uint32(st.Mode) & 0o7777)
	e.UID, e.GID = st.Uid, st.Gid
	e.Ino = st.Ino
	e.Sec, e.Nsec = modified(st)
	e.Size, e.Ext = 0, nil
	switch {
	case e.Type == manifest.Regular, e.Type == manifest.Symlink:
		e.Size = st.Size
	case e.Type.IsDevice():
		rdev := uint64(st.Rdev)
		e.Ext = &manifest.Ext{Major: unix.Major(rdev), Minor: unix.Minor(rdev)}
	}
	if st.Nlink > 1 && !e.IsDir() {
		if e.Ext == nil {
			e.Ext = &manifest.Ext{}
		}
		e.Ext.Nlink, e.Ext.Dev = uint64(st.Nlink), uint64(st.Dev)
	}
}

// AddCtime notes the change time of st in e. Entry leaves it out, because it takes
// an Ext and only who reads a file has a use for it.
func AddCtime(e *manifest.Entry, st *unix.Stat_t) {
	if e.Ext == nil {
		e.Ext = &manifest.Ext{}
	}
	e.Ext.CtimeSec, e.Ext.CtimeNsec = changed(st)
}

// Device returns the device number of e in the system's encoding.
func Device(e *manifest.Entry) uint64 {
	major, minor := e.Device()
	return unix.Mkdev(major, minor)
}

// Target is what attributes are applied to.
type Target struct {
	FD   int           // of the file itself, or with Name of its directory
	Name string        // a name in that directory, which is not followed; "" for FD itself
	Type manifest.Type // of the file

	// Has is what the file is known to have; an attribute that is as it shall
	// be is not set again. Known says which of its fields count.
	Has   manifest.Entry
	Known manifest.Attrs

	Detail manifest.Detail // which extended attributes count
}

// Error is a failure to apply one attribute.
type Error struct {
	Op  string // "chown", "chmod", "set ACL", "set xattr" or "utimens"
	Err error
}

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }

// Kept reports whether it is about what only some file systems have: lists and extended
// attributes.
func (e *Error) Kept() bool { return e.Op == "set ACL" || e.Op == "set xattr" }

// Unwrap returns the system's error.
func (e *Error) Unwrap() error { return e.Err }

// Apply gives t the attributes of e that attrs names. All are tried, and the
// first failure is returned, as an [*Error]. Where the owner could not be set
// the setuid and setgid bits are left out of the mode: they would hand out the
// rights of somebody else than meant.
func Apply(t *Target, e *manifest.Entry, attrs manifest.Attrs) error {
	var first error
	note := func(op string, err error) {
		if err != nil && first == nil {
			first = &Error{op, err}
		}
	}
	if fake := t.fake(); fake != nil {
		fake.apply(e, attrs, note)
		attrs &= manifest.AttrXattrs | manifest.AttrTimes | manifest.AttrAccess
	}
	mode, setMode := uint32(e.Mode)&0o7777, attrs&manifest.AttrMode != 0 && t.Type != manifest.Symlink
	if setMode && t.Known&manifest.AttrMode != 0 && t.Has.Mode == e.Mode {
		setMode = false
	}
	if uid, gid, ok := t.owner(e, attrs); ok {
		err := t.chown(uid, gid)
		note("chown", err)
		switch {
		case t.Type == manifest.Symlink:
		case err != nil:
			mode &^= unix.S_ISUID | unix.S_ISGID
		case t.Has.Mode == e.Mode && t.Known&manifest.AttrMode != 0 && mode&(unix.S_ISUID|unix.S_ISGID) != 0:
			setMode = true // changing the owner has taken the bits away
		}
	}
	if setMode {
		note("chmod", t.chmod(mode))
	}
	if attrs&manifest.AttrACL != 0 {
		note("set ACL", t.setACLs(e))
	}
	if attrs&manifest.AttrXattrs != 0 {
		note("set xattr", t.setXattrs(e))
	}
	if attrs&manifest.AttrTimes != 0 && !t.hasTime(e) {
		note("utimens", t.utimens(e.Sec, e.Nsec))
	}
	if attrs&manifest.AttrAccess != 0 && e.Kept().HasAtime {
		note("utimens", t.setAccess(e.Kept().Atime))
	}
	return first
}

// owner returns what chown shall set, -1 for what stays, and false where
// nothing is to be done.
func (t *Target) owner(e *manifest.Entry, attrs manifest.Attrs) (uid, gid int, ok bool) {
	uid, gid = -1, -1
	if attrs&manifest.AttrOwner != 0 && (t.Known&manifest.AttrOwner == 0 || t.Has.UID != e.UID) {
		uid = int(e.UID)
	}
	if attrs&manifest.AttrGroup != 0 && (t.Known&manifest.AttrGroup == 0 || t.Has.GID != e.GID) {
		gid = int(e.GID)
	}
	return uid, gid, uid >= 0 || gid >= 0
}

func (t *Target) hasTime(e *manifest.Entry) bool {
	return t.Known&manifest.AttrTimes != 0 && t.Has.Sec == e.Sec && t.Has.Nsec == e.Nsec
}

func (t *Target) chown(uid, gid int) error {
	if t.Name == "" {
		return unix.Fchown(t.FD, uid, gid)
	}
	return unix.Fchownat(t.FD, t.Name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

func (t *Target) chmod(mode uint32) error {
	if t.Name == "" {
		return unix.Fchmod(t.FD, mode)
	}
	return chmodAt(t.FD, t.Name, mode)
}

func (t *Target) utimens(sec int64, nsec uint32) error {
	if t.Name == "" {
		return SetTime(t.FD, sec, nsec)
	}
	return setTimeAt(t.FD, t.Name, sec, nsec)
}
