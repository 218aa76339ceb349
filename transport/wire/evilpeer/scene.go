package evilpeer

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gosync/delta"
	"gosync/transport/wire"
)

// Scene is what a case takes place in: two trees and a job.
type Scene struct {
	Name    string
	Trees   func() (src, dst Files) // made when they are needed: some are large
	Sources []string                // of the job, below the source tree's root
	Files   []string                // names below the only source, as --files-from has them; nil for none
	Flags   []string                // beside those of an archive run, named as on the command line
	Cut     Rule                    // a run that ends early goes before; nil for none
	Keep    []string                // what must be left of the destination, as it was, whatever is said
	Control wire.Code               // exit status of a client when nobody lies
	New     bool                    // the destination does not exist: Trees says what lies around it
	User    bool                    // the victim has not the rights of root
	Moves   bool                    // a run that ends well leaves nothing of the source but directories
}

// Files is a tree: names to contents. A name that ends in a slash is a directory;
// content that begins with "->" is the target of a symlink, with "=>" a file to
// make a hard link to, and with "~" that of a file that is a second older than
// others of its name.
type Files map[string]string

// Names of the directories of a bench.
const (
	srcName = "src"
	dstName = "around/dst"
)

// Bench is a scene that was made: a directory with the two trees, and others that
// nobody may touch.
type Bench struct {
	Scene *Scene
	Top   string

	dst Files
}

// Src and Dst are the roots of the trees.
func (b *Bench) Src() string { return filepath.Join(b.Top, srcName) }

// Dst is the root of the destination.
func (b *Bench) Dst() string {
	if b.Scene.New {
		return filepath.Join(b.place(), "new")
	}
	return b.place()
}

// place is where the destination is, or is to be made.
func (b *Bench) place() string { return filepath.Join(b.Top, dstName) }

// Sources are the operands of the job.
func (b *Bench) Sources() (list []string) {
	for _, s := range b.Scene.Sources {
		list = append(list, b.Src()+"/"+s)
	}
	return list
}

// Make makes the scene in an empty directory.
func (s *Scene) Make(top string) (*Bench, error) {
	src, dst := s.Trees()
	b := &Bench{Scene: s, Top: top, dst: dst}
	if err := makeTree(filepath.Join(top, "around"), canary()); err != nil {
		return nil, err
	}
	if err := makeTree(b.Src(), src); err != nil {
		return nil, err
	}
	return b, makeTree(b.place(), dst)
}

// Reset makes the destination anew.
func (b *Bench) Reset() error {
	if err := os.RemoveAll(b.place()); err != nil {
		return err
	}
	return makeTree(b.place(), b.dst)
}

// Kept returns an error unless what must be kept of the destination is there.
func (b *Bench) Kept() error {
	for _, name := range b.Scene.Keep {
		got, err := os.ReadFile(filepath.Join(b.Dst(), name))
		if err != nil || string(got) != strings.TrimPrefix(b.dst[name], "~") {
			return fmt.Errorf("%s was not kept: %q, %w", name, got, err)
		}
	}
	return nil
}

// canary is what lies around the destination.
func canary() Files {
	return Files{
		"keep.txt": "keep", "etc/passwd": "root", "etc/link": "->passwd", "dst-sibling/a": "a", "a": "a", "d/e": "e", "x": "x",
	}
}

// makeTree makes a tree with fixed times. The length of a name goes into a file's
// time, so that files of one name are equal to a quick check if their sizes are.
func makeTree(dir string, files Files) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names := slices.SortedFunc(maps.Keys(files), func(a, b string) int { // links behind what they lead to
		return cmp.Or(cmp.Compare(rank(files[a]), rank(files[b])), cmp.Compare(a, b))
	})
	for _, name := range names {
		if err := makeEntry(dir, name, files[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(files))) { // what lies in a directory changed its time
		for p := filepath.Dir(filepath.Join(dir, name)); len(p) >= len(dir); p = filepath.Dir(p) {
			if err := os.Chtimes(p, epoch(0), epoch(0)); err != nil {
				return err
			}
		}
	}
	return os.Chtimes(dir, epoch(0), epoch(0))
}

func rank(content string) int {
	if strings.HasPrefix(content, "=>") {
		return 1
	}
	return 0
}

func epoch(n int) time.Time { return time.Unix(1_600_000_000+int64(n), 0) }

func makeEntry(dir, name, content string) error {
	p := filepath.Join(dir, name)
	if strings.HasSuffix(name, "/") {
		return os.MkdirAll(p, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	if target, ok := strings.CutPrefix(content, "->"); ok {
		return os.Symlink(target, p)
	}
	if target, ok := strings.CutPrefix(content, "=>"); ok {
		return os.Link(filepath.Join(dir, target), p)
	}
	content, old := strings.CutPrefix(content, "~")
	then := epoch(len(name))
	if old {
		then = then.Add(-time.Second)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		return err
	}
	return os.Chtimes(p, then, then)
}

// Snapshot describes everything around the destination, the source included.
func (b *Bench) Snapshot() (map[string]string, error) { return snapshot(b.Top, b.place()) }

// Tree describes a tree: path to type, mode, time and content. Temporaries of
// gosync are left out.
func Tree(root string) (map[string]string, error) { return snapshot(root, "") }

func snapshot(root, but string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p == but:
			return fs.SkipDir
		case strings.HasPrefix(e.Name(), ".gosync."):
			return nil
		}
		st, err := os.Lstat(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		out[rel], err = describe(p, st)
		return err
	})
	return out, err
}

func describe(p string, st fs.FileInfo) (string, error) {
	s := fmt.Sprintf("%v %d", st.Mode(), st.ModTime().UnixNano())
	switch {
	case st.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(p)
		return "-> " + target, err
	case st.Mode().IsRegular():
		content, err := os.ReadFile(p)
		return fmt.Sprintf("%s %d %x", s, len(content), delta.Sum(content)), err
	}
	return s, nil
}

// Differences lists the paths in which two descriptions differ, a few of them.
func Differences(want, got map[string]string) (list []string) {
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if got[p] != want[p] {
			list = append(list, fmt.Sprintf("%q: have %q, want %q", p, got[p], want[p]))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[p]; !ok {
			list = append(list, fmt.Sprintf("%q should not be there: %q", p, got[p]))
		}
	}
	return list[:min(len(list), 5)]
}

// Random is content that does not compress.
func Random(seed byte, n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // it cannot fail
	return string(b)
}
