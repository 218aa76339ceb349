package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A peerCase is one command line and the trees it works on. Paths are relative to the directory of the run, in which
// "src" and "dst" are.
type peerCase struct {
	way     string // local, push or pull
	overSSH bool   // it never becomes local
	src     peerTree
	dst     peerTree
	missing bool // there is no destination
	opts    []string
	sources []string
	dest    string
	files   []string // of --files-from
	twice   bool     // the command is given twice
	umask   string
}

// randomCase makes the case that belongs to a seed.
func randomCase(seed uint64) *peerCase {
	r := rand.New(rand.NewPCG(seed, 1))
	c := &peerCase{way: pickOne(r, []string{"local", "local", "push", "pull"}), twice: inHundred(r, 25), umask: pickOne(r, []string{"022", "022", "077", "002"})}
	c.src = randomTree(r, pickOne(r, []int{3, 8, 15, 40}))
	c.options(r)
	c.operands(r)
	c.destination(r)
	return c
}

// options chooses options of all kinds, those of a backup most often. The numbers say how often in a hundred cases.
func (c *peerCase) options(r *rand.Rand) {
	single := []string{"r", "l", "p", "t", "g", "o", "D"}
	if inHundred(r, 65) {
		c.opts = append(c.opts, "-a")
		for _, x := range single {
			if inHundred(r, 8) {
				c.opts = append(c.opts, "--no-"+x)
			}
		}
	} else {
		for _, x := range single {
			if inHundred(r, 60) || x == "r" && inHundred(r, 70) {
				c.opts = append(c.opts, "-"+x)
			}
		}
	}
	for _, o := range strings.Fields("-c10 -u12 -I8 --size-only8 -W10 --no-whole-file25 -z15 --inplace12 -H30 -S10 --delete35 --numeric-ids10 -R15 -n12 -i15 -d4") {
		name := strings.TrimRight(o, "0123456789")
		if p, err := strconv.Atoi(o[len(name):]); err == nil && inHundred(r, p) {
			c.opts = append(c.opts, name)
		}
	}
	if inHundred(r, 25) {
		for range 1 + r.IntN(3) {
			c.opts = append(c.opts, randomRule(r, c.src))
		}
	}
}

// randomRule makes a filter rule, mostly about names that are there.
func randomRule(r *rand.Rand, s peerTree) string {
	pattern := pickOne(r, []string{"*.txt", "*", "*/", "dir", "/a", "**/b", "?", "[ab]", "sub/**", "*.o", "/*/*", "n*"})
	if len(s) > 0 && inHundred(r, 60) {
		p := pickOne(r, s).path
		pattern = pickOne(r, []string{p, "/" + p, path.Base(p), path.Base(p) + "/", path.Dir(p) + "/*", path.Base(p) + "/***"})
	}
	if strings.Contains(pattern, "\n") {
		pattern = "*.txt"
	}
	switch r.IntN(6) {
	case 0, 1:
		return "--exclude=" + pattern
	case 2, 3:
		return "--include=" + pattern
	default:
		return "--filter=" + pickOne(r, []string{"-", "+", "P", "R", "H", "S", "-p", "-s", "-r"}) + " " + pattern
	}
}

// operands chooses what is copied where.
func (c *peerCase) operands(r *rand.Rand) {
	switch {
	case inHundred(r, 55):
		c.sources = []string{"src/"}
	default:
		for range pickOne(r, []int{1, 1, 2, 3}) {
			c.sources = append(c.sources, c.source(r))
		}
	}
	c.dest = pickOne(r, []string{"dst", "dst/", "dst/", "dst", "dst/new", "dst/new/deep/", "dst/a"})
	c.missing = inHundred(r, 12)
	if inHundred(r, 12) {
		c.opts = append(c.opts, "--files-from=list", "--from0")
		c.sources = []string{pickOne(r, []string{"src", "src/"})}
		c.opts = slices.DeleteFunc(c.opts, func(o string) bool { return o == "--delete" })
		for range r.IntN(6) {
			c.files = append(c.files, c.listed(r))
		}
	}
}

func (c *peerCase) source(r *rand.Rand) string {
	if len(c.src) == 0 || inHundred(r, 20) {
		return pickOne(r, []string{"src", "src/.", "src/nothing", "src/./", "./src/"})
	}
	n := pickOne(r, c.src)
	if c.way == "pull" && strings.Contains(n.path, "\n") { // rsync's quoting loses it
		return "src/"
	}
	at := pickOne(r, []string{"src/", "src/./", "./src/", "src//"})
	if n.kind == 'd' {
		return at + n.path + pickOne(r, []string{"", "/", "/."})
	}
	if dir := path.Dir(n.path); dir != "." && inHundred(r, 20) {
		return at + dir + "/./" + path.Base(n.path)
	}
	return at + n.path
}

func (c *peerCase) listed(r *rand.Rand) string {
	if len(c.src) == 0 || inHundred(r, 10) {
		return pickOne(r, []string{"nothing", ".", "./", "a/../b", "/a"})
	}
	p := pickOne(r, c.src).path
	if c.way == "pull" && strings.ContainsRune("#;", rune(p[0])) { // no comment for rsync, in this direction alone
		return "a"
	}
	return pickOne(r, []string{"", "", "./", "/"}) + p + pickOne(r, []string{"", "", "/", "/."})
}

// destination makes the destination's tree from what will arrive there, changed here and there.
func (c *peerCase) destination(r *rand.Rand) {
	if c.missing || inHundred(r, 15) {
		return
	}
	at := strings.Trim(strings.TrimPrefix(c.dest, "dst"), "/")
	for _, s := range c.sources {
		for _, n := range c.src.below(c.lands(s, at)) {
			c.dst = c.dst.with(n)
		}
	}
	if at != "" && inHundred(r, 50) {
		c.dst = nil
	}
	c.dst = c.dst.mutate(r)
	if slices.ContainsFunc(c.opts, func(o string) bool { return o == "--inplace" || strings.HasPrefix(o, "--append") }) { // gosync never writes into a file that has other names
		c.twice = c.twice && !slices.Contains(c.opts, "-H")
		for i := range c.dst {
			if c.dst[i].kind == 'h' {
				c.dst[i].target = ""
			}
		}
	}
	slices.SortStableFunc(c.dst, func(a, b peerNode) int { return strings.Count(a.path, "/") - strings.Count(b.path, "/") })
	c.dst = c.dst.ordered()
}

// lands says which part of the source an operand names and where it goes below dst; roughly, as it only has to make
// files meet.
func (c *peerCase) lands(source, at string) (from, to string) {
	p := path.Clean(source)
	from = strings.Trim(strings.TrimPrefix(p, "src"), "/")
	switch {
	case slices.Contains(c.opts, "-R") && strings.Contains(source, "src/./"):
		return from, path.Join(at, from)
	case slices.Contains(c.opts, "-R"):
		return from, path.Join(at, p)
	case strings.HasSuffix(source, "/") || strings.HasSuffix(source, "/.") || len(c.files) > 0:
		return from, at
	}
	return from, path.Join(at, path.Base(p))
}

// ordered puts further names of a file behind the file, and makes those whose file is gone files.
func (s peerTree) ordered() peerTree {
	var first, later peerTree
	for _, n := range s {
		if n.kind == 'h' {
			if f := s.find(n.target); f != nil && f.kind == 'f' {
				later = append(later, n)
				continue
			}
			n.kind, n.target = 'f', ""
		}
		first = append(first, n)
	}
	return append(first, later...)
}

// mutate returns a tree that once was equal to s: names are missing and added, files edited, attributes changed.
func (s peerTree) mutate(r *rand.Rand) peerTree {
	out := slices.Clone(s)
	for _, n := range s {
		m := out.find(n.path)
		if m == nil {
			continue
		}
		switch k := r.IntN(100); {
		case k < 45: // stays
		case k < 55:
			out = out.without(n.path)
		case k < 75:
			m.edit(r)
		case k < 80:
			m.sec += pickOne(r, []int64{-1, 1, 3})
		case k < 93:
			m.attributes(r)
		default:
			out = out.retype(r, n.path)
		}
	}
	for range r.IntN(5) {
		n := peerNode{path: pickOne(r, peerNames())}
		if len(out) > 0 && inHundred(r, 60) {
			n.path = path.Join(path.Dir(pickOne(r, out).path), n.path)
		}
		n.randomize(r, nil)
		out = out.with(n)
	}
	return out
}

// retype makes a path something else; what was below it is gone.
func (s peerTree) retype(r *rand.Rand, name string) peerTree {
	s = s.without(name)
	n := peerNode{path: name}
	n.randomize(r, nil)
	s = append(s, n)
	if n.kind == 'd' && inHundred(r, 70) {
		s = append(s, peerNode{path: name + "/inner", kind: 'f', mode: 0o644, sec: 1_000_000_000, data: []byte("x")})
	}
	return s
}

// edit changes a file's content, and its time mostly too.
func (n *peerNode) edit(r *rand.Rand) {
	if inHundred(r, 85) {
		n.sec = pickOne(r, []int64{n.sec + 1, n.sec - 1, 1_000_000_000, n.sec + 100_000})
	}
	if n.kind == 'l' {
		n.target += "x"
	}
	if n.kind != 'f' {
		return
	}
	data := bytes.Clone(n.data)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(data) + 1)
		end := min(len(data), at+r.IntN(500))
		piece := make([]byte, r.IntN(500))
		for i := range piece {
			piece[i] = byte(r.Uint32())
		}
		switch r.IntN(4) {
		case 0:
			data = slices.Insert(data, at, piece...)
		case 1:
			data = slices.Delete(data, at, end)
		case 2:
			copy(data[at:end], piece)
		default:
			data = slices.Concat(data[at:], data[:at])
		}
	}
	n.data = data
}

// String is what a person needs to see the case again.
func (c *peerCase) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s, umask %s, options %q, sources %q, destination %q", c.way, c.umask, c.opts, c.sources, c.dest)
	if c.missing {
		b.WriteString(" (missing)")
	}
	if c.twice {
		b.WriteString(", twice")
	}
	if slices.Contains(c.opts, "--files-from=list") {
		fmt.Fprintf(&b, ", list %q", c.files)
	}
	fmt.Fprintf(&b, "\n  src:\n%s", c.src)
	if !c.missing {
		fmt.Fprintf(&b, "  dst:\n%s", c.dst)
	}
	return b.String()
}
