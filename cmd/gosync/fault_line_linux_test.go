package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// A lineBench is an upgrade over sshd, through a relay.
type lineBench struct {
	*killBench
	relay *relay
	quiet [2]int64 // bytes of a session in which no gosync runs: down, up
	marks map[string][2][]int64
}

func newLineBench(t *testing.T, r *rand.Rand) *lineBench {
	t.Helper()
	b := &lineBench{killBench: newUpgrade(t, r, 60, 2), marks: map[string][2][]int64{}}
	b.sshd = sshtest.Start(t, sshtest.Options{})
	b.relay = newRelay(t, b.sshd.Addr())
	b.config = b.relay.config(t, b.sshd.Config, b.sshd.KnownHosts, b.dir)
	f := &faultBench{dir: b.dir, gosync: b.gosync}
	f.run(t, "-a", "--retries=0", "--ssh-config", b.config, "--via=agent", "--no-deploy", "--gosync-path=exit 7;", b.path("new")+"/", b.sshd.Alias+":"+b.path("dst"))
	for i, m := range b.relay.pieces() {
		b.quiet[i] = m[len(m)-1]
	}
	for _, way := range []string{"push", "pull"} {
		b.relay.arm(harm{})
		b.measure(t, killKind{way: way, ssh: true})
		b.marks[way] = b.relay.pieces()
	}
	return b
}

// place chooses a byte beyond the beginning of the session: at the end of a piece that went over the line at once,
// one before, or one behind.
func (b *lineBench) place(r *rand.Rand, way, kind string) harm {
	h := harm{kind: kind, up: inHundred(r, 50), bit: r.IntN(8)}
	i := 0
	if h.up {
		i = 1
	}
	later := slices.DeleteFunc(slices.Clone(b.marks[way][i]), func(at int64) bool { return at <= b.quiet[i]+1 })
	if len(later) == 0 {
		h.at = b.quiet[i] + 1
		return h
	}
	h.at = pickOne(r, later) + int64(r.IntN(3)-1)
	return h
}

// once runs the upgrade with one fault on the line.
func (b *lineBench) once(t *testing.T, way string, h harm, extra ...string) (status int, run *killedRun) {
	t.Helper()
	b.reset(t)
	b.relay.arm(h)
	k := killKind{way: way, ssh: true}
	run = b.start(t, k, extra...)
	<-run.ended
	status = run.cmd.ProcessState.ExitCode()
	if complaint := badEnd(run.stderr.String(), status); complaint != "" {
		t.Errorf("%s, %v: exit %d and %s:\n%s", way, h, status, complaint, run.stderr)
	}
	b.mixture(t, allowance{})
	return status, run
}

// after lets the far side end, and the run be repeated on a line without faults.
func (b *lineBench) after(t *testing.T, way string, run *killedRun) {
	t.Helper()
	b.relay.arm(harm{})
	run.wait(t, 90*time.Second)
	b.finish(t, killKind{way: way, ssh: true})
}

// cuts damages the line many times, and wants the same status wherever the damage was done.
func (b *lineBench) cuts(t *testing.T, c *tally, r *rand.Rand, kind string, count, want int) {
	t.Helper()
	missed, silent := 0, 0
	options := []string{"--retries=0"}
	if kind == "flip" {
		options = append(options, "--timeout=5")
	}
	for i := range count {
		way := []string{"push", "pull"}[i%2]
		h := b.place(r, way, kind)
		status, run := b.once(t, way, h, options...)
		missing := b.relay.struck().IsZero() // runs are not of the same length
		if missing {
			missed++
		}
		// A bit of a packet's length, which SSH's ciphers of today send in the clear, has the
		// receiver wait for what will never come: that is a silence, and found as one.
		if kind == "flip" && status == exitTimeout {
			silent++
			status = want
		}
		if status != want && !(status == 0 && (missing || b.late(h, way))) {
			t.Errorf("%s, %+v, of %v: exit %d\n%s", way, h, b.lengths(way), status, run.stderr)
		}
		if status == 0 {
			b.equal(t, way)
		}
		b.after(t, way, run)
		c.count(1)
		if t.Failed() {
			t.FailNow()
		}
	}
	if missed > 0 {
		c.remark("%d came too late", missed)
	}
	if silent > 0 {
		c.remark("%d hit the length of a packet: silence, exit 30", silent)
	}
}

// late reports whether the fault may have hit what follows the end of the work: the line's orderly end. How much there
// is before it depends on how often a window was opened; that all of the work was done shows in the result.
func (b *lineBench) late(h harm, way string) bool {
	n := b.lengths(way)[0]
	if h.up {
		n = b.lengths(way)[1]
	}
	return h.at > n-max(600, n/20)
}

// lengths are how many bytes go over the line in a run: down, up.
func (b *lineBench) lengths(way string) (n [2]int64) {
	for i, m := range b.marks[way] {
		n[i] = m[len(m)-1]
	}
	return n
}

// goesOn cuts the line once, and wants gosync to connect again, and to say so once.
func (b *lineBench) goesOn(t *testing.T, c *tally, r *rand.Rand, kind string, count int) {
	t.Helper()
	for i := range count {
		way := []string{"push", "pull"}[i%2]
		status, run := b.once(t, way, b.place(r, way, kind), "-W", "--stats")
		if status != 0 {
			t.Errorf("%s: exit %d\n%s", way, status, run.stderr)
		}
		if n := strings.Count(run.stderr.String(), "connecting again"); n > 1 {
			t.Errorf("%s says %d times that it connects again:\n%s", way, n, run.stderr)
		}
		c.sentAgain(max(0, literalData(t, run.stdout.String())-b.missing()))
		b.equal(t, way)
		b.after(t, way, run)
		c.count(1)
	}
}

// connectionReset is row 6.
func connectionReset(t *testing.T, c *tally) {
	r := rand.New(rand.NewPCG(peerSeeds(t, 1, 1)[0], 6))
	b := newLineBench(t, r)
	b.cuts(t, c, r, "rst", cases(5, 100), exitStream)
	b.goesOn(t, c, r, "rst", many(1, 20))
}

// connectionClosed is row 7: the line ends orderly at a place where the protocol does not; under SSH, and at the edges
// of gosync's own frames.
func connectionClosed(t *testing.T, c *tally) {
	r := rand.New(rand.NewPCG(peerSeeds(t, 1, 1)[0], 7))
	b := newLineBench(t, r)
	b.cuts(t, c, r, "fin", cases(3, 60), exitStream)
	b.goesOn(t, c, r, "fin", many(1, 10))
	total := map[string][2]int{}
	for _, way := range []string{"push", "pull"} {
		p, status := b.piped(t, way, &pipeRelay{})
		if status != 0 {
			t.Fatalf("without a fault: exit %d", status)
		}
		total[way] = p.frames
	}
	for i := range cases(6, 100) {
		way := []string{"push", "pull"}[i%2]
		p := &pipeRelay{up: inHundred(r, 50), by: r.IntN(3) - 1}
		n := total[way][0]
		if p.up {
			n = total[way][1]
		}
		p.frame = 1 + r.IntN(n)
		_, status := b.piped(t, way, p)
		last := p.frame >= n-1 // what was lost may be the farewell
		if p.struck && status != exitStream && !(status == 0 && last) && !(status == exitProtocol && p.frame == 1) || !p.struck && status != 0 {
			t.Errorf("%s, cut up %t behind frame %d of %d by %d, struck %t: exit %d", way, p.up, p.frame, n, p.by, p.struck, status)
		}
		b.mixture(t, allowance{})
		b.finish(t, killKind{way: way})
		c.count(1)
	}
}

// piped runs the upgrade through a pipeRelay.
func (b *lineBench) piped(t *testing.T, way string, p *pipeRelay) (*pipeRelay, int) {
	t.Helper()
	b.reset(t)
	p.dir, p.gosync = b.dir, b.gosync
	shell := b.rsh
	b.rsh = p.shell(t)
	var run *killedRun
	p.run(t, func() { run = b.start(t, killKind{way: way}, "--retries=0") })
	b.rsh = shell
	return p, run.wait(t, 30*time.Second)
}

// flippedBits is row 10. SSH finds out.
func flippedBits(t *testing.T, c *tally) {
	r := rand.New(rand.NewPCG(peerSeeds(t, 1, 1)[0], 10))
	b := newLineBench(t, r)
	b.cuts(t, c, r, "flip", cases(5, 100), exitStream)
}

// silence is row 8: nothing moves any more, and no end has closed the connection. gosync gives up in time, whichever
// end it is that hears nothing.
func silence(t *testing.T, c *tally) {
	limit := many(6, 1) // seconds; a busy machine takes more than one to greet, and the line would not be struck at all
	r := rand.New(rand.NewPCG(peerSeeds(t, 1, 1)[0], 8))
	b := newLineBench(t, r)
	var worst time.Duration
	missed := 0
	for i := range cases(4, 80) {
		way := []string{"push", "pull"}[i%2]
		h := b.place(r, way, "stall")
		h.up = i/2%2 == 0
		status, run := b.once(t, way, h, fmt.Sprint("--timeout=", limit), "-W", "--bwlimit=60000")
		ended := time.Now()
		struck := b.relay.struck()
		if !struck.IsZero() {
			worst = max(worst, ended.Sub(struck))
		} else {
			missed++
		}
		if status != 30 && !(status == 0 && (struck.IsZero() || b.late(h, way))) {
			t.Errorf("%s, %+v: exit %d\n%s", way, h, status, run.stderr)
		}
		b.after(t, way, run)
		c.count(1)
	}
	if slack := many(10, 1); worst > time.Duration(limit+slack)*time.Second {
		t.Errorf("gosync ended %v after the last byte, with a timeout of %d s", worst, limit)
	}
	if missed > 0 {
		c.remark("%d came too late", missed)
	}
	c.remark("gave up at most %v after the last byte, with --timeout=%d", worst.Round(time.Millisecond), limit)
	stopped(t, c)
	stalledServers(t, c)
}

// stopped stops the far side without ending it.
func stopped(t *testing.T, c *tally) {
	for _, way := range []string{"push", "pull"} {
		b := &killBench{dir: t.TempDir(), gosync: program(t)}
		b.rsh = loopShell(t, b.dir)
		f := &faultBench{dir: b.dir}
		f.slow(t)
		if err := os.Rename(b.path("src"), b.path("new")); err != nil {
			t.Fatal(err)
		}
		run := b.start(t, killKind{way: way}, "-W", "--bwlimit=6000", "--timeout=1")
		b.writing(t, run)
		pid := run.far()
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		<-run.ended
		if got := run.cmd.ProcessState.ExitCode(); got != 30 {
			t.Errorf("%s: exit %d\n%s", way, got, run.stderr)
		}
		if alive(pid) {
			_ = syscall.Kill(pid, syscall.SIGCONT) // it may have been killed meanwhile
		}
		run.wait(t, 10*time.Second)
		if way == "pull" { // else the receiver is the one that was stopped, and had no chance
			f.clean(t, "dst")
		}
		b.finish(t, killKind{way: way})
		c.count(1)
	}
}

// noGosync is row 12: what answers is something else, or says a lot before it says what it is.
func noGosync(t *testing.T, c *tally) {
	b := newFaultBench(t)
	b.file(t, "src/f", 1000)
	for _, tt := range []struct {
		path   string
		status int
	}{
		{"/nonexistent/gosync", 127},
		{"/etc/passwd", 126},
		{"cat /dev/zero; :", exitProtocol},
		{"head -c 1073741824 /dev/zero; exec " + b.gosync, exitProtocol},
		{"yes | head -c 5000; exec " + b.gosync, exitProtocol},
		{`printf "gosync\000wire\r\n\032\3772"; cat /bin/sh; :`, exitProtocol}, // a later magic
		{`printf "gosync\000wire\n\032\3771xxxxxxxxxxxxxxxxxxxxxxx"; :`, exitProtocol},
		{`printf "\377\376G\000o\000"; cat /bin/sh; :`, exitProtocol},
		{"echo; echo; echo", exitProtocol},
		{"cat", exitProtocol},
		{"exit 3;", exitProtocol},
		{"kill -9 $$;", exitProtocol},
	} {
		for _, operands := range [][]string{{"src/", "host:dst/"}, {"host:src/", "dst/"}} {
			b.want(t, tt.status, "", append([]string{"-a", "--via=agent", "--no-deploy", "-e", b.rsh, "--gosync-path=" + tt.path}, operands...)...)
			c.count(1)
		}
	}
	b.here(t, false, "dst")
	// What a login script says in front of the protocol does no harm.
	b.want(t, 0, "", "-a", "-e", b.rsh, "--gosync-path=echo welcome; "+b.gosync, "src/", "host:dst/")
	b.same(t, "src", "dst")
}
