package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// The demonstration's tree: many small files and a large one, from a fixed seed.
const (
	demoDirs  = 20
	demoSmall = 600      // files of 1 to 8 KiB
	demoLarge = 24 << 20 // bytes
	demoBlock = 4 << 10  // bytes that one edit of the large file changes
	demoEdits = demoLarge / 100 / demoBlock
)

// treeSize is what was made.
type treeSize struct{ files, bytes int64 }

// makeTree fills dir.
func makeTree(ctx context.Context, dir string) (treeSize, error) {
	var made treeSize
	random := newRandom(1)
	put := func(name string, size int, mtime int64) error {
		content := make([]byte, size)
		_, _ = random.Read(content) // never fails
		made.files++
		made.bytes += int64(size)
		return writeAt(name, content, mtime)
	}
	for i := range demoSmall {
		if err := ctx.Err(); err != nil {
			return made, err
		}
		sub := filepath.Join(dir, fmt.Sprintf("dir%02d", i%demoDirs))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			return made, err
		}
		if err := put(filepath.Join(sub, fmt.Sprintf("file%03d", i)), 1024+7*i%7169, int64(i)); err != nil {
			return made, err
		}
	}
	if err := os.Symlink("dir00/file000", filepath.Join(dir, "link")); err != nil {
		return made, err
	}
	return made, put(filepath.Join(dir, "large.bin"), demoLarge, 0)
}

// newRandom returns a source of bytes that are the same in every run.
func newRandom(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

// writeAt writes a file and gives it a time that follows from step.
func writeAt(name string, content []byte, step int64) error {
	if err := os.WriteFile(name, content, 0o644); err != nil {
		return err
	}
	at := time.Unix(1_700_000_000+step, 0)
	return os.Chtimes(name, at, at)
}

// editTree changes about a hundredth of the tree: blocks scattered over the
// large file with an insertion in front, every hundredth small file, one new
// file and one removed. It returns how many bytes were changed.
func editTree(dir string) (int64, error) {
	random := rand.New(newRandom(2))
	large := filepath.Join(dir, "large.bin")
	content, err := os.ReadFile(large)
	if err != nil {
		return 0, err
	}
	block, changed := make([]byte, demoBlock), int64(0)
	fresh := newRandom(3)
	for range demoEdits {
		_, _ = fresh.Read(block) // never fails
		changed += int64(copy(content[random.IntN(len(content)-demoBlock):], block))
	}
	insert := []byte("a line in front moves everything behind it\n")
	changed += int64(len(insert))
	if err := writeAt(large, append(insert, content...), 10_000); err != nil {
		return 0, err
	}
	for i := 0; i < demoSmall; i += 100 {
		name := filepath.Join(dir, fmt.Sprintf("dir%02d", i%demoDirs), fmt.Sprintf("file%03d", i))
		content := []byte("changed, and shorter than before\n")
		changed += int64(len(content))
		if err := writeAt(name, content, 10_000); err != nil {
			return 0, err
		}
	}
	added := []byte("new\n")
	changed += int64(len(added))
	if err := writeAt(filepath.Join(dir, "new"), added, 10_000); err != nil {
		return 0, err
	}
	return changed, os.Remove(filepath.Join(dir, "dir01", "file001"))
}

// sameTrees reads both trees and returns the first difference.
func sameTrees(ctx context.Context, a, b string) error {
	names := map[string]bool{}
	err := filepath.WalkDir(a, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(a, path)
		if err != nil {
			return err
		}
		names[rel] = true
		return sameFile(path, filepath.Join(b, rel))
	})
	if err != nil {
		return err
	}
	return filepath.WalkDir(b, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(b, path)
		if err == nil && !names[rel] {
			err = fmt.Errorf("%s is at the destination only", rel)
		}
		return err
	})
}

// errDiffers marks two files that should be equal.
var errDiffers = errors.New("differs")

// sameFile compares type, mode, time to the second, and content.
func sameFile(a, b string) error {
	ia, err := os.Lstat(a)
	if err != nil {
		return err
	}
	ib, err := os.Lstat(b)
	if err != nil {
		return err
	}
	switch {
	case ia.Mode() != ib.Mode():
		return fmt.Errorf("%s: mode %w: %v and %v", b, errDiffers, ia.Mode(), ib.Mode())
	case ia.ModTime().Unix() != ib.ModTime().Unix():
		return fmt.Errorf("%s: time %w: %v and %v", b, errDiffers, ia.ModTime(), ib.ModTime())
	case ia.Mode()&fs.ModeSymlink != 0:
		return sameLink(a, b)
	case ia.Mode().IsRegular():
		return sameContent(a, b)
	}
	return nil
}

func sameLink(a, b string) error {
	ta, err := os.Readlink(a)
	if err != nil {
		return err
	}
	tb, err := os.Readlink(b)
	if err == nil && ta != tb {
		err = fmt.Errorf("%s: target %w", b, errDiffers)
	}
	return err
}

func sameContent(a, b string) error {
	fa, err := os.Open(a)
	if err != nil {
		return err
	}
	defer fa.Close()
	fb, err := os.Open(b)
	if err != nil {
		return err
	}
	defer fb.Close()
	ba, bb := make([]byte, 256<<10), make([]byte, 256<<10)
	for {
		na, ea := io.ReadFull(fa, ba)
		nb, eb := io.ReadFull(fb, bb)
		switch {
		case !bytes.Equal(ba[:na], bb[:nb]):
			return fmt.Errorf("%s: content %w", b, errDiffers)
		case ea != nil && !errors.Is(ea, io.EOF) && !errors.Is(ea, io.ErrUnexpectedEOF):
			return ea
		case eb != nil && !errors.Is(eb, io.EOF) && !errors.Is(eb, io.ErrUnexpectedEOF):
			return eb
		case ea != nil || eb != nil:
			return nil
		}
	}
}
