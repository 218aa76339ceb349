package snapshot

import (
	"context"
	"errors"
	"io/fs"

	"gosync/internal/engine"
	"gosync/walker"
	"gosync/walker/manifest"
)

// below is a directory of a tree as a tree of its own.
type below struct {
	tree Opener
	dir  string
}

// List implements [walker.Tree].
func (b *below) List(ctx context.Context, dir string) ([]manifest.Entry, error) {
	return b.tree.List(ctx, b.path(dir))
}

// ReadFile implements [walker.Tree].
func (b *below) ReadFile(ctx context.Context, name string, limit int64) ([]byte, error) {
	return b.tree.ReadFile(ctx, b.path(name), limit)
}

// Open opens a file.
func (b *below) Open(ctx context.Context, path string) (engine.File, error) {
	return b.tree.Open(ctx, b.path(path))
}

func (b *below) path(p string) string {
	if p == "" {
		return b.dir
	}
	return b.dir + "/" + p
}

// removeTree removes a directory with all that is in it. Directories that their owner may
// not change are made such that he may.
func (s *Store) removeTree(ctx context.Context, dir string, e *manifest.Entry) error {
	entries, err := s.files.List(ctx, dir)
	if errors.Is(err, fs.ErrPermission) {
		if err = s.open(ctx, dir); err == nil {
			entries, err = s.files.List(ctx, dir)
		}
	}
	if err != nil {
		return err
	}
	for i := range entries {
		c := &entries[i]
		path := manifest.Join(dir, c.Name)
		if c.IsDir() {
			err = s.removeTree(ctx, path, c)
		} else {
			err = s.removeEntry(ctx, dir, path, c)
		}
		if err != nil {
			return err
		}
	}
	up := ""
	for i := len(dir) - 1; i >= 0 && up == ""; i-- {
		if dir[i] == '/' {
			up = dir[:i]
		}
	}
	return s.removeEntry(ctx, up, dir, e)
}

// removeEntry removes what is at path, which lies in dir.
func (s *Store) removeEntry(ctx context.Context, dir, path string, e *manifest.Entry) error {
	err := s.files.Remove(ctx, path, e)
	if errors.Is(err, fs.ErrPermission) && dir != "" {
		if err = s.open(ctx, dir); err == nil {
			err = s.files.Remove(ctx, path, e)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// open lets the owner of a directory do everything there.
func (s *Store) open(ctx context.Context, dir string) error {
	return s.files.SetAttrs(ctx, dir, &manifest.Entry{Type: manifest.Directory, Mode: 0o700}, manifest.AttrMode)
}

// walk calls f for everything below dir but directories.
func (s *Store) walk(ctx context.Context, dir string, f func(path string, e *manifest.Entry) error) error {
	root := &walker.Node{Entry: manifest.Entry{Type: manifest.Directory}, Contents: []walker.Origin{{Tree: s.files, Dir: dir}}}
	return walker.Walk(ctx, root, walker.Options{}, func(d *walker.Dir) error {
		if d.Err != nil {
			return d.Err
		}
		for i := range d.Entries {
			if e := &d.Entries[i]; !e.IsDir() {
				if err := f(manifest.Join(manifest.Join(dir, d.Path), e.Name), e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// sweep removes files in the making that runs which are over have left in dir.
func (s *Store) sweep(ctx context.Context, dir string) error {
	return s.walk(ctx, dir, func(path string, e *manifest.Entry) error {
		if !manifest.Temporary(e.Name) {
			return nil
		}
		_, err := s.files.RemoveStale(ctx, path, true)
		return err
	})
}

// unshare takes files out of the next snapshot that have names outside of it: those of
// snapshots, which must not change with it. They are linked anew.
func (s *Store) unshare(ctx context.Context) error {
	type file struct {
		path  string
		entry manifest.Entry
	}
	linked, names := []file{}, map[inode]uint64{}
	err := s.walk(ctx, nextDir, func(path string, e *manifest.Entry) error {
		if id, ok := inodeOf(e); ok && !manifest.Temporary(e.Name) {
			linked = append(linked, file{path, *e})
			names[id]++
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range linked {
		f := &linked[i]
		if id, _ := inodeOf(&f.entry); names[id] == f.entry.Ext.Nlink {
			continue
		}
		up := f.path[:len(f.path)-len(f.entry.Name)-1]
		if err := s.removeEntry(ctx, up, f.path, &f.entry); err != nil {
			return err
		}
	}
	return nil
}
