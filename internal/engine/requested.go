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
	content bool     // the content of some directory: every name may come
	root    bool     // attributes of the transfer's root may come
	names   []string // patterns of names in the root
	filter  *filter.Set
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
		r.root = true // its attributes only: nothing is deleted then
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
		r.content, r.root = true, true // only the far side knows the name
		return
	}
	if !job.Relative {
		_, name, content := splitPath(s)
		r.content, r.root = r.content || content || s == "", r.root || content || s == ""
		r.names = append(r.names, name)
		return
	}
	r.root = r.root || strings.HasPrefix(s, "./")
	if i := strings.Index(s, "/./"); i >= 0 {
		s = s[i+3:]
	}
	for strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") {
		s = s[strings.IndexByte(s, '/')+1:]
	}
	first, _, _ := strings.Cut(s, "/")
	if first == "" || first == "." {
		r.content, r.root = true, true
		return
	}
	r.names = append(r.names, first)
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
	if r == nil || r.content {
		return nil
	}
	for i := range entries {
		if !r.has(entries[i].Name) {
			return fmt.Errorf("%w: %q comes and was not asked for", wire.ErrProtocol, entries[i].Name)
		}
	}
	return nil
}

func (r *requested) has(name string) bool {
	for _, p := range r.names {
		if p == name {
			return true
		}
		if strings.Contains(p, "[[:") {
			return true // path.Match knows no classes
		}
		if !strings.ContainsAny(p, `*?[\`) || strings.HasPrefix(name, ".") && !strings.HasPrefix(p, ".") {
			continue
		}
		if ok, err := path.Match(strings.ReplaceAll(p, "[!", "[^"), name); ok || err != nil {
			return true
		}
	}
	return false
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
		if dir.sent.Excluded(e.Name, e.IsDir(), filter.Sender) {
			return fmt.Errorf("%w: %q comes, which is excluded", wire.ErrProtocol, manifest.Join(dir.shown, e.Name))
		}
	}
	return nil
}
