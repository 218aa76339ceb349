package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"gosync/internal/shell"
	"gosync/transport"
)

// transferrer returns how a session runs gosync: with the same options for reaching
// the host, and over the same connection where that carries several streams.
func (f *farSide) transferrer(reach []string) shell.Transfer {
	return func(ctx context.Context, args []string) error {
		sub, before := *f.env, false
		lend := func() transport.Link {
			if before { // it was lost within the transfer: what is wrong with it may not show
				f.close()
			}
			before = true
			return borrowed{f}
		}
		sub.parts.open = func(ctx context.Context, t transport.Target, how transport.Options) (*transport.Far, error) {
			return transport.Climb(ctx, lend(), t.Host, how)
		}
		sub.parts.reach = func(context.Context, transport.Target, transport.Options) (transport.Link, error) { return lend(), nil }
		s, operands, err := parseArgs(slices.Concat(reach, args), false)
		switch {
		case err != nil:
			return err
		case s.server || s.sftpServer || s.help || s.version > 0 || s.config != "":
			return usageErrorf("that option makes no sense here")
		}
		s.LiteralPaths = true // the session has looked for wildcards, and knows the names
		if err := sub.sync(ctx, s, operands); err != nil {
			return withCode(exitCode(err, sub.parts.exitCode), err)
		}
		return nil
	}
}

// borrowed is the session's link in the hands of a transfer, which does not close it
// and, when it is given up, ends its own stream only.
type borrowed struct{ far *farSide }

// Exec implements transport.Link.
func (b borrowed) Exec(ctx context.Context, command string) (transport.Stream, error) {
	return b.stream(ctx, func(ctx context.Context, l transport.Link) (transport.Stream, error) { return l.Exec(ctx, command) })
}

// Subsystem implements transport.Link.
func (b borrowed) Subsystem(ctx context.Context, name string) (transport.Stream, error) {
	return b.stream(ctx, func(ctx context.Context, l transport.Link) (transport.Stream, error) { return l.Subsystem(ctx, name) })
}

// Shared implements transport.Link.
func (b borrowed) Shared() bool { return b.far.link != nil && b.far.link.Shared() }

// Close implements transport.Link.
func (b borrowed) Close() error { return nil }

func (b borrowed) stream(ctx context.Context, start starting) (transport.Stream, error) {
	stream, err := b.far.start(ctx, start)
	if err != nil {
		return nil, err
	}
	s := &lentStream{Stream: stream, closed: make(chan struct{})}
	s.stop = context.AfterFunc(ctx, func() {
		t := time.NewTimer(orderlyEnd)
		defer t.Stop()
		select {
		case <-s.closed:
		case <-t.C:
			_ = stream.Close() // the transfer has had its time to end well
		}
	})
	return s, nil
}

// lentStream is a stream on a link that goes on.
type lentStream struct {
	transport.Stream
	once   sync.Once
	closed chan struct{}
	stop   func() bool
}

// Close implements transport.Stream.
func (s *lentStream) Close() error {
	s.once.Do(func() { close(s.closed) })
	s.stop()
	return s.Stream.Close()
}
