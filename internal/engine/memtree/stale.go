package memtree

import (
	"context"
	"strconv"
	"strings"
	"time"

	"gosync/delta/checkpoint"
	"gosync/walker/manifest"
)

// staleAge is the age at which a partial is removed that no run has asked for.
const staleAge = 7 * 24 * time.Hour

// RemoveStale implements [engine.Dest].
func (t *tree) RemoveStale(ctx context.Context, path string, all bool) (removed bool, err error) {
	err = t.change(ctx, "remove stale", path, func(dir *inode, name string) error {
		e, ok := t.d.child(dir, name)
		if !ok || !manifest.Temporary(name) || e.ino.kind == manifest.Directory {
			return nil
		}
		switch {
		case strings.HasSuffix(name, manifest.PartialSuffix):
			removed = t.stalePartial(dir, name, e.ino, all)
		case strings.HasSuffix(name, manifest.SidecarSuffix):
			removed = t.staleSidecar(dir, name, e.ino)
		case !t.alive(name):
			t.d.alter(dir, naming{name, nil})
			removed = true
		}
		return nil
	})
	return removed, err
}

// alive reports whether the run that has made a temporary goes on.
func (t *tree) alive(name string) bool {
	run, err := strconv.ParseUint(name[len(manifest.TempPrefix):len(manifest.TempPrefix)+8], 16, 32)
	return err != nil || t.d.runs[uint32(run)]
}

func (t *tree) stalePartial(dir *inode, name string, i *inode, all bool) bool {
	if i.kind != manifest.Regular || !all && !t.old(i) || !t.removeUnused(dir, name) {
		return false
	}
	t.removeUnused(dir, manifest.SidecarOf(name))
	return true
}

func (t *tree) staleSidecar(dir *inode, name string, i *inode) bool {
	if _, ok := t.d.child(dir, strings.TrimSuffix(name, manifest.SidecarSuffix)+manifest.PartialSuffix); ok || i.kind != manifest.Regular {
		return false // it goes with its partial
	}
	s, err := checkpoint.Read(stillFile(i.data), "")
	if err != nil && !t.old(i) {
		return false
	}
	if err == nil {
		if _, stands := t.d.child(dir, manifest.SidecarOwner(s.Name, s.InPlace)); stands {
			return false
		}
	}
	return t.removeUnused(dir, name)
}

func (t *tree) old(i *inode) bool {
	return t.d.o.Now().Sub(time.Unix(i.now.sec, 0)) > staleAge
}

// stillFile is a file that does not change.
type stillFile []byte

func (s stillFile) ReadAt(p []byte, off int64) (int, error) {
	return copy(p, s[min(off, int64(len(s))):]), nil
}
func (s stillFile) WriteAt([]byte, int64) (int, error) { return 0, ErrDead }
func (s stillFile) Sync() error                        { return nil }
func (s stillFile) Size() (int64, error)               { return int64(len(s)), nil }
func (s stillFile) Truncate(int64) error               { return ErrDead }
