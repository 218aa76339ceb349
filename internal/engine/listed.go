package engine

import (
	"context"
	"fmt"

	"gosync/transport/wire"
)

// receive handles the frames of one end until over says that one was the last.
// Errors of the connection name who is behind it, if who is not empty.
func receive(ctx context.Context, conn *wire.Conn, who string, handle func(context.Context, wire.Frame) (over bool, err error)) error {
	for {
		f, err := conn.Next()
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil && who != "":
			return fmt.Errorf("%s: %w", who, err)
		case err != nil:
			return err
		}
		over, err := handle(ctx, f)
		if over || err != nil {
			return err
		}
	}
}

// decode takes a frame's message out of it. What the message holds is the frame's until it is released.
func decode(f *wire.Frame) (wire.Msg, error) {
	payload, err := f.Payload()
	if err != nil {
		return nil, err
	}
	return wire.Decode(f.Type, payload)
}

// maxEntries is how many entries a run may have.
const maxEntries = 100_000_000

func tooMany() error {
	return wire.Errorf(wire.CodeMemory, "the source has more than %d entries: copy it in parts", maxEntries)
}

// maxTroubles is how many errors and remarks a source may send beyond two for
// each entry that it lists: they wait in memory to be shown.
const maxTroubles = 100_000

// lister is what a source lists and reports, as the end sees it that reads from
// it. It belongs to that reader.
type lister struct {
	rep      *reporter
	prog     *Progress
	troubles int64 // errors and remarks so far, long ones more than once
}

// trouble notes an error or a remark of the source.
func (l *lister) trouble(m *wire.Trouble) error {
	l.troubles += 1 + int64(len(m.Err.Op)+len(m.Err.Path)+len(m.Err.Text))/512
	if l.troubles > maxTroubles+2*l.prog.Seen.Load() {
		return fmt.Errorf("%w: the source has more errors than files", wire.ErrProtocol)
	}
	if m.Note {
		l.rep.post(SkipEvent{Path: m.Err.Path, Reason: m.Err.Text})
		return nil
	}
	l.rep.fail(fromTrouble(m))
	return nil
}

// records decodes listings and hands over each with the number of entries that
// were listed so far. The records lie in payload.
func (l *lister) records(payload []byte, take func(rec *wire.ListingRecord, seen int64) error) error {
	if len(payload) == 0 {
		return fmt.Errorf("%w: nothing is listed", wire.ErrProtocol)
	}
	var m wire.Listings
	if err := wire.DecodeInto(&m, payload); err != nil {
		return err
	}
	for {
		rec, more, err := m.NextListing()
		if err != nil || !more {
			return err
		}
		seen := l.prog.Seen.Add(int64(len(rec.Entries)))
		if seen > maxEntries {
			return tooMany()
		}
		if err := take(&rec, seen); err != nil {
			return err
		}
	}
}
