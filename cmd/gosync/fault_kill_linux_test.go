package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosync/walker/manifest"
)

// killKinds are all combinations of ways and ends that are killed.
func killKinds(ssh bool) []killKind {
	kinds := []killKind{{way: "local", client: true}}
	for _, way := range []string{"push", "pull"} {
		for _, overSSH := range []bool{false, true} {
			if overSSH && !ssh {
				continue
			}
			for _, who := range [][2]bool{{true, false}, {false, true}, {true, true}} {
				kinds = append(kinds, killKind{way: way, ssh: overSSH, client: who[0], far: who[1]})
			}
		}
	}
	for i := range kinds {
		kinds[i].interrupting = syscall.SIGKILL
	}
	return kinds
}

// killReceiver is row 1.
func killReceiver(t *testing.T, c *tally) {
	kills(t, c, 1, cases(6, 100), func(k killKind) bool { return k.receiverDies() && !(k.client && k.far) })
}

// killSender is row 2.
func killSender(t *testing.T, c *tally) {
	kills(t, c, 2, cases(7, 200), func(k killKind) bool { return !k.receiverDies() || k.client && k.far })
}

// kills interrupts an upgrade at random moments. Every file is whole then, old or new, and the next run finishes and
// leaves nothing behind.
func kills(t *testing.T, c *tally, salt uint64, count int, which func(killKind) bool) {
	seed := peerSeeds(t, 1, 1)[0]
	r := rand.New(rand.NewPCG(seed, salt))
	b := newKillBench(t, r)
	b.tally = c
	b.withServer(t)
	b.measure(t, killKind{way: "push"})
	kinds := slices.DeleteFunc(killKinds(b.sshd != nil), func(k killKind) bool { return !which(k) })
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	early, amid, late := 0, 0, 0
	for i := range count {
		k := kinds[i%len(kinds)]
		k.options = pickOne(r, [][]string{{"-W"}, {"-W", "--partial"}, {"--partial"}, {"-W", "--fsync=each"}, {"-W", "--partial", "--fsync=none"}, {"--inplace"}})
		switch old, done := b.kill(t, k, r); {
		case done == 0:
			early++
		case old == 0:
			late++
		default:
			amid++
		}
		if t.Failed() {
			t.Fatalf("seed %d, kill %d: %v", seed, i, k)
		}
		c.count(1)
	}
	c.remark("%d before the first change, %d amid, %d after the last; %d temporaries were left", early, amid, late, b.left)
}

// kill does one kill and says how far dst was.
func (b *killBench) kill(t *testing.T, k killKind, r *rand.Rand) (old, done int) {
	t.Helper()
	b.reset(t)
	goesOn := !k.client && inHundred(r, 30) // it connects again
	var extra []string
	if !goesOn {
		extra = []string{"--retries=0"}
	}
	run := b.start(t, k, extra...)
	b.amid(t, run, r)
	run.signal(k)
	status := run.wait(t, 30*time.Second)
	old, done = b.mixture(t, allows(k.options))
	b.left += len(temporaries(t, b.path("dst")))
	statuses := []int{0, exitStream, exitProtocol} // 2: killed before it said hello
	if goesOn {
		statuses = []int{0, exitProtocol}
	}
	if !k.client && !slices.Contains(statuses, status) {
		t.Errorf("the far side died, and gosync ends with %d\n%s", status, run.stderr)
	}
	arrived := b.arrived(t)
	if sent := b.finish(t, k); slices.Contains(k.options, "-W") && arrived > 0 {
		b.tally.sentAgain(max(0, sent+arrived-b.missing()))
	}
	return old, done
}

// interrupted is row 4. What was received is kept.
func interrupted(t *testing.T, c *tally) {
	for i, way := range faultWays() {
		for j, signals := range [][]syscall.Signal{{syscall.SIGINT, syscall.SIGINT}, {syscall.SIGINT}, {syscall.SIGTERM}, {syscall.SIGHUP}} {
			if !longRun() && j > 0 && j != i+1 {
				continue
			}
			b := newFaultBench(t)
			b.file(t, "src/small", 10)
			big := noise(rand.New(rand.NewPCG(4, 4)), 16<<20)
			if err := os.WriteFile(b.path("src/big"), big, 0o644); err != nil {
				t.Fatal(err)
			}
			b.file(t, "dst/big", 100)
			cmd, output := b.command(b.with(way, "-a", "-W", "--partial", "--bwlimit=16000")...)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			part := b.path("dst/" + manifest.ShownName("big"))
			waitFor(t, "some of it has arrived", func() bool {
				info, err := os.Stat(part)
				return err == nil && info.Size() > 6<<20
			})
			began := time.Now()
			for i, s := range signals {
				if i > 0 {
					time.Sleep(20 * time.Millisecond)
				}
				_ = cmd.Process.Signal(s) // the second finds it ended, perhaps
			}
			e := b.wait(t, cmd, output, time.Minute)
			if took := time.Since(began); e.status != exitSignal || took > 4*time.Second {
				t.Errorf("%s, %v: exit %d after %v\n%s", way, signals, e.status, took, e.output)
			}
			b.content(t, "dst/big", strings.Repeat("g", 100))
			waitFor(t, "the far side cleans up", func() bool { return len(temporaries(t, b.path("dst"))) <= 2 })
			sent := literalData(t, b.want(t, 0, "", b.with(way, "-a", "-W", "--partial", "--stats")...).output)
			if again := sent - 10<<20; again > 0 && way != "local" { // 6 MiB were there, and small may be sent again
				c.sentAgain(again)
				if again > 3<<20 {
					t.Errorf("%s, %v: %d bytes were sent, although 6 MiB of 16 were there", way, signals, sent)
				}
			}
			b.same(t, "src", "dst")
			c.count(1)
		}
	}
}

// outOfMemory is row 23: the kernel kills the far side, whose group of processes has used up its memory.
func outOfMemory(t *testing.T, c *tally) {
	group := fmt.Sprintf("/sys/fs/cgroup/memory/gosync-test-%d", os.Getpid())
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("no groups with a limit of memory: %v", err)
	}
	t.Cleanup(func() { waitFor(t, "the group is empty", func() bool { return os.Remove(group) == nil }) })
	if err := os.WriteFile(group+"/memory.limit_in_bytes", []byte("67108864"), 0o644); err != nil {
		t.Skipf("no limit of memory: %v", err)
	}
	join := fmt.Sprintf("echo $$ >%s/cgroup.procs; echo 1000 >/proc/$$/oom_score_adj; ", group)
	for _, way := range []string{"push", "pull"} {
		b := newFaultBench(t)
		options := b.slow(t)
		b.far = join + "exec " + b.gosync
		cmd, output := b.command(b.with(way, append(options, "--retries=0", "--no-compress", "--bwlimit=1500")...)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		b.begun(t)
		// Who else is in the group asks for more than there is. gosync has been declared the one to die first.
		hog := exec.Command("/bin/sh", "-c", strings.Replace(join, "1000", "-900", 1)+"head -c 300m /dev/zero | tail -c 300m >/dev/null")
		if err := hog.Run(); err == nil {
			t.Error("the limit did not hold")
		}
		if e := b.wait(t, cmd, output, time.Minute); e.status != exitStream {
			t.Errorf("%s: exit %d\n%s", way, e.status, e.output)
		}
		b.plain()
		b.want(t, 0, "", b.with(way, "-a")...)
		b.same(t, "src", "dst")
		c.count(1)
	}
}

// frozen is row 55: one end stands still for a while, or the destination's file system does.
func frozen(t *testing.T, c *tally) {
	pause := time.Duration(many(1, 30)) * time.Second
	for _, way := range []string{"push", "pull"} {
		for _, who := range []string{"client", "far", "both"} {
			if !longRun() && who != map[string]string{"push": "far", "pull": "both"}[way] {
				continue
			}
			b := &killBench{dir: t.TempDir(), gosync: program(t)}
			b.rsh = loopShell(t, b.dir)
			f := &faultBench{dir: b.dir}
			f.slow(t)
			if err := os.Rename(b.path("src"), b.path("new")); err != nil {
				t.Fatal(err)
			}
			k := killKind{way: way, client: who != "far", far: who != "client", interrupting: syscall.SIGSTOP}
			run := b.start(t, k, "-W", "--bwlimit=6000")
			b.writing(t, run)
			run.signal(k)
			time.Sleep(pause)
			k.interrupting = syscall.SIGCONT
			run.signal(k)
			if status := run.wait(t, time.Minute); status != 0 {
				t.Errorf("%s, %s stopped: exit %d\n%s", way, who, status, run.stderr)
			}
			b.finish(t, k)
			c.count(1)
		}
	}
	frozenDisk(t, c, pause)
}
