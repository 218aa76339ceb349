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
	shared   []string       // ... or may begin: names in the root that lead to something else that was asked for
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
	name := s
	switch {
	case job.Files != nil:
		if s = clampPath(s); job.Relative {
			_, s = splitListed(name)
		}
	case !job.LiteralPaths && isHome(s) && (job.Relative && !strings.Contains(s, "/./") || !strings.Contains(s, "/")):
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

// isHome reports whether a source begins with the home directory of somebody. The
// names of users are no patterns.
func isHome(source string) bool {
	name, _, _ := strings.Cut(source, "/")
	return strings.HasPrefix(name, "~") && !strings.ContainsAny(name, `*?[\`)
}

// isTop reports whether the path of a home directory begins with a name. One that
// leads elsewhere, too, may be meant as long as there is none of its own for each.
func (r *requested) isTop(name string) bool {
	return slices.Contains(r.tops, name) || len(r.tops) < len(r.homes) && slices.Contains(r.shared, name)
}

// inHome reports whether a path may be what was asked for of a home directory, or
// lie below it. Where that directory is the far side's root, it has no name.
func (r *requested) inHome(have []string) bool {
	return r.splits(have, func(want, rest []string) bool {
		return len(rest) >= len(want) && slices.EqualFunc(want, rest[:len(want)], matches)
	})
}

// leadsHome reports whether the end of a path is the beginning of what was asked for
// of a home directory: one pattern fits many names.
func (r *requested) leadsHome(have []string) bool {
	return r.splits(have, func(want, rest []string) bool {
		return len(rest) > 0 && len(rest) < len(want) && slices.EqualFunc(want[:len(rest)], rest, matches)
	})
}

// splits reports whether f holds for something that was asked for of a home
// directory and what is left of a path behind a beginning that may be its path.
func (r *requested) splits(have []string, f func(want, rest []string) bool) bool {
	if len(r.homes) == 0 || len(have) == 0 {
		return false
	}
	most := 0
	if r.isTop(have[0]) {
		most = len(have)
	}
	for _, want := range r.homes {
		for i := range most + 1 {
			if (i > 0 || len(want) > 0) && f(want, have[i:]) {
				return true
			}
		}
	}
	return false
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
	have := components(dir)
	if len(have) == 0 || !r.isTop(have[0]) || r.ways[dir] >= len(r.homes) {
		return false
	}
	if r.ways == nil {
		r.ways = map[string]int{}
	}
	r.ways[dir]++
	return true
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

// checkRoots refuses sources that are not what was asked for. A home directory without
// a name would come as content; but nothing tells whether it is one, and everything
// that the destination has would be extraneous beside it.
func (r *requested) checkRoots(m *wire.Roots) error {
	switch {
	case r == nil || !m.HasRoot || r.root:
		return nil
	case slices.ContainsFunc(r.homes, func(want []string) bool { return len(want) == 0 }):
		return fmt.Errorf("%w: %w: a home directory was asked for and comes as one without a name, which only the root is: ask for / if its content is meant", ErrSelect, wire.ErrProtocol)
	default:
		return fmt.Errorf("%w: the content of a directory comes that was not asked for", wire.ErrProtocol)
	}
}

// checkRoots refuses what is said of sources that the job does not ask for.
func (j *Job) checkRoots(m *wire.Roots) error {
	switch {
	case len(m.Missing) > 0 && !j.DeleteMissing:
		return fmt.Errorf("%w: %q is said to be missing, and nothing is to be removed for that", wire.ErrProtocol, m.Missing[0])
	case m.Root.Ext != nil && m.Root.Ext.Kept != nil && !j.asksFor(m.Root.Ext.Kept):
		return fmt.Errorf("%w: the root comes with attributes or lists that nobody asked for", wire.ErrProtocol)
	}
	return nil
}

// checkMissing refuses to have something removed, for missing at the source, that was not
// asked for. What was asked for of home directories is known when all was listed.
func (r *requested) checkMissing(m *wire.Roots) error {
	for _, path := range m.Missing {
		if !r.covers(path) {
			return fmt.Errorf("%w: %q is to be removed and was not asked for", wire.ErrProtocol, path)
		}
	}
	return nil
}

// checkNames refuses entries of dir that were not asked for.
func (r *requested) checkNames(dir *destDir) error {
	if r.covers(dir.shown) {
		return nil
	}
	for i := range dir.entries {
		e := &dir.entries[i]
		path := shownPath(dir, e)
		switch atRoot := dir.shown == ""; {
		case r.covers(path):
		case r.implies(path):
			if atRoot {
				r.shared = append(r.shared, path)
			}
		case atRoot && r.takeHome(path):
		case e.IsDir() && (r.leadsHome(components(path)) || r.takeWay(dir.shown)):
		default:
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
