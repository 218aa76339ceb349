package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

// A fault is a row of the table of faults: what goes wrong, and the test of what
// holds nevertheless. The numbers are those of the requirements; what is missing
// between them is not about a run of gosync, or not built yet.
type fault struct {
	row  int
	what string
	root bool // it mounts, changes who it is, or makes devices
	run  func(t *testing.T, c *tally)
}

// faultRows is the table. A row holds in all cases, if nothing else is said:
//   - each file of the destination is wholly old or wholly new;
//   - nothing beside the destination has changed;
//   - the exit status is the one that belongs to the fault, and one line says why;
//   - the same command without the fault ends with 0, and the trees are equal;
//   - then nothing of gosync's is left in the destination;
//   - no run hangs, and none panics.
func faultRows() []fault {
	return []fault{
		{1, "SIGKILL of the receiver", false, killReceiver},
		{2, "SIGKILL of the sender, or of both ends", false, killSender},
		{4, "SIGINT, SIGTERM, SIGHUP, SIGINT twice", false, interrupted},
		{5, "power cut", true, powerCuts},
		{6, "connection reset", false, connectionReset},
		{7, "connection closed within a frame", false, connectionClosed},
		{8, "silence on the line, an end that is stopped", false, silence},
		{10, "bits that flip on the line", false, flippedBits},
		{11, "damage inside of gosync's frames", false, damagedFrames},
		{12, "a far side that is no gosync", false, noGosync},
		{13, "a peer of another version", false, otherVersions},
		{14, "no space left for data", true, fullDestination},
		{15, "no space left for names and checkpoints", true, noRoomForNames},
		{17, "a source that cannot be read", true, unreadableSource},
		{19, "quota, and limits on the size of files", true, quota},
		{21, "system calls that are interrupted", false, interruptedCalls},
		{22, "no descriptors left, no memory in the kernel", false, noDescriptors},
		{23, "the far side killed for its memory", true, outOfMemory},
		{24, "a destination that may not be written", true, forbiddenDestination},
		{26, "source files that change while they are read", false, changingSource},
		{27, "source files that vanish", false, vanishedSource},
		{29, "destination directories that become symlinks", false, flippedDestination},
		{30, "source directories that become symlinks", false, flippedSource},
		{31, "destination files that others change", false, changedDestination},
		{32, "names of all kinds", false, hostileNames},
		{35, "hard links", false, hardLinks},
		{36, "many entries", false, manyEntries},
		{38, "setuid, setgid, sticky, owners and umask", true, modesAndOwners},
		{39, "FIFOs, sockets and devices", true, specialFiles},
		{42, "sshd that stops, restarts, or has no room", false, sshdTrouble},
		{43, "host keys that are not the ones", false, hostKeys},
		{44, "keys, agents and passphrases that do not do", false, logins},
		{45, "a far gosync that cannot be run", false, farPrograms},
		{46, "a far side that has SFTP or SCP only, or nothing", false, farOffers},
		{47, "SFTP servers that lie", false, evilSFTP},
		{48, "SCP servers that lie", false, evilSCP},
		{50, "an empty or unmounted source with --delete", true, emptySource},
		{51, "clocks that jump", false, jumpingClocks},
		{54, "damaged checkpoints", false, damagedCheckpoints},
		{55, "file systems and processes that freeze and thaw", true, frozen},
	}
}

// A tally is what a row counts, for its line of the report.
type tally struct {
	mu       sync.Mutex
	n        int
	again    int64 // bytes that were sent again, over all cases that measure it
	worst    int64
	measured int
	remarks  []string
	verdict  string
}

// count notes n cases.
func (c *tally) count(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += n
}

// sentAgain notes how many bytes that had arrived were sent once more.
func (c *tally) sentAgain(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.measured++
	c.again += bytes
	c.worst = max(c.worst, bytes)
}

// remark adds to the end of the row's line.
func (c *tally) remark(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remarks = append(c.remarks, fmt.Sprintf(format, args...))
}

// line is the row's line of the report.
func (c *tally) line(f fault) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	again := ""
	if c.measured > 0 {
		again = fmt.Sprintf("sent again: %s bytes in %d runs, at most %s; ", numbers(1).count(c.again), c.measured, numbers(1).count(c.worst))
	}
	return strings.TrimRight(fmt.Sprintf("%2d  %-48s %-7s %5d cases  %s%s", f.row, f.what, c.verdict, c.n, again, strings.Join(c.remarks, "; ")), "; ")
}

// TestFaults is the table of faults, a line for each row. Without GOSYNC_LONG it takes a
// sample of the cases.
func TestFaults(t *testing.T) {
	t.Parallel()
	rows := faultRows()
	tallies := make([]*tally, len(rows))
	t.Cleanup(func() { reportFaults(t.Output(), tallies) })
	for i, f := range rows {
		t.Run(fmt.Sprintf("%02d %s", f.row, f.what), func(t *testing.T) {
			t.Parallel()
			c := &tally{}
			tallies[i] = c
			t.Cleanup(func() {
				switch {
				case t.Failed():
					c.verdict = "FAILED"
				case t.Skipped():
					c.verdict = "skipped"
				default:
					c.verdict = "holds"
				}
				fmt.Fprintln(t.Output(), c.line(f))
			})
			if f.root {
				needRoot(t)
			}
			f.run(t, c)
		})
	}
}

// reportFaults writes the last line. Rows that the command line left out do not count.
func reportFaults(w io.Writer, tallies []*tally) {
	all, held, skipped := 0, 0, 0
	for _, c := range tallies {
		if c == nil {
			continue
		}
		all++
		switch c.verdict {
		case "holds":
			held++
		case "skipped":
			skipped++
		}
	}
	text := ""
	if skipped > 0 {
		text = fmt.Sprintf(", %d skipped", skipped)
	}
	fmt.Fprintf(w, "faults: %d of %d%s\n", held, all, text)
}

// cases is many, for what can be done with fewer in a run of all tests (-short).
func cases(few, all int) int {
	if testing.Short() && !longRun() {
		return (few + 1) / 2
	}
	return many(few, all)
}

// many is how many cases of a kind there are to be: few, or with GOSYNC_LONG all.
func many(few, all int) int {
	if longRun() {
		return all
	}
	return few
}
