package filter

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// build makes a set of --filter rules.
func build(t testing.TB, rules ...string) *Set {
	t.Helper()
	s := new(Set)
	for _, r := range rules {
		if err := s.Rule(r, nil); err != nil {
			t.Fatalf("rule %q: %v", r, err)
		}
	}
	return s
}

// judge walks down to path, whose directories end in a slash, and says whether it is excluded. As
// in a walk, an excluded directory on the way excludes what is below.
func judge(t testing.TB, s *Set, files memTree, path string, side Side) bool {
	t.Helper()
	sc, err := s.Root().Open(files.reader(""))
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; {
		n := strings.IndexByte(path[at:], '/')
		if n < 0 {
			return sc.Excluded(path[at:], false, side)
		}
		name := path[at : at+n]
		if sc.Excluded(name, true, side) {
			return true
		}
		if at += n + 1; at == len(path) {
			return false
		}
		if sc, err = sc.Enter(name, files.reader(path[:at])); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPatterns(t *testing.T) {
	tests := []struct {
		rules string // separated by ";"
		in    string // paths that take part
		out   string // paths that do not
	}{
		{"- *.o", "a.c o.ox d/x.c", "a.o d/a.o .o x.o/"},
		{"- /foo", "d/foo foox", "foo foo/ foo/a"},
		{"- foo/", "foo d/foo", "foo/ d/foo/ foo/x"},
		{"- foo/bar", "bar foo/x foo/x/bar xfoo/bar", "foo/bar d/foo/bar foo/bar/"},
		{"- /foo/bar", "d/foo/bar foo/b", "foo/bar"},
		{"- foo/*/bar", "foo/bar foo/a/b/bar", "foo/a/bar d/foo/a/bar"},
		{"- /foo/**/bar", "foo/bar d/foo/a/bar", "foo/a/bar foo/a/b/bar"},
		{"- **/bar", "xbar", "bar d/bar d/e/bar/"},
		{"- a**", "b b/", "a ab a/b/c d/a"},
		{"- foo/***", "foo", "foo/ foo/x d/foo/ d/foo/e/f"},
		{"- foo/**", "foo/ foo", "foo/x foo/d/ d/foo/x"},
		{"- d***", "x", "d d/ da d/x"},
		{"+ */;+ *.c;- *", "a.c d/ d/e/b.c", "a.h d/b d/e/f"},
		{"+ foo/;+ foo/bar.c;- *", "foo/ foo/bar.c", "bar.c foo foo/x bar/"},
		{"-! */", "d/ d/e/", "f d/f"},
		{"+ d/;-! /d/x", "d/x", "d/y x"},
		{"+ d/;-! d/x", "d/x", "x"},
		{`- a\b`, "ab", `a\b d/a\b`},
		{`- a\b*`, `a\b`, "ab abc"},
		{`- \*`, `\ x`, "*"},
		{`- a\*b*`, "axb", "a*b a*bc"},
		{`- *\`, `a a\`, ""},
		{"- [a-c]x", "dx -x", "ax bx cx"},
		{"- [!a-c]x", "ax", "dx -x"},
		{"- [^[:digit:]]", "1", "a"},
		{"- [[:nope:]]", "a n", ""},
		{"- [[:x]", "a", ": [ x"},
		{"- []x]", "a", "] x"},
		{"- [a-]", "b", "a -"},
		{`- [\]-_]`, "a", `] ^ _`},
		{"- [a", "a [a", ""},
		{"- a]", "a", "a]"},
		{"- /", "a a/ d/b", ""},
		{"- a//b", "a/b", ""},
		{"- *b*", "a", "b ab ba abc"},
		{"- a*b*c", "ab acb", "abc axbxc"},
		{"- ab*ba", "aba", "abba abxba"},
		{"- /b/" + strings.Repeat("?/", 19) + "*.o", "b/", "b/" + strings.Repeat("a/", 19) + "x.o"},
		{"- " + strings.Repeat("a/", 19) + "*.o", strings.Repeat("a/", 18) + "x.o", "b/" + strings.Repeat("a/", 19) + "x.o"},
		{"- a?", "a abc a/x", "ab ax"},
		{"- a?b/c", "a/b/c", "axb/c"},
		{"- ?/b", "b aa/b", "a/b x/a/b"},
		{"- /a[!x]b;- /c[.-1]d;- /e[/]f", "a/b c/d e/f", "ayb c.d c0d"},
		{"- [a/]/b", "a/x x/a/b", ""},
		{"H x;- y", "z", "x y"},
		{"P x;R y", "x y", ""},
		{"-x a", "a", ""},
		{"exclude a;include b;hide,p c;clear", "a b c", ""},
		{"-_a;+ b;dir-merge,n- .f;- b;-,s c", "b", "a c"},
	}
	for _, tt := range tests {
		s := build(t, strings.Split(tt.rules, ";")...)
		for _, path := range strings.Fields(tt.in) {
			if judge(t, s, nil, path, Sender) {
				t.Errorf("%q excludes %q", tt.rules, path)
			}
		}
		for _, path := range strings.Fields(tt.out) {
			if !judge(t, s, nil, path, Sender) {
				t.Errorf("%q does not exclude %q", tt.rules, path)
			}
		}
	}
}

func TestSides(t *testing.T) {
	tests := []struct {
		rules            string
		sender, receiver string // names that are excluded there
	}{
		{"- a", "a", "a"},
		{"-s a", "a", ""},
		{"-r a", "", "a"},
		{"-rs a", "a", "a"},
		{"H a;P b", "a", "b"},
		{"S a;- a", "", "a"},
		{"R a;- a", "a", ""},
		{"!", "", ""},
	}
	for _, tt := range tests {
		s := build(t, strings.Split(tt.rules, ";")...)
		for _, name := range []string{"a", "b"} {
			if got, want := judge(t, s, nil, name, Sender), name == tt.sender; got != want {
				t.Errorf("%q, sender, %s: %v", tt.rules, name, got)
			}
			if got, want := judge(t, s, nil, name, Receiver), name == tt.receiver; got != want {
				t.Errorf("%q, receiver, %s: %v", tt.rules, name, got)
			}
		}
		if got, want := s.SideSpecific(), tt.sender != tt.receiver; got != want {
			t.Errorf("%q: SideSpecific = %v", tt.rules, got)
		}
		if got, want := s.Empty(), tt.sender+tt.receiver == ""; got != want {
			t.Errorf("%q: Empty = %v", tt.rules, got)
		}
	}
	if !build(t, ": .f").SideSpecific() || !build(t, "-/ /a").SideSpecific() {
		t.Error("merge files and absolute patterns are specific to a side")
	}
}

func TestWithDeleteExcluded(t *testing.T) {
	s := build(t, "- a", "P b", "-sr c", ": .f").WithDeleteExcluded()
	if err := s.Exclude("d"); err != nil {
		t.Fatal(err)
	}
	if err := s.Rule(":e .g", nil); err != nil {
		t.Fatal(err)
	}
	files := memTree{".f": "- e\n-r f\n"}
	for _, name := range strings.Fields("a d e .g") {
		if !judge(t, s, files, name, Sender) || judge(t, s, files, name, Receiver) {
			t.Errorf("%s is not excluded on the sending side alone", name)
		}
	}
	for _, name := range strings.Fields("b c f") {
		if !judge(t, s, files, name, Receiver) {
			t.Errorf("%s is not protected", name)
		}
	}
}

func TestOldStyle(t *testing.T) {
	s := new(Set)
	lines := func(text string, nul, include bool) error {
		s.From0(nul)
		return s.Lines([]byte(text), include)
	}
	for _, err := range []error{
		s.Exclude("gone"), s.Exclude("!"), s.Exclude(""), s.Exclude("+ keep"), s.Include("- drop"),
		s.Exclude("!x"), s.Exclude("-s y"), s.Include("k*"), s.Exclude("k1"),
		lines("# no\n;no\n\nl1\r\n+ l2\n- l3\n", false, false),
		lines("l2\x00l4\nl5\x00", true, true),
		lines("l*", false, false),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]bool{
		"gone": false, "keep": false, "drop": true, "!x": true, "y": false, "-s y": true, "k1": false,
		"l1": true, "l2": false, "l3": true, "l4\nl5": false, "l6": true,
	}
	for name, excluded := range want {
		if judge(t, s, nil, name, Sender) != excluded {
			t.Errorf("%q: excluded = %v", name, !excluded)
		}
	}
}

func TestRuleErrors(t *testing.T) {
	for _, rule := range []string{
		"-", "- ", "x", "excludex a", " - a", "-- a", "-e a", "-n a", "-w a", "HC", "Hs a", "Pr a", "-,, a", "-\ta",
		"! x", "! ", "clear x", ": ", ":", ":+- f", ":C- f", ":-C f", ":! f", ": ..", ": a/", ". .", "- a\x00b",
	} {
		if err := new(Set).Rule(rule, nil); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v", rule, err)
		}
	}
	for _, rule := range []string{"", "!", "!,", "clear", "-C", "+C", ":C", ":Cw x", "-_a", "exclude, a", "-! a", ": a/b"} {
		if err := new(Set).Rule(rule, nil); err != nil {
			t.Errorf("%q: %v", rule, err)
		}
	}
}

func TestXattrs(t *testing.T) {
	s := build(t, "+x user.keep", "-x user.*", "-xs s", "- t")
	sc := s.Root()
	for name, want := range map[string]bool{"user.keep": false, "user.x": true, "s": true, "t": false, "z": false} {
		if sc.ExcludedXattr(name, Sender) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	if sc.ExcludedXattr("s", Receiver) || !s.XattrRules() || build(t, "- a").XattrRules() {
		t.Error("sides of extended attributes")
	}
}

func TestAbsolute(t *testing.T) {
	sc := build(t, "-/ /home/me/a", "-/ me/b", "-/ /home/**/c", "-/ d").RootAt("/home/me/")
	for name, want := range map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": false} {
		if sc.Excluded(name, false, Sender) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	sub, err := sc.Enter("me", nil)
	if err != nil || sub.Excluded("a", false, Sender) || !sub.Excluded("b", false, Sender) {
		t.Error("in a directory below")
	}
}

func TestLimits(t *testing.T) {
	s := new(Set)
	for range MaxRules {
		if err := s.Exclude("a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Exclude("a"); !errors.Is(err, ErrLimit) {
		t.Errorf("too many rules: %v", err)
	}
	long := strings.Repeat("x", MaxPattern)
	for s = new(Set); ; {
		if err := s.Exclude(long); err != nil {
			if !errors.Is(err, ErrLimit) || len(s.AppendBinary(nil)) > MaxBytes {
				t.Errorf("too many bytes: %v", err)
			}
			break
		}
	}
	if err := new(Set).Exclude(long + "x"); !errors.Is(err, ErrLimit) {
		t.Errorf("long pattern: %v", err)
	}
	s = new(Set)
	for i := range MaxMerges + 1 {
		err := s.Rule(fmt.Sprint(": f", i), nil)
		if (i == MaxMerges) != errors.Is(err, ErrLimit) {
			t.Fatalf("dir-merge %d: %v", i, err)
		}
	}
}

// TestManyLiterals compares the map of literal names with the plain list.
func TestManyLiterals(t *testing.T) {
	few, many := new(Set), new(Set)
	rules := []string{"+ n3", "-p n4", "- n5/", "-s n6", "+ *7", "- n7", "- n8", "- d/n9", "+ n1", "- n*"}
	for i := range manyLiterals {
		if err := many.Exclude(fmt.Sprint("other", i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range rules {
		if err := errors.Join(few.Rule(r, nil), many.Rule(r, nil)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := few.Root(), many.Root()
	if a.table.lits != nil || b.table.lits == nil {
		t.Fatal("the map is not what is tested")
	}
	for i := range 12 {
		name := fmt.Sprint("n", i)
		for _, side := range []Side{Sender, Receiver} {
			for _, isDir := range []bool{false, true} {
				if a.Excluded(name, isDir, side) != b.Excluded(name, isDir, side) ||
					a.Doomed().Excluded(name, isDir, side) != b.Doomed().Excluded(name, isDir, side) {
					t.Errorf("%s, dir %v, side %d", name, isDir, side)
				}
			}
		}
	}
	if !b.Excluded("other3", false, Sender) {
		t.Error("other3")
	}
}

func TestDecodeErrors(t *testing.T) {
	good := build(t, "- a", ":n .f", "+p /b*/").AppendBinary(nil)
	for n := range good {
		if _, err := DecodeSet(good[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	change := func(at int, b byte) []byte {
		c := slices.Clone(good)
		c[at] = b
		return c
	}
	for name, b := range map[string][]byte{
		"version": change(0, 9), "options": change(1, 0x80), "flags": change(headerSize+1, 0x80),
		"dir flag": change(headerSize, byte(flagDirOnly)), "zero byte": change(headerSize+ruleSize, 0),
		"trailing": append(slices.Clone(good), 0),
	} {
		if _, err := DecodeSet(b); !errors.Is(err, errEncoding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"count": change(headerSize-1, 0xff), "length": change(headerSize+3, 0xff), "size": make([]byte, MaxBytes+1),
	} {
		if _, err := DecodeSet(b); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
