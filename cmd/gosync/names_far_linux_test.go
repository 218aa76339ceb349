package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// listScript makes a tree and lists of names in it, one of them with a name that has wildcards.
const listScript = `
mkdir -p s/dir/sub/in s/dir/sub/whole d
echo 1 > s/dir/text; echo 2 > s/dir/sub/f; echo 3 > s/dir/sub/in/left; echo 4 > s/dir/sub/whole/g; echo 5 > s/other
printf '.\ndir/sub\ndir/sub/in\ndir/sub/whole/\ndir/sub/f\n' > list; printf 'dir/sub/f\0other\0' > list0; echo other > 'l*'; echo dir/text > lx
cp list a:list; printf 'nope\nother\n' > partly
find s d -exec touch -d @1000000000 {} +
`

// TestListsAfarLikeRsync: files-from with all placements of the list, the source and the destination.
func TestListsAfarLikeRsync(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	for _, ends := range [][2]string{{"", "host:"}, {"host:", ""}} {
		for i, line := range []string{
			"--files-from=list", "--files-from=./a:list", "--files-from=host:list", "-s --files-from=host:list", "--files-from=:list", "-0 --files-from=:list0",
			"-s -r --files-from=:list", "--files-from=:l*", "--files-from=:./a:list", "-n --files-from=host:list", "--files-from=:partly", "-R --files-from=:list",
			"--files-from=[host]:list",
		} {
			if !sampled(i, 2) {
				continue
			}
			args := "-ai " + line + " {S}s/ {D}d/"
			t.Run(strings.NewReplacer(" ", "_", "/", "-", "{S}", ends[0], "{D}", ends[1]).Replace(args), func(t *testing.T) {
				t.Parallel()
				var got [2]string
				for i, program := range []string{"gosync", "rsync"} {
					got[i] = runCase(t, program, t.TempDir(), likeCase{script: listScript, args: args}, ends)
				}
				if got[0] != got[1] {
					t.Errorf("only gosync:\n%sonly rsync:\n%s", lacking(got[0], got[1]), lacking(got[1], got[0]))
				}
			})
		}
	}
}

// TestListsAfarByAllWays: the list is read by what the far side has, over the connection that there is.
func TestListsAfarByAllWays(t *testing.T) {
	t.Parallel()
	gosync := program(t)
	for _, kind := range farKinds(gosync) {
		if kind.status != exitOK {
			continue
		}
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			at := matrixInProcess(t, kind.name)
			for _, way := range []string{"push", "pull"} {
				dir := t.TempDir()
				script := exec.Command("sh", "-ec", listScript)
				script.Dir = dir
				if out, err := script.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				from, to, want := dir+"/s", at.alias+":"+dir+"/d", exitOK
				if way == "pull" {
					from, to = at.alias+":"+from, dir+"/d"
					if kind.name == kindSCP {
						want = exitUnsupported // as with a list that is here
					}
				}
				args := append([]string{"-rt", "--ssh=native", "--ssh-config", at.config, "--files-from=" + at.alias + ":" + dir + "/l*"}, kind.options...)
				cmd := exec.Command(gosync, append(args, from, to)...)
				cmd.Env = append(os.Environ(), "HOME="+at.home, "SSH_AUTH_SOCK=")
				out, _ := cmd.CombinedOutput() // its status is looked at
				if status := cmd.ProcessState.ExitCode(); status != want {
					t.Errorf("%s: exit %d, want %d\n%s", way, status, want, out)
				}
				var have []string
				for _, name := range []string{"other", "dir"} {
					if _, err := os.Stat(filepath.Join(dir, "d", name)); err == nil {
						have = append(have, name)
					}
				}
				if got := strings.Join(have, " "); want == exitOK && got != "other" {
					t.Errorf("%s: %q came, not other\n%s", way, got, out)
				}
			}
		})
	}
}
