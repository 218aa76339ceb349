package evilpeer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// optionCases say what only an option asks for: where it is off, out of turn, twice, too
// much, or of what it is not about.
func optionCases() []Case {
	return slices.Concat(gitCases(), missingCases(), bareCases(), shardCases(), renameCases(), landedCases())
}

// gitCases lie about the files that say what git ignores.
func gitCases() (cases []Case) {
	const class = "git"
	add := func(name string, s *Scene, rule Rule, want ...wire.Code) {
		cases = append(cases, Case{Class: class, Name: name, Scene: s, Rule: rule, Want: want, Check: s.stays()})
	}
	of := func(dir int) []Item { return Msgs(&wire.GitRules{Dir: dir, Ignore: []byte("*.o\n")}) }
	add("rules that nobody asked for", fresh(), Before[*wire.Listings](of(0)...))
	add("rules where nothing is removed", fresh().with("gitignore"), Before[*wire.Listings](of(0)...))
	add("rules before the roots", ignoring(), Before[*wire.Roots](of(0)...))
	add("rules twice", ignoring(), Twice[*wire.GitRules]())
	add("rules behind their listing", ignoring(), Before[*wire.ListEnd](of(0)...))
	add("rules of a directory that is not", ignoring(), Before[*wire.Listings](of(9)...))
	add("rules of a directory far away", ignoring(), Before[*wire.Listings](of(1<<31-1)...))
	add("rules behind the listings", ignoring(), After[*wire.ListEnd](of(9)...))
	add("rules that are too long", ignoring(), Alter(func(m *wire.GitRules) { m.Ignore = make([]byte, wire.MaxGitRules+1) }))
	add("excludes that are too long", ignoring(), Alter(func(m *wire.GitRules) { m.Exclude = make([]byte, wire.MaxGitRules+1) }))
	add("rules without end", ignoring(), endless[*wire.Listings](func(i int) wire.Msg { return &wire.GitRules{Dir: i + 9} }), wire.CodeMemory)
	add("long rules without end", ignoring(), endless[*wire.Listings](func(i int) wire.Msg {
		return &wire.GitRules{Dir: i + 9, Ignore: make([]byte, wire.MaxGitRules)}
	}), wire.CodeMemory)
	// What they take is not what their frames take.
	add("rules in large frames", ignoring(), beside[*wire.Listings](2000, func(i int) []byte {
		return wire.AppendFrame(nil, &wire.GitRules{Dir: i + 9, Ignore: make([]byte, 5000)})
	}))
	add("short rules in compressed frames", ignoring(), beside[*wire.Listings](2000, func(i int) []byte {
		m := &wire.GitRules{Dir: i + 9, Ignore: []byte("a")}
		data := wire.AppendFrame(nil, m)[header:]
		return squeezed(byte(m.Type()), uint64(len(data)), stored(data))
	}))
	for _, text := range []string{"[", "\\", "!", strings.Repeat("*", 500), strings.Repeat("a/**/", 2000), strings.Repeat("[", 5000), "\x00\n\xff\n", strings.Repeat("*a", 100) + "b"} {
		add(fmt.Sprintf("odd rules %.10q, %d bytes", text, len(text)), ignoring(), Alter(func(m *wire.GitRules) {
			m.Ignore = append([]byte(text+"\n"), m.Ignore...)
		}), wire.CodeOK, wire.CodePartial)
	}
	return cases
}

// beside says n frames before the first message of a type.
func beside[T wire.Msg](n int, f func(i int) []byte) Rule {
	var b []byte
	for i := range n {
		b = append(b, f(i)...)
	}
	return Before[T](Item{Bytes: b})
}

// ignoring deletes, and leaves what git ignores.
func ignoring() *Scene {
	return &Scene{
		Name: "ignoring", Sources: []string{""}, Flags: []string{"gitignore", "delete"}, Keep: []string{"own.o", "d/own.o"},
		Trees: trees(Files{".gitignore": "*.o\n", "a": "a", "d/b": "b"}, Files{"own.o": "own", "d/own.o": "own", "d/b": "b"}),
	}
}

// stays returns a check that what a scene keeps is there.
func (s *Scene) stays() func(dst string) error { return kept(s.Keep...) }

// missingCases have removed what was never asked for.
func missingCases() (cases []Case) {
	const class = "missing"
	say := func(names ...string) Rule { return Alter(func(m *wire.Roots) { m.Missing = names }) }
	add := func(name string, at Side, s *Scene, rule Rule, want ...wire.Code) {
		cases = append(cases, Case{Class: class, Name: name, At: at, Scene: s, Rule: rule, Want: want, Check: s.stays()})
	}
	add("where nobody asked for it", Anywhere, named(), say("keep.txt"))
	add("what was asked for, without the option", Anywhere, named(), say("a"))
	add("what was not asked for", Client, lacking(), say("keep.txt"))
	add("what was not asked for, below", Client, lacking(), say("sub/keep"))
	add("a directory that was not asked for", Client, lacking(), say("sub"))
	add("one too many", Client, lacking(), say("gone", "keep.txt"))
	add("without a source", Anywhere, lacking(), Alter(func(m *wire.Roots) { m.Nothing = true }))
	for i, n := range badNames() {
		if !strings.Contains(n, "/") || !validPath(n) {
			add(fmt.Sprintf("%02d %.20q", i, n), Client+Side(i%2), lacking(), say(n))
		}
	}
	many := make([]string, 50_000)
	for i := range many {
		many[i] = fmt.Sprintf("x%06d", i)
	}
	add("much that was not asked for", Client, lacking(), say(many...))
	// A server removes what the user's end says. Of what is listed nothing is removed.
	add("much", Server, lacking(), say(many...), wire.CodeOK)
	add("twice", Anywhere, lacking(), say("gone", "gone"), wire.CodeOK)
	add("what is listed", Anywhere, lacking(), say("a"), wire.CodeOK)
	add("the root twice", Client, lacking(), Twice[*wire.Roots]())
	return cases
}

// validPath reports whether a path is made of names.
func validPath(path string) bool {
	return !slices.ContainsFunc(strings.Split(path, "/"), func(n string) bool { return manifest.ValidName(n) != nil })
}

// lacking asks for something that is not there, which is removed at the destination.
func lacking() *Scene {
	return &Scene{
		Name: "lacking", Sources: []string{"a", "gone"}, Flags: []string{"delete-missing-args"}, Keep: []string{"keep.txt", "sub/keep"},
		Trees: trees(Files{"a": "a"}, Files{"a": "a", "gone": "gone", "keep.txt": "keep", "sub/keep": "keep"}),
	}
}

// bareCases call directories such that only something below them was asked for: there
// symlinks of the destination are followed.
func bareCases() []Case {
	const class = "bare"
	bare := func(i int) Rule {
		return Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord {
			recs[i].Bare, recs[i].Incomplete = true, true
			return recs
		})
	}
	return []Case{
		{Class: class, Name: "where none is", Scene: diverted(), Rule: bare(1), Check: absent("other/x")},
		{Class: class, Name: "where none is, with parents", Scene: relative(), Rule: bare(1)},
		{Class: class, Name: "one that leads out", Scene: bareParents(), Rule: bare(2), Want: []wire.Code{wire.CodePartial}},
		{Class: class, Name: "the root", Scene: bareParents(), Rule: bare(0)},
		{Class: class, Name: "one that is complete", Scene: bareParents(), Rule: Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord {
			recs[1].Incomplete = false
			return recs
		})},
	}
}

// diverted has a symlink where the source has a directory.
func diverted() *Scene {
	return &Scene{
		Name: "diverted", Sources: []string{""}, Keep: []string{"other/keep"},
		Trees: trees(Files{"d/x": "x"}, Files{"d": "->other", "other/keep": "keep"}),
	}
}

// bareParents asks for a directory and not for its parents.
func bareParents() *Scene {
	return &Scene{
		Name: "bare parents", Sources: []string{"./p/q"}, Flags: []string{"relative", "no-implied-dirs"}, Keep: []string{"other/keep"},
		Trees: trees(Files{"p/q/x": "x"}, Files{"p/q": "->../../etc", "other/keep": "keep"}),
	}
}

// shardCases send what is of another part.
func shardCases() []Case {
	const class = "shard"
	each := func(e manifest.Entry) Rule { // of two parts no directory is in both
		return Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord {
			for _, r := range recs {
				r.Entries = insert(r.Entries, e)
			}
			return recs
		})
	}
	return []Case{
		{Class: class, Name: "a file of another part", Scene: shared(), Rule: each(fileEntry("z")), Check: shared().stays()},
		{Class: class, Name: "a symlink of another part", Scene: shared(), Rule: each(linkEntry("z", "x")), Check: shared().stays()},
	}
}

// shared copies one of two parts of a tree, and deletes in it.
func shared() *Scene {
	src, dst := Files{}, Files{}
	for _, dir := range []string{"d", "e", "f", "g", "h", "i"} {
		src[dir+"/a"], dst[dir+"/a"] = "a", "~A"
	}
	dst["sub"] = "->d"
	return &Scene{Name: "shared", Sources: []string{""}, Flags: []string{"shard=1/2", "ignore-times"}, Keep: []string{"keep.txt"}, Trees: func() (Files, Files) {
		dst["keep.txt"] = "keep"
		return src, dst
	}}
}

// renameCases lie about what the destination takes for a file that was moved.
func renameCases() []Case {
	const class = "renames"
	return []Case{
		{Class: class, Name: "all answers twice", Scene: renaming(), Rule: Twice[*wire.Same]()},
		{Class: class, Name: "an answer about what was not asked about", Scene: renaming(), Rule: Alter(func(m *wire.Same) { m.IDs[0].Entry = 9 })},
		{Class: class, Name: "an answer before the question", Scene: renaming(), Rule: Before[*wire.ListEnd](Msgs(&wire.Same{IDs: make([]wire.ID, 1), Same: []bool{true}})...)},
		{Class: class, Name: "content that was not asked for", Scene: renaming(), Rule: Before[*wire.Same](Msgs(&wire.Files{Data: wire.AppendFile(nil, wire.ID{Dir: 1}, [32]byte{}, []byte("x"))})...)},
		{Class: class, Name: "it was another file", Scene: renaming(), Want: harmless(), Equal: true, Rule: Alter(func(m *wire.Same) { m.Same[0] = false })},
	}
}

// renaming has a file that was moved.
func renaming() *Scene {
	return &Scene{
		Name: "renaming", Sources: []string{""}, Flags: []string{"detect-renames", "delete"},
		Trees: trees(Files{"a": "a", "n/f": strings.Repeat("f", 5000)}, Files{"a": "a", "o/f": strings.Repeat("f", 5000)}),
	}
}

// landedCases have the source remove what is not to be removed.
func landedCases() (cases []Case) {
	const class = "landed"
	add := func(name string, s *Scene, rule Rule) {
		cases = append(cases, Case{Class: class, Name: name, As: Dest, Scene: s, Rule: rule})
	}
	a := Msgs(&wire.Landed{Entries: []int{0}})
	add("where nothing is to be removed", fresh(), Before[*wire.Done](a...))
	add("before anything was listed", moving(), Before[*wire.Mode](a...))
	add("nothing", moving(), Before[*wire.Landed](Msgs(new(wire.Landed))...))
	add("again and again", moving(), Before[*wire.Done](repeat(3000, func(int) wire.Msg { return a[0].Msg })...))
	add("without end", moving(), endless[*wire.Done](func(int) wire.Msg { return a[0].Msg }))
	million := make([]int, 1_000_000)
	for i := range million {
		million[i] = i
	}
	add("a million entries", moving(), Before[*wire.Landed](Msgs(&wire.Landed{Entries: million})...))
	add("indices that rise too far", moving(), Frame[*wire.Landed](func(b []byte) []byte {
		return frame(b[4], 0, []byte{0, 2, 0xff, 0xff, 0xff, 0xff, 7, 0xff, 0xff, 0xff, 0xff, 7})
	}))
	add("more entries than bytes", moving(), Frame[*wire.Landed](func(b []byte) []byte { return frame(b[4], 0, []byte{0, 0xff, 0xff, 0xff, 0xff, 7, 0}) }))
	for _, b := range badIDs(entryLink) {
		if b.what != "a symlink" {
			add(b.what, moving(), Alter(func(m *wire.Landed) { m.Dir, m.Entries = b.id.Dir, []int{b.id.Entry} }))
			add(b.what+", too", moving(), After[*wire.Landed](Msgs(&wire.Landed{Dir: b.id.Dir, Entries: []int{b.id.Entry}})...))
		}
	}
	return cases
}

// moving removes at the source what has arrived.
func moving() *Scene {
	return &Scene{
		Name: "moving", Sources: []string{""}, Flags: []string{"remove-source-files"}, Moves: true,
		Trees: trees(Files{"a": "a", "d/": "", "f": "f", "link": "->a"}, nil),
	}
}

// Moved returns an error if anything but directories is left of the source.
func (b *Bench) Moved() error {
	return filepath.WalkDir(b.Src(), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			err = fmt.Errorf("%s is left", path)
		}
		return err
	})
}
