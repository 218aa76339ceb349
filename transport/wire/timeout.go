package wire

import (
	"fmt"
	"io"
	"time"
)

// A connection is taken for dead when one Read or one Write of the stream takes
// longer than the timeout. A Read that nobody asks for does not count, so an end
// that is busy with its disk is not mistaken for a silent peer; and any byte
// that moves counts, so a slow line is not mistaken for a dead one.

const (
	minTick    = 10 * time.Millisecond
	maxTick    = 500 * time.Millisecond // how late a timeout is noticed
	timedPiece = 32 << 10               // bytes per Write where there is a timeout; what an SSH packet holds
)

// now is the time since the connection was made, never 0.
func (c *Conn) now() int64 { return int64(time.Since(c.epoch)) + 1 }

type timedReader struct{ c *Conn }

func (r *timedReader) Read(p []byte) (int, error) {
	r.c.reading.Store(r.c.now())
	n, err := r.c.rw.Read(p)
	r.c.reading.Store(0)
	return n, err
}

type timedWriter struct{ c *Conn }

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
		p, n = p[k:], n+k
		if err == nil && k < len(piece) {
			err = io.ErrShortWrite
		}
	}
	return n, err
}

// watch ends the connection when a read or a write is stuck, and pings so that
// the far side's timer sees this end alive.
func (c *Conn) watch() {
	limit := c.cfg.Timeout
	every := max(limit/4, minTick) // between pings
	tick := time.NewTicker(min(every, maxTick))
	defer tick.Stop()
	pinged := c.now()
	for {
		select {
		case <-c.dead:
			return
		case <-tick.C:
		}
		now := c.now()
		if stuck(c.writing.Load(), now, limit) {
			c.fail(fmt.Errorf("%w: nothing could be sent for %v", ErrTimeout, limit))
			return
		}
		if stuck(c.reading.Load(), now, limit) {
			c.fail(fmt.Errorf("%w: nothing was received for %v", ErrTimeout, limit))
			return
		}
		if now-pinged >= int64(every) {
			pinged = now
			c.ping()
		}
	}
}

func stuck(since, now int64, limit time.Duration) bool {
	return since != 0 && now-since > int64(limit)
}

// ping queues a Ping. Where the queue is full, what stands in it is sign of
// life enough.
func (c *Conn) ping() {
	f := &Buffer{B: make([]byte, headerSize), typ: TypePing}
	f.seal(0)
	select {
	case c.ctl <- f:
	default:
	}
}
