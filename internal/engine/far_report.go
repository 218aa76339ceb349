package engine

import (
	"context"

	"gosync/transport/wire"
)

// farReporter sends events to the client.
type farReporter struct {
	c       *wire.Conn
	items   []wire.Item
	removed []string // paths; there are none where there are items
	bytes   int      // of these
}

// What goes into one message at the most: items, and bytes of removed paths.
const (
	itemBatch    = 512
	removedBatch = 32 << 10
)

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
	switch ev := ev.(type) {
	case ItemEvent:
		return f.item(ctx, ev)
	case DeleteEvent:
		return f.remove(ctx, ev)
	}
	if err := f.flush(ctx); err != nil {
		return err
	}
	switch ev := ev.(type) {
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

// item keeps an item until there are enough, and so does remove a removed path.
func (f *farReporter) item(ctx context.Context, ev ItemEvent) error {
	if len(f.removed) > 0 {
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
	it := wire.Item{ID: ev.id, Change: ev.Change}
	if ev.Link != "" && f.c.NamesLinks() {
		it.Linked, it.Link = true, ev.lead
	}
	if f.items = append(f.items, it); len(f.items) < itemBatch {
		return nil
	}
	return f.flush(ctx)
}

func (f *farReporter) remove(ctx context.Context, ev DeleteEvent) error {
	if len(f.items) > 0 {
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
	p := ev.Path
	if ev.Dir {
		p += "/"
	}
	f.removed = append(f.removed, p)
	if f.bytes += len(p); f.bytes < removedBatch {
		return nil
	}
	return f.flush(ctx)
}

func (f *farReporter) flush(ctx context.Context) error {
	var m wire.Msg
	switch {
	case len(f.items) > 0:
		m = &wire.Items{Items: f.items}
	case len(f.removed) > 0:
		m = &wire.Removed{Paths: f.removed}
	default:
		return nil
	}
	f.items, f.removed, f.bytes = nil, nil, 0
	return f.c.Send(ctx, m)
}
