package engine_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gosync/internal/engine"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// node is an entry of a model of a tree.
type node struct {
	kind    byte // f, d, l (symlink), p (FIFO)
	data    string
	mode    uint32
	sec     int64
	nsec    int64
	anyTime bool // the model does not know
	group   int  // files with the same number, not 0, are one inode
}

// model is a tree: paths to entries; "" is the root.
type model map[string]node

func (m model) sorted() []string { return slices.Sorted(maps.Keys(m)) }

func parentOf(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

// below reports whether there is anything below p, and whether some of it is
// protected.
func (m model) below(p string, protected func(string) bool) (some, kept bool) {
	for q := range m {
		if strings.HasPrefix(q, p+"/") {
			some, kept = true, kept || protected(q)
		}
	}
	return some, kept
}

func (m model) removeBelow(p string) {
	for q := range m {
		if strings.HasPrefix(q, p+"/") {
			delete(m, q)
		}
	}
}

// names are what entries are called. Those that end in .x are excluded where
// the run has a filter.
func modelNames() []string {
	return []string{"a", "b", "c.x", "d", "-n", " ", "new\nline", "\xff\xfe", "*", "..a", ".gosync.x", "a.b", "é"}
}

// bodies are contents; several have the same size.
func bodies() []string {
	base := random(5, 6000)
	large := random(6, 150<<10)
	return []string{
		"", "a", "b", base, base[:3000] + "X" + base[3001:], base[:3000] + "inserted" + base[3000:], base[:5000],
		large, large[:70<<10] + "edit" + large[70<<10+4:], large + "tail", strings.Repeat("\x00", 140<<10),
	}
}

func drawNode(rt *rapid.T, kinds string) node {
	n := node{kind: kinds[rapid.IntRange(0, len(kinds)-1).Draw(rt, "kind")]}
	n.sec = 1_600_000_000 + int64(rapid.IntRange(0, 2).Draw(rt, "sec"))
	n.nsec = rapid.SampledFrom([]int64{123456789, 987654321}).Draw(rt, "nsec")
	switch n.kind {
	case 'f':
		n.data = rapid.SampledFrom(bodies()).Draw(rt, "data")
		n.mode = rapid.SampledFrom([]uint32{0o644, 0o600, 0o755, 0o444, 0o4755}).Draw(rt, "mode")
	case 'd':
		n.mode = rapid.SampledFrom([]uint32{0o755, 0o700, 0o1777}).Draw(rt, "mode")
	case 'l':
		n.data = rapid.SampledFrom([]string{"a", "/nowhere", "../d"}).Draw(rt, "target")
	case 'p':
		n.mode = rapid.SampledFrom([]uint32{0o644, 0o600}).Draw(rt, "mode")
	}
	return n
}

func drawTree(rt *rapid.T, m model, dir string, depth int) {
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(modelNames()), 0, 4, rapid.ID[string]).Draw(rt, "names") {
		kinds := "ffffflpdd"
		if depth == 0 {
			kinds = "ffffflp"
		}
		p := manifest.Join(dir, name)
		m[p] = drawNode(rt, kinds)
		if m[p].kind == 'd' {
			drawTree(rt, m, p, depth-1)
		}
	}
}

// drawGroups makes some files of a model hard links to one another.
func drawGroups(rt *rapid.T, m model) {
	for _, p := range m.sorted() {
		if m[p].kind != 'f' || !rapid.Bool().Draw(rt, "linked") {
			continue
		}
		n := m[p]
		n.group = rapid.IntRange(1, 2).Draw(rt, "group")
		for _, q := range m.sorted() {
			if m[q].group == n.group {
				n = m[q]
			}
		}
		m[p] = n
	}
}

// derive makes a destination out of a source: things were lost, changed and
// added since they were equal.
func derive(rt *rapid.T, src model) model {
	dst := model{}
	changed := map[int]node{}
	for _, p := range src.sorted() {
		if p != "" {
			if up, ok := dst[parentOf(p)]; !ok || up.kind != 'd' {
				continue
			}
		}
		n := src[p]
		switch rapid.IntRange(0, 9).Draw(rt, "what") {
		case 0:
			if p != "" {
				continue
			}
		case 1:
			if p != "" && n.group == 0 {
				n = drawNode(rt, "fldp")
			}
		case 2, 3:
			if n.group > 0 {
				c, ok := changed[n.group]
				if !ok {
					c = drawNode(rt, "f")
					c.group, c.mode = n.group+10, n.mode
					changed[n.group] = c
				}
				n = c
				break
			}
			m := drawNode(rt, string(n.kind))
			if rapid.Bool().Draw(rt, "quiet") {
				m.sec, m.mode = n.sec, n.mode // the content only
			}
			n = m
		}
		dst[p] = n
		if n.kind == 'd' && rapid.IntRange(0, 3).Draw(rt, "extra") == 0 {
			extra := model{}
			drawTree(rt, extra, p, 1)
			for q, e := range extra {
				if _, ok := src[q]; !ok && (dst[parentOf(q)].kind == 'd') {
					dst[q] = e
				}
			}
			for _, q := range dst.sorted() { // what lost its parent
				if _, ok := dst[parentOf(q)]; q != "" && !ok {
					delete(dst, q)
				}
			}
		}
	}
	return dst
}

// build puts a model on disk.
func build(rt *rapid.T, root string, m model) {
	check := func(err error) {
		if err != nil {
			rt.Fatal(err)
		}
	}
	first := map[int]string{}
	for _, p := range m.sorted() {
		n, full := m[p], filepath.Join(root, p)
		switch n.kind {
		case 'd':
			check(os.Mkdir(full, 0o700))
			continue
		case 'l':
			check(os.Symlink(n.data, full))
		case 'p':
			check(syscall.Mkfifo(full, 0o600))
		default:
			if old := first[n.group]; n.group > 0 && old != "" {
				check(os.Link(old, full))
				continue
			}
			first[n.group] = full
			check(os.WriteFile(full, []byte(n.data), 0o600))
		}
		settle(rt, full, n)
	}
	paths := m.sorted()
	slices.Reverse(paths)
	for _, p := range paths {
		if m[p].kind == 'd' {
			settle(rt, filepath.Join(root, p), m[p])
		}
	}
}

// settle sets the attributes of an entry on disk.
func settle(rt *rapid.T, full string, n node) {
	if n.kind != 'l' {
		if err := syscall.Chmod(full, n.mode); err != nil {
			rt.Fatal(err)
		}
		if err := os.Chtimes(full, time.Unix(n.sec, n.nsec), time.Unix(n.sec, n.nsec)); err != nil {
			rt.Fatal(err)
		}
	}
}

// survey reads a model from disk. Groups are numbered by inode.
func survey(rt *rapid.T, root string) model {
	m, inodes := model{}, map[uint64]int{}
	err := filepath.WalkDir(root, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Lstat(p, &st); err != nil {
			return err
		}
		n := node{mode: uint32(st.Mode) & 0o7777, sec: st.Mtim.Sec, nsec: st.Mtim.Nsec}
		switch st.Mode & syscall.S_IFMT {
		case syscall.S_IFDIR:
			n.kind = 'd'
		case syscall.S_IFIFO:
			n.kind = 'p'
		case syscall.S_IFLNK:
			n.kind, n.mode = 'l', 0
			if n.data, err = os.Readlink(p); err != nil {
				return err
			}
		default:
			n.kind = 'f'
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			n.data = string(b)
			if st.Nlink > 1 {
				if inodes[st.Ino] == 0 {
					inodes[st.Ino] = len(inodes) + 1
				}
				n.group = inodes[st.Ino]
			}
		}
		rel, err := filepath.Rel(root, p)
		if rel == "." {
			rel = ""
		}
		m[rel] = n
		return err
	})
	if err != nil {
		rt.Fatal(err)
	}
	return m
}

// oracle says what a run makes of dst.
type oracle struct {
	o       engine.Options
	src     model
	dst     model
	umask   uint32
	want    model
	blocked bool // a directory is in the way and must stay: an error is due
}

func (x *oracle) excluded(p string) bool {
	if x.o.Filter == nil {
		return false
	}
	for part := range strings.SplitSeq(p, "/") {
		if strings.HasSuffix(part, ".x") {
			return true
		}
	}
	return false
}

// same is the comparison of regular files.
func (x *oracle) same(s, d node) bool {
	switch {
	case len(s.data) != len(d.data):
		return false
	case x.o.Checksum:
		return s.data == d.data
	case x.o.SizeOnly:
		return true
	case x.o.IgnoreTimes || s.sec != d.sec:
		return false
	}
	return s.nsec == d.nsec || s.data == d.data
}

func (x *oracle) run() {
	x.want = maps.Clone(x.dst)
	if x.o.Delete {
		x.deletions()
	}
	for _, p := range x.src.sorted() {
		s := x.src[p]
		if x.excluded(p) || s.kind == 'l' && !x.o.Links || s.kind == 'p' && !x.o.Specials {
			continue
		}
		d, there := x.want[p]
		if there && d.kind != s.kind {
			if d.kind == 'd' {
				some, kept := x.want.below(p, x.excluded)
				if some && !x.o.Delete || kept {
					x.blocked = true
					continue
				}
				x.want.removeBelow(p)
			}
			there = false
		}
		x.want[p] = x.entry(s, d, there)
	}
}

// entry returns what becomes of an entry d of s's kind, if there is one.
func (x *oracle) entry(s, d node, there bool) node {
	n := s
	n.anyTime = !x.o.Times || s.kind == 'l'
	if !x.o.Perms {
		n.mode = s.mode & 0o777 &^ x.umask
		if there {
			n.mode = d.mode
		}
	}
	if s.kind == 'l' {
		n.mode = 0
	}
	if !there || s.kind != 'f' {
		return n
	}
	if x.o.Update && d.sec > s.sec {
		d.group = 0
		return d
	}
	if x.same(s, d) {
		n.data = d.data
		if !x.o.Times {
			n.sec, n.nsec, n.anyTime = d.sec, d.nsec, false
		}
	}
	return n
}

func (x *oracle) deletions() {
	for _, p := range x.dst.sorted() {
		if p == "" {
			continue
		}
		if _, ok := x.src[p]; ok || x.excluded(p) {
			continue
		}
		// Everything above is a directory of the source, or goes itself.
		covered := true
		for up := parentOf(p); ; up = parentOf(up) {
			s, ok := x.src[up]
			covered = covered && (!ok || s.kind == 'd') && !x.excluded(up)
			if up == "" {
				break
			}
		}
		if !covered {
			continue
		}
		if _, kept := x.dst.below(p, x.excluded); !kept || x.dst[p].kind != 'd' {
			delete(x.want, p)
		}
	}
}

// verify compares the disk with what the oracle says.
func (x *oracle) verify(rt *rapid.T, got model) {
	for _, p := range x.want.sorted() {
		w, g := x.want[p], got[p]
		s, sent := x.src[p]
		linked := x.o.HardLinks && s.group > 0 // with what the first of its group has
		w.anyTime = w.anyTime || linked && !x.o.Times
		switch {
		case g.kind != w.kind:
			rt.Errorf("%q is %q, want %q", p, g.kind, w.kind)
		case g.data != w.data && !x.linkedData(p, g):
			rt.Errorf("%q: data of %d bytes, want %d; or others", p, len(g.data), len(w.data))
		case g.mode != w.mode && w.kind != 'l' && (!linked || x.o.Perms):
			rt.Errorf("%q: mode %o, want %o", p, g.mode, w.mode)
		case g.sec != w.sec && !w.anyTime && w.kind != 'l' && (sent || w.kind == 'f'):
			rt.Errorf("%q: time %d, want %d", p, g.sec, w.sec)
		}
	}
	for p := range got {
		if _, ok := x.want[p]; !ok {
			rt.Errorf("%q should not be there", p)
		}
	}
	if x.o.HardLinks {
		x.verifyLinks(rt, got)
	}
}

// linkedData reports whether what a linked file holds may come from another
// member of its group that counted as equal.
func (x *oracle) linkedData(p string, g node) bool {
	s := x.src[p]
	if !x.o.HardLinks || s.group == 0 {
		return false
	}
	for q, n := range x.src {
		if d := x.dst[q]; n.group == s.group && d.kind == 'f' && x.same(n, d) && d.data == g.data {
			return true
		}
	}
	return g.data == s.data
}

func (x *oracle) verifyLinks(rt *rapid.T, got model) {
	for p, s := range x.src {
		for q, r := range x.src {
			if s.group > 0 && s.group == r.group && p != q && !x.excluded(p) && !x.excluded(q) &&
				(got[p].group == 0 || got[p].group != got[q].group) {
				rt.Errorf("%q and %q are not linked", p, q)
			}
		}
	}
}

func drawOptions(rt *rapid.T) engine.Options {
	flag := func(name string) bool { return rapid.Bool().Draw(rt, name) }
	seldom := func(name string) bool { return rapid.IntRange(0, 4).Draw(rt, name) == 0 }
	o := engine.Options{Recursive: true, MaxDelete: -1, DeleteEmptySource: true, Itemize: true}
	o.Links, o.Specials, o.Devices = !seldom("no links"), !seldom("no specials"), true
	o.Times, o.Perms = !seldom("no times"), !seldom("no perms")
	o.Delete, o.HardLinks = flag("delete"), flag("hard links")
	o.Checksum, o.IgnoreTimes, o.SizeOnly = seldom("checksum"), seldom("ignore times"), seldom("size only")
	o.Update = !o.HardLinks && seldom("update")
	o.WholeFile, o.InPlace, o.Sparse, o.Compress, o.Partial = flag("whole file"), seldom("in place"), flag("sparse"), flag("compress"), flag("partial")
	o.Durability = rapid.SampledFrom([]engine.Durability{engine.SyncNone, engine.SyncNone, engine.SyncNone, engine.SyncRun, engine.SyncEach}).Draw(rt, "durability")
	if seldom("filter") {
		o.Filter = new(filter.Set)
		if err := o.Filter.Exclude("*.x"); err != nil {
			rt.Fatal(err)
		}
	}
	return o
}

// story returns what a run said it does, in order.
func story(events []engine.Event) (lines []string) {
	for _, e := range events {
		switch e := e.(type) {
		case engine.ItemEvent:
			lines = append(lines, fmt.Sprintf("%q %b %q", e.Path, e.Change, e.Link))
		case engine.DeleteEvent:
			lines = append(lines, fmt.Sprintf("delete %q", e.Path))
		}
	}
	return lines
}

// TestRuns draws trees and options, and compares what a run makes of the
// destination with what an oracle says.
func TestRuns(t *testing.T) {
	// The names drawn break the form of rapid's own files of failures; the seed
	// that it prints is enough.
	must(t, flag.Set("rapid.nofailfile", "true"))
	umask := uint32(host().IDs().Umask())
	rapid.Check(t, func(rt *rapid.T) {
		top, err := os.MkdirTemp("", "engine")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(top)
		src := model{"": drawNode(rt, "d")}
		drawTree(rt, src, "", 2)
		o := drawOptions(rt)
		if o.HardLinks || rapid.Bool().Draw(rt, "groups") {
			drawGroups(rt, src)
		}
		x := &oracle{o: o, src: src, umask: umask}
		build(rt, filepath.Join(top, "src"), src)
		switch rapid.IntRange(0, 4).Draw(rt, "destination") {
		case 0: // none
		case 1:
			x.dst = model{"": drawNode(rt, "d")}
			drawTree(rt, x.dst, "", 2)
		default:
			x.dst = derive(rt, src)
		}
		dst := filepath.Join(top, "dst")
		if x.dst != nil {
			build(rt, dst, x.dst)
		} else {
			x.dst = model{}
		}
		x.run()
		c := trial{way: rapid.SampledFrom(ways()).Draw(rt, "way"), job: engine.Job{Options: o, Sources: []string{filepath.Join(top, "src") + "/"}, Dest: dst}}
		defer func() {
			if rt.Failed() {
				rt.Log(c.way, x)
			}
		}()
		x.tell(rt, c, dst)
	})
}

// String shows an oracle's trees, for messages.
func (x *oracle) String() string {
	var b strings.Builder
	show := func(name string, m model) {
		fmt.Fprintf(&b, "%s:\n", name)
		for _, p := range m.sorted() {
			n := m[p]
			fmt.Fprintf(&b, "  %c %04o %d.%09d group %d %q %d bytes %.12q\n", n.kind, n.mode, n.sec, n.nsec, n.group, p, len(n.data), n.data)
		}
	}
	show("source", x.src)
	show("destination", x.dst)
	show("wanted", x.want)
	o := x.o
	o.Filter = nil
	fmt.Fprintf(&b, "filter %v, options %+v", x.o.Filter != nil, o)
	return b.String()
}

// tell makes the dry run, the run and a second run.
func (x *oracle) tell(rt *rapid.T, c trial, dst string) {
	before := model{}
	if exists(dst) {
		before = survey(rt, dst)
	}
	dry := c
	dry.job.DryRun = true
	said := x.attempt(rt, dry)
	if exists(dst) != (len(before) > 0) || exists(dst) && !maps.Equal(before, survey(rt, dst)) {
		rt.Error("the dry run has changed something")
	}
	out := x.attempt(rt, c)
	told := func(events []engine.Event) []string {
		return story(slices.DeleteFunc(slices.Clone(events), func(ev engine.Event) bool {
			it, ok := ev.(engine.ItemEvent)
			return ok && it.Change&manifest.ChangeTransfer == 0 && before[it.Path].group > 0 // as with rsync, a run has changed the file by another of its names
		}))
	}
	if a, b := told(said.events), told(out.events); !slices.Equal(a, b) && !x.blocked {
		rt.Errorf("the dry run says\n%s\nthe run says\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	if x.blocked {
		// What follows from the error, a dry run cannot know.
	} else if said.sum.Transferred != out.sum.Transferred || said.sum.Created != out.sum.Created || said.sum.Deleted != out.sum.Deleted {
		rt.Errorf("the dry run counts %+v, the run %+v", said.sum, out.sum)
	}
	got := survey(rt, dst)
	for p := range got {
		if manifest.Temporary(filepath.Base(p)) {
			rt.Errorf("%q was left behind", p)
		}
	}
	if x.blocked {
		return
	}
	x.verify(rt, got)
	if rt.Failed() {
		return
	}
	again := x.attempt(rt, c)
	if !maps.Equal(got, survey(rt, dst)) && x.settled() {
		rt.Error("the second run has changed something")
	}
	if lines := story(again.events); x.settled() && (len(lines) > 0 || again.sum.Transferred+again.sum.Created+again.sum.Deleted > 0) {
		rt.Errorf("the second run says\n%s\n%+v", strings.Join(lines, "\n"), again.sum)
	}
}

// settled reports whether the options let a second run find everything equal.
func (x *oracle) settled() bool {
	if x.o.Checksum || x.o.SizeOnly {
		return true
	}
	return !x.o.IgnoreTimes && x.o.Times
}

func (x *oracle) attempt(rt *rapid.T, c trial) outcome {
	out := c.do(context.Background())
	switch {
	case out.hung:
		rt.Fatal("the run does not come back")
	case x.blocked && engine.ExitCode(out.err) == 23:
	case x.blocked && c.job.DryRun:
	case x.blocked:
		rt.Errorf("a directory is in the way, and the run ends with %v", out.err)
	case out.err != nil || out.served != nil:
		rt.Fatalf("%v (server: %v): %v", out.err, out.served, out.fileErrors())
	}
	return out
}
