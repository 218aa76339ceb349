package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"gosync/transport"
)

// runCp is "gosync cp": scp's command line. It is translated into settings and
// operands of the main job, which then does the work; where scp would do one job
// after the other, for sources on several hosts, so does this.
func (e *env) runCp(ctx context.Context, args []string) int {
	c, operands, err := parseCp(args)
	if err != nil {
		return e.status(ctx, err)
	}
	if c.help {
		return e.show(cpHelp())
	}
	c.s.progress = !c.s.quiet && e.outTerm && e.width != nil
	runs, err := c.runs(operands)
	if err != nil {
		return e.status(ctx, err)
	}
	if !c.s.quiet {
		for _, note := range c.notes {
			// Where this fails there is nobody to tell.
			_, _ = fmt.Fprintln(e.stderr, "gosync: "+display(note))
		}
	}
	status := exitOK
	for i := range runs {
		one := e.status(ctx, e.sync(ctx, runs[i].s, runs[i].operands))
		if status == exitOK {
			status = one
		}
		if ctx.Err() != nil {
			break
		}
	}
	return status
}

// cpRun is one job of a command line: sources on one host, or here.
type cpRun struct {
	s        *settings
	operands []string
}

// runs cuts the operands into jobs.
func (c *cpLine) runs(args []string) ([]cpRun, error) {
	if len(args) < 2 {
		return nil, usageErrorf("cp takes at least one source and a destination, not %d operands", len(args))
	}
	if c.s.Perms {
		if err := numberTrap(args, "-p keeps times and permissions", "-P"); err != nil {
			return nil, err
		}
	}
	targets := make([]transport.Target, len(args))
	for i, arg := range args {
		if arg == "" {
			return nil, usageErrorf("operand %d is empty; the current directory is \".\"", i+1)
		}
		var err error
		if targets[i], err = transport.ParseScpTarget(arg); err != nil {
			return nil, &usageError{text: err.Error()}
		}
	}
	dest := targets[len(targets)-1]
	c.s.IntoDir = c.intoDir || len(targets) > 2
	if c.s.IntoDir && !dest.Remote {
		if info, err := os.Stat(dest.Path); err != nil {
			return nil, withCode(exitSelect, fmt.Errorf("the destination must be a directory: %w", err))
		} else if !info.IsDir() {
			return nil, withCode(exitSelect, fmt.Errorf("the destination must be a directory, and %s is none", dest.Path))
		}
	}
	var runs []cpRun
	for sources := targets[:len(targets)-1]; len(sources) > 0; {
		n := slices.IndexFunc(sources, func(t transport.Target) bool { return !oneJob(sources[0], t) })
		if n < 0 {
			n = len(sources)
		}
		runs = append(runs, c.run(sources[:n], dest))
		sources = sources[n:]
	}
	return runs, nil
}

// oneJob reports whether two sources can be copied over the same connection.
func oneJob(a, b transport.Target) bool {
	return a.Remote == b.Remote && sameHost(target{Target: a}, target{Target: b})
}

// run returns the job for sources that are all in one place.
func (c *cpLine) run(sources []transport.Target, dest transport.Target) cpRun {
	s := *c.s
	s.direct = s.direct && sources[0].Remote && dest.Remote // -R means nothing else to scp either
	if !sources[0].Remote && !dest.Remote && c.recursive {
		// scp leaves this to cp, whose -r copies links, and whatever else it meets, as what they are.
		s.CopyLinks, s.Links, s.Devices, s.Specials = false, true, true, true
	}
	targets := append(slices.Clone(sources), dest)
	s.fillPorts(targets)
	r := cpRun{s: &s}
	for _, t := range targets {
		r.operands = append(r.operands, t.String())
	}
	return r
}

// fillPorts gives -P to the hosts whose address has no port, where another's has: what an
// address says counts more, and the port of the options would be for both. With -R it is
// not this machine that reaches the destination.
func (s *settings) fillPorts(targets []transport.Target) {
	if !slices.ContainsFunc(targets, func(t transport.Target) bool { return t.Remote && t.Port != 0 }) {
		return
	}
	last := len(targets) - 1
	for i := range targets {
		if t := &targets[i]; t.Remote && t.Port == 0 && !(s.direct && i == last) {
			t.Port = s.port
		}
	}
	s.port = 0
}
