//go:build unix

package localfs

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// TestNameKeys compares names under all rules that a file system may have.
func TestNameKeys(t *testing.T) {
	exact, ascii := nameRules{}, nameRules{ascii: true}
	unicode, full := nameRules{ascii: true, unicode: true}, nameRules{ascii: true, unicode: true, full: true}
	forms, all := nameRules{norm: true}, nameRules{ascii: true, unicode: true, full: true, norm: true}
	for _, x := range []struct {
		a, b string
		same []nameRules // of those below
	}{
		{"a", "b", nil},
		{"a", "A", []nameRules{ascii, unicode, full, all}},
		{"README.md", "readme.MD", []nameRules{ascii, unicode, full, all}},
		{"\u00e9", "\u00c9", []nameRules{unicode, full, all}},
		{"\u00e9", "e\u0301", []nameRules{forms, all}},
		{"E\u0301", "\u00e9", []nameRules{all}},
		{"stra\u00dfe", "strasse", []nameRules{full, all}},
		{"\u03c3", "\u03c2", []nameRules{unicode, full, all}}, // sigma, at the end of a word and elsewhere
		{"k", "\u212a", []nameRules{unicode, full, all}},      // Kelvin
		{"\xffa", "\xffA", []nameRules{ascii, unicode, full, all}},
		{"\xff", "\xfe", nil},
		{"\xff", "\ufffd", nil},
		{"", "a", nil},
	} {
		for i, r := range []nameRules{exact, ascii, unicode, full, forms, all} {
			key := r.key()
			if key == nil {
				if i != 0 {
					t.Errorf("%+v: no key", r)
				}
				continue
			}
			want := false
			for _, s := range x.same {
				want = want || s == r
			}
			if got := key(x.a) == key(x.b); got != want {
				t.Errorf("%+v: %q and %q are the same: %v", r, x.a, x.b, got)
			}
		}
	}
}

// TestProbeExact probes a file system that tells all names apart, whose kind would
// do otherwise, and looks at what is left.
func TestProbeExact(t *testing.T) {
	dir := t.TempDir()
	tr := openTree(t, dir, engine.DestOptions{})
	if rules, known := rulesOf(tr.top.fd); known && rules == (nameRules{}) {
		if got := tr.probe(); got != rules {
			t.Errorf("the kind says %+v, the probe %+v", rules, got)
		}
	} else {
		tr.probe()
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		t.Errorf("%v was left behind (%v)", names, err)
	}
}

// TestFoldingReadOnly: who may not change a tree makes nothing in it.
func TestFoldingReadOnly(t *testing.T) {
	dir := t.TempDir()
	before, err := os.Stat(dir)
	must(t, err)
	tr := openTree(t, dir, engine.DestOptions{ReadOnly: true})
	tr.Folding(t.Context())
	if after, err := os.Stat(dir); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the directory was changed (%v)", err)
	}
}

// TestStaleProbe: a probe that was killed is removed by the next run, what somebody
// else has put under such a name is not.
func TestStaleProbe(t *testing.T) {
	dir := t.TempDir()
	tag := hostTag()
	name := manifest.TempPrefix + hex.EncodeToString(tag[:]) + "0badcafe0bad"
	probe := filepath.Join(dir, name)
	tr := openTree(t, dir, engine.DestOptions{})
	for _, x := range []struct {
		files []string
		gone  bool
	}{
		{nil, true},
		{[]string{probeASCII, probeComposed, probeSharp}, true},
		{[]string{"something else"}, false},
	} {
		must(t, os.MkdirAll(probe, 0o700))
		for _, f := range x.files {
			must(t, os.WriteFile(filepath.Join(probe, f), nil, 0o600))
		}
		removed, err := tr.RemoveStale(t.Context(), name, false)
		must(t, err)
		if _, err := os.Stat(probe); removed != x.gone || os.IsNotExist(err) != x.gone {
			t.Errorf("%q: removed %v", x.files, removed)
		}
	}
}
