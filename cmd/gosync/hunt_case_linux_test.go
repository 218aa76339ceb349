package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A huntCase is a command line and all that lies in the directory that it is run in: beside "src" and "dst" there are
// other trees and some small files.
type huntCase struct {
	peerCase
	others map[string]peerTree
	texts  map[string]string // content by name
}

// newHuntCase makes the case that belongs to a seed.
func newHuntCase(seed uint64) *huntCase {
	r := rand.New(rand.NewPCG(seed, 6))
	c := &huntCase{others: map[string]peerTree{}, texts: map[string]string{}}
	c.way = pickOne(r, []string{"local", "local", "push", "pull"})
	c.umask = pickOne(r, []string{"022", "022", "022", "077", "002"})
	c.src = huntTree(r, pickOne(r, []int{2, 5, 10, 20, 45}))
	c.chooseOptions(r)
	c.operands(r)
	c.destination(r)
	c.dst = decorated(r, c.dst, 12)
	c.settle(r)
	c.makeOthers(r)
	return c
}

// huntTree is a random tree with more kinds of things in it.
func huntTree(r *rand.Rand, n int) peerTree {
	s := randomTree(r, n)
	for i := range s {
		n := &s[i]
		switch {
		case n.kind == 'l':
			n.target = pickOne(r, []string{
				n.target, "a", "../a", "dir", "sub/../b", "../outside/file", "../../outside/file", "../outside/dir", "../../outside/dir", "/nowhere", "./b", "x y",
				"../src/a", "../../src/dir", "sub/a", "name", "/", "dir/../../outside/file",
			})
			if n.target == "." || n.target == "/" {
				n.target = "no"
			}
		case n.kind == 'c' && inHundred(r, 50):
			n.kind = 'b'
		case n.kind == 'f' && len(n.data) > 9000 && inHundred(r, 80):
			n.data = n.data[:r.IntN(9000)]
		}
	}
	return decorated(r, s, 25)
}

// decorated gives some of the nodes extended attributes and access control lists.
func decorated(r *rand.Rand, s peerTree, percent int) peerTree {
	s = slices.Clone(s)
	for i := range s {
		n := &s[i]
		if n.kind == 'h' || !inHundred(r, percent) {
			continue
		}
		n.xattrs = nil
		if n.kind == 'f' || n.kind == 'd' {
			n.xattrs = pickOne(r, [][]string{nil, {"user.x=1"}, {"user.x=2"}, {"user.y=" + strings.Repeat("long", 20)}, {"user.x=1", "user.z="}})
		}
		n.xattrs = append(slices.Clip(n.xattrs), pickOne(r, [][]string{nil, nil, nil, {"trusted.t=v"}})...)
		if n.kind != 'l' && inHundred(r, 50) {
			n.xattrs = append(slices.Clip(n.xattrs), "system.posix_acl_access="+randomACL(r, n.mode))
		}
	}
	return s
}

// randomACL is an access control list as the kernel takes it, which goes with a mode.
func randomACL(r *rand.Rand, mode uint32) string {
	out := binary.LittleEndian.AppendUint32(nil, 2)
	add := func(tag, perm uint16, id uint32) {
		out = binary.LittleEndian.AppendUint16(out, tag)
		out = binary.LittleEndian.AppendUint16(out, perm)
		out = binary.LittleEndian.AppendUint32(out, id)
	}
	const noID = 0xffffffff
	named := inHundred(r, 70)
	add(1, uint16(mode>>6&7), noID)
	if named {
		add(2, uint16(r.IntN(8)), pickOne(r, []uint32{1, 33, 4444}))
	}
	add(4, uint16(r.IntN(8)), noID)
	if !named || inHundred(r, 30) {
		add(8, uint16(r.IntN(8)), pickOne(r, []uint32{2, 33, 5555}))
	}
	add(16, uint16(mode>>3&7), noID)
	add(32, uint16(mode&7), noID)
	return string(out)
}

// A huntOption is given in some percent of the cases. Its value is one of several, or made.
type huntOption struct {
	percent int
	words   []string
	make    func(c *huntCase, r *rand.Rand) []string
}

// huntOptions are all options of the tiers T1 and T2 that change what is done or printed. Those whose results nobody can
// compare (--stats with its counts of bytes, -v with its rates, --progress) have tests of their own, as have a list
// alone, and what needs a server.
func huntOptions() []huntOption {
	return slices.Concat([]huntOption{
		{10, []string{"-R"}, nil},
		{8, []string{"-u"}, nil},
		{4, []string{"--existing", "--ignore-non-existing"}, nil},
		{5, []string{"--ignore-existing"}, nil},
		{3, []string{"-x", "-xx"}, nil},
		{5, []string{"--max-size=1k", "--max-size=100", "--max-size=1K-1", "--max-size=1.5K", "--max-size=0"}, nil},
		{5, []string{"--min-size=1", "--min-size=100", "--min-size=1KB+1"}, nil},
		{5, []string{"--mkpath"}, nil},
		{5, []string{"--ignore-missing-args"}, nil},
		{8, []string{"-c", "--checksum"}, nil},
		{5, []string{"--size-only"}, nil},
		{6, []string{"-I", "--ignore-times"}, nil},
		{5, []string{"--modify-window=1", "-@0", "--modify-window=2", "-@3600"}, nil},
		{2, []string{"--checksum-choice=md5", "--cc=xxh64", "--cc=xxh3,md5"}, nil},
		{14, nil, alternateOptions},
		{8, []string{"-W"}, nil},
		{20, []string{"--no-whole-file", "--no-W"}, nil},
		{4, []string{"-B700", "--block-size=4K", "-B131072"}, nil},
		{6, []string{"--inplace"}, nil},
		{3, []string{"--append", "--append-verify"}, nil},
		{3, []string{"--partial", "--partial-dir=.part", "--partial-dir={base}/parts"}, nil},
		{3, []string{"--delay-updates"}, nil},
		{4, []string{"--temp-dir={base}/tmp", "-T{base}/tmp"}, nil},
		{7, []string{"-S"}, nil},
		{12, []string{"-z", "--zc=zstd", "--zc=none", "--zl=3", "--compress-choice=lz4"}, nil},
		{2, []string{"--skip-compress=gz/jp[g2]"}, nil},
		{2, []string{"--bwlimit=1g", "--bwlimit=0", "--no-bwlimit"}, nil},
		{2, []string{"--timeout=100"}, nil},
	}, metaHuntOptions(), deleteHuntOptions(), outputHuntOptions())
}

func metaHuntOptions() []huntOption {
	return []huntOption{
		{5, []string{"-L", "--copy-links"}, nil},
		{6, []string{"--copy-unsafe-links"}, nil},
		{6, []string{"--safe-links"}, nil},
		{5, []string{"-k", "--copy-dirlinks"}, nil},
		{5, []string{"-K", "--keep-dirlinks"}, nil},
		{22, []string{"-H"}, nil},
		{6, []string{"-E"}, nil},
		{9, []string{"--chmod=D755,F644", "--chmod=u+w", "--chmod=Du=rwx,go=", "--chmod=a+X", "--chmod=ug=rw,o-r", "--chmod=Fu+s,D2775", "--chmod=g-s,Fo=", "--chmod=640"}, nil},
		{10, []string{"-A"}, nil},
		{14, []string{"-X"}, nil},
		{8, []string{"--numeric-ids"}, nil},
		{4, []string{"--usermap=0:33", "--usermap=0-10:12,*:7", "--usermap=root:daemon,:99", "--usermap=12345:www-data"}, nil},
		{4, []string{"--groupmap=0:33", "--groupmap=0-10:12,*:7", "--groupmap=root:daemon,:99", "--groupmap=54321:www-data"}, nil},
		{4, []string{"--chown=33:33", "--chown=daemon", "--chown=:7", "--chown=www-data:daemon"}, nil},
		{4, []string{"-U"}, nil},
		{5, []string{"-O"}, nil},
		{4, []string{"-J"}, nil},
		{3, []string{"--super", "--no-super"}, nil},
	}
}

func deleteHuntOptions() []huntOption {
	return []huntOption{
		{30, []string{"--delete", "--delete", "--del", "--delete-before", "--delete-during", "--delete-delay", "--delete-after", "--delete-excluded"}, nil},
		{4, []string{"--delete-excluded"}, nil},
		{5, []string{"--force", "--no-force"}, nil},
		{3, []string{"--ignore-errors"}, nil},
		{3, []string{"--max-delete=0", "--max-delete=1", "--max-delete=3", "--max-delete=100"}, nil},
		{4, []string{"--remove-source-files"}, nil},
		{7, []string{"-b", "--backup"}, nil},
		{6, []string{"--backup-dir={base}/bak", "--backup-dir=.old", "--backup-dir={base}/bak/deep/er", "--backup-dir=dir"}, nil},
		{4, []string{"--suffix=.o", "--suffix=%", "--suffix=.txt"}, nil},
	}
}

func outputHuntOptions() []huntOption {
	return []huntOption{
		{25, []string{"-i"}, nil},
		{3, []string{"--out-format=%i_%n%L", "--out-format=%o:%n:%B:%M", "--out-format=%f_%U:%G"}, nil},
		{3, []string{"-8"}, nil},
		{2, []string{"-s"}, nil},
		{4, []string{"--no-inc-recursive", "--no-i-r"}, nil},
		{3, []string{"-h", "--no-h"}, nil},
		{30, nil, ruleOptions},
		{3, []string{"-C"}, nil},
		{4, []string{"-F", "-FF"}, nil},
		{2, []string{"--no-D", "--devices", "--no-specials"}, nil},
	}
}

// alternateOptions are up to three directories with what the destination may lack, and some of its own.
func alternateOptions(c *huntCase, r *rand.Rand) (opts []string) {
	kind := pickOne(r, []string{"--link-dest", "--link-dest", "--copy-dest", "--compare-dest"})
	for i := range pickOne(r, []int{1, 1, 2, 3}) {
		name := fmt.Sprint("alt", i)
		c.others[name] = nil // comes when the operands are known
		opts = append(opts, kind+"=../"+name)
	}
	return opts
}

// ruleOptions are filter rules of all kinds, on the command line and in files.
func ruleOptions(c *huntCase, r *rand.Rand) (opts []string) {
	for range 1 + r.IntN(3) {
		switch r.IntN(8) {
		case 0:
			name := fmt.Sprint("rules", len(c.texts))
			var lines []string
			for range 1 + r.IntN(3) {
				_, pattern, _ := strings.Cut(randomRule(r, c.src), "=")
				lines = append(lines, pattern)
			}
			kind := pickOne(r, []string{"--exclude-from=", "--include-from=", "--filter=. ", "--filter=merge ", "--filter=.- ", "--filter=.+ "})
			if text := strings.Join(lines, "\n") + "\n"; strings.HasSuffix(kind, ". ") || strings.HasSuffix(kind, "merge ") {
				c.texts[name] = "# none\n\n- " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n+ ") + "\n"
			} else {
				c.texts[name] = text
			}
			opts = append(opts, kind+name)
		case 1:
			opts = append(opts, "--filter="+pickOne(r, []string{": ", ":- ", ":n ", ":e ", ":n- ", "dir-merge ", ":s ", ":w "})+".rules")
			c.addRules(r, ".rules")
		case 2:
			opts = append(opts, pickOne(r, []string{"--filter=!", "--exclude=!", "--include=*/", "--exclude=*", "--filter=P *~", "--filter=protect a"}))
		default:
			opts = append(opts, randomRule(r, c.src))
		}
	}
	return opts
}

// addRules puts files with rules into some directories of the source.
func (c *huntCase) addRules(r *rand.Rand, name string) {
	dirs := []string{""}
	for _, n := range c.src {
		if n.kind == 'd' {
			dirs = append(dirs, n.path)
		}
	}
	for range 1 + r.IntN(2) {
		var lines []string
		for range 1 + r.IntN(3) {
			rule, pattern, _ := strings.Cut(randomRule(r, c.src), "=")
			switch {
			case name == ".cvsignore":
				pattern = strings.ReplaceAll(path.Base(pattern), " ", "?")
			case rule == "--exclude":
				pattern = "- " + pattern
			case rule == "--include":
				pattern = "+ " + pattern
			}
			lines = append(lines, pattern)
		}
		p := path.Join(pickOne(r, dirs), name)
		if len(p) < 900 {
			c.src = c.src.with(peerNode{path: p, kind: 'f', mode: 0o644, sec: 1_000_000_000, data: []byte(strings.Join(lines, "\n") + "\n")})
		}
	}
}

// chooseOptions chooses options of all kinds.
func (c *huntCase) chooseOptions(r *rand.Rand) {
	single := []string{"r", "l", "p", "t", "g", "o", "D"}
	if inHundred(r, 65) {
		c.opts = append(c.opts, "-a")
		for _, x := range single {
			if inHundred(r, 5) {
				c.opts = append(c.opts, "--no-"+x)
			}
		}
	} else {
		for _, x := range single {
			if inHundred(r, 55) || x == "r" && inHundred(r, 70) {
				c.opts = append(c.opts, "-"+x)
			}
		}
		if inHundred(r, 15) {
			c.opts = append(c.opts, "-d")
		}
	}
	few := inHundred(r, 50) // few options show what each does, many how they go together
	for _, o := range huntOptions() {
		percent := o.percent
		if few {
			percent = (percent + 1) / 2
		}
		switch {
		case !inHundred(r, percent):
		case o.make != nil:
			c.opts = append(c.opts, o.make(c, r)...)
		default:
			c.opts = append(c.opts, pickOne(r, o.words))
		}
	}
}

// has reports whether one of the options is given, in that spelling.
func (c *huntCase) has(options ...string) bool {
	return slices.ContainsFunc(options, func(o string) bool { return slices.Contains(c.opts, o) })
}

// hasPrefix reports whether an option begins like that.
func (c *huntCase) hasPrefix(prefixes ...string) bool {
	return slices.ContainsFunc(c.opts, func(o string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(o, p) })
	})
}

// without takes options away that begin in one of these ways.
func (c *huntCase) without(prefixes ...string) {
	c.opts = slices.DeleteFunc(c.opts, func(o string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(o, p) })
	})
}

// deletes reports whether something may be deleted that the source does not have.
func (c *huntCase) deletes() bool { return c.hasPrefix("--delete") || c.has("--del") }

// settle takes away what belongs to no case. What stays out of the cases of both kinds is said at accept and at
// deliberate.
func (c *huntCase) settle(r *rand.Rand) {
	c.twice = false
	if c.missing && strings.Contains(c.dest, "/") && !c.has("--mkpath") && inHundred(r, 90) {
		c.dest = pickOne(r, []string{"dst", "dst/"})
	}
	for i := range c.dst {
		if n := &c.dst[i]; n.sec == 0 && n.kind == 'f' && c.has("--append", "--append-verify") {
			n.sec = 1 // 0 marks what is not finished, which is sent again
		}
	}
	if c.hasPrefix("--files-from") || len(c.files) > 0 {
		c.without("--del")
		if inHundred(r, 40) && !slices.ContainsFunc(c.files, func(name string) bool {
			return strings.ContainsAny(name, "\n\r") || name == "" || strings.ContainsRune("#;", rune(name[0]))
		}) {
			c.without("--from0")
		}
	}
	if c.has("-F", "-FF") {
		c.addRules(r, ".rsync-filter")
	}
	if c.has("-C") {
		c.addRules(r, ".cvsignore")
	}
}

// makeOthers makes the trees beside source and destination.
func (c *huntCase) makeOthers(r *rand.Rand) {
	at := strings.Trim(strings.TrimPrefix(c.dest, "dst"), "/")
	for _, name := range slices.Sorted(maps.Keys(c.others)) {
		var s peerTree
		for _, source := range c.sources {
			from, to := c.lands(source, at)
			for _, n := range c.src.below(from, strings.TrimPrefix(to, at)) {
				s = s.with(n)
			}
		}
		c.others[name] = decorated(r, s.mutate(r), 5).sorted()
	}
	at = strings.Trim(strings.TrimPrefix(c.dest, "dst"), "/")
	absolute := inHundred(r, 40)
	for i, o := range c.opts { // they are relative to the destination itself
		switch {
		case !strings.Contains(o, "-dest=../"):
		case absolute:
			c.opts[i] = strings.Replace(o, "=../", "={base}/", 1)
		case at != "":
			c.opts[i] = strings.Replace(o, "=../", "="+strings.Repeat("../", strings.Count(path.Clean(at), "/")+2), 1)
		}
	}
	c.others["outside"] = peerTree{
		{path: "file", kind: 'f', mode: 0o644, sec: 1_000_000_000, data: []byte("outside\n")},
		{path: "dir", kind: 'd', mode: 0o755, sec: 1_000_000_001},
		{path: "dir/inner", kind: 'f', mode: 0o600, sec: 1_000_000_002, data: []byte("in it\n")},
	}
	c.others["tmp"] = nil
}

// sorted puts parents before what is in them, and files before their further names.
func (s peerTree) sorted() peerTree {
	slices.SortStableFunc(s, func(a, b peerNode) int { return strings.Count(a.path, "/") - strings.Count(b.path, "/") })
	return s.ordered()
}

// parts counts what smaller can take away.
func (c *huntCase) parts() int {
	n := c.peerCase.parts() + len(c.texts)
	for _, s := range c.others {
		n += len(s)
	}
	return n + c.decorations()
}

func (c *huntCase) decorations() (n int) {
	for _, s := range []peerTree{c.src, c.dst} {
		for i := range s {
			if len(s[i].xattrs) > 0 || s[i].uid != 0 || s[i].gid != 0 || s[i].plainMode() != s[i].mode || len(s[i].data) > 4 || s[i].sec != 1_000_000_000 {
				n++
			}
		}
	}
	return n
}

func (n *peerNode) plainMode() uint32 {
	if n.kind == 'd' {
		return 0o755
	}
	return 0o644
}

// smaller returns the case without its ith part; nil where there is none.
func (c *huntCase) smaller(i int) *huntCase {
	d := *c
	if i < c.peerCase.parts() {
		p := c.peerCase.drop(i)
		if p == nil {
			return nil
		}
		d.peerCase = *p
		return &d
	}
	i -= c.peerCase.parts()
	for _, name := range slices.Sorted(maps.Keys(c.others)) {
		if s := c.others[name]; i < len(s) {
			d.others = maps.Clone(c.others)
			d.others[name] = s.without(s[i].path)
			return &d
		}
		i -= len(c.others[name])
	}
	names := slices.Sorted(maps.Keys(c.texts))
	if i < len(names) {
		first, rest, _ := strings.Cut(c.texts[names[i]], "\n")
		if first == "" || rest == "" {
			return nil
		}
		d.texts = maps.Clone(c.texts)
		d.texts[names[i]] = rest
		return &d
	}
	return c.plainer(i - len(names))
}

// plainer makes one of the nodes an ordinary one.
func (c *huntCase) plainer(k int) *huntCase {
	d := *c
	for _, s := range []*peerTree{&d.src, &d.dst} {
		t := slices.Clone(*s)
		for i := range t {
			n := &t[i]
			if len(n.xattrs) == 0 && n.uid == 0 && n.gid == 0 && n.plainMode() == n.mode && len(n.data) <= 4 && n.sec == 1_000_000_000 {
				continue
			}
			if k--; k >= 0 {
				continue
			}
			n.xattrs, n.uid, n.gid, n.mode, n.sec = nil, 0, 0, n.plainMode(), 1_000_000_000
			n.data = n.data[:min(len(n.data), 4)]
			*s = t
			return &d
		}
	}
	return nil
}

// String is what a person needs to see the case again.
func (c *huntCase) String() string {
	var b strings.Builder
	b.WriteString(c.peerCase.String())
	for _, name := range slices.Sorted(maps.Keys(c.others)) {
		if name != "outside" && name != "tmp" {
			fmt.Fprintf(&b, "  %s:\n%s", name, c.others[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.texts)) {
		fmt.Fprintf(&b, "  %s: %s\n", name, strconv.Quote(c.texts[name]))
	}
	for _, n := range c.src {
		if base := path.Base(n.path); base == ".rules" || base == ".rsync-filter" || base == ".cvsignore" {
			fmt.Fprintf(&b, "  %q: %q\n", n.path, n.data)
		}
	}
	return b.String()
}
