package engine

import (
	"context"
	"io/fs"

	"gosync/walker"
	"gosync/walker/filter"
)

// eachDir walks the sources, and reports whether all could be listed. Where directories
// without a file are left out nothing is known before everything is.
func (s *source) eachDir(ctx context.Context, yield func(d *walker.Dir) error) (complete bool, err error) {
	complete = true
	opts := s.walkOptions()
	opts.FirstLinks = s.conn.NamesLinks()
	if !s.job.PruneEmpty {
		err = walker.Walk(ctx, s.forest.root, opts, func(d *walker.Dir) error {
			complete = complete && d.Err == nil
			return yield(d)
		})
		return complete, err
	}
	var dirs []*walker.Dir
	err = walker.Walk(ctx, s.forest.root, opts, func(d *walker.Dir) error {
		complete = complete && d.Err == nil
		dirs = append(dirs, d)
		return nil
	})
	if err != nil {
		return complete, err
	}
	left, gone := walker.Prune(dirs, keptEmpty(dirs, s.job.Filter))
	for _, d := range gone {
		s.tellListing(d)
	}
	for _, d := range left {
		if err := yield(d); err != nil {
			return complete, err
		}
	}
	return complete, nil
}

// keptEmpty returns what tells of a directory whether a rule that protects it at the
// destination keeps it although there is no file in it, as in rsync. Files of rules of
// single directories do not count there.
func keptEmpty(dirs []*walker.Dir, set *filter.Set) func(d *walker.Dir, entry int) bool {
	if set == nil || set.Empty() {
		return nil
	}
	scopes := make([]*filter.Scope, len(dirs))
	for i, d := range dirs {
		if i == 0 {
			scopes[i] = set.Root()
			continue
		}
		if up := scopes[d.Parent]; up != nil {
			scopes[i], _ = up.Enter(dirs[d.Parent].Entries[d.Entry].Name, noFile) // nil then: nothing is kept
		}
	}
	return func(d *walker.Dir, entry int) bool {
		sc := scopes[d.Index]
		return sc != nil && sc.Excluded(d.Entries[entry].Name, true, filter.Receiver)
	}
}

// noFile stands for the files of a directory that are not looked at.
func noFile(string) ([]byte, error) { return nil, fs.ErrNotExist }
