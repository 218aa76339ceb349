package engine

import (
	"context"
	"io/fs"
	"sync"

	"gosync/walker/manifest"
)

// limitedHost is a destination's host as a server's limits let it be seen.
type limitedHost struct {
	Host
	limits *Limits
	job    *Job

	mu   sync.Mutex
	made map[string]bool // directories that this run has made, by path
}

// host returns host with what the limits forbid taken away. The planner leaves it
// out by itself; this is what holds when it does not.
func (l *Limits) host(host Host, job *Job) Host {
	if *l == (Limits{MaxTimeout: l.MaxTimeout, MaxFiles: l.MaxFiles}) {
		return host
	}
	return &limitedHost{Host: host, limits: l, job: job, made: map[string]bool{}}
}

// Mkdir implements [Host].
func (h *limitedHost) Mkdir(ctx context.Context, path string) error {
	err := h.Host.Mkdir(ctx, path)
	if err == nil {
		h.mu.Lock()
		h.made[path] = true
		h.mu.Unlock()
	}
	return err
}

// Dest implements [Host].
func (h *limitedHost) Dest(ctx context.Context, path string, how DestOptions) (Dest, error) {
	how.NoReplace = h.limits.NoOverwrite
	t, err := h.Host.Dest(ctx, path, how)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return &limitedDest{Dest: t, limits: h.limits, job: h.job, made: map[string]bool{"": h.made[path]}}, nil
}

// limitedDest is a destination as a server's limits let it be used.
//
// One that is only written to seems to be empty: nothing is compared, everything
// is asked for, and no signature or digest of a file is ever made, because its
// files cannot be opened. A directory that is there already can be made again.
type limitedDest struct {
	Dest
	limits *Limits
	job    *Job

	mu   sync.Mutex
	made map[string]bool // directories that this run has made
}

// blind fails where the tree's files must not be read.
func (t *limitedDest) blind(op, path string) error {
	if t.limits.WriteOnly {
		return &fs.PathError{Op: op, Path: path, Err: fs.ErrPermission}
	}
	return nil
}

// frozen fails where nothing that exists is to be changed.
func (t *limitedDest) frozen() error {
	if t.limits.NoOverwrite {
		return errExists()
	}
	return nil
}

// List implements [walker.Tree].
func (t *limitedDest) List(ctx context.Context, dir string) ([]manifest.Entry, error) {
	if t.limits.WriteOnly {
		return nil, nil
	}
	return t.Dest.List(ctx, dir)
}

// ReadFile implements [walker.Tree].
func (t *limitedDest) ReadFile(ctx context.Context, name string, limit int64) ([]byte, error) {
	if err := t.blind("open", name); err != nil {
		return nil, err
	}
	return t.Dest.ReadFile(ctx, name, limit)
}

// Open implements [Dest].
func (t *limitedDest) Open(ctx context.Context, path string) (File, error) {
	if err := t.blind("open", path); err != nil {
		return nil, err
	}
	return t.Dest.Open(ctx, path)
}

// Partial implements [Dest].
func (t *limitedDest) Partial(ctx context.Context, path string) (Partial, error) {
	if t.limits.WriteOnly {
		return nil, &fs.PathError{Op: "open partial", Path: path, Err: fs.ErrNotExist}
	}
	return t.Dest.Partial(ctx, path)
}

// Stat implements [Dest]. The root of a tree that is only written to differs in
// everything from any source, so that nothing can be learnt from what is set.
func (t *limitedDest) Stat(ctx context.Context, path string) (manifest.Entry, error) {
	if t.limits.WriteOnly && path == "" {
		return manifest.Entry{Type: manifest.Directory, Mode: 0o7777, UID: 1<<32 - 1, GID: 1<<32 - 1, Sec: -1 << 40}, nil
	}
	return t.Dest.Stat(ctx, path)
}

// Create implements [Dest].
func (t *limitedDest) Create(ctx context.Context, path string, how CreateOptions) (NewFile, error) {
	if t.limits.NoOverwrite {
		if _, err := t.Dest.Stat(ctx, path); err == nil {
			return nil, errExists()
		}
		how.InPlace = false
	}
	if t.limits.MaxSize > 0 {
		how.Basis = nil // it may be larger
	}
	f, err := t.Dest.Create(ctx, path, how)
	if err != nil || t.limits.MaxSize == 0 {
		return f, err
	}
	return &limitedFile{f, t.limits}, nil
}

// Mkdir implements [Dest].
func (t *limitedDest) Mkdir(ctx context.Context, path string) error {
	err := t.Dest.Mkdir(ctx, path)
	if err == nil {
		t.mu.Lock()
		t.made[path] = true
		t.mu.Unlock()
		return nil
	}
	if t.limits.WriteOnly {
		if e, serr := t.Dest.Stat(ctx, path); serr == nil && e.IsDir() {
			return nil
		}
	}
	return err
}

// isMade reports whether this run has made the directory at path.
func (t *limitedDest) isMade(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.made[path]
}

// Mknod implements [Dest].
func (t *limitedDest) Mknod(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	if t.limits.Confined && e.Type.IsDevice() {
		return &fs.PathError{Op: "mknod", Path: path, Err: fs.ErrPermission}
	}
	return t.Dest.Mknod(ctx, path, e, attrs)
}

// Remove implements [Dest]. What is in the way of something else may go where
// files may be replaced.
func (t *limitedDest) Remove(ctx context.Context, path string, e *manifest.Entry) error {
	if err := t.frozen(); err != nil {
		return err
	}
	if err := t.blind("remove", path); err != nil {
		return err
	}
	return t.Dest.Remove(ctx, path, e)
}

// DropPartial implements [Dest].
func (t *limitedDest) DropPartial(ctx context.Context, path string) error {
	if t.limits.WriteOnly {
		return nil
	}
	return t.Dest.DropPartial(ctx, path)
}

// SetAttrs implements [Dest]. A directory that is not to be changed keeps its owner
// and its permissions without a word, since files may be added to it; its time
// changes with them and is set.
func (t *limitedDest) SetAttrs(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	if t.isMade(path) || !t.limits.WriteOnly && !t.limits.NoOverwrite {
		return t.Dest.SetAttrs(ctx, path, e, attrs)
	}
	if t.limits.WriteOnly && !t.job.Perms {
		attrs &^= manifest.AttrMode // the directory was not looked at, so its own is not known
	}
	if !t.limits.NoOverwrite {
		return t.Dest.SetAttrs(ctx, path, e, attrs)
	}
	if !e.IsDir() {
		return errExists()
	}
	if attrs &= manifest.AttrTimes; attrs == 0 {
		return nil
	}
	return t.Dest.SetAttrs(ctx, path, e, attrs)
}

// limitedFile is a file in the making that does not become too large.
type limitedFile struct {
	NewFile
	limits *Limits
}

// WriteAt implements [NewFile].
func (f *limitedFile) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.limits.MaxSize {
		return 0, f.limits.tooLarge()
	}
	return f.NewFile.WriteAt(p, off)
}
