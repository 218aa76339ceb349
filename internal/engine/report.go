package engine

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"gosync/transport/wire"
)

// reporter delivers events in the order in which they were posted, from one
// goroutine. An event may be posted before it is known in full: its place in
// the order is kept until it is settled.
type reporter struct {
	queue   *queue[*slot]
	deliver func(context.Context, Event) error
	idle    func(context.Context) error // called when nothing is left to deliver for now
	abort   chan struct{}
	done    chan struct{}
	err     error // of deliver; read after done

	errs, vanished atomic.Int64
	waiting        atomic.Int64 // bytes of texts that were posted and not delivered
}

// maxWaiting is how many bytes of texts from the far side may wait to be shown.
const maxWaiting = 64 << 20

// room waits until not too much waits to be delivered. It must not be called where
// a place is held that the caller has to settle.
func (r *reporter) room(ctx context.Context) error {
	for r.waiting.Load() > maxWaiting {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.done:
			return nil
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// weight is about what an event takes in memory.
func weight(ev Event) int64 {
	const least = 128
	switch ev := ev.(type) {
	case sharedItem:
		return weight(ev.ItemEvent)
	case doubtfulLink:
		return weight(ev.ItemEvent)
	case ItemEvent:
		return int64(least + len(ev.Path) + len(ev.Link))
	case DeleteEvent:
		return int64(least + len(ev.Path))
	case SkipEvent:
		return int64(least + len(ev.Path) + len(ev.Reason))
	case NoteEvent:
		return int64(least + len(ev.Text))
	case ErrorEvent:
		return int64(least + len(ev.Err.Error()))
	}
	return least
}

// slot is a place in the order of events.
type slot struct {
	ready chan struct{} // nil: ready at once
	told  chan struct{} // closed when it was delivered; nil if nobody waits
	ev    Event         // nil: nothing to tell

	weight int64 // that waits with it
}

func (s *slot) settle(ev Event) {
	s.ev = ev
	close(s.ready)
}

func newReporter(deliver func(context.Context, Event) error, idle func(context.Context) error) *reporter {
	return &reporter{queue: newQueue[*slot](), deliver: deliver, idle: idle, abort: make(chan struct{}), done: make(chan struct{})}
}

// run delivers until stop; the owner starts it and waits for done.
func (r *reporter) run(ctx context.Context) {
	defer close(r.done)
	for {
		s, ok := r.queue.try()
		if !ok {
			if r.err == nil && r.idle != nil {
				r.err = r.idle(ctx)
			}
			if s, ok = r.queue.get(); !ok {
				return
			}
		}
		if s == nil {
			return // the mark that stop left
		}
		if s.ready != nil {
			select {
			case <-s.ready:
			case <-r.abort:
				continue
			case <-ctx.Done():
				return
			}
		}
		if s.ev != nil && r.err == nil {
			r.err = r.tell(ctx, s.ev)
		}
		r.waiting.Add(-s.weight)
		if s.told != nil {
			if r.err == nil && r.idle != nil {
				r.err = r.idle(ctx)
			}
			close(s.told)
		}
	}
}

// tell delivers an event, or each of several that share a place.
func (r *reporter) tell(ctx context.Context, ev Event) error {
	if all, ok := ev.(interface {
		each(f func(Event) error) error
	}); ok {
		return all.each(func(ev Event) error { return r.deliver(ctx, ev) })
	}
	return r.deliver(ctx, ev)
}

// stop delivers what was posted before, and ends run. Of a run that failed,
// events that will never be settled are left out.
func (r *reporter) stop(failed bool) error {
	if failed {
		close(r.abort)
	}
	r.queue.put(nil)
	<-r.done
	return r.err
}

// flush waits until everything that was posted before is delivered.
func (r *reporter) flush(ctx context.Context) {
	s := &slot{told: make(chan struct{})}
	r.queue.put(s)
	select {
	case <-s.told:
	case <-r.done:
	case <-ctx.Done():
	}
}

func (r *reporter) post(ev Event) {
	s := &slot{ev: ev, weight: weight(ev)}
	r.waiting.Add(s.weight)
	r.queue.put(s)
}

func (r *reporter) hold() *slot {
	s := &slot{ready: make(chan struct{})}
	r.queue.put(s)
	return s
}

// fail reports an error that concerns one file.
func (r *reporter) fail(err *FileError) {
	if err.Vanished() {
		r.vanished.Add(1)
	} else {
		r.errs.Add(1)
	}
	r.post(ErrorEvent{err})
}

// outcome returns the error that a run ends with when nothing worse happened.
func (r *reporter) outcome() error {
	switch {
	case r.errs.Load() > 0:
		return ErrPartial
	case r.vanished.Load() > 0:
		return ErrVanished
	}
	return nil
}

// toTrouble and fromTrouble carry file errors across the wire.
func toTrouble(e *FileError) *wire.Trouble {
	t := &wire.Trouble{Vanished: e.Vanished()}
	t.Err = wire.Error{Code: wire.CodePartial, Kind: kindOf(e.Err), Op: e.Op, Path: e.Path, Text: text(e.Err)}
	return t
}

func fromTrouble(t *wire.Trouble) *FileError {
	var err error = &wire.Error{Code: t.Err.Code, Kind: t.Err.Kind, Text: t.Err.Text}
	switch {
	case t.Vanished:
		err = remoteError{ErrVanished, t.Err.Text}
	case t.Err.Kind == wire.KindChanged:
		err = remoteError{ErrChanged, t.Err.Text}
	case t.Err.Kind == wire.KindContent:
		err = remoteError{ErrContent, t.Err.Text}
	}
	return &FileError{Op: t.Err.Op, Path: t.Err.Path, Err: err}
}

// remoteError is one of this package's errors with the far side's words.
type remoteError struct {
	error
	text string
}

func (e remoteError) Error() string { return e.text }
func (e remoteError) Unwrap() error { return e.error }

func kindOf(err error) wire.Kind {
	switch {
	case errors.Is(err, ErrChanged):
		return wire.KindChanged
	case errors.Is(err, ErrContent):
		return wire.KindContent
	case errors.Is(err, ErrVanished):
		return wire.KindVanished
	}
	return wire.KindOf(err)
}

// text returns what happened without the operation and path that a path error
// repeats.
func text(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		if _, ok := err.(interface{ Timeout() bool }); !ok { // only *fs.PathError and its like repeat the path
			return err.Error()
		}
		err = inner
	}
}
