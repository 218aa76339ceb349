package sshconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// A Session is one command that runs on the far side. Stdin, Stdout and Stderr may be used by one goroutine each, all
// at the same time. All output shares one window: whoever reads Stdout must see to it that Stderr is read as well, or
// the command stalls after 2 MiB of messages.
type Session struct {
	Stdin  io.WriteCloser // Close sends end of file behind what was written
	Stdout io.Reader      // io.EOF where the command has ended its output, io.ErrUnexpectedEOF where the connection broke
	Stderr io.Reader

	ch   ssh.Channel
	tcp  *tcpConn
	stop func() bool   // ends the watch on the context
	done chan struct{} // closed when the far side has closed the channel
	end  error         // how it ended; valid after done
	*pipes
}

// Start runs command by the login shell of the far side. Cancelling ctx closes the whole connection, for only that is
// sure to end a write that waits for the far side.
//
// It returns when the far side has agreed, one round trip after asking: OpenSSH gives the channel a window to write into
// only with that answer, so that nothing could be sent earlier. What the command says first need not be waited for.
func (c *Client) Start(ctx context.Context, command string) (*Session, error) {
	return c.start(ctx, "exec", command)
}

// StartSubsystem runs a subsystem, such as sftp, in place of a command. The same rules hold.
func (c *Client) StartSubsystem(ctx context.Context, name string) (*Session, error) {
	return c.start(ctx, "subsystem", name)
}

func (c *Client) start(ctx context.Context, request, name string) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	s, err := c.open(ctx, request, name)
	if err != nil {
		stop()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("starting %q on %s: %w", brief(name), c.info.Host, err)
	}
	s.stop = stop
	return s, nil
}

// maxBrief bounds what an error shows of a command, which can be a long script. In bytes.
const maxBrief = 80

func brief(command string) string {
	if len(command) <= maxBrief {
		return command
	}
	return command[:maxBrief] + "..."
}

// How long a server that refuses another session is asked again, and how long is waited in between, at first and at the
// most.
const (
	sessionPatience = 10 * time.Second
	sessionPause    = 10 * time.Millisecond
	maxSessionPause = 250 * time.Millisecond
)

// channel opens a channel for a session. A server that allows few of them on a connection (MaxSessions of sshd) counts
// one that has just been closed until its command has ended, which takes a moment: it is asked again. One that has never
// agreed to a session is not.
func (c *Client) channel(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, error) {
	began := time.Now()
	for pause := sessionPause; ; pause = min(2*pause, maxSessionPause) {
		var ch ssh.Channel
		var reqs <-chan *ssh.Request
		err := c.answered(func() (err error) {
			ch, reqs, err = c.conn.OpenChannel("session", nil)
			return err
		})
		if err == nil {
			c.served.Store(true)
		}
		if _, full := errors.AsType[*ssh.OpenChannelError](err); !full {
			return ch, reqs, err
		}
		if !c.served.Load() || time.Since(began) > sessionPatience {
			return nil, nil, fmt.Errorf("%w: no session, or not so many on one connection: %w", ErrRefused, err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// answered asks the server something. One that does not even answer has no more to give: only the end of the connection
// ends the wait. A refusal is an answer, so that the limit is for each question and not for all that channel asks.
func (c *Client) answered(ask func() error) error {
	began := time.Now()
	defer func() { c.round(time.Since(began)) }()
	if c.limit <= 0 {
		return ask()
	}
	var late atomic.Bool
	t := time.AfterFunc(c.limit, func() {
		late.Store(true)
		_ = c.Close() // what counts is that it was late
	})
	defer t.Stop()
	err := ask()
	if err != nil && late.Load() {
		return fmt.Errorf("%w for %v", ErrSilent, c.limit)
	}
	return err
}

// DialSocket has the server connect a channel to a Unix socket on its machine, as for a forwarded one
// (direct-streamlocal@openssh.com of OpenSSH's PROTOCOL). It returns when the server has agreed. The error wraps
// ErrRefused where it does not. What is written to Stdin goes to the socket, Stdout is what comes from there; there is
// no Stderr and no status.
func (c *Client) DialSocket(path string) (*Session, error) {
	// Whatever else the connection carries goes on without it: no time is set for the answer.
	ch, reqs, err := c.conn.OpenChannel("direct-streamlocal@openssh.com", ssh.Marshal(struct {
		Path     string
		Reserved string
		Number   uint32
	}{Path: path}))
	if err != nil {
		return nil, fmt.Errorf("%w: no channel to a socket: %w", ErrRefused, err)
	}
	s := &Session{ch: ch, tcp: c.tcp, done: make(chan struct{}), pipes: newPipes(), stop: func() bool { return true }}
	s.Stdin, s.Stdout, s.Stderr = s.in.w, s.out.r, s.errs.r
	if !c.own(func() { s.serve(reqs) }, s.pumpIn, s.pumpOut, s.pumpErrs, func() { s.hangUp(c.closed) }) {
		return nil, net.ErrClosed
	}
	return s, nil
}

// round notes how long an answer took.
func (c *Client) round(took time.Duration) {
	for {
		least := c.rtt.Load()
		if least != 0 && int64(took) >= least || c.rtt.CompareAndSwap(least, int64(took)) {
			return
		}
	}
}

const (
	probes    = 3                    // how often the server is asked for nothing but an answer
	probeFrom = 3 * time.Millisecond // where it may matter how long the round trip is
)

// probe measures the round trip: to start a session takes a busy server longer.
func (c *Client) probe() {
	for range probes {
		began := time.Now()
		if _, _, err := c.conn.SendRequest("keepalive@openssh.com", true, nil); err != nil {
			return // the connection has ended
		}
		c.round(time.Since(began))
	}
}

// RTT returns the least time that an answer of the server has taken so far: about that
// of a round trip. It is 0 before the first session, and nearer three round trips later.
func (c *Client) RTT() time.Duration { return time.Duration(c.rtt.Load()) }

func (c *Client) open(ctx context.Context, request, name string) (*Session, error) {
	ch, reqs, err := c.channel(ctx)
	if err != nil {
		return nil, err
	}
	s := &Session{ch: ch, tcp: c.tcp, done: make(chan struct{}), pipes: newPipes()}
	s.Stdin, s.Stdout, s.Stderr = s.in.w, s.out.r, s.errs.r
	if !c.own(func() { s.serve(reqs) }) {
		return nil, net.ErrClosed // and with the connection the channel
	}
	var ok bool
	err = c.answered(func() (err error) {
		ok, err = ch.SendRequest(request, true, ssh.Marshal(struct{ Name string }{name}))
		return err
	})
	if err == nil && !ok {
		err = fmt.Errorf("%w (%s request)", ErrRefused, request)
	}
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the connection ended: %w", io.ErrUnexpectedEOF)
	}
	if err != nil {
		_ = ch.Close() // the error that counts is the one before
		return nil, err
	}
	if !c.own(s.pumpIn, s.pumpOut, s.pumpErrs, func() { s.hangUp(c.closed) }) {
		return nil, net.ErrClosed
	}
	// Nobody asks about a round trip that is short; a running ssh ends the connection at such a question.
	if !c.master && c.RTT() >= probeFrom && !c.probed.Swap(true) {
		c.own(c.probe) // false where the connection has ended
	}
	return s, nil
}

// serve collects how the command ends.
func (s *Session) serve(reqs <-chan *ssh.Request) {
	defer close(s.done)
	s.end = fmt.Errorf("the connection broke before the remote command ended: %w", io.ErrUnexpectedEOF)
	for r := range reqs {
		switch r.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if ssh.Unmarshal(r.Payload, &m) == nil {
				s.end = nil
				if m.Status != 0 {
					s.end = &ExitError{Status: int(m.Status & 0xff)}
				}
			}
		case "exit-signal":
			var m struct {
				Signal  string
				Core    bool
				Message string
				Lang    string
			}
			if ssh.Unmarshal(r.Payload, &m) == nil {
				s.end = &ExitError{Status: 128 + signalNumber(m.Signal), Signal: m.Signal}
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil) // fails only when the connection is gone, which ends the loop
		}
	}
}

// signalNumber maps the names of RFC 4254, 6.10 to the numbers that shells add to 128; 0 for others.
func signalNumber(name string) int {
	numbers := map[string]int{
		"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11, "USR2": 12,
		"PIPE": 13, "ALRM": 14, "TERM": 15,
	}
	return numbers[name]
}

// Wait waits for the end of the command and returns nil for exit status 0, an *ExitError for another end, or an error
// that wraps io.ErrUnexpectedEOF where the far side did not say how it ended, which it may not have done when Close
// returns. It does not wait for Stdout to be read. It may be called more than once and by several goroutines.
func (s *Session) Wait() error {
	select {
	case <-s.done:
	case <-s.left:
	}
	s.stop()
	select {
	case <-s.done:
		return s.end
	default:
		return fmt.Errorf("the remote command was given up and goes on: %w", io.ErrUnexpectedEOF)
	}
}

// Close abandons the command: it closes the channel, whereupon the far side sees end of file on its streams. The
// connection stays. Reads, writes and waits that are under way end, whatever the far side does; it is given a moment to
// take what was written and to end. Close may be called by any goroutine, and more than once.
func (s *Session) Close() error {
	s.once.Do(s.leave)
	return nil
}

// closeGrace bounds the wait that tells a broken connection from the end of output.
const closeGrace = 250 * time.Millisecond

// stdout reads the output of a command. The library ends a channel with io.EOF whether the far side has closed it or the
// connection is gone; a truncated stream must not look like a whole one.
type stdout struct{ s *Session }

func (o stdout) Read(p []byte) (int, error) {
	n, err := o.s.ch.Read(p)
	switch {
	case err == io.EOF:
		err = o.s.endOfOutput()
	case err != nil: // giving back the window failed: what was read is good, no more will come
		err = fmt.Errorf("the connection broke: %w: %w", io.ErrUnexpectedEOF, err)
	}
	return n, err
}

// endOfOutput decides what an io.EOF means. When the connection ends, the channel's requests end in the next moment, and
// then it is known whether the command has. Where the connection is not known to have ended, that moment is waited for
// with a bound: a command may close its output and go on.
func (s *Session) endOfOutput() error {
	if s.tcp.ended.Load() {
		<-s.done
	}
	t := time.NewTimer(closeGrace)
	defer t.Stop()
	select {
	case <-s.done:
		if errors.Is(s.end, io.ErrUnexpectedEOF) {
			return s.end
		}
	case <-t.C:
	}
	return io.EOF
}
