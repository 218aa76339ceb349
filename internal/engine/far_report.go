package engine

import (
	"context"

	"gosync/transport/wire"
)

// farReporter sends events to the client.
type farReporter struct {
	c     *wire.Conn
	items []wire.Item
}

// itemBatch is how many items go into one message.
const itemBatch = 512

// source delivers the events of a source: errors and remarks.
func (f *farReporter) source(ctx context.Context, ev Event) error {
	switch ev := ev.(type) {
	case ErrorEvent:
		return f.c.Send(ctx, toTrouble(ev.Err))
	case SkipEvent:
		return f.c.Send(ctx, &wire.Trouble{Note: true, Err: wire.Error{Path: ev.Path, Text: ev.Reason}})
	}
	return nil
}

// dest delivers the events of a destination.
func (f *farReporter) dest(ctx context.Context, ev Event) error {
	if it, ok := ev.(ItemEvent); ok {
		f.items = append(f.items, wire.Item{ID: it.id, Change: it.Change})
		if len(f.items) < itemBatch {
			return nil
		}
		return f.flush(ctx)
	}
	if err := f.flush(ctx); err != nil {
		return err
	}
	switch ev := ev.(type) {
	case DeleteEvent:
		p := ev.Path
		if ev.Dir {
			p += "/"
		}
		return f.c.Send(ctx, &wire.Removed{Paths: []string{p}})
	case SkipEvent:
		return f.c.Send(ctx, &wire.Removed{Paths: []string{ev.Path}, Skip: true, Reason: ev.Reason})
	case ErrorEvent:
		return f.c.Send(ctx, toTrouble(ev.Err))
	case PlanEvent:
		return f.c.Send(ctx, &wire.Planned{})
	case NoteEvent:
		return f.c.Send(ctx, &wire.Trouble{Note: true, Err: wire.Error{Text: ev.Text}})
	}
	return nil
}

func (f *farReporter) flush(ctx context.Context) error {
	if len(f.items) == 0 {
		return nil
	}
	m := &wire.Items{Items: f.items}
	f.items = nil
	return f.c.Send(ctx, m)
}
