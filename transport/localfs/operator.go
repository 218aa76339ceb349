//go:build unix

package localfs

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"gosync/internal/unix"
)

// Paths that options name, and the destination's, may pass through directories in which
// somebody else can write, who could put a symlink there that leads a privileged run to
// another place. As in rsync 3.5 a symlink in such a path is followed only where root
// or this user owns it. Sources are not concerned: their user names what is read.

// errForeign is about a symlink in such a path. It is an ELOOP, as for the system.
var errForeign = foreignLink{}

type foreignLink struct{}

func (foreignLink) Error() string {
	return "a symlink on the way belongs neither to root nor to this user, and may lead astray: name the directory that it leads to, or give --insecure-links (to the gosync there) if everybody who can write on the way is trusted"
}

// Unwrap returns the system's error for the case.
func (foreignLink) Unwrap() error { return unix.ELOOP }

// maxLinks is how many symlinks a path may have, as many as for the system.
const maxLinks = 40

// resolution is a path on the way to what it names.
type resolution struct {
	at    int    // the directory that was reached
	owned bool   // ... is closed in the end
	rest  string // of the path
	links int    // that were followed
}

func (r *resolution) close() {
	if r.owned {
		_ = unix.Close(r.at)
	}
}

// enter goes on in a directory.
func (r *resolution) enter(fd int, err error) error {
	if err != nil {
		return err
	}
	r.close()
	r.at, r.owned = fd, true
	return nil
}

// next takes the first component off the path, and tells whether it is the last one and
// whether it has to be a directory.
func (r *resolution) next() (part string, last, dir bool) {
	part, r.rest, dir = strings.Cut(r.rest, "/")
	r.rest = strings.TrimLeft(r.rest, "/")
	if part == "" {
		part = "."
	}
	return part, r.rest == "", dir
}

// follow goes on with the target of a symlink in the place of a component, and reports
// whether it is no path but stands for an open file: then it is to be opened as it is.
func (r *resolution) follow(part string, dir bool) (magic bool, err error) {
	target, owner, err := ownedLink(r.at, part)
	switch {
	case err != nil:
		return false, err
	case owner != 0 && int(owner) != unix.Geteuid():
		return false, errForeign
	case isMagic(r.at):
		return true, nil
	}
	if r.links++; r.links > maxLinks {
		return false, unix.ELOOP
	}
	if dir {
		target += "/"
	}
	r.rest = target + r.rest
	return false, r.restart()
}

// restart begins at the root where the path is absolute.
func (r *resolution) restart() error {
	if !strings.HasPrefix(r.rest, "/") {
		return nil
	}
	r.rest = strings.TrimLeft(r.rest, "/")
	return r.enter(openAt(unix.AT_FDCWD, "/", openRef|unix.O_DIRECTORY, 0))
}

// openOperator opens a path that an option names, relative to at. insecure has every
// symlink followed.
func openOperator(at int, path string, flags int, mode uint32, insecure bool) (int, error) {
	if insecure || path == "" {
		return openAt(at, path, flags, mode)
	}
	r := &resolution{at: at, rest: path}
	defer r.close()
	if err := r.restart(); err != nil {
		return -1, err
	}
	for {
		part, last, dir := r.next()
		var st unix.Stat_t
		err := fstatAt(r.at, part, &st)
		switch isLink := err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK; {
		case err != nil && !(err == unix.ENOENT && last && flags&unix.O_CREAT != 0):
			return -1, err
		case isLink && (!last || dir || flags&unix.O_NOFOLLOW == 0):
			magic, err := r.follow(part, dir)
			if magic && last {
				return openAt(r.at, part, flags, mode)
			}
			if magic {
				err = r.enter(openAt(r.at, part, openRef|unix.O_DIRECTORY, 0))
			}
			if err != nil {
				return -1, err
			}
		case last:
			if dir {
				flags |= unix.O_DIRECTORY
			}
			return openAt(r.at, part, flags|unix.O_NOFOLLOW, mode)
		default:
			if err := r.enter(openAt(r.at, part, openRef|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)); err != nil {
				return -1, err
			}
		}
	}
}

// mkdirOperator makes a directory by such a path.
func mkdirOperator(at int, path string, mode uint32, insecure bool) error {
	path = strings.TrimRight(path, "/")
	i := strings.LastIndexByte(path, '/')
	if insecure || i < 0 {
		return again(func() error { return unix.Mkdirat(at, path, mode) })
	}
	up, err := openOperator(at, path[:i+1], openRef|unix.O_DIRECTORY, 0, false)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(up) }()
	return again(func() error { return unix.Mkdirat(up, path[i+1:], mode) })
}

// OpenFile opens a file that an option names, as [os.OpenFile] does, but follows no
// symlink on the way that belongs to somebody else.
func OpenFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	fd, err := openOperator(unix.AT_FDCWD, name, flags|unix.O_CLOEXEC, uint32(mode.Perm()), false)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// isForeign reports whether a symlink was not followed because of its owner.
func isForeign(err error) bool { return errors.Is(err, errForeign) }
