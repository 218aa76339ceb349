package memtree

import (
	"errors"
	"strings"
	"sync"
	"syscall"
	"time"

	"gosync/walker/manifest"
)

// Options adjusts a [Disk]. The zero value is a disk on which nothing fails.
type Options struct {
	FoldCase  bool // names that differ only in case are the same
	Normalise bool // names that differ only in the Unicode form of common accents are the same
	Syncfs    bool // one operation makes everything durable, and the host uses it
	NoCopy    bool // content cannot be copied without passing through memory

	Now  func() time.Time // the clock; nil for time.Now
	Gate func(Op) error   // called before each operation; an error takes its place. Nil: all pass
	Seed uint64           // what Host.Seed returns
}

// Op is an operation, as the gate sees it.
type Op struct {
	Kind   string // "list", "read", "write", "rename", ...
	Path   string // on the machine; for a file in the making that of its target
	Off    int64  // of a read or write, in bytes
	Len    int    // ... and how many bytes
	Change bool   // it changes the disk
	Inline bool   // the caller may hold a lock: the gate must not wait for other goroutines
}

// ErrDead is what every operation on a disk fails with that has crashed.
var ErrDead = errors.New("the machine is down")

// Disk is the file system of a machine. Its methods may be called from several
// goroutines.
type Disk struct {
	o Options

	mu    sync.Mutex // never held while the gate is asked
	dead  bool
	root  *inode
	last  uint64 // inode number
	temps uint32 // temporaries made so far
	runs  map[uint32]bool
	run   uint32            // the last that was begun
	trees map[*inode]*share // locks on directories
}

// share is a lock on a directory: of one run, or of several that only add.
type share struct {
	holders   int
	exclusive bool
}

// New returns a disk with an empty root directory.
func New(o Options) *Disk {
	if o.Now == nil {
		o.Now = time.Now
	}
	d := &Disk{o: o, runs: map[uint32]bool{}, trees: map[*inode]*share{}}
	d.root = d.make(manifest.Directory, 0o755)
	d.root.parent, d.root.nlink = d.root, 1
	d.root.settle()
	return d
}

// SetGate changes the gate. No operation may be under way.
func (d *Disk) SetGate(gate func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.o.Gate = gate
}

// pass asks the gate. The disk is not locked.
func (d *Disk) pass(op Op) error {
	d.mu.Lock()
	gate, dead := d.o.Gate, d.dead
	d.mu.Unlock()
	if dead {
		return ErrDead
	}
	if gate == nil {
		return nil
	}
	return gate(op)
}

// do makes f an operation: it passes the gate and then has the disk for itself.
func (d *Disk) do(op Op, f func() error) error {
	if err := d.pass(op); err != nil {
		return err
	}
	return d.locked(f)
}

func (d *Disk) locked(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return ErrDead
	}
	return f()
}

// make returns a new inode that no directory has yet.
func (d *Disk) make(t manifest.Type, mode uint16) *inode {
	d.last++
	i := &inode{number: d.last, kind: t}
	now := d.o.Now()
	i.now = state{mode: mode, sec: now.Unix(), nsec: uint32(now.Nanosecond())}
	i.states = []state{i.now}
	if t == manifest.Directory {
		i.names = map[string]entry{}
		i.safeNames = map[string]entry{}
	}
	return i
}

// child finds a name in a directory.
func (d *Disk) child(dir *inode, name string) (entry, bool) {
	e, ok := dir.names[d.key(name)]
	return e, ok
}

// alter changes the names of a directory in one step.
func (d *Disk) alter(dir *inode, changes ...naming) {
	for n, c := range changes {
		key := d.key(c.name)
		old, there := dir.names[key]
		if there {
			old.ino.nlink--
			changes[n].name = old.name // a name that is replaced keeps its form
		}
		if c.ino == nil {
			delete(dir.names, key)
			continue
		}
		c.ino.nlink++
		if c.ino.kind == manifest.Directory {
			c.ino.parent = dir
		}
		dir.names[key] = entry{changes[n].name, c.ino}
	}
	dir.pending = append(dir.pending, changes)
	d.touch(dir)
}

// touch gives an inode the time of now.
func (d *Disk) touch(i *inode) {
	now := d.o.Now()
	i.now.sec, i.now.nsec = now.Unix(), uint32(now.Nanosecond())
	i.note()
}

// find walks from a directory along a path whose components are checked, and
// follows no symlink.
func (d *Disk) find(from *inode, path string) (*inode, error) {
	if path == "" {
		return from, nil
	}
	for part := range strings.SplitSeq(path, "/") {
		if err := checkName(part); err != nil {
			return nil, err
		}
		if from.kind != manifest.Directory {
			return nil, syscall.ENOTDIR
		}
		e, ok := d.child(from, part)
		if !ok {
			return nil, syscall.ENOENT
		}
		from = e.ino
	}
	return from, nil
}

// dirOf finds the directory of a path, and the path's last component.
func (d *Disk) dirOf(from *inode, path string) (*inode, string, error) {
	up, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		if up, name = path[:i], path[i+1:]; up == "" {
			return nil, "", manifest.ErrName
		}
	}
	if err := checkName(name); err != nil {
		return nil, "", err
	}
	dir, err := d.find(from, up)
	if err == nil && dir.kind != manifest.Directory {
		err = syscall.ENOTDIR
	}
	if err == nil && len(name) > manifest.MaxName {
		err = syscall.ENAMETOOLONG
	}
	return dir, name, err
}

func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.IndexByte(name, 0) >= 0 {
		return manifest.ErrName
	}
	return nil
}

// maxLinks is how many symlinks a path may lead through.
const maxLinks = 40

// resolve finds what a machine's path names, as the system does: symlinks are
// followed, the last one only with follow.
func (d *Disk) resolve(path string, follow bool) (*inode, error) {
	at, left := d.root, maxLinks
	rest := strings.Split(path, "/")
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if at.kind != manifest.Directory {
			return nil, syscall.ENOTDIR
		}
		switch part {
		case "", ".":
			continue
		case "..":
			at = at.parent
			continue
		}
		e, ok := d.child(at, part)
		if !ok {
			return nil, syscall.ENOENT
		}
		if e.ino.kind != manifest.Symlink || len(rest) == 0 && !follow {
			at = e.ino
			continue
		}
		if left--; left < 0 {
			return nil, syscall.ELOOP
		}
		if strings.HasPrefix(e.ino.link, "/") {
			at = d.root
		}
		rest = append(strings.Split(e.ino.link, "/"), rest...)
	}
	return at, nil
}
