package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Status is how a run ended.
type Status string

// The ways in which a run ends.
const (
	OK      Status = "ok"      // and what it copied is equal to the source
	Failed  Status = "failed"  // the tool failed, or what it copied differs
	Stopped Status = "stopped" // it took longer than a limit, or ended before it could be interrupted
)

// Sample is one run.
type Sample struct {
	Case    string   `json:"case"`
	Tool    string   `json:"tool"`
	Round   int      `json:"round"` // from 1
	Order   int      `json:"order"` // in the round, from 1
	Status  Status   `json:"status"`
	Error   string   `json:"error,omitempty"`
	Seconds float64  `json:"seconds"`
	Up      *int64   `json:"bytes_up,omitempty"` // to the far side, on the line
	Down    *int64   `json:"bytes_down,omitempty"`
	Counted string   `json:"bytes_counted_by,omitempty"`
	CPUHere *float64 `json:"cpu_here_seconds,omitempty"`
	CPUFar  *float64 `json:"cpu_there_seconds,omitempty"`
	Load    *float64 `json:"load_before,omitempty"`  // of one minute, on this machine
	Held    *int64   `json:"bytes_before,omitempty"` // that an interrupted copy had left at the destination
	Argv    []string `json:"argv"`
}

// Who has counted the bytes of a run.
const (
	countedByRelay  = "relay"  // all of them, on the line
	countedBySSH    = "ssh"    // ssh(1), without the headers of TCP
	countedByGosync = "gosync" // gosync, without what SSH adds
)

// pair is a data set and a tool that copies it.
type pair struct {
	set  *Case
	tool *tool
	gone bool  // it failed, or was stopped: no more runs
	kept bool  // the destination holds what the same tool has copied
	held int64 // bytes that an interrupted copy has left there
}

// dest is the directory on the far side that a pair copies into.
func (b *run) dest(p *pair) string { return b.end.dir + "/" + p.set.Name + "." + p.tool.name }

// job describes the copy of a pair.
func (b *run) job(p *pair, cut bool) *job {
	return &job{end: b.end, set: p.set, src: b.source(p.set.tree), parent: b.dest(p), scratch: b.scratch, cut: cut}
}

// source is the directory that is copied.
func (b *run) source(data string) string { return filepath.Join(b.data, data, treeName) }

// sample runs a pair once. The error is for what ends the benchmark; how the run ended is in the sample.
func (b *run) sample(ctx context.Context, p *pair) (Sample, error) {
	s := Sample{Case: p.set.Name, Tool: p.tool.name, Load: load()}
	if err := b.prepare(ctx, p); err != nil {
		return s, b.judge(ctx, &s, p, err)
	}
	argv, err := p.tool.argv(b.job(p, false))
	if err != nil {
		return s, err
	}
	s.Argv = argv
	if p.set.state == interrupted {
		s.Held = new(p.held)
	}
	if err := b.timed(ctx, &s); err != nil {
		return s, b.judge(ctx, &s, p, err)
	}
	if err := b.verify(ctx, p); err != nil {
		return s, b.judge(ctx, &s, p, err)
	}
	s.Status = OK
	p.kept = p.set.state == itself
	return s, b.clear(ctx, p)
}

// judge turns the error of a run into its status: what a tool does wrong ends the pair, not the benchmark.
func (b *run) judge(ctx context.Context, s *Sample, p *pair, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.Status, s.Error, p.gone = Failed, firstLine(err.Error()), true
	if errors.Is(err, errLimit) || errors.Is(err, errNotCut) {
		s.Status = Stopped
	}
	return b.clear(ctx, p)
}

// firstLine keeps messages of others short.
func firstLine(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// timed runs the tool and measures it.
func (b *run) timed(ctx context.Context, s *Sample) error {
	var up, down int64
	var cpu *float64
	argv := s.Argv
	if b.end.loopback() {
		up, down = b.end.relay.counts()
		cpu = allSeconds()
	} else {
		argv = counting(argv)
	}
	r, err := execute(ctx, argv, b.environ, b.c.Limit)
	s.Seconds, s.CPUHere = r.took.Seconds(), r.cpu
	if errors.Is(err, errLimit) {
		s.Seconds = b.c.Limit.Seconds() // and not what ending it took
	}
	if b.end.loopback() {
		b.end.rest(ctx)
		u, d := b.end.relay.counts()
		s.Up, s.Down, s.Counted = new(u-up), new(d-down), countedByRelay
		if all := allSeconds(); all != nil && cpu != nil && r.cpu != nil {
			s.CPUFar = new(max(0, *all-*cpu-*r.cpu))
		}
	} else {
		s.Up, s.Down, s.Counted = counted(r.output)
	}
	return err
}

// counting has a tool tell how many bytes it moves.
func counting(argv []string) []string {
	if filepath.Base(argv[0]) == "gosync" {
		return append([]string{argv[0], "--stats"}, argv[1:]...)
	}
	return argv // ssh's options have LogLevel=VERBOSE
}

// counted reads what tools told.
func counted(output string) (up, down *int64, by string) {
	sum := func(pattern string) (up, down *int64) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(output, -1) {
			u, err1 := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
			d, err2 := strconv.ParseInt(strings.ReplaceAll(m[2], ",", ""), 10, 64)
			if err1 != nil || err2 != nil {
				continue
			}
			if up == nil {
				up, down = new(int64), new(int64)
			}
			*up += u
			*down += d
		}
		return up, down
	}
	if up, down = sum(`Transferred: sent (\d+), received (\d+) bytes`); up != nil {
		return up, down, countedBySSH
	}
	if up, down = sum(`(?s)Total bytes sent: ([\d,]+).*?Total bytes received: ([\d,]+)`); up != nil {
		return up, down, countedByGosync
	}
	return nil, nil, ""
}

// prepare puts the destination into the state that a run begins with.
func (b *run) prepare(ctx context.Context, p *pair) error {
	if p.kept {
		return nil
	}
	dst := quote(b.dest(p))
	script := "set -e\nrm -rf " + dst + "\nmkdir " + dst + "\n"
	if p.set.state == basis {
		// What is written later must not pay for this: a tool that waits for the disk would.
		script += "cp -a " + quote(b.basis(p.set.older)) + " " + dst + "/\nsync -f " + dst + " 2>/dev/null || sync\n"
	}
	if _, err := b.end.far.Run(ctx, script); err != nil {
		return fmt.Errorf("preparing the destination: %w", err)
	}
	switch p.set.state {
	case itself:
		return b.untimed(ctx, p)
	case interrupted:
		return b.interrupt(ctx, p)
	}
	return nil
}

// untimed has the tool copy all once.
func (b *run) untimed(ctx context.Context, p *pair) error {
	argv, err := p.tool.argv(b.job(p, true))
	if err != nil {
		return err
	}
	if _, err := execute(ctx, argv, b.environ, b.c.Limit); err != nil {
		return fmt.Errorf("copying before the run that is measured: %w", err)
	}
	b.end.rest(ctx)
	return nil
}

// verify compares the destination with the source, by content.
func (b *run) verify(ctx context.Context, p *pair) error {
	want := b.sums[p.set.tree]
	tree := b.dest(p) + "/" + treeName
	more := !p.tool.deletes
	if b.end.loopback() {
		got, err := sumTree(ctx, tree)
		if err != nil {
			return err
		}
		return want.compare(got, more)
	}
	file := filepath.Join(b.scratch, "manifest")
	if err := os.WriteFile(file, want.manifest(), 0o600); err != nil {
		return err
	}
	argv := append([]string{b.end.gosync, "verify", "--manifest=" + file}, b.end.gosyncArgs...)
	r, err := executeKeeping(ctx, append(argv, b.end.name+":"+tree), b.environ, b.c.Budget, keptAll)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errLimit):
		return fmt.Errorf("comparing the destination: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(r.output), "\n")
	if last := lines[len(lines)-1]; strings.Contains(last, "difference") { // exit 45
		return farDifferences(strings.Join(lines[:len(lines)-1], "\n"), more)
	}
	return err
}

// clear removes what a run has left, unless the next one needs it.
func (b *run) clear(ctx context.Context, p *pair) error {
	if p.kept && !p.gone {
		return nil
	}
	if _, err := b.end.far.Run(ctx, removal(b.dest(p))); err != nil {
		return fmt.Errorf("removing what was copied: %w", err)
	}
	return nil
}

// sleep waits unless ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
