package evilpeer

import (
	"fmt"

	"gosync/transport/wire"
)

// directionCases say what only the other end may say, each message once.
func directionCases() (cases []Case) {
	const class = "direction"
	dest := []wire.Msg{
		new(wire.Mode), new(wire.NeedDirs), new(wire.Want), new(wire.Basis), wire.NewSigPart(wire.ID{}, true, nil), wire.NewAnswer(wire.ID{}, 0, nil),
		new(wire.Resend), new(wire.Check), new(wire.Items), new(wire.Removed), new(wire.Done), new(wire.Planned), new(wire.Resume), new(wire.Confirm), &wire.Landed{Entries: []int{0}},
	}
	source := []wire.Msg{
		new(wire.Roots), new(wire.RootDigest), new(wire.DirTable), new(wire.Listings), new(wire.ListEnd), new(wire.Owner), new(wire.Files), new(wire.Data),
		new(wire.FileEnd), wire.NewSegment(wire.ID{}, 0, 0, true, nil), wire.NewQuestion(wire.ID{}, 0, nil), wire.NewLiterals(wire.ID{}, 0, true, nil),
		new(wire.Same), new(wire.SourceDone), new(wire.Held), new(wire.Confirmed), new(wire.GitRules),
	}
	for _, m := range dest {
		cases = append(cases, Case{Class: class, Name: fmt.Sprintf("%T from the source", m), Rule: After[*wire.Roots](Msgs(m)...)})
	}
	for _, m := range source {
		cases = append(cases, Case{Class: class, Name: fmt.Sprintf("%T from the destination", m), As: Dest, Rule: After[*wire.Mode](Msgs(m)...)})
	}
	// The server alone tells, for the client to show.
	cases = append(cases, Case{Class: class, Name: "*wire.Trouble from a client that sends", At: Server, Rule: After[*wire.Roots](Msgs(new(wire.Trouble))...)})
	for _, m := range []wire.Msg{new(wire.Trouble), &wire.Items{Items: []wire.Item{{ID: wire.ID{Entry: 1<<31 - 1}}}}, &wire.Removed{Paths: []string{"x"}}, new(wire.Planned), new(wire.Confirm)} {
		cases = append(cases, Case{
			Class: class, Name: fmt.Sprintf("%T from a client that receives", m), As: Dest, At: Server, Rule: Before[*wire.Done](Msgs(m)...),
		})
	}
	return cases
}

// confirmCases ask a user who is not there, or answer what nobody asked.
func confirmCases() []Case {
	const class = "confirm"
	question := Msgs(&wire.Confirm{Question: "Delete everything?"})
	return []Case{
		{Class: class, Name: "a question to nobody", As: Dest, At: Client, Rule: After[*wire.Mode](question...)},
		{Class: class, Name: "a question to nobody, where much is deleted", As: Dest, At: Client, Scene: removing(), Rule: Before[*wire.Done](question...)},
		{Class: class, Name: "a question twice", As: Dest, At: Client, Scene: asking(), Rule: Twice[*wire.Confirm]()},
		{Class: class, Name: "a question before the question", As: Dest, At: Client, Scene: asking(), Rule: Both(After[*wire.Mode](question...), Believe(func(*wire.Confirmed) []Item { return nil }))},
		{Class: class, Name: "an answer without a question", At: Server, Rule: After[*wire.Roots](Msgs(&wire.Confirmed{Yes: true})...)},
		{Class: class, Name: "an answer before the question", At: Server, Scene: asking(), Check: kept("x000"), Rule: After[*wire.Roots](Msgs(&wire.Confirmed{Yes: true})...)},
		{Class: class, Name: "an answer twice", At: Server, Scene: asking(), Rule: Twice[*wire.Confirmed]()},
		{Class: class, Name: "an answer that is neither", At: Server, Scene: asking(), Check: kept("x000"), Rule: Frame[*wire.Confirmed](func(b []byte) []byte { b[header] = 2; return b })},
		{Class: class, Name: "an answer of nothing", At: Server, Scene: asking(), Check: kept("x000"), Rule: Frame[*wire.Confirmed](func(b []byte) []byte { return shorten(b, 1) })},
		{Class: class, Name: "an answer from a server", At: Client, Scene: asking(), Rule: After[*wire.Roots](Msgs(&wire.Confirmed{Yes: true})...)},
	}
}
