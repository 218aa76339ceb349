package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gosync/delta"
	"gosync/walker/manifest"
)

func TestRoundTrip(t *testing.T) {
	for _, m := range catalogue() {
		t.Run(strings.TrimPrefix(typeName(m), "*wire."), func(t *testing.T) {
			used := map[string]bool{}
			rapid.Check(t, func(t *rapid.T) {
				want := message(m.Type()).Draw(t, "message")
				noteFields(used, reflect.ValueOf(want).Elem())
				if want.Type() != m.Type() {
					t.Fatalf("generator made a %T", want)
				}
				b := want.append(nil)
				got, err := Decode(m.Type(), b)
				if err != nil {
					t.Fatal(err)
				}
				if !same(got, want) {
					t.Fatalf("got  %+v\nwant %+v", got, want)
				}
				if again := got.append(nil); !bytes.Equal(again, b) {
					t.Fatalf("encoded again: %x, was %x", again, b)
				}
			})
			for _, f := range fieldNames(reflect.TypeOf(m).Elem()) {
				if !used[f] && !testing.Short() { // which draws few
					t.Errorf("the generator never sets %s", f)
				}
			}
		})
	}
}

// noteFields notes the exported fields of a struct that are not zero.
func noteFields(used map[string]bool, v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Type().Field(i); {
		case f.Anonymous:
			noteFields(used, v.Field(i))
		case f.IsExported() && !v.Field(i).IsZero():
			used[f.Name] = true
		}
	}
}

// TestCanonical changes bytes of messages: what is still accepted has to be
// the one encoding of what it decodes to.
func TestCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(catalogue()).Draw(t, "type").Type()
		b := message(typ).Draw(t, "message").append(nil)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(b)).Draw(t, "at")
			switch kind := rapid.IntRange(0, 2).Draw(t, "kind"); {
			case kind == 0 && at < len(b):
				b[at] = rapid.Byte().Draw(t, "byte")
			case kind == 1 && at < len(b):
				b = append(b[:at:at], b[at+1:]...)
			default:
				b = append(b[:at:at], append([]byte{rapid.Byte().Draw(t, "byte")}, b[at:]...)...)
			}
		}
		checkDecode(t, typ, b)
	})
}

type failer interface{ Fatalf(string, ...any) }

// checkDecode decodes anything and checks what has to hold whatever it is.
func checkDecode(t failer, typ Type, b []byte) {
	m, err := Decode(typ, b)
	if err != nil {
		if m != nil || !errors.Is(err, ErrProtocol) {
			t.Fatalf("message %d %x: %v, %v", typ, b, m, err)
		}
		return
	}
	again := m.append(nil)
	switch {
	case bytes.Equal(again, b):
	case typ == TypeHello && bytes.HasPrefix(b, again): // what follows is for later versions
	case (typ == TypeFatal || typ == TypeTrouble) && len(again) == len(b): // a kind of a later version is KindOther
	default:
		t.Fatalf("message %d %x becomes %x", typ, b, again)
	}
	switch m := m.(type) {
	case *Listings:
		checkListings(t, m.Data)
	case *Files:
		checkFiles(t, m.Data)
	}
}

func checkFiles(t failer, b []byte) {
	m, again := Files{b}, []byte(nil)
	for {
		id, sum, content, more, err := m.NextFile()
		if err != nil {
			if !errors.Is(err, ErrProtocol) || more {
				t.Fatalf("%x: %v, %v", b, more, err)
			}
			if _, _, _, _, err := m.NextFile(); err == nil {
				t.Fatalf("%x: an error became a clean end", b)
			}
			return
		}
		if !more {
			break
		}
		again = AppendFile(again, id, sum, content)
	}
	if !bytes.Equal(again, b) {
		t.Fatalf("files %x become %x", b, again)
	}
}

func TestTruncatedMessage(t *testing.T) {
	for _, m := range examples(20) {
		b := m.append(nil)
		for n := range b {
			checkDecode(t, m.Type(), b[:n])
			if _, err := Decode(m.Type(), b[:n]); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !announces(err) {
				t.Fatalf("%T cut at %d of %d: %v", m, n, len(b), err)
			}
		}
		if m.Type() == TypeHello || endsInRest(m.Type()) {
			continue
		}
		if _, err := Decode(m.Type(), append(b, 0)); !errors.Is(err, ErrProtocol) {
			t.Fatalf("%T with a byte too many: %v", m, err)
		}
	}
}

// announces reports whether err says that more items are announced than can
// follow, which is how some truncations show.
func announces(err error) bool { return strings.Contains(err.Error(), "announced in") }

// endsInRest reports whether a message ends in bytes without a length.
func endsInRest(t Type) bool {
	switch t {
	case TypeListings, TypeFiles, TypeData, TypeSegment, TypeQuestion, TypeLiterals, TypeSigPart, TypeAnswer:
		return true
	}
	return false
}

// u makes a payload from numbers; byte slices and strings are taken as they are.
func u(parts ...any) (b []byte) {
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = binary.AppendUvarint(b, uint64(p))
		case uint64:
			b = binary.AppendUvarint(b, p)
		case []byte:
			b = append(b, p...)
		case string:
			b = append(b, p...)
		}
	}
	return b
}

func TestRefusedMessages(t *testing.T) {
	sum, short := make([]byte, 32), make([]byte, 16)
	sizes := make([]byte, 7)
	enc := func(m Msg) []byte { return m.append(nil) }
	for _, c := range []struct {
		what string
		typ  Type
		b    []byte
	}{
		{"number of eleven bytes", TypeWant, append(bytes.Repeat([]byte{0x80}, 10), 1, 0)},
		{"number longer than need be", TypeWant, []byte{0x81, 0, 0}},
		{"index too great", TypeWant, u(maxIndex+1, 0)},
		{"indices rise too far", TypeWant, u(0, 2, maxIndex, 0)},
		{"more items than bytes", TypeWant, u(0, 1000)},
		{"more items than 32 bits", TypeWant, u(0, uint64(math.MaxUint64))},
		{"boolean of 2", TypeMode, u(2, 0)},
		{"unknown fields", TypeMode, u(0, 1<<16)},
		{"release too long", TypeHello, u(1, 1, 257, strings.Repeat("v", 257), 0)},
		{"version too great", TypeHello, u(1<<31, 1, 0, 0)},
		{"names without --files-from", TypeJob, u(0, 0, 0, 1, 0, 0, 0)},
		{"option too long", TypeJob, u(0, 0, 0, 0, 1, maxText+1, strings.Repeat("o", maxText+1), 0)},
		{"text too long", TypeFatal, u(1, 0, 0, 0, maxText+1, strings.Repeat("o", maxText+1))},
		{"a name of a list that is empty", TypeNames, enc(&Names{Names: []string{"a", ""}, Last: true})},
		{"single source without a name", TypeRoots, enc(&Roots{Single: true})},
		{"single source with a path", TypeRoots, enc(&Roots{Single: true, Name: "a/b"})},
		{"name without a single source", TypeRoots, enc(&Roots{Name: "a"})},
		{"nothing that is a single source", TypeRoots, enc(&Roots{Nothing: true, Single: true, Name: "a"})},
		{"nothing that is empty", TypeRoots, enc(&Roots{Nothing: true, Empty: true})},
		{"nothing with top names", TypeRoots, enc(&Roots{Nothing: true, TopNames: []string{"a"}})},
		{"top name ..", TypeRoots, enc(&Roots{TopNames: []string{".."}})},
		{"root with nanoseconds of a second", TypeRoots, enc(&Roots{HasRoot: true, Root: manifest.Entry{Nsec: 1_000_000_000}})},
		{"root with a type in its mode", TypeRoots, enc(&Roots{HasRoot: true, Root: manifest.Entry{Mode: 0o40755}})},
		{"negative total", TypeSourceDone, u(uint64(1<<63), 0)},
		{"negative size", TypeFileEnd, u(0, 0, 0, 0, uint64(1<<63), sum)},
		{"first row with a name", TypeDirTable, u(0, 1, 1, 1, 1, "a", 0, short)},
		{"row whose parent is itself", TypeDirTable, u(5, 1, 1, 0, 1, "a", 0, short)},
		{"row whose parent is negative", TypeDirTable, u(5, 1, 1, 6, 1, "a", 0, short)},
		{"row named ..", TypeDirTable, u(5, 1, 1, 1, 2, "..", 0, short)},
		{"row without a name", TypeDirTable, u(5, 1, 1, 1, 0, 0, short)},
		{"more rows than bytes", TypeDirTable, u(5, 1, 2, 1, 1, "a", 0, short)},
		{"owner's number too great", TypeOwner, u(0, 1<<32, 0)},
		{"owner's name too long", TypeOwner, u(0, 1, 257, strings.Repeat("n", 257))},
		{"zeros and content", TypeData, u(0, 0, 0, 1, 0, "x")},
		{"more zeros than a chunk", TypeData, u(0, 0, 0, delta.ChunkSize+1, 0)},
		{"offset too great", TypeData, u(0, 0, uint64(maxOffset+1), 0, 0)},
		{"digests missing", TypeCheck, u(0, 3, 0, 0, 0, sum, sum)},
		{"parameters too long", TypeBasis, u(0, 0, 0, 0, 257, make([]byte, 257))},
		{"change too great", TypeItems, u(1, 0, 0, 1<<32)},
		{"totals missing", TypeListEnd, u(0, 0, sizes[:6])},
		{"ping with a payload of 0", TypePing, u(0)},
		{"ping with a payload of 2", TypePing, u(2)},
		{"ping of two bytes", TypePing, u(1, 1)},
		{"clock with nanoseconds of a second", TypeRoots, enc(&Roots{Nsec: 1_000_000_000})},
		{"held chunks beyond all", TypeBasis, u(0, 0, 0, maxIndex+1, 0)},
		{"held chunks beyond all", TypeResume, u(0, 0, maxIndex+1, 0)},
		{"blindness of 2", TypeResume, u(0, 0, 1, 2)},
		{"first digest beyond all", TypeHeld, u(0, 0, maxIndex+1, 0)},
		{"more digests than one message holds", TypeHeld, enc(&Held{Sums: make([]delta.Digest, HeldBatch+1)})},
		{"digest cut", TypeHeld, u(0, 0, 0, 1, sum[:31])},
		{"digest too many", TypeHeld, u(0, 0, 0, 1, sum, sum)},
		{"question too long", TypeConfirm, u(maxText+1, strings.Repeat("?", maxText+1))},
		{"answer of 2", TypeConfirmed, u(2)},
		{"no answer", TypeConfirmed, nil},
		{"type 0", 0, nil},
		{"type 12", 12, make([]byte, 4)},
		{"type 32", 32, make([]byte, 4)},
		{"type 41", 41, make([]byte, 4)},
		{"type 63", 63, make([]byte, 4)},
		{"type 255", 255, nil},
	} {
		if m, err := Decode(c.typ, c.b); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %+v, %v", c.what, m, err)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	sum := make([]byte, 32)
	for what, b := range map[string][]byte{
		"content too long": u(0, 0, sum, MaxSmall+1, make([]byte, MaxSmall+1)),
		"content cut":      u(0, 0, sum, 5, "1234"),
		"digest cut":       u(0, 0, sum[:31]),
		"index too great":  u(0, 1<<31, sum, 0),
	} {
		m := Files{b}
		if _, _, _, more, err := m.NextFile(); more || !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v, %v", what, more, err)
		}
		checkFiles(t, b)
	}
}

// TestDecodeMemory decodes the payloads that yield the most per byte.
func TestDecodeMemory(t *testing.T) {
	zeros := func(n int) []byte { return make([]byte, n) }
	n := MaxFrame - 64
	for _, c := range []struct {
		typ Type
		b   []byte
	}{
		{TypeJob, u(0, n, zeros(n), 0, 0, 0, 0)},
		{TypeNeedDirs, u(0, n, zeros(n))},
		{TypeWant, u(0, n, zeros(n))},
		{TypeCheck, u(0, n, zeros(n))},
		{TypeItems, u(n/3, zeros(n))},
		{TypeSame, u(n/3, zeros(n))},
		{TypeRemoved, u(n, zeros(n), 0, 0)},
		{TypeDirTable, u(0, 0, n/19, zeros(n))},
		{TypeRoots, u(0, 0, 0, 0, 0, n, zeros(n), 0, 0, 0)},
		{TypeNames, u(n/2, bytes.Repeat([]byte("\x01a"), n/2), 0)},
		{TypeHeld, u(0, 0, 0, n/32, zeros(n/32*32))},
	} {
		var m Msg
		got := allocated(func() { m, _ = Decode(c.typ, c.b) })
		if limit := uint64(16*MaxFrame + 1<<20); got > limit {
			t.Errorf("message %d of %d bytes takes %d, limit %d", c.typ, len(c.b), got, limit)
		}
		runtime.KeepAlive(m)
	}
}

// TestDecodeAnnounced announces more items than follow.
func TestDecodeAnnounced(t *testing.T) {
	const n = 50_000
	for _, c := range []struct {
		typ Type
		b   []byte
	}{
		{TypeJob, u(0, n, 0)},
		{TypeRoots, u(0, 0, 0, 0, 0, n, 0)},
		{TypeDirTable, u(0, 0, n, 0)},
		{TypeSame, u(n, 0)},
		{TypeNeedDirs, u(0, 0, n, 0)},
		{TypeWant, u(0, n, 0)},
		{TypeCheck, u(0, n, 0)},
		{TypeItems, u(n, 0)},
		{TypeRemoved, u(n, 0)},
		{TypeNames, u(n, 0)},
		{TypeHeld, u(0, 0, 0, n, 0)},
	} {
		got := allocated(func() {
			if _, err := Decode(c.typ, c.b); !errors.Is(err, ErrProtocol) || !announces(err) {
				t.Errorf("message %d: %v", c.typ, err)
			}
		})
		if got > 16<<10 {
			t.Errorf("message %d of %d bytes takes %d", c.typ, len(c.b), got)
		}
	}
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestConstructors(t *testing.T) {
	body, id := []byte("body"), ID{3, 4}
	for _, c := range []struct {
		got, want Msg
	}{
		{NewSegment(id, 9, 2, true, body), &Segment{piece{id, 2, true, body}, 9}},
		{NewQuestion(id, 2, body), &Question{piece{id, 2, false, body}}},
		{NewLiterals(id, 2, true, body), &Literals{piece{id, 2, true, body}}},
		{NewSigPart(id, true, body), &SigPart{piece{id, 0, true, body}}},
		{NewAnswer(id, 2, body), &Answer{piece{id, 2, false, body}}},
	} {
		if !same(c.got, c.want) {
			t.Errorf("%+v, want %+v", c.got, c.want)
		}
	}
}

// TestHeaders checks that a header and the content behind it are the message.
func TestHeaders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := message(TypeLiterals).Draw(t, "literals").(*Literals)
		if got := append(l.AppendHeader(nil), l.Body...); !bytes.Equal(got, l.append(nil)) {
			t.Fatalf("literals: %x", got)
		}
		d := message(TypeData).Draw(t, "data").(*Data)
		if got := append(d.AppendHeader(nil), d.Content...); !bytes.Equal(got, d.append(nil)) {
			t.Fatalf("data: %x", got)
		}
		f := AppendFile(nil, id().Draw(t, "id"), digest().Draw(t, "digest"), nil)
		if len(f) > SmallHeader {
			t.Fatalf("a file takes %d bytes beside its content, SmallHeader is %d", len(f), SmallHeader)
		}
	})
}

// TestHeldBatch: a message holds so many digests and no more.
func TestHeldBatch(t *testing.T) {
	want := &Held{ID: ID{1, 2}, First: 3, Sums: make([]delta.Digest, HeldBatch)}
	want.Sums[HeldBatch-1] = delta.Sum([]byte("last"))
	got, err := Decode(TypeHeld, want.append(nil))
	if err != nil || !same(got, want) {
		t.Errorf("%v", err)
	}
	if n := len(want.append(nil)); n > MaxFrame {
		t.Errorf("%d bytes do not fit a frame", n)
	}
}

func TestTotalsOverflow(t *testing.T) {
	m := &SourceDone{Literal: -1}
	got, err := Decode(TypeSourceDone, m.append(nil))
	if err != nil || got.(*SourceDone).Literal != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("t", maxText+1)
	for _, m := range []Msg{
		&Fatal{Error{Op: long, Path: long, Text: long}},
		&Trouble{Err: Error{Op: long, Path: long, Text: long}},
		&Done{Refused: long},
		&Confirm{Question: long},
	} {
		if _, err := Decode(m.Type(), m.append(nil)); err != nil {
			t.Errorf("%T: %v", m, err)
		}
	}
}

func TestNamesInMessages(t *testing.T) {
	for _, n := range []string{"", ".", "..", "a/b", "/", "a\x00b", strings.Repeat("x", 256)} {
		for _, m := range []Msg{
			&Roots{Single: true, Name: n},
			&Roots{TopNames: []string{n}},
			&DirTable{First: 1, Dirs: []DirDigest{{Name: n}}},
		} {
			_, err := Decode(m.Type(), m.append(nil))
			if !errors.Is(err, ErrProtocol) || len(n) < 256 && !errors.Is(err, manifest.ErrName) {
				t.Errorf("%T with name %q: %v", m, n, err)
			}
		}
	}
}
