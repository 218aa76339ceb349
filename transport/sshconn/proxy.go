package sshconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	proxyGrace    = 2 * time.Second // for a proxy command to end by itself
	maxProxyNoise = 16 << 10        // bytes of its messages that are passed on
	proxyDrain    = 200 * time.Millisecond
)

// A proxyConn is a connection through the input and the output of a command.
type proxyConn struct {
	cmd    *exec.Cmd
	in     *os.File // its standard input
	out    *os.File // its standard output
	errs   *os.File // its messages
	exited chan struct{}
	end    error // how it ended; valid after exited
	close  func() error
}

// startProxy runs a ProxyCommand as ssh(1) does: by the user's shell, which the command replaces. What it says on
// standard error goes to the log. It stays in the process group, so that it can ask on the terminal.
func startProxy(ctx context.Context, command string, log *slog.Logger) (*proxyConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &proxyConn{cmd: byShell(command), exited: make(chan struct{})}
	p.close = sync.OnceValue(p.stop)
	var theirs []*os.File
	for _, end := range []struct {
		ours  **os.File
		reads bool // the command reads it
		set   func(*os.File)
	}{
		{&p.in, true, func(f *os.File) { p.cmd.Stdin = f }},
		{&p.out, false, func(f *os.File) { p.cmd.Stdout = f }},
		{&p.errs, false, func(f *os.File) { p.cmd.Stderr = f }},
	} {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(p.in, p.out, p.errs)
			closeAll(theirs...)
			return nil, err
		}
		child := w
		if *end.ours = r; end.reads {
			child, *end.ours = r, w
		}
		end.set(child)
		theirs = append(theirs, child)
	}
	err := p.cmd.Start()
	closeAll(theirs...) // the command has its own
	if err != nil {
		closeAll(p.in, p.out, p.errs)
		return nil, err
	}
	go p.watch(log)
	return p, nil
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// watch passes the messages on and reaps the command.
func (p *proxyConn) watch(log *slog.Logger) {
	defer close(p.exited)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		passOn(p.errs, log)
	}()
	p.end = p.cmd.Wait()
	// What still holds the other end, such as a master connection left behind, does not hold us.
	_ = p.errs.SetReadDeadline(time.Now().Add(proxyDrain))
	<-drained
	p.errs.Close()
}

// passOn logs what a command says, line by line. What is too much is read and dropped, so that the command can go on.
func passOn(r io.Reader, log *slog.Logger) {
	left := maxProxyNoise
	var line []byte
	buf := make([]byte, 1024)
	for {
		n, err := r.Read(buf)
		for _, b := range buf[:n] {
			if left--; left < 0 {
				break
			}
			if line = append(line, b); b == '\n' || len(line) == 500 {
				logLine(line, log)
				line = line[:0]
			}
		}
		if err != nil {
			logLine(line, log)
			return
		}
	}
}

func logLine(line []byte, log *slog.Logger) {
	for _, text := range lines(string(line)) {
		log.Warn("proxy command: " + text)
	}
}

// Read implements net.Conn.
func (p *proxyConn) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if err == io.EOF {
		err = p.endOfOutput()
	}
	return n, err
}

// endOfOutput says how the command has ended, if it has.
func (p *proxyConn) endOfOutput() error {
	t := time.NewTimer(2 * proxyDrain)
	defer t.Stop()
	select {
	case <-p.exited:
		if p.end != nil {
			return fmt.Errorf("the proxy command ended (%w): %w", p.end, io.EOF)
		}
	case <-t.C:
	}
	return io.EOF
}

// Write implements net.Conn.
func (p *proxyConn) Write(b []byte) (int, error) { return p.in.Write(b) }

// Close implements net.Conn: it ends the command and reaps it.
func (p *proxyConn) Close() error { return p.close() }

func (p *proxyConn) stop() error {
	closeAll(p.in, p.out)
	hangUp(p.cmd.Process)
	t := time.NewTimer(proxyGrace)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
		_ = p.cmd.Process.Kill() // it may have ended in this moment
		<-p.exited
	}
	return nil
}

// SetDeadline implements net.Conn.
func (p *proxyConn) SetDeadline(t time.Time) error {
	return errors.Join(p.out.SetReadDeadline(t), p.in.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (p *proxyConn) SetReadDeadline(t time.Time) error { return p.out.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (p *proxyConn) SetWriteDeadline(t time.Time) error { return p.in.SetWriteDeadline(t) }

// LocalAddr implements net.Conn.
func (p *proxyConn) LocalAddr() net.Addr { return nowhere() }

// RemoteAddr implements net.Conn: the address of the server is known to the command alone.
func (p *proxyConn) RemoteAddr() net.Addr { return nowhere() }

// nowhere is an address that is in no known_hosts file.
func nowhere() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }
