//go:build unix

package localfs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("HOME", "/home/me")
	for _, name := range []string{"a1", "a2", ".hidden", "b[1]", "d1/x", "d1/y", "d2/x", "d2/.z", "star*", "back\\slash"} {
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, nil, 0o644))
	}
	must(t, os.Symlink("d1", "dl"))
	for pattern, want := range map[string]string{
		"":             "",
		"a1":           "a1",
		"none":         "none",
		"a*":           "a1 a2",
		"a?":           "a1 a2",
		"a[2-9]":       "a2",
		"a[!2]":        "a1",
		"a[^2]":        "a1",
		"*":            "a1 a2 b[1] back\\slash d1 d2 dl star*",
		".h*":          ".hidden",
		"d*/x":         "d1/x d2/x dl/x",
		"d*/":          "d1/ d2/ dl/",
		"*/":           "d1/ d2/ dl/",
		"d2/*":         "d2/x",
		"d2/.*":        "d2/.z",
		"x*":           "x*",
		"x\\*":         "x*",
		"star\\*":      "star*",
		"a\\1":         "a\\1",
		"b[1]":         "b[1]", // as in a shell: the pattern matches b1, which does not exist
		"b\\[1]":       "b[1]",
		"b[[]1*":       "b[1]",
		"a[":           "a[",
		"~":            "/home/me",
		"~/x":          "/home/me/x",
		"~/":           "/home/me/",
		"~nobody-such": "~nobody-such",
		"\\~":          "\\~",
		"./a*":         "./a1 ./a2",
		dir + "/a*":    dir + "/a1 " + dir + "/a2",
		"d1//x":        "d1//x",
		"d*//x":        "d1//x d2//x dl//x",
		"back\\slash":  "back\\slash",
		"*\\slash":     "back\\slash",
	} {
		got, err := NewHost().Expand(t.Context(), pattern)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v, want %q", pattern, got, err, want)
		}
	}
}

func TestHostStat(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("hello"), 0o640))
	must(t, os.Symlink("file", filepath.Join(dir, "link")))
	h := NewHost()
	if e, err := h.Lstat(t.Context(), dir+"/link"); err != nil || e.Type != manifest.Symlink || e.Link() != "file" || e.Name != "link" {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := h.Stat(t.Context(), dir+"/link"); err != nil || !e.IsRegular() || e.Size != 5 || e.Mode != 0o640 {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err := h.Stat(t.Context(), dir+"/"); err != nil || !e.IsDir() || e.Name != filepath.Base(dir) {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := h.Stat(t.Context(), dir+"/none"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir+"/none") {
		t.Errorf("%v", err)
	}
	must(t, h.Mkdir(t.Context(), dir+"/new"))
	if err := h.Mkdir(t.Context(), dir+"/new"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	}
	if _, err := h.Source(t.Context(), dir+"/file"); err == nil {
		t.Error("a file was opened as a tree")
	}
	must(t, os.Symlink("new", dir+"/dirlink"))
	d, err := h.Dest(t.Context(), dir+"/dirlink", engine.DestOptions{})
	must(t, err)
	must(t, d.Mkdir(t.Context(), "sub"))
	must(t, d.Close())
	if !exists(dir + "/new/sub") {
		t.Error("the symlink to the root was not followed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Source(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestIDs(t *testing.T) {
	ids := NewHost().IDs()
	for range 2 {
		if name := ids.UserName(0); name != "root" {
			t.Errorf("user 0 is %q", name)
		}
		if uid, ok := ids.User("root"); !ok || uid != 0 {
			t.Errorf("root is %d, %v", uid, ok)
		}
		if name := ids.UserName(4_000_000_000); name != "" {
			t.Errorf("nobody is %q", name)
		}
		if _, ok := ids.Group("no-such-group"); ok {
			t.Error("there is a group that should not be")
		}
		if gid, ok := ids.Group(ids.GroupName(0)); !ok || gid != 0 {
			t.Errorf("group 0 is %d, %v", gid, ok)
		}
	}
	if ids.Root() != (os.Geteuid() == 0) || !ids.Member(uint32(os.Getegid())) {
		t.Error("the process does not know itself")
	}
}

// TestDirs: the cache keeps what is in use, and no more than it may of the rest.
func TestDirs(t *testing.T) {
	root := t.TempDir()
	tree := openTree(t, root, engine.DestOptions{Durability: engine.SyncNone})
	before := descriptors(t)
	var held []*dir
	for i := range tree.dirs.limit + 20 {
		name := string(rune('a'+i%26)) + strings.Repeat("x", i)
		if len(name) > 250 {
			name = "y" + name[:i-200]
		}
		must(t, tree.Mkdir(t.Context(), name))
		d, err := tree.dir(name)
		must(t, err)
		held = append(held, d)
	}
	if n := descriptors(t) - before; n != len(held) {
		t.Errorf("%d descriptors for %d directories", n, len(held))
	}
	again, err := tree.dir(held[0].path)
	must(t, err)
	if again != held[0] {
		t.Error("a directory was opened twice")
	}
	tree.dirs.drop(again.path)
	tree.dirs.release(again)
	fresh, err := tree.dir(again.path)
	must(t, err)
	if fresh == again {
		t.Error("a dropped directory is in use")
	}
	for _, d := range append(slices.Clone(held), fresh) {
		tree.dirs.release(d)
	}
	if n := descriptors(t) - before; n != tree.dirs.limit {
		t.Errorf("%d descriptors are kept", n)
	}
	must(t, tree.Close())
	if n := descriptors(t); n != before-1 {
		t.Errorf("%d descriptors became %d", before-1, n)
	}
}
