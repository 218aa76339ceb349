package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"gosync/transport/sshtest"
)

// hostileNames is row 32: names with every byte, as long as they can be, with sequences for terminals, and names that
// look like options, temporaries or paths. They arrive as they are, and are harmless when they are printed.
func hostileNames(t *testing.T, c *tally) {
	names := append(peerNames(), "..x", "...", " ", "\x1b]0;title\x07", "\x9b0m", "\xc2\x9b0m", "a\u202eb", "a\u2066b", "\u200b", "\ufeff", "e\u0301", "\u00e9",
		"\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80", `C:\x`, "a:b", "host:file", "CON", "trailing.", "-", "--delete", "-rf", "!", "$(touch x)", "`touch x`", "a;b", "'", `"`, "\r", "\v\f",
		strings.Repeat("\xff", 255), strings.Repeat("é", 127), strings.Repeat("\n", 255), ".gosync", ".gosync.", ".gosync.x", ".gosync.0123456789ABCDEF.part")
	for i := range 256 {
		if i != 0 && i != '/' && i != '.' {
			names = append(names, string([]byte{byte(i)}), string([]byte{'x', byte(i), 'y'}))
		}
	}
	b := newFaultBench(t)
	tree := peerTree{}
	for i, name := range names {
		kind := byte('f')
		if i%5 == 0 {
			kind = 'l'
		}
		tree = tree.with(peerNode{path: name, kind: kind, mode: 0o644, target: name, data: []byte(name)})
		tree = tree.with(peerNode{path: "dir " + name[:min(len(name), 251)] + "/" + name, kind: 'f', mode: 0o644, data: []byte(name)})
	}
	tree.make(t, b.path("src"), 1_600_000_000)
	run := func(args []string) {
		b.remove(t, "dst")
		e := b.want(t, 0, "", args...)
		for line := range strings.SplitSeq(e.output, "\n") {
			if i := strings.IndexFunc(line, func(r rune) bool { return r != '\t' && !unicode.IsPrint(r) }); i >= 0 || !utf8.ValidString(line) {
				t.Errorf("not fit for a terminal: %q", line)
			}
		}
		b.equalTrees(t, "src", "dst") // some look like temporaries
		c.count(len(tree))
	}
	for _, way := range faultWays() {
		run(b.with(way, "-aiv"))
	}
	if _, err := exec.LookPath("sshd"); err == nil && longRun() {
		s := sshtest.Start(t, sshtest.Options{})
		run([]string{"-aiv", "--ssh-config", s.Config, "--gosync-path=" + b.gosync, "src/", s.Alias + ":" + b.path("dst")})
	}
	hostileOperands(t, b, c)
}

// hostileOperands names such files on the command line.
func hostileOperands(t *testing.T, b *faultBench, c *tally) {
	for _, name := range []string{"-rf", "new\nline", "\xff\xfe", "$(touch x)", "a;b", "it's", `"`, "*star", "trail ", "\x1b[2J", longName()} {
		for _, way := range faultWays() {
			b.remove(t, "dst")
			b.file(t, "one/"+name, 10)
			b.want(t, 0, "", append([]string{"-a"}, b.ways(b.path("one")+"/"+name, "dst/")[way]...)...)
			b.same(t, "one/"+name, "dst/"+name)
			b.remove(t, "one")
			c.count(1)
		}
	}
	for _, way := range []string{"local", "push"} { // 256 bytes are no name
		b.file(t, "one/f", 10)
		b.wantOneOf(t, []int{3, exitFile, exitPartial}, "file name too long", append([]string{"-a"}, b.ways("one/f", "dst/"+longName()+"x/")[way]...)...)
		c.count(1)
	}
}

// hardLinks is row 35.
func hardLinks(t *testing.T, c *tally) {
	for _, way := range faultWays() {
		b := newFaultBench(t)
		b.file(t, "src/d1/a", 1000)
		b.file(t, "src/alone", 1000)
		b.file(t, "src/hidden/x", 1000)
		for _, l := range [][2]string{{"d1/a", "d1/b"}, {"d1/a", "d2/c"}, {"d1/a", "z"}, {"hidden/x", "seen"}, {"hidden/x", "d2/seen"}} {
			b.link(t, "src/"+l[0], "src/"+l[1])
		}
		b.want(t, 0, "", b.with(way, "-aH")...)
		b.same(t, "src", "dst")
		b.remove(t, "dst")
		b.want(t, 0, "", b.with(way, "-aH", "--exclude=hidden")...) // a name of the group takes no part
		b.remove(t, "src/hidden")
		for _, root := range []string{"src", "dst"} { // of which one has just changed
			if err := setTime(b.path(root), 1_600_000_000); err != nil {
				t.Fatal(err)
			}
		}
		b.same(t, "src", "dst")
		for _, errno := range []string{"EMLINK", "EPERM"} { // the destination allows no more: a copy it is
			b.remove(t, "dst")
			b.strace(t, way, "dst", []string{"linkat:error=" + errno + ":when=2+"})
			e := b.wantOneOf(t, []int{0, exitPartial}, "", b.with(way, "-aH", "--fsync=none")...)
			b.injected(t)
			if errno == "EMLINK" && e.status != 0 {
				t.Errorf("%s: %s: exit %d\n%s", way, errno, e.status, e.output)
			}
			for _, name := range []string{"d1/a", "d1/b", "d2/c", "z"} {
				if errno == "EMLINK" || e.status == 0 {
					b.content(t, "dst/"+name, strings.Repeat("a", 1000))
				}
			}
			b.clean(t, "dst")
			b.remove(t, "dst")
			b.want(t, 0, "", b.with(way, "-aH")...)
			b.same(t, "src", "dst")
			c.count(1)
		}
		c.count(2)
	}
	if os.Geteuid() == 0 {
		boundToItself(t)
		c.count(1)
	}
	if longRun() {
		linksAtTheLimit(t)
		c.count(1)
	}
}

func (b *faultBench) link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(to)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(b.path(from), b.path(to)); err != nil {
		t.Fatal(err)
	}
}

// boundToItself has a directory of the source appear once more within itself, which makes no endless tree.
func boundToItself(t *testing.T) {
	b := newFaultBench(t)
	b.file(t, "src/f", 1000)
	b.link(t, "src/f", "src/g")
	if err := os.MkdirAll(b.path("src/d/loop"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(b.path("src"), b.path("src/d/loop"), "", unix.MS_BIND, ""); err != nil {
		t.Skipf("mounting: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(b.path("src/d/loop"), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	b.want(t, 0, "", "-aH", "src/", "dst/")
	b.same(t, "src", "dst")
}

// linksAtTheLimit makes one more name than ext4 allows a file to have, in a file system that allows it.
func linksAtTheLimit(t *testing.T) {
	needRoot(t)
	const most = 65_000
	b := newFaultBench(t)
	mountSmall(t, b.path("src"), "size=64m,nr_inodes=200000")
	b.file(t, "src/f0", 1000)
	for i := range most + 10 {
		b.link(t, "src/f0", fmt.Sprintf("src/d%d/f%d", i%50, i+1))
	}
	var st unix.Statfs_t
	if err := unix.Statfs(b.dir, &st); err != nil || st.Type != unix.EXT4_SUPER_MAGIC {
		t.Skipf("the temporary directory is no ext4: %v", err)
	}
	b.want(t, 0, "", "-aH", "src/", "dst/")
	groups := map[uint64]int{}
	err := filepath.WalkDir(b.path("dst"), func(name string, e os.DirEntry, err error) error {
		var s syscall.Stat_t
		if err != nil || e.IsDir() {
			return err
		}
		if err := syscall.Lstat(name, &s); err != nil {
			return err
		}
		groups[s.Ino]++
		return nil
	})
	sizes := []int{}
	for _, n := range groups {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	if err != nil || !slices.Equal(sizes, []int{11, most}) {
		t.Errorf("%d names in %v groups: %v", most+11, sizes, err)
	}
	b.clean(t, "dst")
}

// manyEntries is row 36. Four times as many may take four times as much time and memory, and some more; the time is
// that of the processor.
func manyEntries(t *testing.T, c *tally) {
	most := many(20_000, 1_000_000)
	if os.Geteuid() != 0 {
		most = min(most, 20_000)
	}
	b := newFaultBench(t)
	if os.Geteuid() == 0 {
		mountSmall(t, b.path("fs"), "size=12g,nr_inodes=3000000")
	}
	var spent [2]float64
	made := 0
	for i, n := range []int{most / 4, most} {
		if err := os.MkdirAll(b.path("fs/src/all"), 0o755); err != nil {
			t.Fatal(err)
		}
		for ; made < n; made++ {
			if err := os.WriteFile(b.path(fmt.Sprintf("fs/src/all/%x", made*2_654_435_761%(1<<32))), []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, way := range []string{"local", "push"} {
			b.remove(t, "fs/dst")
			e := b.want(t, 0, "", append([]string{"-a", "--fsync=none"}, b.ways("fs/src/", "fs/dst/")[way]...)...)
			if e.peak > 1<<30 {
				t.Errorf("%s: %d entries took %d bytes of memory", way, n, e.peak)
			}
			if way == "local" {
				spent[i] = float64(e.usage.Utime.Nano()+e.usage.Stime.Nano()) / 1e9
			}
			if entries, err := os.ReadDir(b.path("fs/dst/all")); err != nil || len(entries) != n {
				t.Errorf("%s: %d of %d entries: %v", way, len(entries), n, err)
			}
			if i == 1 {
				c.remark("%s: %d entries, %d MiB of memory", way, n, e.peak>>20)
			}
			c.count(1)
		}
	}
	if spent[1] > 10*spent[0] {
		t.Errorf("%d entries took %.1f s, %d took %.1f s: that is quadratic", most/4, spent[0], most, spent[1])
	}
	b.clean(t, "fs/dst")
}

// like gives the same command to rsync and to gosync and wants the same tree, and the same exit status.
func (b *faultBench) like(t *testing.T, umask string, args []string, prepare func(dst string)) {
	t.Helper()
	requireTool(t, "rsync")
	var looks [2]peerLook
	var statuses [2]int
	began := time.Now().Unix()
	for i, name := range []string{"rsync", b.gosync} {
		dst := []string{"theirs", "ours"}[i]
		b.remove(t, dst)
		if err := os.Mkdir(b.path(dst), 0o755); err != nil {
			t.Fatal(err)
		}
		prepare(b.path(dst))
		argv := append([]string{"-c", "umask " + umask + "; exec \"$0\" \"$@\"", name}, append(args, "src/", dst+"/")...)
		cmd := exec.Command("/bin/sh", argv...)
		cmd.Dir = b.dir
		if b.nobody {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatalf("%v\n%s", err, out)
		}
		statuses[i] = cmd.ProcessState.ExitCode()
		looks[i] = lookAt(t, b.path(dst), began)
	}
	if statuses[0] != statuses[1] {
		t.Errorf("%q: rsync ends with %d, gosync with %d", args, statuses[0], statuses[1])
	}
	if diff := looks[0].differ("rsync", "gosync", looks[1]); len(diff) > 0 {
		t.Errorf("%q, umask %s, nobody %t: %s", args, umask, b.nobody, strings.Join(diff[:min(len(diff), 10)], "\n"))
	}
}

// modesAndOwners is row 38: files of all modes, new and over old ones of other modes and owners, by root and by others.
func modesAndOwners(t *testing.T, c *tally) {
	r := rand.New(rand.NewPCG(38, 38))
	b := newFaultBench(t)
	modes := []uint32{0o644, 0o600, 0o755, 0o4755, 0o2755, 0o6755, 0o1777, 0o4711, 0o2644, 0o6600, 0o444, 0o777}
	var src, dst peerTree
	for i, mode := range modes {
		for j, old := range append([]uint32{0}, modes...) {
			name := fmt.Sprintf("%d/f%d", i, j)
			src = src.with(peerNode{path: name, kind: 'f', mode: mode | 0o444, uid: pickOne(r, []int{0, 1, 65534}), gid: pickOne(r, []int{0, 2, 65534}), sec: 1_500_000_000, data: []byte(name)})
			if j > 0 {
				dst = dst.with(peerNode{path: name, kind: 'f', mode: old, uid: pickOne(r, []int{0, 1, 65534}), gid: pickOne(r, []int{0, 2, 65534}), sec: pickOne(r, []int64{1_500_000_000, 1_400_000_000}), data: []byte(name)})
			}
		}
		name := fmt.Sprintf("dir%d", i)
		src = src.with(peerNode{path: name, kind: 'd', mode: mode | 0o555, uid: i % 3, gid: i % 2, sec: 1_500_000_000})
		src = src.with(peerNode{path: name + "/f", kind: 'f', mode: 0o644, sec: 1_500_000_000})
	}
	src.make(t, b.path("src"), 1_500_000_000)
	for i, umask := range []string{"077", "000", "022"} {
		for j, options := range []string{"-a", "-rt", "-rtp", "-rlto"} {
			if !longRun() && (i+j)%4 != 0 {
				continue
			}
			b.nobody = false
			b.like(t, umask, []string{options}, func(to string) { dst.make(t, to, 1_400_000_000) })
			b.nobody = true
			b.like(t, umask, []string{options}, func(to string) {
				for _, n := range dst {
					n.uid, n.gid = 65534, 65534
					if err := n.create(to); err != nil {
						t.Fatal(err)
					}
				}
				for i := len(dst) - 1; i >= 0; i-- {
					n := dst[i]
					n.uid, n.gid = 65534, 65534
					if err := n.finish(to); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Chown(to, 65534, 65534); err != nil {
					t.Fatal(err)
				}
			})
			c.count(2)
		}
	}
}

// specialFiles is row 39: with and without -D, as root and as somebody who may not make devices.
func specialFiles(t *testing.T, c *tally) {
	b := newFaultBench(t)
	tree := peerTree{
		{path: "fifo", kind: 'p', mode: 0o640, uid: 1, gid: 2, sec: 1_500_000_000},
		{path: "socket", kind: 's', mode: 0o750, sec: 1_500_000_001},
		{path: "null", kind: 'c', mode: 0o666, sec: 1_500_000_002},
		{path: "file", kind: 'f', mode: 0o644, sec: 1_500_000_003, data: []byte("x")},
	}
	tree.make(t, b.path("src"), 1_500_000_000)
	if err := unix.Mknod(b.path("src/block"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 200))); err != nil {
		t.Skipf("mknod: %v", err)
	}
	was := peerTree{{path: "fifo", kind: 'f', mode: 0o644, data: []byte("old")}, {path: "file", kind: 'p', mode: 0o644}}
	for _, options := range [][]string{{"-a"}, {"-rlptgo"}, {"-rlptgo", "--specials"}, {"-rlptgo", "--devices"}, {"-a", "--no-devices"}} {
		for _, nobody := range []bool{false, true} {
			for _, over := range []bool{false, true} {
				b.nobody = nobody
				b.like(t, "022", options, func(to string) {
					if over {
						was.make(t, to, 1_400_000_000)
					}
					if nobody {
						if err := os.Chown(to, 65534, 65534); err != nil {
							t.Fatal(err)
						}
					}
				})
				c.count(1)
			}
		}
	}
	b.nobody = false
	for _, way := range faultWays() {
		b.remove(t, "dst")
		b.want(t, 0, "", b.with(way, "-a")...)
		b.same(t, "src", "dst")
		c.count(1)
	}
}
