package main

import (
	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// laterLines are lines that wait for others. rsync tells of a hard link when the content of its first member is there, and
// of what it sends behind what it finds to be equal, as far as its buffers reach: short runs have this order throughout.
type laterLines struct {
	sent, links []string
	moved       map[string]bool // with -H: files whose content moves, the latest of them
}

// mostLater is how many lines wait at the most, mostMoved how many files are remembered for that.
const (
	mostLater = 64
	mostMoved = 4096
)

// note remembers a file whose content moves.
func (l *laterLines) note(path string) {
	if l.moved == nil || len(l.moved) == mostMoved {
		l.moved = map[string]bool{}
	}
	l.moved[path] = true
}

// printItem prints the line of an entry, now or behind those of others.
func (p *printer) printItem(ev *engine.ItemEvent, line string) {
	l := &p.later
	if p.s.HardLinks && ev.Change&manifest.ChangeTransfer != 0 {
		l.note(ev.Path)
	}
	named := !p.s.itemFormat().has("i") // lines of names alone
	switch link := ev.Change&manifest.ChangeHardLink != 0; {
	case link && ev.Link != "" && (named || l.moved[ev.Link]):
		l.links = append(l.links, line)
	case named && !link && p.s.info(infoName) > 1 && isSent(ev):
		l.sent = append(l.sent, line)
	default:
		p.con.print(line + "\n")
	}
	if len(l.sent)+len(l.links) > mostLater {
		p.printLater()
	}
}

// isSent reports whether rsync's sender is who tells of an entry: where more than attributes changes, and of directories
// below the root.
func isSent(ev *engine.ItemEvent) bool {
	if ev.Entry.IsDir() {
		return ev.Path != "" && ev.Change&attributes != 0
	}
	return ev.Change&(manifest.ChangeTransfer|manifest.ChangeNew) != 0
}

// printLater prints the lines that have waited.
func (p *printer) printLater() {
	l := p.later
	p.later.sent, p.later.links = nil, nil
	for _, line := range append(l.sent, l.links...) {
		p.con.print(line + "\n")
	}
}
