// Package longline is a long line in virtual time, for tests that run in a bubble of
// testing/synctest: streams that share a rate, a round trip apart, each with the window
// of an SSH channel, beside which more can be opened.
package longline

import (
	"cmp"
	"io"
	"slices"
	"sync"
	"time"
)

const (
	window = 2 << 20  // bytes under way on one channel of SSH
	packet = 32 << 10 // bytes of SSH that come at once
)

// Way is one direction of a line.
type Way struct {
	mu    sync.Mutex
	rate  float64 // bytes per second
	delay time.Duration
	free  time.Time // when what has been sent so far has left
	sent  int64     // bytes
}

// Sent returns how many bytes were sent.
func (l *Way) Sent() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// send returns when n bytes that are sent now arrive.
func (l *Way) send(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.sent += int64(n)
	l.free = l.free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	return l.free.Add(l.delay)
}

// channel is one direction of a channel on a line, with the window of an SSH channel.
type channel struct {
	l     *Way
	back  time.Duration // until the sender hears that bytes were taken
	piece int

	mu     sync.Mutex
	cond   *sync.Cond
	window int
	queue  []onWay
	closed bool
}

type onWay struct {
	b  []byte
	at time.Time
}

func newChannel(l *Way, piece int) *channel {
	c := &channel{l: l, back: l.delay, window: window, piece: cmp.Or(piece, packet)}
	c.cond = sync.NewCond(&c.mu)
	return c
}

func (c *channel) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		k := min(len(p)-n, c.piece)
		c.mu.Lock()
		for c.window < k && !c.closed {
			c.cond.Wait()
		}
		if c.closed {
			c.mu.Unlock()
			return n, io.ErrClosedPipe
		}
		c.window -= k
		c.queue = append(c.queue, onWay{slices.Clone(p[n : n+k]), c.l.send(k)})
		c.cond.Broadcast()
		c.mu.Unlock()
		n += k
	}
	return len(p), nil
}

func (c *channel) Read(p []byte) (int, error) {
	c.mu.Lock()
	for len(c.queue) == 0 && !c.closed {
		c.cond.Wait()
	}
	if c.closed {
		c.mu.Unlock()
		return 0, io.EOF
	}
	first := &c.queue[0]
	if wait := time.Until(first.at); wait > 0 {
		c.mu.Unlock()
		time.Sleep(wait)
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if c.closed {
		return 0, io.EOF
	}
	n := copy(p, first.b)
	if first.b = first.b[n:]; len(first.b) == 0 {
		c.queue = c.queue[1:]
	}
	time.AfterFunc(c.back, func() {
		c.mu.Lock()
		c.window += n
		c.mu.Unlock()
		c.cond.Broadcast()
	})
	return n, nil
}

func (c *channel) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cond.Broadcast()
	return nil
}

// Line is a pair of ways on which streams can be opened.
type Line struct {
	There, Back *Way
	Piece       int // bytes that come at once; 0 for those of a packet of SSH
	Lanes       int // streams that were opened beside the first
	join        func(io.ReadWriteCloser)
}

// Near is the client's end of a stream, beside which more can be opened.
type Near struct {
	*Line
	r, w *channel
}

// Far is the server's end.
type Far struct {
	io.ReadWriteCloser
	line *Line
}

// New returns a line that carries so many bytes per second both ways.
func New(rate float64, rtt time.Duration) *Line {
	return &Line{There: &Way{rate: rate, delay: rtt / 2}, Back: &Way{rate: rate, delay: rtt / 2}}
}

// Open opens a stream.
func (l *Line) Open() (*Near, *Far) {
	a, b := newChannel(l.There, l.Piece), newChannel(l.Back, l.Piece)
	return &Near{l, b, a}, &Far{&Near{l, a, b}, l}
}

// Read implements io.Reader.
func (s *Near) Read(p []byte) (int, error) { return s.r.Read(p) }

// Write implements io.Writer.
func (s *Near) Write(p []byte) (int, error) { return s.w.Write(p) }

// Close implements io.Closer.
func (s *Near) Close() error {
	_ = s.r.Close()
	return s.w.Close()
}

// RTT returns the line's round trip.
func (s *Near) RTT() time.Duration { return s.There.delay + s.Back.delay }

// Widen opens n streams more.
func (s *Near) Widen(n int, _ []byte, join func(io.ReadWriteCloser)) {
	for range n {
		s.Lanes++
		near, far := s.Open()
		time.AfterFunc(s.RTT(), func() { join(near) })
		time.AfterFunc(s.RTT()/2, func() { s.join(far) })
	}
}

// Offer has what Widen opens handed over.
func (s *Far) Offer(join func(io.ReadWriteCloser)) (ticket []byte, stop func(), err error) {
	s.line.join = join
	return []byte("ticket"), func() {}, nil
}
