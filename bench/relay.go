package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	leastQueue  = 64 << 10 // bytes that the line's queue holds at least
	mostPiece   = 32 << 10 // bytes that are read at once
	leastPiece  = 2 << 10
	pieceTime   = 2 * time.Millisecond // what a piece takes on the line, at most
	socketQueue = 256 << 10            // bytes that the system's buffers hold for the relay
)

// Shape is the line that a relay imitates. The zero value is one without delay and limit.
type Shape struct {
	RTT  time.Duration // from the first byte to the answer
	Rate float64       // bytes per second, each direction for itself; 0 for no limit
}

// shaped reports whether there is anything to imitate.
func (s Shape) shaped() bool { return s.RTT > 0 || s.Rate > 0 }

// queue is how many bytes wait in front of the line before the sender has to: as much as is under way on it, which is
// what routers are commonly given.
func (s Shape) queue() int {
	return max(leastQueue, int(s.Rate*s.RTT.Seconds()))
}

// piece is how much is read at once: less on a slow line, so that connections that share it take turns.
func (s Shape) piece() int {
	if s.Rate == 0 {
		return mostPiece
	}
	return min(mostPiece, max(leastPiece, int(s.Rate*pieceTime.Seconds())))
}

// way is one direction of the line, shared by all connections. What is sent waits in its queue until the line is free,
// passes it at the rate, and arrives half a round trip later.
type way struct {
	shape Shape
	bytes atomic.Int64 // that have arrived

	mu   sync.Mutex
	free time.Time // when all that was sent so far has left the queue
}

// send books n bytes and returns when they arrive. wait is not 0 where the queue is full: nothing was booked, and the
// sender may try again then.
func (w *way) send(n int, now time.Time) (at time.Time, wait time.Duration) {
	if w.shape.Rate == 0 {
		return now.Add(w.shape.RTT / 2), 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.free.Before(now) {
		w.free = now
	}
	takes := func(n int) time.Duration { return time.Duration(float64(n) / w.shape.Rate * float64(time.Second)) }
	if over := w.free.Sub(now) + takes(n) - takes(w.shape.queue()); over > 0 && w.free.After(now) {
		return time.Time{}, over
	}
	w.free = w.free.Add(takes(n))
	return w.free.Add(w.shape.RTT / 2), 0
}

// relay is the line to an SSH server in this process: it counts the bytes both ways, and can be cut.
type relay struct {
	to       string
	ln       net.Listener
	up, down way
	cutAt    atomic.Int64 // drop all connections when so many bytes have gone up; 0 for never
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	done  bool
}

// startRelay listens on loopback and relays to an address until close is called.
func startRelay(ctx context.Context, to string, shape Shape) (*relay, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	r := &relay{to: to, ln: ln, up: way{shape: shape}, down: way{shape: shape}, conns: map[net.Conn]bool{}}
	r.wg.Go(r.accept)
	return r, nil
}

func (r *relay) addr() *net.TCPAddr { return r.ln.Addr().(*net.TCPAddr) }

// counts returns the bytes that have arrived at the server, and those that came back.
func (r *relay) counts() (up, down int64) { return r.up.bytes.Load(), r.down.bytes.Load() }

// cutAfter has all connections dropped as soon as n more bytes have gone up.
func (r *relay) cutAfter(n int64) { r.cutAt.Store(r.up.bytes.Load() + n) }

// mend takes back what cutAfter asked for.
func (r *relay) mend() { r.cutAt.Store(0) }

// close ends everything that is relayed.
func (r *relay) close() error {
	r.mu.Lock()
	r.done = true
	r.mu.Unlock()
	err := r.ln.Close()
	r.drop()
	r.wg.Wait()
	return err
}

// drop resets all connections.
func (r *relay) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		reset(c)
	}
}

// reset ends a connection as a line does that breaks.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // not an orderly end
	}
	c.Close()
}

// hold remembers a connection, so that it can be dropped; false when all is over.
func (r *relay) hold(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		c.Close()
		return false
	}
	r.conns[c] = true
	return true
}

func (r *relay) forget(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	c.Close()
}

func (r *relay) accept() {
	for {
		c, err := r.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of descriptors, say
			continue
		}
		if r.hold(c) {
			r.wg.Go(func() { r.serve(c) })
		}
	}
}

// serve relays one connection. A connection costs a round trip before the first byte, as the handshake of TCP does.
func (r *relay) serve(near net.Conn) {
	defer r.forget(near)
	time.Sleep(r.up.shape.RTT)
	far, err := net.Dial("tcp", r.to)
	if err != nil || !r.hold(far) {
		return
	}
	defer r.forget(far)
	for _, c := range []net.Conn{near, far} {
		if t, ok := c.(*net.TCPConn); ok {
			// Else megabytes would wait where no line has a place for them. They are wishes: without them all goes on.
			_ = t.SetReadBuffer(socketQueue)
			_ = t.SetWriteBuffer(socketQueue)
		}
	}
	var both sync.WaitGroup
	both.Go(func() { r.pump(&r.up, far, near) })
	both.Go(func() { r.pump(&r.down, near, far) })
	both.Wait()
}

// piece is what is under way.
type piece struct {
	data []byte
	at   time.Time // when it arrives
}

// pump carries one direction of a connection to its end.
func (r *relay) pump(w *way, dst, src net.Conn) {
	underWay := make(chan piece, 1024)
	spare := make(chan []byte, cap(underWay))
	var reader sync.WaitGroup
	var end error
	reader.Go(func() {
		defer close(underWay)
		end = take(w, src, underWay, spare)
	})
	delivered := r.deliver(w, dst, src, underWay, spare)
	reader.Wait()
	if t, ok := dst.(*net.TCPConn); ok && delivered && errors.Is(end, io.EOF) {
		_ = t.CloseWrite() // a peer that is gone needs no end of data
		return
	}
	reset(dst) // what was cut must not look like an orderly end
}

// take reads what the sender has for the line, as fast as the line's queue has room.
func take(w *way, src net.Conn, underWay chan<- piece, spare <-chan []byte) error {
	for {
		var b []byte
		select {
		case b = <-spare:
		default:
			b = make([]byte, w.shape.piece())
		}
		n, err := src.Read(b[:cap(b)])
		for n > 0 {
			at, wait := w.send(n, time.Now())
			if wait == 0 {
				underWay <- piece{b[:n], at}
				break
			}
			time.Sleep(wait)
		}
		if err != nil {
			return err
		}
	}
}

// deliver writes what arrives, when it arrives. When nobody takes it any more the sender is told by the end of its
// connection.
func (r *relay) deliver(w *way, dst, src net.Conn, underWay <-chan piece, spare chan<- []byte) (all bool) {
	failed := false
	for p := range underWay {
		if failed { // the reader ends when its connection is closed
			continue
		}
		if d := time.Until(p.at); d > 0 {
			time.Sleep(d)
		}
		n, err := dst.Write(p.data)
		total := w.bytes.Add(int64(n))
		if at := r.cutAt.Load(); w == &r.up && at > 0 && total >= at {
			r.drop()
		}
		if err != nil {
			failed = true
			src.Close()
		}
		select {
		case spare <- p.data:
		default:
		}
	}
	return !failed
}
