package wire

import "context"

// Forward queues a frame that another connection has received, as it came: what is
// compressed stays so. It takes the frame over, whatever it returns. The frame's
// payload must not have been asked for.
func (c *Conn) Forward(ctx context.Context, f Frame) error {
	b := c.Buffer(f.Type)
	b.B = append(b.B, f.payload...)
	flags := f.flags
	f.Release()
	b.seal(flags)
	if f.Type.bulk() {
		return c.sendBulk(ctx, b)
	}
	return c.sendControl(ctx, b)
}

// sendBulk queues a sealed frame of a bulk type, within the rate limit.
func (c *Conn) sendBulk(ctx context.Context, f *Buffer) error {
	if c.cfg.RateLimit != nil {
		done := c.Work()
		err := c.cfg.RateLimit(ctx, len(f.B))
		done()
		if err != nil {
			c.Discard(f)
			return err
		}
	}
	err := c.enqueueBulk(ctx, f)
	if err != nil {
		c.Discard(f)
	}
	return err
}

// FarBusy reports whether the far side has said, when it last had nothing else to
// say, that it is at work.
func (c *Conn) FarBusy() bool { return c.farBusy.Load() }
