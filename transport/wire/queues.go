package wire

import (
	"context"
	"sync"
)

// Queue lengths: enough bulk frames to keep the line busy while the next are
// made, few enough that they hold little memory and that control is not late.
const (
	ctlQueue  = 256
	bulkQueue = 6
)

// queues hold the frames that wait to be written. Control goes before bulk.
//
// The stream of the connection itself is lane 0. Where bulk goes by other lanes, it
// still may not overtake the control messages that were queued before it: each bulk
// frame is told how many frames lane 0 carries before it. order makes taking a bulk
// frame and counting one step.
type queues struct {
	ctl   chan *Buffer
	room  chan struct{} // holds a token for each frame in ctl
	bulk  chan *Buffer
	ready chan struct{} // holds a token for each frame in bulk: who has taken one may take a frame

	order sync.Mutex
	ahead uint64 // frames that lane 0 has carried, Taken aside, or will before anything that is queued later
}

func newQueues() queues {
	return queues{
		ctl: make(chan *Buffer, ctlQueue), room: make(chan struct{}, ctlQueue),
		bulk: make(chan *Buffer, bulkQueue), ready: make(chan struct{}, bulkQueue),
	}
}

// greeted counts messages that were sent ahead of Start.
func (q *queues) greeted(n int) {
	q.order.Lock()
	defer q.order.Unlock()
	q.ahead += uint64(n)
}

// putControl queues a control frame, for which there is room.
func (q *queues) putControl(f *Buffer) {
	q.order.Lock()
	defer q.order.Unlock()
	if f.mark == nil {
		q.ahead++
	}
	q.ctl <- f
}

// sendControl queues a sealed control frame and takes it over.
func (c *Conn) sendControl(ctx context.Context, f *Buffer) error {
	err := c.tell(ctx)
	if err == nil {
		err = c.enqueueControl(ctx, f)
	}
	if err != nil {
		c.Discard(f)
	}
	return err
}

// enqueueControl queues a control frame, unless the connection or ctx ends first.
func (c *Conn) enqueueControl(ctx context.Context, f *Buffer) error {
	select {
	case <-c.dead: // first: a queue may have room although nobody empties it
		return c.cause
	default:
	}
	select {
	case c.room <- struct{}{}:
		c.putControl(f)
		return nil
	case <-c.dead:
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enqueueBulk queues a bulk frame, unless the connection or ctx ends first.
func (c *Conn) enqueueBulk(ctx context.Context, f *Buffer) error {
	select {
	case <-c.dead:
		return c.cause
	default:
	}
	select {
	case c.bulk <- f:
		c.ready <- struct{}{}
		return nil
	case <-c.dead:
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}

// picked is what is to be written next: a frame, or one with its stripe.
type picked struct {
	f *Buffer
	s *stripedFrame
}

func (p picked) none() bool { return p.f == nil && p.s == nil }

// queued returns what lane 0 carries next, nothing if there is none that may go, or the
// connection is dead.
func (c *Conn) queued() (p picked) {
	select {
	case <-c.dead:
		return p
	default:
	}
	if f := c.flow.news(); f != nil {
		return picked{f: f}
	}
	select {
	case f := <-c.ctl:
		<-c.room
		return picked{f: f}
	default:
	}
	switch c.lanes.mode() {
	case unstriped:
		if !c.flow.room() {
			break
		}
		select {
		case <-c.ready:
			p.f = c.takeBulk()
		default:
		}
	case alone:
		p.s = c.nextStriped(nil, false)
	}
	return p
}

// awaitQueued waits for what lane 0 carries next; nothing says that the connection is
// dead.
func (c *Conn) awaitQueued() (p picked) {
	for {
		changed := c.lanes.changed()
		if p = c.queued(); !p.none() {
			return p
		}
		var ready <-chan struct{}
		if c.lanes.mode() == unstriped && c.flow.room() || c.lanes.lonely() {
			ready = c.ready
		}
		select {
		case f := <-c.ctl:
			<-c.room
			return picked{f: f}
		case <-ready:
			c.ready <- struct{}{} // taken in its turn: control goes first
		case <-changed:
		case <-c.flow.wake:
		case <-c.dead:
			return picked{}
		}
	}
}

// takeBulk takes the next bulk frame for lane 0, whose token the caller has; nil if a
// lane has joined meanwhile.
func (c *Conn) takeBulk() *Buffer {
	c.order.Lock()
	defer c.order.Unlock()
	if c.lanes.mode() != unstriped {
		c.ready <- struct{}{}
		return nil
	}
	f := <-c.bulk
	if f.mark == nil {
		c.ahead++
		c.flow.wrote(len(f.B) - headerSize)
	}
	return f
}
