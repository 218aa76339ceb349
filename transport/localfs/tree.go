package localfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// Tree is a directory of this machine with all that is below. It implements
// [engine.Source] and [engine.Dest]; all its methods may be called from
// several goroutines. It must be closed.
type Tree struct {
	root     string          // as the user wrote it, for messages
	top      *dir            // the root itself
	dev      uint64          // the file system that holds the root
	resolves bool            // openat2 works
	quiet    bool            // reading leaves access times alone, where that is permitted
	follows  bool            // symlinks below the root are shown as what they lead to; see Follow
	some     *followed       // ... only these; nil for all
	syncfs   bool            // one call makes all of that file system durable
	answers  bool            // ... and nothing else is mounted below, which might not answer for as long as a server is away
	insecure bool            // symlinks of others are followed in paths that options name
	trusts   bool            // symlinks may stand in the place of files with rules
	detail   manifest.Detail // what listings show beyond the usual
	how      engine.DestOptions
	log      *slog.Logger

	dirs  dirs
	links dirLinks
	scans sync.Pool // of *scan

	clones clones
	owner  ownership
	live   live
	groups groups
	dirty  dirty

	temps   int      // directory for temporaries; -1 for none
	delayed *delayed // files that appear when the tree is synced; nil: they do not wait for that
	backups *backups // where what is taken away is kept; nil for nowhere

	lock  *os.File    // says that this run works on the tree; nil for none
	noted atomic.Bool // it was logged that the file system cannot make files durable
}

// Interfaces that a Tree implements.
var (
	_ engine.Source = (*Tree)(nil)
	_ engine.Dest   = (*Tree)(nil)
	_ io.Closer     = (*Tree)(nil)
)

// Open opens the directory at path, of which symlinks are followed, as a tree.
// log gets what users should know but is no failure; nil discards it.
func Open(path string, how engine.DestOptions, log *slog.Logger) (*Tree, error) {
	return openBy(path, how, log, func(path string, flags int) (int, error) { return openAt(unix.AT_FDCWD, path, flags, 0) })
}

// openBy is Open with a way to open the directory.
func openBy(path string, how engine.DestOptions, log *slog.Logger, open func(path string, flags int) (int, error)) (*Tree, error) {
	if path == "" {
		path = "."
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	fd, err := open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	mere := false
	if err == unix.EACCES && openRef != unix.O_RDONLY {
		mere = true
		fd, err = open(path, openRef|unix.O_DIRECTORY)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	t, err := newTree(fd, mere, path, how, log)
	if err == nil {
		t.trusts = true
	}
	return t, err
}

// newTree returns the tree of an open directory, which it owns from now on.
func newTree(fd int, mere bool, path string, how engine.DestOptions, log *slog.Logger) (*Tree, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	t := &Tree{
		root: path, top: &dir{fd: fd, dev: deviceOf(&st), ino: st.Ino, mere: mere, refs: 1}, dev: deviceOf(&st),
		resolves: canResolve(fd), syncfs: !mere && canSyncfs(fd),
		how: how, log: log, temps: -1,
	}
	t.answers = t.syncfs && !hasMounts(fd)
	t.scans.New = func() any { return new(scan) }
	t.dirs.init()
	t.live.init()
	t.owner.log = log
	t.groups.init(t)
	t.dirty.init(t)
	return t, nil
}

// Close puts the files in place that were committed, removes those that were
// not, and releases the tree's descriptors. Files opened for reading stay open.
// No other method may be called at the same time or afterwards.
func (t *Tree) Close() error {
	err := t.groups.finish(context.Background())
	t.delayed.drop(t)
	for _, f := range t.live.all() {
		err = errors.Join(err, f.Discard())
	}
	if e := t.dirty.flush(); err == nil {
		err = e
	}
	if e := t.backups.close(); err == nil {
		err = e
	}
	if t.temps >= 0 {
		_ = unix.Close(t.temps)
	}
	t.dirs.close()
	t.unlock()
	t.owner.close()
	return errors.Join(err, unix.Close(t.top.fd))
}

// in calls f with the directory of path and path's last component. If the
// directory turns out to have been removed and made again by somebody else, f
// is called once more with the new one.
func (t *Tree) in(op, path string, f func(d *dir, name string) error) error {
	up, name, err := split(path)
	if err != nil {
		return t.fail(op, path, err)
	}
	for first := true; ; first = false {
		d, err := t.dir(up)
		if err != nil {
			return err
		}
		err = f(d, name)
		stale := first && up != "" && errors.Is(err, unix.ENOENT) && d.gone()
		t.dirs.release(d)
		if !stale {
			return t.fail(op, path, err)
		}
		t.dirs.drop(up)
	}
}

// change is in for what changes the tree: it fails where that is not allowed,
// and notes that the directory has to be made durable.
func (t *Tree) change(ctx context.Context, op, path string, f func(d *dir, name string) error) error {
	if err := t.mayChange(ctx); err != nil {
		return t.fail(op, path, err)
	}
	return t.in(op, path, func(d *dir, name string) error {
		err := f(d, name)
		if err == nil {
			t.dirty.mark(d)
		}
		return err
	})
}

func (t *Tree) mayChange(ctx context.Context) error {
	if t.how.ReadOnly {
		return unix.EROFS
	}
	return context.Cause(ctx)
}

// Stat implements [engine.Dest].
func (t *Tree) Stat(ctx context.Context, path string) (e manifest.Entry, err error) {
	if err := context.Cause(ctx); err != nil {
		return e, t.fail("stat", path, err)
	}
	if path == "" {
		return t.statRoot()
	}
	switch d, err := t.linked(path); {
	case err != nil:
		return e, t.fail("stat", path, err)
	case d != nil:
		defer t.dirs.release(d)
		return t.statLinked(d)
	}
	err = t.in("stat", path, func(d *dir, name string) error {
		var st unix.Stat_t
		e, err = statInto(d.fd, name, &st)
		if err == nil {
			err = t.described(d.fd, name, &e, &st)
		}
		return err
	})
	return e, err
}

func (t *Tree) statRoot() (e manifest.Entry, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(t.top.fd, &st); err != nil {
		return e, t.fail("stat", "", err)
	}
	meta.Entry(&e, &st)
	withDevice(&e, &st)
	return e, t.fail("getxattr", "", t.described(t.top.fd, "", &e, &st))
}

// statAt describes a name of a directory, device included.
func statAt(dirfd int, name string) (e manifest.Entry, err error) {
	return statInto(dirfd, name, new(unix.Stat_t))
}

func statInto(dirfd int, name string, st *unix.Stat_t) (e manifest.Entry, err error) {
	if err := fstatAt(dirfd, name, st); err != nil {
		return e, err
	}
	e.Name = name
	meta.Entry(&e, st)
	withDevice(&e, st)
	if e.Type == manifest.Symlink {
		e.Ext.Link, err = readLink(dirfd, name, e.Size)
		e.Size = int64(len(e.Ext.Link))
	}
	return e, err
}

func withDevice(e *manifest.Entry, st *unix.Stat_t) {
	if e.Ext == nil {
		e.Ext = &manifest.Ext{}
	}
	e.Ext.Dev = deviceOf(st)
}

// deviceOf returns the device that holds a file; its type differs between systems.
func deviceOf(st *unix.Stat_t) uint64 { return uint64(st.Dev) }

func fstatAt(dirfd int, name string, st *unix.Stat_t) error {
	return again(func() error { return unix.Fstatat(dirfd, name, st, statFlags) })
}

// readLink returns the target of a symlink whose length is likely size.
func readLink(dirfd int, name string, size int64) (string, error) {
	for n := min(max(int(size)+1, 64), 1<<16); ; n *= 2 {
		buf := make([]byte, n)
		got, err := unix.Readlinkat(dirfd, name, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", err
		}
		if got < n || n > 1<<20 {
			return string(buf[:got]), nil
		}
	}
}
