package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gosync/internal/need"
)

// operatorScript makes directories that are reached by a symlink of root, mine, and by one of another user, bad.
const operatorScript = `
mkdir -p s d other/bak lst
echo 1 > s/f; echo old > d/f; echo f > other/list; echo '- f' > other/rules; cp s/f other/f; touch -d @1000000000 s/f other/f s d; touch -d @900000000 d/f
ln -s ../other lst/mine; ln -s ../other lst/bad; chown -h 65534 lst/bad
ln -s ../other/list lst/lmine; ln -s ../other/list lst/lbad; chown -h 65534 lst/lbad
ln -s bad lst/viabad; ln -s $PWD/other lst/absmine; ln -s $PWD/other lst/absbad; chown -h 65534 lst/absbad
`

// operatorRun runs a program in a new directory, and returns whether it failed and what is there then.
func operatorRun(t *testing.T, program, args string) (failed bool, tree string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("sh", "-ec", "umask 022\n"+operatorScript)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd = exec.Command(program, strings.Fields(strings.ReplaceAll(args, "{PWD}", dir))...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LC_ALL=C.UTF-8", "GORACE="+quickExit)
	cmd.Stdin = strings.NewReader("f\n")
	out, err := cmd.CombinedOutput()
	t.Logf("%s %s: %v: %s", program, args, err, out)
	_ = os.Remove(filepath.Join(dir, "d", "log"))
	tree = strings.ReplaceAll(dumpTree(t, dir), dir, "")
	return err != nil, regexp.MustCompile(`(?m)^d 40755 .*\n`).ReplaceAllString(tree, "") // gosync fails before it touches the destination
}

// TestOperatorPathsLikeRsync: a symlink in a path that an option names is followed if root or the user owns it, else only with
// --insecure-links. What comes of it is what comes of it with rsync.
func TestOperatorPathsLikeRsync(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	need.Root(t, "only root can give a symlink to another user")
	cases := []string{
		"--files-from=lst/LINK/list s/ d/", "--files-from=lst/lLINK s/ d/", "--exclude-from=lst/LINK/rules s/ d/", "--include-from=lst/lLINK s/ d/", "--filter=._lst/LINK/rules s/ d/",
		"--link-dest=../lst/LINK s/ d/", "--link-dest={PWD}/lst/absLINK s/ d/", "--compare-dest={PWD}/lst/LINK s/ d/", "--copy-dest={PWD}/lst/LINK s/ d/",
		"-b --backup-dir=../lst/LINK s/ d/", "-b --backup-dir={PWD}/lst/LINK/bak s/ d/", "-b --backup-dir={PWD}/lst/LINK/new s/ d/",
		"--temp-dir={PWD}/lst/LINK s/ d/", "--partial-dir={PWD}/lst/LINK/bak s/ d/", "--partial-dir={PWD}/lst/LINK/new s/ d/",
		"s/ lst/LINK/", "s/ lst/absLINK", "s/ lst/viaLINK/", "s/f lst/LINK/new", "s/f lst/LINK/f", "lst/LINK/ d/", "lst/LINK/f d/", "--delete s/ lst/LINK/bak",
	}
	for _, c := range cases {
		for _, link := range []string{"mine", "bad", "insecure"} {
			if strings.Contains(c, "viaLINK") && link == "mine" {
				continue
			}
			args := "-a " + strings.ReplaceAll(c, "LINK", link)
			if link == "insecure" {
				args = "-a --insecure-links " + strings.ReplaceAll(c, "LINK", "bad")
			}
			t.Run(strings.NewReplacer(" ", "_", "/", "-").Replace(args), func(t *testing.T) {
				t.Parallel()
				failed, tree := operatorRun(t, "gosync", args)
				wantFailed, want := operatorRun(t, "rsync", args)
				if failed != wantFailed || tree != want {
					t.Errorf("%s: failed is %v, want %v\nonly gosync:\n%sonly rsync:\n%s", args, failed, wantFailed, lacking(tree, want), lacking(want, tree))
				}
			})
		}
	}
}

// TestOperatorPathsElsewhere: what rsync does in another way, and the far side.
func TestOperatorPathsElsewhere(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root can give a symlink to another user")
	for _, c := range []struct {
		args   string
		failed bool
		has    string // a path that is there afterwards, or with ! is not
	}{
		{"-a s/ lst/bad/new", true, "!/other/new"}, // rsync makes it before it fails
		{"-a s/ lst/mine/new", false, "/other/new/f"},
		{"-a --mkpath s/ lst/bad/x/y", true, "!/other/x"},
		{"-a --insecure-links --no-insecure-links s/ lst/bad/new", true, "!/other/new"},
		{"-a --log-file=lst/bad/log s/ d/", false, "!/other/log"}, // as with rsync the run goes on without
		{"-a --log-file=lst/mine/log s/ d/", false, "/other/log"},
		{"-a --log-file=lst/bad/log --insecure-links s/ d/", false, "/other/log"},
		{"-a -e rsh s/ host:{PWD}/lst/bad/new", true, "!/other/new"},
		{"-a -e rsh --insecure-links s/ host:{PWD}/lst/bad/new", true, "!/other/new"}, // it is this side's
		{"-a -e rsh -M--insecure-links s/ host:{PWD}/lst/bad/new", false, "/other/new/f"},
		{"-a -e rsh host:{PWD}/s/ lst/bad/new", true, "!/other/new"},
		{"-a -e rsh --insecure-links host:{PWD}/s/ lst/bad/new", false, "/other/new/f"},
		{"-a --delay-updates --partial-dir={PWD}/lst/mine/new s/ d/", false, "/other/new"},
		{"-a --delay-updates --partial-dir={PWD}/lst/bad/new s/ d/", false, "!/other/new"},
		{"-a --delay-updates --insecure-links --partial-dir={PWD}/lst/bad/new s/ d/", false, "/other/new"},
		{"-a --files-from=/dev/fd/0 s/ d/new/", false, "/d/new/f"},
		{"-a --files-from=/proc/self/fd/0 s/ d/new/", false, "/d/new/f"},
	} {
		t.Run(strings.NewReplacer(" ", "_", "/", "-").Replace(c.args), func(t *testing.T) {
			t.Parallel()
			failed, tree := operatorRun(t, "gosync", c.args)
			name, absent := strings.CutPrefix(c.has, "!")
			if found := strings.Contains("\n"+tree, "\n"+name[1:]+" "); failed != c.failed || found == absent {
				t.Errorf("failed is %v, want %v; %s:\n%s", failed, c.failed, c.has, tree)
			}
		})
	}
}
