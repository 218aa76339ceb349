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
// nothing more to write. Whoever drains is told then: the queues were found
// empty after the request came.
func (c *Conn) writeLoop() error {
	w := bufio.NewWriterSize(&timedWriter{c}, 64<<10)
	var drains []chan struct{}
	for {
		f := c.queued()
		if f == nil {
			if err := w.Flush(); err != nil {
				return err
			}
			for _, told := range drains {
				close(told)
			}
			drains = drains[:0]
			select {
			case f = <-c.ctl:
			case f = <-c.bulk:
			case told := <-c.drain:
				drains = append(drains, told)
				continue
			case <-c.dead:
				return nil
			}
		}
		_, err := w.Write(f.B)
		c.Discard(f)
		if err != nil {
			return err
		}
	}
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

// Drain waits until all frames that were queued before it are written.
func (c *Conn) Drain(ctx context.Context) error {
	told := make(chan struct{})
	select {
	case c.drain <- told:
	case <-c.dead:
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-told:
		return nil
	case <-c.dead:
		return c.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}
