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
		f := c.queued()
		switch {
		case f == nil && w.Buffered() > 0:
			if err := w.Flush(); err != nil {
				return err
			}
			continue // the queues may have filled meanwhile, and control goes first
		case f == nil:
			select {
			case f = <-c.ctl:
			case f = <-c.bulk:
			case <-c.dead:
				return nil
			}
		}
		out.useful = out.useful || f.mark == nil && f.typ != TypePing
		if err := c.writeFrame(w, f); err != nil {
			return err
		}
	}
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

// queued returns the next frame, nil if there is none or the connection is dead.
func (c *Conn) queued() *Buffer {
	select {
	case <-c.dead:
		return nil
	default:
	}
	select {
	case f := <-c.ctl:
		return f
	default:
	}
	select {
	case f := <-c.bulk:
		return f
	default:
		return nil
	}
}

// Drain waits until all frames that were queued before it are written. What is
// queued meanwhile does not delay it for ever: a mark goes through each queue.
func (c *Conn) Drain(ctx context.Context) error {
	ctl, bulk := &Buffer{mark: make(chan struct{})}, &Buffer{mark: make(chan struct{})}
	if err := c.enqueue(ctx, c.ctl, ctl); err != nil {
		return err
	}
	if err := c.enqueue(ctx, c.bulk, bulk); err != nil {
		return err
	}
	for _, m := range []*Buffer{ctl, bulk} {
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

// enqueue puts f into a queue, unless the connection or ctx ends first.
func (c *Conn) enqueue(ctx context.Context, q chan<- *Buffer, f *Buffer) error {
	select {
	case <-c.dead: // first: a queue may have room although nobody empties it
		return c.cause
	default:
	}
	select {
	case q <- f:
		return nil
	case <-c.dead:
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}
