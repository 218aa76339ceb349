package localfs

import (
	"errors"
	"sync"

	"gosync/internal/engine"
	"gosync/internal/unix"
)

// delayed is the files that are complete, and durable as far as that is asked for,
// and appear together when the tree is synced.
type delayed struct {
	mu    sync.Mutex
	files []*newFile
	locks int // of files that can be resumed and are open for that

	find  sync.Once
	apart int // the directory that they lie in; -1 where each lies beside its final name
}

// maxLocks is how many files that are held back may be open; fewer where the process may
// open few. What comes after those cannot be resumed: it begins anew if the run is broken off.
const maxLocks = 128

// DelayUpdates implements [engine.Delayer].
func (t *Tree) DelayUpdates() {
	t.delayed = &delayed{apart: -1}
	if isAbs(t.how.PartialDir) && !t.how.ReadOnly {
		if fd := t.apart(nil, false); fd >= 0 {
			t.sweepTemps(fd)
			_ = unix.Close(fd) // it was only read
		}
	}
}

// put adds files. They go to the directory for partials where that is one for all, and
// their descriptors are closed, as far as they hold no locks: there may be many.
func (l *delayed) put(files ...*newFile) {
	for _, f := range files {
		if f.fd >= 0 {
			f.part()
		}
		if f.fd >= 0 && l.isFull() && !f.forget() {
			f.release()
		}
		f.stage()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = append(l.files, files...)
}

// isFull counts a file that is open, and reports whether there are too many.
func (l *delayed) isFull() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locks >= few(maxLocks, openShare) {
		return true
	}
	l.locks++
	return false
}

func (l *delayed) take() []*newFile {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	files := l.files
	l.files, l.locks = nil, 0
	return files
}

// appear gives all files their names, one right behind the other, and tells so when
// that is durable.
func (l *delayed) appear(t *Tree) {
	files := l.take()
	if len(files) == 0 {
		return
	}
	for _, f := range files {
		f.unstage()
	}
	for _, f := range files {
		f.appear()
	}
	c := group{t: t, files: files}
	c.fail(t.dirty.flush())
	c.conclude()
}

// errDelayed is about a file that was to appear with all others.
var errDelayed = errors.New("the run has ended before the files were to appear")

// drop gives the files up that have not appeared. What can be resumed stays.
func (l *delayed) drop(t *Tree) {
	files := l.take()
	for _, f := range files {
		f.waits = f.resumable && f.failed == nil
	}
	c := group{t: t, files: files}
	c.fail(errDelayed)
	c.conclude()
	if l != nil && l.apart >= 0 {
		_ = unix.Close(l.apart) // it only served to find names
		l.apart = -1
	}
}

// delay has a complete file appear later, where that is asked for.
func (f *newFile) delay() bool {
	if f.t.delayed == nil {
		return false
	}
	if f.t.how.Durability == engine.SyncEach {
		f.failed = f.pathError("fsync", f.t.fsync(f.fd))
	}
	f.t.delayed.put(f)
	return true
}
