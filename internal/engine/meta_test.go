package engine

import (
	"reflect"
	"testing"
)

// TestIDMaps: what --usermap and --groupmap make of owners.
func TestIDMaps(t *testing.T) {
	users := map[string]uint32{"nobody": 65534, "admin": 7, "normal": 8}
	find := func(name string) (uint32, bool) { id, ok := users[name]; return id, ok }
	for _, c := range []struct {
		text string
		id   uint32
		name string
		want uint32
		ok   bool
	}{
		{"0-99:nobody,wayne:admin,*:normal", 5, "daemon", 65534, true},
		{"0-99:nobody,wayne:admin,*:normal", 1000, "wayne", 7, true},
		{"0-99:nobody,wayne:admin,*:normal", 1001, "", 8, true},
		{":admin", 1001, "", 7, true},
		{":admin", 1001, "x", 0, false},
		{"1001:12", 1001, "x", 12, true},
		{"w?yn[de]:12", 1001, "wayne", 12, true},
		{"2-1:12", 1, "x", 0, false},
		{"x:nosuch,x:admin", 1, "x", 7, true},
	} {
		m, err := ParseIDMap(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if id, ok := mapped(m.resolve(find, func(string) {}), c.id, c.name); id != c.want || ok != c.ok {
			t.Errorf("%s makes %d (%q) %d, %t", c.text, c.id, c.name, id, ok)
		}
	}
	for _, text := range []string{"", "1", "1:", "1:2,", ",1:2", "1-x:5", "1:4294967296", "1:4294967295", "1x:2", "99999999999:1"} {
		if m, err := ParseIDMap(text); err == nil {
			t.Errorf("%q is %+v", text, m)
		}
	}
}

// FuzzIDMap: no text breaks the parser, which a far side's job reaches.
func FuzzIDMap(f *testing.F) {
	f.Add("0-99:nobody,wayne:admin,*:normal", uint32(5), "wayne")
	f.Add("[a-:1", uint32(0), "")
	f.Fuzz(func(t *testing.T, text string, id uint32, name string) {
		if m, err := ParseIDMap(text); err == nil {
			mapped(m.resolve(func(string) (uint32, bool) { return 1, true }, func(string) {}), id, name)
		}
	})
}

// TestUnsafeLinks: which symlinks lead out of the transfer.
func TestUnsafeLinks(t *testing.T) {
	for _, c := range []struct {
		path, target string
		unsafe       bool
	}{
		{"a", "b", false},
		{"a", "", true},
		{"a", "/etc/passwd", true},
		{"a", "..", true},
		{"a", "../b", true},
		{"d/a", "../b", false},
		{"d/a", "../../b", true},
		{"d/e/a", "../../b", false},
		{"d/a", "..", false},
		{"d/a", "../..", true},
		{"d/a", "b/../c", true},
		{"d/a", "../b/../c", true},
		{"d/a", "b/..", true},
		{"d/a", "./../b", true},
		{"d/a", "...", false},
	} {
		if got := isUnsafe(c.path, c.target); got != c.unsafe {
			t.Errorf("%s -> %s: unsafe is %t", c.path, c.target, got)
		}
	}
}

// TestMetaOptionsTravel: each option of metadata reaches the far side as it was, and a bad one is refused.
func TestMetaOptionsTravel(t *testing.T) {
	j := Job{Dest: "d"}
	for _, o := range j.Meta.flags() {
		*o.value = true
	}
	j.UserMap, j.GroupMap, j.Chmod, j.ChmodUmask = "1:2", "*:3", "D755,F644,u+w", 0o027
	got, err := decodeJob(j.encode(false))
	if err != nil || !reflect.DeepEqual(got.Meta, j.Meta) {
		t.Errorf("%+v became %+v, %v", j.Meta, got, err)
	}
	for _, bad := range [][2]string{{"chmod", "u+w"}, {"chmod", "9xx:u+w"}, {"chmod", "022:u+q"}, {"usermap", "1"}, {"groupmap", ""}, {"such", "1"}} {
		if err := new(Options).setOption(bad[0], bad[1]); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
