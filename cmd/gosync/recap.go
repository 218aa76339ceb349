package main

import (
	"fmt"
	"strings"

	"gosync/internal/engine"
)

// recaps reports whether the run ends with a few words about what it did: for somebody
// who has watched, and where the options ask for no statistics of rsync's.
func (p *printer) recaps(terminal bool, code int) bool {
	done := code == exitOK || code >= exitPartial && code <= exitDelete
	return done && terminal && p.s.info(infoProgress) > 0 && p.s.info(infoStats) == 0 && !p.s.quiet && !p.s.LikeCp && !p.s.Clean && !p.s.listOnly && !p.compares
}

// recap says in two lines what a run did, or in three where one would not fit into width columns.
func recap(p *printer, sum *engine.Summary, width int) []string {
	verb := "Copied"
	switch {
	case p.s.DryRun:
		verb = "Would copy"
	case p.route.pull() && p.route.push(): // what passes this machine is counted by it
	case p.route.pull():
		verb = "Received"
	case p.route.push():
		verb = "Sent"
	}
	moved := bytesIEC(sum.Literal)
	if p.s.DryRun {
		moved = bytesIEC(sum.TransferredSize)
	}
	saved := ""
	if sum.Matched > 0 {
		saved = fmt.Sprintf(" (delta saved %s)", bytesIEC(sum.Matched))
	}
	content := fmt.Sprintf("%s %s for %s%s", verb, moved, bytesIEC(sum.TotalSize), saved)
	files := plural(sum.Regular, "file") + kindsOfFiles(p, sum)
	first := []string{content + ", " + files}
	if len(first[0]) > width {
		first = []string{content, files}
	}
	var second []string
	if p.verified && sum.Transferred > 0 && !p.s.DryRun && p.problems.total == 0 { // else it would count those that failed
		second = append(second, "Verified "+plural(sum.Transferred, "file")+" (BLAKE3).")
	}
	took := clock(sum.Elapsed)
	if sum.Literal > 0 {
		took += ", " + bytesIEC(int64(float64(sum.Literal)/max(sum.Elapsed.Seconds(), 1e-3))) + "/s"
	}
	second = append(second, took+".", plural(int64(p.problems.total), "error")+".")
	return append(first, strings.Join(second, " "))
}

// kindsOfFiles tells what became of the files. Those that failed were counted when it was
// decided what to do with them: where there are such, the counts would not be true.
func kindsOfFiles(p *printer, sum *engine.Summary) string {
	if p.problems.total > 0 {
		return ""
	}
	fresh := sum.CreatedRegular
	changed := max(sum.Transferred-fresh, 0)
	counts := []string{countOf(fresh, "new"), countOf(changed, "changed")}
	if p.s.Delete {
		counts = append(counts, countOf(sum.Deleted, "deleted"))
	}
	counts = append(counts, countOf(max(sum.Regular-fresh-changed, 0), "unchanged"))
	return ": " + strings.Join(counts, ", ")
}

func countOf(n int64, what string) string { return group(fmt.Sprint(n)) + " " + what }

// plural writes a count with its noun.
func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return countOf(n, noun)
}
