package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gosync/internal/shell"
	"gosync/transport"
)

// farSide is a host that SFTP sessions are started on. The connection is made when
// it is needed, and again when it was lost.
type farSide struct {
	env    *env
	target transport.Target
	how    transport.Options
	life   context.Context // of connections; a command that is given up does not end them

	link   transport.Link
	cancel context.CancelCauseFunc // ends link
}

// newFarSide prepares for reaching the host of t. Messages go to con.
func (e *env) newFarSide(ctx context.Context, t transport.Target, s *settings, con *console) (*farSide, error) {
	p := &printer{con: con, s: s, far: &messages{con: con}}
	how, err := e.connectOptions(s, p)
	if err != nil {
		return nil, err
	}
	return &farSide{env: e, target: t, how: how, life: ctx}, nil
}

// remote returns the far side's tree.
func (f *farSide) remote(s *settings) *shell.Remote {
	program := f.how.RemoteCommand[0] + " --sftp-server"
	return &shell.Remote{
		Timeout: s.Timeout, Greeting: f.greeting,
		Ways: []shell.Way{
			{Name: "the sftp subsystem", Start: f.starter(func(ctx context.Context, l transport.Link) (transport.Stream, error) {
				return l.Subsystem(ctx, "sftp")
			})},
			{Name: program, Start: f.starter(func(ctx context.Context, l transport.Link) (transport.Stream, error) {
				return l.Exec(ctx, program)
			})},
		},
	}
}

// greeting is how long a session that was just started may take to answer. The ssh
// program, and the command of -e, connect only then.
func (f *farSide) greeting() time.Duration {
	if f.link == nil || f.link.Shared() {
		return f.how.Timeout
	}
	return f.how.FirstAnswer
}

// starting is a way to start a stream on a link.
type starting func(context.Context, transport.Link) (transport.Stream, error)

// starter makes the function that starts a session in one way.
func (f *farSide) starter(start starting) func(context.Context) (io.ReadWriteCloser, error) {
	return func(ctx context.Context) (io.ReadWriteCloser, error) {
		stream, err := f.start(ctx, start)
		if err != nil {
			return nil, err
		}
		return stream, nil
	}
}

// start starts a stream. A connection that was there before may be dead: then it is
// made anew, once.
func (f *farSide) start(ctx context.Context, start starting) (transport.Stream, error) {
	old := f.link != nil
	stream, err := f.attempt(ctx, start)
	if old && f.link == nil && err != nil && ctx.Err() == nil {
		stream, err = f.attempt(ctx, start)
	}
	return stream, err
}

// startWithin bounds the one round trip that starting a stream takes: a connection
// may have died without a word while nobody used it.
const startWithin = 30 * time.Second

var errNoStart = errors.New("the far side does not answer")

// attempt starts a stream, over a new connection if there is none.
func (f *farSide) attempt(ctx context.Context, start starting) (transport.Stream, error) {
	if f.link == nil {
		if err := f.connect(ctx); err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { f.cancel(context.Cause(ctx)) })
	timer := time.AfterFunc(startWithin, func() { f.cancel(errNoStart) })
	stream, err := start(f.life, f.link)
	timer.Stop()
	if !stop() {
		f.close()
		return nil, context.Cause(ctx)
	}
	switch {
	case err == nil:
		return stream, nil
	case errors.Is(err, transport.ErrNoSubsystem), refused(err):
		return nil, &shell.NotOffered{Err: err}
	}
	f.close()
	return nil, &connectError{err}
}

// connect makes the connection. Cancelling ctx ends that, but not the connection
// later.
func (f *farSide) connect(ctx context.Context) error {
	life, cancel := context.WithCancelCause(f.life)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	link, err := f.env.parts.reach(life, f.target, f.how)
	if !stop() && err == nil {
		_ = link.Close() // nobody waits for it any more
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel(nil)
		return &connectError{err}
	}
	f.link, f.cancel = link, cancel
	return nil
}

// close ends the connection.
func (f *farSide) close() {
	if f.link == nil {
		return
	}
	_ = f.link.Close() // what matters has been acknowledged
	f.cancel(nil)
	f.link = nil
}

// serveSFTP is an SFTP server at standard input and output, for gosync ls and gosync
// shell where the SSH server has none.
func (e *env) serveSFTP(ctx context.Context, s *settings, operands []string) error {
	switch {
	case len(operands) > 0:
		return usageErrorf("--sftp-server takes no operands")
	case s.server || s.restrict.first != "":
		return withCode(exitUnsupported, errors.New("--sftp-server cannot be restricted and does not go with --server"))
	}
	conn, err := e.serverConn()
	if err != nil {
		return withCode(exitSelect, fmt.Errorf("standard input and output: %w", err))
	}
	if err := shell.ServeSFTP(ctx, conn); err != nil {
		return withCode(exitStream, fmt.Errorf("serving SFTP: %w", err))
	}
	return nil
}
