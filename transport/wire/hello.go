package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Magic opens the stream in both directions. It holds what text transports
// mangle: a NUL, CR LF, a byte above 127.
const Magic = "gosync\x00wire\r\n\x1a\xff1"

// Version is the protocol that this program speaks, MinVersion the oldest that
// it accepts. The versions of two ends are compatible if the ranges overlap;
// the highest common one is used.
const (
	Version    = 6
	MinVersion = 3
)

// Content returns the version that what [Conn.Forward] hands on has in version v of the
// protocol: 4 has changed what concerns a connection alone, 5 lets a source ask about more
// segments of a file at a time, 6 marks the first names of files.
func Content(v int) int {
	if v < 5 {
		return min(v, 3)
	}
	return v
}

// Version returns the version of the protocol that both ends use, 0 in one process; the peer
// has been welcomed.
func (c *Conn) Version() int { return c.lanes.version }

// NamesLinks reports whether the peer knows of first members of groups of hard links, which
// are marked (Ext.First), and of what an [Item] is linked to: before version 6 of the
// protocol that was the first member. In one process it does.
func (c *Conn) NamesLinks() bool { return c.lanes.version == 0 || c.lanes.version >= 6 }

// Before the magic a login shell may have printed something. So much of it is
// skipped, for so long.
const (
	maxNoise  = 4 << 10
	noiseTime = 2 * time.Second // from the first byte on: before it somebody may be typing a password
)

// Greet writes the magic, this end's Hello and the messages in more at once,
// ahead of Start. It blocks until the stream has taken them.
func (c *Conn) Greet(h *Hello, more ...Msg) error {
	b := []byte(Magic)
	for _, m := range append([]Msg{h}, more...) {
		f := Buffer{B: m.append(make([]byte, headerSize)), typ: m.Type()}
		if n := len(f.Payload()); n > MaxFrame {
			return fmt.Errorf("wire: message %d of %d bytes exceeds %d", m.Type(), n, MaxFrame)
		}
		f.seal(0)
		b = append(b, f.B...)
	}
	c.greeted(len(more))
	n, err := c.rw.Write(b)
	c.out.Add(int64(n))
	if err != nil {
		return fmt.Errorf("greeting the far side: %w", err)
	}
	return nil
}

// Welcome reads the peer's magic and Hello and returns the version to use. It
// must be called before Next. What stands in front of the magic is skipped, up
// to 4 KiB, and quoted in the error where no magic comes. The error wraps
// ErrVersion, unless ctx ended or the greeting broke the protocol; and
// context.DeadlineExceeded where the far side was too slow, and may still be there.
//
// It waits for the first byte as long as ctx lets it, because somebody may be
// typing a password; the rest of the greeting has to follow within two seconds.
func (c *Conn) Welcome(ctx context.Context) (*Hello, int, error) {
	first, done := make(chan struct{}), make(chan greeting, 1)
	c.wg.Go(func() {
		h, err := c.readHello(first)
		done <- greeting{h, err}
	})
	r, err := c.awaitHello(ctx, first, done)
	if err != nil {
		return nil, 0, err
	}
	v, err := Agree(r)
	if err != nil {
		return nil, 0, err
	}
	c.lanes.version = v
	c.flow.on = v >= flowVersion
	return r, v, nil
}

type greeting struct {
	h   *Hello
	err error
}

// awaitHello waits for the greeting, for the end of ctx, or until it is too
// late. It fails the connection to stop the reader.
func (c *Conn) awaitHello(ctx context.Context, first <-chan struct{}, done <-chan greeting) (*Hello, error) {
	var expired <-chan time.Time
	for {
		select {
		case r := <-done:
			return r.h, r.err
		case <-first:
			timer := time.NewTimer(noiseTime)
			defer timer.Stop()
			first, expired = nil, timer.C
		case <-ctx.Done():
			c.fail(ctx.Err())
			<-done
			return nil, ctx.Err()
		case <-expired:
			c.fail(ErrClosed)
			r := <-done
			if r.err == nil {
				return nil, fmt.Errorf("%w: the greeting took more than %v (%w)", ErrVersion, noiseTime, context.DeadlineExceeded)
			}
			return nil, fmt.Errorf("the greeting took more than %v (%w): %w", noiseTime, context.DeadlineExceeded, r.err)
		}
	}
}

func (c *Conn) readHello(first chan<- struct{}) (*Hello, error) {
	if err := c.skipToMagic(first); err != nil {
		return nil, err
	}
	f, err := c.main.frame()
	if err != nil {
		return nil, fmt.Errorf("%w: reading the greeting: %w", ErrVersion, unexpectedEOF(err))
	}
	defer f.Release()
	c.in.Add(int64(len(Magic)))
	if f.Type != TypeHello || f.flags != 0 {
		return nil, protocolError("the greeting is a message of type %d, flags %#x", f.Type, f.flags)
	}
	h := new(Hello)
	if err := decodeInto(h, f.payload); err != nil {
		return nil, err
	}
	return h, nil
}

// skipToMagic reads up to and including the magic. first is closed when
// anything has arrived.
func (c *Conn) skipToMagic(first chan<- struct{}) error {
	var seen []byte
	for {
		b, err := c.main.br.ReadByte()
		switch {
		case err == nil:
		case len(seen) > 0:
			return fmt.Errorf("%w: the far side printed %q in place of a greeting (%w)", ErrVersion, cut(seen), unexpectedEOF(err))
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: the far side ended without a greeting", ErrVersion)
		default:
			return fmt.Errorf("%w: waiting for a greeting: %w", ErrVersion, err)
		}
		if len(seen) == 0 {
			close(first)
		}
		seen = append(seen, b)
		if bytes.HasSuffix(seen, []byte(Magic)) {
			return nil
		}
		if len(seen) >= maxNoise+len(Magic) {
			return fmt.Errorf("%w: no greeting in what the far side printed, is its login shell silent? It begins %q", ErrVersion, cut(seen))
		}
	}
}

// cut shortens what a far side printed for an error message.
func cut(b []byte) []byte { return b[:min(len(b), 200)] }
