package engine

import (
	"context"
	"fmt"
	"time"

	"gosync/walker/manifest"
)

// A quick check takes two files for equal when their sizes and times are. That
// is right only if every change shows in the time, and a file system's clock
// moves in ticks: what is written twice within one tick has one time. So content
// is not read before the tick of the file's time is over (awaitTick), and what
// is so young all the same when a run begins, because something else has put
// it at the destination, is compared by content (isRacy).

// tickSlack is the longest tick of clocks that tell nanoseconds: many advance
// with the kernel's timer only.
const tickSlack = 10 * time.Millisecond

// racyHorizon is how far ahead of the beginning of a run a time may lie and be
// that of a file written during the run. Later ones were set by somebody.
const racyHorizon = 24 * time.Hour

// tick returns how long the time of a file may stay the same while it is
// written. One without nanoseconds may come from a clock of whole seconds,
// or where it is even from one of two seconds.
func tick(e *manifest.Entry) time.Duration {
	switch {
	case e.Nsec != 0:
		return tickSlack
	case e.Sec%2 != 0:
		return time.Second + tickSlack
	}
	return 2*time.Second + tickSlack
}

// isRacy reports whether a file may have changed since it got its time, without
// a trace: start is the clock that gave the time, when the run began to list.
func isRacy(e *manifest.Entry, start time.Time) bool {
	if !e.IsRegular() || e.Sec < start.Unix()-3 || e.Sec > start.Add(racyHorizon).Unix() {
		return false
	}
	return !time.Unix(e.Sec, int64(e.Nsec)).Before(start.Add(-tick(e)))
}

// isRacy: see the function of that name. The source's clock counts.
func (d *dest) isRacy(e *manifest.Entry) bool { return isRacy(e, d.listStart()) }

// listStart is the source's clock when it began to list.
func (d *dest) listStart() time.Time {
	return time.Unix(d.rootMsg.Sec, int64(d.rootMsg.Nsec))
}

// markRacy marks the directories of the destination's own walk that hold racy
// files: that their digests are equal to the source's tells nothing.
func (d *dest) markRacy(own *ownTree) {
	if d.job.SizeOnly {
		return
	}
	start := d.listStart()
	for i, w := range own.dirs {
		for j := range w.Entries {
			own.unsure[i] = own.unsure[i] || isRacy(&w.Entries[j], start)
		}
	}
}

// awaitTick waits until whatever is written to the file of an entry gets a later
// time than the entry's: what is read then is what that time stands for. It
// waits for two seconds at the most, and only for files that were written just
// before they were listed.
func (s *source) awaitTick(ctx context.Context, e *manifest.Entry) error {
	now := s.clock.Add(time.Since(s.start))
	if e.Sec < now.Unix()-3 || e.Sec > now.Unix() {
		return nil
	}
	wait := time.Unix(e.Sec, int64(e.Nsec)).Add(tick(e)).Sub(now)
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(min(wait, tick(e)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// maxSkew is how far the clocks of two machines may be apart before users who
// compare times hear of it. It has to cover what the greeting takes.
const maxSkew = 2 * time.Second

// tellSkew warns where newer files are kept (-u) and the clocks of the two
// machines disagree: nothing else depends on them. far is in seconds since 1970.
func tellSkew(r *reporter, job *Job, here time.Time, far int64) {
	skew := time.Unix(far, int64(time.Second/2)).Sub(here) // half of what was cut off
	if !job.Update || skew.Abs() <= maxSkew+time.Second/2 {
		return
	}
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	r.post(NoteEvent{Text: fmt.Sprintf("the far side's clock is %v %s this one's: --update may keep the wrong files", skew.Abs().Round(time.Second), way)})
}
