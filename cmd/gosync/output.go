package main

import (
	"fmt"
	"hash/fnv"
	"strings"

	"gosync/internal/engine"
)

// printer turns the events of a run into lines. Its event method is called by
// one goroutine.
type printer struct {
	con      *console
	s        *settings
	problems problems
	deleted  int64          // entries that were said to be deleted, each once
	attempt  int            // how often the connection was lost
	shown    map[uint64]int // hashes of what was printed, and in which attempt, where there may be another
	far      *messages      // what the far side says on its standard error
}

// header prints what -v says first. pull says that the source is remote.
func (p *printer) header(pull bool) {
	if p.s.verbose == 0 || !p.s.Options.Dirs && !p.s.Recursive {
		return
	}
	switch {
	case p.s.Recursive && pull:
		p.con.print("receiving incremental file list\n")
	case p.s.Recursive:
		p.con.print("sending incremental file list\n")
	case pull:
		p.con.print("receiving file list ... done\n")
	default:
		p.con.print("building file list ... done\n")
	}
}

// event prints what an event says, if the options ask for it and an earlier
// attempt has not said it already.
func (p *printer) event(ev engine.Event) {
	if failed, ok := ev.(engine.ErrorEvent); ok {
		p.problems.add(failed.Err)
	}
	if p.repeated(ev) {
		return
	}
	switch ev := ev.(type) {
	case engine.ItemEvent:
		p.item(&ev)
	case engine.DeleteEvent:
		p.deleted++
		p.deletion(&ev)
	case engine.SkipEvent:
		p.skip(&ev)
	case engine.ErrorEvent:
		p.con.message("gosync: " + display(ev.Err.Error()))
	case engine.NoteEvent:
		p.note(ev.Text)
	}
}

// restart is called when the job is done anew over another connection. Errors
// that stay come again; only those of the last attempt count.
func (p *printer) restart() {
	p.attempt++
	p.problems = problems{}
}

// repeated reports whether an event was told of before the connection was lost.
func (p *printer) repeated(ev engine.Event) bool {
	if p.shown == nil {
		return false
	}
	h := fnv.New64a()
	switch ev := ev.(type) {
	case engine.ItemEvent:
		_, _ = fmt.Fprintf(h, "i%s", ev.Path) // a hash takes everything
	case engine.DeleteEvent:
		_, _ = fmt.Fprintf(h, "d%s", ev.Path)
	case engine.ErrorEvent:
		_, _ = fmt.Fprintf(h, "e%s", ev.Err.Error())
	case engine.SkipEvent:
		_, _ = fmt.Fprintf(h, "s%s%s", ev.Path, ev.Reason)
	case engine.NoteEvent:
		_, _ = fmt.Fprintf(h, "n%s", ev.Text)
	default:
		return false
	}
	sum := h.Sum64()
	before, ok := p.shown[sum]
	if !ok {
		p.shown[sum] = p.attempt
	}
	return ok && before < p.attempt
}

// item prints the line of an entry: itemized, or its name.
func (p *printer) item(ev *engine.ItemEvent) {
	same := unchanged(ev)
	switch {
	case p.s.itemize > 0 && (!same || p.s.itemize > 1 || p.s.verbose > 1):
		p.con.print(itemized(ev) + " " + itemName(ev) + "\n")
	case p.s.itemize > 0 || p.s.verbose == 0:
	case worthName(ev):
		p.con.print(itemName(ev) + "\n")
	case same && p.s.verbose > 1 && !ev.Entry.IsDir():
		p.con.print(display(ev.Path) + " is uptodate\n")
	}
}

// deletion prints the line of a removal.
func (p *printer) deletion(ev *engine.DeleteEvent) {
	name := display(ev.Path)
	if ev.Dir {
		name = dirName(name)
	}
	switch {
	case p.s.itemize > 0:
		p.con.print("*deleting   " + name + "\n")
	case p.s.verbose > 0:
		p.con.print("deleting " + name + "\n")
	}
}

// skip says that an entry takes no part, in rsync's words.
func (p *printer) skip(ev *engine.SkipEvent) {
	name := display(ev.Path)
	if ev.Reason != "skipping directory" {
		name = `"` + name + `"`
	}
	if !p.s.quiet {
		p.con.print(display(ev.Reason) + " " + name + "\n")
	}
}

// note prints a message about the run as a whole. That a directory was created
// for it is a result, like the names that -v and -i print; all else is for
// whoever watches.
func (p *printer) note(text string) {
	switch {
	case strings.HasPrefix(text, "created directory "):
		if p.s.verbose > 0 || p.s.itemize > 0 {
			p.con.print(display(text) + "\n")
		}
	case !p.s.quiet:
		p.con.message("gosync: " + display(text))
	}
}

// summary prints what -v and --stats say last.
func (p *printer) summary(sum *engine.Summary) {
	h := numbers(p.s.human)
	if p.s.Clean {
		if !p.s.quiet {
			p.con.print(cleaned(sum.Deleted, p.s.DryRun))
		}
		return
	}
	if p.s.stats {
		p.con.print(statistics(sum, h))
	}
	if p.s.stats || p.s.verbose > 0 {
		p.con.print(totals(sum, h, p.s.DryRun))
	}
}

// cleaned returns what --clean says in the end.
func cleaned(n int64, dryRun bool) string {
	verb, noun := "removed", "files"
	if dryRun {
		verb = "would remove"
	}
	if n == 1 {
		noun = "file"
	}
	return fmt.Sprintf("%s %d %s that interrupted runs have left\n", verb, n, noun)
}
