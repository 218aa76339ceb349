package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// SomeFollower is a [Source] that can show what some symlinks lead to.
type SomeFollower interface {
	// FollowSome is [Follower.Follow] for the symlinks that choose picks by their
	// paths in the tree and their targets, and with dirs for those that lead to a
	// directory. The others stay symlinks. choose may be nil.
	FollowSome(choose func(path, target string) bool, dirs bool) error
}

// followsSome reports whether the source shows in place of some symlinks what they lead to.
func (o *Options) followsSome() bool {
	return !o.CopyLinks && (o.CopyUnsafeLinks || o.CopyDirLinks)
}

// followSome has a tree follow the symlinks that the options name. at is where the
// tree stands in the transfer.
func (f *forest) followSome(t Source, at string) error {
	s, ok := t.(SomeFollower)
	if !ok {
		return fmt.Errorf("its symlinks cannot be followed: %w", errors.ErrUnsupported)
	}
	var choose func(path, target string) bool
	if f.job.CopyUnsafeLinks {
		choose = f.chooseUnsafe(at)
	}
	return s.FollowSome(choose, f.job.CopyDirLinks)
}

// ErrLeadsOut: a symlink leads to a directory that is not below the destination.
var ErrLeadsOut = errors.New("the symlink leads out of the destination: remove it, or leave out --keep-dirlinks")

// DirLinker is a [Dest] in which symlinks may stand for directories.
type DirLinker interface {
	// KeepLink has the symlink at path stand, from now on, for the directory that it
	// leads to inside of the tree, and describes that. It fails where it leads to
	// something else; the error wraps [ErrLeadsOut] where that is a directory elsewhere.
	KeepLink(ctx context.Context, path string) (manifest.Entry, error)
}

// keepLinks has symlinks of the destination stand for directories where the source has
// directories of these names.
func (p *planner) keepLinks(ctx context.Context, dir *destDir) error {
	d := p.d
	if !d.job.KeepDirLinks || d.tree == nil {
		return nil
	}
	t, ok := capability[DirLinker](d.tree)
	if !ok {
		return wire.Errorf(wire.CodeUnsupported, "--keep-dirlinks cannot be done with this destination")
	}
	for i := range dir.entries {
		e := &dir.entries[i]
		if !e.IsDir() {
			continue
		}
		dst := dir.find(d.nameFor(dir, e))
		if dst == nil || dst.Type != manifest.Symlink {
			continue
		}
		switch to, err := t.KeepLink(ctx, d.pathFor(dir, e)); {
		case err == nil:
			to.Name = dst.Name
			*dst = to
		case errors.Is(err, ErrLeadsOut):
			p.subdir(dir, i).failed = true
			d.lose(wire.ID{Dir: dir.index, Entry: i})
			d.fail("open", shownPath(dir, e), ErrLeadsOut)
		case !leadsNowhere(err): // it may well be a directory: it is not to be replaced
			p.subdir(dir, i).failed = true
			d.lose(wire.ID{Dir: dir.index, Entry: i})
			d.fail("open", shownPath(dir, e), err)
		}
	}
	return context.Cause(ctx)
}

// leadsNowhere reports whether err says that a symlink leads to no directory.
func leadsNowhere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}

// isUnsafe reports whether a symlink at a path of the transfer leads out of it, as far
// as the names tell: an absolute one does, one with ".." elsewhere than at its begin
// may do.
func isUnsafe(path, target string) bool {
	if target == "" || target[0] == '/' {
		return true
	}
	rest := target
	for strings.HasPrefix(rest, "../") {
		rest = strings.TrimLeft(rest[3:], "/")
	}
	if strings.Contains(rest, "/../") || len(target) > 3 && strings.HasSuffix(target, "/..") {
		return true
	}
	depth := 0
	if dirs := strings.LastIndexByte(path, '/'); dirs >= 0 {
		depth = descent(path[:dirs], depth, true)
	}
	return descent(target, depth, false) < 0
}

// descent returns how deep one is after all components of a path, -1 once it was above
// where it began. With restart ".." begins anew. What a path ends in counts as a
// component like any other.
func descent(path string, depth int, restart bool) int {
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			depth++
		case restart:
			depth = 0
		default:
			if depth--; depth < 0 {
				return -1
			}
		}
	}
	return depth
}

// UnsafeSymlink is the reason of the [SkipEvent] for a symlink that --safe-links leaves
// out. Its path has the target behind it, as rsync shows them.
const UnsafeSymlink = "ignoring unsafe symlink"

// mungePrefix stands in front of the targets of symlinks that are to lead nowhere. It is rsync's.
const mungePrefix = "/rsyncd-munged/"

// munge gives the symlinks among entries targets that lead nowhere.
func munge(entries []manifest.Entry) {
	for i := range entries {
		if e := &entries[i]; e.Type == manifest.Symlink {
			relink(e, mungePrefix+e.Link())
		}
	}
}

// unmunge gives an entry of the source the target that it had before it was munged.
func unmunge(e *manifest.Entry) {
	if e.Type != manifest.Symlink {
		return
	}
	if target, ok := strings.CutPrefix(e.Link(), mungePrefix); ok {
		relink(e, target)
	}
}

// relink gives a symlink another target.
func relink(e *manifest.Entry, target string) {
	ext := *e.Ext
	ext.Link = target
	e.Ext, e.Size = &ext, int64(len(target))
}
