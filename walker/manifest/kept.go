package manifest

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// Detail says what a listing shows beyond the usual.
type Detail uint8

// The details.
const (
	DetailAtime  Detail = 1 << iota // access times
	DetailXattrs                    // extended attributes
	DetailACLs                      // access control lists
	DetailUser                      // of the extended attributes only those of users
	DetailSource                    // of the extended attributes those that a source tells of
	DetailQuiet                     // nothing to be shown: reading a file does not change its access time
	DetailAll                       // of a source's extended attributes also those below user.rsync.%
	DetailFake                      // what only root may set is read from, and written to, attributes of users
)

// Kept holds what only runs with such options keep of an entry. It is not changed
// once it is part of an entry.
type Kept struct {
	HasAtime bool
	Atime    int64   // access time, seconds since 1970
	Xattrs   []Xattr // sorted by name
	Access   ACL     // as Trim returns it; nil where the mode says all
	Default  ACL     // of a directory
}

// Xattr is one extended attribute.
type Xattr struct{ Name, Value string }

// Limits of what is kept of one entry.
const (
	MaxXattrName  = 255
	MaxXattrValue = 64 << 10
	MaxXattrs     = 4096
	MaxXattrBytes = 512 << 10 // names and values of one entry
	MaxACL        = 8192      // entries
)

// Kept returns what is kept of the entry beyond the usual, never nil.
func (e *Entry) Kept() *Kept {
	if e.Ext == nil || e.Ext.Kept == nil {
		return &Kept{}
	}
	return e.Ext.Kept
}

// Keep makes k what is kept of the entry.
func (e *Entry) Keep(k *Kept) {
	ext := Ext{}
	if e.Ext != nil {
		ext = *e.Ext
	}
	ext.Kept = k
	e.Ext = &ext
}

// SameAttributes reports whether both have the same extended attributes and lists.
func (k *Kept) SameAttributes(o *Kept) bool {
	return slices.Equal(k.Xattrs, o.Xattrs) && slices.Equal(k.Access, o.Access) && slices.Equal(k.Default, o.Default)
}

// XattrSize returns the bytes of names and values.
func XattrSize(xattrs []Xattr) (n int) {
	for i := range xattrs {
		n += len(xattrs[i].Name) + len(xattrs[i].Value)
	}
	return n
}

// KeepsXattr reports whether an extended attribute is copied: those of the system are
// access control lists and the like. Those below user.rsync.% stand for something that
// the file is not, and are no more where a run keeps attributes.
func KeepsXattr(name string, d Detail) bool {
	if d&(DetailSource|DetailAll) == DetailSource && strings.HasPrefix(name, "user.rsync.%") {
		return false
	}
	if d&DetailUser != 0 {
		return strings.HasPrefix(name, "user.")
	}
	return !strings.HasPrefix(name, "system.")
}

// FakePrefix is in front of the names that extended attributes of others than users
// have where only those of users can be set.
const FakePrefix = "user.rsync."

// FakeXattrs returns attributes as they are kept where only those of users can be set.
func FakeXattrs(xattrs []Xattr) []Xattr {
	to := slices.Clone(xattrs)
	for i := range to {
		if !strings.HasPrefix(to[i].Name, "user.") {
			to[i].Name = FakePrefix + to[i].Name
		}
	}
	slices.SortStableFunc(to, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(to, func(a, b Xattr) bool { return a.Name == b.Name })
}

// ACL is a POSIX access control list.
type ACL []ACLEntry

// ACLEntry gives a permission.
type ACLEntry struct {
	Tag  uint8
	Perm uint8
	ID   uint32 // of a user or group
}

// The tags, in the order of a list; their numbers are the system's.
const (
	ACLUserObj  = 0x01
	ACLUser     = 0x02
	ACLGroupObj = 0x04
	ACLGroup    = 0x08
	ACLMask     = 0x10
	ACLOther    = 0x20
)

// ErrACL is about a list that cannot be one.
var ErrACL = errors.New("invalid access control list")

const (
	aclVersion = 2
	aclNobody  = 1<<32 - 1 // the id of an entry that has none
)

// ParseACL reads a list as the system stores it.
func ParseACL(blob []byte) (ACL, error) {
	if len(blob) < 4 || len(blob)%8 != 4 || binary.LittleEndian.Uint32(blob) != aclVersion || len(blob)/8 > MaxACL {
		return nil, ErrACL
	}
	var l ACL
	for b := blob[4:]; len(b) > 0; b = b[8:] {
		tag, perm, id := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint32(b[4:])
		e := ACLEntry{Tag: uint8(tag), Perm: uint8(perm)}
		if e.named() {
			e.ID = id
		}
		if tag > ACLOther || perm > 7 || !e.valid() {
			return nil, ErrACL
		}
		l = append(l, e)
	}
	return l.sorted(), nil
}

func (e *ACLEntry) named() bool { return e.Tag == ACLUser || e.Tag == ACLGroup }

func (e *ACLEntry) valid() bool {
	return e.Tag != 0 && e.Tag&(e.Tag-1) == 0 && e.Tag <= ACLOther && e.Perm <= 7 && (e.named() || e.ID == 0)
}

// Named reports whether the entry is for a user or group that it names.
func (e *ACLEntry) Named() bool { return e.named() }

// Valid reports whether the entry can stand in a list.
func (e *ACLEntry) Valid() bool { return e.valid() }

// sorted puts a list into the order that the system wants.
func (l ACL) sorted() ACL {
	slices.SortStableFunc(l, func(a, b ACLEntry) int {
		if a.Tag != b.Tag {
			return int(a.Tag) - int(b.Tag)
		}
		switch {
		case a.ID < b.ID:
			return -1
		case a.ID > b.ID:
			return 1
		}
		return 0
	})
	return l
}

// Translate returns the list with the ids that user and group give.
func (l ACL) Translate(user, group func(uint32) uint32) ACL {
	if l == nil {
		return nil
	}
	to := slices.Clone(l)
	for i := range to {
		switch to[i].Tag {
		case ACLUser:
			to[i].ID = user(to[i].ID)
		case ACLGroup:
			to[i].ID = group(to[i].ID)
		}
	}
	return to.sorted()
}

// Mode returns the permissions that a whole list shows as a mode: that of the group is
// the mask, if there is one.
func (l ACL) Mode() (mode uint16) {
	for _, e := range l { // the mask stands behind the group
		switch e.Tag {
		case ACLUserObj:
			mode |= uint16(e.Perm) << 6
		case ACLGroupObj, ACLMask:
			mode = mode&^0o70 | uint16(e.Perm)<<3
		case ACLOther:
			mode |= uint16(e.Perm)
		}
	}
	return mode
}

// Trim returns of an access list what the mode does not say, nil where that says all.
func (l ACL) Trim() (t ACL) {
	if !slices.ContainsFunc(l, func(e ACLEntry) bool { return e.Tag == ACLMask }) {
		return nil
	}
	for _, e := range l {
		if e.named() || e.Tag == ACLGroupObj {
			t = append(t, e)
		}
	}
	return t
}

// Whole is the reverse of Trim.
func (l ACL) Whole(mode uint16) ACL {
	whole := ACL{
		{Tag: ACLUserObj, Perm: uint8(mode >> 6 & 7)},
		{Tag: ACLMask, Perm: uint8(mode >> 3 & 7)},
		{Tag: ACLOther, Perm: uint8(mode & 7)},
	}
	return append(whole, l...).sorted()
}

// Blob returns the list as the system stores it.
func (l ACL) Blob() []byte {
	b := binary.LittleEndian.AppendUint32(nil, aclVersion)
	for _, e := range l {
		b = binary.LittleEndian.AppendUint16(b, uint16(e.Tag))
		b = binary.LittleEndian.AppendUint16(b, uint16(e.Perm))
		id := uint32(aclNobody)
		if e.named() {
			id = e.ID
		}
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}
