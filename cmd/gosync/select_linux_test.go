package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// likeCase is one command line that gosync and rsync get on equal trees. The script
// makes them, in an empty directory. In args {S} and {D} stand for the directory
// with the sources and the one with the destination, which may be remote.
type likeCase struct {
	name, script, args string
	noLines            bool // what is printed is not compared: only the trees and the status
}

// likeRsync runs both programs and compares what they print, in any order, their
// status, and all that lies in the directory afterwards: metadata, content, and which
// names are links to one file.
func likeRsync(t *testing.T, cases []likeCase) {
	t.Helper()
	requireTool(t, "rsync")
	ways := [][2]string{{"", ""}, {"", "host:"}, {"host:", ""}}
	for n, c := range cases {
		if !sampled(n, 4) {
			continue
		}
		ends := ways[n%len(ways)]                                                             // one each, because the ends of a run do not know where they are
		t.Run(strings.NewReplacer("{S}", "", "{D}", "").Replace(c.name), func(t *testing.T) { // directories are named by it
			t.Parallel()
			var got [2]string
			for i, program := range []string{"gosync", "rsync"} {
				got[i] = runCase(t, program, t.TempDir(), c, ends)
			}
			if got[0] != got[1] {
				t.Errorf("%s %q\nonly gosync:\n%sonly rsync:\n%s", c.args, ends, lacking(got[0], got[1]), lacking(got[1], got[0]))
			}
		})
	}
}

// lacking returns the lines of a that b has not.
func lacking(a, b string) (lines string) {
	for line := range strings.Lines(a) {
		if !strings.Contains("\n"+b, "\n"+line) {
			lines += "    " + line
		}
	}
	return lines
}

func runCase(t *testing.T, program, dir string, c likeCase, ends [2]string) string {
	t.Helper()
	env := append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "GORACE="+quickExit)
	script := exec.Command("sh", "-ec", "umask 022\n"+c.script)
	script.Dir, script.Env = dir, env
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	args := strings.Fields(c.args)
	for i := range args {
		for j, mark := range []string{"{S}", "{D}"} {
			at := ends[j]
			if at != "" {
				at += dir + "/"
			}
			args[i] = strings.ReplaceAll(args[i], mark, at)
		}
	}
	if ends != [2]string{} {
		args = append([]string{"-e", "rsh"}, args...)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Logf("%s: %s", program, &stderr)
	text := strings.ReplaceAll(stdout.String(), dir+"/", "")
	text = regexp.MustCompile(`(?m)^(sent .*|total size .*|delta-transmission .*|total: matches.*|\S* ?file list.*|sending incremental.*|receiving incremental.*|opening connection.*|)\n`).ReplaceAllString(text, "")
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	if c.noLines {
		lines = nil
	}
	return fmt.Sprintf("status %d\n%s%s", cmd.ProcessState.ExitCode(), strings.Join(lines, ""), dumpTree(t, dir))
}

// dumpTree describes everything below dir.
func dumpTree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	first := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %o %d:%d", name, st.Mode, st.Uid, st.Gid)
		mode := st.Mode & syscall.S_IFMT
		if now := st.Mtim.Sec > 1_600_000_000; now {
			b.WriteString(" now")
		} else {
			fmt.Fprintf(&b, " %d.%d", st.Mtim.Sec, st.Mtim.Nsec)
		}
		switch mode {
		case syscall.S_IFREG:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %d %q", st.Size, content[:min(len(content), 20)])
		case syscall.S_IFLNK:
			to, _ := os.Readlink(path)
			b.WriteString(" -> " + to)
		case syscall.S_IFCHR, syscall.S_IFBLK:
			fmt.Fprintf(&b, " %d", st.Rdev)
		}
		if mode != syscall.S_IFDIR {
			if other, ok := first[st.Ino]; ok {
				b.WriteString(" = " + other)
			} else {
				first[st.Ino] = name
			}
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// selectScript makes a source and a destination that differ in every way that the
// selecting options know of.
const selectScript = `
mkdir -p s/sub s/new/deep s/onlydir d/sub d/f2
for f in a b sub/c new/n new/deep/m; do echo $f > s/$f; done
printf 123456789 > s/big; printf 123456789 > d/big; : > s/empty; echo x > s/f2; echo x > s/f1
ln -s a s/l; ln -s zz s/l2; mkfifo s/ff s/ff2; ln -s x s/l2f
echo older > d/a; echo newer > d/sub/c; ln -s other d/l; mkfifo d/ff; ln -s q d/f1; echo z > d/l2f
echo extra > d/extra
find s -exec touch -h -d @1000000000 {} +
touch -h -d @900000000 d/a d/big
find d ! -name a ! -name big -exec touch -h -d @1100000000 {} +
`

func TestSelectLikeRsync(t *testing.T) {
	t.Parallel()
	var cases []likeCase
	for _, o := range []string{
		"-ai", "-ai --existing", "-ai --ignore-non-existing", "-ai --ignore-existing", "-ai --existing --ignore-existing", "-ai -u", "-ai -u --existing", "-aii --existing",
		"-aii --ignore-existing", "-aivv --existing", "-aivv --ignore-existing", "-aivv -u", "-ain --existing", "-ain --ignore-existing",
		"-ai --existing --delete", "-ai --ignore-existing --delete", "-ai --min-size=5", "-ai --max-size=5", "-aivv --min-size=3 --max-size=8b", "-ai --max-size=9", "-ai --max-size=9-1",
		"-ai --max-size=0", "-ai --min-size=1k", "-ain --max-size=5 --delete", "-au -vv --ignore-existing",
	} {
		cases = append(cases, likeCase{name: strings.ReplaceAll(o, " ", "_"), script: selectScript, args: o + " {S}s/ {D}d/"})
	}
	likeRsync(t, cases)
}

// linkScript makes a group of links, of which the destination has some.
const linkScript = `
mkdir -p s/n s/zz d/zz
echo aaa > s/a; ln s/a s/b; ln s/a s/c; echo qqq > s/n/p; ln s/n/p s/zz/q; touch -d @1000000000 s/a s/n/p s/n s/zz s
for f in $HAVE; do echo x > d/$f; touch -d @$AT d/$f; done; touch -d @1000000000 d/zz d
`

// TestPassedLinks: where options leave the first of a group of hard links alone, the others are linked to each other.
func TestPassedLinks(t *testing.T) {
	t.Parallel()
	var cases []likeCase
	for _, o := range []string{"--ignore-existing", "--existing", "-u", "--max-size=2", "--min-size=4"} {
		for _, have := range []string{"", "a", "b", "c", "a b", "b c zz/q", "zz/q"} {
			at := "1100000000"
			if o == "--existing" {
				at = "900000000"
			}
			cases = append(cases, likeCase{
				name: o + "_" + strings.ReplaceAll(have, "/", "-"), script: "HAVE='" + have + "'; AT=" + at + linkScript,
				args: "-aH " + o + " {S}s/ {D}d/", noLines: true, // which of them is the first differs
			})
		}
	}
	likeRsync(t, cases)
}

func TestModifyWindowLikeRsync(t *testing.T) {
	t.Parallel()
	script := `
mkdir s d
echo aaa > s/x; touch -d @1000000000.5 s/x
for at in 999999996 999999997.5 999999998.5 999999999.1 999999999.9 1000000000.0 1000000000.5 1000000000.6 1000000001.1 1000000002.1 1000000003.9 1000000010; do
	cp -p s/x s/g$at; echo b > d/g$at; touch -d @$at d/g$at
done
for at in 999999996 999999997 999999998 999999999 1000000000 1000000001 1000000002 1000000003 1000000004; do
	echo aaa > s/f$at; echo aaa > d/f$at; touch -d @1000000000 s/f$at; touch -d @$at d/f$at
done
ln -s q s/l; ln -s q d/l; touch -h -d @1000000000 s/l; touch -h -d @1000000002 d/l
touch -d @1000000000 s; touch -d @1000000002 d
`
	var cases []likeCase
	for _, o := range []string{"-ai", "-ai -u", "-ai -@1", "-ai -@-1", "-ai --modify-window=2", "-aiu -@2", "-aiu -@1", "-aii -@3", "-ai -@-7", "-rtiI -@5", "-ai -@2 -@0"} {
		cases = append(cases, likeCase{name: strings.ReplaceAll(o, " ", "_"), script: script, args: o + " {S}s/ {D}d/"})
	}
	likeRsync(t, cases)
}

// altScript makes a source, and an earlier copy of it in which something differs of each kind.
const altScript = `
mkdir -p s/sub/deep s/odir s/n
echo aaa > s/a; echo bbb > s/b; echo ccc > s/sub/c; echo ddd > s/sub/deep/d; : > s/empty; echo nnn > s/n/n
seq 1 5000 > s/big; ln -s a s/l; ln -s q s/l2; ln -s w s/l3; mkfifo s/ff s/ff2
[ $(id -u) = 0 ] && mknod s/dev c 1 3 && mknod s/dev2 c 1 3
find s -exec touch -h -d @1000000000 {} +
cp -a s o
echo changed > o/b; chmod 600 o/sub/c; touch -h -d @1100000000 o/l2 o/ff2; rm o/l3; ln -s other o/l3; chmod 700 o/sub/deep
seq 1 2500 > o/big; rm -r o/n
[ $(id -u) = 0 ] && touch -d @1100000000 o/dev2
find o -type d -exec touch -d @1000000000 {} +
cp -a o o2; echo bbb > o2/b; touch -d @1000000000 o2/b; chmod 644 o2/sub/c
mkdir -p d/sub; echo zzz > d/a; touch -d @900000000 d/a
find d -type d -exec touch -d @1000000000 {} +
`

func TestAlternatesLikeRsync(t *testing.T) {
	t.Parallel()
	var cases []likeCase
	add := func(args, more string) {
		for _, kind := range []string{"link", "copy", "compare"} {
			args := strings.ReplaceAll(args, "ALT", "--"+kind+"-dest")
			cases = append(cases, likeCase{name: strings.NewReplacer(" ", "_", "/", "-").Replace(args), script: altScript + more, args: args})
		}
	}
	for _, o := range []string{"-ai", "-aii", "-ain", "-rlDi", "-aiic", "-ai --no-p --no-W", "-aiiI", "-aii --size-only", "-avv", "-av", "-aiu", "-ai --existing", "-ai --delete"} {
		add(o+" ALT=../o {S}s/ {D}d/", "")
	}
	add("-ai ALT=../o ALT=../o2 {S}s/ {D}d/", "")
	add("-aic ALT=../o ALT=../o2 {S}s/ {D}d/", "")
	add("-aii ALT=../nope ALT=../o2/ {S}s/ {D}d/", "")
	add("-aii ALT=../o/a {S}s/ {D}d/", "")
	add("-aii ALT=../o {S}s/ {D}d/", "rm -r d\n")
	add("-aiin ALT=../o {S}s/ {D}d/", "rm -r d\n")
	add("-aii ALT=../o {S}s/a {D}d/x", "mv o/a o/x\n")
	add("-aii ALT=../o {S}s/a {S}s/b {D}d/", "rm d/a\n")
	add("-aii ALT=../o {S}s/ {D}d/", "rm -r o/a o/l o/ff o/odir; mkdir o/a; echo w > o/l; echo w > o/ff; echo w > o/odir; ln -s q d/b; mkdir d/empty\n")
	add("-aiiH {S}s/ {D}d/", "rm -r o d; ln s/a s/a2; ln s/a s/zz; cp -a s d\n")
	add("-aiiH ALT=../o {S}s/ {D}d/", "rm -r o d; ln s/a s/a2; ln s/a s/zz; ln s/l s/l4; touch -d @1000000000 s; cp -a s o; mkdir d\n")
	for _, o := range []string{"-aiH", "-avH", "-avvH"} {
		add(o+" ALT=../o {S}s/ {D}d/", "rm -r o d; ln s/a s/a2; ln s/l s/l4; touch -d @1000000000 s; cp -a s o; mkdir d\n")
	}
	add("-aiiH ALT=../o {S}s/ {D}d/", "rm -r o d; ln s/a s/zz; cp -a s o; cp -a --remove-destination o/a o/k; mv o/k o/zz; mkdir d; touch -d @1000000000 s d o\n")
	likeRsync(t, cases)
}

func TestAlternateUsage(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"--link-dest=", "--link-dest=a --copy-dest=b", "--compare-dest=x" + strings.Repeat(" --compare-dest=x", 20)} {
		if _, _, err := parseArgs(strings.Fields(line), false); err == nil {
			t.Errorf("%s is accepted", line)
		}
	}
}

// argScript makes a few sources, and a destination.
const argScript = `
mkdir -p s/a/b s/x d
echo 1 > s/a/b/f; echo 2 > s/x/g; echo t > s/top
find s d -exec touch -h -d @1000000000 {} +
printf 'top\\nnope\\na/nope2\\n' > list
`

func TestMissingArgsAndPathsLikeRsync(t *testing.T) {
	t.Parallel()
	var cases []likeCase
	for _, args := range []string{
		"-ai --ignore-missing-args {S}s/top {S}s/nope {D}d/", "-ai --ignore-missing-args {S}s/nope {D}d/new", "-aiR --ignore-missing-args {S}s/./top {S}s/./nope/x {D}d/",
		"-ai --ignore-missing-args --files-from=list {S}s/ {D}d/", "-ai {S}s/top {S}s/nope {D}d/",
		"-ai --mkpath {S}s/top {D}d/x/y/z", "-ai --mkpath {S}s/top {D}d/x/y/", "-ai --mkpath {S}s/x {S}s/a {D}d/m/n", "-ai --mkpath {S}s/x/ {D}d/m/n", "-ai --mkpath {S}s/x/ {D}d/m",
		"-ain --mkpath {S}s/top {D}d/x/y", "-avv --mkpath {S}s/top {D}d/x/y/z", "-ai --mkpath {S}s/top {D}d/", "-ai --mkpath {S}s/top {D}d/top2",
	} {
		cases = append(cases, likeCase{name: strings.NewReplacer(" ", "_", "/", "-").Replace(args), script: argScript, args: args})
	}
	likeRsync(t, cases)
}
