package main

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestGitignoreLikeGit copies random trees with random rules: what arrives are the
// files that git would take. A destination that has all of them keeps what git
// ignores when it deletes.
func TestGitignoreLikeGit(t *testing.T) {
	t.Parallel()
	requireTool(t, "git")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for round := range 9 {
		r := rand.New(rand.NewPCG(seed, uint64(round)))
		dir := t.TempDir()
		src := filepath.Join(dir, "src")
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(os.MkdirAll(filepath.Join(src, ".git/info"), 0o777))
		for _, name := range []string{"objects", "refs"} {
			must(os.Mkdir(filepath.Join(src, ".git", name), 0o777))
		}
		must(os.WriteFile(filepath.Join(src, ".git/HEAD"), []byte("ref: refs/heads/main\n"), 0o666))
		pick := func(from ...string) string { return from[r.IntN(len(from))] }
		rules := func() []byte {
			var b strings.Builder
			for range 1 + r.IntN(5) {
				b.WriteString(pick("", "", "!", "/") + pick("a", "*.o", "b", "a/b", "**/c", "c/**", "?", "[ab]", "a*", "d/", "*/", "**/b/*") + pick("", "", "/", " ", "\r") + "\n")
			}
			return []byte(b.String())
		}
		must(os.WriteFile(filepath.Join(src, ".git/info/exclude"), rules(), 0o666))
		var fill func(at string, depth int)
		fill = func(at string, depth int) {
			must(os.MkdirAll(at, 0o777))
			if r.IntN(2) == 0 {
				must(os.WriteFile(filepath.Join(at, ".gitignore"), rules(), 0o666))
			}
			for _, name := range []string{"a", "b", "c", "d", "a.o", "ab"} {
				switch n := r.IntN(4); {
				case n == 0 && depth < 4:
					fill(filepath.Join(at, name), depth+1)
				case n < 3:
					must(os.WriteFile(filepath.Join(at, name), nil, 0o666))
				}
			}
		}
		fill(src, 0)
		git := exec.Command("git", "ls-files", "-o", "-z", "--exclude-standard")
		git.Dir, git.Env = src, append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "HOME="+dir, "XDG_CONFIG_HOME="+dir)
		out, err := git.Output()
		must(err)
		want := strings.FieldsFunc(string(out), func(c rune) bool { return c == 0 })
		slices.Sort(want)
		from, to := src+"/", filepath.Join(dir, "dst")+"/"
		args := []string{"-a", "--gitignore", "-e", "rsh"}
		switch round % 3 {
		case 1:
			to = "host:" + to
		case 2:
			from = "host:" + from
		}
		run := func(more ...string) []string {
			cmd := exec.Command("gosync", append(slices.Concat(args, more), from, to)...)
			cmd.Env = append(os.Environ(), "GORACE="+quickExit)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("seed %d, round %d: %v: %s", seed, round, err, out)
			}
			return treeFiles(t, filepath.Join(dir, "dst"))
		}
		if got := run(); !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d: %s\nhave %q\nwant %q", seed, round, src, got, want)
		}
		must(os.RemoveAll(filepath.Join(dir, "dst")))
		must(os.CopyFS(filepath.Join(dir, "dst"), os.DirFS(src)))
		if got, all := run("--delete"), treeFiles(t, src); !slices.Equal(got, all) {
			t.Fatalf("seed %d, round %d: with --delete %q are left of %q", seed, round, got, all)
		}
		if got := run("--delete-excluded", "--force-delete"); !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d: with --delete-excluded\nhave %q\nwant %q", seed, round, got, want)
		}
	}
}

// treeFiles returns the files below dir but those of git's own directory.
func treeFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git":
			return fs.SkipDir
		case !d.IsDir():
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}
