package evilpeer

import (
	"fmt"
	"slices"
	"strings"

	"gosync/delta"
	"gosync/transport/wire"
)

// Sizes of the files of scenes.
const (
	large = 2*delta.ChunkSize + 100
	held  = 2 * delta.ChunkSize
)

// trees are two trees that are small enough to be made at once.
func trees(src, dst Files) func() (Files, Files) {
	return func() (Files, Files) { return src, dst }
}

// fresh copies small files to an empty destination.
func fresh() *Scene {
	return &Scene{
		Name: "fresh", Sources: []string{""},
		Trees: trees(Files{"a": "a", "b": "bb", "d/e": strings.Repeat("e", 3000), "d/f": "f", "link": "->a"}, nil),
	}
}

// user is a scene of a user like any other, whose destination does not exist.
func user(s *Scene) *Scene {
	s.Name += " by a user"
	s.New, s.User = true, true
	return s
}

// listed copies small files by a list of names.
func listed() *Scene {
	s := fresh()
	s.Name, s.Files, s.Flags = "listed", []string{"a", "b", "d/e", "d/f", "link"}, []string{"relative"}
	return s
}

// chunked copies a large file.
func chunked() *Scene {
	return &Scene{
		Name: "chunked", Sources: []string{""},
		Trees: func() (Files, Files) { return Files{"a": "a", "f": Random(2, large)}, nil },
	}
}

// with is a scene with more flags.
func (s *Scene) with(flags ...string) *Scene {
	for _, f := range flags {
		s.Name += " " + f
	}
	s.Flags = append(s.Flags, flags...)
	return s
}

// update copies to a destination of which most is equal: digests are compared.
func update() *Scene {
	return &Scene{
		Name: "update", Sources: []string{""},
		Trees: trees(
			Files{"a": "a", "b": "bb", "d/e": "e", "d/f": "f", "g/h": "h", "g/i": "i", "k/l": "l"},
			Files{"a": "a", "b": "~BB", "d/e": "e", "g/h": "~H", "g/i": "i", "k/l": "l"},
		),
	}
}

// deltas has a file that is sent as a delta with questions.
func deltas() *Scene {
	return &Scene{
		Name: "delta", Sources: []string{""}, Flags: []string{"ignore-times"},
		Trees: func() (Files, Files) {
			was := Random(3, 200<<10)
			now := was[:50<<10] + Random(4, 3000) + was[50<<10:100<<10] + Random(5, 1500) + was[100<<10:]
			return Files{"a": "a", "d/": "", "f": now, "link": "->a"}, Files{"f": "~" + was}
		},
	}
}

// manyDeltas has files that are sent as deltas, as many as may be at a time.
func manyDeltas() *Scene {
	return &Scene{
		Name: "many deltas", Sources: []string{""}, Flags: []string{"ignore-times", "inplace"}, // then nothing is asked about a file
		Trees: func() (Files, Files) {
			src, dst := Files{}, Files{}
			for i := range 64 {
				was := Random(byte(i), 20<<10)
				src[fmt.Sprintf("f%02d", i)], dst[fmt.Sprintf("f%02d", i)] = was[:9<<10]+"new"+was[9<<10:], "~"+was
			}
			return src, dst
		},
	}
}

// segments has a delta of two segments.
func segments() *Scene {
	return &Scene{
		Name: "segments", Sources: []string{""},
		Trees: func() (Files, Files) {
			was := Random(6, 9*delta.ChunkSize)
			return Files{"f": was[:1<<20] + Random(7, 2000) + was[1<<20:]}, Files{"f": "~" + was}
		},
	}
}

// removing deletes.
func removing() *Scene {
	return &Scene{
		Name: "delete", Sources: []string{""}, Flags: []string{"delete"},
		Trees: trees(Files{"a": "a", "d/x": "x"}, Files{"a": "~A", "gone": "gone", "d/y": "y"}),
	}
}

// named asks for two entries and deletes within them.
func named() *Scene {
	return &Scene{
		Name: "named", Sources: []string{"a", "d"}, Flags: []string{"delete"}, Keep: []string{"keep.txt", "sub/keep"},
		Trees: trees(Files{"a": "a", "d/x": "x"}, Files{"keep.txt": "keep", "sub/keep": "keep", "d/old": "old"}),
	}
}

// relative asks for a directory with its parents.
func relative() *Scene {
	return &Scene{
		Name: "relative", Sources: []string{"./p/q"}, Flags: []string{"relative", "delete"}, Keep: []string{"keep.txt", "p/keep.txt", "p/s/keep"},
		Trees: trees(Files{"p/q/x": "x", "p/r/y": "y"}, Files{"keep.txt": "keep", "p/keep.txt": "keep", "p/s/keep": "keep", "p/q/old": "old"}),
	}
}

// excluded has a rule that keeps names out of the transfer.
func excluded() *Scene {
	return &Scene{
		Name: "excluded", Sources: []string{""}, Flags: []string{"exclude=*.key", "delete"}, Keep: []string{"own.key"},
		Trees: trees(Files{"a": "a", "d/b": "b", "d/s.key": "s"}, Files{"own.key": "own"}),
	}
}

// checked compares by content.
func checked() *Scene {
	return &Scene{
		Name: "check", Sources: []string{""}, Flags: []string{"checksum"},
		Trees: trees(Files{"a": "a", "b": "b", "c": "c", "d/": "", "link": "->a"}, Files{"a": "~a", "b": "~B", "c": "~C", "link": "->a"}),
	}
}

// begun has a large file and what there is of it already.
func begun(there func(f string) string) func() (Files, Files) {
	return func() (Files, Files) {
		f := Random(8, 3*delta.ChunkSize+5)
		return Files{"a": "a", "d/": "", "f": f, "link": "->a"}, Files{"f": there(f)}
	}
}

// appending goes on at the end of a file whose start is compared.
func appending() *Scene {
	return &Scene{
		Name: "append", Sources: []string{""}, Flags: []string{"append-verify"},
		Trees: begun(func(f string) string { return f[:held+10] }),
	}
}

// blind does so without comparing.
func blind() *Scene {
	s := appending()
	s.Name, s.Flags = "blind", []string{"append"}
	return s
}

// resumed goes on with what a run that was cut has left.
func resumed() *Scene {
	return &Scene{
		Name: "resume", Sources: []string{""}, Flags: []string{"partial"},
		Trees: begun(func(string) string { return "~old" }),
		Cut:   cutAfter(func(m *wire.Data) bool { return m.Last && m.Offset+int64(len(m.Content)) == held }),
	}
}

// resumedDelta goes on with a delta.
func resumedDelta() *Scene {
	return &Scene{
		Name: "resume delta", Sources: []string{""}, Flags: []string{"partial"},
		Trees: func() (Files, Files) {
			was := Random(9, 16*delta.ChunkSize)
			return Files{"f": was[:100] + Random(10, 2000) + was[100:]}, Files{"f": "~" + was}
		},
		Cut: cutAfter(func(m *wire.Literals) bool { return m.Segment == 1 && m.Last }),
	}
}

// cutAfter ends the connection behind a message.
func cutAfter[T wire.Msg](f func(m T) bool) Rule {
	return On(func(_ *Peer, m T) ([]Item, bool) {
		if !f(m) {
			return Msgs(m), false
		}
		return append(Msgs(m), Item{Cut: true}), true
	})
}

// links has hard links.
func links() *Scene {
	return &Scene{
		Name: "links", Sources: []string{""}, Flags: []string{"hard-links"},
		Trees: trees(Files{"h1": "h", "h2": "=>h1", "d/": "", "d/z": "=>h1", "other": "o"}, nil),
	}
}

// single copies one file.
func single() *Scene {
	return &Scene{
		Name: "single", Sources: []string{"a"}, Keep: []string{"keep"},
		Trees: trees(Files{"a": "a"}, Files{"keep": "keep"}),
	}
}

// unmounted has an empty source: nothing is deleted.
func unmounted() *Scene {
	return &Scene{
		Name: "unmounted", Sources: []string{""}, Flags: []string{"delete"}, Control: wire.CodeDelete, Keep: []string{"keep", "d/keep"},
		Trees: trees(nil, Files{"keep": "keep", "d/keep": "keep"}),
	}
}

// asking deletes so much that the user is asked.
func asking() *Scene {
	dst := Files{}
	for i := range 120 {
		dst[fmt.Sprintf("x%03d", i)] = ""
	}
	return &Scene{Name: "asking", Sources: []string{""}, Flags: []string{"delete", "confirm"}, Trees: trees(Files{"a": "a"}, dst)}
}

// Mixed has everything that a run knows: files that are sent at once, in chunks
// and as a delta, some that are equal, and with "delete" some to be removed.
func Mixed(flags ...string) *Scene {
	s := &Scene{Name: "mixed", Sources: []string{""}, Trees: func() (Files, Files) {
		was := Random(11, 60<<10)
		src := Files{
			"a": "a", "b": "bb", "d/e": Random(12, 3000), "d/f": "f", "g": was[:20<<10] + Random(13, 900) + was[20<<10:],
			"k/l": "l", "large": Random(14, 200<<10), "link": "->a",
		}
		dst := Files{"a": "a", "b": "~BB", "d/f": "~F", "g": "~" + was, "k/l": "l"}
		if slices.Contains(flags, "delete") {
			dst["gone"], dst["k/m"] = "gone", "m"
		}
		return src, dst
	}}
	return s.with(flags...)
}
