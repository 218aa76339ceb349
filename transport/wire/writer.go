package wire

import (
	"bufio"
	"context"
	"fmt"
	"time"
)

// lastWords is how long the reader may go on after writing has failed.
const lastWords = 2 * time.Second

// write writes frames until the connection ends, or ends it.
func (c *Conn) write() {
	err := c.writeLoop()
	if err == nil {
		return
	}
	// The far side may have said why before it closed: the reader gets a moment
	// to find that.
	wait := time.NewTimer(lastWords)
	defer wait.Stop()
	select {
	case <-c.dead:
	case <-wait.C:
		c.fail(fmt.Errorf("writing to the far side: %w", err))
	}
}

// writeLoop writes queued frames, control first, and flushes whenever there is
// nothing more to write, or where a mark stands.
func (c *Conn) writeLoop() error {
	out := &timedWriter{c: c}
	w := bufio.NewWriterSize(out, 64<<10)
	for {
		if w.Buffered() == 0 {
			out.useful = false
		}
		p := c.queued()
		if p.none() && w.Buffered() > 0 {
			if err := w.Flush(); err != nil {
				return err
			}
			continue // the queues may have filled meanwhile, and control goes first
		}
		if p.none() {
			if p = c.awaitQueued(); p.none() {
				return nil // the connection is dead
			}
		}
		out.useful = out.useful || p.s != nil || p.f.mark == nil && p.f.typ != TypePing
		if err := c.writePicked(w, p); err != nil {
			return err
		}
	}
}

func (c *Conn) writePicked(w *bufio.Writer, p picked) error {
	if p.s != nil {
		err := p.s.write(w)
		c.written(p.s)
		return err
	}
	return c.writeFrame(w, p.f)
}

func (c *Conn) writeFrame(w *bufio.Writer, f *Buffer) error {
	if f.mark != nil {
		if err := w.Flush(); err != nil {
			return err
		}
		close(f.mark)
		return nil
	}
	_, err := w.Write(f.B)
	c.Discard(f)
	return err
}

// Drain waits until all frames that were queued before it are written, or, where they go
// by lanes, acknowledged. What is queued meanwhile does not delay it for ever: a mark goes
// through each queue; that of bulk first, for control goes ahead of it.
func (c *Conn) Drain(ctx context.Context) error {
	for _, enqueue := range []func(context.Context, *Buffer) error{c.enqueueBulk, c.enqueueControl} {
		m := &Buffer{mark: make(chan struct{})}
		if err := enqueue(ctx, m); err != nil {
			return err
		}
		select {
		case <-m.mark:
		case <-c.dead:
			return c.cause
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
