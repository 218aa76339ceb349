package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"gosync/transport"
	"gosync/transport/sshconn"
	"gosync/transport/wire"
)

// Exit statuses that the command line itself gives. They are rsync's numbers
// where the meaning is the same; those from 40 on are gosync's own.
const (
	exitOK          = 0
	exitUsage       = 1
	exitProtocol    = 2
	exitSelect      = 3
	exitUnsupported = 4
	exitStart       = 5
	exitFile        = 11
	exitStream      = 12
	exitOutput      = 13
	exitSignal      = 20
	exitPartial     = 23
	exitDelete      = 25
	exitTimeout     = 30
	exitConnTimeout = 35
	exitConnect     = 40
	exitHostKey     = 41
	exitAuth        = 42
	exitTransport   = 43
	exitVerify      = 45
	exitNotRunnable = 126
	exitNoCommand   = 127
)

// codeError is an error whose exit status is known where it arises.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// withCode gives err the exit status code.
func withCode(code int, err error) error { return &codeError{code: code, err: err} }

// connectError is an error in connecting to the far side, or in starting it.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// errInterrupted is the cause of a run's end by a signal. It is a cancellation, so
// that the other end is told of one.
var errInterrupted = fmt.Errorf("interrupted%w", silent{context.Canceled})

// silent is an error that adds nothing to the text of one that wraps it.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

// exitCode is the one place where an error becomes an exit status. engine
// knows the statuses of errors that arise in a run.
func exitCode(err error, engine func(error) int) int {
	var usage *usageError
	var coded *codeError
	var connecting *connectError
	var network net.Error
	var unfit *transport.DeployError
	var greeting *transport.GreetingError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted):
		return exitSignal
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, sshconn.ErrHostKey):
		return exitHostKey
	case errors.Is(err, sshconn.ErrAuth), errors.Is(err, sshconn.ErrNoTerminal):
		return exitAuth
	case errors.Is(err, sshconn.ErrConfig):
		return exitSelect
	case errors.Is(err, sshconn.ErrConnect) && errors.As(err, &network) && network.Timeout():
		return exitConnTimeout
	case errors.Is(err, sshconn.ErrConnect):
		return exitConnect
	case errors.Is(err, context.Canceled):
		return exitSignal
	case errors.Is(err, transport.ErrTarget), errors.Is(err, transport.ErrRsh):
		return exitUsage
	case errors.Is(err, transport.ErrNoWay):
		return exitTransport
	case errors.As(err, &unfit):
		return int(unfit.Code())
	case errors.As(err, &greeting):
		return greetingCode(greeting)
	case errors.As(err, &connecting) && errors.Is(err, wire.ErrTimeout):
		return exitTimeout
	case errors.As(err, &connecting) && lost(connecting.err):
		return exitConnect
	case errors.As(err, &connecting):
		return exitStart
	}
	return engine(err)
}

// greetingCode is the exit status for a far side on which no gosync answers.
func greetingCode(e *transport.GreetingError) int {
	switch {
	case errors.Is(e, wire.ErrTimeout):
		return exitTimeout
	case e.Kind == transport.GreetingNoCommand:
		return exitNoCommand
	case e.Kind == transport.GreetingNotRunnable:
		return exitNotRunnable
	case e.Kind == transport.GreetingLost:
		return exitConnect
	case e.Kind == transport.GreetingRefused:
		return exitStart
	case e.Kind == transport.GreetingCut:
		return exitStream
	case errors.Is(e, wire.ErrProtocol) && !errors.Is(e, wire.ErrVersion):
		return exitStream
	}
	return exitProtocol
}
