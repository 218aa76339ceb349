package localfs

import (
	"context"
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// Host is this machine. It implements [engine.Host]; its methods may be called
// from several goroutines.
type Host struct {
	// Log gets what users of the trees should know but is no failure; nil
	// discards it. It is set before the first use.
	Log *slog.Logger

	// Insecure has symlinks followed in paths that options name, and in the
	// destination's, whoever owns them. It is set before the first use.
	Insecure bool

	ids IDs
}

var _ engine.Host = (*Host)(nil)

// NewHost returns the machine that the process runs on.
func NewHost() *Host { return &Host{} }

// Source implements [engine.Host]. The tree is a [*Tree], which must be closed.
func (h *Host) Source(ctx context.Context, path string) (engine.Source, error) {
	return h.open(ctx, path, engine.DestOptions{ReadOnly: true, Durability: engine.SyncNone})
}

// Dest implements [engine.Host].
func (h *Host) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	switch err := checkPartialDir(how.PartialDir, h.Insecure); {
	case isForeign(err): // as for rsync the run goes on without
		if h.Log != nil {
			h.Log.Warn("the directory for partial files is not used", "path", how.PartialDir, "error", err)
		}
		how.PartialDir = ""
	case err != nil:
		return nil, &fs.PathError{Op: "use", Path: how.PartialDir, Err: err}
	}
	t, err := h.openGuarded(ctx, path, how)
	if err != nil || how.ReadOnly {
		return t, err
	}
	if err := t.takeLock(ctx); err != nil {
		_ = t.Close() // nothing has happened yet
		return nil, err
	}
	return t, nil
}

func (h *Host) open(ctx context.Context, path string, how engine.DestOptions) (*Tree, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return Open(path, how, h.Log)
}

// openGuarded opens a directory that an option names, or the destination.
func (h *Host) openGuarded(ctx context.Context, path string, how engine.DestOptions) (*Tree, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	t, err := openBy(path, how, h.Log, func(path string, flags int) (int, error) {
		return openOperator(unix.AT_FDCWD, path, flags, 0, h.Insecure)
	})
	if err == nil {
		t.insecure = h.Insecure
	}
	return t, err
}

// Lstat implements [engine.Host]. The entry's name is the last component of
// path, "" where that names a directory in another way.
func (h *Host) Lstat(ctx context.Context, path string) (manifest.Entry, error) {
	return stat(ctx, "lstat", path, unix.AT_SYMLINK_NOFOLLOW)
}

// Stat implements [engine.Host].
func (h *Host) Stat(ctx context.Context, path string) (manifest.Entry, error) {
	return stat(ctx, "stat", path, 0)
}

func stat(ctx context.Context, op, path string, flags int) (e manifest.Entry, err error) {
	if path == "" {
		path = "."
	}
	var st unix.Stat_t
	if err = context.Cause(ctx); err == nil {
		err = again(func() error { return unix.Fstatat(unix.AT_FDCWD, path, &st, flags) })
	}
	if err != nil {
		return e, &fs.PathError{Op: op, Path: path, Err: err}
	}
	e.Name = lastName(path)
	meta.Entry(&e, &st)
	withDevice(&e, &st)
	if e.Type == manifest.Symlink {
		e.Ext.Link, err = readLink(unix.AT_FDCWD, path, e.Size)
		if err != nil {
			return e, &fs.PathError{Op: "readlink", Path: path, Err: err}
		}
		e.Size = int64(len(e.Ext.Link))
	}
	return e, nil
}

func lastName(path string) string {
	path = strings.TrimRight(path, "/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	if name == "." || name == ".." || runtime.GOOS == "windows" && strings.HasSuffix(name, ":") {
		return ""
	}
	return name
}

// Mkdir implements [engine.Host]. The directory gets the permissions that the
// process's umask leaves.
func (h *Host) Mkdir(ctx context.Context, path string) error {
	err := context.Cause(ctx)
	if err == nil {
		err = mkdirOperator(unix.AT_FDCWD, path, 0o777, h.Insecure)
	}
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

// Now implements [engine.Host].
func (h *Host) Now() time.Time { return time.Now() }

// IDs implements [engine.Host].
func (h *Host) IDs() engine.IDs { return &h.ids }
