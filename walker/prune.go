package walker

import "gosync/walker/manifest"

// Prune takes the directories out of a walk that hold nothing but directories, down to
// the last of them, and returns what is left and what is not, in the order of the walk.
// dirs is all of the walk, and is changed. The root stays, and so does what keep names
// by its directory and its place in that, with all that it lies in; keep may be nil.
func Prune(dirs []*Dir, keep func(d *Dir, entry int) bool) (left, gone []*Dir) {
	needed := needed(dirs, keep)
	at := make([]int, len(dirs)) // new indices
	for i, d := range dirs {
		if i > 0 && !needed[d.Parent][d.Entry] {
			gone = append(gone, d)
			continue
		}
		at[i] = len(left)
		left = append(left, d)
	}
	places := make([][]int, len(dirs)) // new positions of entries
	for i, d := range dirs {
		places[i] = d.drop(needed[i])
	}
	for i, d := range left {
		d.Index = i
		if d.Parent >= 0 {
			d.Parent, d.Entry = at[d.Parent], places[d.Parent][d.Entry]
		}
		for j := range d.Entries {
			if ld, le, ok := d.Entries[j].Leader(); ok { // no file was taken out
				ext := *d.Entries[j].Ext
				ext.LeaderDir, ext.LeaderEntry = uint32(at[ld])+1, uint32(places[ld][le])
				d.Entries[j].Ext = &ext
			}
		}
	}
	return left, gone
}

// needed tells of each entry of each directory whether it stays. What lies in a
// directory comes behind it, so that one pass from the end does it.
func needed(dirs []*Dir, keep func(d *Dir, entry int) bool) [][]bool {
	all := make([][]bool, len(dirs))
	for i, d := range dirs {
		all[i] = make([]bool, len(d.Entries))
		for j := range d.Entries {
			all[i][j] = !d.Entries[j].IsDir() || keep != nil && keep(d, j)
		}
	}
	for i := len(dirs) - 1; i > 0; i-- {
		for _, stays := range all[i] {
			if stays {
				all[dirs[i].Parent][dirs[i].Entry] = true
				break
			}
		}
	}
	return all
}

// drop takes entries out, and returns where the others are now.
func (d *Dir) drop(stays []bool) []int {
	places := make([]int, len(stays))
	n := 0
	for i := range stays {
		places[i] = n
		if !stays[i] {
			continue
		}
		d.Entries[n] = d.Entries[i]
		if d.from != nil {
			d.from[n] = d.from[i]
		}
		if d.Protected != nil {
			d.Protected[n] = d.Protected[i]
		}
		n++
	}
	if n == len(stays) {
		return places
	}
	d.Entries = append(make([]manifest.Entry, 0, n), d.Entries[:n]...)
	if d.from != nil {
		d.from = d.from[:n]
	}
	if d.Protected != nil {
		d.Protected = d.Protected[:n]
	}
	children := d.Children[:0]
	for _, i := range d.Children {
		if stays[i] {
			children = append(children, places[i])
		}
	}
	d.Children = children
	return places
}
