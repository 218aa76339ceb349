package bench

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zeebo/blake3"
)

// errDiffers means that a destination does not hold what was copied.
var errDiffers = errors.New("the destination differs")

// sums are the BLAKE3 digests of the regular files below a directory, by their paths with slashes.
type sums map[string][32]byte

// sumTree reads all files below dir. Anything that is neither a directory nor a regular file is an error: the data sets
// have no such thing.
func sumTree(ctx context.Context, dir string) (sums, error) {
	s := sums{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return fmt.Errorf("%w: %s is no regular file", errDiffers, name)
		}
		rel, err := filepath.Rel(dir, name)
		if err == nil {
			s[filepath.ToSlash(rel)], err = sumFile(ctx, name)
		}
		return err
	})
	return s, err
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// until reads from r until ctx has ended.
func until(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return r.Read(p)
	})
}

func sumFile(ctx context.Context, name string) (sum [32]byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer f.Close() // it was only read
	h := blake3.New()
	if _, err := io.Copy(h, until(ctx, f)); err != nil {
		return sum, fmt.Errorf("reading %s: %w", name, err)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// compare returns the first difference to what a destination holds. more permits files that the source does not have:
// those of tools that cannot delete.
func (s sums) compare(there sums, more bool) error {
	for _, name := range s.names() {
		switch got, ok := there[name]; {
		case !ok:
			return fmt.Errorf("%w: %s is missing", errDiffers, name)
		case got != s[name]:
			return fmt.Errorf("%w: %s has other content", errDiffers, name)
		}
	}
	if more {
		return nil
	}
	for _, name := range there.names() {
		if _, ok := s[name]; !ok {
			return fmt.Errorf("%w: %s is not in the source", errDiffers, name)
		}
	}
	return nil
}

func (s sums) names() []string {
	names := make([]string, 0, len(s))
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// manifest writes the digests as b3sum does. The names of the data sets need no escaping.
func (s sums) manifest() []byte {
	var b []byte
	for _, name := range s.names() {
		sum := s[name]
		b = hex.AppendEncode(b, sum[:])
		b = append(b, "  "+name+"\n"...)
	}
	return b
}

// farDifferences reads what gosync verify --manifest prints: the first line that tells of a difference.
func farDifferences(out string, more bool) error {
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" || more && strings.HasPrefix(line, "not in the manifest: ") {
			continue
		}
		return fmt.Errorf("%w: %s", errDiffers, line)
	}
	return nil
}
