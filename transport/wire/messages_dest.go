package wire

import (
	"gosync/delta"
	"gosync/walker/manifest"
)

// Mode tells the source how the destination wants to compare.
type Mode struct {
	Digests bool            // send digests first, then the listings that NeedDirs asks for
	Fields  manifest.Fields // what the digests cover
	Named   bool            // the single source gets the name of the destination; told only where the job is like-cp
}

// modeNamed is the bit of Mode's fields that says Named.
const modeNamed = 1 << 15

func (*Mode) Type() Type { return TypeMode }

func (m *Mode) append(b []byte) []byte {
	fields := uint64(m.Fields)
	if m.Named {
		fields |= modeNamed
	}
	return appendUint(appendBool(b, m.Digests), fields)
}

func (m *Mode) decode(d *Dec) {
	m.Digests = d.bool()
	fields := d.uvarint(1<<16 - 1)
	m.Fields, m.Named = manifest.Fields(fields&^modeNamed), fields&modeNamed != 0
}

// NeedDirs asks for the listings of directories, by their indices in rising
// order. After a RootDigest, Table asks for the digests of all directories.
type NeedDirs struct {
	Table bool
	More  bool // further indices follow in another message
	Dirs  []int
}

func (*NeedDirs) Type() Type { return TypeNeedDirs }

func (m *NeedDirs) append(b []byte) []byte {
	return appendRising(appendBool(appendBool(b, m.Table), m.More), m.Dirs)
}

func (m *NeedDirs) decode(d *Dec) {
	m.Table, m.More = d.bool(), d.bool()
	m.Dirs = d.rising()
}

func appendRising(b []byte, v []int) []byte {
	b = appendUint(b, uint64(len(v)))
	last := -1
	for _, i := range v {
		b = appendUint(b, uint64(i-last-1))
		last = i
	}
	return b
}

func (d *Dec) rising() (v []int) {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	v = make([]int, 0, n)
	for next := int64(0); len(v) < n; next++ {
		next += int64(d.index())
		if next > maxIndex {
			d.fail("index %d exceeds its limit", next)
		}
		if d.err != nil {
			return nil
		}
		v = append(v, int(next))
	}
	return v
}

// Want asks for whole files of one directory, by rising index.
type Want struct {
	Dir     int
	Entries []int
}

func (*Want) Type() Type { return TypeWant }

func (m *Want) append(b []byte) []byte { return appendRising(appendUint(b, uint64(m.Dir)), m.Entries) }

func (m *Want) decode(d *Dec) {
	m.Dir = d.index()
	m.Entries = d.rising()
}

// Resend asks for chunks of a file again, by rising number; All for the whole
// file.
type Resend struct {
	ID     ID
	All    bool
	Chunks []int
}

func (*Resend) Type() Type { return TypeResend }

func (m *Resend) append(b []byte) []byte {
	return appendRising(appendBool(appendID(b, m.ID), m.All), m.Chunks)
}

func (m *Resend) decode(d *Dec) {
	m.ID = d.id()
	m.All = d.bool()
	m.Chunks = d.rising()
}

// Check asks whether files of one directory have the digests given.
type Check struct {
	Dir     int
	Entries []int
	Digests []delta.Digest
}

func (*Check) Type() Type { return TypeCheck }

func (m *Check) append(b []byte) []byte {
	b = appendUint(b, uint64(m.Dir))
	b = appendRising(b, m.Entries)
	for i := range m.Digests {
		b = append(b, m.Digests[i][:]...)
	}
	return b
}

func (m *Check) decode(d *Dec) {
	m.Dir = d.index()
	m.Entries = d.rising()
	raw := d.take(len(m.Entries) * len(delta.Digest{}))
	if d.err != nil || len(m.Entries) == 0 {
		return
	}
	m.Digests = make([]delta.Digest, len(m.Entries))
	for i := range m.Digests {
		copy(m.Digests[i][:], raw[i*len(delta.Digest{}):])
	}
}

// Items tells what is done to entries, in order.
type Items struct{ Items []Item }

// Item is one row of Items.
type Item struct {
	ID     ID
	Change manifest.Change
	Link   ID // of the file linked to, where Linked; see [Conn.NamesLinks]
	Linked bool
}

const itemLinked = 1 << 31 // in the change: an ID follows

func (*Items) Type() Type { return TypeItems }

func (m *Items) append(b []byte) []byte {
	b = appendUint(b, uint64(len(m.Items)))
	for _, i := range m.Items {
		b = appendID(b, i.ID)
		if i.Linked {
			b = appendID(appendUint(b, uint64(i.Change)|itemLinked), i.Link)
			continue
		}
		b = appendUint(b, uint64(i.Change))
	}
	return b
}

func (m *Items) decode(d *Dec) {
	n := d.count(3)
	if n == 0 {
		return
	}
	m.Items = make([]Item, n)
	for i := range m.Items {
		it := &m.Items[i]
		it.ID = d.id()
		change := d.u32()
		it.Change = manifest.Change(change &^ itemLinked)
		if it.Linked = change&itemLinked != 0; it.Linked {
			it.Link = d.id()
		}
	}
}

// Removed tells what is removed at the destination, in order.
type Removed struct {
	Paths  []string // a directory ends in a slash
	Skip   bool     // the paths are not removed but skipped, for Reason
	Reason string
}

func (*Removed) Type() Type { return TypeRemoved }

func (m *Removed) append(b []byte) []byte {
	return appendString(appendBool(appendStrings(b, m.Paths), m.Skip), m.Reason)
}

func (m *Removed) decode(d *Dec) {
	m.Paths = d.strings(maxPath)
	m.Skip = d.bool()
	m.Reason = d.string(maxText)
}

// Done is the destination's report: everything is in place, and durable where
// the job asks for it.
type Done struct {
	Created, Deleted             Totals
	Transferred, TransferredSize int64
	Matched                      int64
	Limited                      bool   // deletions stopped at the limit
	Refused                      string // why nothing was deleted although there was something to delete
}

func (*Done) Type() Type { return TypeDone }

func (m *Done) sizes() []*int64 {
	v := append(m.Created.fields(), m.Deleted.fields()...)
	return append(v, &m.Transferred, &m.TransferredSize, &m.Matched)
}

func (m *Done) append(b []byte) []byte {
	return appendString(appendBool(appendSizes(b, m.sizes()), m.Limited), clip(m.Refused))
}

func (m *Done) decode(d *Dec) {
	d.sizes(m.sizes())
	m.Limited = d.bool()
	m.Refused = d.string(maxText)
}

// Planned says that everything was compared.
type Planned struct{}

// Type returns the message's number.
func (*Planned) Type() Type { return TypePlanned }

func (*Planned) append(b []byte) []byte { return b }
func (*Planned) decode(*Dec)            {}
