package evilpeer

import (
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// hostileText would do harm on a terminal if it were shown as it is: it clears the
// screen, sets the title, goes back to the line's start, and turns text round.
const hostileText = "\x1b[2J\x1b]0;title\x07\rall is well\n\xc2\x9b31m\u202e\u200b\xff"

// shownText is how hostileText begins when it is shown.
const shownText = `\\#033\[2J\\#033\]0;title\\#007\\#015all is well`

// showCases say what would harm a terminal. What the program makes of it is for
// those to see that run it as a whole.
func showCases() []Case {
	const class = "show"
	trouble := func(note bool) []Item {
		return Msgs(&wire.Trouble{Note: note, Err: wire.Error{Op: "open" + hostileText, Path: hostileText, Text: hostileText}})
	}
	fatal := Msgs(&wire.Fatal{Err: wire.Error{Code: wire.CodeFile, Op: hostileText, Path: hostileText, Text: hostileText}})
	zero := Msgs(&wire.Fatal{Err: wire.Error{Text: hostileText}})
	file := []wire.Code{wire.CodeFile}
	partial := []wire.Code{wire.CodePartial}
	return []Case{
		{Class: class, Name: "a fatal error of the source", At: Client, Rule: Before[*wire.ListEnd](fatal...), Want: file, Shown: shownText},
		{Class: class, Name: "a fatal error of the destination", As: Dest, At: Client, Rule: Before[*wire.Done](fatal...), Want: file, Shown: shownText},
		{Class: class, Name: "a fatal error without a code, source", Rule: Before[*wire.ListEnd](zero...), Want: []wire.Code{wire.CodeStream}, Says: "well", Shown: shownText},
		{Class: class, Name: "a fatal error without a code, destination", As: Dest, Rule: Before[*wire.Done](zero...), Want: []wire.Code{wire.CodeStream}, Says: "well", Shown: shownText},
		{Class: class, Name: "trouble of the source", At: Client, Rule: Before[*wire.ListEnd](trouble(false)...), Want: partial, Shown: shownText},
		{Class: class, Name: "trouble of the destination", As: Dest, At: Client, Rule: Before[*wire.Done](trouble(false)...), Want: partial, Shown: shownText},
		{Class: class, Name: "a remark of the source", At: Client, Rule: Before[*wire.ListEnd](trouble(true)...), Want: harmless(), Shown: shownText},
		{Class: class, Name: "a remark of the destination", As: Dest, At: Client, Rule: Before[*wire.Done](trouble(true)...), Want: harmless(), Shown: shownText},
		{Class: class, Name: "removed paths", As: Dest, At: Client, Rule: Before[*wire.Done](Msgs(&wire.Removed{Paths: []string{hostileText, hostileText + "/", "/", "", "../x"}})...), Want: harmless(), Shown: shownText},
		{Class: class, Name: "skipped paths", As: Dest, At: Client, Rule: Before[*wire.Done](Msgs(&wire.Removed{Paths: []string{"x"}, Skip: true, Reason: hostileText})...), Want: harmless(), Shown: shownText},
		{Class: class, Name: "why nothing was deleted", As: Dest, At: Client, Rule: Alter(func(m *wire.Done) { m.Refused = hostileText }), Want: []wire.Code{wire.CodeDelete}, Shown: shownText},
		{Class: class, Name: "a release", At: Client, Want: []wire.Code{wire.CodeProtocol}, Shown: `033\[2J`, Rule: Alter(func(m *wire.Hello) {
			m.Version, m.MinVersion, m.Release = 9, 9, hostileText
		})},
		{Class: class, Name: "a name", At: Client, Want: harmless(), Shown: shownText, Rule: extra(linkEntry("z"+hostileText, "a"))},
		{Class: class, Name: "a target", At: Client, Want: harmless(), Shown: shownText, Rule: Entry("link", func(e *manifest.Entry) { e.Ext = &manifest.Ext{Link: hostileText} })},
		{Class: class, Name: "a name that is refused", At: Client, Shown: `x1b\[2J`, Rule: extra(fileEntry(hostileText + "/x"))},
		{Class: class, Name: "a name nobody asked for", At: Client, Scene: named(), Shown: `x1b\[2J`, Rule: extra(fileEntry(hostileText))},
		{Class: class, Name: "text in place of a greeting", At: Client, Want: []wire.Code{wire.CodeProtocol}, Shown: `x1b\[2J`, Rule: On(func(p *Peer, _ *wire.Hello) ([]Item, bool) {
			p.Bare()
			return []Item{{Bytes: []byte(hostileText + hostileText)}, {Cut: true}}, true
		})},
	}
}
