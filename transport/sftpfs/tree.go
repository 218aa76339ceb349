package sftpfs

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"
	"sync"
	"syscall"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// Tree is a directory of an SFTP server with all that is below. It implements
// [engine.Source] and [engine.Dest]; all its methods may be called from several
// goroutines. It must be closed; the host stays open.
type Tree struct {
	h    *Host
	root string // as the user wrote it, for messages
	top  string // as the server calls it
	how  engine.DestOptions

	follows    bool           // symlinks, see Follow
	links      map[string]int // symlinks to directories, and how many the way there has passed; guarded by mu
	trust      time.Duration  // how long a directory that was looked at is taken for one
	maxEntries int            // of a directory

	mu    sync.Mutex
	dirs  map[string]time.Time // directories that were seen, and when
	looks map[string]*looking  // directories that are being looked at
	lists map[string]time.Time // directories that were listed, and when
	give  map[string]owner     // whom new files belong to, by directory
	live  map[*newFile]struct{}

	shared sharedCache // of a destination
}

// Interfaces that a Tree implements.
var (
	_ engine.Source   = (*Tree)(nil)
	_ engine.Dest     = (*Tree)(nil)
	_ engine.Distant  = (*Tree)(nil)
	_ engine.Granular = (*Tree)(nil)
	_ engine.Keeper   = (*Tree)(nil)
)

const (
	// trustTime bounds how long somebody who has put a symlink in the place of a
	// directory can have it followed.
	trustTime = time.Second

	// maxDirs bounds what is remembered of directories.
	maxDirs = 1 << 16

	// grace is how long tidying up may take when the run is over already.
	grace = 10 * time.Second
)

func newTree(h *Host, root, top string, how engine.DestOptions) *Tree {
	return &Tree{
		h: h, root: root, top: top, how: how, trust: trustTime, maxEntries: maxEntries,
		dirs: map[string]time.Time{}, looks: map[string]*looking{}, lists: map[string]time.Time{}, give: map[string]owner{}, live: map[*newFile]struct{}{},
	}
}

// Parallel implements [engine.Distant].
func (t *Tree) Parallel() int { return t.h.Parallel() }

// Granularity implements [engine.Granular].
func (t *Tree) Granularity() time.Duration { return time.Second }

// Keeps implements [engine.Keeper]: symlinks get times and owners by an extension.
func (t *Tree) Keeps(kind manifest.Type) manifest.Attrs {
	if kind == manifest.Symlink && !t.h.offers(extLsetstat) {
		return 0
	}
	return allAttrs
}

const allAttrs = manifest.AttrOwner | manifest.AttrGroup | manifest.AttrMode | manifest.AttrTimes

// Close gives up the files that were not committed.
func (t *Tree) Close() error {
	t.mu.Lock()
	left := make([]*newFile, 0, len(t.live))
	for f := range t.live {
		left = append(left, f)
	}
	t.mu.Unlock()
	var err error
	for _, f := range left {
		err = errors.Join(err, f.Discard())
	}
	return err
}

// Sync implements [engine.Dest]. What was committed is in place already.
func (t *Tree) Sync(ctx context.Context) error { return context.Cause(ctx) }

// full returns a path as a user would write it.
func (t *Tree) full(path string) string { return under(t.root, path) }

// at returns a path as the server takes it.
func (t *Tree) at(path string) string { return under(t.top, path) }

func under(top, path string) string {
	switch {
	case path == "":
		return top
	case strings.HasSuffix(top, "/"):
		return top + path
	}
	return top + "/" + path
}

func (t *Tree) fail(op, path string, err error) error { return fail(op, t.full(path), err) }

// split cuts a path into its directory and its last component and checks both.
func split(path string) (dir, name string, err error) {
	for part := range strings.SplitSeq(path, "/") {
		if err := manifest.ValidName(part); err != nil {
			return "", "", err
		}
	}
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:], nil
}

// in checks a path and that its directory is one, so that the server does not
// follow a symlink on the way, and calls f with both parts.
func (t *Tree) in(ctx context.Context, op, path string, f func(dir, name string) error) error {
	dir, name, err := split(path)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = t.isDir(ctx, dir)
	}
	if err == nil {
		err = f(dir, name)
	}
	return t.fail(op, path, err)
}

// change is in for what changes the tree.
func (t *Tree) change(ctx context.Context, op, path string, f func(dir, name string) error) error {
	if t.how.ReadOnly {
		return t.fail(op, path, syscall.EROFS)
	}
	return t.in(ctx, op, path, f)
}

// List implements [walker.Tree].
func (t *Tree) List(ctx context.Context, path string) ([]manifest.Entry, error) {
	err := context.Cause(ctx)
	if err == nil && path != "" {
		_, _, err = split(path)
	}
	if err == nil {
		err = t.isDir(ctx, path)
	}
	if err != nil {
		return nil, t.fail("readdir", path, err)
	}
	now := time.Now()
	l := lister{h: t.h, path: t.at(path), max: t.maxEntries}
	entries, err := l.list(ctx)
	err = t.fail("readdir", path, err)
	t.listed(path, entries, now)
	if t.follows {
		return t.followed(ctx, path, entries, err)
	}
	return entries, err
}

// Stat implements [engine.Dest].
func (t *Tree) Stat(ctx context.Context, path string) (e manifest.Entry, err error) {
	if path == "" {
		a, err := t.h.stat(ctx, t.top)
		if err == nil {
			e, err = a.entry("")
		}
		return e, t.fail("stat", path, err)
	}
	err = t.in(ctx, "stat", path, func(_, name string) error {
		e, err = t.lookAt(ctx, path, name)
		return err
	})
	return e, err
}

// lookAt describes what has a path of the tree.
func (t *Tree) lookAt(ctx context.Context, path, name string) (e manifest.Entry, err error) {
	a, err := t.look(ctx, path)
	if err == nil {
		e, err = a.entry(name)
	}
	if err == nil && e.Type == manifest.Symlink {
		err = addLink(&e, func() (string, error) { return t.h.readlink(ctx, t.at(path)) })
	}
	return e, err
}

// ReadFile implements [walker.Tree].
func (t *Tree) ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, err := t.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.size.Load() > limit {
		return nil, t.fail("read", path, syscall.EFBIG)
	}
	data := make([]byte, f.size.Load()+1) // a byte more shows whether it grows
	n, err := f.ReadAt(data, 0)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case int64(n) > limit:
		return nil, t.fail("read", path, syscall.EFBIG)
	}
	return data[:n], nil
}

// now is the server's clock, as it puts it into a packet.
func (t *Tree) now() uint32 { return seconds(t.h.Now().Unix()) }

// seconds is the nearest time that version 3 can tell: it ends in 2106 and begins
// in 1970.
func seconds(sec int64) uint32 { return uint32(min(max(sec, 0), math.MaxUint32)) }

// tempTries is how many random names are tried.
const tempTries = 8

// tempName returns a name for a temporary.
func tempName() string {
	var bits [manifest.TempDigits / 2]byte
	_, _ = rand.Read(bits[:]) // it cannot fail: crypto/rand ends the process instead
	return manifest.TempPrefix + hex.EncodeToString(bits[:])
}

// withTemp calls f with names for a temporary until one is not taken.
func (t *Tree) withTemp(f func(name string) error) error {
	err := fs.ErrExist
	for i := 0; i < tempTries && errors.Is(err, fs.ErrExist); i++ {
		err = f(tempName())
	}
	return err
}

// createAt makes a file that only its owner can use.
func (t *Tree) createAt(ctx context.Context, path string) (handle string, err error) {
	handle, err = t.h.open(ctx, t.at(path), flagRead|flagWrite|flagCreat|flagExcl, 0o600)
	return handle, t.h.explainTaken(ctx, t.at(path), err)
}

// meet finds out who the session is, and what time it is there, by making a
// temporary. That needs to be known for what root may do only; where it cannot be
// found out the user is not root.
func (t *Tree) meet(ctx context.Context) {
	t.h.mu.Lock()
	known := t.h.login != nil
	t.h.mu.Unlock()
	if known {
		return
	}
	before, err := t.h.stat(ctx, t.top)
	if err != nil {
		return
	}
	var name, handle string
	err = t.withTemp(func(n string) (err error) {
		name = n
		handle, err = t.createAt(ctx, n)
		return err
	})
	if err != nil {
		return // nothing can be made here, and the run will say why
	}
	here := time.Now()
	a, err := t.h.fstat(ctx, handle)
	restore := attrs{flags: attrTimes, atime: before.atime, mtime: before.mtime}
	t.h.batch(ctx, closing(handle), change{fxpRemove, onHandle(t.at(name))}, setstat(fxpSetstat, t.top, restore))
	if err != nil || a.flags&attrOwner == 0 {
		return
	}
	t.h.mu.Lock()
	defer t.h.mu.Unlock()
	t.h.login = &owner{a.uid, a.gid}
	if skew := time.Unix(int64(a.mtime), 0).Sub(here); a.flags&attrTimes != 0 && skew.Abs() > 2*time.Second {
		t.h.skew = skew
	}
}
