package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"gosync/bench"
)

const benchUsage = `Usage: gosync bench [OPTION]... [[USER@]HOST[:DIR]]

Compares gosync with scp, sftp and rsync, as far as they are installed: on the line to
HOST, in a new directory below DIR that is removed at the end, or without a host to an SSH
server in this process, behind a line that --rtt and --rate shape. Data is made from a
seed; every destination is compared with its source. Writes bench.json, bench.md and
bench.html. Programs must be able to log in without a password. The exit status is 23
where a copy failed or was not equal to its source.

`

// benchSettings are the options of gosync bench alone.
type benchSettings struct {
	bench.Config
	out string // directory of the report; "" for one that is named by the time
}

func benchFlags(b *benchSettings) []flag {
	list := func(p *[]string) func(*settings, bool, string) error {
		return func(_ *settings, _ bool, text string) error {
			for name := range strings.SplitSeq(text, ",") {
				*p = append(*p, strings.TrimSpace(name))
			}
			return nil
		}
	}
	duration := func(p *time.Duration, zero bool) func(*settings, bool, string) error {
		return func(_ *settings, _ bool, text string) error {
			d, err := time.ParseDuration(text)
			if err != nil || d < 0 || d == 0 && !zero {
				return usageErrorf("%q is not a time such as 40ms or 2m", text)
			}
			*p = d
			return nil
		}
	}
	count := func(p *int) func(*settings, bool, string) error {
		return func(_ *settings, _ bool, text string) error {
			var more string
			if n, _ := fmt.Sscanf(text+" .", "%d %s", p, &more); n != 2 || more != "." || *p < 1 {
				return usageErrorf("%q is not a number from 1 on", text)
			}
			return nil
		}
	}
	return []flag{
		{name: "rtt", arg: "TIME", doc: "no host: the round trip of the line (none)", set: duration(&b.Shape.RTT, true)},
		{name: "rate", arg: "MBIT", doc: "no host: what the line carries each way, in Mbit/s (no limit)", set: func(_ *settings, _ bool, text string) error {
			var v float64
			var more string
			if n, _ := fmt.Sscanf(text+" .", "%g %s", &v, &more); n != 2 || more != "." || !(v >= 0.01 && v <= 1e6) {
				return usageErrorf("%q is not a rate from 0.01 to 1000000", text)
			}
			b.Shape.Rate = v * 1e6 / 8
			return nil
		}},
		{name: "size", arg: "SIZE", doc: "of a large file (32M)", set: func(_ *settings, _ bool, text string) (err error) {
			if b.Size, err = parseSize(text, 'b'); err == nil && b.Size == 0 {
				err = usageErrorf("no file can be measured with")
			}
			return err
		}},
		{name: "files", arg: "N", doc: "how many small files (10000)", set: count(&b.Files)},
		{name: "rounds", arg: "N", doc: "how often each tool runs with each data set (5)", set: count(&b.Rounds)},
		{name: "budget", arg: "TIME", doc: "begin no run after this time (10m)", set: duration(&b.Budget, false)},
		{name: "limit", arg: "TIME", doc: "stop a run that takes longer (a fifteenth of the budget)", set: duration(&b.Limit, false)},
		{name: "only", arg: "NAMES", doc: "these data sets: " + strings.Join(bench.CaseNames(), ", "), set: list(&b.Only)},
		{name: "tools", arg: "NAMES", doc: "these tools: " + strings.Join(bench.ToolNames(), ", "), set: list(&b.Tools)},
		{name: "seed", arg: "N", doc: "of the data and the order (1)", set: func(_ *settings, _ bool, text string) error {
			var more string
			if n, _ := fmt.Sscanf(text+" .", "%d %s", &b.Seed, &more); n != 2 || more != "." || b.Seed == 0 {
				return usageErrorf("%q is not a number from 1 on", text)
			}
			return nil
		}},
		{name: "out", arg: "DIR", doc: "directory of the report (gosync-bench-TIME)", set: func(_ *settings, _ bool, text string) error {
			if text == "" {
				return usageErrorf("the value is empty")
			}
			b.out = text
			return nil
		}},
	}
}

// runBench is gosync bench.
func runBench(ctx context.Context, args []string, e *env) error {
	var b benchSettings
	c, err := parseSub("bench", benchFlags(&b), args)
	if err != nil {
		return err
	}
	if c.settings.help || len(args) == 1 && args[0] == "-h" {
		return e.text(subHelp(benchUsage, benchFlags(&b)))
	}
	if err := bench.Supported(runtime.GOOS); err != nil {
		return withCode(exitUnsupported, err)
	}
	con := newConsole(e.stdout, e.stderr, e.outTerm, nil)
	b.Argv = append([]string{"gosync", "bench"}, args...)
	b.Version = strings.TrimSpace(strings.TrimPrefix(versionText(), "gosync "))
	if b.Gosync, err = os.Executable(); err != nil {
		return withCode(exitFile, fmt.Errorf("this program: %w", err))
	}
	if err := c.benchReach(&b); err != nil {
		return err
	}
	if b.Host != "" {
		far, err := e.newBenchFar(ctx, c, con)
		if err != nil {
			return err
		}
		defer far.close()
		b.Far = far
	}
	line := &benchLine{env: e, con: con}
	b.Say, b.Step = line.say, line.step
	e.onward = "nothing was measured yet, and nothing is left behind"
	report, err := bench.Run(ctx, b.Config)
	line.end()
	if report != nil {
		err = errors.Join(e.benchReport(report, &b, con), err)
		if failed := report.Failed(); err == nil && len(failed) > 0 {
			err = withCode(exitPartial, fmt.Errorf("copies failed, or differ from their source, and do not count: %s; the report says how", strings.Join(failed, ", ")))
		}
	}
	if failed := con.flush(); failed != nil {
		return withCode(exitOutput, fmt.Errorf("writing the output: %w", failed))
	}
	return benchError(err)
}

// benchError gives the errors of a benchmark their exit status.
func benchError(err error) error {
	var coded *codeError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bench.ErrConfig):
		return usageErrorf("%v", err)
	case errors.As(err, &coded), errors.Is(err, errInterrupted), errors.As(err, new(*connectError)):
		return err
	}
	return withCode(exitFile, err)
}

// benchReport writes the report and shows it.
func (e *env) benchReport(r *bench.Report, b *benchSettings, con *console) error {
	dir := b.out
	if dir == "" {
		dir = "gosync-bench-" + r.Started.Format("20060102-150405")
	}
	for line := range strings.Lines(r.Text()) {
		con.print(display(strings.TrimSuffix(line, "\n")) + "\n")
	}
	if err := r.Write(dir); err != nil {
		return withCode(exitOutput, err)
	}
	e.onward = fmt.Sprintf("what was measured is in %s; the same command measures anew (less with --only, --tools and --rounds)", dir)
	con.print("\nWrote " + display(filepath.Join(dir, bench.PageName)) + ", " + bench.MarkdownName + " and " + bench.JSONName + ".\n")
	return nil
}

// benchReach reads the operand, and turns the options that say how to reach the host into those of the tools.
func (c *subcommand) benchReach(b *benchSettings) error {
	s := c.settings
	for _, o := range c.reach {
		name, _, _ := strings.Cut(strings.TrimPrefix(o, "--"), "=")
		if name == "verbose" || name == "help" {
			continue
		}
		if len(c.operands) == 0 {
			return usageErrorf("--%s is for a host, and none is named", name)
		}
		if slices.Contains([]string{"rsh", "ssh", "via", "direct", "remote-option", "retries", "blocking-io"}, name) {
			return usageErrorf("gosync bench does not go with --%s: the tools would not do the same", name)
		}
		b.GosyncArgs = append(b.GosyncArgs, o)
	}
	if len(c.operands) == 0 {
		return nil
	}
	t, err := shellTarget(c.operands)
	if err != nil {
		return err
	}
	bracketed := t
	if strings.Contains(t.Host, ":") {
		bracketed.Host = "[" + t.Host + "]" // as tools want an IPv6 address in front of a path
	}
	b.Host, b.Dir = hostText(bracketed), t.Path
	port := s.port
	if port == 0 {
		port = t.Port
	}
	option := func(text string) { b.SSHArgs = append(b.SSHArgs, "-o", text) }
	if s.sshConfig != "" {
		b.SSHArgs = append(b.SSHArgs, "-F", s.sshConfig)
	}
	if port != 0 {
		option(fmt.Sprintf("Port=%d", port))
		b.GosyncArgs = append(b.GosyncArgs, fmt.Sprintf("--port=%d", port))
	}
	for _, name := range s.identities {
		option("IdentityFile=" + name)
	}
	switch s.family {
	case 4:
		option("AddressFamily=inet")
	case 6:
		option("AddressFamily=inet6")
	}
	for _, o := range s.sshOptions {
		option(o)
	}
	// Nobody is there to answer; and what ssh has moved is said at its end.
	option("BatchMode=yes")
	// Connecting is part of what is measured, and a master would be left over.
	option("ControlMaster=no")
	option("ControlPath=none")
	option("LogLevel=VERBOSE")
	b.GosyncArgs = append(b.GosyncArgs, "--ssh-option=BatchMode=yes", "--ssh-option=ControlPath=none")
	return nil
}

// benchLine shows how far a benchmark is, on standard error: as one line that changes where that is a terminal.
type benchLine struct {
	env *env
	con *console
	on  bool // the line is there
}

func (l *benchLine) say(text string) {
	l.end()
	l.con.message("gosync: " + display(text))
}

func (l *benchLine) step(s bench.Step) {
	text := fmt.Sprintf("round %d of %d, run %d of %d: %s by %s", s.Round, s.Rounds, s.Run, s.Runs, s.Case, s.Tool)
	if l.env.width == nil {
		if s.Run == 1 {
			l.con.message(fmt.Sprintf("gosync: round %d of %d, %d runs", s.Round, s.Rounds, s.Runs))
		}
		return
	}
	if most := l.env.width() - 1; len(text) > most {
		text = text[:max(most, 0)]
	}
	// A terminal that is gone is noticed by others.
	_, _ = fmt.Fprintf(l.env.stderr, "\r\x1b[K%s", text)
	l.on = true
}

// end removes the line.
func (l *benchLine) end() {
	if l.on {
		_, _ = fmt.Fprint(l.env.stderr, "\r\x1b[K")
		l.on = false
	}
}
