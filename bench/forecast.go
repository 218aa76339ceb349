package bench

import (
	"fmt"
	"time"
)

// What a run is thought to cost. The figures are rough, of a machine with two cores: they are for a word before the
// start, and the first round tells better.
const (
	guessStart = 450 * time.Millisecond // a tool's start and end, putting the destination in order, comparing
	guessTrips = 8                      // round trips of a run
	guessRate  = 80e6                   // bytes per second without a line that is slower
	guessPlain = 250e6                  // ... of copying and hashing around it
	guessPlace = 150 * time.Microsecond // to make a small file
	guessDelta = 0.05                   // part of a file that a delta sends
)

// hopeless is from how many times the limit on, by the guess, a run is not begun: a copy of many small files over a long line
// by a tool that waits for each would take most of the budget, only to be stopped.
const hopeless = 2

// guess is how long a run of a pair will take, with all around it; no longer than the limit, and nothing where it is hopeless.
func (b *run) guess(p *pair) time.Duration {
	if b.hopeless(p) {
		return 0
	}
	return min(b.guessAlone(p), b.c.Limit) + guessStart
}

// hopeless reports whether a pair is not to be run.
func (b *run) hopeless(p *pair) bool { return b.guessAlone(p) > hopeless*b.c.Limit }

// guessAlone is how long a run would take without a limit.
func (b *run) guessAlone(p *pair) time.Duration {
	set, t := p.set, p.tool
	bytes, files := float64(set.Bytes), float64(set.Files)
	trips := guessTrips + float64(t.trips)*files
	switch {
	case set.state == itself && t.skips, set.Name == caseRenamed && t.renames:
		bytes, files, trips = 0, files/10, guessTrips
	case set.state == basis && set.Files == 1 && t.delta:
		bytes = guessDelta*bytes + float64(set.Change)
	case set.state == interrupted: // half was copied before; some copy all again
		if t.resumes {
			bytes /= 2
		}
		bytes += float64(set.Bytes) / 2
	}
	rate := float64(guessRate)
	if r := b.c.Shape.Rate; r > 0 {
		rate = min(rate, r)
	}
	rtt := b.c.Shape.RTT
	if b.c.Host != "" {
		rtt = time.Duration(b.report.Line.RTT * float64(time.Millisecond))
	}
	return seconds(bytes/rate+float64(set.Bytes)/guessPlain) + time.Duration(files)*guessPlace + time.Duration(trips*float64(rtt))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// forecast says how long all will take.
func (b *run) forecast() string {
	var round, once time.Duration
	for _, p := range b.pairs {
		d := b.guess(p)
		if d >= b.c.Limit+guessStart { // it will be stopped in the first round
			once += d
			continue
		}
		round += d
	}
	total := once + time.Duration(b.c.Rounds)*round
	text := fmt.Sprintf("about %v", roughly(total))
	if total > b.c.Budget {
		text += fmt.Sprintf(", of which the budget allows %v (--budget)", b.c.Budget)
	}
	return text
}

// roughly rounds a time that is only a guess.
func roughly(d time.Duration) time.Duration {
	if d < time.Minute {
		return max(d.Round(5*time.Second), 5*time.Second)
	}
	return d.Round(30 * time.Second)
}
