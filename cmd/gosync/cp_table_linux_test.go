package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// cpRow is a command line that scp and gosync cp are given, each in a world of its own. In it a word @ is the path of
// the world, ~ the same from the home directory, PORT and USER those of the server, and _ in a name a space.
type cpRow struct {
	args string
	like string // what scp gets in place of args where its usual protocol cannot do what its manual says
	fail bool   // both fail
	made bool   // scp gives the directory "new" that it makes the permissions of the first file in it: not compared
}

func cpRows() []cpRow {
	return slices.Concat(cpPushRows(), cpPullRows(), cpLocalRows(), cpOptionRows(), cpTwoHostRows())
}

func cpPushRows() []cpRow {
	return []cpRow{
		{args: "a box:@/new"},
		{args: "a box:@/in"},
		{args: "a box:@/in/"},
		{args: "b box:@/in/a"},
		{args: "a b c.txt box:@/in"},
		{args: "a b box:@/new", made: true},
		{args: "dir box:@/in", fail: true},
		{args: "dir a box:@/in", fail: true},
		{args: "-r dir box:@/new"},
		{args: "-r dir box:@/in"},
		{args: "-r dir/ box:@/in"},
		{args: "-r dir/. box:@/new"},
		{args: "-r dir/. box:@/in"},
		{args: "-r empty box:@/new"},
		{args: "-r dir a other box:@/in"},
		{args: "-p b box:@/new"},
		{args: "-rp dir box:@/new"},
		{args: "-pr dir b box:@/in"},
		{args: "la box:@/new"},
		{args: "-r dirl box:@/new", like: "-O -r dirl box:@/new"},
		{args: "-r dang box:@/new", fail: true},
		{args: "-r ff box:@/new"},
		{args: "nope box:@/new", fail: true},
		{args: "a nope box:@/in", fail: true},
		{args: "a box:@/no/such", fail: true},
		{args: "a box:@/new/", fail: true},
		{args: "a box:@/lin"},
		{args: "-r dir box:@/a", fail: true},
		{args: "-r clash/dir box:@/in", fail: true},
		{args: "a other/a box:@/in"},
		{args: "sp_ace semi;colon 'q' box:@/in"},
		{args: "./x:y box:@/in"},
		{args: "a box:@/sp_ace2"},
		{args: "a box:~/new"},
	}
}

func cpPullRows() []cpRow {
	return []cpRow{
		{args: "box:@/a new"},
		{args: "box:@/a in"},
		{args: "-r box:@/dir new"},
		{args: "-r box:@/dir in"},
		{args: "-r box:@/dir/ in"},
		{args: "-rp box:@/dir new"},
		{args: "-p box:@/b in/a"},
		{args: "box:@/*.txt in"},
		{args: "box:@/*.txt new"},
		{args: "box:@/[ab] in"},
		{args: "box:@/none* in", fail: true},
		{args: "box:@/dir new", fail: true},
		{args: "box:@/dir box:@/a in", fail: true},
		{args: "box:@/a box:@/b new", fail: true},
		{args: "box:@/a box:@/nope box:@/b in", fail: true},
		{args: "box:@/a USER@box:@/b in"},
		{args: "box:@/a c.txt box:@/b in"},
		{args: "box:@/la new"},
		{args: "-r box:@/ff new"},
		{args: "box:@/a no/such", fail: true},
		{args: "box:@/a dir"},
		{args: "box:@/sp_ace new"},
		{args: "box:~/a new"},
		{args: "scp://box:PORT/~/a new"},
		{args: "scp://USER@box/@/c.txt in"},
		{args: "a scp://box:PORT/@/new"},
		{args: "[box]:@/a new"},
	}
}

func cpLocalRows() []cpRow {
	return []cpRow{
		{args: "a new"},
		{args: "a b in"},
		{args: "a b new", fail: true},
		{args: "dir new", fail: true},
		{args: "-r dir new"},
		{args: "-r dir in"},
		{args: "-rp dir new"},
		{args: "-r dirl dang ff in"},
		{args: "la new"},
		{args: "a a", fail: true},
		{args: "la a", fail: true},
		{args: "-r dir/. dir", fail: true},
	}
}

func cpOptionRows() []cpRow {
	return []cpRow{
		{args: "-rpqC -l 800000 dir box:@/new"},
		{args: "-v -4 -B -PPORT a box:@/new"},
		{args: "-P PORT -c aes128-ctr -oConnectTimeout=20 a box:@/new"},
		{args: "-T -3 -X nrequests=8 -- a box:@/new"},
		{args: "-O -r dir box:@/new"},
		{args: "-s -p b box:@/new"},
		{args: "a box:@/new -r", fail: true},
		{args: "-P nonsense a box:@/new", fail: true},
		{args: "-P 1 a scp://box:PORT/@/new"},
		{args: "-l 0 a box:@/new", fail: true},
		{args: "-Z a box:@/new", fail: true},
		{args: "-X nonsense=1 a box:@/new", fail: true},
		{args: "-r", fail: true},
		{args: "a", fail: true},
		{args: "a box:@/new -P", fail: true},
	}
}

func cpTwoHostRows() []cpRow {
	return []cpRow{
		{args: "-3 box:@/a box:@/new"},
		{args: "box:@/a USER@box:@/in"},
		{args: "-rp box:@/dir box:@/new"},
		{args: "-rp box:@/dir box:@/b box:@/in"},
		{args: "a box:@/b box:@/in"},
		{args: "box:@/nope box:@/new", fail: true},
	}
}

// TestCpLikeScp gives command lines to both programs and compares the class of the exit status and everything that is
// there afterwards: names, types, permissions, content, where links lead, and times as far as they were copied.
func TestCpLikeScp(t *testing.T) {
	t.Parallel()
	b := newCpBench(t)
	var sum struct {
		sync.Mutex
		rows int
	}
	t.Cleanup(func() {
		t.Logf("%d command lines", sum.rows)
	})
	two := make(chan struct{}, 2)
	for i, r := range cpRows() {
		if !longRun() && i%2 == 1 {
			continue // each takes a few logins
		}
		t.Run(fmt.Sprintf("%02d", i+1), func(t *testing.T) {
			t.Parallel()
			two <- struct{}{}
			defer func() { <-two }()
			b.compare(t, r)
			sum.Lock()
			sum.rows++
			sum.Unlock()
		})
	}
}

// cpBench is where both programs run.
type cpBench struct {
	sshd        *sshtest.Server
	scp, gosync string
	home, user  string
	began       time.Time
}

func newCpBench(t *testing.T) *cpBench {
	t.Helper()
	b := &cpBench{scp: sshtest.Require(t, "scp", "scp"), began: time.Now().Add(-time.Minute)}
	var err error
	if b.gosync, err = exec.LookPath("gosync"); err != nil {
		t.Fatal(err)
	}
	// A bash that takes itself for one inside of another leaves ~/.bashrc alone, which may take seconds.
	b.sshd = sshtest.Start(t, sshtest.Options{Path: []string{filepath.Dir(b.gosync)}, Env: []string{"GORACE=" + quickExit}})
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	b.home, b.user = u.HomeDir, u.Username
	return b
}

// compare runs a row with both programs.
func (b *cpBench) compare(t *testing.T, r cpRow) {
	worlds := map[string]string{}
	status := map[string]int{}
	said := map[string]string{}
	for name, command := range map[string][]string{"scp": {b.scp}, "gosync": {b.gosync, "cp"}} {
		args := r.args
		if name == "scp" && r.like != "" {
			args = r.like
		}
		worlds[name] = b.world(t)
		status[name], said[name] = b.run(t, worlds[name], command, args)
	}
	t.Logf("%-50s scp %d, gosync cp %d", r.args, status["scp"], status["gosync"])
	if (status["scp"] != 0) != r.fail {
		t.Errorf("scp %s ends with %d\n%s", r.args, status["scp"], said["scp"])
	}
	if (status["gosync"] != 0) != r.fail {
		t.Errorf("gosync cp %s ends with %d, scp with %d\n%s", r.args, status["gosync"], status["scp"], said["gosync"])
	}
	want, have := b.tree(t, worlds["scp"]), b.tree(t, worlds["gosync"])
	if r.made && strings.HasPrefix(have["new"], "d") && strings.HasPrefix(want["new"], "d") {
		delete(have, "new")
		delete(want, "new")
	}
	for name := range want {
		if have[name] != want[name] {
			t.Errorf("%s: %s is %q, with scp it is %q\n%s", r.args, name, have[name], want[name], said["gosync"])
		}
	}
	for name := range have {
		if want[name] == "" {
			t.Errorf("%s: %s is %q, with scp there is nothing\n%s", r.args, name, have[name], said["gosync"])
		}
	}
}

// run runs a program in a world and returns its exit status and what it said.
func (b *cpBench) run(t *testing.T, world string, command []string, args string) (status int, said string) {
	t.Helper()
	rel, err := filepath.Rel(b.home, world)
	if err != nil {
		t.Fatal(err)
	}
	argv := append(slices.Clone(command[1:]), "-F", b.sshd.Config)
	replace := strings.NewReplacer("@/", world+"/", "~/", rel+"/", "PORT", fmt.Sprint(b.sshd.Port), "USER@", b.user+"@", "_", " ")
	for _, word := range strings.Fields(args) {
		argv = append(argv, replace.Replace(word))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], argv...)
	cmd.Dir, cmd.WaitDelay = world, time.Second
	cmd.Env = append(os.Environ(), "GORACE="+quickExit, "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s %s: %v\n%s", command[0], args, err, &out)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// longAgo is when everything in a world was written.
const longAgo = 1_000_000_000

// world makes what each program finds: files to copy, and a directory "in" that is there already.
func (b *cpBench) world(t *testing.T) string {
	p := &place{t: t, dir: t.TempDir()}
	for name, text := range map[string]string{
		"a": "one", "b": "two", "c.txt": "three", "d.txt": "four", "sp ace": "five", "semi;colon": "six", "'q'": "seven", "x:y": "eight",
		"dir/x": "nine", "dir/sub/y": strings.Repeat("ten\n", 30_000), "other/a": "another", "dang/ok": "ok", "ff/ok": "ok",
		"in/a": "old content of a", "in/dir/x": "old", "in/dir/extra": "extra", "in/other": "a file", "clash/dir/sub": "a file",
		"dirl/top": "top",
	} {
		if name != "in/other" {
			p.file(name, text, longAgo)
		}
	}
	p.mkdir("empty")
	p.chmod("b", 0o750)
	p.chmod("dir/sub/y", 0o600)
	p.chmod("in/a", 0o640)
	p.link("dir/lx", "x")
	p.link("dirl/ld", "../dir/sub")
	p.link("dang/no", "nowhere")
	p.link("la", "a")
	p.link("lin", "in")
	p.mkdir("in/dir/sub")
	p.do(syscall.Mkfifo(p.path("ff/pipe"), 0o644))
	p.do(filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(path, time.Unix(longAgo, 0), time.Unix(longAgo, 0))
	}))
	return p.dir
}

// tree describes everything in a world. The time of an entry is told where it is that of the original, but for the
// directories that were there before: who replaces a file in one changes its time.
func (b *cpBench) tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		text := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %.40s (%d)", content, len(content))
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			text += " -> " + link
		}
		if !info.IsDir() && info.Mode()&fs.ModeSymlink == 0 || strings.HasPrefix(name, "new") {
			when := "copied"
			if info.ModTime().After(b.began) {
				when = "now"
			}
			text += " " + when
		}
		all[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
