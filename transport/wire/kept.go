package wire

import "gosync/walker/manifest"

// What only some runs keep of an entry stands behind it: a byte of flags, then the
// parts that these name.
const (
	keptAtime   = 1 << 0
	keptSame    = 1 << 1 // attributes and lists are those of the entry before
	keptXattrs  = 1 << 2
	keptAccess  = 1 << 3
	keptDefault = 1 << 4
	keptFirst   = 1 << 5 // it is the first of several names; see [Conn.NamesLinks]
)

// keptFlags says which parts an entry has.
func keptFlags(k, prev *manifest.Kept) (flags byte) {
	if k.HasAtime {
		flags |= keptAtime
	}
	plain := len(k.Xattrs) == 0 && k.Access == nil && k.Default == nil
	if !plain && k.SameAttributes(prev) {
		return flags | keptSame
	}
	if len(k.Xattrs) > 0 {
		flags |= keptXattrs
	}
	if k.Access != nil {
		flags |= keptAccess
	}
	if k.Default != nil {
		flags |= keptDefault
	}
	return flags
}

func appendKept(b []byte, e, prev *manifest.Entry, flags byte) []byte {
	k := e.Kept()
	b = append(b, flags)
	if flags&keptFirst != 0 {
		b = appendUint(b, e.Ext.Nlink)
	}
	if flags&keptAtime != 0 {
		b = appendInt(b, k.Atime-e.Sec)
	}
	if flags&keptXattrs != 0 {
		b = appendUint(b, uint64(len(k.Xattrs)))
		for _, x := range k.Xattrs {
			b = appendString(appendString(b, x.Name), x.Value)
		}
	}
	if flags&keptAccess != 0 {
		b = appendACL(b, k.Access)
	}
	if flags&keptDefault != 0 {
		b = appendACL(b, k.Default)
	}
	return b
}

func appendACL(b []byte, l manifest.ACL) []byte {
	b = appendUint(b, uint64(len(l)))
	for _, e := range l {
		b = append(b, e.Tag, e.Perm)
		if e.Named() {
			b = appendUint(b, uint64(e.ID))
		}
	}
	return b
}

// keptBound is an upper bound of what appendKept appends.
func keptBound(e *manifest.Entry) int {
	if e.Ext == nil {
		return 0
	}
	if e.Ext.Kept == nil {
		return 8
	}
	k := e.Ext.Kept
	return 32 + manifest.XattrSize(k.Xattrs) + 6*len(k.Xattrs) + 7*(len(k.Access)+len(k.Default))
}

// kept reads what appendKept has written; prev is the entry before.
func (d *Dec) kept(e, prev *manifest.Entry) {
	flags := d.byte()
	if flags == 0 || flags >= keptFirst<<1 || flags&keptSame != 0 && flags&(keptXattrs|keptAccess|keptDefault) != 0 {
		d.fail("entry %q keeps %#x", e.Name, flags)
		return
	}
	if flags&keptFirst != 0 {
		if d.first(e); flags == keptFirst {
			return
		}
	}
	k := &manifest.Kept{}
	if flags&keptSame != 0 {
		was := prev.Kept()
		k.Xattrs, k.Access, k.Default = was.Xattrs, was.Access, was.Default
	}
	if flags&keptAtime != 0 {
		k.HasAtime, k.Atime = true, e.Sec+d.varint()
	}
	if flags&keptXattrs != 0 {
		k.Xattrs = d.xattrs()
	}
	if flags&keptAccess != 0 {
		k.Access = d.acl()
	}
	if flags&keptDefault != 0 {
		k.Default = d.acl()
	}
	if d.err == nil && keptFlags(k, prev.Kept()) != flags&^keptFirst {
		d.fail("what entry %q keeps is not in its shortest form", e.Name)
		return
	}
	e.Keep(k)
}

// first reads of how many names an entry is the first.
func (d *Dec) first(e *manifest.Entry) {
	n := d.uvarint(1<<32 - 1)
	if _, _, linked := e.Leader(); n < 2 || linked || e.IsDir() {
		d.fail("entry %q is the first of %d names", e.Name, n)
		return
	}
	ext := manifest.Ext{}
	if e.Ext != nil {
		ext = *e.Ext
	}
	ext.Nlink, ext.First = n, true
	e.Ext = &ext
}

func (d *Dec) xattrs() (all []manifest.Xattr) {
	n := d.count(2)
	if n == 0 || n > manifest.MaxXattrs {
		d.fail("%d extended attributes", n)
		return nil
	}
	size := 0
	for i := range n {
		x := manifest.Xattr{Name: d.string(manifest.MaxXattrName), Value: d.string(manifest.MaxXattrValue)}
		size += len(x.Name) + len(x.Value)
		if d.err == nil && (x.Name == "" || i > 0 && x.Name <= all[i-1].Name || size > manifest.MaxXattrBytes) {
			d.fail("extended attributes are not sorted, or too large, at %q", x.Name)
		}
		if d.err != nil {
			return nil
		}
		all = append(all, x)
	}
	return all
}

func (d *Dec) acl() (l manifest.ACL) {
	n := d.count(2)
	if n == 0 || n > manifest.MaxACL {
		d.fail("an access control list of %d entries", n)
		return nil
	}
	for range n {
		e := manifest.ACLEntry{Tag: d.byte(), Perm: d.byte()}
		if e.Named() {
			e.ID = d.u32()
		}
		if d.err == nil && !e.Valid() {
			d.fail("an access control list with tag %#x and permissions %#o", e.Tag, e.Perm)
		}
		if d.err != nil {
			return nil
		}
		l = append(l, e)
	}
	return l
}
