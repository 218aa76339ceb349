package engine

import "testing"

func TestUnlikeness(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"a", "a", 0},
		{"file.c", "file2.c", 1},
		{"file-1.2.tar.gz", "file-1.3.tar.gz", 1},
		{"report.txt", "report.doc", maxUnlike},
		{"log.1", "log.2", 1},
		{"main.go~", "main.go", 1},
		{"main.go.bak", "main.go", 4},
		{"", "abc", 3},
		{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", maxUnlike},
	} {
		if got := unlikeness(c.a, c.b, maxUnlike); got != c.want {
			t.Errorf("%q and %q differ by %d, want %d", c.a, c.b, got, c.want)
		}
		if got := unlikeness(c.b, c.a, maxUnlike); got != c.want {
			t.Errorf("%q and %q differ by %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestSuffix(t *testing.T) {
	for name, want := range map[string]string{
		"a": "", "a.c": "c", ".c": "", "a.tar.gz": "gz", "a.c~": "c", "a.c.bak": "c", "a.so.1.2": "so", "a.c.~1~": "c", "x.": "", "": "", "~": "",
	} {
		if got := suffix(name); got != want {
			t.Errorf("the suffix of %q is %q, want %q", name, got, want)
		}
	}
}
