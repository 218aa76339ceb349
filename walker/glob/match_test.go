package glob

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestMatch compares with the standard library where both mean the same.
func TestMatch(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		pattern := rapid.StringMatching(`([ab*?é-]|\[\^?[ab]-?[bc]?\]|\\[*a]){0,8}`).Draw(r, "pattern")
		name := rapid.StringMatching(`[abcé*-]{0,8}`).Draw(r, "name")
		want, err := path.Match(pattern, name)
		if err != nil {
			r.Skip("not valid there")
		}
		if got := Match(pattern, name); got != want {
			r.Fatalf("%q %q: %v, want %v", pattern, name, got, want)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("a*[b-c]?\\*", "axb1*")
	f.Add("[", "[")
	f.Add(strings.Repeat("*a", 50)+"b", strings.Repeat("a", 200))
	f.Fuzz(func(t *testing.T, pattern, name string) {
		Match(pattern, name)
		if literal := Escape(name); !Match(literal, name) || HasMagic(literal) || Unescape(literal) != name {
			t.Errorf("%q does not match itself", name)
		}
	})
}
