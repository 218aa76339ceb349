package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/internal/need"
	"gosync/walker/manifest"
)

func (p *place) node(name string, mode uint32, major, minor uint32) {
	p.t.Helper()
	p.do(unix.Mknod(p.path(name), mode, int(unix.Mkdev(major, minor))))
}

// privileged makes a tree of what only root can make.
func (p *place) privileged(dir string) {
	p.some(dir)
	p.own(dir+"/a", 5, 60)
	p.mode(dir+"/a", 0o4711)
	p.own(dir+"/sub", 7, 8)
	p.mode(dir+"/sub/b", 0o070)
	p.own(dir+"/link", 1, 2)
	p.file(dir+"/plain", "plain", 1_000_000_000)
	p.node(dir+"/char", unix.S_IFCHR|0o600, 5, 77)
	p.node(dir+"/block", unix.S_IFBLK|0o644, 300, 777)
	p.node(dir+"/fifo", unix.S_IFIFO|0o644, 0, 0)
	p.node(dir+"/sub/socket", unix.S_IFSOCK|0o755, 0, 0)
	p.hard(dir+"/char", dir+"/sub/char2")
	p.acl(dir+"/a", false, testList(6, 1, 4)...)
	p.acl(dir+"/sub", true, testList(7, 1234, 5)...)
	p.acl(dir+"/plain", false, manifest.ACLEntry{Tag: manifest.ACLUserObj, Perm: 6}, manifest.ACLEntry{Tag: manifest.ACLGroupObj, Perm: 6}, manifest.ACLEntry{Tag: manifest.ACLMask, Perm: 4}, manifest.ACLEntry{Tag: manifest.ACLOther, Perm: 4})
	p.xattr(dir+"/a", "trusted.x", "t")
	p.xattr(dir+"/a", "user.y", "y")
	p.xattr(dir+"/plain", "user.rsync.%else", "e")
	p.mode(dir+"/sub", 0o2550)
	p.old(dir, 1_000_000_000)
}

func testList(owner uint8, user uint32, perm uint8) []manifest.ACLEntry {
	return []manifest.ACLEntry{
		{Tag: manifest.ACLUserObj, Perm: owner},
		{Tag: manifest.ACLUser, Perm: perm, ID: user},
		{Tag: manifest.ACLGroupObj, Perm: 4},
		{Tag: manifest.ACLGroup, Perm: 5, ID: 2},
		{Tag: manifest.ACLMask, Perm: 5},
		{Tag: manifest.ACLOther, Perm: 1},
	}
}

// faked makes a tree of files that stand for others.
func (p *place) faked(dir string) {
	p.some(dir)
	stands := func(name, content, stat string) {
		p.file(dir+"/"+name, content, 1_000_000_000)
		p.xattr(dir+"/"+name, "user.rsync.%stat", stat)
	}
	stands("a", "one", "104711 0,0 5:60")
	p.do(os.Remove(p.path(dir + "/link")))
	stands("link", "a", "120777 0,0 1:2")
	stands("char", "", "20600 5,77 0:0")
	stands("block", "", "60644 300,777 3:4")
	stands("fifo", "", "10644 0,0 0:0")
	stands("sub/socket", "", "140755 0,0 0:0")
	p.hard(dir+"/char", dir+"/sub/char2")
	p.xattr(dir+"/sub", "user.rsync.%stat", "42550 0,0 7:8")
	p.mode(dir+"/a", 0o711)
	p.mode(dir+"/link", 0o777)
	p.mode(dir+"/char", 0o600)
	p.mode(dir+"/sub", 0o750)
	p.mode(dir+"/sub/socket", 0o755)
	p.xattr(dir+"/a", "user.rsync.%aacl", "\x80\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x80\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x80\x02\x00\x00\x00\x04\x00\x00\x00")
	p.xattr(dir+"/sub", "user.rsync.%dacl", "\x06\x00\x00\x00\x05\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00\x07\x00\x00\x80")
	p.xattr(dir+"/a", "user.rsync.trusted.x", "t")
	p.xattr(dir+"/a", "user.y", "y")
	p.old(dir, 1_000_000_000)
}

// TestFakeSuperLikeRsync: --fake-super, here and with -M there, keeps in attributes what rsync keeps in them, reads
// what rsync has written, and reports the same.
func TestFakeSuperLikeRsync(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root may make devices")
	other := func(p *place, dst string) {
		p.faked(dst)
		p.xattr(dst+"/char", "user.rsync.%stat", "20600 5,78 0:0")
		p.xattr(dst+"/a", "user.rsync.%stat", "100711 0,0 6:60")
		p.xattr(dst+"/fifo", "user.rsync.%stat", "140644 0,0 0:0")
		p.file(dst+"/gone", "", 5)
		p.xattr(dst+"/gone", "user.rsync.%stat", "20600 5,78 0:0")
		p.file(dst+"/link", "other", 5)
		p.xattr(dst+"/link", "user.rsync.%stat", "120777 0,0 1:2")
		p.file(dst+"/sub/b", "other content", 5)
		p.xattr(dst+"/sub/b", "user.rsync.%stat", "100644 0,0 1:2")
		p.xattr(dst+"/sub/b", "user.rsync.security.z", "other")
	}
	there, here, all := []string{"local", "push"}, []string{"pull"}, []string{"local", "push", "pull"}
	runMetaCases(t, []metaCase{
		{name: "to attributes there", args: "-aiHAX -M--fake-super", src: (*place).privileged, ways: there},
		{name: "to attributes here", args: "-aiHAX --fake-super", src: (*place).privileged, ways: here},
		{name: "without -A and -X", args: "-aiH -M--fake-super", src: (*place).privileged, ways: there},
		{name: "changes", args: "-aiAX -M--fake-super --delete", src: (*place).privileged, dst: other, ways: there},
		{name: "changes here", args: "-aiAX --fake-super --delete", src: (*place).privileged, dst: other, ways: here},
		{name: "owners", args: "-ai -M--fake-super --chown=bin:sys", src: (*place).privileged, ways: there},
		{name: "modes", args: "-ai -M--fake-super --chmod=a+s", src: (*place).privileged, ways: there},
		{name: "whole", args: "-aiW -M--fake-super --inplace", src: (*place).privileged, dst: other},
		{name: "backup", args: "-aiX -M--fake-super --backup --delete", src: (*place).privileged, dst: other},
		{name: "from attributes", args: "-aiHAX --fake-super -M--super", src: (*place).faked, ways: []string{"local"}},
		{name: "from attributes here", args: "-aiHAX --fake-super", src: (*place).faked, ways: []string{"push"}},
		{name: "from attributes there", args: "-aiHAX -M--fake-super", src: (*place).faked, ways: here},
		{name: "from attributes to attributes", args: "-aiHAX --fake-super", src: (*place).faked},
		{name: "from attributes to others", args: "-aiAX --fake-super", src: (*place).faked, dst: other},
		{name: "not asked for", args: "-aiX", src: (*place).faked, ways: all},
		{name: "the last counts", args: "-ai --fake-super --super", src: (*place).faked},
		{name: "the last counts 2", args: "-ai --no-super --fake-super -M--no-super", src: (*place).faked},
	})
}

// TestFakeSuperByAnybody: who may not give files away can keep that they are somebody else's, and give them back.
func TestFakeSuperByAnybody(t *testing.T) {
	t.Parallel()
	need.Root(t, "only root can become somebody else")
	requireTool(t, "rsync")
	requireTool(t, "setpriv")
	results := map[string]string{}
	for _, program := range []string{"gosync", "rsync"} {
		p := &place{t: t, dir: t.TempDir()}
		p.open()
		p.faked("src")
		p.mkdir("dst")
		p.own("dst", nobody, nobody)
		for _, name := range []string{"/a", "/link", "/char", "/block", "/fifo", "/sub", "/sub/b", "/sub/socket", ""} {
			p.own("src"+name, nobody, nobody)
		}
		got := p.asNobody(program, "-aiHAX", "--fake-super", p.path("src")+"/", p.path("dst")+"/")
		got += p.metaTree("dst") + p.asNobody(program, "-aiHAX", "--fake-super", p.path("src")+"/", p.path("dst")+"/")
		results[program] = got
	}
	if results["gosync"] != results["rsync"] {
		t.Errorf("gosync:\n%s\nrsync:\n%s", results["gosync"], results["rsync"])
	}
	if !strings.Contains(results["gosync"], " 100755 65534:65534") || !strings.Contains(results["gosync"], "user.rsync.%stat") {
		t.Errorf("%s", results["gosync"])
	}
}

const nobody = 65534

// open lets everybody reach the directory of the test.
func (p *place) open() {
	p.t.Helper()
	for dir := p.dir; dir != os.TempDir() && dir != "/"; dir = dir[:strings.LastIndexByte(dir, '/')] {
		p.do(os.Chmod(dir, 0o755))
	}
}

// asNobody runs a program without the rights of root.
func (p *place) asNobody(program string, args ...string) string {
	path, err := exec.LookPath(program)
	p.do(err)
	return p.metaRun("setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", path}, args...))
}

// TestFakeSuperDamaged: an attribute that nobody can make anything of is an error, and is written anew.
func TestFakeSuperDamaged(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "x", "104711 0,0", "104711 0,0 -1:0", "99999999999999999999 0,0 0:0"} {
		p := &place{t: t, dir: t.TempDir()}
		p.file("src/a", "one", 1_000_000_000)
		p.mkdir("dst")
		if err := unix.Setxattr(p.path("src/a"), "user.rsync.%stat", []byte(bad), 0); err != nil {
			need.Missing(t, "xattrs", "the file system has no extended attributes")
		}
		if got := p.metaRun("gosync", []string{"-a", "--fake-super", p.path("src") + "/", p.path("dst") + "/"}); !strings.Contains(got, "exit status 23") {
			t.Errorf("%q: %s", bad, got)
		}
	}
}
