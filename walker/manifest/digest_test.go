package manifest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"
)

// names knows a few owners.
type names map[uint32]string

func (n names) UserName(id uint32) string  { return n[id] }
func (n names) GroupName(id uint32) string { return n[id+1000] }

var known = names{1: "one", 2: "two", 3: "one", 1001: "gone", 1002: "gtwo"}

func childOf(seed byte) func(int) Digest { return func(i int) Digest { return Digest{seed, byte(i)} } }

func leaderOf(path string) func(int) string { return func(int) string { return path } }

// TestDigestBytes builds the bytes that a digest is made of by hand.
func TestDigestBytes(t *testing.T) {
	u16, u32, u64 := binary.BigEndian.AppendUint16, binary.BigEndian.AppendUint32, binary.BigEndian.AppendUint64
	str := func(b []byte, s string) []byte { return append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	sec := func(b []byte, s int64, ns uint32) []byte { return u32(u64(b, uint64(s)), ns) }
	root := Entry{Type: Directory, Nsec: 8, Mode: 0o755, Sec: -1, UID: 1, GID: 2}
	entries := []Entry{
		{Name: "dev", Type: BlockDevice, Mode: 0o660, Sec: 3, UID: 9, GID: 9, Ext: &Ext{Major: 8, Minor: 1}},
		{Name: "dir", Type: Directory, Mode: 0o700, Sec: 4, UID: 1, GID: 1},
		{Name: "file", Type: Regular, Size: 77, Mode: 0o644, Sec: 5, Nsec: 6, UID: 1, GID: 9, Ext: &Ext{Nlink: 2}},
		{Name: "link", Type: Symlink, Mode: 0o777, Sec: 7, UID: 9, GID: 1, Ext: &Ext{Link: "to"}},
	}
	child := childOf(42)(1)

	// No fields, no root.
	b := u32(u32(append(str(nil, "dev"), 7), 8), 1)
	b = append(append(str(b, "dir"), 2), child[:]...)
	b = sec(u64(append(str(b, "file"), 1), 77), 5, 6)
	b = str(append(str(b, "link"), 3), "to")
	check := func(what string, fields Fields, self *Entry, b []byte) {
		t.Helper()
		sum := blake3.Sum256(b)
		if got := NewDigester(fields, known).Dir(self, entries, childOf(42), leaderOf("a/file")); got != Digest(sum[:DigestSize]) {
			t.Errorf("%s: the digest is made of other bytes", what)
		}
	}
	check("no fields", 0, nil, b)

	// All fields, owners by name.
	b = u16(sec(append(str(nil, ""), 2), -1, 8), 0o755)
	b = str(str(str(b, "one"), "gtwo"), "")
	b = u16(sec(u32(u32(append(str(b, "dev"), 7), 8), 1), 3, 0), 0o660)
	b = str(u32(str(u32(str(b, ""), 9), ""), 9), "")
	b = u16(sec(append(str(b, "dir"), 2), 4, 0), 0o700)
	b = append(str(str(str(b, "one"), "gone"), ""), child[:]...)
	b = u16(sec(u64(append(str(b, "file"), 1), 77), 5, 6), 0o644)
	b = str(u32(str(str(b, "one"), ""), 9), "a/file")
	b = sec(str(append(str(b, "link"), 3), "to"), 7, 0)
	b = str(str(u32(str(b, ""), 9), "gone"), "")
	check("all fields", FieldMode|FieldUser|FieldGroup|FieldTimes|FieldHardLinks, &root, b)
}

// covered says which fields of an entry a digest covers.
func covered(field string, e *Entry, fields Fields) bool {
	switch field {
	case "Name", "Type":
		return true
	case "Size":
		return e.Type == Regular
	case "Sec", "Nsec":
		return e.Type == Regular || fields&FieldTimes != 0
	case "Mode":
		return fields&FieldMode != 0 && e.Type != Symlink
	case "UID":
		return fields&FieldUser != 0
	case "GID":
		return fields&FieldGroup != 0
	case "Link":
		return e.Type == Symlink
	case "Major", "Minor":
		return e.Type.IsDevice()
	case "Nlink":
		return fields&FieldHardLinks != 0
	}
	return false // Ino, Dev, Mount, LeaderDir, LeaderEntry
}

// change changes one field of an entry.
func change(e *Entry, field string) {
	x := Ext{}
	if e.Ext != nil {
		x = *e.Ext
	}
	e.Ext = &x
	switch field {
	case "Name":
		e.Name += "x"
	case "Type":
		e.Type = Type(1 + int(e.Type)%int(BlockDevice))
	case "Size":
		e.Size++
	case "Sec":
		e.Sec++
	case "Nsec":
		e.Nsec++
	case "Mode":
		e.Mode ^= 0o1
	case "UID":
		e.UID += 10
	case "GID":
		e.GID += 10
	case "Ino":
		e.Ino++
	case "Link":
		x.Link += "x"
	case "Major":
		x.Major++
	case "Minor":
		x.Minor++
	case "Dev":
		x.Dev++
	case "Nlink":
		x.Nlink = 2 - x.Nlink
	case "Mount":
		x.Mount = !x.Mount
	case "LeaderDir":
		x.LeaderDir++
	case "LeaderEntry":
		x.LeaderEntry++
	}
}

// TestDigestFields changes one field of one entry: the digest changes if and
// only if the fields cover it.
func TestDigestFields(t *testing.T) {
	all := []string{"Name", "Type", "Size", "Sec", "Nsec", "Mode", "UID", "GID", "Ino", "Link", "Major", "Minor", "Dev", "Nlink", "Mount", "LeaderDir", "LeaderEntry"}
	rapid.Check(t, func(t *rapid.T) {
		fields := Fields(rapid.Uint16Range(0, 1<<6-1).Draw(t, "fields"))
		entries := listing().Filter(func(v []Entry) bool { return len(v) > 0 }).Draw(t, "entries")
		for i := range entries {
			e := &entries[i]
			e.Type = Type(rapid.IntRange(1, int(BlockDevice)).Draw(t, "type"))
			e.UID, e.GID = rapid.Uint32Range(0, 3).Draw(t, "uid"), rapid.Uint32Range(0, 3).Draw(t, "gid")
			e.Ext = &Ext{Nlink: rapid.SampledFrom([]uint64{0, 2}).Draw(t, "nlink")}
		}
		at := rapid.IntRange(0, len(entries)-1).Draw(t, "at")
		field := rapid.SampledFrom(all).Draw(t, "field")
		d := NewDigester(fields, known)
		before := d.Dir(nil, entries, childOf(1), leaderOf("first"))
		if again := d.Dir(nil, entries, childOf(1), leaderOf("first")); again != before {
			t.Fatal("a digester gives another digest when it is used again")
		}
		changed := slices.Clone(entries)
		change(&changed[at], field)
		after := NewDigester(fields, known).Dir(nil, changed, childOf(1), leaderOf("first"))
		if want := covered(field, &entries[at], fields); (before != after) != want {
			t.Fatalf("%s of a %v with fields %b: changed %v, want %v", field, entries[at].Type, fields, before != after, want)
		}
	})
}

func TestDigestChildren(t *testing.T) {
	entries := []Entry{{Name: "d", Type: Directory}, {Name: "e", Type: Directory}, {Name: "f", Type: Regular}}
	d := NewDigester(0, nil)
	a := d.Dir(nil, entries, childOf(1), nil)
	if b := d.Dir(nil, entries, childOf(2), nil); a == b {
		t.Error("the digests of subdirectories do not take part")
	}
	if b := d.Dir(nil, entries[:2], childOf(1), nil); a == b {
		t.Error("the last entry does not take part")
	}
	swap := func(i int) Digest { return childOf(1)(1 - i) }
	if b := d.Dir(nil, entries, swap, nil); a == b {
		t.Error("two subdirectories may change places")
	}
	if d.Dir(nil, nil, nil, nil) == d.Dir(&Entry{Type: Directory}, nil, nil, nil) {
		t.Error("the root itself does not take part")
	}
}

func TestDigestLeaders(t *testing.T) {
	entries := []Entry{{Name: "f", Type: Regular, Ext: &Ext{Nlink: 2}}}
	with, without := NewDigester(FieldHardLinks, nil), NewDigester(0, nil)
	if with.Dir(nil, entries, nil, leaderOf("a")) == with.Dir(nil, entries, nil, leaderOf("b")) {
		t.Error("the first member of a group does not take part")
	}
	if without.Dir(nil, entries, nil, leaderOf("a")) != without.Dir(nil, entries, nil, leaderOf("b")) {
		t.Error("the first member of a group takes part without FieldHardLinks")
	}
	if with.Dir(nil, entries, nil, nil) != with.Dir(nil, []Entry{{Name: "f", Type: Regular}}, nil, nil) {
		t.Error("without leaders the number of links takes part")
	}
}

func TestDigestOwners(t *testing.T) {
	one := func(fields Fields, who Names, uid, gid uint32) Digest {
		return NewDigester(fields, who).Dir(nil, []Entry{{Name: "f", Type: Regular, UID: uid, GID: gid}}, nil, nil)
	}
	const byName, byNumber = FieldUser | FieldGroup, FieldUser | FieldGroup | FieldNumeric
	for _, c := range []struct {
		what string
		a, b Digest
		same bool
	}{
		{"two numbers of one name", one(byName, known, 1, 1), one(byName, known, 3, 1), true},
		{"the same by number", one(byNumber, known, 1, 1), one(byNumber, known, 3, 1), false},
		{"two names", one(byName, known, 1, 1), one(byName, known, 2, 1), false},
		{"two groups", one(byName, known, 1, 1), one(byName, known, 1, 2), false},
		{"one name, numbers of two machines", one(byName, known, 1, 1), one(byName, names{5: "one", 1006: "gone"}, 5, 6), true},
		{"a name and none", one(byName, known, 1, 1), one(byName, names{}, 1, 1), false},
		{"no names, one number", one(byName, names{}, 1, 1), one(byName, nil, 1, 1), true},
		{"by number, names or not", one(byNumber, known, 1, 1), one(byNumber, nil, 1, 1), true},
		{"owners that do not count", one(0, known, 1, 1), one(0, known, 2, 2), true},
		{"user and group change places", one(byNumber, nil, 1, 2), one(byNumber, nil, 2, 1), false},
	} {
		if (c.a == c.b) != c.same {
			t.Errorf("%s: same is %v", c.what, c.a == c.b)
		}
	}
}

// TestDigestInjective compares many directories that look alike: no two have
// the same digest.
func TestDigestInjective(t *testing.T) {
	file := func(name string, size int64) Entry { return Entry{Name: name, Type: Regular, Size: size} }
	link := func(name, to string) Entry { return Entry{Name: name, Type: Symlink, Ext: &Ext{Link: to}} }
	dirs := [][]Entry{
		nil,
		{file("a", 0)},
		{file("aa", 0)},
		{file("a", 0), file("b", 0)},
		{file("ab", 0)},
		{file("a", 1)},
		{file("a", 256)},
		{{Name: "a", Type: Regular, Sec: 1}},
		{{Name: "a", Type: Regular, Sec: -1}},
		{{Name: "a", Type: Regular, Nsec: 1}},
		{link("a", "")},
		{link("a", "b")},
		{link("a", "bc")},
		{link("ab", "c")},
		{link("a", "b"), link("b", "")},
		{{Name: "a", Type: Fifo}},
		{{Name: "a", Type: Socket}},
		{{Name: "a", Type: Directory}},
		{{Name: "a", Type: BlockDevice, Ext: &Ext{Major: 1}}},
		{{Name: "a", Type: BlockDevice, Ext: &Ext{Minor: 1}}},
		{{Name: "a", Type: CharDevice, Ext: &Ext{Minor: 1}}},
	}
	for fields := range Fields(1 << 6) {
		seen := map[Digest]int{}
		for i, entries := range dirs {
			d := NewDigester(fields, nil).Dir(nil, entries, childOf(0), nil)
			if j, ok := seen[d]; ok {
				t.Errorf("fields %b: directories %d and %d have one digest", fields, i, j)
			}
			seen[d] = i
		}
	}
}

// TestDigestLong crosses the size at which the digester hashes what it holds.
func TestDigestLong(t *testing.T) {
	var entries []Entry
	for i := range 5000 {
		entries = append(entries, Entry{Name: fmt.Sprintf("%04d-%s", i, string(make([]byte, 20))), Type: Directory})
	}
	a := NewDigester(0, nil).Dir(nil, entries, childOf(0), nil)
	for _, i := range []int{0, 1000, 4999} {
		b := NewDigester(0, nil).Dir(nil, entries, func(j int) Digest {
			if i == j {
				return Digest{15: 1}
			}
			return childOf(0)(j)
		}, nil)
		if a == b {
			t.Errorf("child %d does not take part", i)
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	var entries []Entry
	for i := range 100 {
		entries = append(entries, Entry{Name: fmt.Sprintf("module_%03d_test.go", i), Type: Regular, Mode: 0o644, Size: int64(i), Sec: 1_700_000_000})
	}
	d := NewDigester(FieldMode|FieldTimes, nil)
	b.ReportAllocs()
	for b.Loop() {
		d.Dir(nil, entries, nil, nil)
	}
	b.ReportMetric(float64(b.N*len(entries))/b.Elapsed().Seconds(), "entries/s")
}

// What is kept of the last owner must not be taken for that of another.
func TestDigestOwnersInTurn(t *testing.T) {
	for _, fields := range []Fields{FieldUser, FieldGroup, FieldUser | FieldGroup | FieldNumeric} {
		d := NewDigester(fields, nobody{})
		seen := map[Digest]string{}
		for _, ids := range [][2]uint32{{0, 0}, {0, 7}, {7, 0}, {7, 7}} {
			var entries []Entry
			for i, id := range ids {
				entries = append(entries, Entry{Name: fmt.Sprint(i), Type: Regular, UID: id, GID: id})
			}
			sum := d.Dir(nil, entries, nil, nil)
			if other := seen[sum]; other != "" {
				t.Errorf("fields %b: the owners %v have the digest of %s", fields, ids, other)
			}
			seen[sum] = fmt.Sprint(ids)
			if fresh := NewDigester(fields, nobody{}).Dir(nil, entries, nil, nil); fresh != sum {
				t.Errorf("fields %b: the digest of %v depends on what came before", fields, ids)
			}
		}
	}
}

// nobody names the owner 0 only.
type nobody struct{}

func (nobody) UserName(uid uint32) string {
	if uid == 0 {
		return "root"
	}
	return ""
}

func (n nobody) GroupName(gid uint32) string { return n.UserName(gid) }
