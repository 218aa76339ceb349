package main

import (
	"errors"
	"fmt"
	"time"

	"gosync/transport"
	"gosync/transport/wire"
)

// lastWords is how long the far side's exit status is waited for once its
// output has ended.
const lastWords = 2 * time.Second

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
	var exit *transport.ExitError
	if !errors.As(closeSoon(conn), &exit) {
		return err
	}
	switch exit.Status {
	case 126, 127:
		return withCode(exit.Status, fmt.Errorf(
			"the far side cannot run gosync (status %d): install it there, or say where it is with --gosync-path=PROGRAM", exit.Status))
	case 255: // ssh's status for all of its own errors
		if !errors.Is(err, wire.ErrVersion) {
			return err // the connection was lost later
		}
		return withCode(exitConnect, fmt.Errorf("the remote shell failed (status 255): %w", err))
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
