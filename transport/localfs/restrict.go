package localfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/glob"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// Restricted is the part of this machine below one directory, for clients that are
// to see nothing else. It implements [engine.Host]; its methods may be called from
// several goroutines.
//
// The directory is opened once. Every path, absolute or not, is looked up from that
// descriptor: "/a", "a" and "~/a" are the same, ".." and symlinks may not lead out,
// and there are no other users' homes. Whoever renames the directory, or puts a
// symlink in its place, changes nothing for a server that runs.
//
// Symlinks that clients make are munged: see [mungePrefix].
type Restricted struct {
	fd       int
	resolves bool
	quiet    bool
	log      *slog.Logger
	ids      *knownIDs
}

var _ engine.Host = (*Restricted)(nil)

// Restrict opens dir for clients that are to see nothing else. With readOnly
// nothing is ever changed below it, not even times of access as far as the system
// lets this process leave them alone. log gets what is no failure; nil discards it.
//
// The names of users and groups are read now, from /etc/passwd and /etc/group and
// from nowhere else, so that nothing outside of dir is needed later.
func Restrict(dir string, readOnly bool, log *slog.Logger) (*Restricted, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	fd, err := openAt(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	ids := readIDs()
	ids.Umask() // looks at /proc once
	return &Restricted{fd: fd, resolves: canResolve(fd), quiet: readOnly, log: log, ids: ids}, nil
}

// Close lets go of the directory. Trees that were opened stay open.
func (h *Restricted) Close() error { return unix.Close(h.fd) }

// errOutside is about a path that leads out of the directory.
var errOutside = fmt.Errorf("it leads out of the directory that the far side gives access to: %w", fs.ErrPermission)

// below returns a path of a client as one from the directory.
func below(path string) string {
	path = strings.TrimLeft(path, "/")
	if path == "" {
		return "."
	}
	return path
}

// open opens what a path leads to. No symlink is followed that leads out.
func (h *Restricted) open(path string, flags int) (int, error) {
	path = below(path)
	if strings.IndexByte(path, 0) >= 0 {
		return -1, unix.EINVAL
	}
	if !h.resolves {
		return h.walk(path, flags)
	}
	fd, err := openInside(h.fd, path, flags|unix.O_CLOEXEC)
	if err == unix.EXDEV {
		err = errOutside
	}
	return fd, err
}

// walk is open for systems that cannot be told to stay inside: it follows no
// symlink at all.
func (h *Restricted) walk(path string, flags int) (int, error) {
	at := h.fd
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if len(parts) == 0 {
		parts = []string{"."}
	}
	for i, part := range parts {
		how := flags | unix.O_NOFOLLOW
		if i < len(parts)-1 || strings.HasSuffix(path, "/") {
			how |= unix.O_DIRECTORY
		}
		if i < len(parts)-1 {
			how = openRef | unix.O_DIRECTORY | unix.O_NOFOLLOW
		}
		fd, err := -1, error(errOutside)
		if part != ".." {
			fd, err = openAt(at, part, how, 0)
		}
		if at != h.fd {
			_ = unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at = fd
	}
	return at, nil
}

// openDir opens the directory at a path. mere says that it cannot be read.
func (h *Restricted) openDir(path string) (fd int, mere bool, err error) {
	t := &Tree{quiet: h.quiet}
	fd, err = t.reading(func(flags int) (int, error) { return h.open(path, unix.O_RDONLY|unix.O_DIRECTORY|flags) })
	if err == unix.EACCES && openRef != unix.O_RDONLY {
		fd, err = h.open(path, openRef|unix.O_DIRECTORY)
		return fd, true, err
	}
	return fd, false, err
}

// in calls f with the directory that holds what a path stands for, and its name
// there: "." where the path names a directory in another way.
func (h *Restricted) in(path string, f func(dirfd int, name string) error) error {
	path = below(path)
	dir, name := ".", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	if name == "" || name == "." || name == ".." {
		dir, name = path, "."
	}
	fd, err := h.open(dir, openRef|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return f(fd, name)
}

// Source implements [engine.Host].
func (h *Restricted) Source(ctx context.Context, path string) (engine.Source, error) {
	t, err := h.tree(ctx, path, engine.DestOptions{ReadOnly: true, Durability: engine.SyncNone})
	if err != nil {
		return nil, err
	}
	return &munged{t}, nil
}

// Dest implements [engine.Host]. An absolute path for partials is refused.
func (h *Restricted) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	err := checkPartialDir(how.PartialDir, false)
	if isAbs(how.PartialDir) {
		err = errOutside
	}
	if err == nil && h.quiet && !how.ReadOnly {
		err = unix.EROFS
	}
	if err != nil {
		return nil, &fs.PathError{Op: "use", Path: path, Err: err}
	}
	t, err := h.tree(ctx, path, how)
	if err != nil {
		return nil, err
	}
	if !how.ReadOnly {
		if err := t.takeLock(ctx); err != nil {
			_ = t.Close() // nothing has happened yet
			return nil, err
		}
	}
	return &munged{t}, nil
}

func (h *Restricted) tree(ctx context.Context, path string, how engine.DestOptions) (*Tree, error) {
	if path == "" {
		path = "."
	}
	err := context.Cause(ctx)
	var fd int
	var mere bool
	if err == nil {
		fd, mere, err = h.openDir(path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	t, err := newTree(fd, mere, path, how, h.log)
	if err != nil {
		return nil, err
	}
	t.quiet = h.quiet
	return t, nil
}

// Lstat implements [engine.Host].
func (h *Restricted) Lstat(ctx context.Context, path string) (e manifest.Entry, err error) {
	if err = context.Cause(ctx); err == nil {
		err = h.in(path, func(dirfd int, name string) error {
			e, err = statAt(dirfd, name)
			return err
		})
	}
	if err != nil {
		return e, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	e.Name = lastName(path)
	plain(&e)
	return e, nil
}

// Stat implements [engine.Host].
func (h *Restricted) Stat(ctx context.Context, path string) (manifest.Entry, error) {
	e, err := h.Lstat(ctx, path)
	if err != nil || e.Type != manifest.Symlink {
		return e, err
	}
	fd, err := h.open(path, openRef|unix.O_NONBLOCK)
	if err != nil {
		return e, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return e, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	e = manifest.Entry{Name: lastName(path)}
	if meta.Entry(&e, &st); e.Type == manifest.Symlink { // it was not followed
		return e, &fs.PathError{Op: "stat", Path: path, Err: unix.ELOOP}
	}
	withDevice(&e, &st)
	return e, nil
}

// Mkdir implements [engine.Host].
func (h *Restricted) Mkdir(ctx context.Context, path string) error {
	err := context.Cause(ctx)
	if err == nil && h.quiet {
		err = unix.EROFS
	}
	if err == nil {
		err = h.in(strings.TrimRight(path, "/"), func(dirfd int, name string) error {
			return again(func() error { return unix.Mkdirat(dirfd, name, 0o777) })
		})
	}
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

// Expand implements [engine.Host]. A leading ~ stands for the directory itself,
// ~user for nothing but a name; wildcards see what is below.
func (h *Restricted) Expand(ctx context.Context, path string) ([]string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") {
		path = "." + path[1:]
	}
	return glob.Expand(ctx, inside{h}, glob.Plain(path))
}

// IDs implements [engine.Host].
func (h *Restricted) IDs() engine.IDs { return h.ids }

// Now implements [engine.Host].
func (h *Restricted) Now() time.Time { return time.Now() }

// Seed implements [engine.Host].
func (h *Restricted) Seed() uint64 { return (&Host{}).Seed() }

// inside is where the patterns of clients are looked up.
type inside struct{ h *Restricted }

func (i inside) Exists(path string) bool {
	return i.h.in(path, func(dirfd int, name string) error {
		var st unix.Stat_t
		return fstatAt(dirfd, name, &st)
	}) == nil
}

func (i inside) IsDir(path string) bool {
	fd, err := i.h.open(path, openRef|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

func (i inside) ReadDir(path string) []fs.DirEntry {
	fd, mere, err := i.h.openDir(path)
	if err != nil {
		return nil
	}
	if mere {
		_ = unix.Close(fd)
		return nil
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		i.h.log.Debug("cannot read a directory", "err", err)
	}
	return entries
}

// ErrNoLandlock: the kernel cannot keep a process from files that it may open.
var ErrNoLandlock = errors.New("the kernel has no Landlock, or none that is recent enough")
