package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// PeekHello reads the greeting of a far side by the rules of [Conn.Welcome] and
// returns it with every byte that was read, which may be more: whoever reads raw
// first and then on from r has the stream as it was. Raw is returned with an
// error too; it holds at most what stands in front of the magic, one frame and
// one buffer. How long r may take is for the caller to see to.
func PeekHello(r io.Reader) (raw []byte, h *Hello, err error) {
	var seen bytes.Buffer
	c, err := New(peeked{io.TeeReader(r, &seen)}, Config{})
	if err != nil {
		return nil, nil, err
	}
	h, err = c.readHello(make(chan struct{}))
	if err != nil {
		return seen.Bytes(), nil, err
	}
	return seen.Bytes(), h, nil
}

// GreetingCut reports whether a far side has ended within a greeting: what it printed,
// which PeekHello could not make a greeting of, has the magic in it, or ends with so much
// of it that it can be nothing else.
func GreetingCut(raw []byte) bool {
	if bytes.Contains(raw, []byte(Magic)) {
		return true
	}
	for n := len("gosync\x00"); n < len(Magic); n++ {
		if bytes.HasSuffix(raw, []byte(Magic[:n])) {
			return true
		}
	}
	return false
}

// Agree returns the version that this end and one that has greeted with h use.
// The error wraps ErrVersion and names the versions of both.
func Agree(h *Hello) (int, error) {
	v := min(h.Version, Version)
	if v < h.MinVersion || v < MinVersion {
		return 0, fmt.Errorf("%w: the far side speaks protocol %d to %d (%s), this one %d to %d: install the same release on both",
			ErrVersion, h.MinVersion, h.Version, cut([]byte(h.Release)), MinVersion, Version)
	}
	return v, nil
}

// peeked is a stream that is only read; it belongs to somebody else.
type peeked struct{ io.Reader }

func (peeked) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }
func (peeked) Close() error              { return nil }
