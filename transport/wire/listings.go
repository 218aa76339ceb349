package wire

import "gosync/walker/manifest"

// Listings carries listings of directories. Its payload is built and read
// record by record: see ListingWriter and NextListing.
type Listings struct{ Data []byte }

// Type returns the message's number.
func (*Listings) Type() Type               { return TypeListings }
func (m *Listings) append(b []byte) []byte { return append(b, m.Data...) }
func (m *Listings) decode(d *Dec)          { m.Data = d.rest() }

// ListingRecord is the listing of one directory, or a part of a long one.
type ListingRecord struct {
	Dir        int  // index of the directory in the walk
	Parent     int  // index of its parent, -1 for the root
	Entry      int  // its position in the parent's listing
	More       bool // further parts follow
	Incomplete bool // not everything could be listed
	Hollow     bool // ... because there is nothing in a source that this was asked for of: it may not be mounted
	Bare       bool // ... because only something below it was asked for: it is not dealt with itself
	Entries    []manifest.Entry
}

// listingPart is the size in bytes at which a record is split and a message sent.
const listingPart = 64 << 10

const (
	recordMore       = 1 << 0
	recordIncomplete = 1 << 1
	recordHollow     = 1 << 2
	recordBare       = 1 << 3

	entrySameMode  = 1 << 3 // as the entry before; the type stands in the lower three bits
	entrySameOwner = 1 << 4
	entryNsec      = 1 << 5
	entryLeader    = 1 << 6
	entryKept      = 1 << 7
)

// ListingWriter packs listings into messages. The zero value is ready.
type ListingWriter struct {
	// Flush gets each full payload, which is the receiver's to keep.
	Flush func(payload []byte) error
	buf   []byte
}

// Add packs the listing of a directory, in parts where it is long.
func (w *ListingWriter) Add(r *ListingRecord) error {
	rest := r.Entries
	for first := true; first || len(rest) > 0; first = false {
		n, size := 0, 0
		for n < len(rest) && (n == 0 || size < listingPart) {
			size += entryBound(&rest[n])
			n++
		}
		part := *r
		part.Entries = rest[:n]
		rest = rest[n:]
		part.More = len(rest) > 0
		w.buf = appendRecord(w.buf, &part)
		if len(w.buf) >= listingPart {
			if err := w.Send(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Send flushes what is packed and not sent yet.
func (w *ListingWriter) Send() error {
	if len(w.buf) == 0 {
		return nil
	}
	b := w.buf
	w.buf = nil
	return w.Flush(b)
}

// Pending returns the number of bytes that are packed and not sent.
func (w *ListingWriter) Pending() int { return len(w.buf) }

// entryBound is an upper bound of the encoding of e, roughly.
func entryBound(e *manifest.Entry) int { return len(e.Name) + len(e.Link()) + keptBound(e) + 40 }

func appendRecord(b []byte, r *ListingRecord) []byte {
	b = appendUint(b, uint64(r.Dir))
	b = appendUint(b, uint64(r.Dir-r.Parent))
	b = appendUint(b, uint64(r.Entry))
	var flags byte
	if r.More {
		flags |= recordMore
	}
	if r.Incomplete {
		flags |= recordIncomplete
	}
	if r.Hollow {
		flags |= recordHollow
	}
	if r.Bare {
		flags |= recordBare
	}
	b = append(b, flags)
	b = appendUint(b, uint64(len(r.Entries)))
	var prev manifest.Entry
	for i := range r.Entries {
		b = appendEntry(b, &r.Entries[i], &prev)
		prev = r.Entries[i]
	}
	return b
}

func appendEntry(b []byte, e, prev *manifest.Entry) []byte {
	h := byte(e.Type)
	if e.Mode == prev.Mode {
		h |= entrySameMode
	}
	if e.UID == prev.UID && e.GID == prev.GID {
		h |= entrySameOwner
	}
	if e.Nsec != 0 {
		h |= entryNsec
	}
	leaderDir, leaderEntry, linked := e.Leader()
	if linked {
		h |= entryLeader
	}
	var kept byte
	if e.Ext != nil && e.Ext.Kept != nil {
		kept = keptFlags(e.Ext.Kept, prev.Kept())
	}
	if e.Ext != nil && e.Ext.First {
		kept |= keptFirst
	}
	if kept != 0 {
		h |= entryKept
	}
	b = append(b, h)
	shared := sharedPrefix(prev.Name, e.Name)
	b = appendUint(b, uint64(shared))
	b = appendString(b, e.Name[shared:])
	b = appendInt(b, e.Sec-prev.Sec)
	if e.Nsec != 0 {
		b = appendUint(b, uint64(e.Nsec))
	}
	if h&entrySameMode == 0 {
		b = appendUint(b, uint64(e.Mode))
	}
	if h&entrySameOwner == 0 {
		b = appendUint(appendUint(b, uint64(e.UID)), uint64(e.GID))
	}
	switch {
	case e.Type == manifest.Regular:
		b = appendUint(b, uint64(e.Size))
	case e.Type == manifest.Symlink:
		b = appendString(b, e.Link())
	case e.Type.IsDevice():
		major, minor := e.Device()
		b = appendUint(appendUint(b, uint64(major)), uint64(minor))
	}
	if linked {
		b = appendID(b, ID{leaderDir, leaderEntry})
	}
	if kept != 0 {
		b = appendKept(b, e, prev, kept)
	}
	return b
}

func sharedPrefix(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// NextListing takes the next record off the payload. Names are valid and rise
// within the record; that they rise across the parts of a listing, that the
// parent is a directory, and that leaders exist is for the receiver to check.
func (m *Listings) NextListing() (r ListingRecord, more bool, err error) {
	if len(m.Data) == 0 {
		return r, false, nil
	}
	d := &Dec{b: m.Data}
	r.Dir = d.index()
	r.Parent = r.Dir - d.index()
	r.Entry = d.index()
	flags := d.byte()
	r.More, r.Incomplete, r.Hollow = flags&recordMore != 0, flags&recordIncomplete != 0, flags&recordHollow != 0
	r.Bare = flags&recordBare != 0
	if flags&^(recordMore|recordIncomplete|recordHollow|recordBare) != 0 || (r.Hollow || r.Bare) && !r.Incomplete || r.Bare && r.Dir == 0 {
		d.fail("unknown flags %#x in a listing", flags)
	}
	if r.Parent < -1 || r.Parent >= r.Dir || (r.Parent == -1) != (r.Dir == 0) {
		d.fail("directory %d has parent %d", r.Dir, r.Parent)
	}
	if r.Dir == 0 && r.Entry != 0 {
		d.fail("the root is entry %d", r.Entry)
	}
	n := d.count(4)
	// An entry takes 64 bytes in memory and at least 4 on the wire.
	r.Entries = make([]manifest.Entry, 0, min(n, 4096))
	var prev manifest.Entry
	name := make([]byte, 0, manifest.MaxName)
	for i := range n {
		e := d.entry(&prev, &name)
		if d.err != nil {
			return r, false, d.err
		}
		if i > 0 && e.Name <= prev.Name {
			return r, false, protocolError("listing is not sorted: %q after %q", e.Name, prev.Name)
		}
		r.Entries = append(r.Entries, e)
		prev = e
	}
	if d.err != nil {
		return r, false, d.err // again, if it is asked again
	}
	m.Data = d.b
	return r, true, nil
}

// entry reads one entry; name is a buffer that holds the previous name.
func (d *Dec) entry(prev *manifest.Entry, name *[]byte) (e manifest.Entry) {
	h := d.byte()
	e.Type = manifest.Type(h & 7)
	if e.Type == manifest.Unknown {
		d.fail("unknown type of entry %#x", h)
		return e
	}
	d.entryName(name)
	e.Name = string(*name)
	d.name(e.Name)
	e.Sec = prev.Sec + d.varint() // wraps around at both ends alike
	if h&entryNsec != 0 {
		e.Nsec = uint32(d.uvarint(999_999_999))
	}
	e.Mode, e.UID, e.GID = prev.Mode, prev.UID, prev.GID
	if h&entrySameMode == 0 {
		e.Mode = uint16(d.uvarint(0o7777))
	}
	if h&entrySameOwner == 0 {
		e.UID, e.GID = d.u32(), d.u32()
	}
	if h&entryNsec != 0 && e.Nsec == 0 ||
		h&entrySameMode == 0 && e.Mode == prev.Mode ||
		h&entrySameOwner == 0 && e.UID == prev.UID && e.GID == prev.GID {
		d.fail("entry %q is not in its shortest form", e.Name)
	}
	d.entryExt(h, &e)
	if h&entryKept != 0 && d.err == nil {
		d.kept(&e, prev)
	}
	return e
}

// entryName reads a name that begins like the previous one, which name holds.
func (d *Dec) entryName(name *[]byte) {
	shared := int(d.uvarint(uint64(len(*name))))
	suffix := d.bytes(manifest.MaxName)
	if shared < len(*name) && len(suffix) > 0 && (*name)[shared] == suffix[0] {
		d.fail("name is not in its shortest form")
	}
	*name = append((*name)[:shared], suffix...)
}

// entryExt reads what only some entries have.
func (d *Dec) entryExt(h byte, e *manifest.Entry) {
	var ext manifest.Ext
	switch {
	case e.Type == manifest.Regular:
		e.Size = d.size()
	case e.Type == manifest.Symlink:
		ext.Link = d.string(maxLink)
		e.Size = int64(len(ext.Link))
	case e.Type.IsDevice():
		ext.Major, ext.Minor = d.u32(), d.u32()
	}
	if h&entryLeader != 0 {
		id := d.id()
		ext.LeaderDir, ext.LeaderEntry = uint32(id.Dir)+1, uint32(id.Entry)
		ext.Nlink = 2 // at least
	}
	if ext != (manifest.Ext{}) || e.Type == manifest.Symlink {
		kept := ext // so that only this one escapes
		e.Ext = &kept
	}
}
