package localfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gosync/internal/unix"
)

// Runs that only add to a tree share it; one that deletes has it for itself,
// because it would delete what the others are about to make. They agree by a lock
// on a file in $XDG_STATE_HOME/gosync that is named after the tree's root, so it
// binds runs of one user on one machine.

// takeLock takes the tree's lock, and waits for it as long as DestOptions.Wait says.
func (t *Tree) takeLock(ctx context.Context) error {
	dir, err := stateDir()
	if err != nil {
		t.log.Debug("other runs on the same destination are not noticed", "err", err)
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(t.top.fd, &st); err != nil {
		return t.fail("stat", "", err)
	}
	name := filepath.Join(dir, fmt.Sprintf("dest-%x-%x.lock", deviceOf(&st), uint64(st.Ino)))
	waiting := t.newWait("")
	for {
		f, err := openLock(name, unix.O_RDWR|unix.O_CREAT)
		if err != nil {
			t.log.Debug("other runs on the same destination are not noticed", "err", err)
			return nil
		}
		ok, gone, err := t.tryLock(f)
		if ok {
			t.lock = f
			return nil
		}
		_ = f.Close() // it holds nothing
		if err == nil && !gone {
			err = waiting.step(ctx)
		}
		if err != nil {
			return &fs.PathError{Op: "lock", Path: t.root, Err: err}
		}
	}
}

// tryLock locks the file if no other run is in the way. gone says that a run that
// has just ended has removed the file.
func (t *Tree) tryLock(f *os.File) (ok, gone bool, err error) {
	how := unix.LOCK_SH
	if t.how.Exclusive {
		how = unix.LOCK_EX
	}
	err = again(func() error { return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
	if err == unix.EWOULDBLOCK {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	own, err := f.Stat()
	if err != nil {
		return false, false, err
	}
	now, err := os.Lstat(f.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(own, now) {
		return false, true, nil
	}
	return err == nil, false, err
}

// unlock gives the tree's lock back. The last run removes its file.
func (t *Tree) unlock() {
	if t.lock == nil {
		return
	}
	if unix.Flock(int(t.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		_ = os.Remove(t.lock.Name()) // if it stays it is empty and does no harm
	}
	_ = t.lock.Close()
	t.lock = nil
}
