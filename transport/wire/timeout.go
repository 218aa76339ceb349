package wire

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Two timers watch a connection. The far side can change neither.
//
// The line is taken for dead when one Read or one Write of the stream takes longer
// than the timeout. A Read that nobody asks for does not count, so an end that is
// busy with its disk is not mistaken for a silent peer; and any byte that moves
// counts, so a slow line is not mistaken for a dead one.
//
// The run is taken for stalled when this end has waited for so long and nothing
// but pings has moved. Bytes count as they move, not when a frame is complete. An
// end that is at work for longer (see Work) says so in its pings, which restarts
// the timer; but for no longer than Config.Patience without anything useful, so
// that a peer cannot hold this end for ever.
//
// What goes by lanes (see lanes.go) has a timer of its own: the far side has to
// acknowledge some of it in time, or to say that it is at work.
//
// All times are distances from the connection's beginning on the monotonic clock:
// setting the machine's clock does not make a timeout.

const (
	minTick    = 10 * time.Millisecond
	maxTick    = 500 * time.Millisecond // how late a timeout is noticed
	timedPiece = 32 << 10               // bytes per Write where there is a timeout; what an SSH packet holds

	defaultPatience = time.Hour
)

// pingBusy is the payload of a ping of an end that is at work.
const pingBusy = 1

// now is the time since the connection was made, never 0.
func (c *Conn) now() int64 { return int64(time.Since(c.epoch)) + 1 }

// Work says that this end is at work on its own until done is called: it hashes,
// waits for its disk, or lists a tree. Nothing need move meanwhile. It may be
// called from any goroutine, and while others are at work, and costs next to
// nothing. done may be called from any goroutine; a second call does nothing.
func (c *Conn) Work() (done func()) {
	c.working.Add(1)
	var ended atomic.Bool
	return func() {
		if ended.CompareAndSwap(false, true) {
			c.progress() // first: the timer begins when the mark is gone
			c.working.Add(-1)
		}
	}
}

// progress notes that something useful has moved, or that nothing had to.
func (c *Conn) progress() {
	now := c.now()
	c.moved.Store(now)
	c.useful.Store(now)
}

// pinged handles the payload of a ping.
func (c *Conn) pinged(payload []byte) error {
	c.begun.Store(0)
	var m Ping
	if err := decodeInto(&m, payload); err != nil {
		return err
	}
	c.farBusy.Store(m.Busy)
	if !m.Busy {
		return nil
	}
	patience := c.cfg.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	now := c.now()
	if now-c.useful.Load() <= int64(patience) {
		c.moved.Store(now)
	}
	if now-c.lanes.heard.Load() <= int64(patience) {
		c.lanes.busy.Store(now)
	}
	return nil
}

type timedReader struct{ in *input }

// Read implements io.Reader. A read from a lane has no timer: where the line is dead
// that of the connection itself runs out.
func (r *timedReader) Read(p []byte) (int, error) {
	c := r.in.c
	if r.in.main {
		c.reading.Store(c.now())
	}
	n, err := r.in.r.Read(p)
	if r.in.main {
		c.reading.Store(0)
	}
	if r.in.counts {
		c.inbox.count(n)
	}
	if at := c.reading.Load(); n > 0 && !r.in.main && at != 0 {
		c.reading.CompareAndSwap(at, c.now()) // it shares the line with what has come
	}
	switch {
	case n > 0 && r.in.inside:
		c.progress()
	case n > 0:
		c.begun.Store(c.now())
	}
	return n, err
}

type timedWriter struct {
	c      *Conn
	useful bool // what is buffered holds more than pings
}

func (w *timedWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		piece := p
		if w.c.cfg.Timeout > 0 {
			piece = p[:min(len(p), timedPiece)]
		}
		var k int
		w.c.writing.Store(w.c.now())
		k, err = w.c.rw.Write(piece)
		w.c.writing.Store(0)
		w.c.out.Add(int64(k))
		if k > 0 && w.useful {
			w.c.progress()
		}
		p, n = p[k:], n+k
		if err == nil && k < len(piece) {
			err = io.ErrShortWrite
		}
	}
	return n, err
}

// watch ends the connection when a timer has run out, and pings so that the far
// side's timers see this end alive.
func (c *Conn) watch() {
	every := max(c.cfg.Timeout/4, minTick) // between pings
	tick := time.NewTicker(min(every, maxTick))
	defer tick.Stop()
	pinged := c.now()
	for {
		select {
		case <-c.dead:
			return
		case <-tick.C:
		}
		if err := c.expired(); err != nil {
			c.fail(err)
			return
		}
		if now := c.now(); now-pinged >= int64(every) {
			pinged = now
			c.ping()
		}
	}
}

// expired returns an error when a timer has run out.
func (c *Conn) expired() error {
	limit := c.cfg.Timeout
	now := c.now()
	if c.working.Load() > 0 {
		c.progress()
	}
	waiting, moved, reading := c.waiting.Load(), max(c.moved.Load(), c.begun.Load()), c.reading.Load()
	if waiting == 0 {
		reading = 0 // nobody asks for what is read ahead
	}
	switch {
	case stuck(c.writing.Load(), now, limit):
		return fmt.Errorf("%w: nothing could be sent for %v", ErrTimeout, limit)
	case reading != 0 && stuck(max(reading, waiting), now, limit):
		return fmt.Errorf("%w: nothing was received for %v", ErrTimeout, limit)
	case stuck(c.lanes.silent(), now, limit):
		return fmt.Errorf("%w: the far side has taken nothing for %v", ErrTimeout, limit)
	case waiting != 0 && stuck(max(waiting, moved), now, limit):
		return fmt.Errorf("%w: the far side answers and has done nothing for %v", ErrTimeout, limit)
	}
	return nil
}

func stuck(since, now int64, limit time.Duration) bool {
	return since != 0 && now-since > int64(limit)
}

// ping queues a Ping. Where the queue holds something, that is sign of life
// enough; on a slow line pings would pile up ahead of it.
func (c *Conn) ping() {
	if len(c.ctl) > 0 {
		return
	}
	m := Ping{Busy: c.working.Load() > 0}
	f := &Buffer{B: m.append(make([]byte, headerSize, headerSize+1)), typ: TypePing}
	f.seal(0)
	select {
	case c.room <- struct{}{}:
		c.putControl(f)
	default:
	}
}
