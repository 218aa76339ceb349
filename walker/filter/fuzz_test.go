package filter

import (
	"bytes"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

func FuzzRule(f *testing.F) {
	for _, s := range []string{
		"- *.o", "+ */", "-! /a/**/b", "dir-merge,n- .f", ":C", "-C", ". m", ".sw m", "merge,e m", "clear", "!", "H,p x/***",
		"exclude,_a", "show b", "-/rs /a", "- [[:alpha:]-z]*", `- \*[\]]`,
	} {
		f.Add(s, "- a\n# c\n+ /b/**\r\n:n .g\n!\n. n\n")
	}
	f.Fuzz(func(t *testing.T, text, file string) {
		open := func(name string) ([]byte, error) {
			if len(name)%3 == 0 {
				return nil, fs.ErrNotExist
			}
			return []byte(file), nil
		}
		s := new(Set)
		errs := []error{s.Rule(text, open), s.Exclude(text), s.Include(text), s.Lines([]byte(file), true)}
		s.From0(true)
		errs = append(errs, s.Lines([]byte(text), false))
		s.From0(false)
		for _, err := range errs {
			if err != nil && len(err.Error()) > 10_000 {
				t.Fatalf("error of %d bytes", len(err.Error()))
			}
		}
		b := s.AppendBinary(nil)
		back, err := DecodeSet(b)
		if err != nil {
			t.Fatalf("decoding what was encoded: %v", err)
		}
		if !bytes.Equal(back.AppendBinary(nil), b) || back.Empty() != s.Empty() || back.SideSpecific() != s.SideSpecific() {
			t.Fatal("decoded set differs")
		}
		want := explore(s, open)
		if got := explore(back, open); got != want {
			t.Fatalf("decoded set judges differently:\n%s\n%s", got, want)
		}
	})
}

// explore judges some names in some directories.
func explore(s *Set, read func(string) ([]byte, error)) string {
	var b strings.Builder
	sc, err := s.Root().Open(read)
	for _, dir := range []string{"a", "b", "x y", "dd"} {
		if err != nil {
			return b.String() + err.Error()
		}
		for _, name := range []string{"a", "b", "x.o", "m", "[", `\`, "-", "\xff"} {
			fmt.Fprint(&b, sc.Excluded(name, false, Sender), sc.Excluded(name, true, Receiver),
				sc.Doomed().Excluded(name, false, Receiver), sc.ExcludedXattr(name, Sender))
		}
		sc, err = sc.Enter(dir, read)
	}
	return b.String()
}

func FuzzDecodeSet(f *testing.F) {
	s := new(Set)
	for _, r := range []string{"- *.o", "+p /a/**/b/", ":nw- .f", "-! x/***", "P [a-z]", "-/ /a"} {
		if err := s.Rule(r, nil); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(s.AppendBinary(nil))
	f.Add(s.WithDeleteExcluded().AppendBinary(nil))
	f.Add(new(Set).AppendBinary(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSet(b)
		if err != nil {
			return
		}
		if !bytes.Equal(s.AppendBinary(nil), b) {
			t.Fatal("not the encoding of what was decoded")
		}
		explore(s, func(string) ([]byte, error) { return nil, fs.ErrNotExist })
	})
}

// slowMatch is the definition of the pattern language, written without regard to time.
func slowMatch(p *program, toks []token, s string, memo map[[2]int]bool) bool {
	if len(toks) == 0 {
		return s == ""
	}
	key := [2]int{len(toks), len(s)}
	if r, ok := memo[key]; ok {
		return r
	}
	r := false
	switch t := &toks[0]; t.kind {
	case tokStar, tokDeep:
		r = slowMatch(p, toks[1:], s, memo) || s != "" && (t.kind == tokDeep || s[0] != '/') && slowMatch(p, toks, s[1:], memo)
	default:
		r = s != "" && p.takes(*t, s[0]) && slowMatch(p, toks[1:], s[1:], memo)
	}
	memo[key] = r
	return r
}

func FuzzWildmatch(f *testing.F) {
	for _, s := range [][2]string{
		{"*a*b", "aaab"},
		{"**/x", "a/b/x"},
		{"a/**", "a/"},
		{"b**c", "a/bxc"},
		{"*/b*", "a/bc"},
		{"[a-c]?*", "bzz"},
		{"a**b*c", "a/b/bc"},
		{`\[*`, "[x"},
		{"[[:space:][:upper:]]**", " x"},
		{"[^]-]", "x"},
		{"*a/*b", "aa/ab"},
		{"**b*c/d", "b/bc/bxc/d"},
	} {
		f.Add(s[0], s[1], true)
	}
	f.Fuzz(func(t *testing.T, pattern, text string, wild bool) {
		if len(pattern) > 200 || len(text) > 200 {
			return
		}
		p := compileProgram(pattern, wild)
		want := slowMatch(p, p.toks, text, map[[2]int]bool{})
		if got := p.match(text, false); got != want {
			t.Errorf("%q on %q: %v", pattern, text, got)
		}
		if got := p.simulate(text, false); got != want {
			t.Errorf("%q on %q, simulated: %v", pattern, text, got)
		}
		if !strings.Contains(pattern, "**") && !strings.Contains(pattern, "/") && !strings.Contains(text, "/") && text != "" {
			if g := compileGlob(pattern, wild); g.match(text) != want {
				t.Errorf("%q on name %q: %v", pattern, text, !want)
			}
		}
		for rest := text; !want; {
			_, after, ok := strings.Cut(rest, "/")
			if !ok {
				break
			}
			rest, want = after, slowMatch(p, p.toks, after, map[[2]int]bool{})
		}
		if p.match(text, true) != want || p.simulate(text, true) != want {
			t.Errorf("%q after any slash of %q: want %v", pattern, text, want)
		}
	})
}

// TestHostilePattern runs patterns that take exponential or cubic time when matched naively.
func TestHostilePattern(t *testing.T) {
	text := strings.Repeat("a", 20_000)
	for _, unit := range []string{"*a", "**a", "**a*a", "*?", "**aaaaaaaaaaaaaaaaaaaaaab", "**[a-z]*"} {
		p := compileProgram(strings.Repeat(unit, 1000/len(unit))+"x", true)
		if p.match(text, true) || p.match(strings.Repeat("a/", 2000), true) {
			t.Errorf("%s", unit)
		}
	}
}

func BenchmarkExcluded(b *testing.B) {
	literals := make([]string, 0, 1000)
	for i := range cap(literals) {
		literals = append(literals, fmt.Sprint("- literal", i))
	}
	for _, bb := range []struct {
		name  string
		rules []string
	}{
		{"20names", strings.Split("- *.o;- *.a;- *.so;- core;- .git/;- .hg/;- node_modules/;- *~;- #*#;- .#*;"+
			"- *.bak;- *.orig;- *.rej;- tmp*;+ keep*;- *.py[co];- __pycache__/;- .DS_Store;- *.swp;- Thumbs.db", ";")},
		{"20paths", strings.Split("- /build;- /dist/;- a/b;- src/*.o;- /x/y/z;- *.o;- core;- foo/*/bar;- /a/b/*;- d/e;"+
			"- /build1;- /dist1/;- a1/b;- src1/*.o;- /x1/y/z;- *.o1;- core1;- foo1/*/bar;- /a1/b/*;- d1/e", ";")},
		{"20deep", slicesOf("- src/**/gen%d/*.pb", 20)},
		{"1000literals", literals},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := new(Set)
			for _, r := range bb.rules {
				if err := s.Rule(r, nil); err != nil {
					b.Fatal(err)
				}
			}
			sc, err := s.Root().Enter("src", nil)
			if err != nil {
				b.Fatal(err)
			}
			names := slicesOf("some-file-name-%d.go", 1000)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				sc.Excluded(names[n%len(names)], false, Sender)
				n++
			}
		})
	}
}

func slicesOf(format string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}

func BenchmarkEnter(b *testing.B) {
	s := new(Set)
	for _, r := range []string{"- *.o", "- /build", "- a/b", "- x/**/y"} {
		if err := s.Rule(r, nil); err != nil {
			b.Fatal(err)
		}
	}
	root := s.Root()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := root.Enter("directory", nil); err != nil {
			b.Fatal(err)
		}
	}
}
