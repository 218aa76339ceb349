package main

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ext4Shutdown is the ioctl that stops an ext4 file system as a power cut does: with ext4NoFlush what was not written
// is lost, the journal's end too. From then on every call fails, and mounting it anew replays what the journal holds.
// The ioctl's other way, to write the journal itself, is of no use: it forbids to write data first, so that the journal
// no longer waits for the data that it promises, which no power cut does.
const (
	ext4Shutdown = 0x8004587d
	ext4NoFlush  = 2
)

// A loopDisk is an ext4 file system of its own, in a file.
type loopDisk struct {
	image, at string
	mounted   bool
}

// newLoopDisk makes one and mounts it. It is unmounted when the test ends.
func newLoopDisk(t *testing.T, dir string, size int64) *loopDisk {
	t.Helper()
	mkfs := requireTool(t, "mkfs.ext4")
	d := &loopDisk{image: filepath.Join(dir, "disk.img"), at: filepath.Join(dir, "disk")}
	f, err := os.Create(d.image)
	if err == nil {
		err = f.Truncate(size)
		f.Close()
	}
	if err == nil {
		err = os.MkdirAll(d.at, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(mkfs, "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	t.Cleanup(func() { d.unmount(t) })
	d.mount(t)
	return d
}

func (d *loopDisk) mount(t *testing.T) {
	t.Helper()
	var out []byte
	var err error
	for range 50 { // another test may hold the last loop device for a moment
		if out, err = exec.Command("mount", "-o", "loop", d.image, d.at).CombinedOutput(); err == nil {
			d.mounted = true
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Skipf("mounting a file: %v\n%s", err, out)
}

func (d *loopDisk) unmount(t *testing.T) {
	t.Helper()
	if !d.mounted {
		return
	}
	err := error(syscall.EBUSY)
	for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		err = unix.Unmount(d.at, 0)
	}
	if err != nil {
		t.Errorf("unmounting %s: %v", d.at, err)
		err = unix.Unmount(d.at, unix.MNT_DETACH)
	}
	d.mounted = err != nil
}

// ioctl calls one on the file system.
func (d *loopDisk) ioctl(t *testing.T, request uint, value int) {
	t.Helper()
	f, err := os.Open(d.at)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), request, value)
		f.Close()
	}
	if err != nil {
		t.Fatalf("ioctl %#x: %v", request, err)
	}
}

// settle writes everything to the disk.
func (d *loopDisk) settle(t *testing.T) {
	t.Helper()
	f, err := os.Open(d.at)
	if err == nil {
		err = unix.Syncfs(int(f.Fd()))
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// commit has the journal written, as somebody else's fsync does: names are new then, data need not be.
func (d *loopDisk) commit(t *testing.T) {
	t.Helper()
	f, err := os.Create(filepath.Join(d.at, "unrelated"))
	if err == nil {
		err = f.Sync()
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// cut cuts the power, waits until gosync has noticed, and switches on again.
func (d *loopDisk) cut(t *testing.T, ended func()) {
	t.Helper()
	d.ioctl(t, ext4Shutdown, ext4NoFlush)
	ended()
	d.unmount(t)
	d.mount(t)
}

// A powerCase is a way to run gosync on a disk that loses its power.
type powerCase struct {
	options []string
	torn    bool // files are written in place
	durable bool // what was done when gosync ended with 0 is there afterwards
	count   int
}

func powerCases() []powerCase {
	few, all, rare := cases(2, 100), many(1, 30), many(0, 30)
	return []powerCase{
		{options: []string{"--fsync=run"}, durable: true, count: few},
		{options: []string{"--fsync=each"}, durable: true, count: few},
		{options: []string{"--fsync=none"}, count: few},
		{options: []string{"--fsync=run", "--partial"}, durable: true, count: all},
		{options: []string{"--fsync=run", "--inplace"}, torn: true, durable: true, count: all},
		{options: []string{"--fsync=none", "--inplace"}, torn: true, count: all},
		{options: []string{"--fsync=run", "--append-verify"}, torn: true, durable: true, count: all},
		{options: []string{"--fsync=run", "--append"}, torn: true, durable: true, count: rare},
		{options: []string{"--fsync=run", "-S"}, durable: true, count: rare},
	}
}

// powerCuts is row 5. All cases delete, too. GOSYNC_FAULT_POWER is the one case to take.
func powerCuts(t *testing.T, c *tally) {
	seed := peerSeeds(t, 1, 1)[0]
	for i, pc := range powerCases() {
		name := strings.Join(pc.options, " ")
		if only := os.Getenv("GOSYNC_FAULT_POWER"); only != "" && name != only || pc.count == 0 {
			continue
		}
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		b := newUpgrade(t, r, 120, 3)
		if strings.Contains(name, "--append") {
			b.shorten(t)
		}
		d := newLoopDisk(t, b.dir, 192<<20)
		b.dst = d.at + "/dst"
		b.measure(t, killKind{way: "push", options: pc.options})
		amid, zero := 0, 0
		for n := range pc.count {
			old, done, status := b.powerCut(t, d, pc, r)
			if old > 0 && done > 0 {
				amid++
			}
			if status == 0 {
				zero++
			}
			if t.Failed() {
				t.Fatalf("seed %d, power cut %d, %s", seed, n, name)
			}
			c.count(1)
		}
		d.unmount(t) // loop devices are few
		if longRun() {
			c.remark("%s: %d cuts, %d amid, %d after exit 0", name, pc.count, amid, zero)
			if b.lost > 0 {
				c.remark("%s: the disk lost the data of %d files and kept their size and time; -c found them", name, b.lost)
			}
		}
	}
}

// powerCut cuts the power once, at a random moment of a run or right behind its end.
func (b *killBench) powerCut(t *testing.T, d *loopDisk, pc powerCase, r *rand.Rand) (old, done, status int) {
	t.Helper()
	b.reset(t)
	d.settle(t)
	k := killKind{way: pickOne(r, faultWays()), options: pc.options}
	run := b.start(t, k, "--retries=0")
	if inHundred(r, 20) {
		<-run.ended
	} else {
		b.amid(t, run, r)
	}
	if inHundred(r, 50) {
		d.commit(t)
	}
	d.cut(t, func() { status = run.wait(t, time.Minute) })
	if !slices.Contains([]int{0, exitFile, exitPartial}, status) {
		t.Errorf("%s: exit %d\n%s", k, status, run.stderr)
	}
	may := allows(pc.options)
	may.torn = pc.torn || !pc.durable
	// ext4 as it is mounted today (dioread_nolock) may write a size, and a journal that
	// knows it, before the data. With --fsync=none nobody has asked it not to: what a
	// file's size and time say is as good as the disk then, and -c finds out.
	lost := 0
	if !pc.durable && !pc.torn {
		may.lost = &lost
	}
	old, done = b.mixture(t, may)
	if lost > 0 {
		b.lost += lost
		k.options = append(k.options[:len(k.options):len(k.options)], "-c")
	}
	if status == 0 && pc.durable {
		b.equal(t, "gosync ended with 0 before the power cut")
	}
	b.finish(t, k)
	return old, done, status
}

// equal wants dst to be like new.
func (b *killBench) equal(t *testing.T, when string) {
	t.Helper()
	if diff := lookAt(t, b.path("new"), 1<<40).differ("source", "dst", lookAt(t, b.path("dst"), 1<<40)); len(diff) > 0 {
		t.Errorf("%s: %d names differ: %s", when, len(diff), strings.Join(diff[:min(len(diff), 10)], "\n"))
	}
}

// shorten makes the old files beginnings of the new ones.
func (b *killBench) shorten(t *testing.T) {
	t.Helper()
	for name, was := range b.old {
		is, ok := b.new[name]
		if !ok || is == was {
			continue
		}
		b.old[name] = is[:len(is)/2]
		if err := os.WriteFile(b.path("old/"+name), []byte(b.old[name]), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := setTime(b.path("old/"+name), 1_500_000_000); err != nil {
			t.Fatal(err)
		}
	}
}

// frozenDisk freezes the destination's file system amid a run, and thaws it. What waits for a disk is at work: no
// timeout strikes, or it does so as it should.
func frozenDisk(t *testing.T, c *tally, pause time.Duration) {
	if os.Geteuid() != 0 {
		return
	}
	const freeze, thaw = 0xC0045877, 0xC0045878
	for _, way := range faultWays() {
		if !longRun() && way == "local" {
			continue
		}
		b := newUpgrade(t, rand.New(rand.NewPCG(55, 55)), 60, 3)
		d := newLoopDisk(t, b.dir, 128<<20)
		b.dst = d.at + "/dst"
		b.reset(t)
		k := killKind{way: way}
		run := b.start(t, k, "-W", "--bwlimit=20000", "--timeout=1")
		b.writing(t, run)
		d.ioctl(t, freeze, 0)
		time.Sleep(pause)
		d.ioctl(t, thaw, 0)
		status := run.wait(t, time.Minute)
		if status != 0 && status != 30 {
			t.Errorf("%s: exit %d\n%s", way, status, run.stderr)
		}
		b.mixture(t, allowance{})
		b.finish(t, k)
		c.count(1)
		c.remark("%s on a frozen disk: exit %d", way, status)
		d.unmount(t)
	}
}
