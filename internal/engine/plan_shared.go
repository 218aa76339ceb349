package engine

import "gosync/walker/manifest"

// Without -H the destination may have one file under several names that are to be
// files of their own. As long as their content is right they stay one, and what is set
// by one name is set for all: rsync, which looks at each file when its turn comes, finds
// nothing to do at the others. What is planned here was listed before. It is done for
// each name all the same, but told of once.

// inode is a file of the destination.
type inode struct{ dev, ino uint64 }

// given is what the run has given a file.
type given struct {
	change manifest.Change // the attributes
	want   manifest.Entry  // ... and their values
}

// maxGiven is of how many files that is remembered. Beyond that the names of a file are
// told of as if each were one of its own.
const maxGiven = 1 << 14

// attrItem reports the attributes that change of an entry that stays.
func (d *dest) attrItem(dir *destDir, entry int, e *manifest.Entry, c manifest.Change, w, dst *manifest.Entry) {
	if ev := d.attrEvent(dir, entry, e, c, w, dst); ev != nil {
		d.rep.post(ev)
	}
}

func (d *dest) attrEvent(dir *destDir, entry int, e *manifest.Entry, c manifest.Change, w, dst *manifest.Entry) Event {
	ev := d.itemEvent(dir, entry, e, c, "")
	if ev == nil || c == 0 || d.job.DryRun || dst.Ino == 0 || dst.Ext == nil || dst.Ext.Nlink < 2 {
		return ev
	}
	return sharedItem{ev.(ItemEvent), d, inode{dst.Ext.Dev, dst.Ino}, *w}
}

// sharedItem is the event of a file with several names, which what was told of the
// others before makes smaller. Only when it is delivered that is known: contents are
// compared in no order.
type sharedItem struct {
	ItemEvent
	d    *dest
	file inode
	want manifest.Entry
}

// each delivers what there is to tell. The reporter's goroutine alone calls it.
func (s sharedItem) each(f func(Event) error) error {
	d, ev, c := s.d, s.ItemEvent, s.ItemEvent.Change
	if g, ok := d.given[s.file]; ok {
		ev.Change = c &^ (g.change &^ d.differences(&s.want, &g.want))
	}
	if d.given == nil || len(d.given) >= maxGiven {
		d.given = map[inode]given{}
	}
	d.given[s.file] = given{c, s.want}
	if ev.Change == 0 && !d.job.ItemizeAll {
		return nil
	}
	return f(ev)
}
