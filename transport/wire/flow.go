package wire

import (
	"sync"
	"sync/atomic"
	"time"
)

// Near by, a destination takes content in more slowly than its source makes it, and what
// is between them collects in the SSH server (for a pull, in the client): up to the window
// of the channel, 2 MiB. OpenSSH holds that in one buffer, which it copies whenever it has
// to grow, by 32 KiB at a time, into memory that is fresh each time; that cost a quarter of
// the processor time of a copy of small files. So the far side says how much content it has
// taken (Taken), and no more is under way than nearWindow, or twice what it takes in the least
// time in which that has come back, whichever is greater: on a long line that soon is all that
// the channel can hold. It is for lane 0 alone; what goes by lanes is acknowledged otherwise
// (see lanes.go).

const (
	flowVersion = 5                     // of the protocol, from which on there is Taken
	nearWindow  = 512 << 10             // bytes of bulk frames under way near by: a packet of SSH is 32 KiB, a frame of ours up to 256
	takenEach   = 128 << 10             // bytes after which the far side is told
	takenTime   = 10 * time.Millisecond // that the far side's rate is measured over, at least
)

// flow is both sides of that.
type flow struct {
	wake chan struct{} // something was taken, here or there

	taken atomic.Int64 // here: payload bytes of bulk frames that Next has returned from lane 0
	told  int64        // ... that the far side has been told of; of the writer

	mu    sync.Mutex
	on    bool          // the far side says what it has taken; set before Start
	free  bool          // nobody hears of it any more
	sent  int64         // payload bytes of bulk frames on lane 0
	there int64         // of those, what the far side has taken
	probe int64         // when it has taken so much, the time since begun is one
	begun time.Time     // of the probe; zero for none
	least time.Duration // that it took; 0 if that is not known yet
	mark  time.Time     // from when on the rate is measured
	from  int64         // there at mark
	rate  float64       // the greatest, in bytes per second
}

// count notes a bulk frame that has arrived on lane 0.
func (w *flow) count(n int) {
	w.taken.Add(int64(n))
	if w.on {
		signal(w.wake)
	}
}

// news returns what the far side has to be told, nil if there is nothing. For the writer.
func (w *flow) news() *Buffer {
	taken := w.taken.Load()
	if !w.on || taken-w.told < takenEach {
		return nil
	}
	w.told = taken
	m := Taken{Bytes: taken}
	f := &Buffer{B: m.append(make([]byte, headerSize, headerSize+10)), typ: TypeTaken}
	f.seal(0)
	return f
}

// wrote notes a bulk frame that is about to be written on lane 0.
func (w *flow) wrote(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent += int64(n)
	if w.begun.IsZero() {
		w.probe, w.begun = w.sent, time.Now()
	}
}

// room reports whether another bulk frame may go by lane 0.
func (w *flow) room() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.on || w.free || w.sent-w.there < max(nearWindow, int64(2*w.rate*w.least.Seconds()))
}

// Unbound lets everything go that is to be written on lane 0, whatever the far side has taken
// of it. Who will not call Next again, where Taken is heard, has to call it. It may be called
// from any goroutine.
func (c *Conn) Unbound() {
	c.flow.mu.Lock()
	c.flow.free = true
	c.flow.mu.Unlock()
	signal(c.flow.wake)
}

// came handles what the far side has taken.
func (w *flow) came(taken int64, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if taken <= w.there || taken > w.sent {
		return protocolError("%d bytes of content are said to be taken, after %d of %d", taken, w.there, w.sent)
	}
	w.there = taken
	if !w.begun.IsZero() && taken >= w.probe {
		if took := now.Sub(w.begun); w.least == 0 || took < w.least {
			w.least = max(took, 1)
		}
		w.begun = time.Time{}
	}
	switch took := now.Sub(w.mark); {
	case w.mark.IsZero():
		w.mark, w.from = now, taken
	case took >= max(w.least, takenTime):
		w.rate = max(w.rate, float64(taken-w.from)/took.Seconds())
		w.mark, w.from = now, taken
	}
	signal(w.wake)
	return nil
}
