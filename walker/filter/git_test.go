package filter

import (
	"io/fs"
	"testing"
)

// TestGitIgnore has git's rules count behind the set's own, on the sides that they are for.
func TestGitIgnore(t *testing.T) {
	t.Parallel()
	files := map[string]string{".git": "", ".gitignore": "*.o\nx/\n", ".git/info/exclude": "secret"}
	asked := map[string]int{}
	read := func(name string) ([]byte, error) {
		asked[name]++
		text, ok := files[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(text), nil
	}
	none := func(string) ([]byte, error) { return nil, fs.ErrNotExist }
	set := new(Set)
	set.GitIgnore()
	if err := set.Include("keep.o"); err != nil {
		t.Fatal(err)
	}
	set, err := DecodeSet(set.AppendBinary(nil))
	if err != nil {
		t.Fatal(err)
	}
	if set.Empty() || !set.SideSpecific() || !set.GitIgnores() || !set.GitProtects() || set.WithDeleteExcluded().GitProtects() {
		t.Error("the set does not know that git counts")
	}
	if alone, err := DecodeSet((&Set{git: true}).AppendBinary(nil)); err != nil || alone.Empty() {
		t.Errorf("a set of nothing but git: %v", err)
	}
	for _, s := range []*Set{set, set.WithDeleteExcluded()} {
		root, err := s.Root().Open(read)
		if err != nil {
			t.Fatal(err)
		}
		d, err := root.Enter("d", none)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bool{"a.o": true, "keep.o": false, "secret": true, "a": false, "x": true} {
			for _, sc := range []*Scope{root, d, d.Doomed()} {
				if sc.Excluded(name, true, Sender) != want || sc.Excluded(name, true, Receiver) != (want && s.GitProtects()) {
					t.Errorf("%q in %q is judged wrongly", name, sc.prefix)
				}
			}
		}
		if root.Excluded("x", false, Sender) {
			t.Error("a pattern for directories matches a file")
		}
	}
	for name := range files {
		if !IsGit(name) || asked[name] == 0 {
			t.Errorf("%s was asked for %d times", name, asked[name])
		}
	}
	if plain, err := new(Set).Root().Open(read); err != nil || plain.Excluded("a.o", false, Sender) {
		t.Errorf("git counts without being asked for (%v)", err)
	}
}
