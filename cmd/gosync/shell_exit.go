package main

import (
	"errors"

	"gosync/internal/shell"
	"gosync/transport/sshconn"
)

// refused reports whether the SSH server was reached and does not want to do what it
// was asked for.
func refused(err error) bool { return errors.Is(err, sshconn.ErrRefused) }

// shellError gives an error of gosync ls and gosync shell its exit status.
func shellError(err error) error {
	var coded *codeError
	var connecting *connectError
	switch {
	case err == nil, errors.As(err, &coded), errors.Is(err, errInterrupted), errors.As(err, &connecting):
		return err
	case errors.Is(err, shell.ErrInterrupted):
		return withCode(exitSignal, err)
	case errors.Is(err, shell.ErrUsage):
		return withCode(exitUsage, err)
	case errors.Is(err, shell.ErrNoSFTP):
		return withCode(exitTransport, err)
	case errors.Is(err, shell.ErrTimeout):
		return withCode(exitTimeout, err)
	case errors.Is(err, shell.ErrLost):
		return withCode(exitStream, err)
	}
	return withCode(exitPartial, err)
}
