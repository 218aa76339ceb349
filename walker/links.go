package walker

// inode names a file on this machine.
type inode struct{ dev, ino uint64 }

// leaders knows the first member of each group of hard links that was yielded:
// the index of its directory plus one, and of the entry.
type leaders map[inode][2]uint32

// mark tells the entries of d, which is yielded next, who leads their groups.
// Protected entries take no part. With firsts it marks the first ones, too.
func (l leaders) mark(d *Dir, firsts bool) {
	for i := range d.Entries {
		e := &d.Entries[i]
		if e.IsDir() || e.Ext == nil || e.Ext.Nlink < 2 || e.Ino == 0 {
			continue
		}
		if d.Protected != nil && d.Protected[i] {
			continue
		}
		id := inode{e.Ext.Dev, e.Ino}
		first, ok := l[id]
		if !ok {
			l[id] = [2]uint32{uint32(d.Index) + 1, uint32(i)}
			if !firsts {
				continue
			}
		}
		ext := *e.Ext // a tree or a node may have given out its own
		ext.First = !ok
		ext.LeaderDir, ext.LeaderEntry = first[0], first[1]
		e.Ext = &ext
	}
}
