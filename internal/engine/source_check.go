package engine

import (
	"context"
	"fmt"

	"gosync/delta"
	"gosync/transport/wire"
)

// check queues the comparison of files by content.
func (s *source) check(m *wire.Check) error {
	if err := s.ask(len(m.Entries)); err != nil {
		return err
	}
	for _, i := range m.Entries {
		_, e, err := s.entry(wire.ID{Dir: m.Dir, Entry: i})
		if err != nil {
			return err
		}
		if !e.IsRegular() {
			return fmt.Errorf("%w: digest of a %v asked for", wire.ErrProtocol, e.Type)
		}
	}
	for len(m.Entries) > 0 {
		n := min(len(m.Entries), smallBatch)
		s.tasks.put(task{kind: taskCheck, dir: m.Dir, entries: m.Entries[:n], digests: m.Digests[:n]})
		m.Entries, m.Digests = m.Entries[n:], m.Digests[n:]
	}
	return nil
}

// check compares the digests of files. A file that cannot be read counts as
// different: the attempt to send it will tell why.
func (w *fileWriter) check(ctx context.Context, t task) error {
	m := &wire.Same{}
	for i, entry := range t.entries {
		id := wire.ID{Dir: t.dir, Entry: entry}
		d, e, err := w.s.entry(id)
		if err != nil {
			return err
		}
		same := false
		if f, err := w.s.openEntry(ctx, d, entry); err == nil {
			sum, err := delta.SumReaderAt(ctx, f, e.Size, 1, nil)
			same = err == nil && sum == t.digests[i]
			_ = f.Close() // it was only read
		}
		m.IDs, m.Same = append(m.IDs, id), append(m.Same, same)
	}
	return w.s.conn.Send(ctx, m)
}
