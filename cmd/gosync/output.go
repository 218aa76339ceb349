package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"strings"

	"gosync/internal/engine"
	"gosync/walker/manifest"
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
	route    *route         // nil where formats have nothing to tell of it
	log      *logFile       // nil for none

	counts    *engine.Progress
	verified  bool // content that moves is compared end to end
	compares  bool // nothing is copied: both ends are compared
	explained bool // how differences are found was told
	later     laterLines
	tap       func(engine.Event) bool // takes events that are for a subcommand; nil for none
}

// name makes a name of the transfer fit to print.
func (p *printer) name(s string) string { return p.s.display(s) }

// header prints what -v says first. pull says that the source is remote.
func (p *printer) header(pull bool) {
	if pull {
		p.log.write("receiving file list")
	} else {
		p.log.write("building file list")
	}
	if p.s.info(infoFlist) == 0 || !p.s.Options.Dirs && !p.s.Recursive {
		return
	}
	incremental := p.s.Recursive && !p.s.scanFirst && !p.s.DeleteBefore && !p.s.DeleteAfter && !p.s.DelayUpdates
	switch {
	case incremental && pull:
		p.con.print("receiving incremental file list\n")
	case incremental:
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
	if p.repeated(ev) || p.tap != nil && p.tap(ev) {
		return
	}
	p.tell(ev)
	p.explain(ev)
	switch ev := ev.(type) {
	case engine.ItemEvent:
		p.item(&ev)
	case engine.DeleteEvent:
		p.deleted++
		p.deletion(&ev)
	case engine.SkipEvent:
		p.skip(&ev)
	case engine.ErrorEvent:
		text := "gosync: " + display(ev.Err.Error())
		p.log.write(text)
		p.con.message(text)
	case engine.NoteEvent:
		p.note(ev.Text)
	}
}

// tell makes an event of --json of one of the engine's.
func (p *printer) tell(ev engine.Event) {
	if p.con.events == nil {
		return
	}
	switch ev := ev.(type) {
	case engine.ItemEvent:
		if !unchanged(&ev) || p.s.ItemizeAll {
			p.con.tell(itemEvent(&ev, p.route.pull()))
		}
	case engine.DeleteEvent:
		p.con.tell(deleteEvent(&ev))
	case engine.SkipEvent:
		p.con.tell(namedEvent("skip", ev.Path, ev.Reason))
	case engine.ErrorEvent:
		p.con.tell(errorEvent(ev.Err))
	case engine.PlanEvent:
		p.con.tell(&planJSON{Entries: p.counts.Seen.Load(), Files: p.counts.TotalFiles.Load(), Bytes: p.counts.TotalBytes.Load()})
	}
}

// explain says, before the first line about an entry, how differences are found.
func (p *printer) explain(ev engine.Event) {
	switch ev.(type) {
	case engine.ItemEvent, engine.DeleteEvent, engine.SkipEvent, engine.PlanEvent:
	default:
		return
	}
	if p.explained || p.s.listOnly || p.s.quiet || p.s.debug("DELTASUM") == 0 {
		return
	}
	p.explained = true
	if p.s.Options.WholeFile {
		p.say("delta-transmission disabled for local transfer or --whole-file")
	} else {
		p.say("delta-transmission enabled")
	}
}

// restart is called when the job is done anew over another connection. Errors
// that stay come again; only those of the last attempt count.
func (p *printer) restart() {
	p.printLater()
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

// say prints a line that is no entry's own, and writes it to the log.
func (p *printer) say(text string) {
	p.con.print(text + "\n")
	p.log.write(text)
}

// item prints the line of an entry: by the format of the command line, itemized, or its name.
func (p *printer) item(ev *engine.ItemEvent) {
	if p.s.listOnly {
		if !p.s.quiet {
			p.con.print(listed(&ev.Entry, ev.Path, numbers(p.s.human), p.name, p.s.linkNames))
		}
		return
	}
	const linked = manifest.ChangeHardLink | manifest.ChangeLocal
	if ev.Sent && p.s.ItemizeAll && ev.Change&attributes == 0 && ev.Change&linked != linked {
		ev.Link = "" // that it is one is no news
	}
	same := unchanged(ev)
	format := p.s.itemFormat()
	switch {
	case format.has("i"):
		if !same || p.s.itemize > 1 || p.s.info(infoName) > 1 {
			p.printItem(ev, format.expand(p.itemLine(ev)))
		}
	case format.set && worthName(ev):
		p.printItem(ev, format.expand(p.itemLine(ev)))
	case p.s.info(infoName) > 1 && same && ev.Entry.IsDir() && ev.Change&manifest.ChangeLocal != 0: // from an alternate directory
		p.say(dirName(p.name(ev.Path)) + " is uptodate")
	case p.s.info(infoName) > 1 && !ev.Entry.IsDir() && same:
		p.say(p.name(ev.Path) + " is uptodate")
	case p.s.info(infoName) > 1 && !ev.Entry.IsDir():
		p.say(p.name(ev.Path))
	}
	if log := p.s.logFormat(); log.text != "" && !p.s.DryRun && p.log != nil && (worthName(ev) || log.has("i") && !same) {
		p.log.write(log.expand(p.itemLine(ev)))
	}
}

// deletion prints the line of a removal.
func (p *printer) deletion(ev *engine.DeleteEvent) {
	write := func(format lineFormat) string {
		l := deletedLine(ev, p.name)
		if format.has("io") {
			return format.expand(l)
		}
		return lineFormat{text: "deleting %n"}.expand(l)
	}
	if format := p.s.itemFormat(); p.s.info(infoDel) > 0 || format.set {
		p.con.print(write(format) + "\n")
	}
	if log := p.s.logFormat(); log.text != "" && !p.s.DryRun && p.log != nil {
		p.log.write(write(log))
	}
}

// skip says that an entry takes no part, in rsync's words.
func (p *printer) skip(ev *engine.SkipEvent) {
	name := p.name(ev.Path)
	if p.s.quiet || p.remark(ev, name) {
		return
	}
	switch {
	case engine.Passed(ev.Reason): // an option says so
		if p.s.info(infoSkip) > 0 {
			p.say(passed(name, ev.Reason))
		}
	case ev.Reason == engine.ReasonNotEmpty:
		p.say(ev.Reason + ": " + name)
	case ev.Reason == "skipping directory":
		p.say(ev.Reason + " " + cmp.Or(name, ".")) // a name that is empty is that of the root
	case ev.Reason == engine.UnsafeSymlink && p.s.verbose == 0: // whatever --info says
	case ev.Reason != "skipping non-regular file" || p.s.info(infoNonreg) > 0:
		p.say(display(ev.Reason) + ` "` + name + `"`)
	}
}

// remark says what is no reason for being left out, where it is asked for, and reports whether the event is of that kind.
func (p *printer) remark(ev *engine.SkipEvent, name string) bool {
	text, tell := "", false
	switch basis, fuzzy := strings.CutPrefix(ev.Reason, engine.FuzzyBasis); {
	case fuzzy:
		text, tell = "fuzzy basis selected for "+name+": "+p.name(basis), p.s.tellsFuzzy()
	case strings.HasPrefix(ev.Reason, engine.BackedUp):
		text, tell = "backed up "+name+" to "+p.name(strings.TrimPrefix(ev.Reason, engine.BackedUp)), p.s.info(infoBackup) > 0
	case ev.Reason == engine.BackupDir:
		text, tell = ev.Reason+" "+name, p.s.info(infoBackup) > 0
	case ev.Reason == engine.SourceRemoved:
		text, tell = ev.Reason+" "+name, p.s.info(infoRemove) > 0
	case ev.Reason == engine.CopiedUnsafe, ev.Reason == engine.NotBackedUp:
		text, tell = ev.Reason+` "`+name+`"`, p.s.info(infoSymsafe) > 0
	default:
		return false
	}
	if tell {
		p.say(text)
	}
	return true
}

// note prints a message about the run as a whole. That a directory was created
// for it is a result, like the names that -v and -i print; all else is for
// whoever watches.
func (p *printer) note(text string) {
	switch {
	case strings.HasPrefix(text, "created "):
		if !p.s.listOnly && (p.s.info(infoName) > 0 || p.s.itemFormat().has("i")) {
			p.say(p.name(text))
		}
	case !p.s.quiet:
		p.log.write("gosync: " + display(text))
		p.con.message("gosync: " + display(text))
	}
}

// summary prints what -v and --stats say last.
func (p *printer) summary(sum *engine.Summary) {
	p.printLater()
	h := numbers(p.s.human)
	if p.s.Clean {
		if !p.s.quiet {
			p.con.print(cleaned(sum.Deleted, p.s.DryRun))
		}
		return
	}
	text := ""
	if p.s.info(infoStats) > 1 {
		text = statistics(sum, h)
	}
	if p.s.info(infoStats) == 0 {
		p.log.write(fmt.Sprintf("sent %d bytes  received %d bytes  total size %d", sum.BytesSent, sum.BytesReceived, sum.TotalSize))
		return
	}
	text += totals(sum, h, p.s.DryRun && !p.s.listOnly)
	p.con.print(text)
	p.log.write(strings.TrimPrefix(strings.ReplaceAll(text, "\n\n", "\n"), "\n"))
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

// passed is the line about an entry that the options leave alone, in rsync's words.
func passed(name, reason string) string {
	if strings.HasPrefix(reason, "not ") {
		return reason + ` "` + name + `"`
	}
	return name + " " + reason
}
