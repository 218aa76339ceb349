package localfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"strings"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// maxPath is the length up to which a path is given to the system in one
// piece; the limit of most is 1024 or 4096 with the final NUL.
const maxPath = 1000

// split cuts a path in the tree into its directory and its last component, and
// checks the latter. The components before are checked when the directory is opened.
func split(path string) (dir, name string, err error) {
	name = path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		if dir, name = path[:i], path[i+1:]; dir == "" {
			return "", "", fmt.Errorf("%w: absolute path", manifest.ErrName)
		}
	}
	return dir, name, checkName(name)
}

// checkName refuses what is not a single component. That a name may be too
// long is left to the system to say.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.IndexByte(name, 0) >= 0 {
		return fmt.Errorf("%w: %q", manifest.ErrName, name)
	}
	if runtime.GOOS == "windows" {
		return checkPortable(name)
	}
	return nil
}

// checkPortable refuses what Windows would take for another name, or cannot hold.
func checkPortable(name string) error {
	if why := unix.BadName(name); why != "" {
		return fmt.Errorf("%w: %q: %s: rename it at the source, or leave it out with --exclude", manifest.ErrName, name, why)
	}
	return nil
}

// isAbs reports whether a path does not depend on where it is looked up from.
func isAbs(path string) bool { return strings.HasPrefix(path, "/") || filepath.IsAbs(path) }

// checkPath checks all components of a path that is not the root's.
func checkPath(path string) error {
	for name := range strings.SplitSeq(path, "/") {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return nil
}

// full returns a path as a user would write it.
func (t *Tree) full(path string) string {
	switch {
	case path == "":
		return t.root
	case strings.HasSuffix(t.root, "/"):
		return t.root + path
	}
	return t.root + "/" + path
}

// fail gives an error its operation and path.
func (t *Tree) fail(op, path string, err error) error {
	if err == nil {
		return nil
	}
	var known *fs.PathError
	if errors.As(err, &known) {
		return err
	}
	var attr *meta.Error
	if errors.As(err, &attr) {
		op, err = attr.Op, attr.Err
		if attr.Kept() {
			err = &engine.KeptError{Err: err}
		}
	}
	return &fs.PathError{Op: op, Path: t.full(path), Err: err}
}

// typeError says that an entry is not of the kind that an operation needs.
type typeError struct{ is, want manifest.Type }

func (e *typeError) Error() string {
	return fmt.Sprintf("is a %v, not a %v", e.is, e.want)
}

// Unwrap returns the system's error for the case.
func (e *typeError) Unwrap() error {
	switch {
	case e.is == manifest.Directory:
		return unix.EISDIR
	case e.want == manifest.Directory:
		return unix.ENOTDIR
	case e.is == manifest.Symlink:
		return unix.ELOOP
	default:
		return unix.EINVAL
	}
}

// again calls f until it was not interrupted by a signal.
func again(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// openAt opens a name in a directory.
func openAt(dirfd int, name string, flags int, mode uint32) (fd int, err error) {
	for {
		if fd, err = unix.Openat(dirfd, name, flags|unix.O_CLOEXEC, mode); err != unix.EINTR {
			return fd, err
		}
	}
}
