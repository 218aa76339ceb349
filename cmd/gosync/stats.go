package main

import (
	"fmt"
	"strings"

	"gosync/internal/engine"
)

// statistics returns the block that --stats prints, with rsync's labels.
func statistics(sum *engine.Summary, h numbers) string {
	var b strings.Builder
	line := func(label, value string) { fmt.Fprintf(&b, "%s: %s\n", label, value) }
	b.WriteByte('\n')
	line("Number of files", kinds(h, sum.Files, sum.Regular, sum.Dirs, sum.Links, sum.Devices, sum.Specials))
	line("Number of created files", kinds(h, sum.Created, sum.CreatedRegular, sum.CreatedDirs, sum.CreatedLinks, sum.CreatedDevices, sum.CreatedSpecials))
	line("Number of deleted files", kinds(h, sum.Deleted, sum.DeletedRegular, sum.DeletedDirs, sum.DeletedLinks, sum.DeletedDevices, sum.DeletedSpecials))
	line("Number of regular files transferred", h.count(sum.Transferred))
	line("Total file size", h.size(sum.TotalSize)+" bytes")
	line("Total transferred file size", h.size(sum.TransferredSize)+" bytes")
	line("Literal data", h.size(sum.Literal)+" bytes")
	line("Matched data", h.size(sum.Matched)+" bytes")
	line("File list size", h.size(sum.ListBytes))
	line("File list generation time", h.fraction(sum.ListTime.Seconds(), 3)+" seconds")
	line("File list transfer time", "0.000 seconds") // listings arrive while others are made: no time of their own
	line("Total bytes sent", h.size(sum.BytesSent))
	line("Total bytes received", h.size(sum.BytesReceived))
	return b.String()
}

// kinds writes a count and, in brackets, the kinds that it is made of.
func kinds(h numbers, total int64, counts ...int64) string {
	var parts []string
	for i, label := range []string{"reg", "dir", "link", "dev", "special"} {
		if counts[i] != 0 {
			parts = append(parts, label+": "+h.count(counts[i]))
		}
	}
	if len(parts) == 0 {
		return h.count(total)
	}
	return h.count(total) + " (" + strings.Join(parts, ", ") + ")"
}

// totals returns the two lines that end -v and --stats. The rate counts bytes
// on the line in both directions.
func totals(sum *engine.Summary, h numbers, dryRun bool) string {
	line := sum.BytesSent + sum.BytesReceived
	var rate, speedup float64
	if s := sum.Elapsed.Seconds(); s > 0 {
		rate = float64(line) / s
	}
	if line > 0 {
		speedup = float64(sum.TotalSize) / float64(line)
	}
	note := ""
	if dryRun {
		note = " (DRY RUN)"
	}
	return fmt.Sprintf("\nsent %s bytes  received %s bytes  %s bytes/sec\ntotal size is %s  speedup is %s%s\n",
		h.size(sum.BytesSent), h.size(sum.BytesReceived), h.fraction(rate, 2),
		h.size(sum.TotalSize), numbers(min(h, 1)).fraction(speedup, 2), note)
}
