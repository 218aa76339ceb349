package evilpeer

import (
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// insert returns entries with some more, in their places.
func insert(entries []manifest.Entry, more ...manifest.Entry) []manifest.Entry {
	entries = append(entries, more...)
	manifest.Sort(entries)
	return entries
}

func dirEntry(name string) manifest.Entry {
	return manifest.Entry{Name: name, Type: manifest.Directory, Mode: 0o755}
}

func fileEntry(name string) manifest.Entry {
	return manifest.Entry{Name: name, Type: manifest.Regular, Mode: 0o644, Size: 1}
}

func linkEntry(name, target string) manifest.Entry {
	return manifest.Entry{Name: name, Type: manifest.Symlink, Mode: 0o777, Ext: &manifest.Ext{Link: target}}
}

// extra adds entries to the root.
func extra(more ...manifest.Entry) Rule {
	return Root(func(entries []manifest.Entry) []manifest.Entry { return insert(entries, more...) })
}

// extraIn adds entries to the directory with an index.
func extraIn(dir int, more ...manifest.Entry) Rule {
	return Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord {
		recs[dir].Entries = insert(recs[dir].Entries, more...)
		return recs
	})
}

// harmless is the Want of lies that a victim need not notice.
func harmless() []wire.Code { return []wire.Code{wire.CodeOK} }

// scopeCases send what nobody has asked for, or widen what is deleted. Only a
// client knows what it has asked for; a server takes what the user pushes.
func scopeCases() []Case {
	const class = "scope"
	rootLie := Alter(func(m *wire.Roots) { m.HasRoot, m.Root = true, dirEntry("") })
	complete := Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord {
		for _, r := range recs {
			r.Incomplete = false
		}
		return recs
	})
	bare := Listed(func([]*wire.ListingRecord) []wire.Msg { // and only the root is listed, which has nothing
		return List(&wire.ListingRecord{Parent: -1})
	})
	return []Case{
		{Class: class, Name: "an extra file", At: Client, Scene: named(), Rule: extra(fileEntry("x"))},
		{Class: class, Name: "an extra file in place of a file", At: Client, Scene: named(), Rule: Entry("a", func(e *manifest.Entry) { e.Name = "ab" })},
		{Class: class, Name: "an extra directory", At: Client, Scene: named(), Rule: extra(dirEntry("sub"))},
		{Class: class, Name: "a hidden file", At: Client, Scene: named(), Rule: extra(fileEntry(".bashrc"))},
		{Class: class, Name: "an extra symlink", At: Client, Scene: named(), Rule: extra(linkEntry("sub", "/"))},
		{Class: class, Name: "an extra file for the parents", At: Client, Scene: relative(), Rule: extraIn(1, fileEntry("x"))},
		{Class: class, Name: "another parent", At: Client, Scene: relative(), Rule: extra(dirEntry("z"))},
		{Class: class, Name: "an extra directory beside a parent", At: Client, Scene: relative(), Rule: extraIn(1, dirEntry("s"))},
		{Class: class, Name: "the content of the root, names", At: Client, Scene: named(), Rule: rootLie},
		{Class: class, Name: "the content of the root, parents", At: Client, Scene: relative(), Rule: rootLie},
		{Class: class, Name: "a parent that is complete", At: Client, Scene: relative(), Rule: complete, Want: harmless()},
		{Class: class, Name: "an excluded file", At: Client, Scene: excluded(), Rule: extra(fileEntry("x.key"))},
		{Class: class, Name: "an excluded directory", At: Client, Scene: excluded(), Rule: extra(dirEntry("x.key"))},
		{Class: class, Name: "an excluded file below", At: Client, Scene: excluded(), Rule: extraIn(1, fileEntry("x.key"))},
		{Class: class, Name: "the protected file", At: Client, Scene: excluded(), Rule: extra(fileEntry("own.key"))},
		{Class: class, Name: "something where there is nothing", Scene: fresh(), Rule: nothing(nil)},
		{Class: class, Name: "nothing, with attributes", Scene: user(fresh()), Want: harmless(), Rule: Both(nothing(func(m *wire.Roots) { m.HasRoot, m.Root = true, dirEntry("") }), bare)},
		{Class: class, Name: "nothing, of one name", Scene: user(fresh()), Rule: Both(nothing(func(m *wire.Roots) { m.Single, m.Name = true, "a" }), bare)},
		{Class: class, Name: "nothing, with directories", Scene: user(fresh()), Rule: Both(nothing(func(m *wire.Roots) { m.TopNames = []string{"d"} }), bare)},
		{Class: class, Name: "several for a single one", Scene: single(), Rule: extra(fileEntry("x"))},
		{Class: class, Name: "several for a single one, asked for by name", At: Client, Scene: single(), Rule: extra(fileEntry("keep"))},
		{Class: class, Name: "a directory for a single one", Scene: single(), Rule: Entry("a", func(e *manifest.Entry) { e.Type = manifest.Directory })},
		{
			Class: class, Name: "an empty source that is not", At: Client, Scene: unmounted(), Want: []wire.Code{wire.CodeDelete},
			Rule: Alter(func(m *wire.Roots) { m.Empty = false }), Says: "empty",
		},
		{
			Class: class, Name: "nothing is deleted where not all was listed", Scene: removing(), Want: harmless(), Check: kept("gone", "d/y"),
			Rule: Alter(func(m *wire.ListEnd) { m.Complete = false }),
		},
		{
			Class: class, Name: "nothing is deleted in a directory that was not listed in full", Scene: removing(), Want: harmless(), Check: kept("d/y"),
			Rule: Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord { recs[1].Incomplete = true; return recs }),
		},
		{
			Class: class, Name: "nothing is deleted below a directory that may not be mounted", Scene: removing(), Want: []wire.Code{wire.CodeDelete}, Check: kept("gone", "d/y"),
			Rule: Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord {
				recs[0].Incomplete, recs[0].Hollow = true, true
				return recs
			}),
		},
		{
			Class: class, Name: "a directory that may not be mounted and is complete", Scene: removing(), Check: kept("gone", "d/y"),
			Rule: Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord { recs[0].Hollow = true; return recs }),
		},
		{Class: class, Name: "no listing of a directory that deletes", Scene: removing(), Check: kept("d/y"), Rule: dropRecord(1)},
		{Class: class, Name: "no listing of a directory that was asked for", Scene: update(), Rule: Both(dropRecord(1), Alter(func(m *wire.ListEnd) { m.Dirs-- }))},
		{Class: class, Name: "the listing of another directory", Scene: update(), Rule: Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord {
			k := *recs[len(recs)-1] // "g", which differs; "k" is equal at both ends
			k.Dir, k.Entry = k.Dir+1, k.Entry+1
			return append(recs[:len(recs)-1], &k)
		})},
		{Class: class, Name: "the end before the listings", Scene: removing(), Check: kept("gone", "d/y"), Rule: Before[*wire.Listings](Msgs(&wire.ListEnd{Complete: true})...)},
		{Class: class, Name: "cut before the end of the listings", Scene: removing(), Check: kept("gone", "d/y"), Rule: Instead[*wire.ListEnd](Item{Cut: true}), Says: "closed"},
		{
			Class: class, Name: "cut behind the end of the listings", Scene: removing(), Check: kept("gone", "d/y"), Says: "closed",
			Rule: Both(After[*wire.ListEnd](Item{Cut: true}), Instead[*wire.Files]()),
		},
	}
}

// nothing says that there is no source, and what f adds to that.
func nothing(f func(m *wire.Roots)) Rule {
	return Both(Alter(func(m *wire.ListEnd) { m.Dirs = 1 }), Alter(func(m *wire.Roots) {
		*m = wire.Roots{Nothing: true, Complete: true, Sec: m.Sec, Nsec: m.Nsec}
		if f != nil {
			f(m)
		}
	}))
}

// dropRecord leaves a listing out.
func dropRecord(i int) Rule {
	return Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord { return append(recs[:i], recs[i+1:]...) })
}
