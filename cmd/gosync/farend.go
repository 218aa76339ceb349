package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gosync/transport"
	"gosync/transport/wire"
)

// lastWords is how long the far side's exit status is waited for once its
// output has ended.
const lastWords = 2 * time.Second

// endedError is a far side that ended before the run did: the line was there,
// gosync was not.
type endedError struct {
	status int
	err    error // what the engine saw of it
}

func (e *endedError) Error() string {
	if e.killed() {
		return fmt.Sprintf("the far side was killed (status %d)", e.status)
	}
	return fmt.Sprintf("the far side ended before the run did (status %d)", e.status)
}

func (e *endedError) Unwrap() error { return e.err }

// killed reports whether a signal ended it, as when its machine shuts down.
func (e *endedError) killed() bool { return e.status > 128 }

// farEnd closes the connection and returns the error of the run, or a better
// one: a command that could not be started on the far side looks to the engine
// like a peer that hangs up, and only its exit status tells.
func farEnd(conn transport.Stream, err error, engine func(error) int) error {
	if err == nil {
		_ = conn.Close() // everything that matters has been acknowledged
		return nil
	}
	if code := exitCode(err, engine); code != exitProtocol && code != exitStream {
		_ = conn.Close()
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) { // no greeting in time: it is still there, and has no status
		_ = conn.Close()
		return err
	}
	var exit *transport.ExitError
	if !errors.As(closeSoon(conn), &exit) {
		return err
	}
	switch {
	case exit.Status == 126, exit.Status == 127:
		return withCode(exit.Status, fmt.Errorf(
			"the far side cannot run gosync (status %d): install it there, or say where it is with --gosync-path=PROGRAM", exit.Status))
	case exit.Status == 255: // ssh's status for all of its own errors
		if errors.Is(err, wire.ErrVersion) { // nothing was exchanged
			return withCode(exitConnect, errors.New(
				"the remote shell failed (status 255) and has not reached gosync: see its message, and whether the command of -e works by hand"))
		}
	case exit.Status == exitTimeout:
		return fmt.Errorf("%w: the far side has given up", wire.ErrTimeout)
	case exit.Status > 0 && (errors.Is(err, wire.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF)) && !errors.Is(err, wire.ErrVersion):
		return &endedError{status: exit.Status, err: err}
	}
	return err
}

// closeSoon waits a moment for the far side to end by itself, closes the
// connection and returns how the far side ended.
func closeSoon(conn transport.Stream) error {
	ended := make(chan error, 1)
	go func() { ended <- conn.Wait() }()
	timer := time.NewTimer(lastWords)
	defer timer.Stop()
	var end error
	select {
	case end = <-ended:
		_ = conn.Close()
	case <-timer.C:
		_ = conn.Close() // which ends Wait
		end = <-ended
	}
	return end
}
