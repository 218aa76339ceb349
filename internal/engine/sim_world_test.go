package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"gosync/delta"
	"gosync/internal/engine"
	"gosync/internal/engine/memtree"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// simNode is a file of a simulated tree.
type simNode struct {
	memtree.Node
	group int // files with the same number, not 0, are one inode
}

// simTree is a tree: paths to files; "" is the root.
type simTree map[string]simNode

func (t simTree) sorted() []string { return slices.Sorted(maps.Keys(t)) }

// removeBelow removes all that is below p.
func (t simTree) removeBelow(p string) {
	for q := range t {
		if p != q && (p == "" || strings.HasPrefix(q, p+"/")) {
			delete(t, q)
		}
	}
}

// gen draws trees and options.
type gen struct {
	*rand.Rand
	noise []byte // contents are cut out of it
	left  int    // bytes that may still be drawn
}

// simNoise is what contents are cut out of.
func simNoise() []byte {
	b := make([]byte, 8<<20)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(b) // it cannot fail
	return b
}

func (g *gen) one(n int) bool { return g.IntN(n) == 0 }

func pick[T any](g *gen, from ...T) T { return from[g.IntN(len(from))] }

func (g *gen) size() int {
	const chunk = delta.ChunkSize
	var n int
	switch {
	case g.one(10):
		n = pick(g, chunk-1, chunk, chunk+1, 2*chunk, 2*chunk+5, 3*chunk+100)
	case g.one(8):
		n = pick(g, wire.MaxSmall-1, wire.MaxSmall, wire.MaxSmall+1, 150<<10, 300<<10)
	default:
		n = pick(g, 0, 1, 2, 100, 4096, 5000, 6000, 6000, 20_000)
	}
	if n > g.left {
		n = g.IntN(100)
	}
	g.left -= n
	return n
}

func (g *gen) body() []byte {
	n := g.size()
	if g.one(12) {
		return make([]byte, n)
	}
	at := g.IntN(len(g.noise) - n)
	return g.noise[at : at+n : at+n]
}

// edit returns another content that has much in common with b.
func (g *gen) edit(b []byte) []byte {
	if len(b) == 0 {
		return g.body()
	}
	c := bytes.Clone(b)
	at := g.IntN(len(b))
	switch g.IntN(6) {
	case 0:
		return slices.Insert(c, at, []byte("inserted")...)
	case 1:
		return c[:at]
	case 2:
		return append(c, "tail"...)
	case 3:
		return g.body()
	}
	c[at] ^= 1
	c[len(c)-1] ^= byte(g.IntN(2))
	return c
}

// Times of files lie before the clocks of the simulation.
const simEpoch = 900_000_000

func (g *gen) time(n *simNode) {
	n.Sec, n.Nsec = simEpoch+int64(g.IntN(3)), pick[uint32](g, 0, 123456789, 987654321)
	if g.one(20) {
		n.Sec = pick[int64](g, 0, 86400, -5)
	}
}

func (g *gen) node(kinds string) simNode {
	var n simNode
	g.time(&n)
	n.UID, n.GID = pick[uint32](g, 0, 0, 0, 1000), pick[uint32](g, 0, 0, 0, 100)
	switch kinds[g.IntN(len(kinds))] {
	case 'f':
		n.Type, n.Data = manifest.Regular, g.body()
		n.Mode = pick[uint16](g, 0o644, 0o600, 0o755, 0o444, 0o4755, 0o666)
	case 'd':
		n.Type, n.Mode = manifest.Directory, pick[uint16](g, 0o755, 0o700, 0o1777, 0o555)
	case 'l':
		n.Type, n.Mode, n.Link = manifest.Symlink, 0o777, pick(g, "a", "/canary/secret", "../d", "..")
	case 'p':
		n.Type, n.Mode = manifest.Fifo, pick[uint16](g, 0o644, 0o600)
	case 'b':
		n.Type, n.Mode, n.Major, n.Minor = manifest.BlockDevice, 0o660, 8, uint32(g.IntN(3))
	}
	return n
}

func (g *gen) name() string {
	return pick(g, "a", "b", "c", "d", "e", "-n", " ", "new\nline", "\xff\xfe", "*", "..a", ".gosync.x", "a.b", "é", "A")
}

// fill draws what is in a directory.
func (g *gen) fill(t simTree, dir string, depth int) {
	for range g.IntN(5) {
		p := manifest.Join(dir, g.name())
		if _, ok := t[p]; ok {
			continue
		}
		kinds := "fffffffldpb"
		if depth > 0 {
			kinds = "fffffflpddd"
		}
		t[p] = g.node(kinds)
		if t[p].Type == manifest.Directory && depth > 0 {
			g.fill(t, p, depth-1)
		}
	}
}

// link makes some files of a tree hard links to one another.
func (g *gen) link(t simTree) {
	for _, p := range t.sorted() {
		if t[p].Type != manifest.Regular || !g.one(3) {
			continue
		}
		n := t[p]
		n.group = 1 + g.IntN(2)
		for _, q := range t.sorted() {
			if t[q].group == n.group {
				n = t[q]
				break
			}
		}
		t[p] = n
	}
}

// derive makes a destination out of a source: since they were equal things were
// lost, changed and added.
func (g *gen) derive(src simTree) simTree {
	dst := simTree{}
	for _, p := range src.sorted() {
		if up, ok := dst[above(p)]; p != "" && (!ok || up.Type != manifest.Directory) {
			continue
		}
		n := src[p]
		if n.group > 0 && g.one(3) {
			n.group = 0
		}
		switch g.IntN(8) {
		case 0:
			if p != "" {
				continue
			}
		case 1:
			if p != "" {
				n = g.node("fldp")
			}
		case 2, 3, 4:
			n = g.changed(n)
		}
		dst[p] = n
		if n.Type == manifest.Directory && g.one(3) {
			extra := simTree{}
			g.fill(extra, p, 1)
			for q, e := range extra {
				if _, ok := src[q]; !ok {
					dst[q] = e
				}
			}
		}
	}
	for _, q := range dst.sorted() { // what lost its parent
		if up, ok := dst[above(q)]; q != "" && (!ok || up.Type != manifest.Directory) {
			delete(dst, q)
		}
	}
	return dst
}

// changed returns an older or newer state of a file.
func (g *gen) changed(n simNode) simNode {
	n.group = 0
	m := n
	if n.Type == manifest.Regular {
		n.Data = g.edit(n.Data)
		if g.one(6) && m.group == 0 {
			return n // the content only: a quick check may not see it
		}
	}
	if n.Type == manifest.Symlink {
		n.Link = pick(g, "a", "b")
	}
	g.time(&n)
	return n
}

// place puts a tree on a disk.
func (t simTree) place(d *memtree.Disk, root string) (err error) {
	first := map[int]string{}
	for _, p := range t.sorted() {
		full := strings.TrimSuffix(root+"/"+p, "/")
		if n := t[p]; n.group > 0 && first[n.group] != "" {
			err = errors.Join(err, d.Link(full, first[n.group]))
		} else {
			err = errors.Join(err, d.Put(full, n.Node))
			first[n.group] = full
		}
	}
	for _, p := range t.sorted() { // what was put into them has changed their times
		if n := t[p]; n.Type == manifest.Directory {
			err = errors.Join(err, d.Put(strings.TrimSuffix(root+"/"+p, "/"), n.Node))
		}
	}
	return err
}

// survey reads a tree from a disk. Groups are numbered by inode.
func surveyDisk(d *memtree.Disk, root string) simTree {
	t := simTree{}
	for p, n := range d.Tree(root) {
		s := simNode{Node: n}
		if n.Nlink > 1 && n.Type != manifest.Directory {
			s.group = int(n.Ino)
		}
		t[p] = s
	}
	return t
}

func (g *gen) options() engine.Options {
	seldom := func() bool { return g.one(5) }
	half := func() bool { return g.one(2) }
	o := engine.Options{Recursive: true, MaxDelete: -1, DeleteEmptySource: true, ForceDelete: true, Itemize: true}
	o.Links, o.Specials, o.Devices = true, true, true
	o.Times, o.Perms, o.Owner, o.Group = !seldom(), !seldom(), !seldom(), !seldom()
	o.Delete, o.HardLinks = half(), half()
	o.Checksum, o.IgnoreTimes = seldom(), g.one(10)
	o.SizeOnly, o.Update = !o.HardLinks && g.one(10), !o.HardLinks && seldom()
	o.WholeFile, o.InPlace, o.Sparse, o.Compress = half(), seldom(), half(), half()
	o.Partial = half()
	o.NoPartial = !o.Partial && g.one(4)
	if !o.InPlace && g.one(8) {
		o.Append, o.AppendVerify = half(), false
		o.AppendVerify = !o.Append
	}
	o.Durability = pick(g, engine.SyncRun, engine.SyncRun, engine.SyncEach, engine.SyncNone)
	return o
}

// large makes a source of one file that is worth resuming, which is to replace
// another one.
func (g *gen) large(o *engine.Options) (src, dst simTree) {
	o.Partial, o.NoPartial, o.InPlace, o.Update, o.SizeOnly = true, false, false, false, false
	o.Append, o.AppendVerify = g.one(4), false
	o.AppendVerify = !o.Append && g.one(4)
	g.left = 20 << 20
	n := g.node("f")
	size := 2<<20 + g.IntN(3<<20)
	at := g.IntN(len(g.noise) - size)
	n.Data = g.noise[at : at+size : at+size]
	old := n
	old.Sec -= 1000
	switch g.IntN(4) {
	case 0:
		old.Data = bytes.Clone(n.Data)
		copy(old.Data[g.IntN(size):], g.noise[:min(size/2, len(g.noise))])
	case 1:
		old.Data = n.Data[:g.IntN(size)]
	default:
		old.Data = g.body()
	}
	src, dst = simTree{"": g.node("d"), "large": n}, simTree{"": g.node("d"), "large": old}
	if g.one(4) {
		delete(dst, "large")
	} else if size%4 == 0 { // what is written in place must not reach its other name
		old.group = 1
		dst["large"], dst["other"] = old, old
	}
	if g.one(2) {
		src["small"] = g.node("f")
	}
	return src, dst
}

// describe tells what a seed has drawn.
func (t simTree) String() string {
	var b strings.Builder
	for _, p := range t.sorted() {
		n := t[p]
		fmt.Fprintf(&b, "  %v %04o %d:%d %d.%09d group %d %q %d bytes %.8x %s\n", n.Type, n.Mode, n.UID, n.GID, n.Sec, n.Nsec, n.group, p, len(n.Data), n.Data, n.Link)
	}
	return b.String()
}
