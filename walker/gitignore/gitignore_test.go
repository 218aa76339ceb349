package gitignore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func parse(t testing.TB, text string) *Patterns {
	t.Helper()
	p, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ignored asks a repository with a single .gitignore for a path, which ends with a
// slash for a directory.
func ignored(t testing.TB, file, path string) bool {
	t.Helper()
	d, err := Root(Files{Ignore: parse(t, file)})
	if err != nil {
		t.Fatal(err)
	}
	for {
		name, rest, dir := strings.Cut(path, "/")
		if d.Ignored(name, dir) {
			return true
		}
		if rest == "" {
			return false
		}
		if d, err = d.Enter(name, Files{}); err != nil {
			t.Fatal(err)
		}
		path = rest
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, yes, no string }{
		{"a", "a|a/|d/a|d/a/x", "aa|b"},
		{"*.o", "x.o|d/x.o|.o", "x.oo|o"},
		{"/a", "a|a/x", "d/a"},
		{"a/", "a/|d/a/|a/x", "a|d/a"},
		{"d/a", "d/a|d/a/", "e/d/a|a"},
		{"/d/*.c", "d/x.c", "d/e/x.c|x.c"},
		{"**/a", "a|d/a|d/e/a", "b"},
		{"a/**", "a/b|a/b/c", "a|a/|b/a/c"},
		{"a/**/b", "a/b|a/x/b|a/x/y/b", "a|b|x/a/b|ab"},
		{"a**/b", "ab/b|ab/c/b|a/b|axx/b", "b|a"},
		{"**", "a|d/a", ""},
		{"*", "a|d/", ""},
		{"/*\n!/d", "a|d2/", "d|d/x"},
		{"/*\n!/d\n/d/*\n!/d/k", "a|d/x", "d/|d/k"},
		{"d/\n!d/k", "d/k|d/", ""},
		{"*\n!*/\n!*.c", "x|d/x", "x.c|d/x.c|d/"},
		{"a   ", "a", "a "},
		{"a\\ ", "a ", "a"},
		{"a\\  ", "a ", "a"},
		{"a\t", "a\t", "a"},
		{"a\r\nb", "a|b", ""},
		{"# c\n\\#d", "#d", "# c|d"},
		{"\\!a", "!a", "a"},
		{"!a", "", "a"},
		{"\xef\xbb\xbfa", "a", ""},
		{"a\x00b", "a", "ab"},
		{"[a-c]x", "ax|cx", "dx|]x"},
		{"[!a-c]x", "dx", "ax|/x"},
		{"[]-]x", "]x|-x", "ax"},
		{"[[:digit:]_]x", "1x|_x", "ax"},
		{"[[:nope:]]x", "", "nx|:x"},
		{"[[:digit]x", "[x|:x|dx", "1x"},
		{"[a", "", "a|[a"},
		{"a\\", "", "a|a\\"},
		{"a?b", "axb", "ab|d/a/b"},
		{"d/a?b", "d/axb", "d/a/b"},
		{"\\*a", "*a", "ba"},
		{"/", "", "a|a/"},
		{"//a", "", "a"},
		{"", "", "a"},
	} {
		for i, list := range []string{c.no, c.yes} {
			for path := range strings.SplitSeq(list, "|") {
				if want := i == 1; list != "" && ignored(t, c.file, path) != want {
					t.Errorf("%q ignores %q: %t", c.file, path, !want)
				}
			}
		}
	}
}

// TestFiles has the files of several directories in force.
func TestFiles(t *testing.T) {
	t.Parallel()
	root, err := Root(Files{Ignore: parse(t, "*.o\n/d/x"), Exclude: parse(t, "*.tmp\n*.o")})
	if err != nil {
		t.Fatal(err)
	}
	d, err := root.Enter("d", Files{Ignore: parse(t, "!k.o\n!k.tmp\n/e/y"), Exclude: parse(t, "z")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.Enter("e", Files{})
	if err != nil {
		t.Fatal(err)
	}
	inner, err := d.Enter("r", Files{Repo: true, Exclude: parse(t, "z\n/e/y")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir  *Dir
		name string
		want bool
	}{
		{root, "k.o", true},
		{root, "a.tmp", true},
		{d, "k.o", false}, // the deeper file counts
		{d, "l.o", true},
		{d, "k.tmp", false},
		{d, "x", true},
		{d, "z", false}, // what is no repository has no exclude file
		{e, "k.o", false},
		{e, "y", true},
		{e, "x", false},
		{inner, "l.o", false}, // a repository begins
		{inner, "z", true},
	} {
		if got := c.dir.Ignored(c.name, false); got != c.want {
			t.Errorf("%q in %q: ignored is %t", c.name, c.dir.prefix, got)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	if _, err := Parse(make([]byte, MaxBytes+1)); !errors.Is(err, ErrLimit) {
		t.Errorf("a file that is too large: %v", err)
	}
	p := parse(t, strings.Repeat("a\n", MaxBytes/2))
	d, err := Root(Files{Ignore: p})
	for i := 0; err == nil; i++ {
		if i > MaxInForce/MaxBytes {
			t.Fatal("there is no limit on what is in force")
		}
		d, err = d.Enter("d", Files{Ignore: p})
	}
	if !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}

// TestSteps has patterns match that would take a simple matcher years.
func TestSteps(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("a", 250)
	path := strings.Repeat("a/", 2000) + "b"
	for _, c := range []struct {
		pat, text string
		want      bool
	}{
		{strings.Repeat("*a", 100) + "*b", name, false},
		{strings.Repeat("*a", 100) + "*", name, true},
		{strings.Repeat("**/a/", 100) + "*c", path, false},
		{strings.Repeat("**/a/", 100) + "**/b", path, true},
		{strings.Repeat("**/*a*/", 100) + "c", path, false},
	} {
		if got := compile(c.pat).match(c.text); got != c.want {
			t.Errorf("%.20q... matches: %t", c.pat, got)
		}
	}
}

// slowMatch is git's matcher as it is described: by trying everything.
func slowMatch(p *program, i int, s string) bool {
	if i == len(p.toks) {
		return s == ""
	}
	switch t := p.toks[i]; t.kind {
	case tokMaybe:
		return slowMatch(p, i+3, s) || slowMatch(p, i+1, s)
	case tokStar, tokDeep:
		for j := 0; ; j++ {
			if slowMatch(p, i+1, s[j:]) {
				return true
			}
			if j == len(s) || t.kind == tokStar && s[j] == '/' {
				return false
			}
		}
	default:
		return s != "" && p.takes(t, s[0]) && slowMatch(p, i+1, s[1:])
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("**/a*/**/b[!c-e]", "x/ab/y/z/bf")
	f.Add("*a*b**/?c", "aab/xc")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pat, text string) {
		if len(pat) > 24 || len(text) > 24 {
			return
		}
		p := compile(pat)
		want := slowMatch(p, 0, text)
		if got := p.simulate(text); got != want {
			t.Errorf("simulate %q %q: %t", pat, text, got)
		}
		if got, done := p.backtrack(text, 1<<20); done && got != want {
			t.Errorf("backtrack %q %q: %t", pat, text, got)
		}
	})
}

// FuzzParse reads any file, and asks it for some names.
func FuzzParse(f *testing.F) {
	f.Add("a\n!b/\n/c/**/d\n\\#x\\ \n[[:alpha:]-z]\n", "c/x/d")
	f.Fuzz(func(t *testing.T, file, path string) {
		p, err := Parse([]byte(file))
		if err != nil {
			return
		}
		d, err := Root(Files{Ignore: p, Exclude: p})
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.SplitSeq(path, "/") {
			_ = fmt.Sprint(d.Ignored(name, true), d.Ignored(name, false))
			if d, err = d.Enter(name, Files{Ignore: p}); err != nil {
				return
			}
		}
	})
}
