package unix

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// TestBadName: what Windows cannot hold is told with the reason, what it can is not.
func TestBadName(t *testing.T) {
	bad := map[string][]string{
		"not a name": {"", ".", ".."},
		"device": {
			"CON", "con", "Nul", "nul.txt", "NUL.tar.gz", "aux .c", "PRN", "COM1", "com9.log", "LPT0", "COM\u00b9", "lpt\u00b3.x", "CONIN$", "conout$", "nul  .txt",
		},
		"dot or a space": {"a.", "a ", "...", " ", "CON.", "con "},
		"no :":           {"a:b", ":", "a::$DATA", "C:", "nul:"},
		`no \`:           {`a\b`, `..\x`, `\\host\share`},
		"no /":           {"a/b"},
		"no ?":           {"what?", `?`},
		"no *":           {"a*"},
		`no "`:           {`say "a"`},
		"no |":           {"a|b"},
		"no <":           {"a<b"},
		"no >":           {"a>b"},
		"control":        {"a\nb", "\x01", "a\x00b", "\x1f"},
		"not UTF-8":      {"a\xff", "\xed\xa0", "\xed\x20\x80", "\xc0\xaf"},
	}
	for want, names := range bad {
		for _, name := range names {
			if why := BadName(name); !strings.Contains(why, want) {
				t.Errorf("%q: %q, want %q", name, why, want)
			}
		}
	}
	for _, name := range []string{
		"a", "a.b", ".hidden", "..a", "a..b", "console", "CON1", "COM", "COM10", "LPT", "nul_", "x.nul", "xCON", "Auxiliary", "a b", " a", "\u00e9", "\U0001f600",
		"~", "PROGRA~1", "\xed\xa0\x80", "a\xed\xbf\xbfb", "\x7f", "com\u00b4",
	} {
		if why := BadName(name); why != "" {
			t.Errorf("%q: %s", name, why)
		}
	}
}

// TestIsShort: what can be the short name of another file is known.
func TestIsShort(t *testing.T) {
	for name, want := range map[string]bool{
		"PROGRA~1": true, "ÄÖÜÄÖÜ~1": true, "ÜBUNGE~1.ÖÄÜ": true, "ÄÖÜÄÖÜÄ~1": false, "a~1.ÖÄÜÖ": false, "a~1.txt": true, "ABCDE~12.C": true, "~1": true,
		"a~": false, "a~b": false, "longname~1": false, "a~1.html": false, "backup": false, "x.c~": false,
	} {
		if isShort(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// record is what Windows tells of one name.
func record(name []uint16, last bool) []byte {
	b := make([]byte, (dirInfoName+2*len(name)+7)&^7)
	binary.LittleEndian.PutUint32(b[dirInfoLength:], uint32(2*len(name)))
	for i, u := range name {
		binary.LittleEndian.PutUint16(b[dirInfoName+2*i:], u)
	}
	if !last {
		binary.LittleEndian.PutUint32(b[dirInfoNext:], uint32(len(b)))
	}
	return b
}

// TestParseDirInfo: names come out of a listing, half of a surrogate pair included.
func TestParseDirInfo(t *testing.T) {
	var buf []byte
	for _, name := range []string{".", "a", "\u00e9t\u00e9", "\U0001f600.txt"} {
		buf = append(buf, record(utf16.Encode([]rune(name)), false)...)
	}
	buf = append(buf, record([]uint16{'x', 0xd800, 'y'}, true)...)
	buf = append(buf, "what is left of an earlier listing"...)
	var got []string
	err := parseDirInfo(buf, func(name []byte) error { got = append(got, string(name)); return nil })
	if want := []string{".", "a", "\u00e9t\u00e9", "\U0001f600.txt", "x\xed\xa0\x80y"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	if BadName(got[len(got)-1]) != "" {
		t.Errorf("%q is listed and cannot be opened", got[len(got)-1])
	}
	stop := errors.New("stop")
	if err := parseDirInfo(buf, func([]byte) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
}

// FuzzParseDirInfo: whatever is told, nothing is read that was not told.
func FuzzParseDirInfo(f *testing.F) {
	f.Add(record([]uint16{'a'}, true))
	f.Add(append(record([]uint16{0xdc00, 'b'}, false), record(nil, true)...))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, buf []byte) {
		total := 0
		_ = parseDirInfo(slices.Clip(buf), func(name []byte) error {
			if total += len(name) + 1; total > 1<<20 {
				return errDirInfo // records may lie inside each other
			}
			return nil
		})
	})
}
