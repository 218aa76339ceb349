package manifest

import (
	"encoding/binary"

	"github.com/zeebo/blake3"
)

// DigestSize is the length of a [Digest] in bytes.
const DigestSize = 16

// Digest stands for a directory: its entries and, through the digests of its
// subdirectories, everything below. It is BLAKE3 cut to 128 bits. Two equal
// digests made with the same [Fields] mean that a run would find nothing to do.
type Digest [DigestSize]byte

// Fields says which fields of an entry go into a digest. Both ends must use the
// same, and the set must hold every field in which a difference would make the
// run act.
type Fields uint16

// The fields. The numbers are part of the wire protocol. Name, type, size,
// time of regular files and target of symlinks always take part.
const (
	FieldMode          Fields = 1 << iota
	FieldUser                 // owner by name where it has one, else by number
	FieldGroup                // group in the same way
	FieldNumeric              // owner and group by number only
	FieldTimes                // times of symlinks, directories and special files too
	FieldHardLinks            // which entries are links to the same file
	FieldOmitDirTimes         // FieldTimes, but not of directories
	FieldOmitLinkTimes        // FieldTimes, but not of symlinks
	FieldXattrs               // extended attributes
	FieldUserXattrs           // FieldXattrs, but only those of users
	FieldACLs                 // access control lists
)

// Names resolves numeric owners for digests; it may return "" for a number
// that has no name.
type Names interface {
	UserName(uid uint32) string
	GroupName(gid uint32) string
}

// Digester makes the digests of directories. It is not safe for concurrent use.
type Digester struct {
	fields Fields
	names  Names
	users  named
	groups named
	h      *blake3.Hasher
	buf    []byte
}

// named is the owner that was written last, as it is written: most entries of a
// directory have the same one.
type named struct {
	id   uint32
	form []byte // nil where there was none yet
}

// NewDigester returns a Digester for a set of fields. names may be nil where
// fields holds neither FieldUser nor FieldGroup, or holds FieldNumeric.
func NewDigester(fields Fields, names Names) *Digester {
	return &Digester{fields: fields, names: names, h: blake3.New()}
}

// Dir returns the digest of one directory: of its own attributes are left out
// (they stand in its parent's listing, the root's in self, which may be nil),
// entries must be sorted, and child gives the digest of the subdirectory at an
// index of entries. leader gives the path of the first member of the hard link
// group of an entry, or "".
func (d *Digester) Dir(self *Entry, entries []Entry, child func(i int) Digest, leader func(i int) string) Digest {
	d.h.Reset()
	d.buf = d.buf[:0]
	if self != nil {
		d.entry(self, "")
	}
	for i := range entries {
		e := &entries[i]
		link := ""
		if d.fields&FieldHardLinks != 0 && e.Ext != nil && e.Ext.Nlink > 1 && leader != nil {
			link = leader(i)
		}
		d.entry(e, link)
		if e.IsDir() {
			c := child(i)
			d.buf = append(d.buf, c[:]...)
		}
		if len(d.buf) > 32<<10 {
			d.flush()
		}
	}
	d.flush()
	var sum [32]byte
	d.h.Sum(sum[:0])
	return Digest(sum[:DigestSize])
}

func (d *Digester) flush() {
	_, _ = d.h.Write(d.buf) // a hash cannot fail
	d.buf = d.buf[:0]
}

// entry appends the fields of e in a form that is injective: strings carry
// their length, numbers have a fixed width.
func (d *Digester) entry(e *Entry, leader string) {
	b := d.buf
	b = appendString(b, e.Name)
	b = append(b, byte(e.Type))
	switch {
	case e.Type == Regular:
		b = binary.BigEndian.AppendUint64(b, uint64(e.Size))
		b = appendTime(b, e)
	case e.Type == Symlink:
		b = appendString(b, e.Link())
	case e.Type.IsDevice():
		major, minor := e.Device()
		b = binary.BigEndian.AppendUint32(b, major)
		b = binary.BigEndian.AppendUint32(b, minor)
	}
	if e.Type != Regular && d.timed(e.Type) {
		b = appendTime(b, e)
	}
	if d.fields&FieldMode != 0 && e.Type != Symlink {
		b = binary.BigEndian.AppendUint16(b, e.Mode)
	}
	if d.fields&FieldUser != 0 {
		b = d.owner(b, &d.users, e.UID, Names.UserName)
	}
	if d.fields&FieldGroup != 0 {
		b = d.owner(b, &d.groups, e.GID, Names.GroupName)
	}
	if d.fields&FieldHardLinks != 0 {
		b = appendString(b, leader)
	}
	d.buf = b
	d.kept(e)
}

// kept appends what only some runs keep.
func (d *Digester) kept(e *Entry) {
	if d.fields&(FieldXattrs|FieldACLs) == 0 {
		return
	}
	k := e.Kept()
	if d.fields&FieldXattrs != 0 {
		var which Detail
		if d.fields&FieldUserXattrs != 0 {
			which = DetailUser
		}
		for _, x := range k.Xattrs {
			if KeepsXattr(x.Name, which) {
				d.buf = appendString(appendString(d.buf, x.Name), x.Value)
			}
		}
		d.buf = appendString(d.buf, "") // no attribute has no name
	}
	if d.fields&FieldACLs != 0 {
		d.buf = d.acl(d.acl(d.buf, k.Access), k.Default)
	}
}

func (d *Digester) acl(b []byte, l ACL) []byte {
	b = binary.AppendUvarint(b, uint64(len(l)))
	for _, e := range l {
		b = append(b, e.Tag, e.Perm)
		switch e.Tag {
		case ACLUser:
			b = d.appendOwner(b, e.ID, Names.UserName)
		case ACLGroup:
			b = d.appendOwner(b, e.ID, Names.GroupName)
		}
	}
	return b
}

// timed reports whether the time of an entry that is no regular file takes part.
func (d *Digester) timed(t Type) bool {
	return d.fields&FieldTimes != 0 && !(t == Directory && d.fields&FieldOmitDirTimes != 0) && !(t == Symlink && d.fields&FieldOmitLinkTimes != 0)
}

func (d *Digester) owner(b []byte, last *named, id uint32, name func(Names, uint32) string) []byte {
	if last.form == nil || last.id != id {
		last.id, last.form = id, d.appendOwner(last.form[:0], id, name)
	}
	return append(b, last.form...)
}

func (d *Digester) appendOwner(b []byte, id uint32, name func(Names, uint32) string) []byte {
	if d.fields&FieldNumeric == 0 && d.names != nil {
		if n := name(d.names, id); n != "" {
			return appendString(b, n)
		}
	}
	b = appendString(b, "")
	return binary.BigEndian.AppendUint32(b, id)
}

func appendTime(b []byte, e *Entry) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(e.Sec))
	return binary.BigEndian.AppendUint32(b, e.Nsec)
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
