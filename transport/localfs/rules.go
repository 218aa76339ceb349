package localfs

import (
	"context"
	"errors"
	"io/fs"

	"gosync/internal/unix"
	"gosync/walker"
)

var _ walker.RuleLinker = (*Tree)(nil)

// ReadLinked implements [walker.RuleLinker]. People keep their files with rules elsewhere
// and symlinks to them in the tree. As in paths that options name, and as in rsync 3.5, one is
// followed where root or this user owns it: else whoever may write into the tree could have
// a privileged run read any file, and learn from what is left out what it says. In a tree
// for clients none is followed.
func (t *Tree) ReadLinked(ctx context.Context, path string, limit int64) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, t.fail("open", path, err)
	}
	if !t.trusts {
		return nil, t.fail("open", path, unix.ENOENT)
	}
	var st unix.Stat_t
	f := &file{t: t, path: path}
	err := t.in("open", path, func(d *dir, name string) (err error) {
		if f.fd, err = openOperator(d.fd, name, readFlags&^unix.O_NOFOLLOW, 0, t.insecure); err == nil {
			f.fd, err = regular(f.fd, &st)
		}
		return err
	})
	var other *typeError
	switch {
	case isForeign(err):
		t.log.Warn("a symlink in the place of a file with rules is not followed, because it belongs neither to root nor to this user; --insecure-links follows it", "path", t.full(path))
		return nil, t.fail("open", path, fs.ErrNotExist)
	case errors.As(err, &other):
		return nil, t.fail("open", path, fs.ErrNotExist)
	case err != nil:
		return nil, err
	}
	defer f.Close()
	return f.all(st.Size, limit)
}
