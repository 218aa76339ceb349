package bench

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// made makes a data set and returns its directory.
func made(t *testing.T, name string, c *Config) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := makeData(t.Context(), name, dir, c); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, treeName)
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSeeds checks that a seed makes the same data each time, and another one other data.
func TestSeeds(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"random", "text", "small", "edits", "insert", "renamed"} {
		seen := make([]sums, 3)
		for i, seed := range []uint64{7, 7, 8} {
			var err error
			if seen[i], err = sumTree(t.Context(), made(t, name, &Config{Size: 100_000, Files: 120, Seed: seed})); err != nil {
				t.Fatal(err)
			}
		}
		if !maps.Equal(seen[0], seen[1]) {
			t.Errorf("%s: a seed made other data the second time", name)
		}
		if maps.Equal(seen[0], seen[2]) {
			t.Errorf("%s: another seed made the same data", name)
		}
	}
}

// TestLargeFiles checks what the changed files are made of, and that the described sizes are those on the disk.
func TestMakingEnds(t *testing.T) {
	t.Parallel()
	cancelled := errors.New("the user has had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cancelled)
	c := &Config{Size: 1 << 20, Files: 100, Seed: 1}
	for _, name := range []string{"random", "text", "edits", "insert", "small", "renamed"} {
		dir := t.TempDir()
		if err := makeData(ctx, name, dir, c); !errors.Is(err, cancelled) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Stat(filepath.Join(dir, treeName, largeName)); err == nil && info.Size() > 0 {
			t.Errorf("%s: %d bytes were written", name, info.Size())
		}
	}
	// A file that is being read is not read to its end.
	if err := makeData(t.Context(), "random", t.TempDir()+"/data", c); err != nil {
		t.Fatal(err)
	}
	dir := made(t, "random", c)
	if _, err := sumTree(&ending{Context: t.Context(), left: 5}, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v", err)
	}
}

// ending is a context that ends when it was asked that often.
type ending struct {
	context.Context
	left int
}

func (e *ending) Err() error {
	if e.left--; e.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestLargeFiles(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{leastSize, 1_234_567, 4 << 20} {
		c := &Config{Size: size, Files: 1, Seed: 3}
		file := func(name string) []byte { return read(t, filepath.Join(made(t, name, c), largeName)) }
		plain, edited, inserted := file("random"), file("edits"), file("insert")
		if int64(len(plain)) != size || int64(len(edited)) != size {
			t.Fatalf("%d bytes and %d edited, want %d", len(plain), len(edited), size)
		}
		if !bytes.Equal(inserted[insertSize(size):], plain) {
			t.Error("the insertion changed what is behind it")
		}
		changed, places := 0, 0
		for i := range plain {
			if plain[i] != edited[i] {
				changed++
				if i == 0 || plain[i-1] == edited[i-1] {
					places++
				}
			}
		}
		want := int(edits(size) * editSize)
		if changed < want*98/100 || changed > want { // one byte in 256 is changed to itself
			t.Errorf("%d bytes of %d are changed, want %d", changed, size, want)
		}
		if least := int(edits(size)); places < least {
			t.Errorf("the changes are in %d places, want %d at least", places, least)
		}
		for _, set := range cases(c) {
			if set.tree == "small" || set.tree == "renamed" {
				continue
			}
			if got := int64(len(file(set.tree))); got != set.Bytes {
				t.Errorf("%s: %d bytes, %d are said", set.Name, got, set.Bytes)
			}
		}
	}
}

// TestCompressible checks how well the data compresses.
func TestCompressible(t *testing.T) {
	t.Parallel()
	c := &Config{Size: 1 << 20, Seed: 3}
	for name, want := range map[string][2]float64{"random": {0.99, 1.01}, "text": {0.1, 0.4}} {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, flate.DefaultCompression) // the level is a valid one
		if _, err := w.Write(read(t, filepath.Join(made(t, name, c), largeName))); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if part := float64(b.Len()) / float64(c.Size); part < want[0] || part > want[1] {
			t.Errorf("%s compresses to %.2f", name, part)
		}
	}
}

// TestRenamed checks that the renamed tree has the same files, with the same times, under other names.
func TestRenamed(t *testing.T) {
	t.Parallel()
	c := &Config{Files: 250, Seed: 3}
	content := func(name string) (all [][32]byte, names []string) {
		s, err := sumTree(t.Context(), made(t, name, c))
		if err != nil {
			t.Fatal(err)
		}
		for name, sum := range s {
			all, names = append(all, sum), append(names, name)
		}
		slices.SortFunc(all, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
		return all, names
	}
	before, names := content("small")
	after, moved := content("renamed")
	if len(before) != 250 || !slices.Equal(before, after) {
		t.Errorf("%d files became %d, or their content changed", len(before), len(after))
	}
	for _, name := range moved {
		if slices.Contains(names, name) {
			t.Errorf("%s was not renamed", name)
		}
	}
	a, b := made(t, "small", c), made(t, "renamed", c)
	x, err1 := os.Stat(filepath.Join(a, "dir0001", "file00123"))
	y, err2 := os.Stat(filepath.Join(b, "moved0001", "file00123"))
	if err1 != nil || err2 != nil || !x.ModTime().Equal(y.ModTime()) {
		t.Errorf("the time changed: %v, %v", err1, err2)
	}
}
