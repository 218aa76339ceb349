package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/manifest"
)

// --remove-source-files: the destination tells the source, when all is in place and
// durable, of the entries that are as they are to be, and the source removes its own,
// directories aside. A run that ends earlier removes nothing; the next one finds what
// has arrived equal, and removes it then.

// land notes that an entry is as it is to be.
func (d *dest) land(dir *destDir, e *manifest.Entry) {
	if !d.job.RemoveSource || d.job.DryRun {
		return
	}
	i, ok := manifest.Find(dir.entries, e.Name)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.landed == nil {
		d.landed = map[*destDir][]int{}
	}
	d.landed[dir] = append(d.landed[dir], i)
}

// tellLanded tells the source of what has landed.
func (d *dest) tellLanded(ctx context.Context) error {
	for _, dir := range d.dirs {
		d.mu.Lock()
		entries := slices.Clone(d.landed[dir])
		entries = slices.DeleteFunc(entries, func(i int) bool { return d.lost[wire.ID{Dir: dir.index, Entry: i}] })
		d.mu.Unlock()
		slices.Sort(entries)
		entries = slices.Compact(entries)
		if d.twin != nil {
			entries = slices.DeleteFunc(entries, func(i int) bool { return d.isOnlyName(ctx, dir, i) })
		}
		for part := range slices.Chunk(entries, wantBatch) {
			if err := d.conn.Send(ctx, &wire.Landed{Dir: dir.index, Entries: part}); err != nil {
				return err
			}
		}
	}
	return nil
}

// isOnlyName reports whether an entry has, at the destination, the very name that it
// has at the source, so that nothing would be left if that was removed; or that it
// cannot be known.
func (d *dest) isOnlyName(ctx context.Context, dir *destDir, i int) bool {
	from, _, err := d.twin.entry(wire.ID{Dir: dir.index, Entry: i})
	if err != nil {
		return true
	}
	tree, path := from.Origin(i)
	src, err := d.twin.forest.changeable(ctx, tree)
	if err != nil {
		return false // it will not be removed either
	}
	up, name := parentOf(path)
	a, err := src.Stat(ctx, up)
	if err != nil {
		return true
	}
	b, err := d.tree.Stat(ctx, dir.path)
	return err != nil || sameInode(&a, &b) && name == d.nameFor(dir, &dir.entries[i])
}

// parentOf returns the directory of a path of a tree, and the name in it.
func parentOf(path string) (up, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// takeLanded notes entries that are to be removed.
func (s *source) takeLanded(m *wire.Landed) error {
	if !s.job.RemoveSource || s.job.DryRun || len(m.Entries) == 0 {
		return fmt.Errorf("%w: the source is to remove what nobody asked it to", wire.ErrProtocol)
	}
	if err := s.ask(len(m.Entries)); err != nil {
		return err
	}
	for _, i := range m.Entries {
		_, e, err := s.entry(wire.ID{Dir: m.Dir, Entry: i})
		if err != nil {
			return err
		}
		if e.IsDir() {
			return fmt.Errorf("%w: the source is to remove a directory", wire.ErrProtocol)
		}
	}
	s.landed = append(s.landed, wire.Landed{Dir: m.Dir, Entries: slices.Clone(m.Entries)})
	return nil
}

// removeLanded removes what has landed, when the destination has said that it is done.
func (s *source) removeLanded(ctx context.Context) error {
	defer s.conn.Work()()
	g, part := errgroup.WithContext(ctx)
	g.SetLimit(max(s.forest.parallel(), 1))
	for _, m := range s.landed {
		for _, i := range m.Entries {
			g.Go(func() error { return s.removeOwn(part, wire.ID{Dir: m.Dir, Entry: i}) })
		}
	}
	return g.Wait()
}

// errRemoveChanged is about a file that is newer than what has arrived.
var errRemoveChanged = errors.New("it stays, because it has changed since it was listed")

// removeOwn removes an entry that is at the destination, unless it has changed since it
// was listed.
func (s *source) removeOwn(ctx context.Context, id wire.ID) error {
	dir, e, err := s.entry(id)
	if err != nil {
		return err
	}
	tree, path := dir.Origin(id.Entry)
	err = s.removeFrom(ctx, tree, path, e)
	if err == nil && s.job.Remarks {
		s.rep.post(SkipEvent{Path: manifest.Join(dir.Path, e.Name), Reason: SourceRemoved})
	}
	if err == nil || isGone(err) {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.rep.fail(&FileError{Op: "remove source", Path: manifest.Join(dir.Path, e.Name), Err: err})
	return nil
}

func (s *source) removeFrom(ctx context.Context, tree walker.Tree, path string, e *manifest.Entry) error {
	t, err := s.forest.changeable(ctx, tree)
	if err != nil {
		return err
	}
	now, err := t.Stat(ctx, path)
	if err != nil {
		return err
	}
	switch {
	case s.job.CopyLinks && now.Type == manifest.Symlink: // what it leads to stays
		return t.Remove(ctx, path, &now)
	case now.Type != e.Type, !sameLook(&now, e), now.Type == manifest.Symlink && now.Link() != e.Link():
		return errRemoveChanged
	}
	return t.Remove(ctx, path, e)
}

// changing is the sources' trees as something can be removed from them, which are
// opened when that is so.
type changing struct {
	mu    sync.Mutex
	trees map[walker.Tree]Dest
}

// changeable returns a source's tree so that something can be removed from it.
func (f *forest) changeable(ctx context.Context, of walker.Tree) (Dest, error) {
	c := &f.changing
	c.mu.Lock()
	defer c.mu.Unlock()
	if t, ok := c.trees[of]; ok {
		return t, nil
	}
	for path, t := range f.trees {
		if walker.Tree(t) != of {
			continue
		}
		to, err := f.host.Dest(ctx, path, DestOptions{Durability: SyncNone})
		if err != nil {
			return nil, err
		}
		if c.trees == nil {
			c.trees = map[walker.Tree]Dest{}
		}
		c.trees[of] = to
		return to, nil
	}
	return nil, errors.ErrUnsupported
}

func (c *changing) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, t := range c.trees {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}
