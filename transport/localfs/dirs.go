package localfs

import (
	"strings"
	"sync"
	"sync/atomic"

	"gosync/internal/unix"
)

// maxDirs is the number of directory descriptors that are kept open, as far as
// that many are not in use at once; fewer where the process may open few files.
const maxDirs = 256

// fileShare is the part of the files that the process may open that are directories of one
// tree: a copy has two trees, and needs descriptors for the files themselves.
const fileShare = 8

// few returns how many may be kept open of what one purpose keeps open: a part of the files
// that this process may open, and at most so many.
func few(most int, share uint64) int {
	files, ok := unix.MaxFiles()
	if !ok {
		return most
	}
	return int(max(1, min(uint64(most), files/share)))
}

// dir is an open directory of a tree.
type dir struct {
	path string
	fd   int
	dev  uint64
	ino  uint64
	mere bool // the directory may not be read; fd is good for reaching names only

	// Guarded by dirs.mu.
	refs       int
	dropped    bool
	prev, next *dir // in the list of those that are not in use

	list  sync.Mutex // guards the position of fd
	moved bool       // fd was read before

	marking sync.Mutex // held while a mark is made or removed

	gives atomic.Pointer[owner] // whom new files in the directory belong to, once that is known
}

type owner struct{ uid, gid uint32 }

// gone reports whether the directory was removed.
func (d *dir) gone() bool {
	var st unix.Stat_t
	return unix.Fstat(d.fd, &st) == nil && st.Nlink == 0
}

// dirs is a cache of open directories by path. The root is not among them.
type dirs struct {
	mu    sync.Mutex
	open  map[string]*dir
	idle  dir // ring of those not in use, the one used last first
	limit int // how many are kept open
}

func (c *dirs) init() {
	c.open, c.limit = make(map[string]*dir), few(maxDirs, fileShare)
	c.idle.prev, c.idle.next = &c.idle, &c.idle
}

// get returns the directory if it is open. It must be released.
func (c *dirs) get(path string) *dir {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.open[path]
	if d != nil {
		c.use(d)
	}
	return d
}

func (c *dirs) use(d *dir) {
	if d.refs == 0 && d.next != nil {
		d.prev.next, d.next.prev = d.next, d.prev
		d.prev, d.next = nil, nil
	}
	d.refs++
}

// hold adds a use of a directory that is in use.
func (c *dirs) hold(d *dir) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d.refs++
}

// put adds a directory that was just opened, and returns it, or the one that
// somebody else has added meanwhile. It must be released.
func (c *dirs) put(d *dir) *dir {
	c.mu.Lock()
	if other := c.open[d.path]; other != nil {
		c.use(other)
		c.mu.Unlock()
		_ = unix.Close(d.fd)
		return other
	}
	c.open[d.path] = d
	d.refs = 1
	old := c.evict()
	c.mu.Unlock()
	closeDir(old)
	return d
}

// evict takes a directory that is not in use out of a cache that is too large.
func (c *dirs) evict() *dir {
	old := c.idle.prev
	if len(c.open) <= c.limit || old == &c.idle {
		return nil
	}
	c.use(old)
	delete(c.open, old.path)
	return old
}

func closeDir(d *dir) {
	if d != nil {
		_ = unix.Close(d.fd) // nothing was written through it
	}
}

// release ends a use of d.
func (c *dirs) release(d *dir) {
	c.mu.Lock()
	d.refs--
	var old *dir
	switch {
	case d.refs > 0 || d.path == "": // the root stays
	case d.dropped:
		old = d
	default:
		d.prev, d.next = &c.idle, c.idle.next
		c.idle.next.prev = d
		c.idle.next = d
		old = c.evict()
	}
	c.mu.Unlock()
	closeDir(old)
}

// drop forgets what is cached for path, since the name may stand for another
// directory now. Users of the old one go on with it.
func (c *dirs) drop(path string) {
	c.mu.Lock()
	var old *dir
	if d := c.open[path]; d != nil {
		delete(c.open, path)
		d.dropped = true
		if d.refs == 0 {
			c.use(d)
			old = d
		}
	}
	c.mu.Unlock()
	closeDir(old)
}

// close closes what is not in use; the rest closes when it is released.
func (c *dirs) close() {
	c.mu.Lock()
	var idle []*dir
	for path, d := range c.open {
		delete(c.open, path)
		d.dropped = true
		if d.refs == 0 {
			c.use(d)
			idle = append(idle, d)
		}
	}
	c.mu.Unlock()
	for _, d := range idle {
		closeDir(d)
	}
}

// dir opens the directory at path, from the nearest of its parents that is
// open. It must be released.
func (t *Tree) dir(path string) (*dir, error) {
	for {
		base, rest, err := t.nearest(path)
		if err != nil {
			return nil, t.fail("open", path, err)
		}
		if rest == "" {
			return base, nil
		}
		err = checkPath(rest)
		d := &dir{path: path}
		if err == nil {
			err = t.descend(d, base.fd, rest)
		}
		stale := err == unix.ENOENT && base.path != "" && base.gone()
		t.dirs.release(base)
		if stale {
			t.dirs.drop(base.path)
			continue
		}
		if err != nil {
			return nil, t.fail("open", path, err)
		}
		return t.dirs.put(d), nil
	}
}

// nearest returns the open directory that is nearest to path, and the way from there.
func (t *Tree) nearest(path string) (base *dir, rest string, err error) {
	for up := path; up != ""; {
		if base, err = t.linked(up); base == nil && err == nil {
			base = t.dirs.get(up)
		}
		if base != nil || err != nil {
			return base, strings.TrimPrefix(path[len(up):], "/"), err
		}
		up = up[:max(0, strings.LastIndexByte(up, '/'))]
	}
	t.dirs.hold(t.top)
	return t.top, path, nil
}

// descend opens as d the directory that the path rest leads to from base.
func (t *Tree) descend(d *dir, base int, rest string) error {
	at := base
	for len(rest) > 0 {
		piece, tail := t.piece(rest)
		next, mere, err := t.openDir(at, piece, tail != "")
		if at != base {
			_ = unix.Close(at)
		}
		if err != nil {
			return err
		}
		at, rest, d.mere = next, tail, mere
	}
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		_ = unix.Close(at)
		return err
	}
	d.fd, d.dev, d.ino = at, deviceOf(&st), st.Ino
	return nil
}

// piece cuts off what is opened in one step: a component, or with openat2 as
// many as the system takes.
func (t *Tree) piece(rest string) (piece, tail string) {
	if t.resolves && len(rest) <= maxPath {
		return rest, ""
	}
	n := strings.IndexByte(rest, '/')
	if t.resolves {
		if m := strings.LastIndexByte(rest[:maxPath], '/'); m > 0 {
			n = m
		}
	}
	if n < 0 {
		return rest, ""
	}
	return rest[:n], rest[n+1:]
}

// openDir opens a directory without following symlinks, for reading if that is
// allowed and it is not just on the way.
func (t *Tree) openDir(at int, piece string, passing bool) (fd int, mere bool, err error) {
	open := func(flags int) (int, error) {
		flags |= unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		if t.follows {
			return openAt(at, piece, flags&^unix.O_NOFOLLOW, 0)
		}
		// A single component needs no more than not to be followed.
		if t.resolves && strings.IndexByte(piece, '/') >= 0 {
			return openBeneath(at, piece, flags)
		}
		return openAt(at, piece, flags, 0)
	}
	if passing {
		fd, err = open(openRef)
		return fd, true, err
	}
	fd, err = t.reading(func(flags int) (int, error) { return open(unix.O_RDONLY | flags) })
	if err == unix.EACCES && openRef != unix.O_RDONLY {
		fd, err = open(openRef)
		return fd, true, err
	}
	return fd, false, err
}
