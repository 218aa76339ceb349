package engine

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"gosync/transport/wire"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// requested knows what a destination has asked its source for, so that a source
// cannot add files of its own choice, or widen what is deleted. The zero value
// of *requested, nil, lets everything pass: this end does not know what was
// asked for, or it is the source too.
type requested struct {
	root     bool           // attributes of the transfer's root may come
	names    askedFor       // paths without wildcards
	homes    [][]string     // what was asked for of home directories, whose paths only the far side knows
	tops     []string       // how these paths begin, as it has turned out
	ways     map[string]int // names that led to them, of each directory on the way
	patterns [][]string     // paths with wildcards, by components
	filter   *filter.Set
}

// askedFor is a tree of path components. A whole place was asked for with all
// that is below it.
type askedFor struct {
	whole    bool
	children map[string]*askedFor
}

func (a *askedFor) add(parts []string) {
	for _, part := range parts {
		c := a.children[part]
		if c == nil {
			c = &askedFor{}
			if a.children == nil {
				a.children = map[string]*askedFor{}
			}
			a.children[part] = c
		}
		a = c
	}
	a.whole = true
}

// find follows a path and returns where it ends, nil if nothing below it was
// asked for, and whether a whole place was passed.
func (a *askedFor) find(parts []string) (at *askedFor, whole bool) {
	for _, part := range parts {
		if a.whole {
			return a, true
		}
		if a = a.children[part]; a == nil {
			return nil, false
		}
	}
	return a, a.whole
}

// newRequested returns what a job asks for.
func newRequested(job *Job) *requested {
	r := &requested{}
	if job.Filter != nil && !job.Filter.Empty() && !job.Filter.SideSpecific() {
		r.filter = job.Filter
	}
	list := job.Sources
	if job.Files != nil {
		list = job.Files
		r.root = true // its attributes
	}
	for _, s := range list {
		r.add(s, job)
	}
	return r
}

func (r *requested) add(s string, job *Job) {
	switch {
	case job.Files != nil:
		s = clampPath(s)
	case !job.LiteralPaths && strings.HasPrefix(s, "~") && (job.Relative && !strings.Contains(s, "/./") || !strings.Contains(s, "/")):
		_, below, _ := strings.Cut(strings.TrimRight(s, "/"), "/")
		r.homes = append(r.homes, components(below))
		return
	}
	if !job.Relative {
		_, name, content := job.split(s)
		if content || s == "" {
			r.root, r.names.whole = true, true
			return
		}
		r.ask([]string{name}, job)
		return
	}
	if i := strings.Index(s, "/./"); i >= 0 {
		s = s[i+3:]
	}
	r.root = r.root || strings.HasPrefix(s, "./")
	var parts []string
	for part := range strings.SplitSeq(s, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	r.root = r.root || len(parts) == 0
	r.ask(parts, job)
}

// ask adds a path; names of --files-from are never patterns, nor is anything in a job
// of literal paths.
func (r *requested) ask(parts []string, job *Job) {
	if job.Files == nil && !job.LiteralPaths && strings.ContainsAny(strings.Join(parts, "/"), `*?[\`) {
		r.patterns = append(r.patterns, parts)
		return
	}
	r.names.add(parts)
}

// isHome reports whether a path may be that of a home directory that was asked for,
// lead there, or lie below it. below says that it lies in what was asked for.
func (r *requested) isHome(have []string) (is, below bool) {
	if len(have) == 0 || !slices.Contains(r.tops, have[0]) {
		return false, false
	}
	for _, want := range r.homes {
		for i := 1; i+len(want) <= len(have); i++ {
			if len(want) == 0 || slices.EqualFunc(want, have[i:i+len(want)], matches) {
				return true, true
			}
		}
	}
	return true, slices.ContainsFunc(r.homes, func(want []string) bool { return len(want) == 0 })
}

// takeHome takes a name in the transfer's root that was not asked for as the
// beginning of the path of a home directory, if one was asked for that has no name
// yet.
func (r *requested) takeHome(name string) bool {
	if len(r.tops) >= len(r.homes) {
		return false
	}
	r.tops = append(r.tops, name)
	return true
}

// takeWay takes a name in a directory that leads to home directories: each was asked
// for by one path.
func (r *requested) takeWay(dir string) bool {
	if is, _ := r.isHome(components(dir)); !is || r.ways[dir] >= len(r.homes) {
		return false
	}
	if r.ways == nil {
		r.ways = map[string]int{}
	}
	r.ways[dir]++
	return true
}

func (r *requested) inHome(have []string) bool {
	_, below := r.isHome(have)
	return below
}

// covers reports whether everything in the directory at a path of the transfer
// was asked for.
func (r *requested) covers(path string) bool {
	if r == nil {
		return true
	}
	have := components(path)
	_, whole := r.names.find(have)
	return whole || r.inHome(have) || r.matchesAny(have, func(want int) bool { return want <= len(have) })
}

// implies reports whether a path is a parent of something that was asked for.
func (r *requested) implies(path string) bool {
	have := components(path)
	at, _ := r.names.find(have)
	return at != nil && len(at.children) > 0 || r.matchesAny(have, func(want int) bool { return want > len(have) })
}

func components(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// matchesAny reports whether a path agrees with a pattern that was asked for, as
// far as both go, and the pattern's length passes.
func (r *requested) matchesAny(have []string, length func(want int) bool) bool {
	for _, want := range r.patterns {
		ok := length(len(want))
		for i := 0; ok && i < min(len(want), len(have)); i++ {
			ok = matches(want[i], have[i])
		}
		if ok {
			return true
		}
	}
	return false
}

// checkRoots refuses sources that are not what was asked for.
func (r *requested) checkRoots(m *wire.Roots) error {
	if r != nil && m.HasRoot && !r.root {
		return fmt.Errorf("%w: the content of a directory comes that was not asked for", wire.ErrProtocol)
	}
	return nil
}

// checkNames refuses entries of dir that were not asked for.
func (r *requested) checkNames(dir *destDir) error {
	if r.covers(dir.shown) {
		return nil
	}
	for i := range dir.entries {
		path := shownPath(dir, &dir.entries[i])
		if !r.covers(path) && !r.implies(path) && !(dir.shown == "" && r.takeHome(path)) && !r.takeWay(dir.shown) {
			return fmt.Errorf("%w: %q comes and was not asked for", wire.ErrProtocol, path)
		}
	}
	return nil
}

// checkComplete refuses the claim that all of a directory is listed of which only
// a part was asked for: at the destination the rest would be extraneous. A
// destination that knows what was asked for sees that by itself.
func (r *requested) checkComplete(dir *destDir, incomplete bool) error {
	if incomplete || r.covers(dir.shown) {
		return nil
	}
	return fmt.Errorf("%w: all of %q is said to be listed, and only a part of it was asked for", wire.ErrProtocol, cmp.Or(dir.shown, "."))
}

// matches reports whether a name is what a component of a path asks for. A
// pattern that this end does not understand passes.
func matches(pattern, name string) bool {
	switch {
	case pattern == name:
		return true
	case !strings.ContainsAny(pattern, `*?[\`) || strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, "."):
		return false
	}
	ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	return ok || err != nil
}

// checkFilter refuses entries of dir, an entry of parent, that the rules exclude
// from the transfer. parent is nil for the root.
func (r *requested) checkFilter(dir, parent *destDir, entry int) error {
	if r == nil || r.filter == nil {
		return nil
	}
	switch {
	case dir.sent != nil: // it comes in parts
	case parent == nil:
		dir.sent = r.filter.Root()
	default:
		var err error
		if dir.sent, err = parent.sent.Enter(parent.entries[entry].Name, nil); err != nil {
			return fmt.Errorf("filter rules: %w", err)
		}
	}
	for i := range dir.entries {
		e := &dir.entries[i]
		if dir.sent.Excluded(e.Name, e.IsDir(), filter.Sender) && !(e.IsDir() && r.implies(manifest.Join(dir.shown, e.Name))) {
			return fmt.Errorf("%w: %q comes, which is excluded", wire.ErrProtocol, manifest.Join(dir.shown, e.Name))
		}
	}
	return nil
}
