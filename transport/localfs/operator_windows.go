package localfs

import (
	"io/fs"
	"os"
	"strings"

	"gosync/internal/unix"
)

// Paths that options name, and the destination's, are followed as they are: on Windows only
// administrators make symlinks, unless Developer Mode is on.

// openOperator opens a path that an option names, relative to at.
func openOperator(at int, path string, flags int, mode uint32, _ bool) (int, error) {
	path, err := operatorPath(at, path)
	if err != nil {
		return -1, err
	}
	return openAt(unix.AT_FDCWD, path, flags, mode)
}

// mkdirOperator makes a directory by such a path.
func mkdirOperator(at int, path string, mode uint32, _ bool) error {
	path, err := operatorPath(at, path)
	if err != nil {
		return err
	}
	return unix.Mkdirat(unix.AT_FDCWD, strings.TrimRight(path, `/\`), mode)
}

// operatorPath returns a path that does not depend on at any more.
func operatorPath(at int, path string) (string, error) {
	if at == unix.AT_FDCWD || isAbs(path) {
		return path, nil
	}
	base, err := unix.Path(at)
	return base + `\` + strings.ReplaceAll(path, "/", `\`), err
}

// OpenFile opens a file that an option names, as [os.OpenFile] does.
func OpenFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flags, mode)
}

// isForeign reports whether a symlink was not followed because of its owner.
func isForeign(error) bool { return false }
