package localfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/internal/engine/treetest"
	"gosync/internal/need"
	"gosync/walker/manifest"
)

// canary stands in files that nobody may see.
const canary = "CANARY-3f9c"

// restricted makes a directory to be given access to, beside one that is not.
func restricted(t *testing.T, readOnly, resolves bool) (h *Restricted, root, outside string) {
	t.Helper()
	top := t.TempDir()
	root, outside = filepath.Join(top, "root"), filepath.Join(top, "outside")
	for _, dir := range []string{root, outside, filepath.Join(root, "in"), filepath.Join(root, "~root"), filepath.Join(outside, "sub")} {
		must(t, os.Mkdir(dir, 0o755))
	}
	for _, file := range []string{"root/in/file", "root/file"} {
		must(t, os.WriteFile(filepath.Join(top, file), []byte("fine"), 0o644))
	}
	for _, file := range []string{"outside/" + canary, "outside/sub/" + canary} {
		must(t, os.WriteFile(filepath.Join(top, file), []byte(canary), 0o644))
	}
	for link, target := range map[string]string{
		"up": "..", "out": "../outside", "abs": outside, "deep": "in/../../outside/sub", "self": root, "chain": "out/sub",
		"proc": "/proc/self/root", "within": "in", "leaf": "../outside/" + canary,
	} {
		must(t, os.Symlink(target, filepath.Join(root, link)))
	}
	h, err := Restrict(root, readOnly, nil)
	must(t, err)
	t.Cleanup(func() { _ = h.Close() })
	h.resolves = h.resolves && resolves
	return h, root, outside
}

// outsidePaths are paths of a client that lead out, or would.
func outsidePaths(outside string) []string {
	paths := []string{
		"..", "../", "../outside", "/..", "//../outside", "in/../../outside", "./../outside", "up", "up/", "up/outside", "out", "out/",
		"out/.", "out/sub", "abs", "abs/", "abs/sub", "deep", "chain", "self/../outside", "proc/", "proc/etc", "leaf", "leaf/",
		"within/../../outside", "~/../outside", "~/out", "~root/../../outside", "out/" + canary, "in/../up/outside/" + canary,
		"/proc/self/root/etc/passwd", "/etc/passwd", "/dev/fd/3", outside, outside + "/" + canary, "~root/.ssh", "~nobody/x",
		"in\x00/../../outside", "\x00", "..\x00", "in/" + strings.Repeat("../", 40) + "etc/passwd", strings.Repeat("a/", 3000),
	}
	return paths
}

// ways calls f with and without the system call that resolves paths.
func ways(t *testing.T, f func(t *testing.T, resolves bool)) {
	for _, resolves := range []bool{true, false} {
		t.Run(fmt.Sprintf("openat2 %v", resolves), func(t *testing.T) { f(t, resolves) })
	}
}

// TestRestrictedPaths: whatever a client names, nothing outside is opened, looked
// at, made or listed.
func TestRestrictedPaths(t *testing.T) {
	ways(t, func(t *testing.T, resolves bool) {
		h, _, outside := restricted(t, false, resolves)
		before := listAll(t, outside)
		ctx := t.Context()
		for _, path := range outsidePaths(outside) {
			if src, err := h.Source(ctx, path); err == nil {
				t.Errorf("%q was opened", path)
				_ = src.Close()
			}
			if dst, err := h.Dest(ctx, path, engine.DestOptions{}); err == nil {
				t.Errorf("%q was opened as a destination", path)
				_ = dst.Close()
			}
			if e, err := h.Stat(ctx, path); err == nil {
				t.Errorf("%q was looked at: %+v", path, e)
			}
			if e, err := h.Lstat(ctx, path); err == nil && e.Type != manifest.Symlink {
				t.Errorf("%q was looked at: %+v", path, e)
			}
			if err := h.Mkdir(ctx, path+"/made"); err == nil {
				t.Errorf("a directory was made in %q", path)
			}
			found, err := h.Expand(ctx, path+"/*")
			if err != nil || len(found) != 1 || found[0] != strings.Replace(path, "~/", "./", 1)+"/*" {
				t.Errorf("%q expands to %q, %v", path+"/*", found, err)
			}
		}
		for _, path := range []string{"", ".", "/", "~", "~/", "//", "in", "/in", "/in/", "in/.", "~/in", "in/../in", "~root"} {
			if !resolves && strings.Contains(path, "..") {
				continue // refused where the system does not help
			}
			found, err := h.Expand(ctx, path)
			if err != nil || len(found) != 1 {
				t.Fatalf("%q expands to %q, %v", path, found, err)
			}
			src, err := h.Source(ctx, found[0])
			if err != nil {
				t.Errorf("%q: %v", path, err)
				continue
			}
			must(t, src.Close())
		}
		if after := listAll(t, outside); after != before {
			t.Errorf("outside is\n%s\nand was\n%s", after, before)
		}
	})
}

// TestRestrictedExpand: patterns see what is below, and follow links only inside.
func TestRestrictedExpand(t *testing.T) {
	h, _, _ := restricted(t, false, true)
	for pattern, want := range map[string][]string{
		"f*":        {"file"},
		"/in/*":     {"/in/file"},
		"~/f*":      {"./file"},
		"*/file":    {"in/file", "within/file"},
		"out/*":     {"out/*"},
		"*/" + "C*": {"*/C*"},
		"../*":      {"../*"},
		"o*/*":      {"o*/*"},
		"/etc/*":    {"/etc/*"},
		"~root/*":   {"~root/*"},
	} {
		if got, err := h.Expand(t.Context(), pattern); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q expands to %q (%v), want %q", pattern, got, err, want)
		}
	}
}

// TestRestrictedRootIsPinned: who renames the directory and puts a symlink in its
// place leads nobody astray.
func TestRestrictedRootIsPinned(t *testing.T) {
	h, root, outside := restricted(t, false, true)
	must(t, os.Rename(root, root+".moved"))
	must(t, os.Symlink(outside, root))
	if _, err := h.Stat(t.Context(), canary); err == nil {
		t.Error("the symlink is followed")
	}
	tree, err := h.Dest(t.Context(), "/", engine.DestOptions{})
	must(t, err)
	must(t, tree.Mkdir(t.Context(), "new"))
	must(t, tree.Close())
	if !exists(filepath.Join(root+".moved", "new")) || exists(filepath.Join(outside, "new")) {
		t.Error("the directory was made in the wrong place")
	}
}

// TestMunged: links are made harmless on the disk and look to the client as it has
// made them, however often they go to and fro.
func TestMunged(t *testing.T) {
	h, root, _ := restricted(t, false, true)
	ctx := t.Context()
	tree, err := h.Dest(ctx, "in", engine.DestOptions{})
	must(t, err)
	defer tree.Close()
	for i, target := range []string{"x", "../../outside", "/etc", "/gosync-munged/twice", strings.Repeat("l", 200)} {
		name := fmt.Sprint("link", i)
		e := &manifest.Entry{Name: name, Type: manifest.Symlink, Size: int64(len(target)), Ext: &manifest.Ext{Link: target}}
		must(t, tree.Symlink(ctx, name, e, 0))
		if disk, err := os.Readlink(filepath.Join(root, "in", name)); err != nil || disk != "/gosync-munged/"+target {
			t.Errorf("%q is %q on the disk, %v", target, disk, err)
		}
		st, err := tree.Stat(ctx, name)
		must(t, err)
		lst, err := h.Lstat(ctx, "in/"+name)
		must(t, err)
		entries, err := tree.List(ctx, "")
		must(t, err)
		k := slices.IndexFunc(entries, func(e manifest.Entry) bool { return e.Name == name })
		for _, got := range []manifest.Entry{st, lst, entries[k]} {
			if got.Link() != target || got.Size != int64(len(target)) {
				t.Errorf("%q is shown as %q with %d bytes", target, got.Link(), got.Size)
			}
		}
	}
}

// TestRestrictedReadOnly: nothing below is changed by a host that is read only.
func TestRestrictedReadOnly(t *testing.T) {
	h, _, _ := restricted(t, true, true)
	if _, err := h.Dest(t.Context(), "in", engine.DestOptions{}); err == nil {
		t.Error("a destination was opened")
	}
	if err := h.Mkdir(t.Context(), "in/new"); err == nil {
		t.Error("a directory was made")
	}
	w, _, _ := restricted(t, false, true)
	for _, dir := range []string{"/tmp/x", "../x", "/"} {
		if _, err := w.Dest(t.Context(), "in", engine.DestOptions{PartialDir: dir}); err == nil {
			t.Errorf("partials may go to %s", dir)
		}
	}
}

// TestRestrictedMergeFiles: filter files come from the tree only.
func TestRestrictedMergeFiles(t *testing.T) {
	h, _, outside := restricted(t, true, true)
	src, err := h.Source(t.Context(), "/")
	must(t, err)
	defer src.Close()
	for _, name := range []string{"../outside/" + canary, "leaf", "out/" + canary, outside + "/" + canary, "in/../../outside/" + canary} {
		if text, err := src.ReadFile(t.Context(), name, 1<<20); err == nil {
			t.Errorf("%s was read: %q", name, text)
		}
	}
	if text, err := src.ReadFile(t.Context(), "in/file", 1<<20); err != nil || string(text) != "fine" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestRestrictedSource runs the tests of all sources on one below a directory.
func TestRestrictedSource(t *testing.T) {
	for _, readOnly := range []bool{true, false} {
		treetest.TestSource(t, func(t *testing.T) (engine.Source, string) {
			root := t.TempDir()
			h, err := Restrict(root, readOnly, nil)
			must(t, err)
			t.Cleanup(func() { _ = h.Close() })
			tree, err := h.Source(t.Context(), "/")
			must(t, err)
			t.Cleanup(func() { _ = tree.Close() })
			return tree, root
		}, treetest.Limits{})
	}
}

// TestNoReplace: what has a name keeps it.
func TestNoReplace(t *testing.T) {
	for _, policy := range []engine.Durability{engine.SyncRun, engine.SyncEach, engine.SyncNone} {
		root := t.TempDir()
		ctx := context.Background()
		must(t, os.WriteFile(filepath.Join(root, "old"), []byte("old"), 0o600))
		tree := openTree(t, root, engine.DestOptions{NoReplace: true, Durability: policy})
		results := map[string]error{}
		put(t, tree, "old", "new", func(err error) { results["commit"] = err })
		put(t, tree, "new", "new", func(err error) { results["fresh"] = err })
		must(t, tree.Sync(ctx))
		link := &manifest.Entry{Name: "old", Type: manifest.Symlink, Ext: &manifest.Ext{Link: "x"}}
		results["symlink"] = tree.Symlink(ctx, "old", link, 0)
		results["mknod"] = tree.Mknod(ctx, "old", &manifest.Entry{Type: manifest.Fifo}, 0)
		results["link"] = tree.Link(ctx, "old", "new")
		must(t, tree.Close())
		for op, err := range results {
			if want := op != "fresh"; errors.Is(err, fs.ErrExist) != want {
				t.Errorf("%s: %v", op, err)
			}
		}
		names, _ := os.ReadDir(root)
		if text, _ := os.ReadFile(filepath.Join(root, "old")); string(text) != "old" || len(names) != 2 {
			t.Errorf("the old file is %q, there are %v", text, names)
		}
	}
}

// TestSessions: so many at a time, and a place that was given back is free.
func TestSessions(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	h, _, _ := restricted(t, true, true)
	first, err := h.Session(2)
	must(t, err)
	_, err = h.Session(2)
	must(t, err)
	if _, err := h.Session(2); !errors.Is(err, engine.ErrInUse) {
		t.Errorf("a third one: %v", err)
	}
	first()
	if _, err := h.Session(2); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	other, _, _ := restricted(t, true, true)
	if _, err := other.Session(1); err != nil {
		t.Errorf("of another directory: %v", err)
	}
}

func TestKnownIDs(t *testing.T) {
	k := &knownIDs{names: map[owned]string{}, ids: map[named]uint32{}}
	k.parse("root:x:0:0::/root:/bin/sh\n# a:b:3\ntoor:x:0:0\nbad\nneg:x:-1:\nbig:x:99999999999:\nlast:x:7:", false)
	k.parse("staff:x:50:\n", true)
	for name, want := range map[string]int{"root": 0, "toor": 0, "last": 7, "neg": -1, "big": -1, "staff": -1, "": -1} {
		if id, ok := k.User(name); ok != (want >= 0) || ok && int(id) != want {
			t.Errorf("%q is %d, %v", name, id, ok)
		}
	}
	if id, ok := k.Group("staff"); !ok || id != 50 || k.GroupName(50) != "staff" || k.UserName(0) != "root" || k.UserName(50) != "" {
		t.Errorf("staff is %d, 0 is %q", id, k.UserName(0))
	}
}

// confineEnv names the directory and the mode of a process that confines itself.
const confineEnv = "LOCALFS_CONFINE"

// TestConfinedProcess is what TestConfine runs.
func TestConfinedProcess(t *testing.T) {
	dir, mode, ok := strings.Cut(os.Getenv(confineEnv), "|")
	if !ok {
		need.Missing(t, "parent", "runs for TestConfine only")
	}
	h, err := Restrict(dir, mode == "ro", nil)
	must(t, err)
	// Threads that exist already are confined as well.
	ready, try := make(chan struct{}), make(chan struct{})
	tried := make(chan error)
	for range 8 {
		go func() {
			ready <- struct{}{}
			<-try
			_, err := os.ReadFile("/etc/hostname")
			tried <- err
		}()
		<-ready
	}
	if err := h.Confine(); err != nil {
		fmt.Println("CONFINE", err)
		return
	}
	close(try)
	for range 8 {
		fmt.Println("HOSTNAME", errors.Is(<-tried, fs.ErrPermission))
	}
	say := func(what string, err error) {
		fmt.Println(what, map[bool]string{true: "denied", false: "permitted"}[err != nil])
	}
	_, err = os.ReadFile(filepath.Join(dir, "file"))
	say("read inside", err)
	say("write inside", os.WriteFile(filepath.Join(dir, "in", "new"), nil, 0o600))
	_, err = os.ReadFile(filepath.Join(dir, "../outside", canary))
	say("read outside", err)
	say("write outside", os.WriteFile(filepath.Join(dir, "../outside/new"), nil, 0o600))
	say("list /", func() error { _, err := os.ReadDir("/"); return err }())
	say("exec", exec.Command("/bin/true").Run())
	tree, err := h.Source(t.Context(), "in")
	if err == nil {
		_, err = tree.List(t.Context(), "")
	}
	say("serve", err)
}

// TestConfine: a confined process reaches its directory and nothing else, in all
// of its threads.
func TestConfine(t *testing.T) {
	for mode, write := range map[string]string{"ro": "denied", "rw": "permitted"} {
		_, root, _ := restricted(t, mode == "ro", true)
		cmd := exec.Command(os.Args[0], "-test.run=^TestConfinedProcess$", "-test.v")
		cmd.Env = append(os.Environ(), confineEnv+"="+root+"|"+mode, "XDG_STATE_HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "CONFINE") {
			t.Skipf("the kernel has no Landlock:\n%s", out)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if n := strings.Count(string(out), "HOSTNAME true"); n != 8 {
			t.Errorf("%d of 8 threads are confined", n)
		}
		for what, want := range map[string]string{
			"read inside": "permitted", "write inside": write, "read outside": "denied", "write outside": "denied",
			"list /": "denied", "exec": "denied", "serve": "permitted",
		} {
			if !strings.Contains(string(out), what+" "+want) {
				t.Errorf("%s: %s is not %s\n%s", mode, what, want, out)
			}
		}
	}
}
