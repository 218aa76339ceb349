package main

import (
	"slices"
	"strings"

	"github.com/rivo/uniseg"
)

// fit cuts text, which is ASCII, to at most width columns.
func fit(text string, width int) string {
	if width < len(text) {
		return text[:max(width, 0)]
	}
	return text
}

// fieldGap stands between the fields of a line.
const fieldGap = "  "

// fitFields joins the fields of the progress line to at most width columns. Where there is
// no room for all, files go first, then the rate, then bytes: the share stands before them.
func fitFields(fields []string, width int) string {
	for _, at := range []int{1, 1, 0} {
		if len(strings.Join(fields, fieldGap)) <= width || at >= len(fields)-1 {
			break
		}
		fields = slices.Delete(fields, at, at+1)
	}
	return fit(strings.Join(fields, fieldGap), width)
}

// lastColumns returns the end of a text that has no control characters, in at most width
// columns: of a path that is what tells most. What is left out is shown by dots.
func lastColumns(text string, width int) string {
	const dots = "..."
	type piece struct{ from, columns int }
	var pieces []piece
	total, state := 0, -1
	for rest := text; rest != ""; {
		var cluster string
		at := len(text) - len(rest)
		cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		n := columns(cluster)
		pieces = append(pieces, piece{at, n})
		total += n
	}
	if total <= width {
		return text
	}
	for _, p := range pieces {
		if total+len(dots) <= width {
			return dots + text[p.from:]
		}
		total -= p.columns
	}
	return strings.Repeat(".", max(min(width, len(dots)), 0))
}

// columns returns how many columns a cluster of characters takes at the most. Terminals
// do not agree about those that belong together, such as the two that make a flag: the
// greater number counts, so that no line becomes too long.
func columns(cluster string) int {
	apart := 0
	for _, r := range cluster {
		if r >= '\U0001f3fb' && r <= '\U0001f3ff' { // the tones of skin, which have no width of their own here
			apart += 2
			continue
		}
		apart += uniseg.StringWidth(string(r))
	}
	return max(apart, uniseg.StringWidth(cluster))
}
