package engine

import (
	"context"
	"fmt"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// task is a piece of work for a reader of the source.
type task struct {
	kind    taskKind
	dir     int   // small files, checks
	entries []int // ... of this directory
	digests []delta.Digest
	id      wire.ID // all other kinds
	chunks  []int   // resend: these only; nil for all
	held    int     // large: the destination has so many chunks from the start on
	blind   bool    // ... and does not want their digests
	delta   *deltaJob
}

type taskKind uint8

const (
	taskSmall taskKind = iota
	taskLarge
	taskDelta
	taskResend
	taskCheck
)

// smallBatch is how many small files one task reads.
const smallBatch = 64

// want queues the files of a Want: small ones in batches, large ones by
// themselves.
func (s *source) want(m *wire.Want) error {
	if err := s.ask(len(m.Entries)); err != nil {
		return err
	}
	var small []int
	flush := func() {
		if len(small) > 0 {
			s.tasks.put(task{kind: taskSmall, dir: m.Dir, entries: small})
			small = nil
		}
	}
	for _, i := range m.Entries {
		id := wire.ID{Dir: m.Dir, Entry: i}
		_, e, err := s.entry(id)
		if err != nil {
			return err
		}
		if !e.IsRegular() {
			return fmt.Errorf("%w: content of a %v wanted", wire.ErrProtocol, e.Type)
		}
		s.prog.TotalFiles.Add(1)
		s.prog.TotalBytes.Add(e.Size)
		if e.Size > wire.MaxSmall {
			s.tasks.put(task{kind: taskLarge, id: id})
			continue
		}
		if small = append(small, i); len(small) == smallBatch {
			flush()
		}
	}
	flush()
	return nil
}

// content returns the file whose content the destination wants by itself.
func (s *source) content(id wire.ID) (*manifest.Entry, error) {
	if err := s.ask(1); err != nil {
		return nil, err
	}
	_, e, err := s.entry(id)
	if err == nil && !e.IsRegular() {
		err = fmt.Errorf("%w: content of a %v wanted", wire.ErrProtocol, e.Type)
	}
	return e, err
}

func (s *source) resend(m *wire.Resend) error {
	if _, err := s.content(m.ID); err != nil {
		return err
	}
	t := task{kind: taskResend, id: m.ID}
	if !m.All {
		t.chunks = m.Chunks
	}
	s.tasks.put(t)
	return nil
}

// resume queues a file whose first chunks the destination holds.
func (s *source) resume(m *wire.Resume) error {
	e, err := s.content(m.ID)
	if err != nil {
		return err
	}
	s.prog.TotalFiles.Add(1)
	s.prog.TotalBytes.Add(e.Size)
	s.tasks.put(task{kind: taskLarge, id: m.ID, held: m.Chunks, blind: m.Blind})
	return nil
}

// work does tasks until the queue is closed.
func (s *source) work(ctx context.Context) error {
	w := &fileWriter{s: s}
	for {
		t, ok := s.tasks.try()
		if !ok {
			if err := w.flush(ctx); err != nil {
				return err
			}
			if t, ok = s.tasks.get(); !ok {
				return nil
			}
		}
		working := s.conn.Work()
		err := w.do(ctx, t)
		working()
		if err != nil {
			return err
		}
	}
}

// hasOther reports whether there is something to send beside a delta.
func (s *source) hasOther() bool {
	s.mu.Lock()
	deltas := len(s.deltas)
	s.mu.Unlock()
	return deltas > 1 || s.busy.Load() > 0 || s.tasks.some()
}
