package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// Next is a snapshot in the making.
type Next struct {
	Dir     string // below the store: what is copied goes there
	Base    string // the snapshot to link against; "" for none
	Resumed bool   // an interrupted run has begun it
}

// Begin takes the store's lock and prepares for a new snapshot.
func (s *Store) Begin(ctx context.Context) (n Next, err error) {
	if s.journal != nil {
		return n, errors.New("a snapshot was begun already")
	}
	if err := s.hold(ctx); err != nil {
		return n, err
	}
	if err := s.tidy(ctx); err != nil {
		return n, err
	}
	all, err := s.List(ctx)
	if err != nil {
		return n, err
	}
	if err := s.link(ctx, all); err != nil {
		return n, err
	}
	for _, i := range slices.Backward(all) {
		if i.Good() {
			s.base = i.Name
			break
		}
	}
	n = Next{Dir: nextDir, Base: s.base}
	switch err = s.files.Mkdir(ctx, nextDir); {
	case errors.Is(err, fs.ErrExist):
		n.Resumed = true
		if err = s.settle(ctx); err == nil {
			err = s.unshare(ctx)
		}
	case err == nil:
		err = s.drop(ctx, journalFile)
	}
	if err != nil {
		return n, err
	}
	s.journal, err = s.files.Append(ctx, journalFile)
	return n, err
}

// settle waits until nobody else works on the next snapshot.
func (s *Store) settle(ctx context.Context) error {
	if s.Settled == nil {
		return nil
	}
	return s.Settled(ctx, nextDir)
}

// hold takes the lock.
func (s *Store) hold(ctx context.Context) (err error) {
	if s.lock != nil {
		return nil
	}
	if err := s.files.Mkdir(ctx, stateDir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if s.lock, err = s.files.Lock(ctx, lockFile); errors.Is(err, engine.ErrInUse) {
		return fmt.Errorf("another run works on these snapshots: %w", err)
	}
	return err
}

// tidy removes what a run that was killed has left: snapshots that were being removed,
// and what is known of those that are gone.
func (s *Store) tidy(ctx context.Context) error {
	top, err := s.files.List(ctx, "")
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for i := range top {
		e := &top[i]
		there[e.Name] = e.IsDir()
		if e.IsDir() && strings.HasPrefix(e.Name, trashPrefix) {
			if err := s.removeTree(ctx, e.Name, e); err != nil {
				return err
			}
		}
		if manifest.Temporary(e.Name) && !e.IsDir() {
			if _, err := s.files.RemoveStale(ctx, e.Name, true); err != nil {
				return err
			}
		}
	}
	state, err := s.files.List(ctx, stateDir)
	if err != nil {
		return err
	}
	for i := range state {
		e := &state[i]
		name, found := strings.CutSuffix(e.Name, sumSuffix)
		if !found {
			name, found = strings.CutSuffix(e.Name, badSuffix)
		}
		switch _, ok := ParseName(name); {
		case found && ok && !there[name] && !e.IsDir():
			err = s.drop(ctx, stateDir+"/"+e.Name)
		case manifest.Temporary(e.Name) && !e.IsDir():
			_, err = s.files.RemoveStale(ctx, stateDir+"/"+e.Name, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// link has "latest" lead to the newest snapshot.
func (s *Store) link(ctx context.Context, all []Info) error {
	if len(all) == 0 {
		return nil
	}
	newest := all[len(all)-1].Name
	e, err := s.files.Stat(ctx, latestLink)
	switch {
	case err == nil && e.Type == manifest.Symlink && e.Link() == newest:
		return nil
	case err == nil && e.IsDir():
		return fmt.Errorf("there is a directory named %s where the link to the newest snapshot is to be: rename it", latestLink)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	link := manifest.Entry{Type: manifest.Symlink, Mode: 0o777, Size: int64(len(newest)), Ext: &manifest.Ext{Link: newest}}
	return s.files.Symlink(ctx, latestLink, &link, 0)
}

// drop removes a file if it is there.
func (s *Store) drop(ctx context.Context, path string) error {
	e, err := s.files.Stat(ctx, path)
	if err == nil {
		err = s.files.Remove(ctx, path, &e)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
