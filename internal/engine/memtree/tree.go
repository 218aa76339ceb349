package memtree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// tree is a directory with all that is below, opened by one run. It implements
// [engine.Source] and [engine.Dest].
type tree struct {
	d    *Disk
	root string // as the user wrote it
	top  *inode
	how  engine.DestOptions

	locked bool   // top is locked by this run
	run    uint32 // number of this run among those that make temporaries, 0 before the first

	mu       sync.Mutex // never held while an operation is under way
	live     map[*newFile]struct{}
	group    []*newFile
	size     int64 // of the group's files
	filling  chan struct{}
	dirty    map[*inode]struct{} // directories to make durable
	dirtyAll bool                // everything is to be made durable
	failed   error               // something could not be made durable
}

var (
	_ engine.Source = (*tree)(nil)
	_ engine.Dest   = (*tree)(nil)
)

// lockPoll is how often it is looked whether another run has ended.
const lockPoll = 100 * time.Millisecond

// takeLock locks the tree's root: for this run alone, or with others that only add.
func (t *tree) takeLock(ctx context.Context) error {
	until := time.Now().Add(t.how.Wait)
	for {
		err := t.d.locked(func() error {
			s := t.d.trees[t.top]
			if s == nil {
				s = &share{}
				t.d.trees[t.top] = s
			}
			if s.exclusive || t.how.Exclusive && s.holders > 0 {
				return engine.ErrInUse
			}
			s.holders++
			s.exclusive, t.locked = t.how.Exclusive, true
			return nil
		})
		if err == nil {
			return nil
		}
		if err := wait(ctx, until, err); err != nil {
			return &fs.PathError{Op: "lock", Path: t.root, Err: err}
		}
	}
}

// wait waits a moment for another run, if err says that one is in the way.
func wait(ctx context.Context, until time.Time, err error) error {
	if !errors.Is(err, engine.ErrInUse) || !time.Now().Before(until) {
		return err
	}
	timer := time.NewTimer(lockPoll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close implements [io.Closer].
func (t *tree) Close() error {
	err := t.finish(context.Background())
	for _, f := range t.unfinished() {
		err = errors.Join(err, f.Discard())
	}
	if e := t.flush(); err == nil {
		err = e
	}
	_ = t.d.locked(func() error {
		if s := t.d.trees[t.top]; s != nil && t.locked {
			s.holders--
			s.exclusive, t.locked = false, false
		}
		delete(t.d.runs, t.run)
		return nil
	})
	return err
}

// unfinished returns the files in the making, in the order of their paths.
func (t *tree) unfinished() []*newFile {
	t.mu.Lock()
	defer t.mu.Unlock()
	var files []*newFile
	for f := range t.live {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b *newFile) int { return strings.Compare(a.path, b.path) })
	return files
}

// full returns a path as a user would write it.
func (t *tree) full(path string) string {
	if path == "" {
		return t.root
	}
	return strings.TrimSuffix(t.root, "/") + "/" + path
}

func (t *tree) fail(op, path string, err error) error {
	var known *fs.PathError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &fs.PathError{Op: op, Path: t.full(path), Err: err}
}

func (t *tree) mayChange(ctx context.Context) error {
	if t.how.ReadOnly {
		return syscall.EROFS
	}
	return context.Cause(ctx)
}

// look makes f an operation that changes nothing.
func (t *tree) look(ctx context.Context, op, path string, f func() error) error {
	err := context.Cause(ctx)
	if err == nil {
		err = t.d.do(Op{Kind: op, Path: t.full(path)}, f)
	}
	return t.fail(op, path, err)
}

// change makes f an operation that changes a directory, which is dirty then.
func (t *tree) change(ctx context.Context, op, path string, f func(dir *inode, name string) error) error {
	err := t.mayChange(ctx)
	if err == nil {
		err = t.alter(op, path, f)
	}
	return t.fail(op, path, err)
}

func (t *tree) alter(op, path string, f func(dir *inode, name string) error) error {
	var dir *inode
	err := t.d.do(Op{Kind: op, Path: t.full(path), Change: true}, func() (err error) {
		var name string
		if dir, name, err = t.d.dirOf(t.top, path); err == nil {
			err = f(dir, name)
		}
		return err
	})
	if err == nil {
		t.mark(dir)
	}
	return err
}

// List implements [walker.Tree]. A gate's error comes with half of the entries.
func (t *tree) List(ctx context.Context, path string) (entries []manifest.Entry, err error) {
	read := func() error {
		dir, err := t.d.find(t.top, path)
		if err != nil {
			return err
		}
		if dir.kind != manifest.Directory {
			return syscall.ENOTDIR
		}
		for _, key := range sortedKeys(dir.names) {
			entries = append(entries, dir.names[key].ino.entry(dir.names[key].name))
		}
		return nil
	}
	err = t.look(ctx, "list", path, read)
	if err != nil && len(entries) == 0 && ctx.Err() == nil && t.d.locked(read) == nil {
		entries = entries[:len(entries)/2]
	}
	return entries, err
}

// Stat implements [engine.Dest].
func (t *tree) Stat(ctx context.Context, path string) (e manifest.Entry, err error) {
	err = t.look(ctx, "stat", path, func() error {
		i, name := t.top, ""
		if path != "" {
			dir, last, err := t.d.dirOf(t.top, path)
			if err != nil {
				return err
			}
			c, ok := t.d.child(dir, last)
			if !ok {
				return syscall.ENOENT
			}
			i, name = c.ino, c.name
		}
		e = i.entry(name)
		return nil
	})
	return e, err
}

// regular finds a regular file.
func (t *tree) regular(path string) (*inode, error) {
	dir, name, err := t.d.dirOf(t.top, path)
	if err != nil {
		return nil, err
	}
	e, ok := t.d.child(dir, name)
	if !ok {
		return nil, syscall.ENOENT
	}
	return e.ino, notRegular(e.ino.kind)
}

func notRegular(t manifest.Type) error {
	switch t {
	case manifest.Regular:
		return nil
	case manifest.Directory:
		return syscall.EISDIR
	case manifest.Symlink:
		return syscall.ELOOP
	}
	return syscall.EINVAL
}

// Open implements [engine.Source].
func (t *tree) Open(ctx context.Context, path string) (engine.File, error) {
	f := &file{t: t, path: path}
	err := t.look(ctx, "open", path, func() (err error) {
		f.i, err = t.regular(path)
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// ReadFile implements [walker.Tree].
func (t *tree) ReadFile(ctx context.Context, path string, limit int64) (b []byte, err error) {
	err = t.look(ctx, "open", path, func() error {
		i, err := t.regular(path)
		if err == nil && int64(len(i.data)) > limit {
			err = syscall.EFBIG
		}
		if err == nil {
			b = slices.Clone(i.data)
		}
		return err
	})
	return b, err
}

// file is a regular file that is open for reading.
type file struct {
	t    *tree
	path string
	i    *inode
}

// ReadAt implements [io.ReaderAt].
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.t.d.do(Op{Kind: "read", Path: f.t.full(f.path), Off: off, Len: len(p)}, func() error {
		if off < int64(len(f.i.data)) {
			n = copy(p, f.i.data[off:])
		}
		return nil
	})
	if err == nil && n < len(p) {
		return n, io.EOF
	}
	return n, f.t.fail("read", f.path, err)
}

// Stat implements [engine.File].
func (f *file) Stat() (e manifest.Entry, err error) {
	err = f.t.d.do(Op{Kind: "fstat", Path: f.t.full(f.path)}, func() error {
		e = f.i.entry(f.path[strings.LastIndexByte(f.path, '/')+1:])
		return nil
	})
	return e, f.t.fail("stat", f.path, err)
}

// NextData implements [engine.File]. Pages of zeros count as holes.
func (f *file) NextData(off int64) (start, end int64, err error) {
	err = f.t.d.locked(func() error {
		size := int64(len(f.i.data))
		for start = min(off, size); start < size && f.i.zeros(start); {
			start = min(start-start%pageSize+pageSize, size)
		}
		for end = start; end < size && !f.i.zeros(end); {
			end = min(end-end%pageSize+pageSize, size)
		}
		return nil
	})
	return start, end, err
}

// zeros reports whether the page at off holds nothing else, from off on.
func (i *inode) zeros(off int64) bool {
	end := min(off-off%pageSize+pageSize, int64(len(i.data)))
	for _, b := range i.data[off:end] {
		if b != 0 {
			return false
		}
	}
	return true
}

// Close implements [io.Closer].
func (f *file) Close() error { return nil }
