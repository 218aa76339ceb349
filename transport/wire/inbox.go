package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// inbox puts striped frames in order. It is the receiving side of lanes.
type inbox struct {
	mu   sync.Mutex
	held map[uint64]Frame
	next uint64
	cost int64
	came int64   // bytes on lanes
	told LaneAck // what the far side has been told

	speaking chan struct{} // holds a token until what it is told is queued

	wake chan struct{} // something has come
	ack  chan struct{} // something was taken

	// Of the goroutine that calls Next.
	main chan mainFrame // what has come on lane 0, since frames may be striped; nil before
	seen uint64         // frames of lane 0 that were taken
}

type mainFrame struct {
	f   Frame
	err error
}

// When the far side hears of what has come: when it is so much, or a frame has been
// taken in, or so much later.
const (
	tellEach  = 64 << 10
	tellDelay = 5 * time.Millisecond
)

// mainAhead is how many frames of lane 0 are read ahead.
const mainAhead = 4

func (b *inbox) init() {
	b.held = map[uint64]Frame{}
	b.wake, b.ack, b.speaking = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
}

// stripe reads the stripe of a frame.
func (in *input) stripe() (s stripe, err error) {
	var b [stripeSize]byte
	if _, err := io.ReadFull(in.br, b[:]); err != nil {
		return s, fmt.Errorf("reading frame: %w", unexpectedEOF(err))
	}
	s = stripe{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
	if s.seq > maxStripe {
		return s, protocolError("a striped frame has the number %d", s.seq)
	}
	in.c.in.Add(stripeSize)
	return s, nil
}

// startInbox makes ready for striped frames: lane 0 is read beside them from now on.
// Next calls it.
func (c *Conn) startInbox() error {
	b := &c.inbox
	if b.main != nil || !c.lanes.open.Load() {
		return protocolError("striping begins twice, or without a ticket")
	}
	b.main = make(chan mainFrame, mainAhead)
	c.spawn(func() { c.readMain(b.main) })
	c.spawn(c.acknowledge)
	return nil
}

// readMain reads lane 0 until it or the connection ends.
func (c *Conn) readMain(to chan<- mainFrame) {
	for {
		f, err := c.main.frame()
		select {
		case to <- mainFrame{f, err}:
		case <-c.dead:
			return
		}
		if err != nil {
			return
		}
	}
}

// readLane reads a lane until it or the connection ends.
func (c *Conn) readLane(l *lane, in *input) {
	defer c.lose(l)
	c.inbox.count(in.br.Buffered())
	in.counts = true
	for {
		f, err := in.frame()
		if err == nil {
			err = c.inbox.put(f)
		}
		if errors.Is(err, ErrProtocol) {
			c.fail(err)
		}
		if err != nil {
			return
		}
	}
}

// count notes bytes that have come on a lane.
func (b *inbox) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.came += int64(n)
	signal(b.ack)
}

// put holds a striped frame until its turn. One that has come before is dropped.
func (b *inbox) put(f Frame) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, twice := b.held[f.stripe.seq]
	if twice || f.stripe.seq < b.next {
		f.Release()
		return nil
	}
	if b.cost += cost(len(f.payload)); b.cost > maxUnackedIn {
		return protocolError("striped frames of %d bytes are under way", b.cost)
	}
	b.held[f.stripe.seq] = f
	signal(b.wake)
	return nil
}

// take returns the next striped frame, if it is there and may come now.
func (b *inbox) take() (Frame, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.held[b.next]
	if !ok || f.stripe.after > b.seen {
		return f, false
	}
	delete(b.held, b.next)
	b.next++
	b.cost -= cost(len(f.payload))
	signal(b.ack)
	return f, true
}

// arrived returns the next frame in order.
func (c *Conn) arrived() (Frame, error) {
	b := &c.inbox
	if b.main == nil {
		f, err := c.main.frame()
		c.took(&f)
		return f, err
	}
	for {
		m, ok, err := c.nextMain()
		switch {
		case err != nil:
			return Frame{}, err
		case !ok:
			if f, ok := b.take(); ok {
				return f, nil
			}
			if m, err = c.awaitMain(); err != nil {
				return Frame{}, err
			}
			if m == nil {
				continue
			}
		}
		if !m.f.striped {
			c.took(&m.f)
			return m.f, nil
		}
		if err := b.put(m.f); err != nil {
			return Frame{}, err
		}
	}
}

// took notes a frame of lane 0 that is no striped one.
func (c *Conn) took(f *Frame) {
	if f.Type != TypeTaken { // it overtakes what is queued, and does not count
		c.inbox.seen++
	}
	if f.Type.bulk() {
		c.flow.count(len(f.payload))
	}
}

// nextMain returns what has come on lane 0, if anything has.
func (c *Conn) nextMain() (m *mainFrame, ok bool, err error) {
	select {
	case got := <-c.inbox.main:
		return &got, true, got.err
	default:
		return nil, false, nil
	}
}

// awaitMain waits for a frame on lane 0; nil is a striped one.
func (c *Conn) awaitMain() (*mainFrame, error) {
	select {
	case got := <-c.inbox.main:
		return &got, got.err
	case <-c.inbox.wake:
		return nil, nil
	case <-c.dead:
		return nil, c.cause
	}
}

// acknowledge tells the far side what has been taken in.
func (c *Conn) acknowledge() {
	b := &c.inbox
	for {
		select {
		case <-b.ack:
		case <-c.dead:
			return
		}
		if !c.gather() || c.tell(context.Background()) != nil {
			return // the connection has ended
		}
	}
}

// gather waits until there is something worth telling, for a moment, and reports whether
// the connection goes on. The far side may wait to hear of the last byte.
func (c *Conn) gather() bool {
	b := &c.inbox
	t := time.NewTimer(tellDelay)
	defer t.Stop()
	for !b.urgent() {
		select {
		case <-b.ack:
		case <-t.C:
			return true
		case <-c.dead:
			return false
		}
	}
	return true
}

func (b *inbox) urgent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next != b.told.Next || b.came-b.told.Arrived >= tellEach
}

// tell tells the far side what has been taken in, unless it knows. Whoever sends a
// control message does it first: what that says may be the last that is exchanged.
func (c *Conn) tell(ctx context.Context) error {
	b := &c.inbox
	select {
	case b.speaking <- struct{}{}:
	case <-c.dead:
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.speaking }()
	b.mu.Lock()
	m := LaneAck{Next: b.next, Arrived: b.came}
	known := m == b.told
	b.mu.Unlock()
	if known {
		return nil
	}
	f := &Buffer{B: m.append(make([]byte, headerSize, headerSize+20)), typ: TypeLaneAck}
	f.seal(0)
	if err := c.enqueueControl(ctx, f); err != nil {
		return err
	}
	b.mu.Lock()
	b.told = m
	b.mu.Unlock()
	return nil
}

// signal wakes who waits on a channel of one place.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
