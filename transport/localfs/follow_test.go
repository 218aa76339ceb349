//go:build unix

package localfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// shown returns the names and types that a tree lists in a directory, and the paths of its errors.
func shown(t *testing.T, tree *Tree, dir string) (have []string, bad map[string]error) {
	t.Helper()
	entries, err := tree.List(t.Context(), dir)
	for _, e := range entries {
		have = append(have, e.Name+" "+e.Type.String())
	}
	slices.Sort(have)
	bad = map[string]error{}
	if err == nil {
		return have, bad
	}
	all, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%s: %v is one error", dir, err)
	}
	for _, err := range all.Unwrap() {
		var path *fs.PathError
		if !errors.As(err, &path) {
			t.Fatalf("%s: %v names no path", dir, err)
		}
		bad[strings.TrimPrefix(path.Path, tree.root+"/")] = path.Err
	}
	return have, bad
}

// TestFollow: symlinks are what they lead to, loops end, and what leads nowhere is told of.
func TestFollow(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "d/e"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "d/f"), []byte("hello"), 0o640))
	must(t, os.WriteFile(filepath.Join(outside, "g"), []byte("outside"), 0o600))
	for name, target := range map[string]string{
		"file": "d/f", "dir": "d", "out": outside, "twice": "file", "none": "nowhere", "self": "self", "top": ".",
		"d/e/up": "..", "d/e/root": "../..", "d/e/parent": root + "/..",
	} {
		must(t, os.Symlink(target, filepath.Join(root, name)))
	}
	tree := openTree(t, root, engine.DestOptions{ReadOnly: true})
	defer tree.Close()
	must(t, tree.Follow())
	for dir, want := range map[string]string{
		"":      "d directory dir directory file file out directory twice file",
		"dir":   "e directory f file",
		"out":   "g file",
		"d/e":   "parent directory",
		"dir/e": "parent directory",
		"d/e/parent/" + filepath.Base(root) + "x": "",
	} {
		if want == "" {
			if _, err := tree.List(t.Context(), dir); err == nil {
				t.Errorf("%s was listed", dir)
			}
			continue
		}
		have, bad := shown(t, tree, dir)
		if strings.Join(have, " ") != want {
			t.Errorf("%q has %q, want %q", dir, have, want)
		}
		switch dir {
		case "":
			if len(bad) != 3 || !errors.Is(bad["none"], fs.ErrNotExist) || !errors.Is(bad["self"], unix.ELOOP) || !errors.Is(bad["top"], errLoop) {
				t.Errorf("errors: %v", bad)
			}
		case "d/e", "dir/e":
			if len(bad) != 2 || !errors.Is(bad[dir+"/up"], errLoop) || !errors.Is(bad[dir+"/root"], errLoop) {
				t.Errorf("%s: errors: %v", dir, bad)
			}
		default:
			if len(bad) > 0 {
				t.Errorf("%s: errors: %v", dir, bad)
			}
		}
	}
	// A link that leads out and a real directory below it make a loop, too.
	if have, _ := shown(t, tree, "d/e/parent"); slices.ContainsFunc(have, func(n string) bool { return strings.HasPrefix(n, filepath.Base(root)+" ") }) {
		t.Errorf("the root is found again: %q", have)
	}
	for name, want := range map[string]string{"twice": "hello", "dir/f": "hello", "out/g": "outside"} {
		content, err := tree.ReadFile(t.Context(), name, 100)
		if err != nil || string(content) != want {
			t.Errorf("%s: %q, %v", name, content, err)
		}
		f, err := tree.Open(t.Context(), name)
		must(t, err)
		if e, err := f.Stat(); err != nil || !e.IsRegular() {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		must(t, f.Close())
	}
	if _, err := tree.Open(t.Context(), "dir"); err == nil {
		t.Error("a directory was opened as a file")
	}
	if err := tree.Mkdir(t.Context(), "new"); err == nil {
		t.Error("a tree that follows was changed")
	}
}

// TestFollowMany: the errors of one directory are bounded.
func TestFollowMany(t *testing.T) {
	root := t.TempDir()
	for i := range maxUnfollowed + 20 {
		must(t, os.Symlink("nowhere", filepath.Join(root, strings.Repeat("x", i+1))))
	}
	tree := openTree(t, root, engine.DestOptions{ReadOnly: true})
	defer tree.Close()
	must(t, tree.Follow())
	entries, err := tree.List(t.Context(), "")
	if len(entries) != 0 || !strings.Contains(err.Error(), "and 20 more") || strings.Count(err.Error(), "\n") != maxUnfollowed {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

// TestFollowRestricted: what clients see of one directory never follows symlinks.
func TestFollowRestricted(t *testing.T) {
	root := t.TempDir()
	must(t, os.Symlink("/etc", filepath.Join(root, "out")))
	h, err := Restrict(root, true, nil)
	must(t, err)
	defer h.Close()
	tree, err := h.Source(t.Context(), "/")
	must(t, err)
	defer tree.Close()
	if err := tree.(engine.Follower).Follow(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("it follows: %v", err)
	}
	entries, err := tree.List(t.Context(), "")
	if err != nil || len(entries) != 1 || entries[0].Type != manifest.Symlink {
		t.Errorf("%+v, %v", entries, err)
	}
}
