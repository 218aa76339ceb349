package localfs

import (
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"gosync/internal/engine"
	"gosync/internal/unix"
)

// manyDirs is from how many directories on one call for the whole file system
// is cheaper than one for each.
const manyDirs = 64

// dirty knows which directories have changed and are not durable yet.
type dirty struct {
	t *Tree

	mu    sync.Mutex
	paths map[string]struct{} // those that have to be made durable one by one
	local int                 // how many of them are on the root's file system
	all   bool                // the root's file system has to be made durable as a whole

	flushing sync.Mutex // one flush after the other: each waits for what the others have taken
	failed   error      // directories were lost; guarded by flushing

	// A loss of data is told once to each descriptor that was opened before, and
	// here all use the root's. So it is kept who has to know: every file that
	// had been begun.
	data    sync.Mutex
	losses  atomic.Uint64
	dataErr error // the last loss; guarded by data
}

func (s *dirty) init(t *Tree) { s.t, s.paths = t, make(map[string]struct{}) }

// covers reports whether making the root's file system durable reaches d.
func (s *dirty) covers(d *dir) bool { return s.t.syncfs && d.dev == s.t.dev }

// mark notes that d has changed.
func (s *dirty) mark(d *dir) {
	if s.t.how.Durability == engine.SyncNone {
		return
	}
	covered := s.covers(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if covered && s.all {
		return
	}
	if _, ok := s.paths[d.path]; ok {
		return
	}
	if covered {
		if s.local++; s.local > manyDirs {
			s.all = true
			return
		}
	}
	s.paths[d.path] = struct{}{}
}

// markAll notes that something has changed that only making the whole file
// system durable reaches.
func (s *dirty) markAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = true
}

// take returns what has changed since it was last called.
func (s *dirty) take() (paths map[string]struct{}, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths, all = s.paths, s.all
	s.paths, s.local, s.all = make(map[string]struct{}), 0, false
	return paths, all
}

// flush makes all directories durable that have changed before the call. Once
// one could not be, all later calls fail too: nobody knows what is missing.
func (s *dirty) flush() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	paths, all := s.take()
	if s.failed != nil {
		return s.failed
	}
	if all {
		lost := s.losses.Load()
		if now, err := s.syncData(); now != lost {
			s.failed = &fs.PathError{Op: "syncfs", Path: s.t.root, Err: err}
			return s.failed
		}
	}
	var each errgroup.Group
	each.SetLimit(syncers)
	for path := range paths {
		each.Go(func() error { return s.flushDir(path, all) })
	}
	s.failed = each.Wait()
	return s.failed
}

// flushDir makes one directory durable, unless that was done with the whole
// file system or it is gone.
func (s *dirty) flushDir(path string, all bool) error {
	d, err := s.t.dir(path)
	if err == nil {
		if !all || !s.covers(d) {
			err = s.t.fail("fsync", path, s.t.fsyncDir(d))
		}
		s.t.dirs.release(d)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	return err
}

// lost returns how often data was lost so far. A file remembers it when it is begun.
func (s *dirty) lost() uint64 { return s.losses.Load() }

// syncData makes the root's file system durable. It returns how often data was
// lost so far, this time included, and the last loss.
func (s *dirty) syncData() (losses uint64, err error) {
	s.data.Lock()
	defer s.data.Unlock()
	if err := syncFileSystem(s.t.top.fd); err != nil {
		s.dataErr = err
		s.losses.Add(1)
	}
	return s.losses.Load(), s.dataErr
}

// fsync makes an open file durable. File systems that know no such thing are
// taken for as good as they get; that is logged once.
func (t *Tree) fsync(fd int) error {
	err := again(func() error { return unix.Fsync(fd) })
	if err == unix.EINVAL || err == unix.ENOTSUP || err == unix.ENOSYS {
		if !t.noted.Swap(true) {
			t.log.Warn("the file system cannot make files durable", "path", t.root, "error", err)
		}
		return nil
	}
	return err
}

// fsyncDir makes a directory durable.
func (t *Tree) fsyncDir(d *dir) error {
	if !d.mere {
		return t.fsync(d.fd)
	}
	if t.dirty.covers(d) { // a mere reference cannot be synced
		lost := t.dirty.lost()
		if now, err := t.dirty.syncData(); now != lost {
			return err
		}
	}
	return nil
}
