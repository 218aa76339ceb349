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
	Version    = 1
	MinVersion = 1
)

// Before the magic a login shell may have printed something. So much of it is
// skipped, for so long.
const (
	maxNoise  = 4 << 10
	noiseTime = 2 * time.Second // from the first byte on: before it somebody may be typing a password
)

// Greet writes the magic and this end's Hello at once, ahead of Start.
func (c *Conn) Greet(h *Hello, more ...Msg) error {
	b := []byte(Magic)
	for _, m := range append([]Msg{h}, more...) {
		f := m.append(make([]byte, headerSize))
		n := len(f) - headerSize
		f[0], f[1], f[2], f[3], f[4] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n), byte(m.Type())
		if n > MaxFrame {
			return fmt.Errorf("wire: %d bytes of job exceed %d", n, MaxFrame)
		}
		b = append(b, f...)
	}
	n, err := c.rw.Write(b)
	c.out.Add(int64(n))
	if err != nil {
		return fmt.Errorf("greeting the far side: %w", err)
	}
	return nil
}

// Welcome reads the peer's magic and Hello and returns the version to use. It
// must be called before Next. What stands in front of the magic is skipped, up
// to 4 KiB, and quoted in the error where no magic comes; the error then wraps
// ErrVersion.
func (c *Conn) Welcome(ctx context.Context) (*Hello, int, error) {
	type result struct {
		h   *Hello
		err error
	}
	first, done := make(chan struct{}), make(chan result, 1)
	c.wg.Go(func() {
		h, err := c.readHello(first)
		done <- result{h, err}
	})
	var r result
	var expired <-chan time.Time
	for waiting := true; waiting; {
		select {
		case r = <-done:
			waiting = false
		case <-first:
			timer := time.NewTimer(noiseTime)
			defer timer.Stop()
			first, expired = nil, timer.C
		case <-ctx.Done():
			c.fail(ctx.Err())
			<-done
			return nil, 0, ctx.Err()
		case <-expired:
			c.fail(ErrClosed)
			r = <-done
			if r.err == nil {
				r.err = fmt.Errorf("%w: the greeting was not complete after %v", ErrVersion, noiseTime)
			}
			waiting = false
		}
	}
	if r.err != nil {
		return nil, 0, r.err
	}
	v := min(r.h.Version, Version)
	if v < r.h.MinVersion || v < MinVersion {
		return nil, 0, fmt.Errorf("%w: the far side speaks protocol %d to %d (%s), this one %d to %d: install the same release on both",
			ErrVersion, r.h.MinVersion, r.h.Version, r.h.Release, MinVersion, Version)
	}
	return r.h, v, nil
}

func (c *Conn) readHello(first chan<- struct{}) (*Hello, error) {
	if err := c.skipToMagic(first); err != nil {
		return nil, err
	}
	typ, flags, payload, _, err := readFrame(c.br, func() *[]byte { return c.pool.Get().(*[]byte) })
	if err != nil {
		return nil, fmt.Errorf("%w: reading the greeting: %w", ErrVersion, unexpectedEOF(err))
	}
	c.in.Add(int64(len(Magic) + headerSize + len(payload)))
	if typ != TypeHello || flags != 0 {
		return nil, protocolError("the greeting is a message of type %d", typ)
	}
	h := new(Hello)
	if err := decodeInto(h, payload); err != nil {
		return nil, err
	}
	return h, nil
}

// skipToMagic reads up to and including the magic.
// first is closed when anything has arrived.
func (c *Conn) skipToMagic(first chan<- struct{}) error {
	var seen []byte
	for {
		b, err := c.br.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && len(seen) == 0 {
				return fmt.Errorf("%w: the far side ended without a greeting", ErrVersion)
			}
			if len(seen) == 0 {
				return fmt.Errorf("%w: %w", ErrVersion, err)
			}
			return fmt.Errorf("%w: the far side printed %q and ended (%w)", ErrVersion, cut(seen), err)
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
