package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// Finished is a snapshot that was made.
type Finished struct {
	Name  string
	Files int // regular files
	Read  int // ... that were read for their digests
}

// Finish makes the next snapshot one of the store's: what is missing of its manifest is
// made, then it gets its name.
func (s *Store) Finish(ctx context.Context) (f Finished, err error) {
	if s.journal == nil {
		return f, errors.New("no snapshot was begun")
	}
	err = s.journal.Close()
	s.journal = nil
	if err != nil {
		return f, err
	}
	all, err := s.List(ctx)
	if err != nil {
		return f, err
	}
	name, err := s.name(all)
	if err != nil {
		return f, err
	}
	if err := s.sweep(ctx, nextDir); err != nil {
		return f, err
	}
	m, read, err := s.sums(ctx)
	if err != nil {
		return f, fmt.Errorf("the manifest: %w", err)
	}
	if err := s.writeManifest(ctx, sumFile(name), m); err != nil {
		return f, err
	}
	if err := s.files.Move(ctx, nextDir, name); err != nil {
		return f, err
	}
	if err := s.drop(ctx, journalFile); err != nil {
		return f, err
	}
	if all, err = s.List(ctx); err != nil {
		return f, err
	}
	if err := s.link(ctx, all); err != nil {
		return f, err
	}
	return Finished{Name: name, Files: len(m), Read: read}, s.files.Sync(ctx)
}

// skew is how far in the future the newest snapshot may lie before it is an error: two
// runs within a second, and clocks that are set.
const skew = time.Minute

// name returns the name of the next snapshot, which comes behind all others.
func (s *Store) name(all []Info) (string, error) {
	t := s.now().UTC().Truncate(time.Second)
	if len(all) == 0 {
		return Name(t), nil
	}
	newest := all[len(all)-1]
	if newest.Time.Sub(t) > skew {
		return "", fmt.Errorf("the newest snapshot, %s, is of the future: set the clock, or rename the snapshot", newest.Name)
	}
	if !t.After(newest.Time) {
		t = newest.Time.Add(time.Second)
	}
	return Name(t), nil
}

// sums returns the manifest of the next snapshot, and how many files were read for it.
func (s *Store) sums(ctx context.Context) (Manifest, int, error) {
	noted, err := s.readJournal(ctx)
	if err != nil {
		return nil, 0, err
	}
	var base Manifest
	if s.base != "" {
		if base, err = s.Manifest(ctx, s.base); err != nil {
			return nil, 0, err
		}
	}
	read := 0
	m, err := TreeSums(ctx, &below{s.files, nextDir}, Summing{Known: func(path string, e *manifest.Entry) (Sum, bool) {
		if l, ok := noted[path]; ok && l.Size == e.Size && l.Sec == e.Sec && l.Nsec == e.Nsec {
			return l.Sum, true
		}
		if id, linked := inodeOf(e); linked {
			if sum, ok := base.Find(path); ok {
				old, err := s.files.Stat(ctx, s.base+"/"+path)
				if was, ok := inodeOf(&old); err == nil && ok && was == id {
					return sum, true
				}
			}
		}
		read++
		return Sum{}, false
	}})
	return m, read, err
}

// writeManifest writes a file of digests, durably.
func (s *Store) writeManifest(ctx context.Context, path string, m Manifest) error {
	f, err := s.files.Create(ctx, path, engine.CreateOptions{})
	if err != nil {
		return err
	}
	w := io.NewOffsetWriter(f, 0)
	n, err := m.WriteTo(w)
	if err != nil {
		return errors.Join(err, f.Remove())
	}
	e := manifest.Entry{Type: manifest.Regular, Mode: 0o600, Size: n}
	done := make(chan error, 1)
	f.Commit(ctx, n, &e, manifest.AttrMode, func(err error) { done <- err })
	err = s.files.Sync(ctx)
	return errors.Join(<-done, err)
}
