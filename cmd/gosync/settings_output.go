package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// outputSettings is what the options say about output, and those of rsync's that tune how it works.
type outputSettings struct {
	infoSaid, debugSaid levels
	wordHelp            string     // of --info=help or --debug=help
	outFormat           lineFormat // --out-format
	logName             string     // --log-file
	logLine             lineFormat // --log-file-format
	listOnly            bool       // list the source in place of copying it
	linkNames           bool       // ... with what symlinks point to
	eightBit            bool       // -8
	lineBuffered        bool       // --outbuf
	json                bool       // --json: standard output is for events
	allToStderr         bool       // --stderr=all
	scanFirst           bool       // --no-inc-recursive
	oldDirs             bool       // --old-dirs
	family              int        // 4 or 6: the only kind of address to connect to
	oldArgs             choice     // remote paths are split and expanded as by a shell
	farOptions          []string   // -M
	cvsExclude          bool       // -C
	stop                stopTime
}

func newOutputSettings() outputSettings {
	return outputSettings{
		infoSaid: make(levels, infoCount), debugSaid: make(levels, len(debugWords())),
		logLine: lineFormat{text: "%i %n%L", set: true},
	}
}

// itemFormat is the format of the lines of entries; without one there are none.
func (s *settings) itemFormat() lineFormat {
	switch {
	case s.quiet:
		return lineFormat{}
	case s.outFormat.set:
		return s.outFormat
	case s.itemize > 0:
		return lineFormat{text: "%i %n%L", set: true}
	case s.info(infoName) > 0:
		return lineFormat{text: "%n%L", set: true}
	}
	return lineFormat{}
}

// logFormat is the format of the lines of entries in the log.
func (s *settings) logFormat() lineFormat { return s.logLine }

// finishOutput settles which events the engine is asked for.
func (s *settings) finishOutput() {
	s.Itemize = s.itemFormat().set || s.logName != "" || s.json
	s.ItemizeAll = s.info(infoName) > 1 || s.itemize > 1 && (s.json || s.itemFormat().has("i"))
	s.Verbose = s.info(infoSkip) > 0
	s.Remarks = s.tellsFuzzy() && s.Fuzzy > 0 || s.info(infoBackup) > 0 && s.Backup || s.info(infoRemove) > 0 && s.RemoveSource ||
		s.info(infoSymsafe) > 0 && (s.CopyUnsafeLinks || s.SafeLinks && s.Backup)
	if s.oldDirs && !s.Recursive {
		s.Recursive, s.Options.Dirs = true, false
		s.rules = append(s.rules, rule{kind: ruleFilter, text: "- /*/*"})
	}
	if s.cvsExclude { // behind all other rules
		s.rules = append(s.rules, rule{kind: ruleFilter, text: ":C"}, rule{kind: ruleFilter, text: "-C"})
	}
	if s.listOnly {
		s.finishList()
	}
}

// finishList asks for all that there is to list, and for no change.
func (s *settings) finishList() {
	s.linkNames = s.Links
	s.Options.Dirs = !s.Recursive
	s.Links, s.Devices, s.Specials = s.Links || !s.CopyLinks, true, true
	s.DryRun, s.Itemize, s.ItemizeAll, s.ListOnly = true, true, true, true
	s.Delete, s.DeleteEmptySource, s.ForceDelete, s.Update = false, false, false, false
}

// fromEnvironment takes what the environment says where the command line says nothing.
func (s *settings) fromEnvironment(getenv func(string) string) {
	if text := getenv("RSYNC_OLD_ARGS"); s.oldArgs == unset && text != "" && text != "0" {
		s.oldArgs = yes
	}
}

// display makes text fit to print, as display does, but with -8 leaves bytes beyond ASCII that are no UTF-8 as they are.
func (s *settings) display(text string) string {
	if !s.eightBit || utf8.ValidString(text) {
		return display(text)
	}
	var b strings.Builder
	for len(text) > 0 {
		n := 0
		for n < len(text) {
			r, size := utf8.DecodeRuneInString(text[n:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			n += size
		}
		b.WriteString(display(text[:n]))
		if text = text[n:]; text != "" {
			b.WriteByte(text[0])
			text = text[1:]
		}
	}
	return b.String()
}

// console returns where the lines of the run go.
func (s *settings) console(e *env, broken func(error)) *console {
	out := e.stdout
	if s.allToStderr || s.json {
		out = e.stderr
	}
	con := newConsole(out, e.stderr, e.outTerm && !s.allToStderr, broken)
	con.prompt = s.lineBuffered
	if s.json {
		con.events = e.events
		con.outTerm = e.outTerm || e.width != nil
	}
	return con
}

// stopTime is when a run is to stop, at a time or after a while; neither for never.
type stopTime struct {
	at    time.Time
	after time.Duration
}

// errStopTime ends a run at its time.
var errStopTime = errors.New("the time that --stop-after or --stop-at gives is over: run the same command again to go on")

// stopInTime ends the run when its time comes, until the function that it returns is called.
func (s *settings) stopInTime(cancel context.CancelCauseFunc) (done func()) {
	after := s.stop.after
	if !s.stop.at.IsZero() {
		after = time.Until(s.stop.at)
	} else if after == 0 {
		return func() {}
	}
	t := time.AfterFunc(after, func() { cancel(withCode(exitTimeout, errStopTime)) })
	return func() { t.Stop() }
}

// parseStopAfter reads a number of minutes.
func parseStopAfter(text string) (stopTime, error) {
	d, err := parseSeconds(text)
	if err != nil || d <= 0 {
		return stopTime{}, usageErrorf("%q is not a number of minutes", text)
	}
	return stopTime{after: 60 * d}, nil
}

// parseStopAt reads a time such as 2027-1-31T23:59, where parts may be missing in front or behind: what is missing in
// front is that of the next such time, and behind it stands midnight.
func parseStopAt(text string, now time.Time) (stopTime, error) {
	bad := usageErrorf("%q is not a time such as 2027-1-31T23:59, 1-31, T23:59 or :30", text)
	date, clock, hasClock := cutAny(text, "Tt ")
	if !hasClock && strings.Contains(text, ":") {
		date, clock, hasClock = "", text, true
	}
	at, err := stopDate(strings.ReplaceAll(date, "/", "-"), now)
	if err != nil || text == "" {
		return stopTime{}, bad
	}
	hour, minute := -1, 0
	if hasClock {
		h, m, colon := strings.Cut(clock, ":")
		if h != "" {
			hour, err = stopNumber(h, 0, 23)
		}
		if colon && err == nil {
			minute, err = stopNumber(m, 0, 59)
		}
		if err != nil || h == "" && !colon {
			return stopTime{}, bad
		}
	} else {
		hour = 0
	}
	t := at.next(hour, minute, now)
	if !t.After(now) {
		return stopTime{}, usageErrorf("%q is over already", text)
	}
	return stopTime{at: t}, nil
}

// cutAny is strings.Cut at the first of several bytes.
func cutAny(s, seps string) (before, after string, found bool) {
	i := strings.IndexAny(s, seps)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// partialDate is a date whose parts may be missing: then they are 0.
type partialDate struct{ year, month, day int }

// stopDate reads the date of --stop-at.
func stopDate(text string, now time.Time) (d partialDate, err error) {
	if text == "" {
		return d, nil
	}
	parts := strings.Split(text, "-")
	if len(parts) > 3 {
		return d, fmt.Errorf("%q has too many parts", text)
	}
	if d.day, err = stopNumber(parts[len(parts)-1], 1, 31); err != nil {
		return d, err
	}
	if len(parts) > 1 {
		d.month, err = stopNumber(parts[len(parts)-2], 1, 12)
	}
	if len(parts) > 2 && err == nil {
		if d.year, err = stopNumber(parts[0], 0, 9999); d.year < 100 {
			d.year += now.Year() / 100 * 100
		}
	}
	return d, err
}

func stopNumber(text string, least, most int) (int, error) {
	n := 0
	for i := range len(text) {
		if !isDigit(text[i]) || n > most {
			return 0, fmt.Errorf("%q is no number", text)
		}
		n = n*10 + int(text[i]-'0')
	}
	if text == "" || n < least || n > most {
		return 0, fmt.Errorf("%q is not between %d and %d", text, least, most)
	}
	return n, nil
}

// next returns the first time from now on that agrees with what is given; hour -1 is any. A date that is given in full
// may be over.
func (d partialDate) next(hour, minute int, now time.Time) time.Time {
	for day := 0; day < 366*9; day++ {
		at := time.Date(now.Year(), now.Month(), now.Day()+day, max(hour, 0), minute, 0, 0, now.Location())
		if d.year != 0 {
			at = time.Date(d.year, time.Month(d.month), d.day, max(hour, 0), minute, 0, 0, now.Location())
			return at
		}
		if d.month != 0 && int(at.Month()) != d.month || d.day != 0 && at.Day() != d.day {
			continue
		}
		hours := 1
		if hour < 0 {
			hours = 24
		}
		for h := range hours {
			if t := at.Add(time.Duration(h) * time.Hour); t.After(now) {
				return t
			}
		}
	}
	return now
}
