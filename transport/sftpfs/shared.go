package sftpfs

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// A file that has other names would change under those as well if it were written in
// place. How many names it has only a listing tells, so its directory is listed again
// when the first of its files is to be written so: to keep that of every directory
// would take memory for each file of a tree of hard links, and for runs that never
// write in place.

// Bounds of what is kept.
const (
	sharedDirs  = parallel // directories: as many as files are dealt with at a time
	sharedNames = 1 << 16  // names, of one directory and of all others together
)

// sharedIn is which files of a directory have other names, too.
type sharedIn struct {
	dir  string
	done chan struct{} // closed when the rest is set

	names   map[string]struct{}
	unclear bool  // it cannot be listed, or there are too many: any file may have some
	err     error // what has ended the look at it
}

// sharedCache holds directories, the one that was used last at the end. The zero value
// is empty.
type sharedCache struct {
	mu   sync.Mutex
	dirs []*sharedIn
}

// get returns what is known of a directory. mine says that the caller has to find it
// out, and to call set.
func (c *sharedCache) get(dir string) (d *sharedIn, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.dirs, func(d *sharedIn) bool { return d.dir == dir })
	if mine = i < 0; mine {
		d = &sharedIn{dir: dir, done: make(chan struct{})}
	} else {
		d = c.dirs[i]
		c.dirs = slices.Delete(c.dirs, i, i+1)
	}
	c.dirs = append(c.dirs, d)
	return d, mine
}

// set tells what a directory holds, and drops others that it leaves no room for. What
// was ended is not kept.
func (c *sharedCache) set(d *sharedIn, names []string, unclear bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(d.done)
	if d.err = err; err != nil {
		c.dirs = slices.DeleteFunc(c.dirs, func(other *sharedIn) bool { return other == d })
		return
	}
	d.unclear = unclear
	d.names = make(map[string]struct{}, len(names))
	for _, name := range names {
		d.names[name] = struct{}{}
	}
	kept := 0
	for i, other := range slices.Backward(c.dirs) {
		if other != d {
			kept += len(other.names)
		}
		if kept > sharedNames || len(c.dirs)-i > sharedDirs {
			c.dirs = slices.Delete(c.dirs, 0, i+1)
			return
		}
	}
}

// isShared reports whether a file has, or may have, other names. The error is one that
// ends everything.
func (t *Tree) isShared(ctx context.Context, dir, name string) (bool, error) {
	for {
		d, mine := t.shared.get(dir)
		if mine {
			t.lookForShared(ctx, d)
		}
		select {
		case <-d.done:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
		if d.err == nil {
			_, ok := d.names[name]
			return ok || d.unclear, nil
		}
		if mine || t.h.s.over() {
			return false, d.err
		} // else it was not this one that was interrupted
	}
}

// lookForShared lists a directory.
func (t *Tree) lookForShared(ctx context.Context, d *sharedIn) {
	l := lister{h: t.h, path: t.at(d.dir), max: t.maxEntries, onlyShared: true}
	err := l.scan(ctx)
	if err == nil || ctx.Err() == nil && !t.h.s.over() {
		t.shared.set(d, l.shared, err != nil || len(l.shared) > sharedNames, nil)
		return
	}
	t.shared.set(d, nil, false, errors.Join(err, context.Cause(ctx)))
}
