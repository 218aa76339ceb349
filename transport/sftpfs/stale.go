package sftpfs

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"gosync/delta/checkpoint"
	"gosync/walker/manifest"
)

// Ages at which what earlier runs have left is removed: a temporary, which no run
// can go on with, and a partial.
const (
	tempAge    = 24 * time.Hour
	partialAge = 7 * 24 * time.Hour
)

// RemoveStale implements [engine.Dest]. Which run has made a temporary is not known,
// and nothing is locked: age alone tells, and what this session uses is known.
func (t *Tree) RemoveStale(ctx context.Context, path string, all bool) (removed bool, err error) {
	err = t.change(ctx, "remove", path, func(dir, name string) (err error) {
		if !manifest.Temporary(name) || t.uses(path) {
			return nil
		}
		a, err := t.h.lstat(ctx, t.at(path))
		if err != nil || typeOf(a.perm) != manifest.Regular {
			return ignoreGone(err)
		}
		switch {
		case strings.HasSuffix(name, manifest.PartialSuffix):
			if !all && !t.older(a, partialAge) {
				return nil
			}
			if err = t.h.remove(ctx, t.at(path)); err == nil {
				removed = true
				err = t.removeUnused(ctx, manifest.Join(dir, manifest.SidecarOf(name)))
			}
			return ignoreGone(err)
		case strings.HasSuffix(name, manifest.SidecarSuffix):
			if stays, err := t.sidecarStays(ctx, dir, path, a); stays || err != nil {
				return err
			}
		case !all && !t.older(a, tempAge):
			return nil
		}
		err = t.h.remove(ctx, t.at(path))
		removed = err == nil
		return ignoreGone(err)
	})
	return removed, err
}

// uses reports whether a file of this session has the name of a temporary.
func (t *Tree) uses(path string) bool {
	base := strings.TrimSuffix(strings.TrimSuffix(path, manifest.SidecarSuffix), manifest.PartialSuffix)
	if t.h.held(t.at(base+manifest.PartialSuffix)) || t.h.held(t.at(base+manifest.SidecarSuffix)) {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for f := range t.live {
		if f.temp != "" && f.beside(f.temp) == path {
			return true
		}
	}
	return false
}

// older reports whether nobody has touched something for so long. Before a file gets
// its name it has the time of its source already, but was given the access time of
// that moment.
func (t *Tree) older(a attrs, age time.Duration) bool {
	if a.flags&attrTimes == 0 {
		return false
	}
	last := max(int64(a.atime), int64(a.mtime))
	return t.h.Now().Sub(time.Unix(last, 0)) > age
}

// sidecarStays reports whether a sidecar is of use: it goes with its partial, and
// the mark of a file that is written in place stays as long as the file.
func (t *Tree) sidecarStays(ctx context.Context, dir, path string, a attrs) (bool, error) {
	_, err := t.h.lstat(ctx, t.at(strings.TrimSuffix(path, manifest.SidecarSuffix)+manifest.PartialSuffix))
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return true, err
	}
	side, err := t.openTrusted(ctx, path, path[strings.LastIndexByte(path, '/')+1:])
	if err != nil {
		return !t.older(a, partialAge), nil //nolint:nilerr // whose it is cannot be known
	}
	defer side.Close()
	s, err := checkpoint.Read(side, "")
	if err != nil {
		return !t.older(a, partialAge), nil //nolint:nilerr // what it says cannot be known
	}
	if manifest.ValidName(s.Name) != nil {
		return false, nil
	}
	_, err = t.h.lstat(ctx, t.at(manifest.Join(dir, manifest.SidecarOwner(s.Name, s.InPlace))))
	return !errors.Is(err, fs.ErrNotExist), nil
}
