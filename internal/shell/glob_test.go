package shell

import (
	"errors"
	"io/fs"
	"reflect"
	"testing"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	g := &globber{
		fsys: fake("/h/", "/h/a.c", "/h/b.c", "/h/.c", "/h/d/", "/h/d/x.c", "/h/e/", "/h/e/y.c", "/h/[1]", "/h/l->d", "/h/no!/", "/u/", "/u/f", "/h/sp ace", "/h/back\\slash"),
		base: "/h", home: "/u",
	}
	for line, want := range map[string][]string{
		"*.c":     {"a.c", "b.c"},
		".*":      {".c"},
		"?.c":     {"a.c", "b.c"},
		"[b-z].c": {"b.c"},
		"*/*.c":   {"d/x.c", "e/y.c", "l/x.c"},
		"/h/d/*":  {"/h/d/x.c"},
		"d/*":     {"d/x.c"},
		"*/x.c":   {"d/x.c"}, // the fake follows no symlink within a path
		"[1]":     {"[1]"},   // matches the name 1 only, but is itself a name
		`'[1]'`:   {"[1]"},
		`\[*`:     {"[1]"},
		"[":       {"["},
		"nothing": {"nothing"},
		"~":       {"/u"},
		"~/f":     {"/u/f"},
		"~/*":     {"/u/f"},
		`'~'`:     {"~"},
		"e*/":     {"e/"},
		"sp*":     {"sp ace"},
		`back\\*`: {`back\slash`},
		"/*/a.c":  {"/h/a.c"},
	} {
		words, err := split(line)
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.expand(t.Context(), words[0])
		if line == "[" { // an error of the pattern means the name
			if err == nil || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %v", line, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q stands for %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{"*.x", "nodir/*", "no!/*", "a.c/*"} {
		words, _ := split(line)
		if got, err := g.expand(t.Context(), words[0]); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}
