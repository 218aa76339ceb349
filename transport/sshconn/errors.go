package sshconn

import (
	"errors"
	"fmt"
)

// The conditions a caller tells apart with errors.Is. Every error of Resolve and Dial is one of them, or the error of a
// cancelled context.
var (
	// ErrConfig means that ssh_config is wrong, unsafe, or asks for something this client cannot do.
	ErrConfig = errors.New("ssh configuration")
	// ErrConnect means that there is no SSH connection: name lookup, TCP, time-out or key exchange failed. A time-out
	// is also a net.Error whose Timeout method reports true.
	ErrConnect = errors.New("ssh connection failed")
	// ErrHostKey means that the server could not be identified. The chain holds a *HostKeyError.
	ErrHostKey = errors.New("host key verification failed")
	// ErrAuth means that the server accepted none of the keys and answers it was given.
	ErrAuth = errors.New("ssh authentication failed")
	// ErrCommandOnly means that the ssh program could connect and this client cannot, see NeedsCommand. The error is
	// ErrConfig as well, or ErrAuth where the server leaves no other way to log in.
	ErrCommandOnly = errors.New("only the ssh program can do that")
	// ErrRefused means that the server is connected to and does not start what was asked for.
	ErrRefused = errors.New("the server refuses it")
	// ErrSilent means that the server has not answered within AnswerTimeout. The connection was closed.
	ErrSilent = errors.New("the server has not answered")
	// ErrNoTerminal means that something had to be asked and nobody could be: no terminal, no SSH_ASKPASS, or BatchMode.
	ErrNoTerminal = errors.New("no terminal to ask on")
)

// Error tells what failed, for which host, and what can be done about it. It unwraps to its kind (ErrConnect, ...) and
// to its cause.
type Error struct {
	Kind error  // ErrConfig, ErrConnect, ErrHostKey or ErrAuth
	Host string // the host as the user wrote it, with the address where it differs
	Hint string // what to do, or ""
	Err  error  // the cause
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%v: %s: %v", e.Kind, e.Host, e.Err)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Unwrap gives errors.Is and errors.As both the kind and the cause.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// ExitError is the end of a remote command that did not succeed.
type ExitError struct {
	Status int    // the exit status, or 128 or more when a signal ended the command
	Signal string // the signal's name without SIG, or ""
}

func (e *ExitError) Error() string {
	if e.Signal != "" {
		return fmt.Sprintf("remote command ended by signal %s", safeText(e.Signal))
	}
	return fmt.Sprintf("remote command exited with status %d", e.Status)
}
