package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"gosync/internal/engine"
)

const manUsage = `Usage: gosync man [DIR]

Writes the manual pages into DIR: gosync.1, and one for each command, such as
gosync-snapshot.1. Without DIR it prints gosync.1; man -l - shows it. DIR is made if it
is not there.

  gosync man | man -l -
  gosync man /usr/local/share/man/man1

`

// runMan is gosync man.
func runMan(_ context.Context, args []string, e *env) error {
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		return e.text(manUsage)
	case len(args) > 1 || len(args) == 1 && strings.HasPrefix(args[0], "-"):
		return usageErrorf("gosync man takes one directory; one that begins with a dash is ./%s", args[0])
	}
	date := manDate(e.getenv)
	if len(args) == 0 {
		return e.text(mainPage(date))
	}
	if err := os.MkdirAll(args[0], 0o755); err != nil {
		return withCode(exitFile, err)
	}
	pages := map[string]string{"gosync.1": mainPage(date)}
	for _, c := range commands() {
		pages["gosync-"+c.name+".1"] = commandPage(&c, date)
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(args[0], name), []byte(text), 0o644); err != nil {
			return withCode(exitFile, err)
		}
	}
	return nil
}

// manDate is the date of the pages: that of SOURCE_DATE_EPOCH, so that packages can
// be built again bit by bit, else that of the commit, else today's.
func manDate(getenv func(string) string) string {
	when := time.Now()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				when = t
			}
		}
	}
	if n, err := strconv.ParseInt(getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		when = time.Unix(n, 0)
	}
	return when.UTC().Format("2006-01-02")
}

// mainPage is gosync.1.
func mainPage(date string) string {
	var r roff
	r.title("gosync", date)
	r.section("NAME")
	r.line(`gosync \- make directories equal, here or over SSH, sending only differences`)
	r.section("SYNOPSIS")
	r.synopsis(usageText)
	r.section("DESCRIPTION")
	r.text("gosync makes a copy of files and directories equal to the original, on this machine or over SSH, and sends only what differs. Its options are those of rsync.\n\nOptions may stand behind operands unless POSIXLY_CORRECT is set; -- ends them. Of options that contradict each other the last one wins, and most have a negation: --no-perms, --no-p.")
	r.section("COMMANDS")
	for _, c := range commands() {
		r.item("gosync " + c.name)
		r.text(upperFirst(c.doc) + ". See gosync-" + c.name + "(1).")
	}
	r.section("OPTIONS")
	eachCategory(func(c category, flags []flag) {
		r.subsection(string(c))
		r.options(flags)
	})
	for _, t := range topics() {
		if t.make == nil {
			r.section(strings.ToUpper(strings.ReplaceAll(t.name, "-", " ")))
			r.text(t.body)
		}
	}
	r.section("SEE ALSO")
	var others []string
	for _, c := range commands() {
		others = append(others, "gosync-"+c.name)
	}
	r.seeAlso(append(others, "rsync", "scp", "ssh", "ssh_config:5"))
	return r.String()
}

// commandPage is the page of a subcommand.
func commandPage(c *command, date string) string {
	var r roff
	r.title("gosync-"+c.name, date)
	r.section("NAME")
	r.line("gosync\\-" + c.name + ` \- ` + escapeRoff(c.doc))
	usage, body, _ := strings.Cut(c.usage, "\n\n")
	r.section("SYNOPSIS")
	r.synopsis(usage)
	r.section("DESCRIPTION")
	r.text(body)
	if c.own != nil || c.other != optionsNone {
		r.section("OPTIONS")
	}
	if c.own != nil {
		r.options(c.own())
	}
	switch c.other {
	case optionsCopy:
		r.paragraph()
		r.text("All other options are those of gosync(1).")
	case optionsReach:
		r.options(reachFlags())
	}
	if c.more != "" {
		r.section("NOTES")
		r.text(c.more)
	}
	r.section("EXIT STATUS")
	r.text("0 if all was done; gosync(1) names the others.")
	r.section("SEE ALSO")
	r.seeAlso([]string{"gosync"})
	return r.String()
}

// roff writes a page in the man macros.
type roff struct {
	strings.Builder
}

func (r *roff) line(text string) { r.WriteString(text + "\n") }

func (r *roff) title(name, date string) {
	r.line(`.\" Written by gosync man from its table of options.`)
	r.line(fmt.Sprintf(`.TH %s 1 %s "gosync %s" "User Commands"`, escapeRoff(strings.ToUpper(name)), date, engine.Release))
}

func (r *roff) section(name string)    { r.line(".SH " + escapeRoff(name)) }
func (r *roff) subsection(name string) { r.line(".SS " + escapeRoff(name)) }
func (r *roff) paragraph()             { r.line(".PP") }

// item begins a paragraph with a hanging tag.
func (r *roff) item(tag string) {
	r.line(".TP")
	r.line(`\fB` + escapeRoff(tag) + `\fR`)
}

// synopsis writes lines of usage.
func (r *roff) synopsis(usage string) {
	r.line(".nf")
	for line := range strings.Lines(usage) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "Usage:"))
		if line != "" {
			r.line(escapeRoff(line))
		}
	}
	r.line(".fi")
}

func (r *roff) options(table []flag) {
	for i := range table {
		f := &table[i]
		if f.hidden {
			continue
		}
		r.item(f.usage())
		r.text(f.sentence() + " " + f.long)
		if f.values != nil {
			r.text("Values: " + strings.Join(f.values(), ", ") + ".")
		}
		if n := f.negations(); len(n) > 0 {
			r.text("Negation: --" + strings.Join(n, ", --") + ".")
		}
	}
}

// text writes paragraphs. Lines that begin with a space stand as they are.
func (r *roff) text(text string) {
	verbatim, begun, gap := false, false, false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if line == "" {
			gap = true
			continue
		}
		as := line[0] == ' '
		if as != verbatim {
			if as {
				if begun {
					r.paragraph()
				}
				r.line(".nf")
			} else {
				r.line(".fi")
				r.paragraph()
			}
			gap = false
		} else if gap && begun {
			if as {
				r.line("")
			} else {
				r.paragraph()
			}
		}
		verbatim, begun, gap = as, true, false
		r.words(line, as)
	}
	if verbatim {
		r.line(".fi")
	}
}

// words writes a line of text. Long ones are broken, since some tools do not like them;
// what is escaped takes more room.
func (r *roff) words(line string, verbatim bool) {
	if verbatim {
		r.line(escapeRoff(line))
		return
	}
	var b strings.Builder
	wrapAt(&b, "", line, 60)
	for l := range strings.Lines(b.String()) {
		r.line(escapeRoff(strings.TrimRight(l, "\n")))
	}
}

// seeAlso writes references to other pages; NAME:SECTION for other sections than 1.
func (r *roff) seeAlso(names []string) {
	for i, n := range names {
		name, section, ok := strings.Cut(n, ":")
		if !ok {
			section = "1"
		}
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		r.line(fmt.Sprintf(".BR %s (%s)%s", escapeRoff(name), section, end))
	}
}

// escapeRoff writes text so that roff shows it as it is: dashes are those of options,
// and what begins a line is no request.
func escapeRoff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
