package engine_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// linked reports whether two paths are one file.
func linked(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.Lstat(a)
	must(t, err)
	y, err := os.Lstat(b)
	must(t, err)
	return os.SameFile(x, y)
}

// TestLinkedContentChanges changes the content of a file with two names in
// ways that are found by reading only: both names have to get it.
func TestLinkedContentChanges(t *testing.T) {
	for _, x := range []struct {
		name     string
		checksum bool
		nsec     int64
		size     int
	}{
		{"checksum, small", true, 0, 10},
		{"checksum, delta", true, 0, 200 << 10},
		{"nanoseconds, small", false, 7, 10},
		{"nanoseconds, delta", false, 7, 200 << 10},
	} {
		t.Run(x.name, func(t *testing.T) {
			each(t, func(t *testing.T, w way) {
				src, dst := dirs(t, map[string]string{}, nil)
				a, b := filepath.Join(src, "a"), filepath.Join(src, "d/b")
				tree(t, src, map[string]string{"a": random(1, x.size), "d/": ""})
				must(t, os.Link(a, b))
				then := time.Unix(1_600_000_000, 123_456_789)
				must(t, os.Chtimes(a, then, then))
				job := jobFor(src, dst)
				job.HardLinks = true
				trial{way: w, job: job}.must(t)
				if !linked(t, filepath.Join(dst, "a"), filepath.Join(dst, "d/b")) {
					t.Fatal("not linked")
				}
				now := []byte(random(1, x.size))
				now[x.size/2] ^= 1
				must(t, os.WriteFile(a, now, 0o644))
				then = then.Add(time.Duration(x.nsec) * 1000)
				must(t, os.Chtimes(a, then, then))
				job.Checksum = x.checksum
				trial{way: w, job: job}.must(t)
				for _, name := range []string{"a", "d/b"} {
					if content(t, filepath.Join(dst, name)) != string(now) {
						t.Errorf("%s has the old content", name)
					}
				}
				if !linked(t, filepath.Join(dst, "a"), filepath.Join(dst, "d/b")) {
					t.Error("not linked any more")
				}
			})
		})
	}
}

// TestLinksRegroup moves a name from one group of links to another.
func TestLinksRegroup(t *testing.T) {
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, map[string]string{"a": "one", "b": "two"}, nil)
		at := func(name string) string { return filepath.Join(src, name) }
		must(t, os.Link(at("a"), at("c")))
		must(t, os.Link(at("b"), at("d")))
		job := jobFor(src, dst)
		job.HardLinks = true
		trial{way: w, job: job}.must(t)
		equalTrees(t, src, dst)
		must(t, os.Remove(at("c")))
		must(t, os.Link(at("b"), at("c")))
		must(t, os.Remove(at("d")))
		must(t, os.WriteFile(at("d"), []byte("alone"), 0o644))
		trial{way: w, job: job}.must(t)
		equalTrees(t, src, dst)
		if !linked(t, filepath.Join(dst, "b"), filepath.Join(dst, "c")) || linked(t, filepath.Join(dst, "b"), filepath.Join(dst, "d")) {
			t.Error("the groups are wrong")
		}
	})
}
