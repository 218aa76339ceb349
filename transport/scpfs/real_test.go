package scpfs_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/scpfs"
)

// TestPushTree sends a tree to OpenSSH's scp, into a directory that is there and
// into one that is not, with one session and several, and again over what is there.
func TestPushTree(t *testing.T) {
	for _, sessions := range []int{1, 4} {
		dir := t.TempDir()
		src := filepath.Join(dir, "src")
		corpus(t, src)
		far := remote(t, dir)
		far.MaxSessions = sessions
		for _, dest := range []string{"new dir", "new dir", filepath.Join(dir, "-new")} {
			sum, rec, err := push(t, far, engine.Job{Options: recursive(), Sources: []string{src + "/"}, Dest: dest})
			if err != nil || len(rec.errs) > 0 {
				t.Fatalf("%d sessions, %q: %v %q", sessions, dest, err, rec.errs)
			}
			if sum.Transferred != sum.Regular || sum.Regular < 150 || rec.prog.DoneFiles.Load() != sum.Regular {
				t.Errorf("transferred %d of %d, done %d", sum.Transferred, sum.Regular, rec.prog.DoneFiles.Load())
			}
			if !filepath.IsAbs(dest) {
				dest = filepath.Join(dir, dest)
			}
			sameTree(t, src, dest)
			mayRemove(t, dest)
		}
	}
}

// mayRemove lets the test's directory be removed.
func mayRemove(t *testing.T, root string) {
	t.Cleanup(func() {
		for _, d := range []string{"closed", "closed/sub", "src/closed", "src/closed/sub"} {
			_ = os.Chmod(filepath.Join(root, d), 0o755)
		}
	})
}

// TestPushNamed sends a directory and a file by name: into a directory that is there.
func TestPushNamed(t *testing.T) {
	dir := t.TempDir()
	corpus(t, filepath.Join(dir, "src"))
	dest := filepath.Join(dir, "dest")
	if err := os.Mkdir(dest, 0o755); err != nil {
		t.Fatal(err)
	}
	_, rec, err := push(t, remote(t, dir), engine.Job{Options: recursive(), Sources: []string{filepath.Join(dir, "src"), filepath.Join(dir, "src/big")}, Dest: dest})
	if err != nil {
		t.Fatal(err, rec.errs)
	}
	mayRemove(t, dest)
	sameTree(t, filepath.Join(dir, "src"), filepath.Join(dest, "src"))
	if _, err := os.Stat(filepath.Join(dest, "big")); err != nil {
		t.Error(err)
	}
}

// TestPushFile sends one file to names of all kinds.
func TestPushFile(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "from")
	write(t, src, "content", 0o640)
	for _, name := range hostileNames() {
		if name == "~" || name == "~root" {
			continue // means another directory
		}
		_, rec, err := push(t, remote(t, dir), engine.Job{Options: recursive(), Sources: []string{src}, Dest: name})
		if err != nil {
			t.Errorf("%q: %v %q", name, err, rec.errs)
			continue
		}
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != "content" {
			t.Errorf("%q: %q %v", name, b, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("something was executed")
	}
}

// TestPullTree receives a tree from OpenSSH's scp.
func TestPullTree(t *testing.T) {
	dir := t.TempDir()
	corpus(t, filepath.Join(dir, "src"))
	for _, n := range []string{"tab\there", "esc\x1b[0m"} {
		if err := os.Remove(filepath.Join(dir, "src/names", n)); err != nil {
			t.Fatal(err)
		}
	}
	far := remote(t, dir)
	for _, c := range []struct{ src, dest, root string }{
		{"src/", "new", "new"},
		{"src/", "new", "new"},
		{"src", ".", "src"},
		{"~/src/.", "home", "home"},
	} {
		out := filepath.Join(dir, "out")
		if err := os.MkdirAll(out, 0o755); err != nil {
			t.Fatal(err)
		}
		sum, rec, err := pull(t, far, engine.Job{Options: recursive(), Sources: []string{c.src}, Dest: filepath.Join(out, c.dest)})
		if err != nil {
			t.Fatalf("%+v: %v %q", c, err, rec.errs)
		}
		if sum.Transferred != sum.Regular || sum.Regular < 150 {
			t.Errorf("%d of %d files", sum.Transferred, sum.Regular)
		}
		mayRemove(t, filepath.Join(out, c.root))
		sameTree(t, filepath.Join(dir, "src"), filepath.Join(out, c.root))
	}
}

// TestPullNames receives single files of all names, and patterns.
func TestPullNames(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	names := slices.DeleteFunc(hostileNames(), func(n string) bool { return strings.ContainsAny(n, "\t\x1b") })
	for _, name := range names {
		write(t, filepath.Join(dir, "d", name), name, 0o644)
	}
	o := recursive()
	for _, name := range names {
		_, rec, err := pull(t, remote(t, dir), engine.Job{Options: o, Sources: []string{"d/" + name}, Dest: filepath.Join(out, "dest") + "/"})
		if err != nil {
			t.Errorf("%q: %v %q", name, err, rec.errs)
			continue
		}
		if b, err := os.ReadFile(filepath.Join(out, "dest", name)); err != nil || string(b) != name {
			t.Errorf("%q: %q %v", name, b, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("something was executed")
	}
}

func TestPullPattern(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"a.txt", "b.txt", "c.txt", ".d.txt", "a b.txt", "e.bin", "x/a.txt", "y/a.txt"} {
		write(t, filepath.Join(dir, n), n, 0o644)
	}
	for _, c := range []struct {
		pattern string
		want    []string
	}{
		{"*.txt", []string{"a b.txt", "a.txt", "b.txt", "c.txt"}},
		{"[a-b].txt", []string{"a.txt", "b.txt"}},
		{"[!a].txt", []string{"b.txt", "c.txt"}},
		{"?.bin", []string{"e.bin"}},
		{"a *.txt", []string{"a b.txt"}},
		{"*/a.txt", []string{"a.txt"}},
		{".d*", []string{".d.txt"}},
	} {
		out := filepath.Join(t.TempDir(), "new")
		_, rec, err := pull(t, remote(t, dir), engine.Job{Options: recursive(), Sources: []string{c.pattern}, Dest: out})
		if err != nil {
			t.Errorf("%s: %v %q", c.pattern, err, rec.errs)
		}
		var got []string
		entries, _ := os.ReadDir(out)
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.pattern, got, c.want)
		}
	}
}

// TestMissing: sources that are not there, and destinations that cannot be.
func TestMissing(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "x", 0o644)
	write(t, filepath.Join(dir, "two"), "x", 0o644)
	far := func() *scpfs.Remote { return remote(t, dir) }
	file, two := filepath.Join(dir, "file"), filepath.Join(dir, "two")
	for _, c := range []struct {
		name string
		run  func() error
		want int
	}{
		{"pull of nothing", func() error {
			_, _, err := pull(t, far(), engine.Job{Options: recursive(), Sources: []string{"nope"}, Dest: dir + "/x"})
			return err
		}, 23},
		{"pull of a directory without -r", func() error {
			_, _, err := pull(t, far(), engine.Job{Sources: []string{"."}, Dest: dir + "/x"})
			return err
		}, 23},
		{"push to a directory that lacks its parent", func() error {
			_, _, err := push(t, far(), engine.Job{Options: recursive(), Sources: []string{dir + "/"}, Dest: "no/where"})
			return err
		}, 11},
		{"push of two to a file", func() error {
			_, _, err := push(t, far(), engine.Job{Options: recursive(), Sources: []string{file, two}, Dest: "file"})
			return err
		}, 11},
		{"push of a file that lacks its directory", func() error {
			_, _, err := push(t, far(), engine.Job{Options: recursive(), Sources: []string{file}, Dest: "no/where"})
			return err
		}, 23},
		{"push of nothing", func() error {
			_, _, err := push(t, far(), engine.Job{Options: recursive(), Sources: []string{dir + "/nope"}, Dest: "x"})
			return err
		}, 23},
		{"delete", func() error {
			o := recursive()
			o.Delete = true
			_, _, err := push(t, far(), engine.Job{Options: o, Sources: []string{file}, Dest: "x"})
			return err
		}, 4},
		{"newline", func() error {
			_, _, err := push(t, far(), engine.Job{Options: recursive(), Sources: []string{file}, Dest: "x\ny"})
			return err
		}, 4},
		{"no scp", func() error {
			r := &scpfs.Remote{Start: start("/bin/sh", dir, "PATH=/nowhere")}
			_, _, err := push(t, r, engine.Job{Options: recursive(), Sources: []string{file}, Dest: "x"})
			return err
		}, 43},
		{"no scp to pull from", func() error {
			r := &scpfs.Remote{Start: start("/bin/sh", dir, "PATH=/nowhere")}
			_, _, err := pull(t, r, engine.Job{Options: recursive(), Sources: []string{"file"}, Dest: dir + "/x"})
			return err
		}, 43},
	} {
		err := c.run()
		if got := engine.ExitCode(err); got != c.want {
			t.Errorf("%s: exit %d, want %d: %v", c.name, got, c.want, err)
		}
	}
}
