package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A deleteCase is a command line about deleting or backups: options, sources and destination. What is kept goes to bak,
// beside src and dst.
type deleteCase struct{ name, line, src, dst string }

// deleteCases are run by both programs, in all ways.
func deleteCases() []deleteCase {
	const src = "f a size=20|f same|l l to=x|d sub|f sub/b size=30|f ~"
	const dst = "f a|f same|l l to=y|d old|f old/x|d old/deep|f old/deep/y|f extra|d sub mode=750|f sub/b|d sub/old2|f sub/old2/z|f was~|f sub/was~"
	return []deleteCase{
		{"backups beside", "-a -b src/ dst/", src, dst},
		{"backups beside, deleting", "-a -b --delete src/ dst/", src, dst},
		{"a suffix", "-a -b --suffix=.old --delete src/ dst/", src, dst},
		{"a suffix alone", "-a --suffix=.old src/ dst/", src, dst},
		{"no backups after all", "-a -b --no-backup --delete src/ dst/", src, dst},
		{"backups beside, deleting what is excluded", "-a -b --delete --delete-excluded --exclude=*.x src/ dst/", src, dst + "|f gone.x"},
		{"a directory for backups", "-a --backup-dir=../bak --delete src/ dst/", src, dst},
		{"a directory for backups, of many parts", "-a --backup-dir=../bak/x/y/ --suffix=.s --delete src/ dst/", src, dst},
		{"a directory for backups inside", "-a --backup-dir=kept src/ dst/", src, dst},
		{"a directory for backups inside, deleting", "-a --backup-dir=kept/in --delete src/ dst/", src, dst},
		{"backups without times and modes", "-r -l --backup-dir=../bak --delete src/ dst/", src, dst},
		{"backups of files in place", "-a -b --inplace src/ dst/", src, dst},
		{"backups of files in place elsewhere", "-a --backup-dir=../bak --inplace --no-whole-file src/ dst/", "f a size=90000 fill=q", "f a size=90000"},
		{"backups by delta", "-a -b --no-whole-file src/ dst/", "f a size=90000 fill=q", "f a size=90000"},
		{"backups of older backups", "-a -b -I src/ dst/", "f a", "f a sec=5|f a~ sec=4"},
		{"backups of what has several names", "-a -H -b src/ dst/", "f a size=20|h b to=a", "f a|h b to=a|h c to=a"},
		{"backups of special files", "-a --backup-dir=../bak --delete src/ dst/", "p a|f p", "f a|p p|p q|c dev"},
		{"a directory takes the place of a file", "-a -b src/ dst/", "d a|f a/x", "f a"},
		{"a directory in the way, with backups", "-a --backup-dir=../bak --delete src/ dst/", "f a", "d a|f a/x"},
		{"a directory in the way, with a dry run", "-a --backup-dir=../bak --delete -n src/ dst/", "f a", "d a|f a/x"},
		{"backups in a dry run", "-a --backup-dir=../bak --delete -n src/ dst/", src, dst},
		{"one file", "-a -b src/a dst/a", src, dst},
		{"deleting before", "-a --delete --delete-before src/ dst/", src, dst},
		{"deleting before, by content", "-a -c --delete --delete-before src/ dst/", src, dst},
		{"deleting before, in a dry run", "-a -n --delete --delete-before src/ dst/", src, dst},
		{"deleting during", "-a --delete --delete-during src/ dst/", src, dst},
		{"deleting during, in short", "-a --delete --del src/ dst/", src, dst},
		{"deleting with a delay", "-a --delete --delete-delay src/ dst/", src, dst},
		{"deleting after", "-a --delete --delete-after src/ dst/", src, dst},
		{"deleting after, with backups", "-a -b --delete --delete-after src/ dst/", src, dst},
		{"deleting before, with backups", "-a --backup-dir=../bak --delete --delete-before src/ dst/", src, dst},
		{"deleting what is excluded", "-a --delete --delete-excluded --exclude=*.x --exclude=/old --filter=P_keep.x src/ dst/", src + "|f sub/there.x", dst + "|f gone.x|f keep.x|f sub/gone.x"},
		{"two ways of deleting", "-a --delete --delete-before --delete-after src/ dst/", src, dst},
		{"deleting nothing", "-a --delete --max-delete=0 src/ dst/", src, dst},
		{"deleting nothing, by a negative number", "-a --delete --max-delete=-1 src/ dst/", src, dst},
		{"deleting one", "-a --delete --max-delete=1 src/ dst/", src, dst},
		{"deleting three", "-a --delete --max-delete=3 src/ dst/", src, dst},
		{"deleting five", "-a --delete --max-delete=5 --delete-after src/ dst/", src, dst},
		{"deleting five before", "-a --delete --max-delete=5 --delete-before src/ dst/", src, dst},
		{"deleting as many as there are", "-a --delete --max-delete=9 src/ dst/", src, dst},
		{"moving", "-a --remove-source-files src/ dst/", src, dst},
		{"moving in a dry run", "-a -n --remove-source-files src/ dst/", src, dst},
		{"moving what is there already", "-a --remove-source-files src dst", src, "d src|f src/a size=20|f src/same|l src/l to=x"},
		{"moving, but not what is newer", "-a -u --remove-source-files src/ dst/", src, "f a sec=1500000000|f ~ size=30"},
		{"moving what is not excluded", "-a --remove-source-files --exclude=a src/ dst/", src, dst},
		{"moving one file", "-a --remove-source-files src/a dst/b", src, dst},
		{"moving by delta", "-a --no-whole-file --remove-source-files src/ dst/", "f a size=90000 fill=q", "f a size=90000"},
		{"moving names of one file", "-a -H --remove-source-files src/ dst/", "f a size=20|h b to=a|d d|h d/c to=a", "f a"},
		{"moving special files", "-a --remove-source-files src/ dst/", "p p|p q|c dev|s sock", "p q"},
		{"moving without links", "-r -t --remove-source-files src/ dst/", src, dst},
		{"moving with a path", "-a -R --remove-source-files ./src/./sub dst/", src, dst},
		{"moving and deleting", "-a --remove-source-files --delete src/ dst/", src, dst},
		{"moving by content", "-a -c --remove-source-files src/ dst/", src, dst},
		{"a directory makes way", "-a --force src/ dst/", "f a|f b", "d a|f a/x|d a/y|f a/y/z|f c"},
		{"a directory makes way for a link", "-a --force src/ dst/", "l a to=b|f b", "d a|f a/x|d a/y|f a/y/z|f c"},
		{"a directory does not make way", "-a --force --no-force src/ dst/", "f a|f b", "d a|f a/x|d a/y|f a/y/z|f c"},
	}
}

// newDeleteCase makes the case of a command line.
func newDeleteCase(t testing.TB, d deleteCase, way string) *peerCase {
	t.Helper()
	split := func(text string) []string { return strings.FieldsFunc(text, func(c rune) bool { return c == '|' }) }
	c := &peerCase{way: way, umask: "022", src: tree(t, split(d.src)...), dst: tree(t, split(d.dst)...)}
	words := strings.Fields(d.line)
	for ; strings.HasPrefix(words[0], "-"); words = words[1:] {
		c.opts = append(c.opts, strings.ReplaceAll(words[0], "_", " "))
	}
	c.sources, c.dest = words[:len(words)-1], words[len(words)-1]
	return c
}

// compareMoving is compare for runs that may change the source, and that keep something in bak.
func (b *peerBench) compareMoving(t testing.TB, c *peerCase) []string {
	t.Helper()
	now := time.Now().Unix()
	bak, src := filepath.Join(b.dir, "bak"), filepath.Join(b.dir, "src")
	one := func(program string) (peerOutcome, peerLook) {
		b.remove(t, bak)
		b.remove(t, src)
		c.src.make(t, src, 1_222_222_222)
		o := b.run(t, c, program)
		return o, lookAt(t, bak, now)
	}
	theirs, theirBak := one("rsync")
	ours, ourBak := one("gosync")
	if c.accept(&theirs, &ours) {
		return nil
	}
	var diffs []string
	if ours.status != theirs.status {
		diffs = append(diffs, fmt.Sprintf("exit: rsync %d, gosync %d\n    rsync: %s\n    gosync: %s", theirs.status, ours.status, theirs.stderr, ours.stderr))
	}
	for _, d := range slices.Concat(theirs.tree.differ("rsync", "gosync", ours.tree), theirBak.differ("rsync bak", "gosync bak", ourBak), theirs.source.differ("rsync src", "gosync src", ours.source)) {
		diffs = append(diffs, "tree: "+d)
	}
	for _, lines := range [][2][]string{{theirs.lines, ours.lines}, {theirs.second, ours.second}} {
		if slices.Contains(c.opts, "--delete-before") {
			lines[0] = withoutDirTimes(lines[0])
			lines[1] = withoutDirTimes(lines[1])
		}
		if !c.sameLines(lines[0], lines[1]) {
			diffs = append(diffs, fmt.Sprintf("lines:\n    rsync:\n%s\n    gosync:\n%s\n    stderr of gosync: %s", indentLines(lines[0]), indentLines(lines[1]), ours.stderr))
		}
	}
	return diffs
}

// withoutDirTimes leaves out that the times of directories are set: rsync, but not in a dry run, sees those that it has
// changed itself by deleting something before.
func withoutDirTimes(lines []string) (out []string) {
	for _, line := range lines {
		if strings.HasPrefix(line, ".d..t") {
			line = ".d..." + line[5:]
		}
		if !strings.HasPrefix(line, ".d......... ") && !strings.HasPrefix(line, ".d          ") {
			out = append(out, line)
		}
	}
	return out
}

// TestDeleteLikeRsync compares what both programs leave in the source, in the destination and of backups.
func TestDeleteLikeRsync(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	needRoot(t)
	b := &peerBench{dir: t.TempDir(), gosync: program(t)}
	b.rsh = loopShell(t, b.dir)
	for i, d := range deleteCases() {
		for _, way := range sampledWays(i, []string{"local", "push", "pull"}) {
			t.Run(d.name+"/"+way, func(t *testing.T) {
				c := newDeleteCase(t, d, way)
				if diffs := b.compareMoving(t, c); len(diffs) > 0 {
					t.Errorf("%s\n%s  %s", d.name, c, strings.Join(diffs, "\n  "))
				}
			})
		}
	}
}

// randomDeleteOptions are options that a random case gets beside its own.
func randomDeleteOptions(r *rand.Rand) []string {
	return slices.Clone(pickOne(r, [][]string{
		{"-b"},
		{"-b", "--suffix=.o"},
		{"-b", "--delete"},
		{"--backup-dir=../bak"},
		{"--backup-dir=../bak", "--delete"},
		{"--backup-dir=../bak", "--suffix=%", "--delete"},
		{"--delete", "--delete-before"},
		{"--delete", "--delete-after"},
		{"--delete", "--delete-excluded"},
		{"--force"},
		{"--temp-dir=../bak/.."},
		{"--delay-updates"},
		{"--delay-updates", "--delete", "-b"},
		{"--delete", "--delete-delay", "-b"},
	}))
}

// TestRandomDeleteLikeRsync does the same with random trees and command lines.
func TestRandomDeleteLikeRsync(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	b := &peerBench{dir: t.TempDir(), gosync: program(t)}
	b.rsh = loopShell(t, b.dir)
	failed := 0
	for _, seed := range peerSeeds(t, 60, 1500) {
		c := randomCase(seed)
		r := rand.New(rand.NewPCG(seed, 7))
		c.files, c.opts = nil, slices.DeleteFunc(c.opts, func(o string) bool { return strings.HasPrefix(o, "--files-from") || o == "--from0" })
		c.opts = append(c.opts, "-r")
		if strings.Contains(c.dst.String(), longName()) || slices.Contains(c.opts, "--inplace") || slices.Contains(c.opts, "-n") {
			continue // rsync says nothing of backups whose name is too long, does not keep what a copy in place had, and in a dry run forgets what backups keep
		}
		for _, o := range randomDeleteOptions(r) {
			if !slices.Contains(c.opts, o) {
				c.opts = append(c.opts, o)
			}
		}
		if diffs := b.compareMoving(t, c); len(diffs) > 0 {
			t.Errorf("GOSYNC_SEED=%d\n%s", seed, shorter(fmt.Sprintf("%s  rsync %q\n  gosync %q\n  %s", c, b.argv(c, "rsync"), b.argv(c, "gosync"), strings.Join(diffs, "\n  "))))
			if failed++; failed == 4 && os.Getenv("GOSYNC_LONG") == "" {
				t.Fatal("enough")
			}
		}
	}
}
