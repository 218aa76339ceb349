package evilpeer

import (
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// record changes the listing of the directory "d" of a scene, which is number 1.
func record(f func(r *wire.ListingRecord)) Rule {
	return Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord { f(recs[1]); return recs })
}

// retype makes another type of an entry of the root.
func retype(name string, t manifest.Type) Rule {
	return Entry(name, func(e *manifest.Entry) {
		e.Type, e.Ext = t, nil
		if t == manifest.Symlink {
			e.Ext = &manifest.Ext{Link: "../etc"}
		}
	})
}

// leader makes an entry of the root a link to another one.
func leader(name string, dir, entry int) Rule {
	return Entry(name, func(e *manifest.Entry) {
		e.Ext = &manifest.Ext{Nlink: 2, LeaderDir: uint32(dir) + 1, LeaderEntry: uint32(entry)}
	})
}

// typeCases confuse what an entry is, and where.
func typeCases() []Case {
	const class = "types"
	dup := func(entries []manifest.Entry) []manifest.Entry { return append(entries, entries[len(entries)-1]) }
	turned := func(entries []manifest.Entry) []manifest.Entry {
		entries[0], entries[1] = entries[1], entries[0]
		return entries
	}
	return []Case{
		{Class: class, Name: "a symlink, then a file below it", Rule: retype("d", manifest.Symlink), Check: absent("d/e")},
		{Class: class, Name: "a file, then a file below it", Rule: retype("d", manifest.Regular), Check: absent("d/e")},
		{Class: class, Name: "a FIFO, then a file below it", Rule: retype("d", manifest.Fifo), Check: absent("d/e")},
		{Class: class, Name: "a device, then a file below it", Rule: retype("d", manifest.BlockDevice), Check: absent("d/e")},
		{Class: class, Name: "a directory that is a file", Rule: retype("a", manifest.Directory), Want: []wire.Code{wire.CodeOK, wire.CodeStream}},
		{Class: class, Name: "no type", Rule: retype("a", manifest.Unknown)},
		{Class: class, Name: "a symlink and a directory of one name", Rule: extra(linkEntry("d", "../etc"))},
		{Class: class, Name: "a directory and a symlink of one name", Rule: Root(func(entries []manifest.Entry) []manifest.Entry {
			return append(entries[:3:3], append([]manifest.Entry{linkEntry("d", "../etc")}, entries[3:]...)...)
		})},
		{Class: class, Name: "a file and a directory of one name", Rule: extra(dirEntry("a"))},
		{Class: class, Name: "a file twice", Rule: Root(dup)},
		{Class: class, Name: "files in the wrong order", Rule: Root(turned)},
		{Class: class, Name: "files in the wrong order below", Rule: record(func(r *wire.ListingRecord) { turned(r.Entries) })},
		{Class: class, Name: "a child before its parent", Rule: Records(func(r []*wire.ListingRecord) []*wire.ListingRecord {
			return []*wire.ListingRecord{r[1], r[0]}
		})},
		{Class: class, Name: "a listing twice", Rule: Records(func(r []*wire.ListingRecord) []*wire.ListingRecord { return append(r, r[1]) })},
		{Class: class, Name: "the root twice", Rule: Records(func(r []*wire.ListingRecord) []*wire.ListingRecord { return append(r, r[0]) })},
		{Class: class, Name: "a directory that is its own parent", Rule: record(func(r *wire.ListingRecord) { r.Parent = 1 })},
		{Class: class, Name: "a parent that comes later", Rule: record(func(r *wire.ListingRecord) { r.Parent = 2 })},
		{Class: class, Name: "a second root", Rule: record(func(r *wire.ListingRecord) { r.Parent = -1 })},
		{Class: class, Name: "a root with a parent", Rule: Records(func(r []*wire.ListingRecord) []*wire.ListingRecord { r[0].Parent = 0; return r })},
		{Class: class, Name: "a root that is an entry", Rule: Records(func(r []*wire.ListingRecord) []*wire.ListingRecord { r[0].Entry = 1; return r })},
		{Class: class, Name: "an entry out of range", Rule: record(func(r *wire.ListingRecord) { r.Entry = 99 })},
		{Class: class, Name: "an entry far out of range", Rule: record(func(r *wire.ListingRecord) { r.Entry = 1<<31 - 1 })},
		{Class: class, Name: "the entry of a file", Rule: record(func(r *wire.ListingRecord) { r.Entry = 0 })},
		{Class: class, Name: "the entry of a symlink", Rule: record(func(r *wire.ListingRecord) { r.Entry = 3 })},
		{Class: class, Name: "a directory number far away", Rule: record(func(r *wire.ListingRecord) { r.Dir, r.Parent = 1<<31-1, 1<<31-2 })},
		{Class: class, Name: "a listing that is broken off", Rule: Listed(func(r []*wire.ListingRecord) []wire.Msg {
			return []wire.Msg{part(r[0], true), part(r[1], false)}
		})},
		{Class: class, Name: "the last listing is broken off", Rule: parts(true, "e")},
		{Class: class, Name: "a part that begins again", Rule: parts(false, "e", "e")},
		{Class: class, Name: "parts in the wrong order", Rule: parts(false, "f", "e")},
		{Class: class, Name: "a part with nothing", Rule: parts(false, "", "e")},
		{Class: class, Name: "another part with nothing", Rule: parts(false, "e", "")},
		{Class: class, Name: "a link to a directory", Scene: links(), Rule: leader("other", 0, 0)},
		{Class: class, Name: "a link to itself", Scene: links(), Rule: leader("other", 0, 3)},
		{Class: class, Name: "a link to what comes later", Scene: links(), Rule: leader("h2", 0, 3)},
		{Class: class, Name: "a link to nothing", Scene: links(), Rule: leader("other", 0, 9)},
		{Class: class, Name: "a link to a directory that is not", Scene: links(), Rule: leader("other", 9, 0)},
		{Class: class, Name: "a link to a directory that comes later", Scene: links(), Rule: leader("other", 1, 0)},
		{Class: class, Name: "a directory that is a link", Scene: links(), Rule: leader("d", 0, 1)},
	}
}

// part is a record in a message of its own; more says that it goes on.
func part(r *wire.ListingRecord, more bool) *wire.Listings {
	m, _ := List(r)[0].(*wire.Listings)
	if more {
		m.Data[3] |= 1 // behind directory, parent and entry, a byte each
	}
	return m
}

// parts lists the root in parts, each with a file of that name or nothing. more
// says that the last one goes on.
func parts(more bool, names ...string) Rule {
	return Listed(func([]*wire.ListingRecord) (msgs []wire.Msg) {
		for i, n := range names {
			r := &wire.ListingRecord{Parent: -1}
			if n != "" {
				r.Entries = []manifest.Entry{fileEntry(n)}
			}
			msgs = append(msgs, part(r, more || i < len(names)-1))
		}
		return msgs
	})
}
