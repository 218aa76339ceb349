package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// A peerBench is where cases are run: the programs and how they reach the other side.
type peerBench struct {
	dir    string
	gosync string
	rsh    string
	sshd   *sshtest.Server // nil: the remote shell that stays here
}

// A peerOutcome is what a run of one program leaves.
type peerOutcome struct {
	status int
	lines  []string
	stderr string
	tree   peerLook
	second []string // lines of the second run
	source peerLook
}

// argv builds the command line of a program.
func (b *peerBench) argv(c *peerCase, program string) []string {
	args := []string{"-i"}
	if program == "gosync" {
		args = append(args, "--fsync=none")
		if slices.Contains(c.opts, "--delete") {
			args = append(args, "--force-delete", "--delete-empty-source") // rsync has no guard
		}
	}
	args = append(args, c.opts...)
	if c.way == "local" {
		return slices.Concat(args, c.sources, []string{c.dest})
	}
	host := "host:"
	switch {
	case b.sshd == nil:
		args = append(args, "-e", b.rsh)
	case program == "rsync":
		args = append(args, "-e", "ssh -F "+b.sshd.Config)
	default:
		args = append(args, "--ssh-config", b.sshd.Config)
	}
	if b.sshd != nil {
		host = b.sshd.Alias + ":" + b.dir + "/"
	}
	if program == "gosync" {
		args = append(args, "--gosync-path="+b.gosync)
	}
	if c.way == "push" {
		return slices.Concat(args, c.sources, []string{host + c.dest})
	}
	for _, s := range c.sources {
		if b.sshd != nil && slices.Contains(c.opts, "-R") && !strings.Contains(s, "/./") {
			s = "./" + strings.TrimPrefix(s, "./") // what is above stays out of it: others write there
		}
		args = append(args, host+s)
	}
	return append(args, c.dest)
}

// run gives the case to one program.
func (b *peerBench) run(t testing.TB, c *peerCase, program string) peerOutcome {
	t.Helper()
	now := time.Now().Unix()
	dst := filepath.Join(b.dir, "dst")
	b.remove(t, dst)
	if !c.missing {
		c.dst.make(t, dst, 1_111_111_111)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "list"), []byte(strings.Join(c.files, "\x00")), 0o600); err != nil {
		t.Fatal(err)
	}
	o := b.start(t, c, program)
	if c.twice {
		again := b.start(t, c, program)
		o.second = append(again.lines, fmt.Sprint("exit ", again.status))
		o.stderr += again.stderr
	}
	o.tree, o.source = lookAt(t, dst, now), lookAt(t, filepath.Join(b.dir, "src"), now)
	return o
}

func (b *peerBench) start(t testing.TB, c *peerCase, program string) (o peerOutcome) {
	t.Helper()
	name := program
	if program == "gosync" {
		name = b.gosync
	}
	o.status, o.lines, o.stderr = runUmask(t, b.dir, c.umask, nil, append([]string{name}, b.argv(c, program)...))
	return o
}

// runUmask runs a program in a directory, with an umask and more in its environment, for a minute at the most. It
// returns the exit status, the lines of standard output and all of standard error.
func runUmask(t testing.TB, dir, umask string, env, argv []string) (status int, lines []string, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", "umask " + umask + "; exec \"$0\" \"$@\""}, argv...)...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), []string{"LC_ALL=C.UTF-8"}, env)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		stderr.WriteString("did not end within a minute\n")
	}
	if text := strings.TrimSuffix(stdout.String(), "\n"); text != "" {
		lines = strings.Split(text, "\n")
	}
	return cmd.ProcessState.ExitCode(), lines, stderr.String()
}

// remove removes a tree, whatever its modes.
func (b *peerBench) remove(t testing.TB, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

// compare runs both programs and says how they differ. Each difference begins with its kind and a colon.
func (b *peerBench) compare(t testing.TB, c *peerCase) []string {
	t.Helper()
	b.remove(t, filepath.Join(b.dir, "src"))
	c.src.make(t, filepath.Join(b.dir, "src"), 1_222_222_222)
	before := lookAt(t, filepath.Join(b.dir, "src"), time.Now().Unix())
	theirs, ours := b.run(t, c, "rsync"), b.run(t, c, "gosync")
	var diffs []string
	add := func(kind, format string, args ...any) { diffs = append(diffs, kind+": "+fmt.Sprintf(format, args...)) }
	if c.accept(&theirs, &ours) {
		return nil
	}
	if ours.status != theirs.status {
		add(fmt.Sprintf("exit %d %d", theirs.status, ours.status), "rsync %d, gosync %d\n    rsync: %s\n    gosync: %s", theirs.status, ours.status, theirs.stderr, ours.stderr)
	}
	for _, d := range theirs.tree.differ("rsync", "gosync", ours.tree) {
		add("tree", "%s", d)
	}
	for _, d := range before.differ("before", "after", ours.source) {
		add("source", "%s", d)
	}
	if strings.Contains(ours.stderr, "goroutine ") {
		add("panic", "%s", ours.stderr)
	}
	if !c.sameLines(theirs.lines, ours.lines) {
		add("lines "+firstDifference(theirs.lines, ours.lines), "\n    rsync:\n%s\n    gosync:\n%s\n    stderr of gosync: %s", indentLines(theirs.lines), indentLines(ours.lines), ours.stderr)
	}
	if !c.sameLines(theirs.second, ours.second) {
		add("second "+firstDifference(theirs.second, ours.second), "\n    rsync:\n%s\n    gosync:\n%s\n    stderr of gosync: %s", indentLines(theirs.second), indentLines(ours.second), ours.stderr)
	}
	return diffs
}

// diffKinds are the kinds of differences.
func diffKinds(diffs []string) []string {
	var out []string
	for _, d := range diffs {
		kind, _, _ := strings.Cut(d, ":")
		if !slices.Contains(out, kind) {
			out = append(out, kind)
		}
	}
	return out
}

// shrink looks for a smaller case with a difference of the same kind.
func (b *peerBench) shrink(t testing.TB, c *peerCase, diffs []string, budget int) (*peerCase, []string) {
	t.Helper()
	kind := diffKinds(diffs)[0]
	for changed := true; changed && budget > 0; {
		changed = false
		for i := 0; i < c.parts() && budget > 0; i++ {
			smaller := c.drop(i)
			if smaller == nil {
				continue
			}
			budget--
			if d := b.compare(t, smaller); slices.Contains(diffKinds(d), kind) {
				c, diffs, changed = smaller, d, true
				i--
			}
		}
	}
	return c, diffs
}

// parts counts what drop can take away.
func (c *peerCase) parts() int {
	return len(c.opts) + len(c.src) + len(c.dst) + len(c.files) + len(c.sources) + 3
}

// drop returns the case without its ith part; nil where that is none.
func (c *peerCase) drop(i int) *peerCase {
	d := *c
	if i < len(c.src) {
		d.src = c.src.without(c.src[i].path)
		return &d
	}
	if i -= len(c.src); i < len(c.dst) {
		d.dst = c.dst.without(c.dst[i].path)
		return &d
	}
	if i -= len(c.dst); i < len(c.opts) {
		if c.opts[i] == "--from0" || c.opts[i] == "-a" && slices.Contains(c.opts, "-H") { // they need each other
			return nil
		}
		d.opts = slices.Delete(slices.Clone(c.opts), i, i+1)
		return &d
	}
	if i -= len(c.opts); i < len(c.files) {
		d.files = slices.Delete(slices.Clone(c.files), i, i+1)
		return &d
	}
	if i -= len(c.files); i < len(c.sources) {
		d.sources = slices.Delete(slices.Clone(c.sources), i, i+1)
		return map[bool]*peerCase{true: &d}[len(d.sources) > 0]
	}
	switch i -= len(c.sources); {
	case i == 0 && c.twice:
		d.twice = false
	case i == 1 && c.way != "local" && !c.overSSH:
		d.way = "local"
	case i == 2 && c.umask != "022":
		d.umask = "022"
	default:
		return nil
	}
	return &d
}

// longRun reports whether the tests may take minutes.
func longRun() bool { return os.Getenv("GOSYNC_LONG") != "" }

// peerSeeds are those of the cases to run: always the same count of them, or those that GOSYNC_SEED names, or with
// GOSYNC_LONG more of them from a fresh start.
func peerSeeds(t *testing.T, count, long int) []uint64 {
	t.Helper()
	if text := os.Getenv("GOSYNC_SEED"); text != "" {
		var list []uint64
		for part := range strings.SplitSeq(text, ",") {
			seed, err := strconv.ParseUint(part, 10, 64)
			if err != nil {
				t.Fatalf("GOSYNC_SEED: %v", err)
			}
			list = append(list, seed)
		}
		return list
	}
	start := uint64(1)
	if longRun() {
		count, start = long, uint64(fromEnv("GOSYNC_FROM", int(rand.Uint32())))
	}
	list := make([]uint64, count)
	for i := range list {
		list[i] = start + uint64(i)
	}
	t.Logf("%d cases from seed %d", count, start)
	return list
}

// TestLikeRsync gives random command lines on random trees to gosync and to rsync, and wants the same exit status, the
// same tree and the same lines. GOSYNC_SEED runs a case again, GOSYNC_LONG runs many.
func TestLikeRsync(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	b := &peerBench{dir: t.TempDir(), gosync: program(t)}
	b.rsh = loopShell(t, b.dir)
	b.cases(t, peerSeeds(t, 80, 2000))
}

// TestLikeRsyncOverSSH does the same through a server.
func TestLikeRsyncOverSSH(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	b := &peerBench{dir: t.TempDir(), gosync: program(t), sshd: sshtest.Start(t, sshtest.Options{})}
	b.cases(t, peerSeeds(t, 8, 100))
}

func (b *peerBench) cases(t *testing.T, list []uint64) {
	failed := 0
	for _, seed := range list {
		c := randomCase(seed)
		if c.overSSH = b.sshd != nil; c.overSSH && c.way == "local" {
			c.way = []string{"push", "pull"}[seed%2]
		}
		diffs := b.compare(t, c)
		if len(diffs) == 0 {
			continue
		}
		budget := 150
		if c.overSSH { // where a run takes longer
			budget = 40
		}
		c, diffs = b.shrink(t, c, diffs, budget)
		report := fmt.Sprintf("%s  rsync %q\n  gosync %q\n  %s", c, b.argv(c, "rsync"), b.argv(c, "gosync"), strings.Join(diffs, "\n  "))
		t.Errorf("GOSYNC_SEED=%d\n%s", seed, shorter(report))
		if failed++; failed == 5 && !longRun() {
			t.Fatal("enough")
		}
	}
}
