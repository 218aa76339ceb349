package transport

import (
	"fmt"

	"gosync/transport/wire"
)

// DeployKind says why no agent can be made available.
type DeployKind uint8

// The kinds.
const (
	DeployRefused     DeployKind = iota // the far side runs no commands, or has no sh: a restricted account
	DeployNoAgent                       // there is no agent for the far side's system here
	DeployUnwritable                    // the home directory is read-only, full, or not there
	DeployUnsafe                        // something was planted there, or others could do it: a reason to stop, not to go on
	DeployNoExec                        // nothing can be run in the home directory
	DeployNotRunnable                   // the agent does not run there: another architecture, or no C library for it
	DeployDamaged                       // what arrived is not what was sent
)

// DeployError is a far side on which no agent could be made available. Errors
// of the line, or of ctx, are none of these.
type DeployError struct {
	Kind   DeployKind
	Reason string // such as "home is noexec", safe for a terminal
	Detail string // what the far side said, safe for a terminal
	Err    error  // nil where nothing lies beneath
}

func (e *DeployError) Error() string {
	s := "no agent could be sent: " + e.Reason
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

func (e *DeployError) Unwrap() error { return e.Err }

// Code is the exit status of a run that ends by it.
func (e *DeployError) Code() wire.Code {
	if e.Kind == DeployUnsafe {
		return wire.CodeStart
	}
	return wire.CodeTransport
}

// deployFailure makes an error of what a script says behind fail: a word, and
// the path that it is about.
func deployFailure(word, path, detail string) *DeployError {
	path = string(escape(nil, []byte(path)))
	e := &DeployError{}
	switch word {
	case "home":
		e.Kind, e.Reason = DeployUnwritable, fmt.Sprintf("there is no home directory (HOME is %q)", path)
	case "mkdir":
		e.Kind, e.Detail, e.Reason = DeployUnwritable, detail, "cannot make "+path
	case "write":
		e.Kind, e.Detail, e.Reason = DeployUnwritable, detail, "cannot write "+path
	case "noexec":
		e.Kind, e.Reason = DeployNoExec, "home is noexec"
	case "damaged":
		e.Kind, e.Detail, e.Reason = DeployDamaged, detail, "what arrived there is not what was sent"
	case "notdir":
		e.Kind, e.Reason = DeployUnsafe, path+" is no directory, or a symbolic link: remove it"
	case "writable":
		e.Kind, e.Reason = DeployUnsafe, "others may write to "+path+", and so replace the agent: chmod go-w it"
	case "owner":
		e.Kind, e.Reason = DeployUnsafe, path+" belongs to somebody else"
	case "planted":
		e.Kind, e.Reason = DeployUnsafe, path+" is not the agent that its name says, somebody or a broken disk has changed it: remove it"
	default:
		e.Kind, e.Reason = DeployRefused, fmt.Sprintf("an answer that is not understood (%.200q)", word)
	}
	return e
}
