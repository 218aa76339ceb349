package memtree

import (
	"context"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// Host returns the machine as the engine sees it. Its user is root, and numbers of
// owners have no names.
func (d *Disk) Host() *Host { return &Host{d} }

// Host is a machine. It implements [engine.Host].
type Host struct{ d *Disk }

var _ engine.Host = (*Host)(nil)

// Source implements [engine.Host].
func (h *Host) Source(ctx context.Context, path string) (engine.Source, error) {
	return h.open(ctx, path, engine.DestOptions{ReadOnly: true, Durability: engine.SyncNone})
}

// Dest implements [engine.Host].
func (h *Host) Dest(ctx context.Context, path string, how engine.DestOptions) (engine.Dest, error) {
	if how.PartialDir != "" {
		return nil, &fs.PathError{Op: "use", Path: how.PartialDir, Err: syscall.ENOTSUP}
	}
	t, err := h.open(ctx, path, how)
	if err != nil || how.ReadOnly {
		return t, err
	}
	if err := t.takeLock(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

func (h *Host) open(ctx context.Context, path string, how engine.DestOptions) (*tree, error) {
	t := &tree{d: h.d, root: path, how: how, live: map[*newFile]struct{}{}, dirty: map[*inode]struct{}{}}
	err := context.Cause(ctx)
	if err == nil {
		err = h.d.do(Op{Kind: "open", Path: path}, func() (err error) {
			t.top, err = h.d.resolve(path, true)
			if err == nil && t.top.kind != manifest.Directory {
				err = syscall.ENOTDIR
			}
			return err
		})
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return t, nil
}

// Lstat implements [engine.Host].
func (h *Host) Lstat(ctx context.Context, path string) (manifest.Entry, error) {
	return h.stat(ctx, path, false)
}

// Stat implements [engine.Host].
func (h *Host) Stat(ctx context.Context, path string) (manifest.Entry, error) {
	return h.stat(ctx, path, true)
}

func (h *Host) stat(ctx context.Context, path string, follow bool) (e manifest.Entry, err error) {
	if err = context.Cause(ctx); err == nil {
		err = h.d.do(Op{Kind: "stat", Path: path}, func() error {
			i, err := h.d.resolve(path, follow || strings.HasSuffix(path, "/"))
			if err == nil {
				e = i.entry(lastName(path))
			}
			return err
		})
	}
	if err != nil {
		return e, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return e, nil
}

func lastName(path string) string {
	path = strings.TrimRight(path, "/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	if name == "." || name == ".." {
		return ""
	}
	return name
}

// Mkdir implements [engine.Host].
func (h *Host) Mkdir(ctx context.Context, path string) error {
	err := context.Cause(ctx)
	if err == nil {
		err = h.d.do(Op{Kind: "mkdir", Path: path, Change: true}, func() error {
			up, name := "/", strings.TrimRight(path, "/")
			if i := strings.LastIndexByte(name, '/'); i >= 0 {
				up, name = name[:i], name[i+1:]
			}
			dir, err := h.d.resolve(up, true)
			if err != nil {
				return err
			}
			return h.d.mkdir(dir, name, 0o777&^umask)
		})
	}
	if err != nil {
		return &fs.PathError{Op: "mkdir", Path: path, Err: err}
	}
	return nil
}

// mkdir makes a directory, which inherits the group where its parent says so.
func (d *Disk) mkdir(dir *inode, name string, mode uint16) error {
	if dir.kind != manifest.Directory {
		return syscall.ENOTDIR
	}
	if _, ok := d.child(dir, name); ok {
		return syscall.EEXIST
	}
	i := d.make(manifest.Directory, mode)
	if dir.now.mode&0o2000 != 0 {
		i.now.gid, i.now.mode = dir.now.gid, mode|0o2000
		i.states[0] = i.now
	}
	d.alter(dir, naming{name, i})
	return nil
}

// Expand implements [engine.Host]. There are neither homes nor wildcards.
func (h *Host) Expand(_ context.Context, path string) ([]string, error) {
	return []string{path}, nil
}

// IDs implements [engine.Host].
func (h *Host) IDs() engine.IDs { return ids{} }

// Now implements [engine.Host].
func (h *Host) Now() time.Time { return h.d.o.Now() }

// Seed implements [engine.Host].
func (h *Host) Seed() uint64 { return h.d.o.Seed }

// umask is that of all processes.
const umask = 0o022

type ids struct{}

func (ids) UserName(uint32) string           { return "" }
func (ids) GroupName(uint32) string          { return "" }
func (ids) User(string) (id uint32, _ bool)  { return 0, false }
func (ids) Group(string) (id uint32, _ bool) { return 0, false }
func (ids) Root() bool                       { return true }
func (ids) Member(uint32) bool               { return true }
func (ids) Umask() uint16                    { return umask }
