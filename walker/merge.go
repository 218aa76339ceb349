package walker

import (
	"slices"
	"strings"

	"gosync/walker/manifest"
)

// item is an entry on its way into a merged listing.
type item struct {
	manifest.Entry
	node      *Node // what was named, or nil
	place     int   // else the index of the place that holds it
	protected bool
}

// merge fills in a directory that is made of several places and named nodes.
func (l *lister) merge(j *job, lists [][]manifest.Entry) {
	names := groups(l.items(j, lists))
	d := j.dir
	d.Entries = make([]manifest.Entry, 0, len(names))
	d.from = make([]uint32, 0, len(names))
	for _, group := range names {
		l.add(d, group)
	}
	for _, i := range manifest.Dirs(d.Entries) {
		m := l.parts(names[i])
		if m == nil {
			continue
		}
		d.Children = append(d.Children, i)
		j.children = append(j.children, job{parent: j, name: d.Entries[i].Name, entry: i, merged: m})
	}
}

// items collects what takes part, sorted by name, and what wins first: named
// nodes, then places in order.
func (l *lister) items(j *job, lists [][]manifest.Entry) []item {
	var items []item
	if j.merged != nil {
		for _, n := range j.merged.nodes {
			for _, c := range n.Children {
				if keep, prot := l.named(j, c); keep {
					items = append(items, item{Entry: c.Entry, node: c, protected: prot})
				}
			}
		}
	}
	for p, entries := range lists {
		for i := range entries {
			if keep, prot := l.verdict(j, j.places[p].scope, &entries[i]); keep {
				items = append(items, item{Entry: entries[i], place: p, protected: prot})
			}
		}
	}
	slices.SortStableFunc(items, func(a, b item) int { return strings.Compare(a.Name, b.Name) })
	return items
}

// groups cuts sorted items into those of the same name.
func groups(items []item) [][]item {
	var out [][]item
	for len(items) > 0 {
		n := 1
		for n < len(items) && items[n].Name == items[0].Name {
			n++
		}
		out = append(out, items[:n])
		items = items[n:]
	}
	return out
}

// add appends the winner of a group: its first directory, else its first entry.
func (l *lister) add(d *Dir, group []item) {
	win := max(0, slices.IndexFunc(group, func(it item) bool { return it.IsDir() }))
	from := group[win].place
	if n := group[win].node; n != nil {
		from = len(d.origins) + len(d.nodes)
		d.nodes = append(d.nodes, n)
	}
	protected := slices.ContainsFunc(group, func(it item) bool { return it.protected })
	if protected && d.Protected == nil {
		d.Protected = make([]bool, len(d.Entries), cap(d.Entries))
	}
	if d.Protected != nil {
		d.Protected = append(d.Protected, protected)
	}
	d.Entries = append(d.Entries, group[win].Entry)
	d.from = append(d.from, uint32(from))
}

// parts returns what the directory of a group is made of, nil where the walk
// does not enter it. A named directory is entered when something is named in
// it, content or nodes.
func (l *lister) parts(group []item) *merged {
	m := &merged{}
	named := false
	for i := range group {
		it := &group[i]
		switch {
		case it.protected:
			return nil
		case !it.IsDir():
		case it.node != nil:
			m.nodes = append(m.nodes, it.node)
			named = named || len(it.node.Contents)+len(it.node.Children) > 0
		case l.enters(&it.Entry):
			m.from = append(m.from, it.place)
		}
	}
	if !named && len(m.from) == 0 {
		return nil
	}
	return m
}
