package main

import (
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// itemized returns the eleven characters with which rsync tells what happens to
// an entry: what is done, the type, and one letter per attribute.
func itemized(ev *engine.ItemEvent) string {
	c := ev.Change
	var line [11]byte
	line[0] = action(ev)
	line[1] = ev.Entry.Type.Letter()
	set := func(i int, bit manifest.Change, letter byte) {
		line[i] = '.'
		if c&bit != 0 {
			line[i] = letter
		}
	}
	set(2, manifest.ChangeContent, 'c')
	set(3, manifest.ChangeSize, 's')
	set(4, manifest.ChangeTime, 't')
	if c&manifest.ChangeTimeNow != 0 {
		line[4] = 'T'
	}
	set(5, manifest.ChangePerms, 'p')
	set(6, manifest.ChangeOwner, 'o')
	set(7, manifest.ChangeGroup, 'g')
	set(8, manifest.ChangeAccess, 'u')
	set(9, manifest.ChangeACL, 'a')
	set(10, manifest.ChangeXattrs, 'x')
	if ev.Entry.Type == manifest.Symlink {
		line[3] = '.' // the size of a link is its target's length: "c" says it
	}
	switch {
	case c&manifest.ChangeNew != 0:
		fill(line[2:], '+')
	case blanks(line[:]):
		fill(line[2:], ' ')
	}
	return string(line[:])
}

// action returns the first character: what is done to the entry.
func action(ev *engine.ItemEvent) byte {
	switch c := ev.Change; {
	case c&manifest.ChangeHardLink != 0:
		return 'h'
	case c&manifest.ChangeLocal != 0:
		return 'c'
	case c&manifest.ChangeTransfer == 0:
		return '.'
	case ev.Sent:
		return '<'
	default:
		return '>'
	}
}

// blanks reports whether the attributes are to be left blank: none changes, and
// the first character tells nothing about attributes.
func blanks(line []byte) bool {
	if line[0] != '.' && line[0] != 'h' && line[0] != 'c' {
		return false
	}
	for _, b := range line[2:] {
		if b != '.' {
			return false
		}
	}
	return true
}

func fill(b []byte, c byte) {
	for i := range b {
		b[i] = c
	}
}

// dirName returns how a directory of the transfer is shown.
func dirName(name string) string {
	if name == "" {
		return "./"
	}
	return name + "/"
}

// attributes are the changes that count when it is decided whether an entry is
// worth a line; how the change comes about does not.
const attributes = manifest.ChangeContent | manifest.ChangeSize | manifest.ChangeTime | manifest.ChangePerms |
	manifest.ChangeOwner | manifest.ChangeGroup | manifest.ChangeNew | manifest.ChangeTimeNow | manifest.ChangeTransfer |
	manifest.ChangeAccess | manifest.ChangeACL | manifest.ChangeXattrs

// worthName reports whether -v without -i shows the entry: as in rsync a file
// whose attributes alone change is not shown, while a directory is.
func worthName(ev *engine.ItemEvent) bool {
	c := ev.Change
	switch {
	case c&manifest.ChangeTransfer != 0:
		return true
	case c&(manifest.ChangeLocal|manifest.ChangeHardLink) != 0:
		return c&attributes != 0 || isNewLink(ev)
	default:
		return ev.Entry.IsDir() && c&attributes != 0
	}
}

// unchanged reports whether nothing at all happens to the entry.
func unchanged(ev *engine.ItemEvent) bool {
	return ev.Change&attributes == 0 && !isNewLink(ev)
}

// isNewLink reports whether an entry is linked to another that it was no link to, not in an alternate directory either.
func isNewLink(ev *engine.ItemEvent) bool {
	return ev.Link != "" && ev.Change&manifest.ChangeSameLink == 0
}
