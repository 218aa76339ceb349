package evilpeer

import (
	"fmt"

	"gosync/delta"
	"gosync/transport/wire"
)

// Entries of the scenes with a destination that asks: "a" is a file, "d" a
// directory, "f" a large file and "link" a symlink.
const (
	entryA, entryD, entryF, entryLink = 0, 1, 2, 3
)

// badID is an entry that nobody can ask for, in scenes whose source has d.
type badID struct {
	what string
	id   wire.ID
}

func badIDs(symlink int) []badID {
	return []badID{
		{"a directory", wire.ID{Entry: entryD}},
		{"a symlink", wire.ID{Entry: symlink}},
		{"an entry out of range", wire.ID{Entry: symlink + 1}},
		{"an entry far out of range", wire.ID{Entry: 1<<31 - 1}},
		{"a directory out of range", wire.ID{Dir: 2}},
		{"a directory far out of range", wire.ID{Dir: 1<<31 - 1}},
		{"an entry of an empty directory", wire.ID{Dir: 1}},
	}
}

// oracleCases ask for what a destination must not ask for.
func oracleCases() (cases []Case) {
	const class = "oracle"
	add := func(name string, s *Scene, rule Rule) {
		cases = append(cases, Case{Class: class, Name: name, As: Dest, Scene: s, Rule: rule})
	}
	for _, b := range badIDs(entryLink) {
		add("Want of "+b.what, deltas(), Alter(func(m *wire.Want) { m.Dir, m.Entries = b.id.Dir, []int{b.id.Entry} }))
		add("Basis of "+b.what, deltas(), Alter(func(m *wire.Basis) { m.ID = b.id }))
		add("SigPart of "+b.what, deltas(), Alter(func(m *wire.SigPart) { m.ID = b.id }))
		add("Answer of "+b.what, deltas(), Alter(func(m *wire.Answer) { m.ID = b.id }))
		add("Resume of "+b.what, appending(), Alter(func(m *wire.Resume) { m.ID = b.id }))
		add("Resend of "+b.what, deltas(), After[*wire.Basis](Msgs(&wire.Resend{ID: b.id, All: true})...))
		add("Items of "+b.what, deltas(), Before[*wire.Done](Msgs(&wire.Items{Items: []wire.Item{{ID: b.id}}})...))
		if b.id.Entry == 1<<31-1 || b.what == "a directory" || b.what == "a symlink" { // the root, and what may be told of
			cases = cases[:len(cases)-1]
		}
	}
	for _, b := range badIDs(4) {
		add("Check of "+b.what, checked(), Alter(func(m *wire.Check) {
			if b.what == "a directory" {
				b.id.Entry = 3
			}
			m.Dir, m.Entries, m.Digests = b.id.Dir, []int{b.id.Entry}, m.Digests[:1]
		}))
	}
	f := wire.ID{Entry: entryF}
	early := []struct {
		what string
		m    wire.Msg
	}{
		{"Want", &wire.Want{Entries: []int{0}}},
		{"Basis", &wire.Basis{}},
		{"Resume", &wire.Resume{}},
		{"Resend", &wire.Resend{All: true}},
		{"Check", &wire.Check{Entries: []int{0}, Digests: make([]delta.Digest, 1)}},
		{"Items", &wire.Items{Items: []wire.Item{{}}}},
		{"SigPart", wire.NewSigPart(f, true, nil)},
		{"Answer", wire.NewAnswer(f, 0, nil)},
		{"Done", new(wire.Done)},
	}
	for _, e := range early {
		add(e.what+" before anything was listed", deltas(), Before[*wire.Mode](Msgs(e.m)...))
	}
	often := func(m func(i int) wire.Msg) Rule { return Before[*wire.Done](repeat(3000, m)...) }
	add("Want again and again", deltas(), often(func(int) wire.Msg { return &wire.Want{Entries: []int{0}} }))
	add("Resend again and again", deltas(), often(func(i int) wire.Msg { return &wire.Resend{ID: f, Chunks: []int{i}} }))
	add("Resume again and again", appending(), often(func(int) wire.Msg { return &wire.Resume{ID: f, Chunks: 1 << 20} }))
	add("Check again and again", checked(), often(func(int) wire.Msg { return &wire.Check{Entries: []int{0}, Digests: make([]delta.Digest, 1)} }))
	add("Items again and again", deltas(), often(func(int) wire.Msg { return &wire.Items{Items: []wire.Item{{}}} }))
	add("Basis twice", deltas(), Twice[*wire.Basis]())
	add("Check without digests", checked(), Frame[*wire.Check](func(b []byte) []byte { return shorten(b, 32) }))
	add("Done twice", deltas(), Instead[*wire.Mode](Msgs(&wire.Mode{}, new(wire.Done), new(wire.Done))...))
	add("Done before all was listed", update(), Before[*wire.Mode](Msgs(new(wire.Done))...))
	cases = append(cases, Case{ // whether anything of the delta is under way is chance
		Class: class, Name: "Done while a delta is open", As: Dest, Scene: deltas(), Rule: After[*wire.SigPart](Msgs(new(wire.Done))...),
		Want: []wire.Code{wire.CodeOK, wire.CodeStream}, Passes: true,
	})
	cases = append(cases, signatureCases(class)...)
	return append(cases, needCases(class)...)
}

// repeat makes n messages.
func repeat(n int, f func(i int) wire.Msg) (items []Item) {
	for i := range n {
		items = append(items, Item{Msg: f(i)})
	}
	return items
}

// shorten cuts bytes off the end of a frame, whose length says so.
func shorten(b []byte, n int) []byte {
	b = b[:len(b)-n]
	return relength(b, len(b)-header)
}

// params changes the parameters of the first Basis as raw bytes: the size of the
// basis (here 3 bytes), log2 of the block size, length of a hash, of an anchor,
// and the seed.
func params(f func(p []byte) []byte) Rule {
	return Alter(func(m *wire.Basis) { m.Params = f(m.Params) })
}

// signatureCases send signatures that are none.
func signatureCases(class string) (cases []Case) {
	add := func(name string, rule Rule) {
		cases = append(cases, Case{Class: class, Name: name, As: Dest, Scene: deltas(), Rule: rule})
	}
	set := func(i int, v byte) Rule { return params(func(p []byte) []byte { p[i] = v; return p }) }
	const size, block, hash, anchor = 0, 3, 4, 5
	for _, v := range []byte{0, 1, 8, 25, 31, 63, 64, 255} {
		add(fmt.Sprintf("blocks of 2^%d bytes", v), set(block, v))
	}
	for _, v := range []byte{0, 3, 9, 255} {
		add(fmt.Sprintf("hashes of %d bytes", v), set(hash, v))
	}
	for _, v := range []byte{1, 3, 6, 255} {
		add(fmt.Sprintf("anchors of %d bytes", v), set(anchor, v))
	}
	add("no parameters", params(func([]byte) []byte { return nil }))
	add("parameters that are too short", params(func(p []byte) []byte { return p[:len(p)-1] }))
	add("parameters that are too long", params(func(p []byte) []byte { return append(p, 0) }))
	add("a basis of 2^63 bytes", params(func(p []byte) []byte {
		return append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, p[3:]...)
	}))
	add("a basis of 2^62 bytes", params(func(p []byte) []byte {
		return append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f}, p[3:]...)
	}))
	add("a basis that is smaller than its signature", set(size, 0x80|1))
	add("a signature that is too short", Alter(func(m *wire.SigPart) { m.Body, m.Last = m.Body[:len(m.Body)-1], true }))
	add("a signature that is empty", Alter(func(m *wire.SigPart) { m.Body, m.Last = nil, true }))
	add("a signature that is too long", Alter(func(m *wire.SigPart) { m.Body = append(m.Body, 0) }))
	add("a signature that says nothing", Alter(func(m *wire.SigPart) { clear(m.Body) }))
	add("a signature that begins later", Alter(func(m *wire.SigPart) { m.Body[0] = 1 }))
	add("a signature twice", Twice[*wire.SigPart]())
	add("a part for another segment", Alter(func(m *wire.SigPart) { *m = *sigPart(m, 1) }))
	add("a signature without a basis", Instead[*wire.Basis]())
	add("an answer without a question", After[*wire.SigPart](Msgs(wire.NewAnswer(wire.ID{Entry: entryF}, 3, nil))...))
	add("an answer of another length", Alter(func(m *wire.Answer) { m.Body = append(m.Body, 0) }))
	add("an answer that is too short", Alter(func(m *wire.Answer) { m.Body = m.Body[:len(m.Body)-1] }))
	add("an empty answer", Alter(func(m *wire.Answer) { m.Body = nil }))
	add("an answer for another segment, often", On(func(_ *Peer, m *wire.Answer) ([]Item, bool) {
		return repeat(10, func(int) wire.Msg { return wire.NewAnswer(m.ID, 7, m.Body) }), true
	}))
	add("an answer four times", On(func(_ *Peer, m *wire.Answer) ([]Item, bool) { return Msgs(m, m, m, m, m, m), true }))
	return cases
}

func sigPart(m *wire.SigPart, segment int) *wire.SigPart {
	n := wire.NewSigPart(m.ID, m.Last, m.Body)
	n.Segment = segment
	return n
}

// needCases ask for directories that are not, or at the wrong time.
func needCases(class string) (cases []Case) {
	add := func(name string, rule Rule) {
		cases = append(cases, Case{Class: class, Name: name, As: Dest, Scene: update(), Rule: rule})
	}
	dirs := func(f func(m *wire.NeedDirs)) Rule {
		return AlterIf(func(m *wire.NeedDirs) bool {
			if !m.Table {
				f(m)
			}
			return !m.Table
		})
	}
	add("a directory out of range", dirs(func(m *wire.NeedDirs) { m.Dirs = []int{0, 99} }))
	add("a directory far out of range", dirs(func(m *wire.NeedDirs) { m.Dirs = []int{1<<31 - 1} }))
	add("directories without end", dirs2(func() []Item {
		return repeat(3000, func(int) wire.Msg { return &wire.NeedDirs{More: true, Dirs: []int{0, 1, 2}} })
	}))
	add("tables without end", On(func(_ *Peer, m *wire.NeedDirs) ([]Item, bool) {
		return repeat(3000, func(int) wire.Msg { return m }), m.Table
	}))
	add("the table twice", Twice[*wire.NeedDirs]())
	add("the table behind the directories", dirs2(func() []Item { return Msgs(&wire.NeedDirs{Dirs: []int{0}}, &wire.NeedDirs{Table: true}) }))
	add("directories of the table", dirs2(func() []Item { return Msgs(&wire.NeedDirs{Table: true, Dirs: []int{0}}) }))
	add("directories where listings come", On(func(_ *Peer, m *wire.Mode) ([]Item, bool) {
		return append(Msgs(&wire.Mode{}), repeat(1100, func(int) wire.Msg { return &wire.NeedDirs{Dirs: []int{0}} })...), true
	}))
	add("the mode twice", Twice[*wire.Mode]())
	add("directories again", dirs2(func() []Item { return Msgs(&wire.NeedDirs{More: true, Dirs: []int{0}}, &wire.NeedDirs{Dirs: []int{0}}) }))
	add("directories that fall", dirs2(func() []Item {
		return Msgs(&wire.NeedDirs{More: true, Dirs: []int{0, 2}}, &wire.NeedDirs{Dirs: []int{1}})
	}))
	add("a table, and more", On(func(_ *Peer, m *wire.NeedDirs) ([]Item, bool) {
		return Msgs(&wire.NeedDirs{Table: true, More: true}), m.Table
	}))
	add("a table, and directories", On(func(_ *Peer, m *wire.NeedDirs) ([]Item, bool) {
		return Msgs(&wire.NeedDirs{Table: true, Dirs: []int{0}}), m.Table
	}))
	add("directories before the mode", Before[*wire.Mode](Msgs(&wire.NeedDirs{Dirs: []int{0}})...))
	million := make([]int, 1_000_000)
	for i := range million {
		million[i] = i
	}
	add("millions of directories before the mode", endless[*wire.Mode](some(64, func(int) wire.Msg { return &wire.NeedDirs{More: true, Dirs: million} })))
	add("millions of directories", dirs2(func() []Item {
		return repeat(64, func(int) wire.Msg { return &wire.NeedDirs{More: true, Dirs: million} })
	}))
	return append(
		cases,
		Case{
			Class: class, Name: "an unknown field", As: Dest, Scene: update(), Want: harmless(), Equal: true,
			Rule: Alter(func(m *wire.Mode) { m.Fields |= 1 << 15 }),
		},
	)
}

// dirs2 says something in place of the list of directories.
func dirs2(f func() []Item) Rule {
	return On(func(_ *Peer, m *wire.NeedDirs) ([]Item, bool) {
		if m.Table {
			return Msgs(m), false
		}
		return f(), true
	})
}
