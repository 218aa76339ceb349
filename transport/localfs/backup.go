package localfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// backups is where a tree keeps what it takes away.
type backups struct {
	t   *Tree
	how engine.Backups
	in  string // path in the tree of the directory for backups; "" where it lies elsewhere

	mu   sync.Mutex      // held while directories are made
	made map[string]bool // directories that this run has made there and that follow those that they stand for
	tree *Tree           // of the directory for backups; nil as long as there was nothing to keep, and where they lie beside the files
}

// errNotDir is about a directory for backups that is none.
var errNotDir = errors.New("it is not a directory")

// errKeptChanged is about a file of which the backup is not what it is now.
var errKeptChanged = errors.New("it stays, because it has changed while it was copied")

// KeepBackups implements [engine.Backer]. The directory for backups is made, with
// its parents, when something is to be kept. It is opened once: no symlink below it
// is ever followed, nor, where it lies in the tree, on the way there.
func (t *Tree) KeepBackups(how engine.Backups) (inside string, err error) {
	b := &backups{t: t, how: how, in: t.inside(how.Dir), made: map[string]bool{}}
	if how.Dir != "" {
		fd, err := b.open(false)
		switch {
		case err == nil:
			_ = unix.Close(fd)
		case !errors.Is(err, unix.ENOENT):
			return "", &fs.PathError{Op: "open", Path: how.Dir, Err: err}
		}
	}
	if !t.how.ReadOnly {
		t.backups = b
	}
	return b.in, nil
}

// KeepBackups implements [engine.Backer]: backups must not lie elsewhere than what
// the client may reach.
func (t *munged) KeepBackups(how engine.Backups) (inside string, err error) {
	if how.Dir != "" && !isBelow(how.Dir) {
		return "", &fs.PathError{Op: "use", Path: how.Dir, Err: errOutside}
	}
	if leaves := how.Leaves; leaves != nil {
		how.Leaves = func(path, target string) bool { return leaves(path, strings.TrimPrefix(target, mungePrefix)) }
	}
	return t.Tree.KeepBackups(how)
}

// isBelow reports whether a path cannot lead out of where it starts.
func isBelow(dir string) bool { return filepath.IsLocal(dir) && !strings.Contains(dir, "..") }

// inside returns the path in the tree of a directory that is named relative to its
// root, or absolute; "" where it lies elsewhere. What is not there yet counts as well.
func (t *Tree) inside(dir string) string {
	if dir == "" {
		return ""
	}
	if isBelow(dir) {
		return path.Clean(dir)
	}
	root, err := filepath.Abs(t.root)
	if err != nil {
		return ""
	}
	if !filepath.IsAbs(dir) {
		dir = root + "/" + dir
	}
	if rel := pathBelow(resolved(root), resolved(dir)); rel != "" {
		return rel
	}
	// What is named to be below the root is not looked for elsewhere: the source may
	// have sent the symlink that leads there.
	return pathBelow(root, filepath.Clean(dir))
}

// pathBelow returns the path of dir below root, "" where it is not there.
func pathBelow(root, dir string) string {
	if rel, err := filepath.Rel(root, dir); err == nil && rel != "." && filepath.IsLocal(rel) {
		return rel
	}
	return ""
}

// resolved returns a path without symlinks, as far as it is there; "" where that
// cannot be said.
func resolved(path string) string {
	rest := ""
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, rest)
		}
		up := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || up == path {
			return ""
		}
		path, rest = up, filepath.Join(filepath.Base(path), rest)
	}
}

// open opens the directory for backups, and makes it where that is asked for.
func (b *backups) open(create bool) (int, error) {
	at, dir := b.t.top.fd, b.how.Dir
	if b.in != "" {
		return b.descend(at, b.in, create)
	}
	if isAbs(dir) {
		at = unix.AT_FDCWD
	}
	dir = strings.TrimRight(dir, "/") + "/" // it may be a symlink
	for i := 1; create && i < len(dir); i++ {
		if dir[i] == '/' && dir[i-1] != '/' {
			_ = mkdirOperator(at, dir[:i], 0o777, b.t.insecure) // opening it tells
		}
	}
	fd, err := openOperator(at, dir, unix.O_RDONLY|unix.O_DIRECTORY, 0, b.t.insecure)
	if err == unix.ENOTDIR {
		err = errNotDir
	}
	return fd, err
}

// descend opens, or makes, a directory of the tree, without following symlinks:
// what the source has sent may be among them.
func (b *backups) descend(at int, dir string, create bool) (int, error) {
	first := at
	for part := range strings.SplitSeq(dir, "/") {
		if create {
			_ = again(func() error { return unix.Mkdirat(at, part, 0o777) }) // opening it tells
		}
		fd, err := openAt(at, part, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if at != first {
			_ = unix.Close(at)
		}
		if err == unix.ENOTDIR || err == unix.ELOOP {
			err = errNotDir
		}
		if err != nil {
			return -1, err
		}
		at = fd
	}
	return at, nil
}

// dir returns the directory that backups of what lies in from go to, which is at up in
// the tree, and the tree that it belongs to. It must be released there. follow is for
// directories that have to be made.
func (b *backups) dir(from *dir, up string, follow bool) (*dir, *Tree, error) {
	if b.how.Dir == "" {
		b.t.dirs.hold(from)
		return from, b.t, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tree == nil {
		fd, err := b.open(true)
		if err != nil {
			return nil, nil, &fs.PathError{Op: "make the directory for backups", Path: b.how.Dir, Err: err}
		}
		how := engine.DestOptions{Durability: b.t.how.Durability}
		if b.tree, err = newTree(fd, false, b.how.Dir, how, b.t.log); err != nil {
			return nil, nil, err
		}
		b.tree.detail = b.t.detail
		b.t.dirty.markAll() // it may be new
	}
	d, err := b.tree.dir(up)
	if err == nil || !slices.ContainsFunc([]error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.EMLINK}, func(is error) bool { return errors.Is(err, is) }) {
		return d, b.tree, err
	}
	for i := 1; i <= len(up); i++ {
		if i < len(up) && up[i] != '/' {
			continue
		}
		if err := b.make(up[:i], follow); err != nil {
			return nil, nil, err
		}
	}
	d, err = b.tree.dir(up)
	return d, b.tree, err
}

// make makes a directory for backups, unless it is there, with the permissions of the
// one that it stands for, and with its owner as far as the run keeps owners.
func (b *backups) make(at string, follow bool) error {
	return b.tree.in("mkdir", at, func(d *dir, name string) error {
		mkdir := func() error { return unix.Mkdirat(d.fd, name, 0o700) }
		err := again(mkdir)
		if err == unix.EEXIST {
			if st, err := statAt(d.fd, name); err != nil || st.IsDir() {
				return err
			}
			if err := setAside(d, name); err != nil {
				return err
			}
			err = again(mkdir)
		}
		if err != nil {
			return err
		}
		b.made[at] = follow
		b.tree.dirs.drop(at)
		b.tree.dirty.mark(d)
		return b.t.in("stat", at, func(like *dir, from string) error {
			e, err := b.t.whole(like, from)
			if err != nil || !e.IsDir() {
				return err
			}
			detail, attrs := b.t.backedUp()
			target := meta.Target{FD: d.fd, Name: name, Type: manifest.Directory, Detail: detail}
			return notOwner(meta.Apply(&target, &e, attrs&^(manifest.AttrTimes|manifest.AttrOwner|manifest.AttrGroup)|b.how.Attrs))
		})
	})
}

// maxAside is how many names are tried for an older backup that is set aside.
const maxAside = 1000

// setAside gives an older backup a name of its own, where one is a directory and the other
// is none: nothing else may have what was in it.
func setAside(d *dir, name string) error {
	for i := range maxAside {
		to := name + "~"
		if i > 0 {
			to = fmt.Sprintf("%s~%d", name, i)
		}
		if err := renameNew(d.fd, name, to); err != unix.EEXIST {
			return err
		}
	}
	return unix.EEXIST
}

// follow gives a directory that was made for backups what the one that it stands for
// gets, as a later backup would have found it.
func (b *backups) follow(ctx context.Context, at string, e *manifest.Entry, attrs manifest.Attrs) error {
	if attrs &^= manifest.AttrTimes; b == nil || attrs == 0 || !e.IsDir() {
		return nil
	}
	b.mu.Lock()
	made := b.made[at]
	b.mu.Unlock()
	if !made {
		return nil
	}
	return b.tree.SetAttrs(ctx, at, e, attrs)
}

// notOwner leaves out that an owner could not be set, which only root can do, and that a
// directory for backups elsewhere has nothing for attributes.
func notOwner(err error) error {
	var failed *meta.Error
	if errors.As(err, &failed) && (failed.Op == "chown" || errors.Is(failed.Err, errors.ErrUnsupported)) {
		return nil
	}
	return err
}

// backedUp says what of an entry a copy of it that is kept has: all that the run keeps,
// and what its files stand for.
func (t *Tree) backedUp() (manifest.Detail, manifest.Attrs) {
	d, attrs := t.detail&(manifest.DetailXattrs|manifest.DetailACLs|manifest.DetailUser), allAttrs
	if t.fakes() {
		d = d&^manifest.DetailACLs | manifest.DetailXattrs | manifest.DetailUser
	}
	if d&manifest.DetailXattrs != 0 {
		attrs |= manifest.AttrXattrs
	}
	if d&manifest.DetailACLs != 0 {
		attrs |= manifest.AttrACL
	}
	return d, attrs
}

// whole describes a name of a directory with all that a copy of it is to have.
func (t *Tree) whole(d *dir, name string) (manifest.Entry, error) {
	var st unix.Stat_t
	e, err := statInto(d.fd, name, &st)
	if what, _ := t.backedUp(); err == nil && what&^manifest.DetailUser != 0 {
		err = meta.Describe(d.fd, name, what, &e, &st)
	}
	return e, err
}

// keep keeps what has a name, if that is no directory. With leave it stays there as
// well; else the name is free afterwards. There is no moment without the one or the
// other, whatever interrupts it.
func (t *Tree) keep(d *dir, at, name string, leave bool) error {
	b := t.backups
	if b == nil {
		return nil
	}
	e, err := statAt(d.fd, name)
	if err == unix.ENOENT || err == nil && e.IsDir() {
		return nil
	}
	if err != nil {
		return t.fail("stat", at, err)
	}
	up, _, err := split(at)
	if err != nil {
		return err
	}
	to, tree, err := b.dir(d, up, leave || !b.how.RemovesFirst)
	if err != nil {
		return err
	}
	defer tree.dirs.release(to)
	if leaves, err := b.leaves(d, at, name, &e); err != nil || leaves && leave {
		return err
	} else if leaves {
		return t.fail("remove", at, again(func() error { return unix.Unlinkat(d.fd, name, 0) }))
	}
	backup := &kept{t: t, from: d, name: name, e: &e, to: to, as: name + b.how.Suffix, away: b.how.Dir != ""}
	if err := backup.put(leave); err != nil {
		return t.fail("back up", at, err)
	}
	tree.dirty.mark(to)
	b.tell(at)
	return nil
}

// leaves reports whether a name stands for a symlink that is not kept.
func (b *backups) leaves(d *dir, at, name string, e *manifest.Entry) (bool, error) {
	if b.how.Leaves == nil {
		return false, nil
	}
	if b.t.fakes() && e.IsRegular() { // it may stand for one
		var st unix.Stat_t
		fake, err := statInto(d.fd, name, &st)
		if err == nil {
			err = b.t.described(d.fd, name, &fake, &st)
		}
		if err != nil {
			return false, b.t.fail("stat", at, err)
		}
		e = &fake
	}
	return e.Type == manifest.Symlink && b.how.Leaves(at, e.Link()), nil
}

// keepCopy keeps a copy of a file that is about to be written in place. One that an
// earlier run has left half written is not worth it, nor are backups of its like.
func (f *newFile) keepCopy() error {
	b := f.t.backups
	if b == nil {
		return nil
	}
	var st unix.Stat_t
	if fstatAt(f.d.fd, manifest.SidecarName(f.name), &st) == nil {
		return nil
	}
	e, err := statAt(f.d.fd, f.name)
	if err != nil {
		return err
	}
	up, _, err := split(f.path)
	if err != nil {
		return err
	}
	to, tree, err := b.dir(f.d, up, true)
	if err != nil {
		return err
	}
	defer tree.dirs.release(to)
	backup := &kept{t: f.t, from: f.d, name: f.name, e: &e, to: to, as: f.name + b.how.Suffix, away: b.how.Dir != ""}
	if err := backup.copy(); err != nil {
		return f.t.fail("back up", f.path, err)
	}
	tree.dirty.mark(to)
	b.tell(f.path)
	return nil
}

// tell says that an entry was kept.
func (b *backups) tell(path string) {
	if b.how.Kept == nil {
		return
	}
	as := path + b.how.Suffix
	if b.how.Dir != "" {
		as = b.how.Dir + "/" + as
	}
	b.how.Kept(path, as)
}

// sync makes backups durable.
func (b *backups) sync() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	tree := b.tree
	b.mu.Unlock()
	if tree == nil {
		return nil
	}
	return tree.dirty.flush()
}

func (b *backups) close() error {
	if b == nil || b.tree == nil {
		return nil
	}
	return b.tree.Close()
}
