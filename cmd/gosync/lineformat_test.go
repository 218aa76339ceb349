package main

import (
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/walker/manifest"
)

func TestLineFormat(t *testing.T) {
	t.Parallel()
	f := manifest.Entry{Name: "b", Type: manifest.Regular, Size: 1234567, Mode: 0o4750, UID: 7, GID: 8}
	l := &lineFields{name: "d/b", entry: f, change: ">f.st......", op: "send", moves: 1234567, file: "src/d/b", display: display, now: time.Unix(0, 0).UTC()}
	dir := &lineFields{name: "", entry: manifest.Entry{Type: manifest.Directory, Mode: 0o1777}, file: "src/.", op: "del.", display: display}
	for _, c := range []struct {
		l            *lineFields
		format, want string
	}{
		{l, "", ""},
		{l, "%n", "d/b"},
		{l, "%%n %n%", "%n d/b%"},
		{l, "[%6n][%-6n][%1n]", "[   d/b][d/b   ][d/b]"},
		{l, "%l %'l %''l %'''l %''''l", "1234567 1,234,567 1.23M 1.18M 1.18M"},
		{l, "%'12l|", "   1,234,567|"},
		{l, "%B %U %G %o %f %i%L", "rwsr-x--- 7 8 send src/d/b >f.st......"},
		{&lineFields{entry: f, noOwner: true, noGroup: true}, "%U %G", "0 DEFAULT"},
		{l, "%b %''b %c", "1234567 1.23M 0"},
		{l, "%t", "1970/01/01 00:00:00"},
		{l, "%z %-4z %'z %5", "%z %-4z %'z %5"},
		{l, "%m|%C|", "|" + strings.Repeat(" ", 32) + "|"},
		{l, "%99999999999999999999n", strings.Repeat(" ", maxColumn-3) + "d/b"},
		{dir, "%n %f %B %o", "./ src/. rwxrwxrwt del."},
	} {
		if got := (lineFormat{text: c.format}).expand(c.l); got != c.want {
			t.Errorf("%q gives %q, want %q", c.format, got, c.want)
		}
	}
}

func TestFormatHas(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]bool{"%i": true, "%%i": false, "%%%i": true, "x%5i": true, "%-5i": true, "%'i": true, "i": false, "%": false, "%n %": false, "%n%%i": false} {
		if got := (lineFormat{text: format}).has("i"); got != want {
			t.Errorf("%q: %v", format, got)
		}
	}
}

func TestSourcePath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sources, name string
		relative      bool
		want          string
	}{
		{"src/", "a", false, "src/a"},
		{"src/", "", false, "src/."},
		{".", "", false, "."},
		{".", "a", false, "a"},
		{"src", "src/a", false, "src/a"},
		{"/x/src", "src/a", false, "x/src/a"},
		{"/x/src/", "a", false, "x/src/a"},
		{"d/ x/a", "a", false, "x/a"},
		{"d/ x/a", "b", false, "d/b"},
		{"src/d", "src/d/b", true, "src/d/b"},
		{"src/./d", "d/b", true, "src/d/b"},
	} {
		r := &route{}
		for s := range strings.FieldsSeq(c.sources) {
			r.sources = append(r.sources, target{Target: transport.Target{Path: s}})
		}
		if got := r.sourcePath(c.name, c.relative); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.name, c.sources, got, c.want)
		}
	}
}

func TestModeText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e    manifest.Entry
		want string
	}{
		{manifest.Entry{Type: manifest.Regular, Mode: 0o644}, "-rw-r--r--"},
		{manifest.Entry{Type: manifest.Regular, Mode: 0o7000}, "---S--S--T"},
		{manifest.Entry{Type: manifest.Directory, Mode: 0o7777}, "drwsrwsrwt"},
		{manifest.Entry{Type: manifest.Fifo, Mode: 0o600}, "prw-------"},
		{manifest.Entry{Type: manifest.BlockDevice, Mode: 0o001}, "b--------x"},
	} {
		if got := modeText(&c.e); got != c.want {
			t.Errorf("%o: %s, want %s", c.e.Mode, got, c.want)
		}
	}
}

// TestDeletedLine: of a format without %i and %o nothing is taken for what is deleted.
func TestDeletedLine(t *testing.T) {
	t.Parallel()
	l := deletedLine(&engine.DeleteEvent{Path: "a/b", Dir: true}, display)
	if got := (lineFormat{text: "%i %n %f %o"}).expand(l); got != "*deleting   a/b/ a/b del." {
		t.Errorf("%q", got)
	}
}

func TestStopAt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 13, 30, 10, 0, time.UTC)
	for text, want := range map[string]string{
		"2027-1-31T23:59": "2027-01-31 23:59",
		"2027/1/31 4:05":  "2027-01-31 04:05",
		"27-1-31":         "2027-01-31 00:00",
		"2026-11-27":      "2026-11-27 00:00",
		"1-31":            "2027-01-31 00:00",
		"11-26":           "2027-11-26 00:00",
		"12-1T1":          "2026-12-01 01:00",
		"31":              "2026-12-31 00:00",
		"T13:31":          "2026-11-26 13:31",
		"13:30":           "2026-11-27 13:30",
		"T5":              "2026-11-27 05:00",
		":30":             "2026-11-26 14:30",
		":31":             "2026-11-26 13:31",
		"2-29":            "2028-02-29 00:00",
	} {
		got, err := parseStopAt(text, now)
		if err != nil || got.at.Format("2006-01-02 15:04") != want {
			t.Errorf("%s: %v, want %s (%v)", text, got.at, want, err)
		}
	}
	for _, text := range []string{"", "x", "2001-01-01", "2026-11-26T13:30", "1-2-3-4", "13-1", "1-32", "T24", "T1:60", "T", ":", "2027-1-1Tx", "99999999999999999999-1-1", "-1"} {
		if got, err := parseStopAt(text, now); err == nil {
			t.Errorf("%q is taken for %v", text, got.at)
		}
	}
}

func TestShellWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":               "",
		"a":              "a",
		"a b":            "a|b",
		"  a\t b  ":      "a|b",
		`'a b' c`:        "a b|c",
		`a\ b`:           "a b",
		`"a\"b" ''`:      `a"b|`,
		`a* 'b*' c\?`:    `a*|b\*|c\?`,
		`~/x y`:          "~/x|y",
		`'$x' "\$y"`:     "$x|$y",
		`"it's" 'say "'`: `it's|say "`,
	} {
		got, err := shellWords(text)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("%s: %q, want %s (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{"$x", "`x`", `"$x"`, "a;b", "a|b", "a>b", "a&b", "a\nb", "(a)", "'a", `"a`} {
		if got, err := shellWords(text); err == nil {
			t.Errorf("%s gives %q", text, got)
		}
	}
}
