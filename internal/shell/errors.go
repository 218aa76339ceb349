package shell

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrInterrupted is the cause of a command's end by an interrupt.
	ErrInterrupted = fmt.Errorf("interrupted%w", silent{context.Canceled})

	// ErrLost means that the SFTP session broke. The next request starts another.
	ErrLost = errors.New("the connection was lost")

	// ErrTimeout means that the far side has said nothing for Remote.Timeout.
	ErrTimeout = errors.New("the far side does not answer")

	// ErrNoSFTP means that no way to start an SFTP session worked.
	ErrNoSFTP = errors.New("no SFTP on the far side")

	// ErrUsage means that a command line makes no sense.
	ErrUsage = errors.New("usage")
)

// silent is an error that adds nothing to the text of one that wraps it.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

// usageError is a command line that makes no sense; it is ErrUsage.
type usageError struct{ text string }

func (e *usageError) Error() string        { return e.text }
func (e *usageError) Is(target error) bool { return target == ErrUsage }

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}
