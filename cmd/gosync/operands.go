package main

import (
	"context"
	"fmt"
	"strings"

	"gosync/internal/engine"
	"gosync/transport"
)

// target is one operand: a path here, or one on a host.
type target struct {
	transport.Target
	arg string // as the user wrote it
}

// route is where content comes from and goes to. Both sides may be remote.
type route struct {
	sources []target
	dest    target
	list    *farList // of --files-from; nil where it is here, or there is none
}

func (r *route) pull() bool  { return len(r.sources) > 0 && r.sources[0].Remote }
func (r *route) push() bool  { return r.dest.Remote }
func (r *route) local() bool { return !r.pull() && !r.push() }

// ends are the operands that stand for the two sides.
func (r *route) ends() [2]target {
	ends := [2]target{destEnd: r.dest}
	if len(r.sources) > 0 {
		ends[sourceEnd] = r.sources[0]
	}
	return ends
}

// paths returns the paths of the sources on their machine.
func (r *route) paths() []string {
	var paths []string
	for _, s := range r.sources {
		paths = append(paths, s.Path)
	}
	return paths
}

// expand does with sources that are here what a server does with a client's.
func (r *route) expand(ctx context.Context, host engine.Host) error {
	var all []target
	for _, t := range r.sources {
		if t.Remote {
			return usageErrorf("--%s is for sources that are here", expandFlag)
		}
		paths, err := host.Expand(ctx, t.Path)
		if err != nil {
			return withCode(exitSelect, fmt.Errorf("the source %s: %w", t.arg, err))
		}
		for _, p := range paths {
			all = append(all, target{Target: transport.Target{Path: p}, arg: p})
		}
	}
	r.sources = all
	return nil
}

// newRoute makes sense of the operands.
func newRoute(args []string, s *settings) (*route, error) {
	if len(args) == 0 {
		return nil, usageErrorf("no source and no destination")
	}
	targets, err := parseTargets(args)
	if err == nil && s.oldArgs == yes {
		targets, err = splitTargets(targets)
	}
	if err != nil {
		return nil, err
	}
	if s.Clean {
		if len(targets) > 1 || s.filesFrom != "" {
			return nil, usageErrorf("--clean takes one directory and copies nothing")
		}
		return &route{dest: targets[0]}, nil
	}
	if len(targets) == 1 {
		s.listOnly = true
		r := &route{sources: targets}
		return r, r.check(s)
	}
	if err := s.portTrap(args); err != nil {
		return nil, err
	}
	r := &route{sources: targets[:len(targets)-1], dest: targets[len(targets)-1]}
	if s.listOnly {
		r.dest = target{} // what is there does not matter
	}
	return r, r.check(s)
}

// parseTargets reads the operands. A source ":path" is on the host of the one
// before it.
func parseTargets(args []string) ([]target, error) {
	var targets []target
	var last transport.Target
	for i, arg := range args {
		if arg == "" {
			return nil, usageErrorf("operand %d is empty; the current directory is \".\"", i+1)
		}
		if daemonForm(arg) {
			return nil, withCode(exitUnsupported, fmt.Errorf("%s asks for an rsync daemon, which gosync does not speak to; use HOST:PATH, over SSH", arg))
		}
		t, err := transport.ParseTarget(arg)
		if err != nil {
			return nil, &usageError{text: err.Error()}
		}
		if t.SameHost {
			if last.Host == "" || i == len(args)-1 {
				return nil, usageErrorf("%s has no host", arg)
			}
			t.SameHost, t.User, t.Host, t.Port = false, last.User, last.Host, last.Port
		}
		if t.Remote {
			last = t
		}
		targets = append(targets, target{Target: t, arg: arg})
	}
	return targets, nil
}

// sameHost reports whether one connection serves both.
func sameHost(a, b target) bool { return a.User == b.User && a.Host == b.Host && a.Port == b.Port }

// daemonForm reports whether arg is HOST::MODULE or rsync://.
func daemonForm(arg string) bool {
	if strings.HasPrefix(arg, "rsync://") {
		return true
	}
	head, _, _ := strings.Cut(arg, "/")
	return strings.Contains(head, "::") && !strings.Contains(head, "[")
}

// check refuses what cannot be routed.
func (r *route) check(s *settings) error {
	first := r.sources[0]
	for _, t := range r.sources[1:] {
		if t.Remote != first.Remote {
			return usageErrorf("sources are all here or all on one host: %s and %s are not", first.arg, t.arg)
		}
		if !sameHost(t, first) {
			return withCode(exitUnsupported, fmt.Errorf("sources are on two hosts, %s and %s; run gosync once for each", first.arg, t.arg))
		}
	}
	switch {
	case s.direct && !(r.pull() && r.push()):
		return usageErrorf("--direct is for copies from one host to another, and one side is here")
	case s.filesFrom != "" && len(r.sources) > 1:
		return usageErrorf("--files-from takes one source, not %d", len(r.sources))
	}
	return r.findList(s.filesFrom)
}
