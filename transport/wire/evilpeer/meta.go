package evilpeer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// metaCases lie about attributes.
func metaCases() (cases []Case) {
	const class = "meta"
	add := func(name string, s *Scene, rule Rule, check func(dst string) error, want ...wire.Code) {
		cases = append(cases, Case{Class: class, Name: name, Scene: s, Rule: rule, Check: check, Want: want})
	}
	attr := func(f func(e *manifest.Entry)) Rule { return Entry("a", f) }
	ok, stream, partial := wire.CodeOK, wire.CodeStream, wire.CodePartial
	for _, mode := range []uint16{0o10000, 0o40755, 0o100644, 0o120777, 0o177777} {
		add(fmt.Sprintf("mode %o", mode), fresh(), attr(func(e *manifest.Entry) { e.Mode = mode }), nil)
		add(fmt.Sprintf("mode %o of the root", mode), fresh(), Alter(func(m *wire.Roots) { m.Root.Mode = mode }), nil)
	}
	for _, mode := range []uint16{0o4755, 0o2755, 0o6777, 0o1777} {
		add(fmt.Sprintf("mode %o without --perms", mode), fresh().with("no-perms"), attr(func(e *manifest.Entry) { e.Mode = mode }), plainMode("a"), ok)
	}
	for _, sec := range []int64{-1 << 63, 1<<63 - 1, -1, 1 << 40, -1 << 40, 1 << 33, -1 << 33} {
		add(fmt.Sprintf("time %d", sec), fresh(), attr(func(e *manifest.Entry) { e.Sec, e.Nsec = sec, 999_999_999 }), nil, ok, partial)
		add(fmt.Sprintf("time %d of a directory", sec), fresh(), Entry("d", func(e *manifest.Entry) { e.Sec = sec }), nil, ok, partial)
		add(fmt.Sprintf("time %d of a symlink", sec), fresh(), Entry("link", func(e *manifest.Entry) { e.Sec = sec }), nil, ok, partial)
		add(fmt.Sprintf("time %d of the root", sec), fresh(), Alter(func(m *wire.Roots) { m.Root.Sec = sec }), nil, ok, partial)
		add(fmt.Sprintf("a clock at %d", sec), update(), Alter(func(m *wire.Roots) { m.Sec = sec }), nil, ok)
	}
	for _, nsec := range []uint32{1_000_000_000, 1<<32 - 1} {
		add(fmt.Sprintf("%d nanoseconds", nsec), fresh(), attr(func(e *manifest.Entry) { e.Nsec = nsec }), nil)
		add(fmt.Sprintf("%d nanoseconds of the root", nsec), fresh(), Alter(func(m *wire.Roots) { m.Root.Nsec = nsec }), nil)
		add(fmt.Sprintf("%d nanoseconds of the clock", nsec), fresh(), Alter(func(m *wire.Roots) { m.Nsec = nsec }), nil)
	}
	for _, id := range []uint32{1<<32 - 1, 1<<32 - 2, 1 << 31} {
		add(fmt.Sprintf("owner %d", id), fresh(), attr(func(e *manifest.Entry) { e.UID, e.GID = id, id }), nil, ok, partial)
		add(fmt.Sprintf("owner %d of the root", id), fresh(), Alter(func(m *wire.Roots) { m.Root.UID, m.Root.GID = id, id }), nil, ok, partial)
	}
	add("owner 2^32", fresh(), Frame[*wire.Owner](func(b []byte) []byte {
		return frame(b[4], 0, []byte{0, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 'x'})
	}), nil)
	add("an owner's name of 257 bytes", fresh(), Alter(func(m *wire.Owner) { m.Name = strings.Repeat("n", 257) }), nil)
	add("an owner's name with a line break", fresh(), Alter(func(m *wire.Owner) { m.Name = "root\nroot:x:0:0" }), nil, ok)
	add("an unknown owner", fresh(), Both(
		Alter(func(m *wire.Owner) { m.ID, m.Name = 4242, "no such user" }),
		attr(func(e *manifest.Entry) { e.UID, e.GID = 4242, 4242 })), nil, ok, partial)
	for _, size := range []int64{1<<63 - 1, 1 << 62, 1 << 45} {
		add(fmt.Sprintf("%d bytes announced, small", size), fresh(), attr(func(e *manifest.Entry) { e.Size = size }), nil, ok, partial, wire.CodeFile)
		add(fmt.Sprintf("%d bytes announced, chunks", size), chunked(), Entry("f", func(e *manifest.Entry) { e.Size = size }), nil, ok, partial, wire.CodeFile)
		add(fmt.Sprintf("%d bytes announced, delta", size), deltas(), Entry("f", func(e *manifest.Entry) { e.Size = size }), nil, ok, partial, wire.CodeFile)
	}
	add("a size of -1", fresh(), attr(func(e *manifest.Entry) { e.Size = -1 }), nil)
	add("sizes that overflow", fresh(), Alter(func(m *wire.ListEnd) { m.Totals = wire.Totals{Files: 1<<63 - 1, Size: 1<<63 - 1} }), nil, ok)
	for _, target := range []string{"", "\x00", "a\x00b", strings.Repeat("t", 4096), strings.Repeat("t", 64<<10)} {
		add(fmt.Sprintf("a symlink to %.10q, %d bytes", target, len(target)), fresh(), Entry("link", func(e *manifest.Entry) {
			e.Ext = &manifest.Ext{Link: target}
		}), absent("link"), ok, partial, stream)
	}
	add("a symlink to 64 KiB and a byte", fresh(), Entry("link", func(e *manifest.Entry) { e.Ext = &manifest.Ext{Link: strings.Repeat("t", 64<<10+1)} }), nil)
	add("a symlink out of the tree", fresh(), Entry("link", func(e *manifest.Entry) { e.Ext = &manifest.Ext{Link: "../etc/passwd"} }), nil, ok)
	add("a device without --devices", fresh().with("no-devices"), retype("a", manifest.BlockDevice), absent("a"), ok)
	add("an entry with the highest bit", fresh(), Frame[*wire.Listings](func(b []byte) []byte {
		return frame(b[4], 0, []byte{0, 1, 0, 0, 1, 0x81, 0, 1, 'a', 0, 0})
	}), nil)
	return cases
}

// plainMode returns a check that a file has no more than permission bits.
func plainMode(name string) func(dst string) error {
	return func(dst string) error {
		st, err := os.Lstat(filepath.Join(dst, name))
		if err == nil && st.Mode()&(os.ModeSetuid|os.ModeSetgid|os.ModeSticky) != 0 {
			err = fmt.Errorf("%s has mode %v", name, st.Mode())
		}
		return err
	}
}
