package shell

import (
	"errors"
	"path"
	"reflect"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"":                     nil,
		"  \t ":                nil,
		"a b\tc":               {"a", "b", "c"},
		`'a b' "c d"`:          {"a b", "c d"},
		`a\ b \\ \"`:           {"a b", `\`, `"`},
		`"a\"b\\c\d"`:          {`a"b\c\d`},
		`'a\b'`:                {`a\b`},
		`a'b'"c"d`:             {"abcd"},
		`'' ""`:                {"", ""},
		`'it'\''s'`:            {"it's"},
		"a#b":                  {"a#b"},
		"caf\u00e9 \xff":       {"caf\u00e9", "\xff"},
		`get 'x*' y? "[z]" -l`: {"get", "x*", "y?", "[z]", "-l"},
	} {
		words, err := split(line)
		var got []string
		for _, w := range words {
			got = append(got, w.text)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("split(%q) = %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`'a`, `"a`, `a\`, `"a\`, strings.Repeat("a ", maxWords+1), strings.Repeat("a", maxLine+1)} {
		if _, err := split(line); !errors.Is(err, ErrUsage) {
			t.Errorf("split(%.20q): %v, want a usage error", line, err)
		}
	}
}

func TestWordsKnowTheirWildcards(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]word{
		`*.c`:     {text: "*.c", pattern: "*.c", glob: true},
		`'*'.c`:   {text: "*.c", pattern: `\*.c`},
		`'*'?`:    {text: "*?", pattern: `\*?`, glob: true},
		`\[a]`:    {text: "[a]", pattern: `\[a]`},
		`~/a`:     {text: "~/a", pattern: "~/a", tilde: true},
		`'~'/a`:   {text: "~/a", pattern: "~/a"},
		`a~`:      {text: "a~", pattern: "a~"},
		`"a-^\\"`: {text: `a-^\`, pattern: `a\-\^\\`},
	} {
		words, err := split(line)
		if err != nil || len(words) != 1 || words[0] != want {
			t.Errorf("split(%q) = %+v, %v; want %+v", line, words, err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	words, _ := split("-la x -r -- -y")
	set, rest, err := options("ls", words, "lar")
	if err != nil || !set['l'] || !set['a'] || !set['r'] || len(rest) != 2 || rest[1].text != "-y" {
		t.Errorf("%v %v %v", set, rest, err)
	}
	words, _ = split("-x")
	if _, _, err := options("ls", words, "l"); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "ls has no option -x; a file of that name is ./-x") {
		t.Error(err)
	}
	words, _ = split("-")
	if _, rest, err := options("ls", words, "l"); err != nil || len(rest) != 1 {
		t.Error(rest, err)
	}
}

// FuzzSplit wants quoting to be undone by splitting, whatever a name holds, and
// patterns to match what they were made from.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a b", `it's "x" \`, "~", "-x", "#", "*[?]", "\x1b[2J", "\xff", "é", "[", `a\`, "a\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		_, _ = split(name) // whatever it is
		if len(name) > 1000 {
			return
		}
		for _, style := range []byte{0, '\'', '"'} {
			line := quote(name, style, true)
			words, err := split("x " + line + " y")
			if name == "" && style == 0 {
				continue // a word without quotes cannot be empty
			}
			if err != nil || len(words) != 3 || words[1].text != name || words[1].tilde {
				t.Fatalf("%q quoted with %q is %q, which reads as %+v, %v", name, style, line, words, err)
			}
			if style != 0 && !strings.Contains(name, "/") && words[1].glob {
				t.Fatalf("%q has wildcards within quotes", line)
			}
			if ok, err := path.Match(escapePattern(name), name); err != nil || !ok && !strings.Contains(name, "/") {
				t.Fatalf("the pattern %q does not match %q: %v", escapePattern(name), name, err)
			}
			if got := unescapePattern(escapePattern(name)); got != name {
				t.Fatalf("%q unescaped is %q", name, got)
			}
		}
	})
}
