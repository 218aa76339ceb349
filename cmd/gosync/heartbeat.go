package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"gosync/transport"
	"gosync/transport/wire"
)

// A run for --direct on another machine may have nothing to print for hours, while
// it is fine; one that is stopped, or whose line is dead, is as silent. So it is told
// by --heartbeat to print signs of life, which are left out here. That its own
// connection moves is for its own timers. They are also how it learns that nobody
// listens any more: without a terminal no signal reaches it, but a write fails.

// heartbeat is a sign of life: no line that is meant to be read holds it.
const heartbeat = "\x00"

// heartbeatPrefix begins the option that asks for signs of life.
const heartbeatPrefix = "--heartbeat="

// longestBeat is how long a run may go on that nobody waits for.
const longestBeat = 15 * time.Second

// beats is how many signs of life are expected in the time that ends a run.
const beats = 4

// heartbeatFlag is the option that has the far side's run print signs of life. limit is
// how long that may be silent; 0 is any time.
func heartbeatFlag(limit time.Duration) string {
	every := longestBeat
	if limit > 0 {
		every = min(every, limit/beats)
	}
	return heartbeatPrefix + every.String()
}

// beat prints signs of life until stop is called.
func (c *console) beat(every time.Duration) (stop func()) {
	if every <= 0 {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			c.print(heartbeat)
			_ = c.flush() // the console tells of it itself
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

// withoutBeats removes signs of life from a piece of output.
func withoutBeats(text string) string { return strings.ReplaceAll(text, heartbeat, "") }

// A listener reads what a run on another machine prints and closes the stream when
// nothing came for too long.
type listener struct {
	transport.Stream
	limit time.Duration
	timer *time.Timer // nil: there is no limit
	late  atomic.Bool
}

// listen returns a listener that is to be closed. Where the command connects by
// itself the first byte may take as long as first says, 0 for any time.
func listen(s transport.Stream, limit, first time.Duration) *listener {
	l := &listener{Stream: s, limit: limit}
	if limit > 0 {
		l.timer = time.AfterFunc(max(limit, first), func() {
			l.late.Store(true)
			_ = s.Close() // what counts is that it was late
		})
		if first == 0 {
			l.timer.Stop()
		}
	}
	return l
}

// Read implements io.Reader.
func (l *listener) Read(p []byte) (int, error) {
	n, err := l.Stream.Read(p)
	if n > 0 && l.timer != nil {
		l.timer.Reset(l.limit)
	}
	return n, err
}

// Close implements io.Closer.
func (l *listener) Close() error {
	if l.timer != nil {
		l.timer.Stop()
	}
	return l.Stream.Close()
}

// err returns the error of a far side that was silent for too long, nil for no such.
func (l *listener) err() error {
	if !l.late.Load() {
		return nil
	}
	return fmt.Errorf("%w: the run there has given no sign of life for %v", wire.ErrTimeout, l.limit)
}
