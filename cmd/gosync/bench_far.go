package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"gosync/transport"
)

const (
	pings    = 5        // of which the shortest is the round trip
	mostTold = 64 << 20 // bytes that a script may print
)

// benchFar is a host as a benchmark wants it: bench.Far.
type benchFar struct{ *farSide }

func (e *env) newBenchFar(ctx context.Context, c *subcommand, con *console) (*benchFar, error) {
	t, err := shellTarget(c.operands)
	if err != nil {
		return nil, err
	}
	// Tidying up comes after an interrupt, over this connection.
	far, err := e.newFarSide(context.WithoutCancel(ctx), t, c.settings, con)
	if err != nil {
		return nil, err
	}
	return &benchFar{far}, nil
}

// command starts a command that any login shell understands.
func (f *benchFar) command(ctx context.Context, command string) (transport.Stream, error) {
	return f.start(ctx, func(ctx context.Context, l transport.Link) (transport.Stream, error) { return l.Exec(ctx, command) })
}

// Run implements bench.Far.
func (f *benchFar) Run(ctx context.Context, script string) ([]byte, error) {
	s, err := f.command(ctx, "sh")
	if err != nil {
		return nil, err
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	if _, err := io.WriteString(s, script); err != nil {
		return nil, fmt.Errorf("a script for the far side: %w", err)
	}
	if err := s.CloseWrite(); err != nil {
		return nil, fmt.Errorf("a script for the far side: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(s, mostTold))
	if err == nil {
		err = s.Wait()
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var exit *transport.ExitError
	if errors.As(err, &exit) && exit.Stderr != "" {
		err = fmt.Errorf("%s (status %d)", strings.Join(strings.Fields(exit.Stderr), " "), exit.Status)
	}
	return out, err
}

// RTT implements bench.Far: a byte goes to a command that sends it back.
func (f *benchFar) RTT(ctx context.Context) (time.Duration, error) {
	s, err := f.command(ctx, "cat")
	if err != nil {
		return 0, err
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	var least time.Duration
	for i := range pings + 1 {
		begin := time.Now()
		_, err := s.Write([]byte("\n"))
		if err == nil {
			_, err = io.ReadFull(s, make([]byte, 1))
		}
		if err != nil {
			return 0, fmt.Errorf("an echo: %w", err)
		}
		// The first one waits for the command to start.
		if took := time.Since(begin); i > 0 && (least == 0 || took < least) {
			least = took
		}
	}
	return least, nil
}
