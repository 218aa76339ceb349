package snapshot

import (
	"context"

	"gosync/walker/manifest"
)

// Prune removes the snapshots that the policy does not keep, and returns their names. With
// dry it only returns them.
func (s *Store) Prune(ctx context.Context, p Policy, dry bool) ([]string, error) {
	if !dry {
		if err := s.hold(ctx); err != nil {
			return nil, err
		}
		if err := s.tidy(ctx); err != nil {
			return nil, err
		}
	}
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	names, good := make([]string, len(all)), make([]bool, len(all))
	for i := range all {
		names[i], good[i] = all[i].Name, all[i].Good()
	}
	var gone []string
	for i, keep := range p.Keep(names, good) {
		if keep {
			continue
		}
		gone = append(gone, names[i])
		if dry {
			continue
		}
		if err := s.remove(ctx, names[i]); err != nil {
			return gone, err
		}
	}
	if dry || len(gone) == 0 {
		return gone, nil
	}
	if all, err = s.List(ctx); err == nil {
		err = s.link(ctx, all)
	}
	if err == nil {
		err = s.files.Sync(ctx)
	}
	return gone, err
}

// remove removes a snapshot: first its name, so that nobody sees half of it.
func (s *Store) remove(ctx context.Context, name string) error {
	trash := trashPrefix + name
	if err := s.files.Move(ctx, name, trash); err != nil {
		return err
	}
	if err := s.drop(ctx, sumFile(name)); err != nil {
		return err
	}
	if err := s.drop(ctx, badFile(name)); err != nil {
		return err
	}
	return s.removeTree(ctx, trash, &manifest.Entry{Type: manifest.Directory})
}
