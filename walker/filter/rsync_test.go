package filter

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gosync/internal/need"
)

// requireRsync returns the path of rsync; without one the test is skipped, or fails if
// GOSYNC_REQUIRE names it.
func requireRsync(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("rsync")
	if err == nil {
		return path
	}
	need.Missing(t, "rsync", err.Error())
	return ""
}

// seed returns the seed of a random test and the number of its cases.
func seed(t *testing.T, cases int) (uint64, int) {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if s := os.Getenv("GOSYNC_SEED"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv("GOSYNC_LONG") != "" {
		cases *= 20
	}
	t.Logf("GOSYNC_SEED=%d", n)
	return n, cases
}

// write makes the tree under root.
func (m memTree) write(t *testing.T, root string) {
	t.Helper()
	for path, content := range m {
		full := filepath.Join(root, path)
		if path == "" || strings.HasSuffix(path, "/") {
			if err := os.MkdirAll(full, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// children lists a directory: names, directories with their slash.
func (m memTree) children(dir string) []string {
	var names []string
	for path := range m {
		rest, ok := strings.CutPrefix(path, dir)
		if ok && rest != "" && strings.Count(strings.TrimSuffix(rest, "/"), "/") == 0 {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

func (m memTree) reader(dir string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		data, ok := m[dir+name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return []byte(data), nil
	}
}

// outcome is what a run does: names sent and names deleted, sorted.
type outcome struct {
	sent, deleted []string
}

// run walks both trees with the package as an engine does.
type run struct {
	src, dst memTree
	sent     map[string]bool
	out      outcome
}

func expect(set *Set, src, dst memTree, srcRoot, dstRoot string) (outcome, error) {
	r := run{src: src, dst: dst, sent: map[string]bool{}}
	sc, err := set.RootAt(srcRoot).Open(src.reader(""))
	if err == nil {
		err = r.send("", sc)
	}
	if err == nil {
		sc, err = set.RootAt(dstRoot).Open(dst.reader(""))
	}
	if err == nil {
		_, err = r.remove("", sc, false)
	}
	slices.Sort(r.out.sent)
	slices.Sort(r.out.deleted)
	return r.out, err
}

func (r *run) send(dir string, sc *Scope) error {
	for _, name := range r.src.children(dir) {
		base, isDir := strings.CutSuffix(name, "/")
		if sc.Excluded(base, isDir, Sender) {
			continue
		}
		r.sent[dir+name] = true
		r.out.sent = append(r.out.sent, dir+name)
		if isDir {
			sub, err := sc.Enter(base, r.src.reader(dir+name))
			if err == nil {
				err = r.send(dir+name, sub)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// remove deletes what the sender does not have, and below a doomed directory everything, except
// what is protected. It reports whether nothing stays.
func (r *run) remove(dir string, sc *Scope, doomed bool) (empty bool, err error) {
	empty = true
	for _, name := range r.dst.children(dir) {
		base, isDir := strings.CutSuffix(name, "/")
		stays := !doomed && r.sent[dir+name]
		if !stays && sc.Excluded(base, isDir, Receiver) {
			empty = false
			continue
		}
		gone := !stays
		if isDir {
			sub, err := sc.Enter(base, r.dst.reader(dir+name))
			if err != nil {
				return false, err
			}
			if !stays {
				sub = sub.Doomed()
			}
			all, err := r.remove(dir+name, sub, !stays)
			if err != nil {
				return false, err
			}
			gone = gone && all
		}
		if gone {
			r.out.deleted = append(r.out.deleted, dir+name)
		} else {
			empty = false
		}
	}
	return empty, nil
}

// observe asks rsync. In a dry run it lists a directory as deleted and says in the line before that
// it cannot be because protected entries stay in it; such directories are taken off the list.
func observe(rsync, dir string, args []string) (outcome, string, error) {
	args = append([]string{"-naii8", "--delete", "--out-format=%i|%n"}, args...)
	cmd := exec.Command(rsync, append(args, "src/", "dst/")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME=/nonexistent", "CVSIGNORE=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	var out outcome
	kept := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "cannot delete non-empty directory: "); ok {
			kept[name+"/"] = true
		}
		action, name, ok := strings.Cut(line, "|")
		switch {
		case !ok || name == "./":
		case strings.HasPrefix(action, "*deleting"):
			out.deleted = append(out.deleted, name)
		default:
			out.sent = append(out.sent, name)
		}
	}
	slices.Sort(out.sent)
	slices.Sort(out.deleted)
	out.deleted = slices.DeleteFunc(out.deleted, func(name string) bool { return kept[name] })
	return out, string(text) + stderr.String(), err
}

// apply gives an option to a set.
func (o option) apply(s *Set, files memTree) error {
	switch o.name {
	case "--exclude":
		return s.Exclude(o.value)
	case "--include":
		return s.Include(o.value)
	case "--filter":
		return s.Rule(o.value, files.reader(""))
	}
	return s.Lines([]byte(files[o.value]), o.name == "--include-from")
}

// TestAgainstRsync compares what random rules select on random trees, on both sides, with rsync.
func TestAgainstRsync(t *testing.T) {
	rsync := requireRsync(t)
	base, cases := seed(t, 130)
	root := t.TempDir()
	fails := 0
	for i := range cases {
		g := gen{rand.New(rand.NewPCG(base, uint64(i)))}
		if !differentialCase(t, g, rsync, filepath.Join(root, "case"), i) {
			if fails++; fails == 5 {
				t.Fatal("giving up")
			}
		}
	}
}

func differentialCase(t *testing.T, g gen, rsync, dir string, i int) bool {
	t.Helper()
	merges := pick(g, nil, []string{".f"}, []string{".f", ".g"})
	salt := g.Uint64()
	src, dst, files := g.tree(salt, merges), g.tree(salt, merges), memTree{}
	opts := g.options(merges, files)
	deleteExcluded := g.chance(15)

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	files.write(t, dir)
	src.write(t, filepath.Join(dir, "src"))
	dst.write(t, filepath.Join(dir, "dst"))
	var args []string
	set := new(Set)
	var err error
	for _, o := range opts {
		args = append(args, o.name+"="+o.value)
		if err == nil {
			err = o.apply(set, files)
		}
	}
	if deleteExcluded {
		args = append(args, "--delete-excluded")
		set = set.WithDeleteExcluded()
	}
	var got outcome
	if err == nil {
		if set, err = DecodeSet(set.AppendBinary(nil)); err == nil {
			got, err = expect(set, src, dst, filepath.Join(dir, "src"), filepath.Join(dir, "dst"))
		}
	}
	want, text, rerr := observe(rsync, dir, args)
	if err != nil && rerr != nil {
		return true
	}
	if (err == nil) == (rerr == nil) && slices.Equal(got.sent, want.sent) && slices.Equal(got.deleted, want.deleted) {
		return true
	}
	if rerr == nil {
		text = ""
	}
	t.Errorf("case %d: rsync %q\nfiles %q\nsrc %q\ndst %q\nerr %v, rsync %v %s\nsent:    only here %q, only rsync %q\ndeleted: only here %q, only rsync %q", i, args,
		files, src, dst, err, rerr, text, without(got.sent, want.sent), without(want.sent, got.sent),
		without(got.deleted, want.deleted), without(want.deleted, got.deleted))
	return false
}

// without returns what is in a but not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// TestSyntaxAgainstRsync compares which rules are accepted.
func TestSyntaxAgainstRsync(t *testing.T) {
	rsync := requireRsync(t)
	base, cases := seed(t, 60)
	dir := t.TempDir()
	memTree{"src/": "", "dst/": "", "file": "- a\n", "word": "-_a +_b"}.write(t, dir)
	for i := range cases {
		g := gen{rand.New(rand.NewPCG(base, uint64(i)))}
		rule := pick(g, "-", "+", ".", ":", "H", "S", "P", "R", "!", "exclude", "include", "merge", "dir-merge", "hide",
			"show", "protect", "risk", "clear", "x", "", " ", "excluded", "mer")
		for range g.IntN(3) {
			rule += pick(g, ",", "/", "!", "C", "s", "r", "x", "p", "e", "n", "w", "-", "+", "q")
		}
		rule += pick(g, "", " ", "_", " file", "_file", " word", " none", "  file", "\tfile", "file")
		option := pick(g, "--filter=", "--filter=", "--filter=", "--exclude=", "--include=")
		files := memTree{"file": "- a\n", "word": "-_a +_b"}
		var err error
		switch option {
		case "--filter=":
			err = new(Set).Rule(rule, files.reader(""))
		case "--exclude=":
			err = new(Set).Exclude(rule)
		default:
			err = new(Set).Include(rule)
		}
		if _, text, rerr := observe(rsync, dir, []string{option + rule}); (err == nil) != (rerr == nil) {
			t.Errorf("case %d: %s%q: %v, rsync %v %s", i, option, rule, err, rerr, text)
		}
	}
}
