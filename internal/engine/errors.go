package engine

import (
	"errors"
	"io/fs"
)

// FileError is an error that concerns one file; the run went on without it.
type FileError struct {
	Op   string // what was tried: "open", "read", "rename", ...
	Path string // as a user would write it, with the root of its tree
	Err  error
}

func (e *FileError) Error() string { return e.Op + " " + e.Path + ": " + text(e.Err) }

// Unwrap returns what went wrong.
func (e *FileError) Unwrap() error { return e.Err }

// Vanished reports whether the file was there when the source was listed and
// was gone when it was to be read.
func (e *FileError) Vanished() bool { return e.Op == "vanished" || errors.Is(e.Err, ErrVanished) }

// Errors that a run ends with or that are found in a [FileError].
var (
	// ErrPartial: some files could not be dealt with; each was reported.
	ErrPartial = errors.New("some files could not be transferred")

	// ErrVanished: a file of the source was gone before it could be read.
	ErrVanished = errors.New("file has vanished")

	// ErrDeleteGuard: deletions were refused because they looked like an accident.
	ErrDeleteGuard = errors.New("deletions refused")

	// ErrDeleteLimit: there was more to delete than MaxDelete permits.
	ErrDeleteLimit = errors.New("deletions stopped at the limit")

	// ErrSelect: the sources or the destination cannot be what was asked for.
	ErrSelect = errors.New("cannot select files")

	// ErrChanged: a file of the source changed while it was read.
	ErrChanged = errors.New("file changed while it was read")

	// ErrInUse: another run is working on the same file or destination.
	ErrInUse = errors.New("another run is working on it")

	// ErrContent: what was received is not what was sent, after it was sent again.
	ErrContent = errors.New("content does not match its digest")
)

// isGone reports whether err says that a file does not exist.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
