package scpfs

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Sink is a session with scp -t. It implements [engine.StreamSink].
type Sink struct {
	*conn
	buf     []byte
	waiting []func(refused error) error // takes the answers that are due, in order
	refused bool                        // the far side has said no at least once
}

var _ engine.StreamSink = (*Sink)(nil)

// newSink waits for the far side's greeting.
func newSink(c *conn) (*Sink, error) {
	s := &Sink{conn: c}
	refused, err := s.answer()
	if err == nil && refused != nil {
		err = refused
	}
	return s, err
}

// answer reads one answer: refused is a no to one thing.
func (s *Sink) answer() (refused, err error) {
	first, err := s.r.ReadByte()
	if err != nil {
		return nil, s.cut("waiting for the far side", err)
	}
	if first > 2 {
		if !s.began {
			return nil, s.noise(first)
		}
		return nil, protocolError("the answer %q", first)
	}
	s.began = true
	if first == 0 {
		return nil, nil
	}
	text, err := s.line()
	switch {
	case errors.Is(err, io.EOF):
		return nil, s.cut("waiting for the far side", err)
	case err != nil:
		return nil, err
	case first == 2:
		return nil, fatal(text)
	}
	s.refused = true
	return &engine.StreamRefusal{Text: words(text)}, nil
}

// expect notes that an answer is due.
func (s *Sink) expect(take func(refused error) error) { s.waiting = append(s.waiting, take) }

// Settle implements [engine.StreamSink].
func (s *Sink) Settle() error {
	err := s.flush()
	for len(s.waiting) > 0 {
		var refused error
		if err == nil {
			refused, err = s.answer()
		}
		take := s.waiting[0]
		s.waiting = s.waiting[1:]
		if err != nil {
			_ = take(err) // the first error is the one that counts
			continue
		}
		err = take(refused)
	}
	return err
}

// flush sends what is buffered. Where that fails the far side may have said why.
func (s *Sink) flush() error { return s.written(s.w.Flush()) }

func (s *Sink) written(err error) error {
	if err == nil {
		return nil
	}
	for len(s.waiting) > 0 {
		take := s.waiting[0]
		s.waiting = s.waiting[1:]
		refused, aerr := s.answer()
		if aerr != nil {
			_ = take(aerr) // it is told below
			return aerr
		}
		if terr := take(refused); terr != nil {
			return terr
		}
	}
	return s.cut("sending", err)
}

// begin sends the lines of an entry and returns the far side's answer to the last.
// A no to the times is returned as untimed.
func (s *Sink) begin(letter byte, e *manifest.Entry, withTimes bool) (untimed, refused, err error) {
	if err := sendable(e.Name); err != nil {
		return nil, err, nil
	}
	if withTimes {
		sec := max(e.Sec, 0) // earlier ones cannot be written
		fmt.Fprintf(s.w, "T%d 0 %d 0\n", sec, sec)
		s.expect(func(err error) error { untimed = err; return nil })
	}
	size := e.Size
	if letter == 'D' {
		size = 0
	}
	fmt.Fprintf(s.w, "%c%04o %d %s\n", letter, e.Mode&0o7777, size, e.Name) // what fails shows when it is flushed
	s.expect(func(err error) error { refused = err; return nil })
	err = s.Settle()
	return untimed, refused, err
}

// sendable refuses names that would be read as something else.
func sendable(name string) error {
	if manifest.ValidName(name) != nil || strings.ContainsAny(name, "\n\r") {
		return &engine.StreamRefusal{Text: fmt.Sprintf("SCP cannot carry the name %q", name)}
	}
	return nil
}

// Dir implements [engine.StreamSink].
func (s *Sink) Dir(e *manifest.Entry, times bool) error {
	_, refused, err := s.begin('D', e, times)
	if err == nil {
		err = refused
	}
	return err
}

// EndDir implements [engine.StreamSink].
func (s *Sink) EndDir() error {
	_, err := s.w.WriteString("E\n")
	s.expect(func(refused error) error {
		if refused != nil {
			return protocolError("the end of a directory is refused: %w", refused)
		}
		return nil
	})
	return s.written(err)
}

// File implements [engine.StreamSink].
func (s *Sink) File(e *manifest.Entry, times bool, content io.Reader, done func(error)) error {
	untimed, refused, err := s.begin('C', e, times)
	if err != nil || refused != nil {
		done(errors.Join(err, refused))
		return err
	}
	s.expect(func(refused error) error {
		if refused == nil {
			refused = untimed
		}
		done(refused)
		return nil
	})
	failed, err := s.content(content, e.Size)
	if err != nil {
		return s.fail(err)
	}
	if failed != nil {
		fmt.Fprintf(s.w, "\x01scp: %s: %s\n", e.Name, oneLine(failed.Error()))
		return nil
	}
	return s.fail(s.w.WriteByte(0))
}

// fail ends the session after a write that failed: what waits hears of it.
func (s *Sink) fail(err error) error {
	if err == nil {
		return nil
	}
	return s.written(err)
}

// content sends exactly size bytes: what is missing is made up with zeros, since
// the far side counts. failed is why.
func (s *Sink) content(content io.Reader, size int64) (failed, err error) {
	if s.buf == nil {
		s.buf = make([]byte, 256<<10)
	}
	for size > 0 {
		p := s.buf[:min(int64(len(s.buf)), size)]
		n := len(p)
		if failed == nil {
			if n, failed = content.Read(p); n > 0 {
				failed = nil // it comes again
			} else if failed == nil {
				continue
			}
		}
		if failed != nil {
			clear(p)
			n = len(p)
		}
		if _, err := s.w.Write(p[:n]); err != nil {
			return failed, err
		}
		size -= int64(n)
	}
	if failed == nil {
		if n, err := content.Read(s.buf[:1]); n > 0 || err != nil && !errors.Is(err, io.EOF) {
			failed = errors.Join(errors.New("it has not the size that was announced"), err)
		}
	}
	return failed, nil
}

// oneLine makes a text fit into a line.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), 512)]
}

// Finish implements [engine.StreamSink]. It frees the session, too, because there
// may be room for no other.
func (s *Sink) Finish() error {
	if err := s.finish(); err != nil {
		return err
	}
	_ = s.Close() // it has ended well
	return nil
}

func (s *Sink) finish() error {
	if err := s.Settle(); err != nil {
		return err
	}
	if c, ok := s.stream.(interface{ CloseWrite() error }); ok {
		if err := c.CloseWrite(); err != nil && !errors.Is(err, io.EOF) {
			return s.cut("ending", err)
		}
	}
	if _, err := s.r.ReadByte(); err == nil {
		return protocolError("the far side says more than it was asked")
	} else if !errors.Is(err, io.EOF) {
		return s.cut("ending", err)
	}
	text, code := s.ended()
	switch {
	case code == 0, code > 0 && s.refused:
		return nil // what it complains about was told
	case code > 0:
		return wire.Errorf(wire.CodePartial, "the far side is not content: %s", text)
	}
	return fmt.Errorf("ending: %w: %s", wire.ErrClosed, text)
}
