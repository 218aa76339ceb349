package evilpeer

import (
	"fmt"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// badNames are no names of a file in a directory.
func badNames() []string {
	names := []string{
		"", ".", "..", "/", "//", "/.", "/..", "./", "../", "./.", "../.", "./..", "../..", "../../", "/../", "a/", "a//", "/a", "//a",
		"a/b", "a//b", "a/./b", "a/../b", "./a", "../a", ".//a", "..//a", "a/.", "a/..", "a/../..", "../dst-sibling/a", "../keep.txt",
		"../etc/passwd", "d/../../etc/passwd", "d/e", "d/../a", "link/x", "/etc/passwd", "//etc/passwd", "/dev/null", "/proc/self/fd/1",
		"\x00", "a\x00", "\x00a", "a\x00b", ".\x00", "..\x00", "../\x00", "/\x00", "a/\x00", "..\x00/", "...\x00", "-/x", "~/x", "\xff/", "\x1b/\x1b",
		strings.Repeat("n", 256), strings.Repeat("n", 4096), strings.Repeat("/", 255), strings.Repeat("../", 85), strings.Repeat("a/", 2000) + "a",
		strings.Repeat("\x00", 255),
	}
	return names
}

// oddNames are names that a file may have, strange as they are.
func oddNames() []string {
	return []string{
		"...", "..a", "a..", " ", " a", "a ", "-rf", "--delete", "~", "~root", "*", "$(touch x)", "`touch x`", ";", "|", "&", "\\", `a\b`, `\..\x`,
		"C:", "NUL", "COM1", "a:b", "new\nline", "cr\r", "esc\x1b[2J", "osc\x1b]0;x\x07", "c1\xc2\x9b0m", "raw\x9b", "\xff\xfe", "bidi\u202ex", "zero\u200b",
		"\x7f", "\x01", strings.Repeat("n", 255), strings.Repeat("\xff", 255), "é", "e\u0301", "İ", ".gitignore", "%s%n%d", "{}", "'", `"`,
	}
}

// nameCases give names of no file in all places in which a source names one.
func nameCases() (cases []Case) {
	const class = "names"
	add := func(what string, s *Scene, rule Rule) {
		// Names are refused alike at both sides: one of them is enough.
		cases = append(cases, Case{Class: class, Name: what, At: Client + Side(len(cases)%2), Scene: s, Rule: rule})
	}
	for i, n := range badNames() {
		what := fmt.Sprintf("%02d %.20q", i, n)
		add(what+" of a file", fresh(), alone(fileEntry(n)))
		add(what+" of a directory", fresh(), alone(dirEntry(n)))
		if n != "" { // that is no name for several sources
			add(what+" of a single source", single(), Alter(func(m *wire.Roots) { m.Name = n }))
		}
		add(what+" among the top names", update(), Alter(func(m *wire.Roots) { m.TopNames = append(m.TopNames, n) }))
		add(what+" in the table", update(), Alter(func(m *wire.DirTable) { m.Dirs[1].Name = n }))
	}
	for i, n := range oddNames() {
		cases = append(cases, Case{
			Class: class, Name: fmt.Sprintf("odd %02d %.20q", i, n), Scene: single(), Want: harmless(), Check: kept(n), At: Server,
			Rule: Entry("a", func(e *manifest.Entry) { e.Name = n }),
		})
	}
	return append(
		cases,
		Case{Class: class, Name: "a name for a directory's content", Rule: Alter(func(m *wire.Roots) { m.Name = "x" })},
		Case{Class: class, Name: "no name for a single source", Scene: single(), Rule: Alter(func(m *wire.Roots) { m.Name = "" })},
		Case{Class: class, Name: "a name for the root of the table", Scene: update(), Rule: Alter(func(m *wire.DirTable) { m.Dirs[0].Name = "x" })},
		Case{Class: class, Name: "a temporary's name", At: Client, Rule: extra(fileEntry(".gosync.0123456789abcdef")), Want: []wire.Code{wire.CodePartial, wire.CodeStream}, Passes: true},
	)
}

// alone lists one entry in the root, and nothing else.
func alone(e manifest.Entry) Rule {
	return Records(func(recs []*wire.ListingRecord) []*wire.ListingRecord {
		recs[0].Entries = []manifest.Entry{e}
		return recs[:1]
	})
}
