package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
	"gosync/walker/manifest"
)

// linesCase is a series of command lines that both programs get as $P, in a directory that make has filled.
type linesCase struct {
	name  string
	make  func(p *place)
	lines []string
	trees string // what is compared afterwards, "dst" where it is empty
	print bool   // all that is printed is compared, and not only what is told of entries
}

// runLinesCases compares what the programs print, how they end and what is there afterwards.
func runLinesCases(t *testing.T, cases []linesCase) {
	requireTool(t, "rsync")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, want := c.run(t, "gosync"), c.run(t, "rsync")
			if got != want {
				t.Errorf("gosync:\n%s\nrsync:\n%s", got, want)
			}
		})
	}
}

func (c *linesCase) run(t *testing.T, program string) string {
	p := &place{t: t, dir: t.TempDir()}
	p.open()
	p.mkdir("src")
	p.mkdir("dst")
	c.make(p)
	var b strings.Builder
	for _, line := range c.lines {
		out, status := p.sh(program, line)
		if !c.print {
			lines := regexp.MustCompile(`(?m)^.{11} .*$`).FindAllString(out, -1)
			slices.Sort(lines)
			out = strings.Join(lines, "\n")
		}
		fmt.Fprintf(&b, "%s\n%s\n%s\n", line, out, status)
	}
	trees := c.trees
	if trees == "" {
		trees = "dst"
	}
	for _, dir := range strings.Fields(trees) {
		b.WriteString(p.metaTree(dir) + p.groups(dir))
	}
	return b.String()
}

// nobodyPrefix runs a command without the rights of root; --groups=... may follow.
const nobodyPrefix = `set -- $(command -v $P); P=$1
N() { g=--clear-groups; case $1 in --groups=*) g=$1; shift ;; esac; setpriv --reuid=65534 --regid=65534 $g "$@"; }
N=N
`

// sh runs a line of the shell with $P for a program, and with "$N" in front of it without the rights of root.
func (p *place) sh(program, line string) (out, status string) {
	cmd := exec.Command("/bin/sh", "-c", "umask 022\nP="+program+"\n"+nobodyPrefix+line)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "GORACE="+quickExit)
	text, err := cmd.Output()
	status = "ok"
	if err != nil {
		status = err.Error()
		if exit, ok := err.(*exec.ExitError); ok {
			p.t.Logf("%s: %s: %s", program, line, exit.Stderr)
		}
	}
	return string(text), status
}

// groups tells which names of a tree are one file.
func (p *place) groups(dir string) string {
	names := map[uint64][]string{}
	p.do(filepath.WalkDir(p.path(dir), func(path string, e fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &st)
		}
		if err == nil && !e.IsDir() && st.Nlink > 1 {
			names[st.Ino] = append(names[st.Ino], strings.TrimPrefix(path, p.dir))
		}
		return err
	}))
	var all []string
	for _, group := range names {
		slices.Sort(group)
		all = append(all, strings.Join(group, " = "))
	}
	slices.Sort(all)
	return strings.Join(append(all, ""), "\n")
}

// TestModesLikeRsync: odd modes arrive, also with a delta and through a directory for temporaries on another file system.
func TestModesLikeRsync(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root may give files away")
	odd := func(p *place) {
		for i, mode := range []uint32{0, 0o4700, 0o2070, 0o1777, 0o444, 0o6755, 0o100} {
			name := fmt.Sprint("src/f", i)
			p.file(name, strings.Repeat("line\n", 3000), 1_000_000_000)
			p.own(name, i, i+1)
			p.mode(name, mode)
			p.mkdir(fmt.Sprint("src/d", i))
			p.mode(fmt.Sprint("src/d", i), mode)
		}
		p.old("src", 1_000_000_000)
	}
	away := "-T /dev/shm"
	runLinesCases(t, []linesCase{
		{name: "delta", make: odd, lines: []string{"$P -ai src/ dst/", "printf more >>src/f1; chmod 4711 src/f1; touch -d @5 src/*", "$P -aiI --no-W src/ dst/"}},
		{name: "temporary directory", make: odd, lines: []string{"$P -ai " + away + " src/ dst/", "printf more >>src/f1; chmod 4711 src/f1; touch -d @5 src/*", "$P -aiI --no-W " + away + " src/ dst/"}},
		{name: "set ids", make: odd, lines: []string{"$P -ai --chmod=a+s src/ dst/"}},
		{name: "by nobody", make: odd, lines: []string{"chmod -R u+rwX,go+rX src; chown nobody dst", "$N $P -ai src/ dst/", "$N $P -ai src/ dst/"}},
		{name: "groups of nobody", make: odd, lines: []string{"chmod -R u+rwX,go+rX src; chown nobody dst", "$N --groups=2,3 $P -rltgi src/ dst/", "$N --groups=2,3 $P -rltgi src/ dst/", "$N --groups=2,3 $P -ai src/ dst/"}},
		{name: "executability", make: odd, lines: []string{"$P -rtiE src/ dst/", "chmod 644 dst/f*; chmod 755 dst/f3 dst/f4", "$P -rtiE src/ dst/", "$P -rtiEp src/ dst/"}},
	})
}

// TestDevicesLikeRsync: devices and what is like them arrive, and all changes of them are told as rsync tells them.
func TestDevicesLikeRsync(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root may make devices")
	nodes := func(p *place) {
		p.node("src/char", unix.S_IFCHR|0o600, 41, 67)
		p.node("src/char2", unix.S_IFCHR|0o600, 42, 68)
		p.node("src/char3", unix.S_IFCHR|0o600, 42, 69)
		p.node("src/block", unix.S_IFBLK|0o644, 42, 69)
		p.node("src/block2", unix.S_IFBLK|0o644, 42, 73)
		p.node("src/block3", unix.S_IFBLK|0o644, 105, 73)
		p.hard("src/block3", "src/block3.5")
		p.node("src/fifo", unix.S_IFIFO|0o644, 0, 0)
		p.mkdir("src/sub")
		p.node("src/sub/socket", unix.S_IFSOCK|0o755, 0, 0)
		p.link("src/link", "fifo")
		p.old("src", 1_000_000_000)
	}
	there := func(p *place) {
		nodes(p)
		p.node("dst/char", unix.S_IFBLK|0o600, 41, 68) // of one number rsync would take both for the same
		p.node("dst/char2", unix.S_IFCHR|0o640, 42, 67)
		p.node("dst/block", unix.S_IFBLK|0o644, 42, 69)
		p.node("dst/fifo", unix.S_IFSOCK|0o644, 0, 0)
		p.file("dst/char3", "file", 5)
		p.link("dst/block2", "x")
		p.old("dst", 900_000_000)
	}
	runLinesCases(t, []linesCase{
		{name: "one by one", make: nodes, lines: []string{"$P -ai src/block dst/block2", "$P -ai src/block2 dst/block", "$P -Di src/block3 dst/block", "$P -aiH src/ dst/", "$P -aii src/ dst/"}},
		{name: "all", make: nodes, lines: []string{"$P -aiiH src/ dst/", "$P -aiiH src/ dst/"}},
		{name: "changes", make: there, lines: []string{"$P -naiiH src/ dst/", "$P -aiiH src/ dst/", "$P -aiH src/ dst/"}},
		{name: "changes without times", make: there, lines: []string{"rm dst/char3 dst/block2", "$P -rlDii src/ dst/"}}, // where the type changes rsync keeps the mode
		{name: "link-dest", make: nodes, lines: []string{"$P -aH src/ dst/", "mkdir new", "$P -aiiH --link-dest=../dst src/ new/", "$P -aiiH --link-dest=../dst src/ new/"}, trees: "new"},
		{name: "link-dest of changes", make: there, lines: []string{"mkdir new", "$P -aiiH --link-dest=../dst src/ new/"}, trees: "new"},
		{name: "copy-dest", make: nodes, lines: []string{"$P -aH src/ dst/", "mkdir new", "$P -aiiH --copy-dest=../dst src/ new/"}, trees: "new"},
		{name: "specials alone", make: there, lines: []string{"rm dst/char3 dst/block2", "$P -rlti --specials src/ dst/", "$P -rlti --devices src/ dst/", "$P -ai --no-D src/ dst/"}},
		{name: "fake", make: there, lines: []string{"$P -aiiH -M--fake-super src/ new/", "$P -aiiH -M--fake-super src/ new/", "$P -aiiH --fake-super --link-dest=../new new/ newer/"}, trees: "new newer"},
		{name: "socket in a directory", make: nodes, lines: []string{"$P -ai src/sub dst/", "$P -ai --delete src/sub/ dst/", "$P -rli src/sub dst2/"}},
	})
}

// TestXattrsConform: -X with what else may change, at depth, with hard links and alternate directories.
func TestXattrsConform(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root has trusted attributes")
	many := func(p *place) {
		for _, name := range []string{"file0", "file1", "foo/file3", "foo/bar/file5", "foo/bar/baz/file6"} {
			p.file("src/"+name, name, 1_000_000_000)
			p.xattr("src/"+name, "user.one", "1 "+name)
			p.xattr("src/"+name, "user.short", "this is short")
			p.xattr("src/"+name, "user.long", strings.Repeat("this is a long attribute that will be truncated ", 20)+name)
		}
		p.xattr("src/foo", "user.dir1", "need to test directory xattrs too")
		p.xattr("src/foo/bar", "user.dir2", "another xattr")
		p.xattr("src/foo/bar/baz", "trusted.dir3", "t")
		p.hard("src/foo/bar/file5", "src/foo/bar/same")
		p.old("src", 1_000_000_000)
	}
	other := func(p *place) {
		many(p)
		p.file("chk/file0", "file0", 1_000_000_000)
		p.file("chk/file1", "file1", 1_000_000_000)
		p.file("chk/foo/bar/file5", "foo/bar/file5", 1_000_000_000)
		p.hard("chk/foo/bar/file5", "chk/foo/bar/same")
		p.xattr("chk/file0", "user.one", "1 file0")
		p.xattr("chk/file0", "user.short", "this is short")
		p.xattr("chk/file0", "user.long", strings.Repeat("this is a long attribute that will be truncated ", 20)+"file0")
		p.xattr("chk/file1", "user.one", "other")
		p.xattr("chk/foo", "user.dir9", "other")
		p.old("chk", 1_000_000_000)
	}
	change := "$P -aX src/ dst/; python3 -c 'import os; os.setxattr(\"src/foo/bar/file5\", \"user.one\", b\"new\"); os.removexattr(\"src/file0\", \"user.short\"); os.setxattr(\"src/foo\", \"user.new\", b\"n\")'"
	runLinesCases(t, []linesCase{
		{name: "depth", make: many, lines: []string{"$P -aiX src/ dst/", change, "$P -aiX src/ dst/", "$P -aiiX src/ dst/"}},
		{name: "hard links", make: many, lines: []string{"$P -aHX src/ dst/", change, "$P -aHX src/ dst/"}}, // which name of a file comes first is not the same
		{name: "link-dest", make: other, lines: []string{"$P -aiiX --link-dest=../chk src/ dst/", "$P -aiiX --link-dest=../chk src/ dst/"}, trees: "dst chk"},
		{name: "link-dest, hard links", make: other, lines: []string{"$P -aiHX --link-dest=../chk src/ dst/"}, trees: "dst chk"},
		{name: "copy-dest", make: other, lines: []string{"$P -aiiX --copy-dest=../chk src/ dst/"}, trees: "dst chk"},
		{name: "compare-dest", make: other, lines: []string{"$P -aiiX --compare-dest=../chk src/ dst/"}, trees: "dst chk"},
		{name: "modes", make: many, lines: []string{"$P -aiX --chmod=a= src/ dst/", "$P -aiX --chmod=u+rwX src/ dst/"}},
		{name: "fake", make: other, lines: []string{"$P -aiX --fake-super --link-dest=../chk src/ dst/", "$P -aiX --fake-super --link-dest=../chk src/ dst/", "$P -aiX --fake-super dst/ new/"}, trees: "dst new chk"},
		{name: "by nobody", make: many, lines: []string{"chown nobody dst", "$N $P -aiX src/ dst/", "$N $P -aiX src/ dst/"}},
		{name: "read-only files of nobody", make: many, lines: []string{"find src -type f | xargs chmod 444; find src -type d | xargs chmod 555; chown nobody dst", "$N $P -aiX src/ dst/", change, "$N $P -aiX src/ dst/"}},
		{name: "double", make: many, lines: []string{"python3 -c 'import os; os.setxattr(\"src/file0\", \"user.rsync.%stat\", b\"100644 0,0 0:0\")'", "$P -aiXX src/ dst/", "$P -aiX src/ dst/"}},
	})
}

// TestACLsConform: lists with what else may change: default lists of the destination, backups, alternate directories,
// directories that can hardly be used.
func TestACLsConform(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root may give files away")
	src := func(p *place) {
		p.some("src")
		p.file("src/sub/deep/c", "three", 1_000_000_000)
		p.acl("src/a", false, testList(6, 1, 4)...)
		p.acl("src/sub", false, testList(7, 1234, 5)...)
		p.acl("src/sub", true, testList(7, 1234, 5)...)
		p.acl("src/sub/deep/c", false, testList(6, 1, 4)...)
		p.xattr("src/sub", "user.dir", "d")
		p.xattr("src/a", "user.file", "f")
		p.old("src", 1_000_000_000)
	}
	def := func(p *place) {
		src(p)
		p.acl("dst", true, testList(7, 77, 7)...)
		p.mkdir("dst/sub")
	}
	plain := func(p *place) {
		src(p)
		p.acl("dst", true, manifest.ACLEntry{Tag: manifest.ACLUserObj, Perm: 7}, manifest.ACLEntry{Tag: manifest.ACLGroupObj, Perm: 5}, manifest.ACLEntry{Tag: manifest.ACLOther, Perm: 0})
		p.do(os.RemoveAll(p.path("src/sub")))
		p.file("src/sub/b", "two", 1_000_000_000)
		p.file("src/x", "x", 1_000_000_000)
		p.mode("src/x", 0o777)
		p.old("src", 1_000_000_000)
	}
	backed := func(p *place) {
		src(p)
		p.do(unix.Removexattr(p.path("src/sub"), "user.dir")) // see TestBackupsHaveAttributes
		p.file("dst/a", "old", 5)
		p.file("dst/sub/b", "old", 5)
		p.file("dst/sub/deep/c", "old", 5)
		p.acl("dst/sub", false, testList(7, 9, 5)...)
		p.acl("dst/sub/deep", true, testList(7, 9, 5)...)
		p.xattr("dst/a", "user.old", "f")
		p.acl("dst/a", false, testList(6, 9, 4)...)
		p.mode("dst/sub/deep", 0o711)
		p.own("dst/sub", 3, 4)
		p.old("dst", 900_000_000)
	}
	runLinesCases(t, []linesCase{
		{name: "default of the destination", make: def, lines: []string{"$P -rti src/ dst/"}},
		{name: "default and modes", make: def, lines: []string{"$P -ai src/ dst/"}},
		{name: "default and lists", make: def, lines: []string{"$P -aiA src/ dst/", "$P -aiA src/ dst/"}},
		{name: "plain default", make: plain, lines: []string{"$P -rti src/ dst/"}},
		{name: "plain default and executability", make: plain, lines: []string{"$P -rtiE src/ dst/"}},
		{name: "plain default and lists", make: plain, lines: []string{"$P -aiA src/ dst/"}},
		{name: "default, temporary directory", make: plain, lines: []string{"$P -rti -T /dev/shm src/ dst/"}},
		{name: "default, one file", make: plain, lines: []string{"$P -i src/a dst/", "$P -i src/x dst/y"}},
		{name: "default, inplace", make: plain, lines: []string{"$P -rti --inplace src/ dst/"}},
		{name: "default, no permissions for others", make: plain, lines: []string{"umask 077; $P -rti src/ dst/"}},
		{name: "default, a new destination", make: plain, lines: []string{"chmod 777 src; umask 077; $P -rti src/ dst/new", "umask 077; $P -rti --mkpath src/ dst/p/new", "umask 077; $P -rti --no-implied-dirs -R src/./sub/b dst/some/"}},
		{name: "default, a new destination and modes", make: plain, lines: []string{"chmod 777 src; umask 077; $P -ai src/ dst/new"}},
		{name: "backups", make: backed, lines: []string{"$P -aiAX -b --backup-dir=../back src/ dst/"}, trees: "dst back"},
		{name: "backups inside", make: backed, lines: []string{"$P -aiAX -b --backup-dir=.back src/ dst/"}},
		{name: "backups elsewhere", make: backed, lines: []string{"rm -rf /dev/shm/gosync-test-back", "$P -aiAX -b --backup-dir=/dev/shm/gosync-test-back src/ dst/", "cp -a /dev/shm/gosync-test-back back; rm -rf /dev/shm/gosync-test-back"}, trees: "dst back"},
		{name: "backups without -A and -X", make: backed, lines: []string{"$P -ai -b --backup-dir=../back src/ dst/"}, trees: "dst back"},
		{name: "backups of deleted", make: backed, lines: []string{"rm -r src/sub", "$P -aiAX --delete -b --backup-dir=../back src/ dst/"}, trees: "dst back"},
		{name: "link-dest", make: backed, lines: []string{"mkdir new", "$P -aAX src/ dst/", "$P -aiiAX --link-dest=../dst src/ new/"}, trees: "dst new"},
		{name: "hardly usable", make: src, lines: []string{"chown -R nobody src; mkdir dst/sub; chown -R nobody dst; chmod 300 dst/sub", "$N $P -aiA src/ dst/", "chmod 300 dst/sub; $N $P -aiA src/sub/ dst/sub/"}},
	})
}

// TestWithoutAttributesThere: on a file system that has no extended attributes and lists all else arrives, that is told
// once, and the exit status says so; without -X and -A, and for files that have none, there is nothing to tell.
func TestWithoutAttributesThere(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root may mount")
	p := &place{t: t, dir: t.TempDir()}
	p.some("src")
	p.file("src/c", "three", 1_000_000_000)
	p.old("src", 1_000_000_000)
	p.mkdir("dst")
	if err := unix.Mount("none", p.path("dst"), "ramfs", 0, ""); err != nil {
		need.Missing(t, "ramfs", err.Error())
	}
	defer func() { _ = unix.Unmount(p.path("dst"), 0) }()
	run := func(args string) (string, int) {
		cmd := exec.Command("/bin/sh", "-c", "gosync "+args+" src/ dst/ 2>&1")
		cmd.Dir = p.dir
		cmd.Env = append(os.Environ(), "GORACE="+quickExit)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := run("-aAX"); code != 0 {
		t.Errorf("nothing was asked too much, and yet: %d %s", code, out)
	}
	for _, name := range []string{"src/a", "src/c", "src/sub", "src/sub/b"} {
		p.xattr(name, "user.one", "1")
		p.acl(name, false, testList(7, 1, 5)...)
	}
	p.do(os.RemoveAll(p.path("dst/sub")))
	for _, args := range []string{"-aX", "-aA", "-aAX", "-aAX --no-W -I", "-a -M--fake-super --chown=5:6"} {
		out, code := run(args)
		if code != exitPartial || strings.Count(out, "has nothing for") > 2 || !strings.Contains(out, "1 error in this run") {
			t.Errorf("%s: %d %s", args, code, out)
		}
		for _, name := range []string{"a", "c", "sub/b"} {
			got, err := os.ReadFile(p.path("dst/" + name))
			want, _ := os.ReadFile(p.path("src/" + name))
			if err != nil || string(got) != string(want) {
				t.Errorf("%s: %s is %q, %v", args, name, got, err)
			}
		}
	}
	if out, code := run("-a"); code != 0 {
		t.Errorf("without them: %d %s", code, out)
	}
}

// TestAttributesTooLarge: what an attribute needs, and the file system has no room for in one file, is no reason to end
// the run, and everything else arrives.
func TestAttributesTooLarge(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root may mount")
	p := &place{t: t, dir: t.TempDir()}
	p.some("src")
	p.file("src/z", "last", 1_000_000_000)
	p.mkdir("dst")
	if _, status := p.sh("true", "dd if=/dev/zero of=image bs=1M count=8 2>/dev/null && mkfs.ext4 -q -b 1024 -O ^ea_inode image && mount -o loop image dst && rmdir dst/lost+found"); status != "ok" {
		need.Missing(t, "a file system in a file", status)
	}
	defer func() { _ = unix.Unmount(p.path("dst"), 0) }()
	if err := unix.Setxattr(p.path("src/a"), "user.large", []byte(strings.Repeat("x", 3000)), 0); err != nil {
		need.Missing(t, "an attribute of 3000 bytes", err.Error())
	}
	out, status := p.sh("gosync", "$P -aX src/ dst/ 2>&1")
	if status != "exit status 23" || !strings.Contains(out, "user.large") {
		t.Errorf("%s: %s", status, out)
	}
	for _, name := range []string{"a", "z", "sub/b"} {
		if _, err := os.Stat(p.path("dst/" + name)); err != nil {
			t.Error(err)
		}
	}
}

// TestTimesLikeRsync: times before 1970, far ahead and between seconds arrive.
func TestTimesLikeRsync(t *testing.T) {
	t.Parallel()
	times := func(p *place) {
		for i, at := range []unix.Timespec{{Sec: -1}, {Sec: -2_000_000_000, Nsec: 5}, {Sec: 0}, {Sec: 0, Nsec: 1}, {Sec: 4_294_967_296}, {Sec: 15_000_000_000, Nsec: 999_999_999}, {Sec: 1_000_000_000, Nsec: 123_456_789}} {
			for _, name := range []string{fmt.Sprint("src/f", i), fmt.Sprint("src/d", i), fmt.Sprint("src/l", i)} {
				switch name[4] {
				case 'f':
					p.file(name, "x", 5)
				case 'd':
					p.mkdir(name)
				default:
					p.link(name, "x")
				}
				p.do(unix.UtimesNanoAt(unix.AT_FDCWD, p.path(name), []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW))
			}
		}
	}
	runLinesCases(t, []linesCase{
		{name: "kept", make: times, lines: []string{"$P -rlti src/ dst/", "$P -rlti src/ dst/", "touch -h dst/*", "$P -rlti src/ dst/"}},
		{name: "read", make: times, lines: []string{"$P -rltiU --open-noatime src/ dst/", "$P -rltiU --open-noatime src/ dst/"}},
	})
}

// TestBackupsHaveAttributes: directories that are made for backups have the extended attributes and lists of those that
// they stand for, also where backups are copies. (Rsync leaves their attributes out.)
func TestBackupsHaveAttributes(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root may give files away")
	p := &place{t: t, dir: t.TempDir()}
	elsewhere, err := os.MkdirTemp("/dev/shm", "gosync-test-")
	if err != nil {
		need.Missing(t, "/dev/shm", err.Error())
	}
	defer func() { _ = os.RemoveAll(elsewhere) }()
	for _, dir := range []string{p.path("back"), elsewhere} {
		p.file("src/sub/deep/c", "new", 1_000_000_000)
		p.do(os.RemoveAll(p.path("dst")))
		p.file("dst/sub/deep/c", "old", 5)
		p.file("dst/sub/deep/gone", "old", 5)
		for _, name := range []string{"sub/deep", "sub/deep/c", "sub/deep/gone"} {
			p.xattr("dst/"+name, "user.old", "o")
			p.acl("dst/"+name, false, testList(7, 9, 5)...)
		}
		if _, status := p.sh("gosync", "rm -r src/sub/deep; $P -aAX --delete -b --backup-dir="+dir+" src/ dst/"); status != "ok" {
			t.Error(status)
		}
		for _, name := range []string{"/sub/deep", "/sub/deep/c", "/sub/deep/gone"} {
			if got := strings.Join(p.xattrs(dir+name), " "); !strings.Contains(got, "user.old=6f") || !strings.Contains(got, "posix_acl_access") {
				t.Errorf("%s has %q", dir+name, got)
			}
		}
	}
}
