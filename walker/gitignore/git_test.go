package gitignore

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/internal/need"
)

// TestLikeGit makes random trees with random rules and asks git which names it ignores.
func TestLikeGit(t *testing.T) {
	t.Parallel()
	git, err := exec.LookPath("git")
	if err != nil {
		need.Missing(t, "git", "git is not installed")
	}
	seed := uint64(time.Now().UnixNano())
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	t.Logf("seed %d", seed)
	for n := range rounds {
		w := &world{r: rand.New(rand.NewPCG(seed, uint64(n))), root: t.TempDir(), files: map[string]string{}}
		w.make(t)
		want, got := w.ask(t, git), w.walk(t)
		if !slices.Equal(want, got) {
			t.Fatalf("seed %d, round %d\nfiles %q\nonly git ignores %q\nonly gosync ignores %q", seed, n, w.files, without(want, got), without(got, want))
		}
	}
}

func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// world is a random tree.
type world struct {
	r     *rand.Rand
	root  string
	paths []string          // of all entries; those of directories end with a slash
	files map[string]string // the rules, by directory; those of .git/info/exclude by that name
}

func (w *world) pick(from ...string) string { return from[w.r.IntN(len(from))] }

func (w *world) name() string {
	return w.pick("a", "b", "c", "d", "ab", "a b", "a ", "b.c", "x.o", "a.o", "#a", "!a", "*", "[a]", "a\\b", "-", "A", "1", "\xff", "é", "a?")
}

// pattern returns a line; what it is made of is such that it often matches something.
func (w *world) pattern() string {
	var b strings.Builder
	b.WriteString(w.pick("", "", "", "!", "!", "#", "\\", "/"))
	for range 1 + w.r.IntN(4) {
		b.WriteString(w.pick("a", "b", "c", "d", "*", "**", "?", "/", "/", "**/", "/**", "*/", "[ab]", "[!a]", "[^b-d]", "[]a]", "[a-", "[[:alpha:]]",
			"[[:punct:]]", "[[:space:]]", "[[:graph:][:cntrl:]]", "[[:x:]]", "[[:alpha]", "[\\]a]", "[--0]", "\\", "\\*", "\\ ", " ", "\\/", "o", ".", "b.c", "x.o", "é", "\xff", "***", "A", "a b"))
	}
	b.WriteString(w.pick("", "", "", "", "/", "/", " ", "  ", "\r", "\\ ", "\t", "\x00x"))
	return b.String()
}

func (w *world) rules() string {
	var b strings.Builder
	b.WriteString(w.pick("", "", "", "", "", "\xef\xbb\xbf"))
	for range 1 + w.r.IntN(5) {
		b.WriteString(w.pattern() + "\n")
	}
	b.WriteString(w.pick("", w.pattern()))
	return b.String()
}

func (w *world) make(t *testing.T) {
	t.Helper()
	w.dir(t, "", 0)
	for _, dir := range []string{".git/info", ".git/objects", ".git/refs"} { // what makes a repository
		if err := os.MkdirAll(filepath.Join(w.root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(w.root, ".git/HEAD"), []byte("ref: refs/heads/main\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if w.r.IntN(2) == 0 {
		w.write(t, Exclude, w.rules())
	}
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	w.files[name] = text
	if err := os.WriteFile(filepath.Join(w.root, name), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func (w *world) dir(t *testing.T, at string, depth int) {
	t.Helper()
	if depth == 0 || w.r.IntN(3) == 0 {
		w.write(t, at+Name, w.rules())
	}
	seen := map[string]bool{}
	for range 2 + w.r.IntN(6) {
		name := w.name()
		if seen[name] {
			continue
		}
		seen[name] = true
		path := filepath.Join(w.root, at+name)
		var err error
		if depth < 4 && w.r.IntN(2) == 0 {
			if err = os.Mkdir(path, 0o777); err == nil {
				w.paths = append(w.paths, at+name+"/")
				w.dir(t, at+name+"/", depth+1)
			}
		} else if err = os.WriteFile(path, nil, 0o666); err == nil {
			w.paths = append(w.paths, at+name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ask returns what git ignores, sorted.
func (w *world) ask(t *testing.T, git string) []string {
	t.Helper()
	run := func(stdin string, args ...string) []byte {
		cmd := exec.Command(git, args...)
		cmd.Dir = w.root
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "HOME="+w.root, "XDG_CONFIG_HOME="+w.root)
		cmd.Stdin = strings.NewReader(stdin)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil && cmd.ProcessState.ExitCode() != 1 { // 1: nothing is ignored
			t.Fatalf("git %v: %v: %s", args, err, &stderr)
		}
		return out
	}
	var names strings.Builder
	dirs := map[string]bool{}
	for _, p := range w.paths {
		name, dir := strings.CutSuffix(p, "/") // with it git would ask for what is in the directory
		dirs[name] = dir
		names.WriteString(name + "\x00")
	}
	out := run(names.String(), "check-ignore", "--no-index", "--stdin", "-z")
	list := strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	for i, name := range list {
		if dirs[name] {
			list[i] += "/"
		}
	}
	slices.Sort(list)
	return list
}

// walk returns what this package ignores, with all that is below it, sorted.
func (w *world) walk(t *testing.T) (list []string) {
	t.Helper()
	read := func(name string) *Patterns {
		text, ok := w.files[name]
		if !ok {
			return nil
		}
		return parse(t, text)
	}
	root, err := Root(Files{Ignore: read(Name), Exclude: read(Exclude), Repo: true})
	if err != nil {
		t.Fatal(err)
	}
	dirs := map[string]*Dir{"": root}
	for _, p := range w.paths {
		at := strings.LastIndexByte(strings.TrimSuffix(p, "/"), '/') + 1
		name, isDir := strings.CutSuffix(p[at:], "/")
		d := dirs[p[:at]]
		if d == nil || d.Ignored(name, isDir) {
			list = append(list, p)
			continue
		}
		if isDir {
			if dirs[p], err = d.Enter(name, Files{Ignore: read(p + Name)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.Sort(list)
	return list
}
