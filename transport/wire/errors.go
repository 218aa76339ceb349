package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
)

// Code is the exit status that an error ends a run with. The numbers are
// rsync's where the meaning is the same.
type Code uint8

// The codes.
const (
	CodeOK          Code = 0
	CodeUsage       Code = 1   // wrong options or arguments
	CodeProtocol    Code = 2   // no handshake: version, garbage before the magic
	CodeSelect      Code = 3   // sources or destination cannot be what was asked for
	CodeUnsupported Code = 4   // a refused or unsupported action
	CodeStart       Code = 5   // the far side could not be started
	CodeSocket      Code = 10  // reading or writing the connection
	CodeFile        Code = 11  // file I/O that makes going on senseless
	CodeStream      Code = 12  // the peer broke the protocol, or the connection was cut
	CodeInternal    Code = 14  // a fault of the program
	CodeSignal      Code = 20  // interrupted
	CodeMemory      Code = 22  // a limit on memory or counts
	CodePartial     Code = 23  // some files failed
	CodeVanished    Code = 24  // some source files vanished
	CodeDelete      Code = 25  // deletions refused or stopped
	CodeTimeout     Code = 30  // nothing moved for too long
	CodeConnTimeout Code = 35  // no connection in time
	CodeConnect     Code = 40  // no connection
	CodeHostKey     Code = 41  // the host key is not the known one
	CodeAuth        Code = 42  // authentication failed
	CodeTransport   Code = 43  // nothing usable on the far side
	CodeNotFound    Code = 127 // the remote command does not exist
)

// Kind is the class of an error, so that errors.Is works across the wire. New
// kinds are appended; an unknown kind decodes as KindOther.
type Kind uint8

// The kinds.
const (
	KindOther Kind = iota
	KindNotExist
	KindExist
	KindPermission
	KindNoSpace
	KindReadOnly
	KindNotDirectory
	KindIsDirectory
	KindNotEmpty
	KindTooLong
	KindIO
	KindQuota
	KindCanceled
	KindTimeout
	KindVanished
	KindChanged
	KindContent
	kindEnd
)

// ErrProtocol marks a peer that broke the protocol; ErrVersion one that could
// not shake hands; ErrTimeout a connection on which nothing moved; ErrClosed
// one that ended before the run did.
var (
	ErrProtocol = errors.New("protocol error")
	ErrVersion  = errors.New("handshake failed")
	ErrTimeout  = errors.New("timeout")
	ErrClosed   = errors.New("connection closed by the far side")
)

// kindErrors pairs kinds with the errors that they stand for.
func kindErrors() []struct {
	kind Kind
	err  error
} {
	return []struct {
		kind Kind
		err  error
	}{
		{KindNoSpace, syscall.ENOSPC},
		{KindReadOnly, syscall.EROFS},
		{KindNotDirectory, syscall.ENOTDIR},
		{KindIsDirectory, syscall.EISDIR},
		{KindNotEmpty, syscall.ENOTEMPTY},
		{KindTooLong, syscall.ENAMETOOLONG},
		{KindIO, syscall.EIO},
		{KindQuota, syscall.EDQUOT},
		{KindNotExist, fs.ErrNotExist},
		{KindExist, fs.ErrExist},
		{KindPermission, fs.ErrPermission},
		{KindCanceled, context.Canceled},
		{KindTimeout, ErrTimeout},
	}
}

// KindOf returns the class of err.
func KindOf(err error) Kind {
	var w *Error
	if errors.As(err, &w) {
		return w.Kind
	}
	for _, k := range kindErrors() {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return KindOther
}

// Error is an error that crossed the wire, or is about to. Its Kind makes
// errors.Is find fs.ErrNotExist and friends.
type Error struct {
	Code Code // how the run ends, where the error ends it
	Kind Kind
	Op   string // what was tried, "" if the text says it
	Path string // as a user would write it
	Text string // what happened, and what to do
}

func (e *Error) Error() string {
	switch {
	case e.Op != "" && e.Path != "":
		return e.Op + " " + e.Path + ": " + e.Text
	case e.Path != "":
		return e.Path + ": " + e.Text
	case e.Op != "":
		return e.Op + ": " + e.Text
	default:
		return e.Text
	}
}

// Unwrap returns the error that the kind stands for, nil for KindOther.
func (e *Error) Unwrap() error {
	for _, k := range kindErrors() {
		if k.kind == e.Kind {
			return k.err
		}
	}
	return nil
}

// Errorf returns an Error with a code and a formatted text.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Kind: KindOf(err), Text: err.Error()}
}

// protocolError wraps ErrProtocol, and what args hold for a %w, with what was
// wrong.
func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrProtocol, fmt.Errorf(format, args...))
}

// unexpectedEOF turns an end of stream within a frame into io.ErrUnexpectedEOF.
func unexpectedEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
