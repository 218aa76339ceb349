package sshconn

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// quickReads is how many reads acknowledge at once. It covers key exchange, login and the first exchanges of a session.
const quickReads = 256

// readAhead is how much is read at once, in bytes: some packets.
const readAhead = 128 << 10

// The SSH library allocates every packet that it receives, and a heap of a few MiB, as gosync's is, would be collected
// 250 times for each GiB and given back to the system in between: pulling 1 GiB takes 0.87 of the time with a ballast,
// which lets so much garbage come up first, in bytes. Where little is received it would only cost fresh memory.
const (
	ballastAfter = 128 << 20
	ballastSize  = 16 << 20
)

// A tcpConn is a connection that remembers that it has ended, and that hurries the many small messages of a handshake.
//
// Go sets TCP_NODELAY on every connection by itself. The kernel delays acknowledgements by up to 40 ms, for which a
// server with Nagle's algorithm on waits between two messages; TCP_QUICKACK, which the kernel forgets again, is
// therefore set before each of the first reads. Bulk data is better off with delayed acknowledgements, so it ends there.
//
// It may also lie over a proxy command or a channel of a jump host, which knows no deadlines: there a timer closes it.
type tcpConn struct {
	net.Conn
	raw   syscall.RawConn // nil: not a TCP connection
	reads atomic.Int32
	got   atomic.Int64 // bytes read
	ended atomic.Bool  // a read has failed; set before the reader learns of it

	byTimer bool // the connection has no deadlines of its own
	mu      sync.Mutex
	timer   *time.Timer
	late    atomic.Bool // the timer has closed the connection

	ahead  []byte // what was read and not asked for yet begins at next
	next   int
	behind error // what comes after it

	ballast []byte // nobody touches it, so it takes no memory; see ballastSize
}

func newTCPConn(c net.Conn, byTimer bool) *tcpConn {
	t := &tcpConn{Conn: c, byTimer: byTimer}
	if sc, ok := c.(*net.TCPConn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			t.raw = raw
		}
	}
	return t
}

// Read implements [io.Reader]. It asks for more than the caller does, who wants a packet's head first and then the rest.
func (c *tcpConn) Read(p []byte) (int, error) {
	if c.next == len(c.ahead) && c.behind == nil {
		if len(p) >= readAhead {
			return c.read(p)
		}
		if c.ahead == nil {
			c.ahead = make([]byte, readAhead)
		}
		var n int
		n, c.behind = c.read(c.ahead[:readAhead])
		c.ahead, c.next = c.ahead[:n], 0
	}
	n := copy(p, c.ahead[c.next:])
	if c.next += n; c.next < len(c.ahead) {
		return n, nil
	}
	err := c.behind
	c.behind = nil // a deadline passes, and may be set anew
	return n, err
}

func (c *tcpConn) read(p []byte) (int, error) {
	if c.raw != nil && c.reads.Load() < quickReads {
		c.reads.Add(1)
		_ = c.raw.Control(quickAck) // best effort: without it everything works, only later
	}
	n, err := c.Conn.Read(p)
	if c.got.Add(int64(n)) > ballastAfter && c.ballast == nil {
		c.ballast = make([]byte, ballastSize)
	}
	if err != nil {
		c.ended.Store(true)
	}
	return n, c.explain(err)
}

func (c *tcpConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.explain(err)
}

// explain says of a connection that the timer has closed that it was too late.
func (c *tcpConn) explain(err error) error {
	if err != nil && c.late.Load() {
		return fmt.Errorf("%w: %w", os.ErrDeadlineExceeded, err)
	}
	return err
}

// SetDeadline implements net.Conn. Where a timer stands in for deadlines, one that has passed is final.
func (c *tcpConn) SetDeadline(t time.Time) error {
	if !c.byTimer {
		return c.Conn.SetDeadline(t)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	if c.late.Load() {
		return os.ErrDeadlineExceeded
	}
	if !t.IsZero() {
		c.timer = time.AfterFunc(time.Until(t), func() {
			c.late.Store(true)
			_ = c.Conn.Close() // what counts is that it was late
		})
	}
	return nil
}

// Close implements net.Conn.
func (c *tcpConn) Close() error {
	c.mu.Lock()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	return c.Conn.Close()
}
