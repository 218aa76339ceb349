package engine_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestCompressed copies many files of every way of sending, small ones together, large
// ones in pieces and changed ones as deltas, all compressed: each frame's memory is given
// back once.
func TestCompressed(t *testing.T) {
	files := 240
	if testing.Short() { // with the race detector
		files = 16
	}
	each(t, func(t *testing.T, w way) {
		src, dst := dirs(t, nil, nil)
		for _, dir := range []string{src, dst} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		want := map[string][]byte{}
		for i := range files {
			name := fmt.Sprintf("file%03d", i)
			n := []int{2000, 60_000, 700_000, 2_000_000}[i%4]
			b := make([]byte, n/2) // as hexadecimal digits it compresses by half: to frames that take whole buffers
			_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(b)
			b = fmt.Appendf(nil, "%x", b)
			want[name] = b
			if err := os.WriteFile(filepath.Join(src, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
			if i%3 > 0 {
				continue
			}
			old := bytes.Clone(b)
			for at := i; at < len(old); at += 10_000 {
				old[at] ^= 1
			}
			if err := os.WriteFile(filepath.Join(dst, name), old[i+1:], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		job := jobFor(src, dst)
		job.Compress = true
		trial{way: w, job: job}.must(t)
		for name, b := range want {
			got, err := os.ReadFile(filepath.Join(dst, name))
			if err != nil || !bytes.Equal(got, b) {
				t.Errorf("%s has %d bytes, not the %d of the source, or others: %v", name, len(got), len(b), err)
			}
		}
	})
}
