package snapshot

import (
	"fmt"
	"time"
)

// Policy says which snapshots are kept: the last ones, and of the last days, weeks,
// months and years that have any the last one each. A snapshot that one of these rules
// keeps is kept. The zero value keeps all.
type Policy struct {
	Last, Daily, Weekly, Monthly, Yearly int
}

// IsZero reports whether the policy keeps everything.
func (p Policy) IsZero() bool { return p == Policy{} }

// Keep returns for each of the names of snapshots, oldest first, whether the policy keeps
// it. good says of each whether it can be relied on: those that cannot do not count, and are
// kept only while they are newer than every one that can. The newest good one is always kept.
func (p Policy) Keep(names []string, good []bool) []bool {
	keep := make([]bool, len(names))
	if p.IsZero() {
		for i := range keep {
			keep[i] = true
		}
		return keep
	}
	rules := []rule{
		{p.Last, func(t time.Time) string { return Name(t) }},
		{p.Daily, func(t time.Time) string { return t.Format(time.DateOnly) }},
		{p.Weekly, func(t time.Time) string {
			year, week := t.ISOWeek()
			return fmt.Sprint(year, week)
		}},
		{p.Monthly, func(t time.Time) string { return t.Format("2006-01") }},
		{p.Yearly, func(t time.Time) string { return t.Format("2006") }},
	}
	last := make([]string, len(rules))
	any := false
	for i := len(names) - 1; i >= 0; i-- {
		t, ok := ParseName(names[i])
		if !ok || !good[i] {
			keep[i] = !ok || !any
			continue
		}
		keep[i], any = !any, true
		for r := range rules {
			if period := rules[r].period(t); rules[r].left > 0 && period != last[r] {
				rules[r].left--
				last[r], keep[i] = period, true
			}
		}
	}
	return keep
}

// rule keeps the last snapshot of each of the last periods.
type rule struct {
	left   int
	period func(time.Time) string
}
