package localfs

import (
	"context"
	"strings"

	"gosync/walker/manifest"
)

// mungePrefix stands in front of the target of every symlink that the client of a
// restricted server makes, so that it leads nowhere for others who look at the
// tree: neither out of it nor to a place that the client wants something to be
// written to. It is taken off when the tree is listed, so the client sees its link
// as it has sent it, and gets it back like that.
const mungePrefix = "/gosync-munged/"

// munged is a tree whose symlinks are munged on the disk.
type munged struct{ *Tree }

// List implements [walker.Tree].
func (t *munged) List(ctx context.Context, dir string) ([]manifest.Entry, error) {
	entries, err := t.Tree.List(ctx, dir)
	for i := range entries {
		plain(&entries[i])
	}
	return entries, err
}

// Follow implements [engine.Follower]: symlinks could lead out of the directory that
// clients are to see, so none is followed.
func (t *munged) Follow() error { return errOutside }

// FollowSome implements [engine.SomeFollower].
func (t *munged) FollowSome(func(path, target string) bool, bool) error { return errOutside }

// Stat implements [engine.Dest].
func (t *munged) Stat(ctx context.Context, path string) (manifest.Entry, error) {
	e, err := t.Tree.Stat(ctx, path)
	plain(&e)
	return e, err
}

// Symlink implements [engine.Dest].
func (t *munged) Symlink(ctx context.Context, path string, e *manifest.Entry, attrs manifest.Attrs) error {
	made, link := *e, mungePrefix+e.Link()
	made.Ext, made.Size = &manifest.Ext{Link: link, Kept: e.Ext.Kept}, int64(len(link))
	return t.Tree.Symlink(ctx, path, &made, attrs)
}

// plain takes the prefix off the target of a symlink.
func plain(e *manifest.Entry) {
	if e.Type != manifest.Symlink {
		return
	}
	if target, ok := strings.CutPrefix(e.Ext.Link, mungePrefix); ok {
		e.Ext.Link, e.Size = target, int64(len(target))
	}
}
