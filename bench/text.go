package bench

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is a result as it is shown: in a terminal, in bench.md and in bench.html.
type row struct {
	Tool, Median, MAD, Min, Max, Interval, Up, Down, CPUHere, CPUFar, Says string
}

// heads are the names of the columns.
func heads() row {
	return row{"tool", "median s", "MAD", "min", "max", "95 %", "MiB up", "MiB down", "CPU s here", "CPU s there", "compared"}
}

// cells are the columns in their order.
func (r row) cells() []string {
	return []string{r.Tool, r.Median, r.MAD, r.Min, r.Max, r.Interval, r.Up, r.Down, r.CPUHere, r.CPUFar, r.Says}
}

// shown makes the rows of a data set.
func (r *Report) shown(set string) []row {
	var rows []row
	for _, res := range r.Results {
		if res.Case != set {
			continue
		}
		s := row{Tool: res.Tool, Up: mebibytes(res.Up), Down: mebibytes(res.Down), CPUHere: decimals(res.CPUHere), CPUFar: decimals(res.CPUFar), Says: res.says()}
		if t := res.Seconds; t != nil {
			s.Median, s.MAD, s.Min, s.Max = secs(t.Median), secs(t.MAD), secs(t.Min), secs(t.Max)
			s.Interval = secs(t.Low) + " to " + secs(t.High)
			if res.Note != "" {
				s.Says = res.Note
			}
		} else {
			s = row{Tool: res.Tool, Median: "-", Says: res.Note} // what a run that does not count has cost is no figure
		}
		rows = append(rows, s)
	}
	return rows
}

func secs(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func decimals(v *float64) string {
	if v == nil {
		return "?"
	}
	return fmt.Sprintf("%.2f", *v)
}

// mebibytes writes a number of bytes with as many decimals as matter.
func mebibytes(n *float64) string {
	if n == nil {
		return "?"
	}
	v := *n / (1 << 20)
	switch {
	case v < 1:
		return fmt.Sprintf("%.3f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// lineText says what lay between the ends.
func (r *Report) lineText() string {
	l := &r.Line
	switch l.Kind {
	case lineHost:
		return fmt.Sprintf("to %s, round trip %.1f ms", l.Host, l.RTT)
	case lineShaped:
		text := "to an SSH server in this process"
		if l.RTT > 0 {
			text += fmt.Sprintf(", round trip %.4g ms", l.RTT)
		}
		if l.Rate > 0 {
			text += fmt.Sprintf(", %.4g Mbit/s each way with a queue of %s", l.Rate, sizeText(int64(l.Queue)))
		}
		return text
	}
	return "to an SSH server in this process, without a line between"
}

// Text is the report for a terminal.
func (r *Report) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Copies %s.\n", r.lineText())
	if disk := r.diskText(); disk != "" {
		b.WriteString(disk + "\n")
	}
	for _, set := range r.Cases {
		fmt.Fprintf(&b, "\n%s: %s\n", set.Name, set.Title)
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		head, rows := heads(), r.shown(set.Name)
		if !slices.ContainsFunc(rows, func(s row) bool { return s.Says != "" }) {
			head.Says = ""
		}
		for _, s := range append([]row{head}, rows...) {
			// The last cell of a line is not aligned, and the first one would be on the wrong side.
			fmt.Fprintf(w, "  %-13s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t  %s\n", s.Tool, s.Median, s.MAD, s.Min, s.Max, s.Up, s.Down, s.CPUHere, s.CPUFar, s.Says)
		}
		_ = w.Flush() // into memory
	}
	r.notes(&b, "\n")
	return trimLines(b.String())
}

// trimLines removes blanks at the ends of lines.
func trimLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n"))
		b.WriteByte('\n')
	}
	return b.String()
}

// notes writes what was left out, and the warnings.
func (r *Report) notes(b *strings.Builder, before string) {
	list := r.leftOut()
	if len(list) > 0 {
		b.WriteString(before + "Left out:\n")
		for _, line := range list {
			b.WriteString("- " + line + "\n")
		}
	}
	if len(r.Warnings) > 0 {
		b.WriteString(before + "Mind:\n")
		for _, w := range r.Warnings {
			b.WriteString("- " + w + "\n")
		}
	}
}

// leftOut tells of tools that were asked for and not run.
func (r *Report) leftOut() []string {
	var list []string
	for _, t := range r.Tools {
		if t.Missing == "" {
			continue
		}
		line := t.Name + ": " + t.Missing
		if t.Get != "" {
			line += ". To have it: " + t.Get
		}
		list = append(list, line)
	}
	return list
}

// fact is something about the surroundings, for a list.
type fact struct{ Name, Here, There string }

// facts are what is known of both ends.
func (r *Report) facts() []fact {
	a, b := &r.Here, &r.There
	cores := func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n)
	}
	all := []fact{
		{"system", a.OS + " " + a.Machine, b.OS + " " + b.Machine},
		{"processor", a.CPU, b.CPU},
		{"cores", cores(a.Cores), cores(b.Cores)},
		{"file system", a.FileSystem, b.FileSystem},
		{"load before", decimals(a.LoadBefore), decimals(b.LoadBefore)},
		{"load after", decimals(a.LoadAfter), decimals(b.LoadAfter)},
		{"OpenSSH", a.OpenSSH, b.OpenSSH},
		{"rsync", a.Rsync, b.Rsync},
	}
	if r.Line.Kind != lineHost {
		for i := range all {
			all[i].There = "the same"
		}
	}
	if d := b.DiskWrite; d != nil {
		all = append(all, fact{"disk, durable", "", fmt.Sprintf("%.0f MiB/s", *d)})
	}
	return all
}

// paragraphs say how it was measured.
func (r *Report) paragraphs() []string {
	s := &r.Settings
	p := []string{
		fmt.Sprintf("gosync %s (%s, GOMAXPROCS %d), %s, %.0f s in all, %s. Seed %d, %d rounds; a run of more than %.0f s is stopped. Command: %s",
			r.Program.Gosync, r.Program.Go, r.Program.MaxProcs, r.Started.Format("2006-01-02 15:04 UTC"), r.Seconds, r.lineText(), s.Seed, s.Rounds, s.Limit, strings.Join(r.Argv, " ")),
		"Every run is a process of its own, from its start to its end. The order of the runs is shuffled anew in each round, and each tool was warmed up. Caches are warm. Each destination was compared with the source by BLAKE3; what was not equal does not count. " +
			"gosync makes what it has written durable before it ends; the others do not (gosync-nosync is gosync without that).",
		"MAD is the median of the absolute deviations from the median; 95 % is the bootstrap interval of the median. Where two intervals overlap, no difference is shown. " + r.bytesText(),
	}
	if r.Line.Crypt != "" {
		p = append(p, fmt.Sprintf("ssh agreed on %s, %s, %s with %s.", r.Line.Kex, r.Line.Key, r.Line.Crypt, r.Line.MAC))
	}
	return p
}

// bytesText says who counted bytes and processor time.
func (r *Report) bytesText() string {
	if r.Line.Kind == lineHost {
		return "Bytes are what ssh counted, without the headers of TCP; of gosync, what it counted itself, without what SSH adds. " +
			"Processor time is that of this machine; that of the far side is not known."
	}
	return "Bytes are all that crossed the line, counted there. Processor time there is that of the server, which is in this process, of what it started, and of the relay that is the line."
}

// Markdown is bench.md.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# gosync bench\n\nCopies %s.\n", escapeMarkdown(r.lineText()))
	for _, set := range r.Cases {
		fmt.Fprintf(&b, "\n## %s\n\n%s. There before: %s.\n\n", set.Name, upperFirst(set.Title), orNothing(set.Basis))
		for i, s := range append([]row{heads()}, r.shown(set.Name)...) {
			for _, cell := range s.cells() {
				b.WriteString("| " + escapeMarkdown(cell) + " ")
			}
			b.WriteString("|\n")
			if i == 0 {
				b.WriteString("|---" + strings.Repeat("|---:", len(s.cells())-2) + "|---|\n")
			}
		}
	}
	b.WriteString("\n")
	var notes strings.Builder
	r.notes(&notes, "\n")
	b.WriteString(escapeMarkdown(notes.String()))
	b.WriteString("\n## How it was measured\n\n")
	for _, p := range r.paragraphs() {
		b.WriteString(escapeMarkdown(p) + "\n\n")
	}
	b.WriteString("| | here | there |\n|---|---|---|\n")
	for _, f := range r.facts() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.Name, escapeMarkdown(f.Here), escapeMarkdown(f.There))
	}
	return b.String()
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// escapeMarkdown keeps what others have said from becoming tables, tags or links.
func escapeMarkdown(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "&", "&amp;", "[", `\[`, "`", "\\`", "*", `\*`).Replace(text)
}
