package scpfs

import (
	"errors"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

func TestLines(t *testing.T) {
	for _, c := range []struct {
		line string
		mode uint16
		size int64
		name string
		ok   bool
	}{
		{"0644 0 x", 0o644, 0, "x", true},
		{"7777 4611686018427387904 a b", 0o7777, 1 << 62, "a b", true},
		{"0644 10  x", 0o644, 10, " x", true},
		{"0644 4611686018427387905 x", 0, 0, "", false},
		{"0644 99999999999999999999 x", 0, 0, "", false},
		{"644 1 x", 0, 0, "", false},
		{"00644 1 x", 0, 0, "", false},
		{"064a 1 x", 0, 0, "", false},
		{"0644 -1 x", 0, 0, "", false},
		{"0644 01 x", 0, 0, "", false},
		{"0644 1", 0, 0, "", false},
		{"0644", 0, 0, "", false},
		{"", 0, 0, "", false},
	} {
		e, err := parseEntry(c.line)
		if (err == nil) != c.ok || c.ok && (e.Mode != c.mode || e.Size != c.size || e.Name != c.name) {
			t.Errorf("%q: %+v %v", c.line, e, err)
		}
		if err != nil && !errors.Is(err, wire.ErrProtocol) {
			t.Errorf("%q: %v", c.line, err)
		}
	}
	for line, ok := range map[string]bool{
		"0 0 0 0": true, "1099511627776 999999 1 0": true, "1099511627777 0 0 0": false, "1 0 0": false, "1 0 0 0 0": false, "1  0 0 0": false, "-1 0 0 0": false, "1 1000000 0 0": false, "": false,
	} {
		if _, err := parseTimes(line); (err == nil) != ok {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		path, name string
		dir, ok    bool
	}{
		{"a/file", "file", false, true},
		{"a/file", "a", false, false},
		{"dir/", "dir", true, true},
		{"dir//", "dir", true, true},
		{"/", "", true, true},
		{"/", "", false, false},
		{".", ".", true, true},
		{"dir/.", ".", true, true},
		{"..", "..", true, true},
		{"..", "..", false, false},
		{"~", "anything", true, true},
		{"~bob/", "bob", true, true},
		{"~", "..", true, false},
		{"~/x", "y", true, false},
		{"*", "x", false, true},
		{"*", ".x", false, false},
		{".*", ".x", false, true},
		{".*", "..", true, false},
		{"a*/b", "b", false, true},
		{"a*/b", "c", false, false},
		{"[a-c]x", "bx", false, true},
		{"[!a-c]x", "bx", false, false},
		{"[!a-c]x", "dx", false, true},
		{"[^a]x", "bx", false, false},
		{"[^a]x", "^x", false, true},
		{`a\*`, `a\b`, false, true},
		{`a\*`, "a*", false, false},
		{"[]", "[]", false, true},
		{"[]", "x", false, false},
	} {
		r := newRequest(c.path, engine.StreamHow{Recursive: true})
		if err := r.check(c.name, c.dir, 1); (err == nil) != c.ok {
			t.Errorf("%q, %q: %v", c.path, c.name, err)
		}
	}
	for path, other := range map[string]string{"*": "x", "a/[b]": "b", "~": "x", "~bob": "bob", `\*`: "*"} {
		r := newRequest(path, engine.StreamHow{Literal: true})
		own := path[strings.LastIndexByte(path, '/')+1:]
		if err := r.check(own, false, 1); err != nil {
			t.Errorf("%q is a name: %v", path, err)
		}
		if r.check(other, false, 1) == nil || r.check(own, false, 2) == nil {
			t.Errorf("%q is a name, and more comes than that", path)
		}
	}
}

// FuzzLine: no line makes the parsers panic, and what they accept is in its bounds.
func FuzzLine(f *testing.F) {
	f.Add("0644 12 name")
	f.Add("1500000000 0 1500000000 0")
	f.Add("0644 4611686018427387904 x")
	f.Fuzz(func(t *testing.T, line string) {
		if ts, err := parseTimes(line); err == nil && (ts.sec < 0 || ts.sec > maxTime || ts.nsec >= 1e9) {
			t.Errorf("%q: %+v", line, ts)
		}
		e, err := parseEntry(line)
		if err != nil {
			return
		}
		if e.Size < 0 || e.Size > maxSize || e.Mode > 0o7777 || !strings.HasSuffix(line, " "+e.Name) {
			t.Errorf("%q: %+v", line, e)
		}
		if checkName(e.Name) == nil && manifest.ValidName(e.Name) != nil {
			t.Errorf("%q is accepted", e.Name)
		}
	})
}
