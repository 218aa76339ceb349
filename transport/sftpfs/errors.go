package sftpfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/pkg/sftp"

	"gosync/walker/manifest"
)

// Codes of a status.
const (
	codeOK          = 0
	codeEOF         = 1
	codeNoFile      = 2
	codePermission  = 3
	codeFailure     = 4
	codeBadMessage  = 5
	codeUnsupported = 8
	codeExists      = 11 // of later versions; some servers use it
)

// statusError is what a server answers in place of what was asked for.
type statusError struct {
	code uint32
	text string
}

func (e *statusError) Error() string {
	switch {
	case e.code == codeNoFile:
		return fs.ErrNotExist.Error()
	case e.code == codePermission:
		return "permission denied"
	case e.text == "" || e.text == "Failure":
		return fmt.Sprintf("the SFTP server cannot do it, and does not say why (status %d)", e.code)
	}
	return "the SFTP server says: " + e.text
}

// Unwrap returns the error that the code stands for, where it stands for one.
func (e *statusError) Unwrap() error {
	switch e.code {
	case codeEOF:
		return io.EOF
	case codeNoFile:
		return fs.ErrNotExist
	case codePermission:
		return fs.ErrPermission
	case codeUnsupported:
		return errors.ErrUnsupported
	case codeExists:
		return fs.ErrExist
	}
	return nil
}

// isFailure reports whether the server has failed without a reason that is known.
func isFailure(err error) bool {
	var s *statusError
	return errors.As(err, &s) && s.code == codeFailure
}

// decodeStatus returns the error of a status, nil if that is a success.
func decodeStatus(body []byte) error {
	d := decoder{b: body}
	e := &statusError{code: d.u32()}
	if len(d.b) > 0 {
		e.text = cleanText(d.string(maxPacket))
	}
	switch {
	case d.err != nil:
		return d.err
	case e.code == codeOK:
		return nil
	}
	return e
}

// translate returns an error of package sftp as one of this package.
func (s *session) translate(err error) error {
	var status *sftp.StatusError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &status):
		return &statusError{code: status.Code, text: cleanText(statusText(status))}
	case errors.Is(err, sftp.ErrSSHFxConnectionLost), errors.Is(err, sftp.ErrSSHFxNoConnection), s.over():
		return s.cause()
	case errors.Is(err, fs.ErrNotExist):
		return &statusError{code: codeNoFile}
	case errors.Is(err, fs.ErrPermission):
		return &statusError{code: codePermission}
	}
	return err
}

// statusText cuts what package sftp puts around a server's words.
func statusText(e *sftp.StatusError) string {
	text := e.Error()
	var quoted string
	if n, _ := fmt.Sscanf(text, "sftp: %q", &quoted); n == 1 {
		return quoted
	}
	return text
}

// lostError says that the connection is gone. Whoever looks for that finds
// io.ErrUnexpectedEOF, and what has happened.
type lostError struct{ err error }

func (e *lostError) Error() string {
	if errors.Is(e.err, io.EOF) || errors.Is(e.err, io.ErrUnexpectedEOF) {
		return "the SFTP server has closed the connection"
	}
	return "the connection to the SFTP server is lost: " + e.err.Error()
}

func (e *lostError) Unwrap() []error { return []error{io.ErrUnexpectedEOF, e.err} }

// fail gives an error its operation and path.
func fail(op, path string, err error) error {
	if err == nil {
		return nil
	}
	var known *fs.PathError
	if errors.As(err, &known) {
		return err
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// typeError says that an entry is not of the kind that an operation needs.
type typeError struct{ is, want manifest.Type }

func (e *typeError) Error() string { return fmt.Sprintf("is a %v, not a %v", e.is, e.want) }

// Unwrap returns the system's error for the case.
func (e *typeError) Unwrap() error {
	switch {
	case e.is == manifest.Directory:
		return syscall.EISDIR
	case e.want == manifest.Directory:
		return syscall.ENOTDIR
	}
	return syscall.EINVAL
}

// errSlow: the server does not answer.
var errSlow = fmt.Errorf("it does not answer: %w", os.ErrDeadlineExceeded)
