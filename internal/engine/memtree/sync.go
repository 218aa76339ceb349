package memtree

import (
	"context"
	"errors"
	"slices"
	"syscall"

	"gosync/internal/engine"
)

// mark notes that a directory has changed.
func (t *tree) mark(dir *inode) {
	if t.how.Durability == engine.SyncNone {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirty[dir] = struct{}{}
}

func (t *tree) markAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirtyAll = true
}

// flush makes all directories durable that have changed. Once one could not be,
// all later calls fail too.
func (t *tree) flush() error {
	t.mu.Lock()
	all, failed := t.dirtyAll, t.failed
	dirs := make([]*inode, 0, len(t.dirty))
	for dir := range t.dirty {
		dirs = append(dirs, dir)
	}
	clear(t.dirty)
	t.dirtyAll = false
	t.mu.Unlock()
	if failed != nil {
		return failed
	}
	slices.SortFunc(dirs, func(a, b *inode) int { return int(a.number) - int(b.number) })
	var err error
	if all {
		err = t.syncAll()
	} else {
		for _, dir := range dirs {
			err = errors.Join(err, t.fsyncDir(dir))
		}
	}
	if err != nil {
		t.mu.Lock()
		t.failed = err
		t.mu.Unlock()
	}
	return err
}

func (t *tree) syncAll() error {
	err := t.d.pass(Op{Kind: "syncfs", Path: t.root, Change: true})
	if err != nil {
		return t.fail("syncfs", "", err)
	}
	return t.fail("syncfs", "", t.d.locked(func() error { t.d.root.settle(); return nil }))
}

// fsync makes an open file durable. Where that fails, what was not durable is lost
// and a later call succeeds: so do systems that drop the pages.
func (t *tree) fsync(path string, i *inode) error {
	err := t.d.pass(Op{Kind: "fsync", Path: t.full(path), Change: true})
	if errors.Is(err, ErrDead) {
		return err
	}
	derr := t.d.locked(func() error {
		if err != nil {
			i.lost = true
			return nil
		}
		i.sync()
		return nil
	})
	return errors.Join(err, derr)
}

func (t *tree) fsyncDir(dir *inode) error {
	return t.fail("fsync", "", t.d.do(Op{Kind: "fsync dir", Path: t.root, Off: int64(dir.number), Change: true}, func() error {
		dir.syncDir(t.d.key)
		return nil
	}))
}

// Bounds of a group. They are small, so that small tests have several.
const (
	groupFiles = 8
	groupBytes = 4 << 20
)

// join puts a file into the group, which is finished if it is full.
func (t *tree) join(ctx context.Context, f *newFile, size int64) {
	t.mu.Lock()
	t.group = append(t.group, f)
	t.size += size
	full := len(t.group) >= groupFiles || t.size >= groupBytes
	t.mu.Unlock()
	if full {
		_ = t.finish(ctx) // the files know
	}
}

// finish makes the files of the group durable, lets them appear, and makes their
// names durable. Groups are finished one after the other.
func (t *tree) finish(ctx context.Context) error {
	for {
		t.mu.Lock()
		busy := t.filling
		if busy == nil {
			t.filling = make(chan struct{})
			break
		}
		t.mu.Unlock()
		<-busy
	}
	files := t.group
	t.group, t.size = nil, 0
	t.mu.Unlock()
	t.finishGroup(files)
	t.mu.Lock()
	close(t.filling)
	t.filling = nil
	t.mu.Unlock()
	return context.Cause(ctx)
}

func (t *tree) finishGroup(files []*newFile) {
	if len(files) == 0 {
		return
	}
	for _, f := range files {
		f.failed = t.fail("fsync", f.path, t.fsync(f.path, f.i))
	}
	for _, f := range files {
		f.appear()
	}
	err := t.flush()
	for _, f := range files {
		if f.failed == nil {
			f.failed = err
		}
		f.conclude()
	}
}

// Sync implements [engine.Dest].
func (t *tree) Sync(ctx context.Context) error {
	if err := t.finish(ctx); err != nil {
		return t.fail("sync", "", err)
	}
	return t.flush()
}

// badDescriptor is what a file that has ended fails with.
const badDescriptor = syscall.EBADF
