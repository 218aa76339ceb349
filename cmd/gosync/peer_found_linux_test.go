package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// tree makes a tree from one line for each name: kind, path, and then what is not usual of size, fill (the byte that the
// content repeats), mode (octal), sec, own (uid:gid) and to.
func tree(t testing.TB, lines ...string) peerTree {
	t.Helper()
	var s peerTree
	for _, line := range lines {
		words := strings.Fields(line)
		n := peerNode{kind: words[0][0], path: words[1], mode: 0o644, sec: 1_000_000_000}
		if n.kind == 'd' {
			n.mode = 0o755
		}
		size, fill := 10, byte('x')
		for _, word := range words[2:] {
			key, value, _ := strings.Cut(word, "=")
			var err error
			switch key {
			case "size":
				_, err = fmt.Sscan(value, &size)
			case "fill":
				fill = value[0]
			case "mode":
				_, err = fmt.Sscanf(value, "%o", &n.mode)
			case "sec":
				_, err = fmt.Sscan(value, &n.sec)
			case "own":
				_, err = fmt.Sscanf(value, "%d:%d", &n.uid, &n.gid)
			case "to":
				n.target = value
			default:
				err = fmt.Errorf("no key %q", key)
			}
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		if n.kind == 'f' {
			n.data = bytes.Repeat([]byte{fill}, size)
		}
		s = append(s, n)
	}
	return s
}

// foundCases are what the random cases have found to be different once, made small. The command line is options,
// sources and destination.
func foundCases() []struct{ name, way, line, list, src, dst string } {
	return []struct{ name, way, line, list, src, dst string }{
		{name: "implied directories are not emptied", line: "-a --delete -R src/x dst/", src: "f x", dst: "d src|f src/keep|d src/sub|f src/sub/keep|f keep"},
		{name: "implied directories below are not emptied", way: "push", line: "-a --delete -R src//sub/x dst/", src: "d sub|f sub/x", dst: "d src|f src/keep|d src/sub|f src/sub/keep"},
		{name: "a listed file deletes nothing", line: "-a -r --delete --files-from=list src/ dst/", list: "sub/x", src: "d sub|f sub/x", dst: "d sub|f sub/keep|f keep"},
		{name: "the first of two equal names counts", line: "-a src/d/. src/A dst", src: "d d|f d/A size=20 fill=a|f A size=30 fill=b"},
		{name: "a second name that was a link", line: "-a -H src dst", src: "d d|f d/y|h z to=d/y", dst: "d src|d src/d|l src/d/y to=x"},
		{name: "names that are one already", line: "-a -H src/ dst/", src: "d d sec=3|f d/x|h z to=d/x", dst: "d d sec=3|f d/x sec=5|h z to=d/x"},
		{name: "hard links in a dry run", line: "-a -H -n src/ dst/", src: "f a|h b to=a", dst: "f a sec=5|h b to=a"},
		{name: "without times a file in place", line: "-r --inplace src/ dst/", src: "f a size=100000"},
		{name: "without times an empty file", line: "-r src/ dst/", src: "f a size=0"},
		{name: "a slash behind a listed file", line: "--files-from=list src dst", list: "/a/|b/.", src: "f a|f b"},
		{name: "a slash behind a listed link", line: "-a --files-from=list src dst", list: "l/", src: "d d|f d/f|l l to=d"},
		{name: "listed names that are missing", line: "-a --files-from=list src dst", list: "./no|neither"},
		{name: "an empty list", line: "--files-from=list src dst/new"},
		{name: "nothing to copy", line: "src/ dst/a", src: "f a"},
		{name: "nothing to copy into a directory", line: "src/ dst/a/", src: "f a"},
		{name: "nothing to copy onto a file", line: "src/ dst/a", src: "f a", dst: "f a"},
		{name: "nothing to copy from afar", way: "pull", line: "src/ dst/new/a", src: "f a"},
		{name: "nothing to copy with -R", line: "-R src/ dst/a", src: "f a"},
		{name: "a missing name with -R", line: "-a -R ./src/d/no dst/", src: "d d"},
		{name: "the operand's root with -R", line: "-a -R ./src/ dst/", dst: "d src mode=700"},
		{name: "a backslash from afar", way: "pull", line: `src/a\x src/b\*c dst/`, src: `f a\x|f ax|f b*c|f bxc`},
		{name: "setgid is inherited", line: "-r src/ dst/", src: "d d|d d/e|f d/e/f", dst: "d d mode=2755 own=0:2"},
		{name: "a directory's mode comes before its files", line: "-r -p src/ dst/", src: "d d mode=2755|f d/f", dst: "d d own=0:2"},
		{name: "a directory in the way after an error", line: "-a --delete src/no src/. dst/", src: "f a", dst: "d a"},
		{name: "a directory in the way", line: "-a --delete src/ dst/", src: "f a", dst: "d a|f a/inner"},
		{name: "a link's time without times", line: "-a --no-t src/ dst/", src: "l l to=a", dst: "l l to=b"},
		{name: "what is skipped although it is there", line: "-r src/ dst/", src: "l l to=a", dst: "l l to=a"},
		{name: "a dangling link as destination", line: "-d src/ dst/new", src: "f a", dst: "l new to=nowhere"},
	}
}

// TestSecondName has a file with two names of which the first cannot be made. The second is then a file of its own, and
// not a further name of what stands in the first one's place. rsync breaks off here.
func TestSecondName(t *testing.T) {
	t.Parallel()
	b := newFaultBench(t)
	b.file(t, "src/z", 100)
	b.file(t, "dst/z/inner", 1)
	if err := os.Mkdir(b.path("src/d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(b.path("src/z"), b.path("src/d/y")); err != nil {
		t.Fatal(err)
	}
	b.want(t, exitPartial, "in the way", "-aH", "src/", "dst/")
	if data, err := os.ReadFile(b.path("dst/d/y")); err != nil || len(data) != 100 {
		t.Errorf("the second name: %d bytes, %v", len(data), err)
	}
	b.clean(t, "dst")
}

// TestFound runs the cases that once were different.
func TestFound(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	needRoot(t)
	b := &peerBench{dir: t.TempDir(), gosync: program(t)}
	b.rsh = loopShell(t, b.dir)
	split := func(text string) []string { return strings.FieldsFunc(text, func(c rune) bool { return c == '|' }) }
	for _, f := range foundCases() {
		c := &peerCase{way: f.way, umask: "022", src: tree(t, split(f.src)...), dst: tree(t, split(f.dst)...), files: split(f.list)}
		if c.way == "" {
			c.way = "local"
		}
		words := strings.Fields(f.line)
		for ; strings.HasPrefix(words[0], "-"); words = words[1:] {
			c.opts = append(c.opts, words[0])
		}
		if strings.Contains(f.line, "--files-from") {
			c.opts = append(c.opts, "--from0")
		}
		c.sources, c.dest = words[:len(words)-1], words[len(words)-1]
		if diffs := b.compare(t, c); len(diffs) > 0 {
			t.Errorf("%s\n%s  %s", f.name, c, strings.Join(diffs, "\n  "))
		}
	}
}
