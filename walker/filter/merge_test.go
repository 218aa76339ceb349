package filter

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
)

func TestMergeFiles(t *testing.T) {
	tests := []struct {
		rules string
		files memTree
		in    string
		out   string
	}{
		{": .f", memTree{".f": "- a\n# - b\n;\n\n- /c\r\n"}, "b d/c", "a d/a c"},
		{":n .f", memTree{".f": "- a\n"}, "d/a", "a"},
		{":e .f", memTree{".f": "- a\n"}, "b", "a .f d/.f"},
		{":- .f", memTree{".f": "a\n+ b\n"}, "b", "a d/a"},
		{":+ .f;- *", memTree{".f": "*.c\nd/\n"}, "a.c d/ d/b.c", "a d/x"},
		{":w .f", memTree{".f": "-_a -,s_b\n+_c"}, "c", "a b"},
		{":C", memTree{".cvsignore": "a b\n! c #d"}, "a b d/c", "c #d"},
		{": .f", memTree{".f": "- a\n", "d/.f": "+ a\n- b\n"}, "d/a", "a d/b d/e/b"},
		{": .f", memTree{".f": "- a\n", "d/.f": "!\n- b\n"}, "b d/a", "a d/b"},
		{"+ a;: .f;- b", memTree{".f": "- a\n+ b\n"}, "a b", ""},
		{": .f", memTree{"d/.f": "- /e/x\n- y/z\n"}, "e/x d/x y/z", "d/e/x d/y/z d/q/y/z"},
		{": .f", memTree{"d/.f": "- /**/x\n"}, "d/x x", "d/e/x d/e/e/x"},
		{": .f", memTree{".f": ": .g\n- b\n", ".g": "- a\n", "d/.g": "- c\n"}, "c", "a b d/a d/c"},
		{": .f", memTree{".f": ": .g\n!\n: .g\n", ".g": "- a\n"}, "b", "a d/a"},
		{": .f", memTree{".f": ". .g\n", ".g": "- a\n"}, "b", "a d/a"},
		{": /.f", memTree{".f": "-s a\nP b\n"}, "b", "a"},
		{":s .f", memTree{".f": "- a\n"}, "b", "a"},
		{":r .f", memTree{".f": "- a\n"}, "a", ""},
	}
	for _, tt := range tests {
		s := build(t, strings.Split(tt.rules, ";")...)
		for _, path := range strings.Fields(tt.in) {
			if judge(t, s, tt.files, path, Sender) {
				t.Errorf("%q with %q excludes %q", tt.rules, tt.files, path)
			}
		}
		for _, path := range strings.Fields(tt.out) {
			if !judge(t, s, tt.files, path, Sender) {
				t.Errorf("%q with %q does not exclude %q", tt.rules, tt.files, path)
			}
		}
	}
}

func TestMergeNow(t *testing.T) {
	files := memTree{
		"top": "- a\n. sub\n- c\n", "sub": "!\n- b\n", "words": "x y", "sided": "-s s\n", "zero": "- a\nb\x00- c",
		"loop": ". loop\n", "bad": "- a\nbogus\n", CVSHome: "home", CVSEnv: "env ! own",
	}
	open := files.reader("")
	s := build(t, "- gone")
	for _, r := range []string{". top", ".we- words", "+ own2", "-C"} {
		if err := s.Rule(r, open); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range strings.Fields("b c x y words own") {
		if !judge(t, s, nil, name, Sender) {
			t.Errorf("%s is not excluded", name)
		}
	}
	// The clear in sub drops what stood before it, the one in $CVSIGNORE only what -C brought in.
	for _, name := range strings.Fields("gone a env home core") {
		if judge(t, s, nil, name, Sender) {
			t.Errorf("%s is excluded", name)
		}
	}
	if s = build(t, "-C"); !judge(t, s, nil, "core", Sender) || s.Root().Doomed().Excluded("core", false, Receiver) {
		t.Error("the default CVS patterns are perishable excludes")
	}
	z := new(Set)
	z.From0(true)
	if err := z.Rule(". zero", open); err != nil {
		t.Fatal(err)
	}
	if !judge(t, z, nil, "a\nb", Sender) || !judge(t, z, nil, "c", Sender) || judge(t, z, nil, "a", Sender) {
		t.Error("merge file with zero bytes")
	}
	for rule, want := range map[string]error{
		". loop": ErrLimit, ". bad": ErrSyntax, ". none": fs.ErrNotExist, ".s sided": ErrSyntax, ".C": fs.ErrNotExist,
	} {
		if err := new(Set).Rule(rule, open); !errors.Is(err, want) {
			t.Errorf("%q: %v", rule, err)
		}
	}
}

// TestMergeNames: ".." in the name of a merge file takes the component before it away, be it there or not.
func TestMergeNames(t *testing.T) {
	for name, want := range map[string]string{
		"f": "f", "a/none/../c": "a/c", "/a/none/../c": "/a/c", "none/../a//./c": "a/c", "../a/../c": "../c", "/../c": "/c", "-": "-", "./-": "./-",
	} {
		opened := ""
		err := new(Set).Rule(". "+name, func(name string) ([]byte, error) {
			opened = name
			return nil, nil
		})
		if opened != want || err != nil {
			t.Errorf("%q opens %q, want %q; %v", name, opened, want, err)
		}
	}
	loop := func(string) ([]byte, error) { return []byte(". loop\n"), nil }
	if err := new(Set).Rule(". loop", loop); err == nil || !strings.Contains(err.Error(), "merge-file include depth limit (32) exceeded") {
		t.Errorf("merge files without end: %v", err)
	}
}

func TestScopeErrors(t *testing.T) {
	bad := errors.New("disk on fire")
	for _, tt := range []struct {
		name string
		file string
		err  error
		want error
	}{
		{"syntax", "bogus\n", nil, ErrSyntax},
		{"outside", ". ../x\n", nil, ErrSyntax},
		{"itself", ". .f\n", nil, ErrLimit},
		{"many", strings.Repeat("- a\n", MaxRules+1), nil, ErrLimit},
		{"long", "- " + strings.Repeat("a", MaxPattern+1), nil, ErrLimit},
		{"big", strings.Repeat("#", MaxBytes+1), nil, ErrLimit},
		{"merges", manyMerges(MaxMerges), nil, ErrLimit},
		{"unreadable", "", bad, bad},
		{"missing", ". gone\n", nil, fs.ErrNotExist},
	} {
		read := func(name string) ([]byte, error) {
			switch {
			case name != ".f":
				return nil, fs.ErrNotExist
			case tt.err != nil:
				return nil, tt.err
			}
			return []byte(tt.file), nil
		}
		s := build(t, ": .f")
		if _, err := s.Root().Enter("d", read); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := s.Root().Open(read); !errors.Is(err, tt.want) {
			t.Errorf("%s in the root: %v", tt.name, err)
		}
	}
}

// TestNothingEchoed checks that messages about merge files do not repeat what the files hold.
func TestNothingEchoed(t *testing.T) {
	for _, file := range []string{"secret", "-secret x", ". secret", ". ../secret", ": secret", "! secret", "- secret\x00"} {
		read := func(name string) ([]byte, error) {
			if name == ".f" {
				return []byte(file), nil
			}
			return nil, io.ErrNoProgress
		}
		_, err := build(t, ": .f").Root().Enter("d", read)
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "d/") {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func manyMerges(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ": f%d\n", i)
	}
	return b.String()
}

func TestDoomed(t *testing.T) {
	sc := build(t, "-p a", "- b").Root()
	if !sc.Excluded("a", false, Receiver) || sc.Doomed().Excluded("a", false, Receiver) {
		t.Error("a perishable rule counts exactly in directories that stay")
	}
	sub, err := sc.Doomed().Enter("d", nil)
	if err != nil || sub.Excluded("a", false, Receiver) || !sub.Excluded("b", false, Receiver) {
		t.Error("below a doomed directory perishable rules do not count")
	}
}

func TestPerishableMerge(t *testing.T) {
	files := memTree{".f": ":e .g\n"}
	for rules, want := range map[string]bool{": .f": true, ":p .f": false} {
		sc, err := build(t, rules).Root().Open(files.reader(""))
		if err != nil || sc.Doomed().Excluded(".g", false, Receiver) != want {
			t.Errorf("%q: want %v, error %v", rules, want, err)
		}
	}
}

// TestKeep: what would clear the list is an error while that is asked for, wherever it stands, and takes nothing away.
func TestKeep(t *testing.T) {
	files := func(string) ([]byte, error) { return []byte("- b\n!\n"), nil }
	s := new(Set)
	if err := s.Exclude("a"); err != nil {
		t.Fatal(err)
	}
	s.Keep(true)
	for name, clears := range map[string]func() error{
		"exclude": func() error { return s.Exclude("!") },
		"filter":  func() error { return s.Rule("clear", nil) },
		"lines":   func() error { return s.Lines([]byte("c\n!\n"), false) },
		"merge":   func() error { return s.Rule("merge f", files) },
	} {
		if err := clears(); !errors.Is(err, ErrSyntax) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Empty() || s.rules[0].pat != "a" {
		t.Errorf("%v is left", s.rules)
	}
	if s.Keep(false); s.Exclude("!") != nil || !s.Empty() {
		t.Errorf("%v is left", s.rules)
	}
}
