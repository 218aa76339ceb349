package engine

import (
	"context"
	"errors"
	"syscall"

	"gosync/transport/wire"
)

// ExitCode returns the exit status for the error that a run ended with, 0 for
// nil. The numbers are those of [wire.Code].
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) {
		return int(wire.CodeSignal) // whatever it was wrapped in when it struck
	}
	var w *wire.Error
	if errors.As(err, &w) && w.Code != wire.CodeOK {
		return int(w.Code)
	}
	for _, c := range []struct {
		is   error
		code wire.Code
	}{
		{ErrPartial, wire.CodePartial},
		{ErrVanished, wire.CodeVanished},
		{ErrDeleteGuard, wire.CodeDelete},
		{ErrDeleteLimit, wire.CodeDelete},
		{ErrSelect, wire.CodeSelect},
		{wire.ErrTimeout, wire.CodeTimeout},
		{wire.ErrVersion, wire.CodeProtocol},
		{wire.ErrProtocol, wire.CodeStream},
		{wire.ErrClosed, wire.CodeStream},
		{syscall.ENOSPC, wire.CodeFile},
		{syscall.EDQUOT, wire.CodeFile},
		{syscall.EROFS, wire.CodeFile},
	} {
		if errors.Is(err, c.is) {
			return int(c.code)
		}
	}
	return int(wire.CodeStream)
}
