package delta

import (
	"bytes"
	"compress/flate"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPair measures two versions of a real tree or file, given as OLD:NEW in
// GOSYNC_PAIR, and prints what each changed file costs on the line, literals
// deflated.
func TestPair(t *testing.T) {
	before, after, ok := strings.Cut(os.Getenv("GOSYNC_PAIR"), ":")
	if !ok {
		t.Skip("GOSYNC_PAIR is not set")
	}
	var all traffic
	packed, whole := 0, 0
	err := filepath.WalkDir(after, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		target, err := os.ReadFile(path)
		check(t, err)
		basis, err := os.ReadFile(before + path[len(after):])
		if err != nil || bytes.Equal(basis, target) {
			return nil
		}
		s := newSession(basis)
		var literals bytes.Buffer
		s.literals = &literals
		tr := roundTrip(t, s, basis, target)
		z, w := deflated(t, literals.Bytes()), deflated(t, target)
		packed += z
		whole += w
		t.Logf("%9d total %8d packed %8d whole %8d %+v %s", len(target), tr.total(), tr.total()-tr.literals+z, w, tr, path[len(after):])
		all.signature += tr.signature
		all.segments += tr.segments
		all.questions += tr.questions
		all.answers += tr.answers
		all.literals += tr.literals
		all.rounds += tr.rounds
		return nil
	})
	check(t, err)
	t.Logf("all: total %d, literals packed %d, whole packed %d, %+v", all.total()-all.literals+packed, packed, whole, all)
}

func deflated(t *testing.T, b []byte) int {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	check(t, err)
	_, err = w.Write(b)
	check(t, err)
	check(t, w.Close())
	return out.Len()
}
