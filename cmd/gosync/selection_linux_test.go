package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// likeCases makes a case of each command line.
func likeCases(script string, args ...string) (cases []likeCase) {
	for _, a := range args {
		cases = append(cases, likeCase{name: strings.NewReplacer(" ", "_", "/", "-").Replace(a), script: script, args: a})
	}
	return cases
}

// pruneScript makes directories with and without files in them.
const pruneScript = `
mkdir -p s/e1/e2 s/f/g s/h/i/j s/top s/prot/in d/e1/e2 d/old
echo 1 > s/f/g/x; echo 2 > s/file; ln -s q s/h/i/l; ln s/file s/f/y; ln s/file s/h/hard
echo 9 > d/e1/e2/keep
printf 'f\ne1/e2\nfile\n' > list
find s d -exec touch -h -d @1000000000 {} +
`

func TestPruneEmptyDirsLikeRsync(t *testing.T) {
	t.Parallel()
	likeRsync(t, likeCases(pruneScript,
		"-aim {S}s/ {D}d/", "-aim {S}s {D}d/", "-aim {S}s/e1 {D}d/", "-aim {S}s/e1/ {D}d/", "-rim {S}s/ {D}d/", "-ai --prune-empty-dirs --no-m {S}s/ {D}d/",
		"-aim --filter=P_prot/ {S}s/ {D}d/", "-aim --filter=P_in/ {S}s/ {D}d/", "-aim --delete {S}s/ {D}d/", "-ainm --delete {S}s/ {D}d/", "-dim {S}s/ {D}d/", "-dtim {S}s {D}d/",
		"-aimR {S}s/h/i {S}s/e1 {D}d/", "-aim --exclude=x {S}s/ {D}d/", "-aim --max-size=1 {S}s/ {D}d/", "-aim --files-from=list {S}s/ {D}d/", "-aimr --files-from=list {S}s/ {D}d/",
		"-aim -O {S}s/ {D}d/", "-aim --include=*/ --include=x --exclude=* {S}s/ {D}d/", "-aim {S}s/e1/ {S}s/f {S}s/top {D}d/",
	))
}

// impliedScript makes paths whose directories are to stay as they are.
const impliedScript = `
mkdir -p s/a/b/c d other
echo 1 > s/a/b/c/x; echo 2 > s/a/y; chmod 750 s/a; chmod 700 s/a/b; ln -s b s/a/l
echo a/b/c/x > list; printf 'a/b/c/x\na/b\n' > list2
find s -exec touch -h -d @1000000000 {} +
`

func TestNoImpliedDirsLikeRsync(t *testing.T) {
	t.Parallel()
	args := []string{
		"-aiR {S}s/./a/b/c/x {D}d/", "-aiR --no-implied-dirs {S}s/./a/b/c/x {D}d/", "-aiR --no-i-d {S}s/./a/b/c {D}d/", "-aiR --no-implied-dirs --i-d {S}s/./a/b/c {D}d/",
		"-aiRn --no-implied-dirs {S}s/./a/b/c/x {D}d/", "-ai --files-from=list --no-implied-dirs {S}s/ {D}d/", "-ai --files-from=list2 --no-implied-dirs {S}s/ {D}d/",
		"-aiR --no-implied-dirs {S}s/./a/b/c/x {S}s/./a/y {D}d/", "-aiR --no-implied-dirs --existing {S}s/./a/b/c/x {D}d/", "-aiR --no-implied-dirs --delete {S}s/./a/b/c {D}d/",
		"-aiR --no-implied-dirs {S}s/./a/b/c/x {D}new/", "-aiR --no-implied-dirs {S}s/././a/y {D}d/", "-aiR {S}s/./a/l/c/x {D}d/", "-aiR --no-implied-dirs {S}s/./a/l/c/x {D}d/", "-aiR {S}s/./a/l {D}d/",
		"-ai --files-from=list --no-implied-dirs --no-R {S}s/ {D}d/",
	}
	for _, have := range []string{
		"", "mkdir -p d/a/b/c; chmod 711 d/a; echo k > d/a/k; echo k > d/a/b/c/k; touch -d @900000000 d/a d/a/b d/a/b/c", "mkdir d/in; echo k > d/in/k; ln -s in d/a; touch -d @900000000 d/in", "mkdir d/a; mkdir d/in; ln -s ../in d/a/b",
	} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			likeRsync(t, likeCases(impliedScript+have+"\n", args...))
		})
	}
	// A symlink that leads out, and what is no directory, are errors; the words differ.
	for _, have := range []string{"ln -s ../other d/a", "ln -s ../../other d/a", "ln -s nowhere d/a", "echo k > d/a"} {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			cases := likeCases(impliedScript+have+"\n", "-aR --no-implied-dirs {S}s/./a/b/c/x {D}d/", "-aR {S}s/./a/b/c/x {D}d/")
			for i := range cases {
				cases[i].noLines = true
			}
			likeRsync(t, cases)
		})
	}
}

// missingScript makes a destination that has more than the source.
const missingScript = `
mkdir -p s/a/b d/a/b d/nd/in d/ne
echo 1 > s/a/b/x; echo 1 > d/nope; echo 1 > d/a/b/nope; echo 1 > d/nd/in/f; ln -s q d/nl
printf 'a/b/nope\nne\nnd\n' > list
find s d -exec touch -h -d @1000000000 {} +
`

func TestDeleteMissingArgsLikeRsync(t *testing.T) {
	t.Parallel()
	var args []string
	for _, a := range []string{
		"{S}s/nope {D}d/", "-n {S}s/nope {D}d/", "{S}s/nope {S}s/a {D}d/", "{S}s/ne {D}d/", "--force {S}s/nd {D}d/", "--delete {S}s/nd {D}d/", "{S}s/nl {D}d/", "{S}s/zzz {D}d/",
		"-R {S}s/./a/b/nope {D}d/", "-R {S}s/./q/b/nope {D}d/", "{S}s/nope {D}d/nope", "{S}s/zz {D}d/nope", "{S}s/zz {D}d/new", "{S}s/zz/ {D}d/", "{S}s/nope/ {D}d/", "{S}s/nope/zz {S}s/a {D}d/",
		"--files-from=list {S}s/ {D}d/", "-r --delete --files-from=list {S}s/ {D}d/", "-r --delete-before --files-from=list {S}s/ {D}d/", "-r --delete-after --files-from=list {S}s/ {D}d/",
		"--max-delete=0 {S}s/nope {D}d/", "-b {S}s/nope {D}d/", "--ignore-missing-args {S}s/nope {D}d/", "--filter=P_nope {S}s/nope {D}d/",
		"--existing {S}s/nope {D}d/", "{S}s/nope {S}s/ne {D}new/", "-r --delete {S}s/nope {S}s/ {D}d/", "{S}s/nd {D}d/", "{S}t/nope {S}s/a {D}d/", "-R {S}s/./a/b/nope {D}new/",
	} {
		args = append(args, "-ai --delete-missing-args "+a)
	}
	likeRsync(t, likeCases(missingScript, args...))
	likeRsync(t, likeCases(missingScript, "-ai --delete-missing-args --exclude=nope {S}s/nope {D}d/"))
	likeRsync(t, likeCases(missingScript, "-ai --ignore-missing-args {S}s/zz/ {D}d/", "-ai --ignore-missing-args {S}s/zz/y {S}s/a {D}d/", "-aiR --ignore-missing-args {S}s/./zz/y {S}s/./a {D}d/"))
}

// TestFuzzy: a new file is sent as the changes of one that is much like it, beside it or in an alternate directory.
func TestFuzzy(t *testing.T) {
	t.Parallel()
	const script = `
mkdir s d alt
seq 1 40000 > d/data-1.txt; (cat d/data-1.txt; echo more) > s/data-2.txt
seq 50000 90000 > d/other.bin; cp -p d/other.bin s/renamed; touch -d @1000000000 d/other.bin s/renamed
seq 100000 150000 > alt/thing.old; (echo less; cat alt/thing.old) > s/thing
`
	literal := func(args ...string) int {
		t.Helper()
		dir := t.TempDir()
		cmd := exec.Command("sh", "-ec", script)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cmd = exec.Command("gosync", append(append([]string{"-a", "--stats", "--no-h", "-e", "rsh"}, args...), "s/", "host:"+dir+"/d/")...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, name := range []string{"data-2.txt", "renamed", "thing"} {
			want, err := os.ReadFile(filepath.Join(dir, "s", name))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "d", name)); err != nil || string(got) != string(want) {
				t.Errorf("%q: %s is wrong: %v", args, name, err)
			}
		}
		m := regexp.MustCompile(`Literal data: (\d+)`).FindStringSubmatch(string(out))
		if m == nil {
			t.Fatalf("no literal data in %s", out)
		}
		var n int
		fmt.Sscan(m[1], &n)
		return n
	}
	all := literal()
	beside := literal("--fuzzy")
	alternate := literal("-yy", "--compare-dest=../alt")
	if beside > all-400_000 || alternate > 20_000 || alternate > beside-200_000 {
		t.Errorf("%d bytes without, %d with --fuzzy, %d with -yy", all, beside, alternate)
	}
	for _, args := range [][]string{{"-yy", "--no-y"}, {"-y", "-W"}} {
		if n := literal(args...); n != all {
			t.Errorf("%q sends %d bytes, want %d", args, n, all)
		}
	}
	literal("-y", "--inplace")
	literal("-y", "--delete-before")
}

// TestIconv: what is to be converted is refused by name, and what is not is not.
func TestIconv(t *testing.T) {
	t.Parallel()
	env := func(value string) func(string) string {
		return func(name string) string { return map[string]string{"RSYNC_ICONV": value}[name] }
	}
	for _, c := range []struct {
		args, env string
		refused   bool
	}{
		{"", "", false},
		{"--iconv=latin1", "", true},
		{"--iconv=utf8,latin1", "", true},
		{"--iconv=utf8,UTF-8", "", false},
		{"--iconv=.", "", false},
		{"--iconv=-", "latin1", false},
		{"--no-iconv", "latin1", false},
		{"--iconv=latin1 --no-iconv", "", false},
		{"", "latin1,utf8", true},
	} {
		s, _, err := parseArgs(strings.Fields(c.args), false)
		if err != nil {
			t.Fatal(err)
		}
		err = s.checkIconv(env(c.env))
		if (err != nil) != c.refused || err != nil && (exitCode(err, nil) != exitUnsupported || !strings.Contains(err.Error(), "ICONV") && !strings.Contains(err.Error(), "--iconv")) {
			t.Errorf("%s with RSYNC_ICONV=%q: %v", c.args, c.env, err)
		}
	}
}

// pathScript makes sources that are reached by symlinks, and lists of names that lead elsewhere.
const pathScript = `
mkdir -p s/real/sub d s/a/b/c
echo 1 > s/real/sub/f; ln -s real s/link; echo 2 > s/real/g; echo 3 > s/a/b/c/h; echo 9 > outside
printf '/a/b/c/h\n../outside\n../../../outside\na/../../outside\nreal/sub/\n' > list; printf 'link/sub/f\n' > list2; printf 'a/./b//c/h\nreal/./sub\n./a/b\n' > list3
find s d -exec touch -h -d @1000000000 {} +; touch -d @1000000000 outside
`

// TestRelativePathsLikeRsync: relative-content, relative-implied-symlink, sender-remove-source-relative-anchor and files-from-path-clamp.
func TestRelativePathsLikeRsync(t *testing.T) {
	t.Parallel()
	likeRsync(t, likeCases(pathScript,
		"-aiR {S}s/./link/sub/f {D}d/", "-aiR {S}s/./link/sub {D}d/", "-aiR --no-implied-dirs {S}s/./link/sub/f {D}d/", "-aiR {S}s/./link/ {D}d/", "-aiR {S}s/./link {D}d/",
		"-aiR --remove-source-files {S}s/./link/sub {D}d/", "-aiR --remove-source-files {S}s/./real/sub/ {D}d/",
		"-ai --files-from=list {S}s/ {D}d/", "-ai --files-from=list {S}s/a {D}d/", "-ai --files-from=list2 {S}s/ {D}d/", "-ai --files-from=list2 --no-implied-dirs {S}s/ {D}d/",
		"-ai --no-R --files-from=list {S}s/ {D}d/", "-air --files-from=list {S}s/ {D}d/", "-ai --files-from=list3 {S}s/ {D}d/", "-air --files-from=list3 {S}s/ {D}d/", "-ain --files-from=list3 {S}s/ {D}d/",
	))
	// Absolute sources: the directories above are not this test's, so that only names and files are compared.
	requireTool(t, "rsync")
	for _, args := range []string{"-aiR {PWD}/s/real/sub d/", "-aiR --remove-source-files {PWD}/s/real/sub d/", "-aiR {PWD}/s/real/g s/a d/", "-aiR --remove-source-files {PWD}/s/./link/sub d/"} {
		var got [2]string
		for i, program := range []string{"gosync", "rsync"} {
			dir := t.TempDir()
			c := likeCase{script: pathScript, args: strings.ReplaceAll(args, "{PWD}", dir)}
			text := strings.ReplaceAll(strings.ReplaceAll(runCase(t, program, dir, c, [2]string{}), dir, "PWD"), dir[1:], "PWD")
			for line := range strings.Lines(text) {
				if strings.Contains(line, "real") || strings.Contains(line, "sub") || strings.Contains(line, "status") {
					got[i] += line
				}
			}
		}
		if got[0] != got[1] {
			t.Errorf("%s\nonly gosync:\n%sonly rsync:\n%s", args, lacking(got[0], got[1]), lacking(got[1], got[0]))
		}
	}
}

// ruledScript makes a source of which the rules of a command line exclude what it names.
const ruledScript = `
mkdir -p s/d/e d; echo 1 > s/d/f; echo 2 > s/d/e/g; echo 3 > s/x
printf 'd/e/.\n' > list; printf 'd/e\nx\n' > list2; printf 'd/f\nd/e/\n' > list3; printf 'd/.\n' > list4
find s -exec touch -h -d @1000000000 {} +; touch -d @1000000000 d
`

// TestRuledOutLikeRsync: the directories on the way to what was named, and is excluded, are not wanted for themselves.
func TestRuledOutLikeRsync(t *testing.T) {
	t.Parallel()
	var args []string
	for _, a := range []string{
		"-a --exclude=e --files-from=list {S}s/ {D}d/", "-ar --exclude=e --files-from=list2 {S}s/ {D}d/", "-a --exclude=e --files-from=list3 {S}s/ {D}d/", "-a --exclude=d --files-from=list4 {S}s/ {D}d/",
		"-aR --exclude=e {S}s/./d/e {S}s/./x {D}d/new", "-aR --exclude=e {S}s/./d/e {D}d/new", "-aR --exclude=d/f {S}s/./d/f {S}s/./d/e {D}d/", "-aR --include=d --exclude=* {S}s/./d/f {D}d/",
		"-aR --exclude=e --delete {S}s/./d/e/ {D}d/", "-aR --exclude=e/ {S}s/./d/e/. {D}d/", "-aR --exclude=e --delete-missing-args {S}s/./d/e {S}s/./no {D}d/new",
		"-l --exclude=d {S}s/d {D}d/", "-lR --exclude=d {S}s/./d {D}d/", "-l --exclude=x {S}s/d {D}d/", "-d --exclude=e --files-from=list {S}s/ {D}d/", "-aR --filter=H_e {S}s/./d/e {D}d/", "-aR --filter=P_e {S}s/./d/e {D}d/",
	} {
		args = append(args, "-i "+a)
	}
	likeRsync(t, likeCases(ruledScript, args...))
}

// TestMkpathLikeRsync: what is said and made without --dry-run is said with it.
func TestMkpathLikeRsync(t *testing.T) {
	t.Parallel()
	for _, dry := range []string{"", "-n "} {
		likeRsync(t, likeCases(pathScript,
			"-ai "+dry+"--mkpath {S}s/real/g {D}d/x/y/z", "-ai "+dry+"--mkpath {S}s/real/g {D}d/x/y/z/", "-ai "+dry+"{S}s/real/g {D}d/new", "-ai "+dry+"--mkpath {S}s/real/g {D}newd/file",
			"-aiv "+dry+"--mkpath {S}s/real/g {D}newd/file", "-ai "+dry+"--mkpath {S}s/real {D}newd/file", "-ai "+dry+"{S}s/real/g {D}newd/file", "-ai "+dry+"--mkpath {S}s/real/g {D}newd/",
		))
	}
}

// sizeScript makes files of many sizes and ages.
const sizeScript = `
mkdir -p s/sub d/sub
for n in 0 1 1000 1023 1024 1025 10000; do head -c $n /dev/zero > s/f$n; head -c $n /dev/zero > s/sub/g$n; done
printf abcdefgh > s/ap; printf abcd > d/ap; printf abcdefghi > s/ap2; printf XXXX > d/ap2; printf abcdefghij > d/ap3; printf abc > s/ap3
printf new > s/sub/u; printf old > d/sub/u; printf newer > d/u2; printf n > s/u2; mkdir d/f1; echo x > d/f1/x
printf same > s/sub/c; printf SAME > d/sub/c
printf 'f1025\nsub/g1\nsub/\nnope\n' > list; printf 'f1025\0sub/g1\0' > list0; printf '*0\n+ f1\n' > ex; printf '*1023\0f0\0' > ex0
find s d -exec touch -d @1000000000 {} +; touch -d @1100000000 d/u2; touch -d @900000000 d/sub/u d/ap d/ap2
`

// TestSizesAndListsLikeRsync: size-filter, update, compare, append and files-from-depth.
func TestSizesAndListsLikeRsync(t *testing.T) {
	t.Parallel()
	var args []string
	for _, o := range []string{
		"--max-size=1k", "--max-size=1K-1", "--max-size=1kb", "--max-size=1.5k", "--min-size=1k", "--min-size=1k+1", "--min-size=1 --max-size=1000", "--max-size=0", "--min-size=1kib", "--max-size=1024b", "--min-size=.5k",
		"-u", "-u --force", "--force", "-c", "-I", "--size-only", "-c -u", "-u --delete", "--modify-window=3", "-n -u",
		"--append", "--append -c", "--append -n", "--append --inplace", "--append-verify -n",
		"--files-from=list", "-0 --files-from=list0", "--exclude-from=ex", "--from0 --exclude-from=ex0", "--include-from=ex --exclude=*", "--files-from=list --exclude-from=ex", "-r --files-from=list", "--no-d --files-from=list",
		"--no-R --files-from=list", "--stop-at=2035-1-1T0:0", "--stop-at=2020-1-1T0:0", "--stop-at=2020/1/1", "--stop-after=1", "--stop-after=0", "--stop-after=x", "--time-limit=1", "--stop-at=25:00", "--stop-at=:59", "--stop-at=1-30",
		"--skip-compress=gz/jp[eg]/mp[34]", "--skip-compress=" + strings.Repeat("x", 5000), "-z --zc=lz4", "--zc=foo", "-z --compress-choice=zlibx", "--preallocate", "--preallocate -S",
	} {
		args = append(args, "-ai "+o+" {S}s/ {D}d/")
	}
	cases := likeCases(sizeScript, args...)
	for i := range cases {
		cases[i].name = fmt.Sprintf("%.80s", cases[i].name)
	}
	likeRsync(t, cases)
	// rsync tells of the file twice.
	verify := likeCases(sizeScript, "-ai --append-verify {S}s/ {D}d/")
	verify[0].noLines = true
	likeRsync(t, verify)
}
