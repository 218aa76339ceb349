package evilpeer

import (
	"fmt"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// endless says something for ever, before a message.
func endless[T wire.Msg](gen func(i int) wire.Msg) Rule { return Before[T](Item{Gen: gen}) }

// some is a generator that ends.
func some(n int, gen func(i int) wire.Msg) func(i int) wire.Msg {
	return func(i int) wire.Msg {
		if i == n {
			return nil
		}
		return gen(i)
	}
}

// countCases say things too early, too often, or without end.
func countCases() (cases []Case) {
	const class = "counts"
	add := func(name string, s *Scene, rule Rule) {
		cases = append(cases, Case{Class: class, Name: name, Scene: s, Rule: rule})
	}
	for _, n := range []int{-1, 1, 1<<31 - 3} {
		add(fmt.Sprintf("%+d directories", n), fresh(), Alter(func(m *wire.ListEnd) { m.Dirs += n }))
		add(fmt.Sprintf("%+d directories of those needed", n), update(), Alter(func(m *wire.ListEnd) { m.Dirs += n }))
	}
	add("leave before anything", fresh(), Before[*wire.Roots](Msgs(new(wire.SourceDone))...))
	add("leave before the listings", fresh(), Before[*wire.Listings](Msgs(new(wire.SourceDone))...))
	add("leave before the content", fresh(), Before[*wire.Files](Msgs(new(wire.SourceDone))...))
	add("leave before the end of a file", chunked(), Before[*wire.FileEnd](Msgs(new(wire.SourceDone))...))
	add("the roots twice", fresh(), Twice[*wire.Roots]())
	add("the roots again, later", fresh(), Before[*wire.ListEnd](Msgs(new(wire.Roots), new(wire.Roots))...))
	add("the end of the listings twice", fresh(), Before[*wire.SourceDone](Msgs(&wire.ListEnd{Dirs: 2, Complete: true})...))
	add("another listing behind the end", fresh(), Before[*wire.SourceDone](Msgs(List(&wire.ListingRecord{Dir: 3, Parent: 0, Entry: 2})...)...))
	add("a digest where listings come", fresh(), After[*wire.Roots](Msgs(new(wire.RootDigest), new(wire.RootDigest))...))
	add("the digest twice", update(), Twice[*wire.RootDigest]())
	add("a listing that was not asked for", update(), Records(func(r []*wire.ListingRecord) []*wire.ListingRecord { r[1].Dir++; return r }))
	add("listings where nothing was asked for", update(), Before[*wire.RootDigest](Msgs(List(&wire.ListingRecord{Parent: -1})...)...))
	add("the end of listings where nothing was asked for", update(), Before[*wire.RootDigest](Msgs(&wire.ListEnd{})...))
	table := func(name string, f func(m *wire.DirTable)) { add(name, update(), Alter(f)) }
	table("a table with a gap", func(m *wire.DirTable) { m.First = 1; m.Dirs = m.Dirs[1:] })
	table("a table far away", func(m *wire.DirTable) { m.First = 1<<31 - 1; m.Dirs = nil })
	table("a row that is its own parent", func(m *wire.DirTable) { m.Dirs[1].Parent = 1 })
	table("a row whose parent comes later", func(m *wire.DirTable) { m.Dirs[1].Parent = 2 })
	table("a row without a parent", func(m *wire.DirTable) { m.Dirs[1].Parent = -1 })
	table("a root with a parent", func(m *wire.DirTable) { m.Dirs[0].Parent = 0 })
	table("an empty table", func(m *wire.DirTable) { m.Dirs = nil })
	add("a table twice", update(), Twice[*wire.DirTable]())
	add("a table that was not asked for", fresh(), After[*wire.Roots](Msgs(&wire.DirTable{Last: true})...))
	add("tables of nothing without end", update(), endless[*wire.DirTable](func(int) wire.Msg { return &wire.DirTable{} }))
	add("troubles without end", fresh(), endless[*wire.ListEnd](func(i int) wire.Msg {
		return &wire.Trouble{Err: wire.Error{Path: fmt.Sprint(i), Text: "trouble"}}
	}))
	add("remarks without end", fresh(), endless[*wire.ListEnd](func(i int) wire.Msg {
		return &wire.Trouble{Note: true, Err: wire.Error{Path: fmt.Sprint(i), Text: "remark"}}
	}))
	add("long troubles without end", fresh(), endless[*wire.ListEnd](func(int) wire.Msg {
		return &wire.Trouble{Err: wire.Error{Path: "a", Text: strings.Repeat("t", 64<<10)}}
	}))
	add("owners without end", fresh(), endless[*wire.Listings](func(i int) wire.Msg {
		return &wire.Owner{ID: uint32(i), Name: "root"}
	}))
	add("listings of nothing without end", fresh(), endless[*wire.Listings](func(int) wire.Msg {
		return &wire.Listings{}
	}))
	add("many entries without an end", fresh(), endless[*wire.ListEnd](some(600, func(i int) wire.Msg {
		return part(&wire.ListingRecord{Dir: 1, Parent: 0, Entry: 2, Entries: many(i)}, true)
	})))
	add("a record with more entries than bytes", fresh(), Frame[*wire.Listings](func(b []byte) []byte {
		return frame(b[4], 0, []byte{0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 7, 1})
	}))
	cases = append(cases, sameCases(class)...)
	cases = append(cases, shownCounts(class)...)
	empty := func(int) wire.Msg { return &wire.Names{Names: make([]string, 1_000_000)} }
	return append(
		cases,
		Case{Class: class, Name: "an empty name in a list", As: Dest, At: Server, Scene: listed(), Rule: Alter(func(m *wire.Names) { m.Names[1] = "" })},
		Case{Class: class, Name: "millions of empty names", As: Dest, At: Server, Scene: listed(), Rule: endless[*wire.Names](some(24, empty))},
		Case{ // the honest end knows no such directories when it is asked for them
			Class: class, Name: "a table of directories within directories", Scene: update(), Want: []wire.Code{wire.CodeStream}, Passes: true,
			Rule: Alter(deepTable),
		},
		Case{Class: class, Name: "directories within directories", Rule: Records(deep), Want: []wire.Code{wire.CodeMemory}},
		Case{
			Class: class, Name: "owners without end that nobody knows", Ends: true,
			Rule: endless[*wire.Listings](func(i int) wire.Msg { return &wire.Owner{ID: uint32(i), Name: fmt.Sprint("nobody", i)} }),
		},
	)
}

// many are 500 entries of a listing in parts.
func many(i int) (entries []manifest.Entry) {
	for k := range 500 {
		entries = append(entries, fileEntry(fmt.Sprintf("%012d", i*500+k)))
	}
	return entries
}

// deep lists 1500 directories with long names, one in the other: a few hundred
// KiB of listings, whose paths together would take far more.
func deep(recs []*wire.ListingRecord) []*wire.ListingRecord {
	const levels = 1500
	recs[0].Entries = []manifest.Entry{dirEntry(strings.Repeat("d", 200))}
	recs = recs[:1]
	for i := 1; i < levels; i++ {
		recs = append(recs, &wire.ListingRecord{Dir: i, Parent: i - 1, Entries: recs[0].Entries})
	}
	return recs
}

// deepTable has as many directories, one in the other, as one message holds.
func deepTable(m *wire.DirTable) {
	m.Dirs = m.Dirs[:1]
	for i := range 3500 {
		m.Dirs = append(m.Dirs, wire.DirDigest{Parent: i, Name: strings.Repeat("d", manifest.MaxName)})
	}
	m.Last = true
}

// sameCases lie about files that are compared by content.
func sameCases(class string) (cases []Case) {
	add := func(name string, f func(m *wire.Same)) {
		cases = append(cases, Case{Class: class, Name: name, Scene: checked(), Rule: Alter(f)})
	}
	add("an answer about a file that was not asked about", func(m *wire.Same) { m.IDs[0].Entry = 9 })
	add("an answer about a directory", func(m *wire.Same) { m.IDs[0].Entry = 3 })
	add("an answer about a directory that is not", func(m *wire.Same) { m.IDs[0].Dir = 1<<31 - 1 })
	add("an answer twice", func(m *wire.Same) { m.IDs, m.Same = append(m.IDs, m.IDs[0]), append(m.Same, true) })
	return append(
		cases,
		Case{Class: class, Name: "all answers twice", Scene: checked(), Rule: Twice[*wire.Same]()},
		Case{Class: class, Name: "answers where nothing was asked", Rule: Before[*wire.ListEnd](Msgs(&wire.Same{IDs: make([]wire.ID, 1), Same: make([]bool, 1)})...)},
		Case{Class: class, Name: "an answer that is neither", Scene: checked(), Rule: Frame[*wire.Same](func(b []byte) []byte { b[len(b)-1] = 2; return b })},
	)
}

// shownCounts have a server tell its client more than there is to tell.
func shownCounts(class string) (cases []Case) {
	add := func(name string, ends bool, gen func(i int) wire.Msg) {
		cases = append(cases, Case{Class: class, Name: name, As: Dest, At: Client, Rule: endless[*wire.Done](gen), Ends: ends})
	}
	// How much the destination has to remove, and what goes wrong there, a client
	// cannot know: only memory is bounded.
	add("items without end", false, func(int) wire.Msg { return &wire.Items{Items: make([]wire.Item, 1)} })
	add("empty items without end", false, func(int) wire.Msg { return &wire.Items{} })
	add("removals without end", true, func(i int) wire.Msg { return &wire.Removed{Paths: []string{fmt.Sprint(i)}} })
	add("removals of nothing without end", false, func(int) wire.Msg { return &wire.Removed{} })
	add("the destination's troubles without end", true, func(i int) wire.Msg { return &wire.Trouble{Err: wire.Error{Path: fmt.Sprint(i), Text: "trouble"}} })
	add("the destination's remarks without end", true, func(i int) wire.Msg { return &wire.Trouble{Note: true, Err: wire.Error{Text: fmt.Sprint(i)}} })
	add("plans without end", false, func(int) wire.Msg { return &wire.Planned{} })
	add("fields of items that are not", false, func(int) wire.Msg { return &wire.Items{Items: []wire.Item{{ID: wire.ID{Entry: 9}}}} })
	return cases
}
