package transport

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"gosync/transport/wire"
)

// GreetingKind says why a command on the far side is of no use.
type GreetingKind uint8

// The kinds.
const (
	GreetingLost        GreetingKind = iota // the line broke, or ssh(1) could not make one: nothing is known of the far side
	GreetingNoCommand                       // there is no such command
	GreetingNotRunnable                     // it is there and cannot be run: no right to, another architecture, a noexec mount
	GreetingCrashed                         // it ended before it greeted
	GreetingNoise                           // something answered that is not gosync, or a login shell that prints too much
	GreetingVersion                         // gosync, of a version that this one has no protocol in common with
	GreetingLate                            // it began to answer and did not finish in time
	GreetingRefused                         // ssh(1) is connected, and the server starts no commands
	GreetingCut                             // gosync began to greet, and the line ended within that
)

// GreetingError is a far side on which a command was started that is no gosync
// this one can talk to. It wraps what package wire says, so that wire.ErrVersion
// and wire.ErrProtocol are found in it.
type GreetingError struct {
	Kind   GreetingKind
	Status int         // exit status as in ExitError; -1 where it is not known
	Stderr string      // its last messages, safe for a terminal
	Output string      // what it printed, at most 200 bytes, escaped
	Hello  *wire.Hello // its greeting, for GreetingVersion
	Err    error
}

func (e *GreetingError) Error() string {
	if errors.Is(e.Err, wire.ErrTimeout) {
		return e.Err.Error()
	}
	var s string
	switch e.Kind {
	case GreetingNoCommand:
		s = "there is no such command on the far side"
	case GreetingNotRunnable:
		s = "the far side cannot run the command"
	case GreetingCrashed:
		s = fmt.Sprintf("the command ended on the far side before it answered (%s)", statusText(e.Status))
	case GreetingNoise:
		s = e.Err.Error() // it quotes what was printed
	case GreetingLate:
		s = e.Err.Error()
	case GreetingRefused:
		s = "the server starts no commands"
	case GreetingCut:
		s = "the line ended while the far side greeted"
	default:
		return e.Err.Error()
	}
	if last := lastLine(e.Stderr); last != "" {
		s += ": " + last
	}
	return s
}

func (e *GreetingError) Unwrap() error { return e.Err }

// statusText names an exit status as ExitError holds it.
func statusText(status int) string {
	switch {
	case status < 0:
		return "status unknown"
	case status > 128:
		return fmt.Sprintf("signal %d", status-128)
	default:
		return fmt.Sprintf("status %d", status)
	}
}

// quoted puts text that is escaped already into quotes.
func quoted(s string) string {
	return `"` + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", " ") + `"`
}

// lastLine returns the last line of messages that says something: fish ends its
// own with a line of carets.
func lastLine(messages string) string {
	lines := strings.Split(messages, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.ContainsFunc(lines[i], unicode.IsLetter) {
			return strings.TrimSpace(lines[i])
		}
	}
	return ""
}

// refusedRequest reports whether ssh(1) says that the server refuses to start a command or a subsystem. Its exit status is
// that of a connection that could not be made.
func refusedRequest(stderr string) bool {
	last := lastLine(stderr)
	return strings.HasPrefix(last, "exec request failed on channel ") || strings.HasPrefix(last, "subsystem request failed on channel ")
}

// classify finds the kind of a command that has ended, or that was closed
// because of what it printed.
func (e *GreetingError) classify(ended bool) GreetingKind {
	last := lastLine(e.Stderr)
	switch {
	case e.Status == 127:
		return GreetingNoCommand
	case e.Status == 126:
		return GreetingNotRunnable
	case e.Status == 1 && strings.HasSuffix(last, ": Command not found."): // csh has no statuses for these
		return GreetingNoCommand
	case e.Status == 1 && (strings.HasSuffix(last, ": Permission denied.") || strings.Contains(last, ": Exec format error.")):
		return GreetingNotRunnable
	case errors.Is(e.Err, wire.ErrProtocol), !ended, e.Output != "" && e.Status == 0:
		return GreetingNoise
	case e.Status < 0 && errors.Is(e.Err, io.ErrUnexpectedEOF):
		return GreetingLost
	default:
		return GreetingCrashed
	}
}
