package manifest

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestValidName(t *testing.T) {
	long := strings.Repeat("n", MaxName)
	for _, name := range []string{
		"a", "A", "0", "-", "_", " ", "~", "*", "?", "%", "&", "'", "\"", "$", "`", "|", ";", ":", "\\",
		"...", "....", ".a", "..a", "a..", "a.", ". ", ".. ", " ..", "..\n", ".hidden", "-rf", "--", "-", "~root", "C:", "C:\\x", "..\\x",
		"con", "NUL", "aux.txt", "file.txt", "two words", "new\nline", "tab\t", "\r", "\x01", "\x1b[31m", "\x7f", "\x80", "\xff\xfe",
		"é", "日本", "e\u0301", "\u202e", "\ufeff", "\u2028", "․", "．．", "／", long, strings.Repeat("é", 127) + "x", strings.Repeat(".", MaxName),
	} {
		if err := ValidName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", ".", "..", "/", "//", "/a", "a/", "a/b", "./a", "../a", "a/..", "a/../b", "/etc/passwd", "../../x", "./", "../", ".//", "a//b",
		"\x00", "a\x00", "\x00a", "a\x00b", ".\x00", "..\x00", "a\x00/", long + "n", long + long, strings.Repeat("é", 128), "/" + long,
		strings.Repeat("/", 300), strings.Repeat("\x00", 300), strings.Repeat("a/", 200),
	} {
		if err := ValidName(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// FuzzValidName compares ValidName with what a path would make of a name.
func FuzzValidName(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a", "a/b", "a\x00", "...", strings.Repeat("n", 256)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		want := len(name) >= 1 && len(name) <= 255 && name != "." && name != ".." && !bytes.ContainsAny([]byte(name), "/\x00")
		err := ValidName(name)
		if (err == nil) != want || err != nil && !errors.Is(err, ErrName) {
			t.Fatalf("%q: %v", name, err)
		}
		if err != nil && len(err.Error()) > 4*MaxName+100 {
			t.Fatalf("an error of %d bytes", len(err.Error()))
		}
	})
}

func TestEntrySize(t *testing.T) {
	if n := reflect.TypeFor[Entry]().Size(); n > 64 {
		t.Errorf("an entry takes %d bytes", n)
	}
}

func TestTypes(t *testing.T) {
	for typ, want := range map[Type]struct {
		letter          byte
		text            string
		device, special bool
	}{
		Unknown:     {'f', "unknown", false, false},
		Regular:     {'f', "file", false, false},
		Directory:   {'d', "directory", false, false},
		Symlink:     {'L', "symlink", false, false},
		Fifo:        {'S', "fifo", false, true},
		Socket:      {'S', "socket", false, true},
		CharDevice:  {'D', "character device", true, false},
		BlockDevice: {'D', "block device", true, false},
		99:          {'f', "unknown", false, false},
	} {
		if typ.Letter() != want.letter || typ.String() != want.text || typ.IsDevice() != want.device || typ.IsSpecial() != want.special {
			t.Errorf("%d: %c %v %v %v", typ, typ.Letter(), typ, typ.IsDevice(), typ.IsSpecial())
		}
		e := Entry{Type: typ}
		if e.IsDir() != (typ == Directory) || e.IsRegular() != (typ == Regular) {
			t.Errorf("%v: IsDir %v, IsRegular %v", typ, e.IsDir(), e.IsRegular())
		}
	}
}

func TestExt(t *testing.T) {
	var none Entry
	major, minor := none.Device()
	dir, entry, ok := none.Leader()
	if none.Link() != "" || major != 0 || minor != 0 || dir != 0 || entry != 0 || ok {
		t.Error("an entry without Ext has something")
	}
	first := Entry{Ext: &Ext{Nlink: 2, LeaderEntry: 7}}
	if _, _, ok := first.Leader(); ok {
		t.Error("the first member of a group has a leader")
	}
	e := Entry{Ext: &Ext{Link: "to", Major: 8, Minor: 1, LeaderDir: 1, LeaderEntry: 3}}
	major, minor = e.Device()
	dir, entry, ok = e.Leader()
	if e.Link() != "to" || major != 8 || minor != 1 || dir != 0 || entry != 3 || !ok {
		t.Errorf("%q, %d:%d, %d %d %v", e.Link(), major, minor, dir, entry, ok)
	}
}

func TestJoin(t *testing.T) {
	for _, c := range [][3]string{{"", "a", "a"}, {"a", "b", "a/b"}, {"a/b", "c", "a/b/c"}} {
		if got := Join(c[0], c[1]); got != c[2] {
			t.Errorf("Join(%q, %q) = %q", c[0], c[1], got)
		}
	}
}

// listing draws a sorted listing whose names often begin with one another and
// go on with bytes around the slash.
func listing() *rapid.Generator[[]Entry] {
	return rapid.Custom(func(t *rapid.T) []Entry {
		char := rapid.SampledFrom([]byte("ab-.0\x01\xff"))
		names := rapid.SliceOfNDistinct(rapid.SliceOfN(char, 1, 4), 0, 30, func(b []byte) string { return string(b) }).Draw(t, "names")
		var entries []Entry
		for _, n := range names {
			if ValidName(string(n)) == nil {
				entries = append(entries, Entry{Name: string(n), Type: rapid.SampledFrom([]Type{Regular, Directory, Symlink}).Draw(t, "type")})
			}
		}
		Sort(entries)
		return entries
	})
}

// TestOrder checks Order and Dirs against their definition: what is no
// directory by name, then directories by name with a slash.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := listing().Draw(t, "entries")
		if !slices.IsSortedFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) }) {
			t.Fatal("Sort does not sort")
		}
		want := make([]int, len(entries))
		for i := range want {
			want[i] = i
		}
		key := func(i int) string {
			if entries[i].IsDir() {
				return "1" + entries[i].Name + "/"
			}
			return "0" + entries[i].Name
		}
		slices.SortFunc(want, func(a, b int) int { return strings.Compare(key(a), key(b)) })
		if got := Order(entries); !slices.Equal(got, want) {
			t.Fatalf("Order %v, want %v", got, want)
		}
		dirs := slices.DeleteFunc(slices.Clone(want), func(i int) bool { return !entries[i].IsDir() })
		if got := Dirs(entries); !slices.Equal(got, dirs) {
			t.Fatalf("Dirs %v, want %v", got, dirs)
		}
	})
}

func TestCompareDirNames(t *testing.T) {
	name := rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.SampledFrom([]byte("a-./0\x01\xff")), 0, 5).Draw(t, "name"))
	})
	sign := func(n int) int { return max(-1, min(1, n)) }
	rapid.Check(t, func(t *rapid.T) {
		a, b := strings.ReplaceAll(name.Draw(t, "a"), "/", "_"), strings.ReplaceAll(name.Draw(t, "b"), "/", "_")
		if got, want := sign(compareDirNames(a, b)), strings.Compare(a+"/", b+"/"); got != want {
			t.Fatalf("%q, %q: %d, want %d", a, b, got, want)
		}
	})
	if compareDirNames("a", "a-") <= 0 || compareDirNames("a", "a0") >= 0 {
		t.Error("a/ belongs behind a-/ and before a0/")
	}
}

func TestFind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := listing().Draw(t, "entries")
		for i := range entries {
			if at, ok := Find(entries, entries[i].Name); !ok || at != i {
				t.Fatalf("%q: %d, %v", entries[i].Name, at, ok)
			}
			if _, ok := Find(entries, entries[i].Name+"\x00"); ok {
				t.Fatalf("a name that is not there was found")
			}
		}
	})
}

// TestTemporaryNames: names of files in the making are known by their form, and fit
// wherever the file's own name does.
func TestTemporaryNames(t *testing.T) {
	long := strings.Repeat("\u00e4", 127)
	for _, name := range []string{"a", "f3", ".hidden", "gosync.x", ".gosync.0123456789abcdef.part", long, strings.Repeat("\xff", 255), strings.Repeat("x", 99) + "\u00e4"} {
		for _, n := range []string{PartialName(name), ShownName(name), SidecarName(name)} {
			if !Temporary(n) || len(n) > 130 || utf8.ValidString(name) && !utf8.ValidString(n) {
				t.Errorf("%q is no name for a temporary", n)
			}
		}
		if SidecarOf(PartialName(name)) != SidecarName(name) || SidecarOf(ShownName(name)) != SidecarName(name) {
			t.Errorf("%q has other sidecars", name)
		}
	}
	if got := ShownName("f3"); !strings.HasPrefix(got, ".f3.") {
		t.Errorf("%q", got)
	}
	for _, name := range []string{
		"", ".part", ".gosync.", ".gosync.0123456789abcde.part", ".gosync.0123456789ABCDEF.part", ".gosync.0123456789abcdef.parts", "x.gosync.0123456789abcdef.part",
		".x.gosync.0123456789abcdef", ".x.gosync.0123456789abcdef.ckpt", ".xgosync.0123456789abcdef.part", ".gosync-snapshots",
	} {
		if Temporary(name) {
			t.Errorf("%q is taken for a temporary", name)
		}
	}
}
