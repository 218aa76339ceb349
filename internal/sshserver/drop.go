package sshserver

import (
	"net"
	"sync/atomic"
)

// A dropConn resets the connection after a number of bytes, wherever in a packet that is.
type dropConn struct {
	net.Conn
	left atomic.Int64
}

func newDropConn(c net.Conn, after int64) *dropConn {
	d := &dropConn{Conn: c}
	d.left.Store(after)
	return d
}

func (c *dropConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.count(n)
	return n, err
}

func (c *dropConn) Write(p []byte) (int, error) {
	// Only what is left of the allowance goes out, so that the cut falls inside a packet.
	if left := c.left.Load(); left < int64(len(p)) {
		n, _ := c.Conn.Write(p[:max(left, 0)])
		c.count(len(p))
		return n, net.ErrClosed
	}
	n, err := c.Conn.Write(p)
	c.count(n)
	return n, err
}

func (c *dropConn) count(n int) {
	if c.left.Add(-int64(n)) > 0 {
		return
	}
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // a reset, not an orderly end
	}
	c.Conn.Close()
}
