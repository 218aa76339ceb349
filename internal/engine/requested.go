package engine

import (
	"fmt"
	"path"
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
	root   bool       // attributes of the transfer's root may come
	paths  [][]string // what was asked for, by components, which may be patterns; an empty path is everything
	filter *filter.Set
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
	case strings.HasPrefix(s, "~") && (job.Relative || !strings.Contains(s, "/")):
		r.root, r.paths = true, append(r.paths, nil) // only the far side knows the name
		return
	}
	if !job.Relative {
		_, name, content := splitPath(s)
		if content || s == "" {
			r.root, r.paths = true, append(r.paths, nil)
			return
		}
		r.paths = append(r.paths, []string{name})
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
	r.paths = append(r.paths, parts)
}

// covers reports whether everything in the directory at a path of the transfer
// was asked for.
func (r *requested) covers(path string) bool {
	return r == nil || r.any(path, func(want, have int) bool { return want <= have })
}

// implies reports whether a path is a parent of something that was asked for.
func (r *requested) implies(path string) bool {
	return r.any(path, func(want, have int) bool { return want > have })
}

// any reports whether a path agrees with one that was asked for, as far as both
// go, and their lengths pass.
func (r *requested) any(path string, lengths func(want, have int) bool) bool {
	var have []string
	if path != "" {
		have = strings.Split(path, "/")
	}
	for _, want := range r.paths {
		n := min(len(want), len(have))
		ok := lengths(len(want), len(have))
		for i := 0; ok && i < n; i++ {
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

// checkNames refuses entries of the root that were not asked for.
func (r *requested) checkNames(entries []manifest.Entry) error {
	if r == nil {
		return nil
	}
	for i := range entries {
		if n := entries[i].Name; !r.covers(n) && !r.implies(n) {
			return fmt.Errorf("%w: %q comes and was not asked for", wire.ErrProtocol, n)
		}
	}
	return nil
}

// matches reports whether a name is what a component of a path asks for. A
// pattern that this end does not understand passes.
func matches(pattern, name string) bool {
	switch {
	case pattern == name || strings.Contains(pattern, "[[:"):
		return true
	case !strings.ContainsAny(pattern, `*?[\`) || strings.HasPrefix(name, ".") && !strings.HasPrefix(pattern, "."):
		return false
	}
	ok, err := path.Match(strings.ReplaceAll(pattern, "[!", "[^"), name)
	return ok || err != nil
}

// checkFilter refuses entries of dir that the rules exclude from the transfer.
func (p *planner) checkFilter(dir *destDir) error {
	r := p.d.requested
	if r == nil || r.filter == nil {
		return nil
	}
	if dir.index == 0 {
		dir.sent = r.filter.Root()
	} else {
		parent, entry := p.parentOf(dir)
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
