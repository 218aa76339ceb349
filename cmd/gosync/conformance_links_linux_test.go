package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
)

// TestFilterMergeSymlinkLikeRsync: a file with rules may be a symlink to one elsewhere, if root or the user owns it. One
// that somebody else has put into the tree is not read, and one that leads nowhere, or to no file, is none.
func TestFilterMergeSymlinkLikeRsync(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root can give a symlink to another user")
	script := func(line string) string {
		return "mkdir -p s/sub d/sub out; echo c >s/sub/canary; echo k >s/sub/kept; echo x >d/sub/canary; echo x >d/sub/gone; echo canary >out/words; echo '- canary' >out/rules; echo '- gone' >out/keeps; chmod 600 out/*\n" +
			line + "\nfind s d out -exec touch -h -d @1000000000 {} +\n"
	}
	const foreign = "; chown -h 65534 s/sub/.[a-z]*"
	var cases []likeCase
	for _, c := range []struct{ name, line, args string }{
		{"cvs", "ln -s ../../out/words s/sub/.cvsignore", "-aiC"},
		{"cvs, foreign", "ln -s ../../out/words s/sub/.cvsignore" + foreign, "-aiC"},
		{"rules", "ln -s ../../out/rules s/sub/.rsync-filter", "-aiF"},
		{"rules, foreign", "ln -s ../../out/rules s/sub/.rsync-filter" + foreign, "-aiF"},
		{"rules, foreign but trusted", "ln -s ../../out/rules s/sub/.rsync-filter" + foreign, "-aiF --insecure-links -M--insecure-links"},
		{"by way of a foreign one", "ln -s ../../l/rules s/sub/.m; ln -s out l; chown -h 65534 l", "-ai --filter=:_.m"},
		{"nowhere", "ln -s nowhere s/sub/.rsync-filter", "-aiF"},
		{"a directory", "ln -s .. s/sub/.rsync-filter", "-aiF"},
		{"at the destination", "ln -s ../../out/keeps d/sub/.rsync-filter", "-aiF --delete --exclude=.rsync-filter"},
		{"at the destination, foreign", "ln -s ../../out/keeps d/sub/.rsync-filter; chown -h 65534 d/sub/.rsync-filter", "-aiF --delete --exclude=.rsync-filter"},
		{"at both", "ln -s ../../out/keeps s/sub/.rsync-filter; cp -a s/sub/.rsync-filter d/sub/", "-aiF --delete"},
		{"at the destination, nowhere", "ln -s nowhere d/sub/.rsync-filter", "-aiF --delete"},
	} {
		cases = append(cases, likeCase{name: strings.ReplaceAll(c.name, " ", "_"), script: script(c.line), args: c.args + " {S}s/ {D}d/"})
	}
	likeRsync(t, cases)
}

// TestDestinationFlipped is symlink-race-relative-dest, and dest-symlinked-dir: a relative destination that is the user's
// own symlink is followed, one of somebody else is not, and while a directory and such a symlink change places all the
// time nothing gets to where it leads.
func TestDestinationFlipped(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root can give a symlink to another user")
	p := &place{t: t, dir: t.TempDir()}
	for i := range 20 {
		p.file(fmt.Sprint("src/sub/f", i), "payload", 1_000_000_000)
	}
	p.mkdir("outside")
	p.mkdir("real")
	p.link("own", "real")
	p.link("x", "outside")
	p.own("x", 65534, 65534)
	if err := conformRun(p.dir, "-a", "src/", "x/"); err == nil {
		t.Error("a symlink of somebody else was followed")
	}
	for _, dest := range []string{"own", "own/"} {
		p.do(os.RemoveAll(p.path("real/sub")))
		p.do(conformRun(p.dir, "-a", "src/", dest))
		if _, err := os.Stat(p.path("real/sub/f19")); err != nil {
			t.Error(err)
		}
	}
	p.mkdir("dest")
	f := startFlipper(p.path("dest"), p.path("x"))
	arrived := 0
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		if conformRun(p.dir, "-a", "--fsync=none", "src/", "dest/") == nil { // it may fail, and say so
			arrived++
		}
	}
	t.Logf("%d runs arrived, %d flips", arrived, f.end())
	if list, err := os.ReadDir(p.path("outside")); err != nil || len(list) > 0 {
		t.Errorf("%d names are where the symlink leads, %v", len(list), err)
	}
}

// TestCopyXattrsFlipped is copy-xattrs-symlink-race: while a directory deep in the destination and a symlink to the outside
// change places, attributes that come with files of --copy-dest get to no file outside.
func TestCopyXattrsFlipped(t *testing.T) {
	t.Parallel()
	p := &place{t: t, dir: t.TempDir()}
	deep := strings.Repeat("d/", 70)
	content := strings.Repeat("x", 20_000)
	const files = 30
	for i := range files {
		for _, dir := range []string{"src/", "alt/"} {
			name := fmt.Sprint(dir, deep, "sub/f", i)
			p.file(name, content, 1_000_000_000)
			if err := unix.Setxattr(p.path(name), "user.marker", []byte("x"), 0); err != nil {
				need.Missing(t, "xattrs", err.Error())
			}
		}
		p.file(fmt.Sprint("outside/f", i), "", 5)
	}
	p.mkdir("dst/" + deep + "sub")
	p.link("dst/"+deep+"x", p.path("outside"))
	args := []string{"-rtpX", "--fsync=none", "--inplace", "--copy-dest=" + p.path("alt"), "src/", "dst/"}
	p.do(conformRun(p.dir, args...))
	if got := strings.Join(p.xattrs(p.path("dst/"+deep+"sub/f0")), " "); !strings.Contains(got, "user.marker") {
		t.Fatalf("without anybody in the way the attributes are %q", got)
	}
	f := startFlipper(p.path("dst/"+deep+"sub"), p.path("dst/"+deep+"x"))
	runs, harm := 0, ""
	for end := time.Now().Add(700 * time.Millisecond); time.Now().Before(end) && harm == ""; runs++ {
		_ = conformRun(p.dir, args...) // it may fail, and say so
		for i := range files {
			name := p.path(fmt.Sprint("outside/f", i))
			switch data, err := os.ReadFile(name); {
			case err == nil && len(data) > 0:
				harm = name + " was written"
			case err != nil:
				p.file(fmt.Sprint("outside/f", i), "", 5) // it was removed below, by way of the symlink
			case len(p.xattrs(name)) > 0:
				harm = fmt.Sprintf("%s has %q", name, p.xattrs(name))
			}
			_ = os.Remove(p.path(fmt.Sprint("dst/", deep, "sub/f", i))) // so that the next run has something to do
		}
	}
	if t.Logf("%d runs, %d flips", runs, f.end()); harm != "" {
		t.Error(harm)
	}
}

// TestManyHardlinksLikeRsync: one file of 1,300 names stays one, whatever is done to it.
func TestManyHardlinksLikeRsync(t *testing.T) {
	t.Parallel()
	const names = 1300
	linked := func(p *place) {
		p.file("src/f0", strings.Repeat("some content\n", 2000), 1_000_000_000)
		for i := 1; i < names; i++ {
			if i%100 == 0 {
				p.mkdir(fmt.Sprint("src/d", i))
			}
			p.hard("src/f0", map[bool]string{true: fmt.Sprintf("src/d%d/f", i), false: fmt.Sprint("src/f", i)}[i%100 == 0])
		}
		p.old("src", 1_000_000_000)
	}
	runLinesCases(t, []linesCase{
		{name: "changes", make: linked, lines: []string{"$P -aH src/ dst/", "printf more >>src/f7; touch -d @1100000000 src/f7", "$P -aH --no-W src/ dst/", "rm src/f0 dst/f9; touch -d @5 dst/f8", "$P -aH --delete -c --debug=HLINK5 src/ dst/ >out"}},
		{name: "far", make: linked, lines: []string{"$P -aH -e rsh src/ host:$PWD/dst/", "rm dst/f1*", "$P -aH -e rsh host:$PWD/src/ dst/"}},
		{name: "alternates", make: linked, lines: []string{"$P -aH src/ dst/", "$P -aH --link-dest=../dst src/ new/", "rm dst/f5 src/f6", "$P -aH --copy-dest=../dst src/ new2/"}, trees: "dst new new2"},
	})
	// rsync 3.5.0 does not end where --compare-dest has so many names.
	p := &place{t: t, dir: t.TempDir()}
	linked(p)
	if out, status := p.sh("gosync", "mkdir new; $P -aH src/ dst/ && $P -aHi --compare-dest=../dst src/ new/ 2>&1 | grep -v '/$'; find new -type f"); out != "" || status != "ok" {
		t.Errorf("%s: %s", status, out)
	}
}

// TestAtimesRefused: where a file system takes no access times the content arrives, and the files are told of.
func TestAtimesRefused(t *testing.T) {
	t.Parallel()
	requireTool(t, "strace")
	p := &place{t: t, dir: t.TempDir()}
	p.some("src")
	out, status := p.sh("gosync", "strace -f -qq -o /dev/null -e trace=utimensat -e inject=utimensat:error=EOPNOTSUPP $P -rU src/ dst/ 2>&1")
	if status != "exit status 23" || strings.Count(out, "not supported") < 2 {
		t.Errorf("%s: %s", status, out)
	}
	for name, want := range map[string]string{"a": "one", "sub/b": "two"} {
		if data, err := os.ReadFile(p.path("dst/" + name)); err != nil || string(data) != want {
			t.Errorf("%s is %q, %v", name, data, err)
		}
	}
}

// TestKeepDirLinksWithFewFiles: -K needs no open file for each symlink that stands for a directory. (What is to be made
// durable keeps more files open than this process may.)
func TestKeepDirLinksWithFewFiles(t *testing.T) {
	t.Parallel()
	p := &place{t: t, dir: t.TempDir()}
	const links = 300
	for i := range links {
		p.file(fmt.Sprintf("src/d%d/f", i), "content", 1_000_000_000)
		p.mkdir(fmt.Sprint("dst/real/", i))
		p.link(fmt.Sprint("dst/d", i), fmt.Sprint("real/", i))
	}
	if out, status := p.sh("gosync", "ulimit -n 128; $P -aK --fsync=none src/ dst/ 2>&1"); status != "ok" {
		t.Errorf("%s: %s", status, out)
	}
	for i := range links {
		if _, err := os.Stat(p.path(fmt.Sprintf("dst/real/%d/f", i))); err != nil {
			t.Error(err)
		}
	}
}
