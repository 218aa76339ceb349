package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"
)

// Widener is a stream of a client that more streams to the same far side can be opened
// beside.
type Widener interface {
	// RTT is the least that an answer of the far side has taken so far; 0 where that is
	// not known. It may fall in the first three round trips.
	RTT() time.Duration

	// Widen opens n streams that join the connection of ticket at the server, and hands
	// over those that it could open. It does not wait for them. What it hands over after
	// the connection has ended is closed at once.
	Widen(n int, ticket []byte, join func(io.ReadWriteCloser))
}

// Joinable is a stream of a server that more streams can be opened beside.
type Joinable interface {
	// Offer begins to hand over streams that come with the ticket that it returns, of at
	// most 256 bytes, until stop is called, which waits for that.
	Offer(join func(io.ReadWriteCloser)) (ticket []byte, stop func(), err error)
}

// laneMagic is the first that a server says on a lane.
const laneMagic = "gosync\x00lane\r\n\x1a\xff1"

const (
	laneVersion  = 4                    // of the protocol, from which on there are lanes
	laneTime     = 10 * time.Second     // for a stream to join
	laneRTT      = 5 * time.Millisecond // below which one channel is enough
	laneDoubt    = time.Second          // at most, until the round trip is known well
	lanesAtFirst = 1
	lanesAtMost  = 8 // fill 1 Gbit/s over 100 ms
)

// spawn runs f in a goroutine that Close waits for, and reports whether it did: not
// where the connection has ended.
func (c *Conn) spawn(f func()) bool {
	c.ending.Lock()
	defer c.ending.Unlock()
	select {
	case <-c.dead:
		return false
	default:
		c.wg.Go(f)
		return true
	}
}

// startLanes begins to see whether lanes pay, where this end can open them.
func (c *Conn) startLanes() {
	w, ok := c.rw.(Widener)
	if !ok || c.lanes.version < laneVersion {
		return
	}
	if rtt := w.RTT(); rtt >= laneRTT {
		c.lanes.asked = true
		c.wg.Go(func() { c.widen(w, rtt) })
	}
}

// widen opens lanes: one at once, so that control does not wait behind bulk, and more
// when what one carries is near what its window lets through.
func (c *Conn) widen(w Widener, rtt time.Duration) {
	select {
	case <-time.After(min(3*rtt, laneDoubt)):
	case <-c.dead:
		return
	}
	if rtt = w.RTT(); rtt < laneRTT {
		return
	}
	c.press.long.Store(true)
	if c.Send(context.Background(), &Lanes{}) != nil {
		return // the connection has ended
	}
	var ticket []byte
	select {
	case ticket = <-c.lanes.ticket:
	case <-c.dead:
	}
	if len(ticket) == 0 {
		return
	}
	w.Widen(lanesAtFirst, ticket, c.joinAsClient)
	in, began := c.in.Load(), time.Now()
	full := func() bool {
		now, at := c.in.Load(), time.Now()
		came := float64(now-in) / at.Sub(began).Seconds()
		in, began = now, at
		return max(came, c.lanes.rate())*rtt.Seconds() > laneHolds*7/10
	}
	if c.every(rtt, full) {
		w.Widen(lanesAtMost-lanesAtFirst, ticket, c.joinAsClient)
	}
}

// every calls f each so often until it returns true; false says that the connection
// has ended before.
func (c *Conn) every(d time.Duration, f func() bool) bool {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if f() {
				return true
			}
		case <-c.dead:
			return false
		}
	}
}

// joinAsClient has a stream join whose far side has been told to.
func (c *Conn) joinAsClient(rw io.ReadWriteCloser) {
	c.joining(rw, func(in *input) error {
		magic := make([]byte, len(laneMagic))
		_, err := io.ReadFull(in.br, magic)
		if err == nil && string(magic) != laneMagic {
			err = fmt.Errorf("%w: no lane joins", ErrVersion)
		}
		return err
	})
}

// joinAsServer has a stream join that has come with a ticket.
func (c *Conn) joinAsServer(rw io.ReadWriteCloser) {
	c.joining(rw, func(*input) error {
		_, err := io.WriteString(rw, laneMagic)
		return err
	})
}

// joining makes a lane of a stream when it has greeted. It takes the stream over.
func (c *Conn) joining(rw io.ReadWriteCloser, greet func(*input) error) {
	in := newInput(c, rw, false)
	l := &lane{rw: rw, gone: make(chan struct{})}
	ok := c.spawn(func() {
		select {
		case <-l.gone:
		case <-c.dead:
		}
		_ = rw.Close() // nobody uses it any more
	})
	if !ok {
		_ = rw.Close() // it comes too late
		return
	}
	c.spawn(func() { // if it did not, the connection has ended
		late := time.AfterFunc(laneTime, func() { c.lose(l) })
		err := greet(in)
		if !late.Stop() || err != nil || !c.join(l) {
			c.lose(l)
			return
		}
		if !c.spawn(func() { c.carry(l) }) {
			return
		}
		c.readLane(l, in)
	})
}

// join counts a lane among those that carry bulk, and reports whether it is one.
func (c *Conn) join(l *lane) bool {
	ls := &c.lanes
	ls.telling.Lock() // the far side hears of striping before the first striped frame
	defer ls.telling.Unlock()
	if !ls.told && c.Send(context.Background(), &Striped{}) != nil {
		return false
	}
	ls.told = true
	ls.mu.Lock()
	defer ls.mu.Unlock()
	select {
	case <-l.gone:
		return false
	default:
	}
	if ls.joined++; ls.joined > MaxLanes {
		return false
	}
	ls.now = striped
	ls.pace.joined()
	ls.live = append(ls.live, l)
	ls.notify()
	return true
}

// lanesWanted answers a client that asks for a ticket. Next calls it.
func (c *Conn) lanesWanted() error {
	if c.lanes.offered {
		return protocolError("a ticket is asked for twice")
	}
	c.lanes.offered = true
	c.press.long.Store(true)
	c.spawn(func() {
		var m LaneTicket
		if j, ok := c.rw.(Joinable); ok {
			ticket, stop, err := j.Offer(c.joinAsServer)
			if err == nil { // else there is nothing to join
				m.Ticket = ticket
				c.lanes.open.Store(true)
				defer func() {
					<-c.dead
					stop()
				}()
			}
		}
		_ = c.Send(context.Background(), &m) // it fails where the connection has ended
	})
	return nil
}

// ticketCame takes the server's answer. Next calls it.
func (c *Conn) ticketCame(ticket []byte) error {
	select {
	case c.lanes.ticket <- bytes.Clone(ticket):
		c.lanes.open.Store(len(ticket) > 0)
	default:
		return protocolError("a ticket comes twice")
	}
	if !c.lanes.asked {
		return protocolError("a ticket comes that was not asked for")
	}
	return nil
}
