package evilpeer

import (
	"gosync/delta"
	"gosync/transport/wire"
)

// resumeCases lie about what the destination holds already.
func resumeCases() (cases []Case) {
	const class = "resume"
	for _, s := range []*Scene{appending(), resumed()} {
		add := func(name string, rule Rule, want ...wire.Code) {
			cases = append(cases, Case{Class: class, Name: name + ", " + s.Name, Scene: s, Rule: rule, Want: want, Equal: true})
		}
		heldCases(add)
		add("held chunks behind the content", Swap[*wire.Held, *wire.Data]())
		add("no held chunks", Instead[*wire.Held]())
		add("held chunks after content", On(func(_ *Peer, m *wire.Data) ([]Item, bool) {
			return Msgs(m, &wire.Held{ID: m.ID, First: int(m.Offset / delta.ChunkSize), Sums: make([]delta.Digest, 1)}), true
		}))
		add("content that is held", Alter(func(m *wire.Data) { m.Offset -= delta.ChunkSize }))
		add("content behind a gap", Alter(func(m *wire.Data) { m.Offset += delta.ChunkSize }))
		add("content from the start", Alter(func(m *wire.Data) { m.Offset = 0 }))
		add("another digest at the end", Alter(func(m *wire.FileEnd) { m.Digest[0] ^= 1 }))
		add("the digest of what was sent", Alter(func(m *wire.FileEnd) { m.Digest = delta.Digest{} }))
		add("the end where held chunks end", On(func(_ *Peer, m *wire.Held) ([]Item, bool) {
			return Msgs(m, &wire.FileEnd{ID: m.ID, Size: int64(len(m.Sums)) * delta.ChunkSize}), true
		}))
	}
	cases = append(cases, heldDeltaCases(class)...)
	cases = append(cases, askedCases(class)...)
	return append(
		cases,
		Case{Class: class, Name: "held chunks where nothing was resumed", Scene: chunked(), Rule: onData(0)},
		Case{Class: class, Name: "held chunks of a file that was not asked for", Scene: chunked(), Rule: onData(9)},
		Case{Class: class, Name: "held chunks of a small file", Scene: fresh(), Rule: Before[*wire.Files](Msgs(&wire.Held{Sums: make([]delta.Digest, 1)})...)},
		Case{Class: class, Name: "held chunks of a blind one", Scene: blind(), Rule: onData(entryF)},
		Case{Class: class, Name: "content that a blind one has", Scene: blind(), Rule: Alter(func(m *wire.Data) { m.Offset = 0 })},
		Case{Class: class, Name: "another digest of a blind one", Scene: blind(), Rule: Alter(func(m *wire.FileEnd) { m.Digest[0] ^= 1 })},
		Case{Class: class, Name: "the digest of all of a blind one", Scene: blind(), Rule: Alter(func(m *wire.FileEnd) { m.Digest = delta.Digest{} })},
	)
}

// onData says what is held before the first piece of a file.
func onData(entry int) Rule {
	return Before[*wire.Data](Msgs(&wire.Held{ID: wire.ID{Entry: entry}, Sums: make([]delta.Digest, 1)})...)
}

// heldCases change Held.
func heldCases(add func(name string, rule Rule, want ...wire.Code)) {
	add("held chunks that begin later", Alter(func(m *wire.Held) { m.First = 1 }))
	add("held chunks that begin far away", Alter(func(m *wire.Held) { m.First = 1<<31 - 1 }))
	add("a held chunk too many", Alter(func(m *wire.Held) { m.Sums = append(m.Sums, m.Sums...) }))
	add("1024 held chunks", Alter(func(m *wire.Held) { m.Sums = make([]delta.Digest, wire.HeldBatch) }))
	add("1025 held chunks", Alter(func(m *wire.Held) { m.Sums = make([]delta.Digest, wire.HeldBatch+1) }))
	add("a held chunk too few", Alter(func(m *wire.Held) { m.Sums = m.Sums[:len(m.Sums)-1] }))
	add("an empty message", Alter(func(m *wire.Held) { m.Sums = nil }))
	add("empty messages without end", On(func(_ *Peer, m *wire.Held) ([]Item, bool) {
		return []Item{{Gen: func(int) wire.Msg { return &wire.Held{ID: m.ID} }}}, true
	}))
	add("held chunks twice", Twice[*wire.Held]())
	add("half a digest", Frame[*wire.Held](func(b []byte) []byte { return shorten(b, 16) }))
	add("held chunks of another file", Alter(func(m *wire.Held) { m.ID.Entry = entryA }))
	add("held chunks of a directory", Alter(func(m *wire.Held) { m.ID.Entry = entryD }))
	add("wrong digests of what is held", Alter(func(m *wire.Held) { m.Sums[0][0] ^= 1 }))
}

// heldDeltaCases do so with a delta.
func heldDeltaCases(class string) (cases []Case) {
	s := resumedDelta()
	add := func(name string, rule Rule, want ...wire.Code) {
		cases = append(cases, Case{Class: class, Name: name + ", delta", Scene: s, Rule: rule, Want: want, Equal: true})
	}
	add("held chunks that begin later", Alter(func(m *wire.Held) { m.First = 1 }))
	add("a held chunk too many", Alter(func(m *wire.Held) { m.Sums = append(m.Sums, delta.Digest{}) }))
	add("a held chunk too few", Alter(func(m *wire.Held) { m.Sums = m.Sums[:len(m.Sums)-1] }))
	add("wrong digests of what is held", Alter(func(m *wire.Held) { m.Sums[0][0] ^= 1 }))
	add("held chunks behind a segment", Swap[*wire.Held, *wire.Segment]())
	add("no held chunks", Instead[*wire.Held]())
	add("a segment that begins with what is held", plan(func(s *delta.Segment) { s.Off -= delta.ChunkSize }))
	add("a segment that begins at the start", plan(func(s *delta.Segment) { s.Off = 0 }))
	add("a segment behind a gap", plan(func(s *delta.Segment) { s.Off += delta.ChunkSize }))
	return cases
}

// askedCases are a destination's that holds more than there is.
func askedCases(class string) (cases []Case) {
	add := func(name string, s *Scene, rule Rule, want ...wire.Code) {
		cases = append(cases, Case{Class: class, Name: name, As: Dest, Scene: s, Rule: rule, Want: want, Passes: true})
	}
	// The source tells of so many chunks as there are, which the honest end does
	// not expect. For the source that is no reason to fail.
	add("more chunks than the file has", appending(), Alter(func(m *wire.Resume) { m.Chunks = 1<<31 - 1 }), wire.CodeStream)
	add("a chunk more", appending(), Alter(func(m *wire.Resume) { m.Chunks++ }), wire.CodeStream)
	add("more chunks than the file has, delta", segments(), Alter(func(m *wire.Basis) { m.Chunks = 1<<31 - 1 }), wire.CodeStream)
	add("more chunks than the file has, blind", blind(), Alter(func(m *wire.Resume) { m.Chunks = 1<<31 - 1 }), wire.CodePartial, wire.CodeStream)
	add("chunks that are not asked for again", chunked(), On(func(_ *Peer, m *wire.Want) ([]Item, bool) {
		return Msgs(m, &wire.Resend{ID: wire.ID{Entry: 1}, Chunks: []int{1<<31 - 1}}), true
	}), wire.CodeStream)
	cases = append(cases, Case{
		Class: class, Name: "more chunks than an index holds", As: Dest, Scene: appending(), Rule: Alter(func(m *wire.Resume) { m.Chunks = 1 << 31 }),
	})
	return cases
}
