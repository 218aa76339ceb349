package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Lanes are further streams of a connection, for bulk alone. One channel of SSH has at
// most 2 MiB under way, which does not fill a long line; and what is under way there
// delays control messages behind it.
//
// A bulk frame that goes by a lane is striped: it has a number, so that the far side
// puts frames of all lanes in order, and says how many frames of the connection's own
// stream, lane 0, come before it. The far side acknowledges what it has taken in. What
// it has not is kept, and goes by another lane when one is lost; by lane 0 when none is
// left. What is kept bounds what the far side has to hold, and what is under way: see
// pace.go.
//
// Nothing above this package knows how many lanes there are.

// stripe stands in front of the payload of a striped frame: two numbers of 8 bytes, big
// endian.
type stripe struct {
	seq   uint64 // the number of the frame, from 0
	after uint64 // so many frames of lane 0 come before it
}

// MaxLanes is how many streams join a connection at the most, in all.
const MaxLanes = 16

const (
	stripeSize = 16
	maxStripe  = math.MaxInt64

	maxUnacked   = 32 << 20 // cost of frames that are not acknowledged
	maxUnackedIn = maxUnacked + 2*(MaxFrame+frameCost)
	maxKept      = 160      // frames that are not acknowledged: they keep whole buffers
	laneSmall    = 64 << 10 // payloads up to here are read into memory of their own
	frameCost    = 512      // of a frame beside its payload
)

// cost is what a frame with a payload of n bytes takes of the memory of the receiver.
func cost(n int) int64 {
	if n > laneSmall {
		n = max(n, bufferSize)
	}
	return int64(n) + frameCost
}

// laneMode says where bulk frames go.
type laneMode int

const (
	unstriped laneMode = iota // by lane 0, as no lane has joined yet
	striped                   // by lanes
	alone                     // by lane 0, striped, as all lanes were lost
)

// lanes is the sending side.
type lanes struct {
	mu      sync.Mutex
	now     laneMode
	change  chan struct{} // closed and made anew when what somebody waits for may be there
	live    []*lane
	joined  int // lanes ever
	next    uint64
	acked   uint64          // frames below it are acknowledged
	sent    []*stripedFrame // from acked on
	again   []*stripedFrame // in sent too, of lanes that were lost, in order
	unacked int64           // cost of sent
	marks   []stripeMark
	pace    pace

	version int          // of the protocol; set before Start
	telling sync.Mutex   // held while the far side is told that striping begins
	told    bool         // it has been
	asked   bool         // this end has asked for a ticket; set before Start returns
	offered bool         // ... has been asked for one; of the goroutine that calls Next
	open    atomic.Bool  // there is a ticket
	heard   atomic.Int64 // when something was acknowledged last, or had not to be
	busy    atomic.Int64 // when the far side has said last that it is at work, while nothing was
	ticket  chan []byte
}

type stripeMark struct {
	next uint64
	done chan struct{}
}

// stripedFrame is a bulk frame that is kept until it is acknowledged.
type stripedFrame struct {
	stripe
	f       *Buffer
	lane    *lane // that carries it; nil for lane 0
	cost    int64
	waits   bool // in again
	writers int  // lanes that write it just now
	done    bool // acknowledged: the last writer frees it
}

// lane is one further stream.
type lane struct {
	rw   io.ReadWriteCloser
	gone chan struct{} // closed when it is lost
}

func (ls *lanes) init() {
	ls.change = make(chan struct{})
	ls.ticket = make(chan []byte, 1)
}

func (ls *lanes) mode() laneMode {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.now
}

// lonely reports whether lane 0 has to carry bulk as no other is left, and may.
func (ls *lanes) lonely() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.now == alone && ls.credit()
}

// credit reports whether another frame may be sent. The caller holds mu.
func (ls *lanes) credit() bool {
	return ls.unacked < maxUnacked && len(ls.sent) < maxKept
}

func (ls *lanes) mayTake() bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.credit()
}

// rate returns what lanes carry of what this end sends, in bytes per second.
func (ls *lanes) rate() float64 {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.pace.rate()
}

// Line returns the round trip of the line and the bytes per second that it has carried of
// what this end sends; zeros where it is short, or has not carried enough to know. It may
// carry more, if there was not more to send.
func (c *Conn) Line() (rtt time.Duration, rate float64) {
	c.lanes.mu.Lock()
	defer c.lanes.mu.Unlock()
	return c.lanes.pace.least, c.lanes.pace.rate()
}

// changed is closed at the next change.
func (ls *lanes) changed() <-chan struct{} {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.change
}

// notify wakes who waits for a change. The caller holds mu.
func (ls *lanes) notify() {
	close(ls.change)
	ls.change = make(chan struct{})
}

// write writes a frame with its stripe.
func (s *stripedFrame) write(w *bufio.Writer) error {
	var h [headerSize + stripeSize]byte
	copy(h[:], s.f.B[:headerSize])
	h[5] |= flagStripe
	binary.BigEndian.PutUint64(h[headerSize:], s.seq)
	binary.BigEndian.PutUint64(h[headerSize+8:], s.after)
	if _, err := w.Write(h[:]); err != nil {
		return err
	}
	_, err := w.Write(s.f.B[headerSize:])
	return err
}

// stripe gives a bulk frame its number; a mark of Drain gets none, and nil is returned.
// The caller holds order.
func (c *Conn) stripe(f *Buffer, l *lane) *stripedFrame {
	ls := &c.lanes
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if f.mark != nil {
		if ls.acked == ls.next {
			close(f.mark)
		} else {
			ls.marks = append(ls.marks, stripeMark{ls.next, f.mark})
		}
		return nil
	}
	s := &stripedFrame{stripe: stripe{ls.next, c.ahead}, f: f, lane: l, cost: cost(len(f.B) - headerSize), writers: 1}
	if ls.next++; len(ls.sent) == 0 {
		ls.heard.Store(c.now())
	}
	ls.sent = append(ls.sent, s)
	ls.unacked += s.cost
	return s
}

// nextStriped returns the next frame for a lane, lane 0 with nil; nil where there is
// none, or, if it waits, where the lane or the connection has ended.
func (c *Conn) nextStriped(l *lane, wait bool) *stripedFrame {
	for {
		s, credit, change := c.lanes.resend(l)
		if s != nil {
			return s
		}
		var ready <-chan struct{}
		if credit {
			ready = c.ready
		}
		if wait {
			select {
			case <-ready:
			case <-change:
				continue
			case <-l.gone:
				return nil
			case <-c.dead:
				return nil
			}
		} else {
			select {
			case <-ready:
			default:
				return nil
			}
		}
		if s = c.takeStriped(l); s != nil {
			return s
		}
	}
}

// takeStriped takes the next bulk frame, whose token the caller has; nil where that is a
// mark, or where another lane has used up what may be sent.
func (c *Conn) takeStriped(l *lane) *stripedFrame {
	c.order.Lock()
	defer c.order.Unlock()
	if !c.lanes.mayTake() {
		c.ready <- struct{}{}
		return nil
	}
	return c.stripe(<-c.bulk, l)
}

// resend returns a frame of a lane that was lost, if there is one, else whether a new
// one may be sent, and what to wait for.
func (ls *lanes) resend(l *lane) (s *stripedFrame, credit bool, change <-chan struct{}) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for len(ls.again) > 0 {
		s, ls.again = ls.again[0], ls.again[1:]
		if s.seq >= ls.acked {
			s.lane, s.waits = l, false
			s.writers++
			return s, true, nil
		}
	}
	return nil, ls.credit(), ls.change
}

// written notes that a lane has written a frame, or could not.
func (c *Conn) written(s *stripedFrame) {
	c.lanes.mu.Lock()
	defer c.lanes.mu.Unlock()
	s.writers--
	c.release(s)
}

// release frees a frame that nobody needs any more. The caller holds mu.
func (c *Conn) release(s *stripedFrame) {
	if s.done && s.writers == 0 {
		c.Discard(s.f)
	}
}

// acknowledged handles what the far side says of striped frames.
func (c *Conn) acknowledged(next uint64, arrived int64) error {
	ls := &c.lanes
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if next < ls.acked || next > ls.next {
		return protocolError("frames up to %d are acknowledged, %d were sent", next, ls.next)
	}
	if arrived < ls.pace.arrived || arrived > ls.pace.written || next == ls.acked && arrived == ls.pace.arrived {
		return protocolError("%d bytes are said to have arrived on lanes, %d were sent", arrived, ls.pace.written)
	}
	ls.heard.Store(c.now())
	for ; ls.acked < next; ls.acked++ {
		s := ls.sent[0]
		ls.sent[0], ls.sent = nil, ls.sent[1:]
		ls.unacked -= s.cost
		s.done = true
		c.release(s)
	}
	ls.pace.came(arrived, time.Now())
	for len(ls.marks) > 0 && ls.marks[0].next <= ls.acked {
		close(ls.marks[0].done)
		ls.marks = ls.marks[1:]
	}
	ls.notify()
	return nil
}

// lose ends a lane. What it has not brought across goes by others. Who may still have
// taken frames for it calls it again.
func (c *Conn) lose(l *lane) {
	ls := &c.lanes
	ls.mu.Lock()
	defer ls.mu.Unlock()
	select {
	case <-l.gone: // what it has taken meanwhile counts all the same
	default:
		close(l.gone)
	}
	if i := slices.Index(ls.live, l); i >= 0 {
		ls.live = slices.Delete(ls.live, i, i+1)
		ls.pace.lose()
	}
	ls.again = nil
	for _, s := range ls.sent { // in order, those that wait already among them
		if s.waits = s.waits || s.lane == l; s.waits {
			ls.again = append(ls.again, s)
		}
	}
	if len(ls.live) == 0 && ls.now == striped {
		ls.now = alone
	}
	ls.notify()
}

// carry is the life of a lane that has joined: it writes until the lane or the
// connection ends.
func (c *Conn) carry(l *lane) {
	defer c.lose(l)
	out := &laneWriter{c, l}
	w := bufio.NewWriterSize(out, 64<<10)
	for {
		s := c.nextStriped(l, false)
		if s == nil {
			if w.Flush() != nil {
				return
			}
			c.lanes.idle()
			if s = c.nextStriped(l, true); s == nil {
				return
			}
		}
		err := s.write(w)
		c.written(s)
		if err != nil {
			return
		}
	}
}

// laneWriter writes on a lane as pace demands.
type laneWriter struct {
	c *Conn
	l *lane
}

// Write implements io.Writer.
func (w *laneWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var k int
		if k, err = w.c.pass(w.l, len(p)); err != nil {
			break
		}
		k, err = w.l.rw.Write(p[:k])
		w.c.out.Add(int64(k))
		if k > 0 {
			w.c.progress()
		} else if err == nil {
			err = io.ErrShortWrite
		}
		p, n = p[k:], n+k
	}
	return n, err
}

// pass waits until some of n bytes may go on a lane, and returns how many.
func (c *Conn) pass(l *lane, n int) (int, error) {
	ls := &c.lanes
	for {
		ls.mu.Lock()
		select {
		case <-l.gone: // what is counted from now on would never arrive
			ls.mu.Unlock()
			return 0, errLaneLost
		default:
		}
		n = min(n, ls.pace.piece())
		room, change := ls.pace.room(n, len(ls.live)), ls.change
		if room {
			ls.pace.wrote(n, time.Now())
		}
		ls.mu.Unlock()
		if room {
			return n, nil
		}
		select {
		case <-change:
		case <-l.gone:
			return 0, errLaneLost
		case <-c.dead:
			return 0, c.cause
		}
	}
}

var errLaneLost = errors.New("the lane is lost")

// idle notes that a lane has nothing to carry: what arrives now says little of the line.
func (ls *lanes) idle() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.credit() {
		ls.pace.idle = true
	}
}

// silent returns since when the far side has acknowledged nothing of what was sent, and
// has not said that it is at work; 0 where it has nothing to say.
func (ls *lanes) silent() int64 {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if len(ls.sent) == 0 {
		return 0
	}
	return max(ls.heard.Load(), ls.busy.Load())
}
