package snapshot

import (
	"context"
	"strings"
)

// Found tells what is wrong with the files of a snapshot.
type Found struct {
	Name string // of the snapshot
	Difference
	Err error // it could not be read
}

// Check reads snapshots and compares them with their manifests, and marks those as bad whose
// files differ. What cannot be read says nothing: a mark stays or is not made for it. A file that several of them share is read once.
func (s *Store) Check(ctx context.Context, names []string, tell func(Found)) error {
	inodes := map[inode]*shared{}
	for _, name := range names {
		want, err := s.Manifest(ctx, name)
		if err != nil {
			return err
		}
		unread := map[string]bool{}
		has, err := TreeSums(ctx, &below{s.files, name}, Summing{inodes: inodes, Fail: func(path string, err error) {
			unread[path] = true
			tell(Found{Name: name, Difference: Difference{Changed, path}, Err: err})
		}})
		if err != nil {
			return err
		}
		differs := false
		for _, d := range Compare(want, has) {
			if d.Kind != Missing || !IsBelow(unread, d.Path) {
				differs = true
				tell(Found{Name: name, Difference: d})
			}
		}
		if !differs && len(unread) > 0 {
			continue // it is as good, or as bad, as it was known to be
		}
		if err := s.mark(ctx, name, differs); err != nil {
			return err
		}
	}
	return nil
}

// IsBelow reports whether a path, or a directory that leads to it, is one of some.
func IsBelow(some map[string]bool, path string) bool {
	for !some[path] {
		if path == "" {
			return false
		}
		path = path[:max(0, strings.LastIndexByte(path, '/'))]
	}
	return true
}

// mark notes whether a snapshot is bad.
func (s *Store) mark(ctx context.Context, name string, bad bool) error {
	if !bad {
		return s.drop(ctx, badFile(name))
	}
	f, err := s.files.Append(ctx, badFile(name))
	if err != nil {
		return err
	}
	return f.Close()
}
