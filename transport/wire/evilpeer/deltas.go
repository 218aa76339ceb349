package evilpeer

import (
	"encoding/binary"
	"time"

	"gosync/delta"
	"gosync/transport/wire"
)

// plan changes the operations of the first segment.
func plan(f func(s *delta.Segment)) Rule {
	return Segments(func(_ *wire.Segment, s *delta.Segment) { f(s) })
}

// onCopy changes the first copy of the first segment.
func onCopy(f func(op *delta.Op)) Rule {
	return plan(func(s *delta.Segment) {
		for i := range s.Ops {
			if s.Ops[i].Basis >= 0 {
				f(&s.Ops[i])
				return
			}
		}
	})
}

// body puts other bytes in place of a segment's.
func body(b ...uint64) Rule {
	return Alter(func(m *wire.Segment) {
		m.Body = nil
		for _, v := range b {
			m.Body = binary.AppendUvarint(m.Body, v)
		}
	})
}

// deltaCases lie about how a file is made from its basis.
func deltaCases() (cases []Case) {
	const class = "delta"
	add := func(name string, rule Rule) {
		cases = append(cases, Case{Class: class, Name: name, Scene: deltas(), Rule: rule})
	}
	add("a copy from behind the basis", onCopy(func(op *delta.Op) { op.Basis = 200 << 10 }))
	add("a copy that ends behind the basis", onCopy(func(op *delta.Op) { op.Basis = 200<<10 - op.Len + 1 }))
	add("a copy from before the basis", onCopy(func(op *delta.Op) { op.Basis = -3 }))
	add("a copy from far before the basis", onCopy(func(op *delta.Op) { op.Basis = -1 << 62 }))
	add("a copy from far behind the basis", onCopy(func(op *delta.Op) { op.Basis = 1<<63 - 1 }))
	add("a copy whose end overflows", onCopy(func(op *delta.Op) { op.Basis = 1<<63 - 1 - op.Len + 2 }))
	add("a copy of nothing", onCopy(func(op *delta.Op) { op.Len = 0 }))
	add("a copy of 2^62 bytes", onCopy(func(op *delta.Op) { op.Len = 1 << 62 }))
	add("a copy of 2^63-1 bytes", onCopy(func(op *delta.Op) { op.Len = 1<<63 - 1 }))
	add("an operation too many", plan(func(s *delta.Segment) { s.Ops = append(s.Ops, delta.Op{Len: 1, Basis: 0}) }))
	add("a gap too many", plan(func(s *delta.Segment) { s.Ops = append(s.Ops, delta.Op{Len: 1, Basis: delta.Gap}) }))
	add("an operation too few", plan(func(s *delta.Segment) { s.Ops = s.Ops[:len(s.Ops)-1] }))
	add("two gaps side by side", plan(func(s *delta.Segment) {
		op := s.Ops[len(s.Ops)-1]
		s.Ops = append(s.Ops[:len(s.Ops)-1], delta.Op{Len: 1, Basis: delta.Gap}, delta.Op{Len: op.Len - 1, Basis: delta.Gap})
	}))
	add("no operations", plan(func(s *delta.Segment) { s.Ops = nil }))
	add("a digest too many", plan(func(s *delta.Segment) { s.Digests = append(s.Digests, delta.Digest{}) }))
	add("no digests", plan(func(s *delta.Segment) { s.Digests = nil }))
	add("a segment that begins later", plan(func(s *delta.Segment) { s.Off = delta.ChunkSize }))
	add("a segment that begins far away", plan(func(s *delta.Segment) { s.Off = 1 << 40 * delta.ChunkSize }))
	add("a segment that is longer", plan(func(s *delta.Segment) { s.Len++ }))
	add("a segment of 2^63-1 bytes", plan(func(s *delta.Segment) { s.Len = 1<<63 - 1 }))
	add("an empty segment", plan(func(s *delta.Segment) { s.Len, s.Ops, s.Digests = 0, nil, nil }))
	add("a target that is smaller", Alter(func(m *wire.Segment) { m.Size-- }))
	add("a target that is larger", Alter(func(m *wire.Segment) { m.Size++ }))
	add("a target of nothing", Alter(func(m *wire.Segment) { m.Size = 0 }))
	add("a target of 2^63-1 bytes", Alter(func(m *wire.Segment) { m.Size = 1<<63 - 1 }))
	add("nothing", body())
	add("2^32 operations", body(0, 1<<20, 1<<32))
	add("2^63 operations", body(0, 1<<20, 1<<63))
	add("a segment of 2^64-1 bytes", body(0, 1<<64-1, 1, 2))
	add("a segment at 2^64-1", body(1<<64-1, 1<<20, 1, 2))
	add("a byte too many", Alter(func(m *wire.Segment) { m.Body = append(m.Body, 0) }))
	add("a byte too few", Alter(func(m *wire.Segment) { m.Body = m.Body[:len(m.Body)-1] }))
	add("another number", Alter(func(m *wire.Segment) { m.Segment = 1 }))
	add("a number far away", Alter(func(m *wire.Segment) { m.Segment = 1<<31 - 1 }))
	add("another file", Alter(func(m *wire.Segment) { m.ID.Entry = entryA }))
	add("a directory", Alter(func(m *wire.Segment) { m.ID.Entry = entryD }))
	add("a file that is not", Alter(func(m *wire.Segment) { m.ID.Dir = 1<<31 - 1 }))
	add("a segment twice", Twice[*wire.Segment]())
	add("no segment", Instead[*wire.Segment]())
	cases = append(cases, gapCases(class)...)
	cases = append(
		cases,
		Case{Class: class, Name: "a segment of 9 MiB", Scene: deltas(), Rule: instead(func(m *wire.Segment) []Item { return zeros(m, 9, 9) })},
		Case{ // the segments are as they should be, and none of them is ever complete
			Class: class, Name: "small files that are large, all at once", At: Client, Scene: manyDeltas(), Ends: true, Lasts: 5 * time.Second,
			Rule: instead(func(m *wire.Segment) []Item { return zeros(m, 8, 7) }),
		},
		Case{Class: class, Name: "copies of one byte, by the million", Scene: manyDeltas(), Want: []wire.Code{wire.CodeMemory}, Rule: instead(crumbs)},
	)
	return append(cases, digestCases(class)...)
}

// instead sends something in place of each file that is asked for as a delta.
func instead(f func(m *wire.Segment) []Item) Rule {
	return func() Change {
		return func(p *Peer, dir Dir, m wire.Msg) []Item {
			switch m := m.(type) {
			case *wire.Segment:
				if dir == Out && m.Segment == 0 {
					p.Struck()
					return f(m)
				}
				return nil
			case *wire.Question, *wire.Literals, *wire.FileEnd:
				return nil
			}
			return Msgs(m)
		}
	}
}

// crumbs are two segments that copy the first byte of the basis again and again.
func crumbs(m *wire.Segment) (items []Item) {
	const size, copies = 8 << 20, 400_000
	for i := range 2 {
		body := binary.AppendUvarint(nil, uint64(i*size/delta.ChunkSize))
		body = binary.AppendUvarint(binary.AppendUvarint(body, size), copies+1)
		body = binary.AppendVarint(append(body, 1<<1|1), int64(-i*size))
		for range copies - 1 {
			body = append(body, 1<<1|1, 1) // one byte, and one back
		}
		body = binary.AppendUvarint(body, (size-copies)<<1)
		body = append(body, make([]byte, size/delta.ChunkSize*len(delta.Digest{}))...)
		items = append(items, Item{Msg: wire.NewSegment(m.ID, 2*size, i, true, body)})
	}
	return items
}

// zeros are a file of so many MiB of zeros in one segment, and so many MiB of its
// content, with the end of the file if that is all.
func zeros(m *wire.Segment, size, sent int) (items []Item) {
	chunk := make([]byte, delta.ChunkSize)
	var sums delta.Tree
	n := int64(size) * delta.ChunkSize
	body := binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint([]byte{0}, uint64(n)), 1), uint64(n)<<1)
	for range size {
		sum := delta.Sum(chunk)
		sums.Add(sum)
		body = append(body, sum[:]...)
	}
	items = Msgs(wire.NewSegment(m.ID, n, 0, true, body))
	for i := range 2 * sent { // in messages that have room for a header, too
		items = append(items, Item{Msg: wire.NewLiterals(m.ID, 0, i == 2*size-1, chunk[:len(chunk)/2])})
	}
	if sent == size {
		items = append(items, Item{Msg: &wire.FileEnd{ID: m.ID, Size: n, Digest: sums.Sum(n)}})
	}
	return items
}

// gapCases lie about what a segment lacks.
func gapCases(class string) (cases []Case) {
	add := func(name string, rule Rule) {
		cases = append(cases, Case{Class: class, Name: name, Scene: deltas(), Rule: rule})
	}
	add("a question that was ruled out", Alter(func(m *wire.Segment) { m.Last = true }))
	add("a question about another segment", Alter(func(m *wire.Question) { m.Segment = 1 }))
	add("a question about another file", Alter(func(m *wire.Question) { m.ID.Entry = entryA }))
	add("an empty question", Alter(func(m *wire.Question) { m.Body = nil }))
	add("a question that is too short", Alter(func(m *wire.Question) { m.Body = m.Body[:len(m.Body)-1] }))
	add("a question that is too long", Alter(func(m *wire.Question) { m.Body = append(m.Body, 0) }))
	add("a question with 2^60 items", Alter(func(m *wire.Question) { m.Body = binary.AppendUvarint(nil, 1<<60) }))
	add("a question about a gap that is not", Alter(func(m *wire.Question) { m.Body[3] = 0x7f }))
	add("parts of 2^15 bytes", Alter(func(m *wire.Question) { m.Body[4] |= 0x0f }))
	add("parts of one byte", Alter(func(m *wire.Question) { m.Body[4] &^= 0x0f }))
	add("questions without end", On(func(_ *Peer, m *wire.Question) ([]Item, bool) {
		return repeat(100, func(int) wire.Msg { return m }), true
	}))
	add("a question behind the literals", On(func(_ *Peer, m *wire.Literals) ([]Item, bool) {
		return Msgs(m, wire.NewQuestion(m.ID, m.Segment, nil)), true
	}))
	add("literals before the segment", Before[*wire.Segment](Msgs(wire.NewLiterals(wire.ID{Entry: entryF}, 0, true, nil))...))
	add("literals of another segment", Alter(func(m *wire.Literals) { m.Segment = 1 }))
	add("literals of another file", Alter(func(m *wire.Literals) { m.ID.Entry = entryA }))
	add("too many literals", Alter(func(m *wire.Literals) { m.Body = append(m.Body, 0) }))
	add("far too many literals", Alter(func(m *wire.Literals) { m.Body = make([]byte, wire.MaxFrame/2) }))
	add("too few literals", Alter(func(m *wire.Literals) { m.Body = m.Body[:len(m.Body)-1] }))
	add("no literals", Alter(func(m *wire.Literals) { m.Body = nil }))
	add("literals that are not the last", Alter(func(m *wire.Literals) { m.Last = false }))
	add("literals twice", Twice[*wire.Literals]())
	add("the end before the literals", Swap[*wire.Literals, *wire.FileEnd]())
	add("no literals message", Instead[*wire.Literals]())
	add("literals of nothing without end", On(func(_ *Peer, m *wire.Literals) ([]Item, bool) {
		return []Item{{Gen: func(int) wire.Msg { return wire.NewLiterals(m.ID, m.Segment, false, nil) }}}, true
	}))
	return cases
}

// digestCases lie about content: it has to be sent again, and is given up if it
// stays wrong. They also lie at the end of a file.
func digestCases(class string) (cases []Case) {
	add := func(name string, s *Scene, rule Rule, want ...wire.Code) {
		cases = append(cases, Case{Class: class, Name: name, Scene: s, Rule: rule, Want: want, Equal: true})
	}
	ok, partial := wire.CodeOK, wire.CodePartial
	add("wrong literals", deltas(), Alter(func(m *wire.Literals) { m.Body[0] ^= 1 }), ok)
	add("a copy from another place", deltas(), onCopy(func(op *delta.Op) { op.Basis++ }), ok)
	add("wrong content of a chunk", chunked(), Alter(func(m *wire.Data) { m.Content[0] ^= 1 }), ok)
	add("wrong content of a small file", fresh(), Alter(func(m *wire.Files) { m.Data[len(m.Data)-1] ^= 1 }), ok)
	add("content that stays wrong, small", fresh(), Both(
		Alter(func(m *wire.Files) { m.Data[len(m.Data)-1] ^= 1 }), Each(func(m *wire.Data) { m.Content[0] ^= 1 })), partial)
	add("content that stays wrong, chunks", chunked(), Each(func(m *wire.Data) { m.Content[0] ^= 1 }), partial)
	add("content that stays wrong, delta", deltas(), Both(
		Each(func(m *wire.Literals) { m.Body[0] ^= 1 }), Each(func(m *wire.Data) { m.Content[0] ^= 1 })), partial)
	add("digests that stay wrong", chunked(), Each(func(m *wire.Data) { m.Digest[0] ^= 1 }))
	add("wrong digests of a segment", deltas(), plan(func(s *delta.Segment) { s.Digests[0][0] ^= 1 }))
	for _, s := range []*Scene{deltas(), chunked()} {
		n := " of a file, " + s.Name
		add("another size at the end"+n, s, Alter(func(m *wire.FileEnd) { m.Size++ }))
		add("2^63-1 bytes at the end"+n, s, Alter(func(m *wire.FileEnd) { m.Size = 1<<63 - 1 }))
		add("another digest at the end"+n, s, Alter(func(m *wire.FileEnd) { m.Digest[0] ^= 1 }))
		add("the end twice"+n, s, Twice[*wire.FileEnd]())
		add("the end of another file, "+s.Name, s, Alter(func(m *wire.FileEnd) { m.ID.Entry = 9 }))
		cases = append(cases, Case{
			Class: class, Name: "a failure that nobody has reported" + n, At: Client, Scene: s, Want: []wire.Code{partial, wire.CodeStream},
			Rule: Alter(func(m *wire.FileEnd) { *m = wire.FileEnd{ID: m.ID, Failed: true} }),
		})
	}
	add("the end before the content", chunked(), On(func(_ *Peer, m *wire.Data) ([]Item, bool) {
		return Msgs(&wire.FileEnd{ID: m.ID, Size: large}, m), true
	}))
	add("the end within a chunk", chunked(), On(func(_ *Peer, m *wire.Data) ([]Item, bool) {
		return Msgs(m, &wire.FileEnd{ID: m.ID, Size: int64(len(m.Content))}), true
	}))
	add("a piece of another file", chunked(), Alter(func(m *wire.Data) { m.ID.Entry = 0 }))
	add("a piece of a file that is not", chunked(), Alter(func(m *wire.Data) { m.ID.Entry = 9 }))
	add("a piece at another place", chunked(), Alter(func(m *wire.Data) { m.Offset = 1 }))
	add("a piece at 2^62", chunked(), Alter(func(m *wire.Data) { m.Offset = 1 << 62 }))
	add("a piece behind 2^62", chunked(), Alter(func(m *wire.Data) { m.Offset = 1<<62 + 1 }))
	add("a negative place", chunked(), Alter(func(m *wire.Data) { m.Offset = -1 }))
	add("a piece twice", chunked(), Twice[*wire.Data]())
	add("pieces in another order", chunked(), Swap[*wire.Data, *wire.Data]())
	add("a piece too long for its chunk", chunked(), Alter(func(m *wire.Data) { m.Content = make([]byte, 900<<10) }))
	add("zeros too many", chunked(), Alter(func(m *wire.Data) { m.Content, m.Zeros = nil, delta.ChunkSize+1 }))
	add("zeros and content", chunked(), Alter(func(m *wire.Data) { m.Zeros = 1 }))
	add("zeros in place of content", chunked(), Alter(func(m *wire.Data) { m.Zeros, m.Content = int64(len(m.Content)), nil }), ok)
	add("pieces of nothing without end", chunked(), On(func(_ *Peer, m *wire.Data) ([]Item, bool) {
		return []Item{{Gen: func(int) wire.Msg { return &wire.Data{ID: m.ID} }}}, true
	}))
	add("a file in two ways", chunked(), Before[*wire.Data](Msgs(&wire.Files{Data: wire.AppendFile(nil, wire.ID{Entry: 1}, delta.Sum([]byte("x")), []byte("x"))})...))
	add("a small file that was not asked for", update(), Alter(func(m *wire.Files) {
		m.Data = wire.AppendFile(m.Data, wire.ID{Entry: 0}, delta.Sum([]byte("x")), []byte("x"))
	}))
	add("a small file twice", fresh(), Alter(func(m *wire.Files) { m.Data = append(m.Data, m.Data...) }))
	add("small files that are broken off", fresh(), Alter(func(m *wire.Files) { m.Data = m.Data[:len(m.Data)-1] }))
	add("a file in the place of another", fresh(), Alter(func(m *wire.Files) { m.Data[1]++ }))
	add("a small file of 1 MiB", fresh(), Alter(func(m *wire.Files) {
		b := make([]byte, wire.MaxSmall+1)
		m.Data = wire.AppendFile(nil, wire.ID{}, delta.Sum(b), b)
	}))
	add("segments in another order", segments(), secondSegment())
	add("a segment that overlaps", segments(), Segments(func(_ *wire.Segment, s *delta.Segment) { s.Len -= delta.ChunkSize }))
	return cases
}

// secondSegment numbers the first segment as the second.
func secondSegment() Rule { return Alter(func(m *wire.Segment) { m.Segment++ }) }
