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
	"time"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
	"gosync/walker/manifest"
)

// metaCase is a command line that both programs get, with a source and a destination made for it.
type metaCase struct {
	name string
	args string
	src  func(p *place, src string)
	dst  func(p *place, dst string)
	ways []string // of local, push, pull; nil for local alone
}

func (p *place) own(name string, uid, gid int) { p.t.Helper(); p.do(os.Lchown(p.path(name), uid, gid)) }

// mode sets all bits of a mode.
func (p *place) mode(name string, mode uint32) { p.t.Helper(); p.do(unix.Chmod(p.path(name), mode)) }

// read sets the access time of a file.
func (p *place) read(name string, atime, mtime int64) {
	p.t.Helper()
	p.do(os.Chtimes(p.path(name), time.Unix(atime, 0), time.Unix(mtime, 0)))
}

// linkTime sets the modification time of a symlink.
func (p *place) linkTime(name string, at int64) {
	p.t.Helper()
	ts := []unix.Timespec{{Sec: at}, {Sec: at}}
	p.do(unix.UtimesNanoAt(unix.AT_FDCWD, p.path(name), ts, unix.AT_SYMLINK_NOFOLLOW))
}

// old sets the times of a tree, so that no run depends on when it was made.
func (p *place) old(name string, at int64) {
	p.t.Helper()
	p.do(filepath.WalkDir(p.path(name), func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			p.linkTime(strings.TrimPrefix(path, p.dir+"/"), at)
		}
		return err
	}))
}

// some makes a small tree.
func (p *place) some(dir string) {
	p.file(dir+"/a", "one", 1_000_000_000)
	p.file(dir+"/sub/b", "two", 1_000_000_100)
	p.link(dir+"/link", "a")
	p.mode(dir+"/sub", 0o755)
	p.old(dir, 1_000_000_000)
}

// sampled reports whether the i-th of a table's cases is run: with -short every n-th one, from the one on that GOSYNC_TURN
// says. The gate has another turn for each commit.
func sampled(i, n int) bool {
	return !testing.Short() || i%n == fromEnv("GOSYNC_TURN", 0)%n
}

// sampledWays are the ways in which the i-th case is run: with -short one of them, each in its turn.
func sampledWays(i int, ways []string) []string {
	if testing.Short() {
		i %= len(ways)
		return ways[i : i+1]
	}
	return ways
}

// runMetaCases runs each case in each way with both programs, and compares what they print, how they end and what is
// there afterwards. What they are to do again they do once more, so that a second run that finds work shows.
func runMetaCases(t *testing.T, cases []metaCase) {
	requireTool(t, "rsync")
	for i, c := range cases {
		if !sampled(i, 2) {
			continue
		}
		ways := c.ways
		if ways == nil {
			ways = []string{"local"}
		}
		for _, way := range sampledWays(i, ways) {
			t.Run(c.name+"/"+way, func(t *testing.T) {
				got, want := c.run(t, "gosync", way), c.run(t, "rsync", way)
				if got != want {
					t.Errorf("rsync %s\ngosync:\n%s\nrsync:\n%s", c.args, got, want)
				}
			})
		}
	}
}

// run returns what came of the case.
func (c *metaCase) run(t *testing.T, program, way string) string {
	p := &place{t: t, dir: t.TempDir()}
	p.mkdir("src")
	p.mkdir("dst")
	c.src(p, "src")
	if c.dst != nil {
		c.dst(p, "dst")
	}
	from, to := map[string]string{"pull": "host:"}[way]+p.dir+"/src/", map[string]string{"push": "host:"}[way]+p.dir+"/dst/"
	args := append(strings.Fields(c.args), from, to)
	if way != "local" {
		args = append([]string{"-e", "rsh"}, args...)
	}
	dry := append([]string{"-n"}, args...)
	return p.metaRun(program, dry) + p.metaRun(program, args) + p.metaTree("dst") + p.metaRun(program, args)
}

func (p *place) metaRun(program string, args []string) string {
	cmd := exec.Command("/bin/sh", append([]string{"-c", `umask 022; exec "$@"`, "sh", program}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "GORACE="+quickExit)
	out, err := cmd.Output()
	status := "ok"
	if err != nil {
		status = err.Error()
		if exit, ok := err.(*exec.ExitError); ok && program == "gosync" {
			p.t.Logf("gosync %q: %s", args, exit.Stderr)
		}
	}
	lines := regexp.MustCompile(`(?m)^.{11} .*$`).FindAllString(string(out), -1)
	slices.Sort(lines)
	return strings.Join(append(lines, status, ""), "\n")
}

// metaTree describes a tree with all that is kept of it.
func (p *place) metaTree(dir string) string {
	var b strings.Builder
	p.do(filepath.WalkDir(p.path(dir), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		p.do(unix.Lstat(path, &st))
		fmt.Fprintf(&b, "%s %o %d:%d", strings.TrimPrefix(path, p.dir), st.Mode, st.Uid, st.Gid)
		if st.Mtim.Sec < time.Now().Unix()-1000 || st.Mtim.Sec > time.Now().Unix()+1000 {
			fmt.Fprintf(&b, " t=%d.%d", st.Mtim.Sec, st.Mtim.Nsec)
		}
		if target, err := os.Readlink(path); err == nil {
			fmt.Fprintf(&b, " -> %s", target)
		}
		for _, x := range p.xattrs(path) {
			fmt.Fprintf(&b, " %s", x)
		}
		b.WriteByte('\n')
		return nil
	}))
	return b.String()
}

// xattrs returns all extended attributes of what is at path.
func (p *place) xattrs(path string) (all []string) {
	buf := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		return nil
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		if n, err := unix.Lgetxattr(path, name, value); err == nil {
			all = append(all, fmt.Sprintf("%s=%.40x(%d)", name, value[:n], n))
		}
	}
	slices.Sort(all)
	return all
}

// TestModesAndOwnersLikeRsync: --chmod, -E, --chown and the maps do what they do with rsync, and so do -O, -J and --super.
func TestModesAndOwnersLikeRsync(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root may give files away")
	owned := func(p *place, src string) {
		p.some(src)
		for i, uid := range []int{0, 1, 2, 1234, 65534} {
			name := fmt.Sprint(src, "/sub/u", i)
			p.file(name, "x", 1_000_000_000)
			p.own(name, uid, uid)
		}
		p.own(src+"/link", 1, 2)
		p.old(src, 1_000_000_000)
	}
	there := func(p *place, dst string) { owned(p, dst); p.mode(dst+"/a", 0o755); p.mode(dst+"/sub/u2", 0o711) }
	x := func(p *place, src string) { p.some(src); p.mode(src+"/a", 0o751); p.mode(src+"/sub", 0o700) }
	later := func(p *place, dst string) { p.some(dst); p.old(dst, 1_100_000_000) }
	all := []string{"local", "push", "pull"}
	runMetaCases(t, []metaCase{
		{name: "chmod", args: "-ai --chmod=D2750,Fg+w,Fo=g", src: x, dst: there, ways: all},
		{name: "chmod twice", args: "-ai --chmod=a+x --chmod=g-x", src: x},
		{name: "chmod new", args: "-rtli --chmod=u=rwX,go=", src: x},
		{name: "chmod without perms", args: "-rtli --chmod=a+x", src: x, dst: there},
		{name: "chmod umask", args: "-ai --chmod=+w", src: x, ways: []string{"local", "push"}},
		{name: "setid", args: "-ai --chmod=a+s", src: owned, dst: later},
		{name: "executability", args: "-rtliE", src: x, dst: later, ways: all},
		{name: "executability taken", args: "-rtliE", src: owned, dst: there},
		{name: "executability new", args: "-rtliE", src: x},
		{name: "chown", args: "-ai --chown=bin:sys", src: owned, dst: there, ways: all},
		{name: "chown numbers", args: "-rtpi --chown=77:", src: owned},
		{name: "chown group", args: "-rlpti --chown=:games", src: owned, dst: owned},
		{name: "usermap", args: "-ai --usermap=1:2,bin:1234,nobody:games,1000-2000:77,root:sys", src: owned, dst: there, ways: all},
		{name: "usermap wildcards", args: "-ai --usermap=d*:bin,[b]in:sys,:games --groupmap=*:nogroup", src: owned},
		{name: "usermap nameless", args: "-ai --usermap=:bin", src: owned},
		{name: "usermap numeric", args: "-ai --usermap=:bin,1:sys --numeric-ids", src: owned, ways: []string{"local", "pull"}},
		{name: "usermap unknown", args: "-ai --usermap=1:nosuchuser", src: owned},
		{name: "usermap off", args: "-ai --usermap=1:2 --no-o", src: owned},
		{name: "omit dir times", args: "-aiO", src: x, dst: later},
		{name: "omit dir times new", args: "-aiO", src: x},
		{name: "omit link times", args: "-aiJ", src: x, dst: later},
		{name: "omit link times changed", args: "-aiJ", src: x, dst: func(p *place, dst string) { later(p, dst); p.link(dst+"/link", "b") }},
		{name: "omit both", args: "-aiOJ", src: owned, dst: later, ways: all},
		{name: "no super", args: "-ai --no-super", src: owned, dst: later, ways: []string{"local", "pull"}},
		{name: "super", args: "-ai --super", src: owned, dst: later},
	})
}

func (p *place) xattr(name, attr, value string) {
	p.t.Helper()
	p.do(unix.Lsetxattr(p.path(name), attr, []byte(value), 0))
}

// acl gives a file an access list, or a directory with def a default list, with entries "tag perm id" of which the
// tags are those of package manifest.
func (p *place) acl(name string, def bool, entries ...manifest.ACLEntry) {
	p.t.Helper()
	attr := "system.posix_acl_access"
	if def {
		attr = "system.posix_acl_default"
	}
	p.xattr(name, attr, string(manifest.ACL(entries).Blob()))
}

// TestXattrsLikeRsync: -X keeps extended attributes, takes those away that the source does not have, and says so.
func TestXattrsLikeRsync(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root has trusted attributes")
	src := func(p *place, src string) {
		p.some(src)
		p.file(src+"/large", "x", 1_000_000_000)
		p.file(src+"/cap", "x", 1_000_000_000)
		p.xattr(src+"/a", "user.one", "1")
		p.xattr(src+"/a", "user.two", "")
		p.xattr(src+"/a", "user.rsync.%stat", "100644 0,0 0:0")
		p.xattr(src+"/sub", "user.dir", "a\x00b\xff")
		p.xattr(src+"/sub/b", "trusted.x", "t")
		p.xattr(src+"/large", "user.large", strings.Repeat("x", 3000))
		p.xattr(src+"/cap", "security.capability", "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		p.xattr(src+"/link", "trusted.link", "l")
		p.xattr(src, "user.root", "r")
		p.own(src+"/cap", 1, 1)
		p.xattr(src+"/cap", "security.capability", "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		p.old(src, 1_000_000_000)
	}
	other := func(p *place, dst string) {
		src(p, dst)
		p.xattr(dst+"/a", "user.one", "2")
		p.xattr(dst+"/sub/b", "user.more", "2")
		p.xattr(dst+"/link", "trusted.more", "2")
		p.xattr(dst+"/large", "user.large", strings.Repeat("y", 3000))
		p.xattr(dst, "user.more", "r")
		p.old(dst, 1_000_000_000)
	}
	all := []string{"local", "push", "pull"}
	runMetaCases(t, []metaCase{
		{name: "new", args: "-aiX", src: src, ways: all},
		{name: "changed", args: "-aiX", src: src, dst: other, ways: all},
		{name: "same", args: "-aiX", src: src, dst: src},
		{name: "not asked for", args: "-ai", src: src, dst: other},
		{name: "content as well", args: "-aiX", src: src, dst: func(p *place, dst string) { other(p, dst); p.file(dst+"/a", "other", 5) }},
		{name: "no super", args: "-rltiX --no-super", src: src, dst: other},
		{name: "chmod", args: "-aiX --chmod=go-rwx", src: src, dst: other},
		{name: "negated", args: "-aiX --no-X", src: src},
	})
}

// TestACLsLikeRsync: -A keeps access and default lists, with the mode, and takes away those that the source does not have.
func TestACLsLikeRsync(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root may give files away")
	list := func(user uint32, perm uint8) []manifest.ACLEntry {
		return []manifest.ACLEntry{
			{Tag: manifest.ACLUserObj, Perm: 6},
			{Tag: manifest.ACLUser, Perm: perm, ID: user},
			{Tag: manifest.ACLGroupObj, Perm: 4},
			{Tag: manifest.ACLGroup, Perm: 5, ID: 2},
			{Tag: manifest.ACLMask, Perm: 6},
			{Tag: manifest.ACLOther, Perm: 0},
		}
	}
	src := func(p *place, src string) {
		p.some(src)
		p.file(src+"/plain", "x", 1_000_000_000)
		p.acl(src+"/a", false, list(1, 4)...)
		p.acl(src+"/sub", false, list(1234, 7)...)
		p.acl(src+"/sub", true, list(1, 5)...)
		p.acl(src+"/sub/b", false, manifest.ACLEntry{Tag: manifest.ACLUserObj, Perm: 6}, manifest.ACLEntry{Tag: manifest.ACLGroupObj, Perm: 6}, manifest.ACLEntry{Tag: manifest.ACLMask, Perm: 4}, manifest.ACLEntry{Tag: manifest.ACLOther, Perm: 4})
		p.old(src, 1_000_000_000)
	}
	other := func(p *place, dst string) {
		p.some(dst)
		p.file(dst+"/plain", "x", 1_000_000_000)
		p.acl(dst+"/a", false, list(2, 4)...)
		// Of one mode: where list and mode change, rsync's real run does not show the p that -n shows.
		p.acl(dst+"/plain", false, manifest.ACLEntry{Tag: manifest.ACLUserObj, Perm: 6}, manifest.ACLEntry{Tag: manifest.ACLUser, Perm: 7, ID: 9}, manifest.ACLEntry{Tag: manifest.ACLGroupObj, Perm: 6}, manifest.ACLEntry{Tag: manifest.ACLMask, Perm: 4}, manifest.ACLEntry{Tag: manifest.ACLOther, Perm: 4})
		p.acl(dst, true, list(2, 4)...)
		p.old(dst, 1_000_000_000)
	}
	all := []string{"local", "push", "pull"}
	runMetaCases(t, []metaCase{
		{name: "new", args: "-aiA", src: src, ways: all},
		{name: "changed", args: "-aiA", src: src, dst: other, ways: all},
		{name: "same", args: "-aiA", src: src, dst: src},
		{name: "implies perms", args: "-rltiA", src: src, dst: other},
		{name: "ids", args: "-aiA --usermap=1:77 --groupmap=2:78", src: src, dst: other},
		{name: "chmod", args: "-aiA --chmod=g=r", src: src},
		{name: "not asked for", args: "-ai", src: src, dst: src},
		{name: "with attributes", args: "-aiAX", src: src, dst: other},
	})
}

// TestAtimesLikeRsync: -U keeps access times to the second, except those of directories and symlinks.
func TestAtimesLikeRsync(t *testing.T) {
	t.Parallel()
	src := func(p *place, src string) {
		p.some(src)
		p.read(src+"/a", 900_000_000, 1_000_000_000)
		p.read(src+"/sub/b", 2_000_000_000, 1_000_000_000) // so that reading does not change it
	}
	runMetaCases(t, []metaCase{
		{name: "new", args: "-aiU --open-noatime", src: src, ways: []string{"local", "push", "pull"}},
		{name: "changed", args: "-aiU --open-noatime", src: src, dst: (*place).some, ways: []string{"local", "push"}},
		{name: "content", args: "-aiU --open-noatime", src: src, dst: func(p *place, dst string) { p.some(dst); p.file(dst+"/a", "other", 5) }},
	})
}

// TestAtimesAreKept: access times arrive, and --open-noatime leaves the source's alone.
func TestAtimesAreKept(t *testing.T) {
	t.Parallel()
	p := &place{t: t, dir: t.TempDir()}
	p.file("src/a", "content", 1_000_000_000)
	p.read("src/a", 900_000_000, 1_000_000_000)
	p.mkdir("dst")
	p.metaRun("gosync", []string{"-rtU", "--open-noatime", p.path("src") + "/", p.path("dst") + "/"})
	for _, name := range []string{"src/a", "dst/a"} {
		var st unix.Stat_t
		p.do(unix.Stat(p.path(name), &st))
		if st.Atim.Sec != 900_000_000 || st.Mtim.Sec != 1_000_000_000 {
			t.Errorf("%s was read at %d and changed at %d", name, st.Atim.Sec, st.Mtim.Sec)
		}
	}
}

// TestLinksLikeRsync: --safe-links, --copy-unsafe-links, -k and --munge-links deal with symlinks as rsync does.
func TestLinksLikeRsync(t *testing.T) {
	t.Parallel()
	src := func(p *place, src string) {
		p.some(src)
		p.file("out/o", "outside", 1_000_000_000)
		for name, target := range map[string]string{
			"in": "sub/b", "up": "../out/o", "dir": "sub", "outdir": "../out", "abs": "/etc/hostname", "none": "nothing", "mid": "sub/../a",
			"sub/back": "../a", "sub/out": "../../out/o", "munged": "/rsyncd-munged/a",
		} {
			p.link(src+"/"+name, target)
		}
		p.old(src, 1_000_000_000)
		p.old("out", 1_000_000_000)
	}
	unsafe := func(p *place, dst string) { p.some(dst); p.link(dst+"/up", "else"); p.old(dst, 1_000_000_000) }
	all := []string{"local", "push", "pull"}
	runMetaCases(t, []metaCase{
		{name: "safe", args: "-ai --safe-links --delete", src: src, dst: unsafe, ways: all},
		{name: "copy unsafe", args: "-ai --copy-unsafe-links", src: src, ways: all},
		{name: "copy links that are not excluded", args: "-aiL --delete --exclude=none --exclude=/munged", src: src, dst: unsafe, ways: all},
		{name: "copy unsafe, safe", args: "-rti --copy-unsafe-links --safe-links", src: src},
		{name: "copy dirlinks", args: "-aik", src: src, ways: all},
		{name: "keep dirlinks", args: "-aiKO", src: src, dst: func(p *place, dst string) {
			p.file(dst+"/real/b", "other", 5)
			p.link(dst+"/sub", "real")
			p.link(dst+"/a", "real")
			p.link(dst+"/in", "real")
		}, ways: all},
		{name: "munge", args: "-ai --munge-links", src: src, ways: all},
	})
}

// TestKeepDirLinksStaysInside: -K follows no symlink that leads out of the destination, and says so.
func TestKeepDirLinksStaysInside(t *testing.T) {
	t.Parallel()
	p := &place{t: t, dir: t.TempDir()}
	p.some("src")
	p.file("out/kept", "kept", 5)
	p.mkdir("dst")
	for _, target := range []string{"../out", p.path("out")} {
		p.link("dst/sub", target)
		if got := p.metaRun("gosync", []string{"-aiK", "--delete", p.path("src") + "/", p.path("dst") + "/"}); !strings.Contains(got, "exit status 23") {
			t.Errorf("%s: %s", target, got)
		}
		if got := p.metaTree("out"); !strings.HasPrefix(got, "/out 40755") || strings.Count(got, "\n") != 2 || !strings.Contains(got, "/out/kept") {
			t.Errorf("%s: %s", target, got)
		}
		if got, err := os.Readlink(p.path("dst/sub")); got != target || err != nil {
			t.Errorf("the link leads to %q, %v", got, err)
		}
	}
}
