package sshconn

import (
	"net"
	"sync/atomic"
	"syscall"
)

// quickReads is how many reads acknowledge at once. It covers key exchange, login and the first exchanges of a session.
const quickReads = 256

// A tcpConn is a connection that remembers that it has ended, and that hurries the many small messages of a handshake.
//
// Go sets TCP_NODELAY on every connection by itself. The kernel delays acknowledgements by up to 40 ms, for which a
// server with Nagle's algorithm on waits between two messages; TCP_QUICKACK, which the kernel forgets again, is
// therefore set before each of the first reads. Bulk data is better off with delayed acknowledgements, so it ends there.
type tcpConn struct {
	net.Conn
	raw   syscall.RawConn // nil: not a TCP connection
	reads atomic.Int32
	ended atomic.Bool // a read has failed; set before the reader learns of it
}

func newTCPConn(c net.Conn) *tcpConn {
	t := &tcpConn{Conn: c}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			t.raw = raw
		}
	}
	return t
}

func (c *tcpConn) Read(p []byte) (int, error) {
	if c.raw != nil && c.reads.Load() < quickReads {
		c.reads.Add(1)
		_ = c.raw.Control(quickAck) // best effort: without it everything works, only later
	}
	n, err := c.Conn.Read(p)
	if err != nil {
		c.ended.Store(true)
	}
	return n, err
}
