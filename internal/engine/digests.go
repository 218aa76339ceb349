package engine

import (
	"gosync/walker"
	"gosync/walker/manifest"
)

// digestTree returns the digest of every directory of a walk. Children have
// greater indices than their parents, so one pass from the end does it.
// Protected entries are no part of what is compared.
func digestTree(dirs []*walker.Dir, root *manifest.Entry, fields manifest.Fields, names manifest.Names) []manifest.Digest {
	digests := make([]manifest.Digest, len(dirs))
	children := make(map[[2]int]int, len(dirs))
	for i, d := range dirs {
		if d.Parent >= 0 {
			children[[2]int{d.Parent, d.Entry}] = i
		}
	}
	digester := manifest.NewDigester(fields, names)
	for i := len(dirs) - 1; i >= 0; i-- {
		d := dirs[i]
		entries, at := visible(d)
		self := (*manifest.Entry)(nil)
		if i == 0 && root != nil {
			e := *root
			e.Name = ""
			self = &e
		}
		digests[i] = digester.Dir(self, entries,
			func(j int) manifest.Digest {
				if c, ok := children[[2]int{i, at(j)}]; ok {
					return digests[c]
				}
				return manifest.Digest{}
			},
			func(j int) string {
				ld, le, ok := entries[j].Leader()
				if !ok {
					ld, le = i, at(j)
				}
				return manifest.Join(dirs[ld].Path, dirs[ld].Entries[le].Name)
			})
	}
	return digests
}

// visible returns the entries of a directory that take part, and their
// positions in its listing.
func visible(d *walker.Dir) ([]manifest.Entry, func(int) int) {
	if d.Protected == nil {
		return d.Entries, func(i int) int { return i }
	}
	var entries []manifest.Entry
	var at []int
	for i := range d.Entries {
		if !d.Protected[i] {
			entries, at = append(entries, d.Entries[i]), append(at, i)
		}
	}
	return entries, func(i int) int { return at[i] }
}
