package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gosync/delta"
)

// edit makes a new content from an old one; literal is how many bytes of it
// may cross the line.
type edit struct {
	name    string
	apply   func(old string) string
	literal int64
}

func edits() []edit {
	return []edit{
		{"same content", func(s string) string { return s }, 0},
		{"edit", func(s string) string { return s[:len(s)/2] + "EDITED" + s[len(s)/2+6:] }, 40 << 10},
		{"insert", func(s string) string { return s[:len(s)/3] + "INSERTED" + s[len(s)/3:] }, 40 << 10},
		{"prepend", func(s string) string { return "FRONT" + s }, 40 << 10},
		{"append", func(s string) string { return s + random(77, 5000) }, 45 << 10},
		{"truncate", func(s string) string { return s[:len(s)*2/3] }, 40 << 10},
		{"shuffle", func(s string) string { h := len(s) / 2; return s[h:] + s[:h] }, 80 << 10},
		{"double", func(s string) string { return s + s }, 80 << 10},
		{"rewrite", func(s string) string { return random(78, len(s)) }, -1},
	}
}

// TestDelta changes files of sizes at which something about deltas changes, and
// wants the new content there, at the price that a delta may have.
func TestDelta(t *testing.T) {
	sizes := []int{
		0, 1, 100, 511, 512, 513, 4<<10 - 1, 4 << 10, 4<<10 + 1, 64<<10 - 1, 64<<10 + 1, 128 << 10, 128<<10 + 1,
		delta.ChunkSize - 1, delta.ChunkSize, delta.ChunkSize + 1, 9 << 20,
	}
	olds := make([]string, len(sizes))
	for i, n := range sizes {
		olds[i] = random(uint64(i+1), n)
	}
	each(t, func(t *testing.T, w way) {
		for _, inPlace := range []bool{false, true} {
			for k, e := range edits() {
				if testing.Short() && k%3 != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s,inplace=%v", e.name, inPlace), func(t *testing.T) {
					testEdit(t, w, e, inPlace, olds)
				})
			}
		}
	})
}

func testEdit(t *testing.T, w way, e edit, inPlace bool, olds []string) {
	srcDir, dstDir := dirs(t, map[string]string{}, map[string]string{})
	var large, total int64
	for _, old := range olds {
		n := len(old)
		if n < 16 && e.name != "append" && e.name != "same content" && e.name != "double" && e.name != "rewrite" {
			continue
		}
		if n >= delta.ChunkSize-1 && w == local && e.name != "edit" || n == 9<<20 && (w != push || inPlace || e.name != "shuffle" && e.name != "edit") {
			continue // takes its time and shows what the other ways show
		}
		now := e.apply(old)
		name := fmt.Sprint("f", n)
		must(t, os.WriteFile(filepath.Join(dstDir, name), []byte(old), 0o644))
		must(t, os.WriteFile(filepath.Join(srcDir, name), []byte(now), 0o644))
		then := time.Unix(1_500_000_000, 5)
		must(t, os.Chtimes(filepath.Join(srcDir, name), then, then))
		total += int64(len(now))
		if n > 4<<10 && len(now) >= 4<<10 {
			large++
		}
	}
	c := trial{way: w, job: jobFor(srcDir, dstDir)}
	c.job.InPlace = inPlace
	out := c.must(t)
	equalTrees(t, srcDir, dstDir)
	if got := out.sum.Literal + out.sum.Matched; got != total {
		t.Errorf("literal %d + matched %d is %d, want the size of the files, %d", out.sum.Literal, out.sum.Matched, got, total)
	}
	// The small ones go whole, and in place nothing can be taken from behind.
	limit := 16<<10 + large*e.literal
	if e.literal >= 0 && (!inPlace || e.name != "insert" && e.name != "prepend" && e.name != "shuffle" && e.name != "double") && out.sum.Literal > limit {
		t.Errorf("literal %d, want no more than %d of %d", out.sum.Literal, limit, total)
	}
	again := c.must(t)
	if again.sum.Transferred != 0 {
		t.Errorf("again: %d files", again.sum.Transferred)
	}
}
