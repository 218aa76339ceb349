package main

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// TestToolchain copies a real tree, the Go toolchain or a part of it, to a machine and
// back over each rung. What arrives is the source, and a second run has nothing to do.
func TestToolchain(t *testing.T) {
	t.Parallel()
	size := 1_500
	if longRun() {
		size = 15_000
	}
	gosync, src := program(t), toolchain(t, size)
	want := lookAt(t, src, time.Now().Unix())
	t.Logf("%d entries", len(want))
	for _, rung := range []struct {
		name  string
		args  []string
		plain bool // it keeps no symlinks, and copies all again
	}{
		{name: "agent", args: []string{"--via=agent"}},
		{name: "sftp", args: []string{"--via=sftp"}},
		{name: "scp", args: []string{"--via=scp"}, plain: true},
	} {
		t.Run(rung.name, func(t *testing.T) {
			t.Parallel()
			s := sshtest.Start(t, sshtest.Options{Path: []string{filepath.Dir(gosync)}, Env: []string{"HOME=" + t.TempDir()}})
			dir, home := t.TempDir(), t.TempDir()
			far, back := filepath.Join(dir, "far"), filepath.Join(dir, "back")
			run := func(from, to string) string {
				args := append([]string{"-a", "-i", "--stats", "--fsync=none", "--ssh-config", s.Config}, rung.args...)
				cmd := exec.Command(gosync, append(args, from, to)...)
				cmd.Env = append(os.Environ(), "HOME="+home, "XDG_STATE_HOME="+home)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%s to %s: %v\n%.4000s", from, to, err, out)
				}
				return string(out)
			}
			for _, way := range [][2]string{{src + "/", s.Alias + ":" + far}, {s.Alias + ":" + far + "/", back}} {
				run(way[0], way[1])
				if !rung.plain {
					wantIdle(t, run(way[0], way[1]))
				}
			}
			want := maps.Clone(want)
			if rung.plain {
				delete(want, "./link")
			}
			for name, root := range map[string]string{"far": far, "back": back} {
				if d := want.differ("source", name, lookAt(t, root, time.Now().Unix())); len(d) > 0 {
					t.Errorf("%d differ, such as %s", len(d), strings.Join(d[:min(len(d), 5)], "\n"))
				}
			}
		})
	}
}

// itemLine is a line of -i.
var itemLine = regexp.MustCompile(`(?m)^[<>ch.*][fdLDS][^ ]{9} .*$`)

// wantIdle fails the test unless a run with -i and --stats has done nothing.
func wantIdle(t *testing.T, out string) {
	t.Helper()
	if line := itemLine.FindString(out); line != "" {
		t.Errorf("the second run does something: %s", line)
	}
	if !regexp.MustCompile(`(?m)^Number of regular files transferred: 0$`).MatchString(out) {
		t.Errorf("the second run transfers files: %s", out)
	}
}

// toolchain copies so many files of the Go toolchain, or all that it has but for
// what was compiled, with times of whole seconds, which each rung can tell. A symlink
// and an empty directory, which it has not, come with them.
func toolchain(t *testing.T, n int) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	from, to := strings.TrimSpace(string(out)), filepath.Join(t.TempDir(), "go")
	err = filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == filepath.Join(from, "bin") || path == filepath.Join(from, "pkg") {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		name := filepath.Join(to, rel)
		if e.IsDir() {
			return os.MkdirAll(name, 0o755)
		}
		if n--; n < 0 {
			return fs.SkipAll
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(name, data, 0o600|fs.FileMode(n%0o200))
	})
	if err == nil {
		err = os.Symlink("src", filepath.Join(to, "link"))
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(to, "empty"), 0o750)
	}
	var all []string
	if err == nil {
		err = filepath.WalkDir(to, func(path string, _ fs.DirEntry, err error) error {
			all = append(all, path)
			return err
		})
	}
	for i := len(all) - 1; i >= 0 && err == nil; i-- {
		err = setTime(all[i], 1_599_999_999+3*int64(i))
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}
