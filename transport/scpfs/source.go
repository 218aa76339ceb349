package scpfs

import (
	"errors"
	"fmt"
	"io"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Source is a session with scp -f. It implements [engine.StreamSource].
type Source struct {
	*conn
	req request

	depth   int    // directories that are open
	things  int    // that have come at the top
	times   *times // that belong to what comes next
	left    int64  // bytes of content that were not read
	content bool   // the content of a file is not over
	said    error  // what Read ends with when it is
	told    bool   // the far side has reported an error
	ahead   int    // answers that were written before they were due
	failed  error  // a write that failed; what can be read is read all the same

	zeros [maxAhead]byte // answers
}

var _ engine.StreamSource = (*Source)(nil)

func newSource(c *conn, req request) *Source { return &Source{conn: c, req: req} }

// maxAhead is how many answers are written ahead. They have to fit into the far
// side's pipe, where nobody may read them.
const maxAhead = 4096

// accept answers what has come. Where directories come, there is more to come, and
// answers are written ahead so that the far side never waits. That takes nothing
// from this end: a file that is not wanted is dropped.
func (s *Source) accept() {
	if s.ahead == 0 {
		s.write(s.zeros[:1])
		return
	}
	if s.ahead--; s.ahead <= maxAhead/2 {
		s.answerAhead()
	}
}

func (s *Source) answerAhead() {
	n := maxAhead - s.ahead
	s.write(s.zeros[:n])
	s.ahead += n
}

// write sends answers. That nobody takes them any more is not an error by itself:
// the far side may have sent everything.
func (s *Source) write(p []byte) {
	if s.failed != nil {
		return
	}
	if _, err := s.w.Write(p); err != nil {
		s.failed = err
	} else if err := s.w.Flush(); err != nil {
		s.failed = err
	}
}

// Next implements [engine.StreamSource].
func (s *Source) Next() (rec engine.StreamRecord, err error) {
	if s.content {
		if _, err := io.Copy(io.Discard, s); err != nil && !isRefusal(err) {
			return rec, err
		}
	}
	for {
		first, err := s.r.ReadByte()
		if errors.Is(err, io.EOF) {
			return rec, s.end()
		}
		if err != nil {
			return rec, s.cut("receiving", err)
		}
		if err := s.known(first); err != nil {
			return rec, err
		}
		line, err := s.line()
		if err != nil {
			if !errors.Is(err, wire.ErrProtocol) {
				err = s.cut("receiving", err)
			}
			return rec, err
		}
		if first == 'T' {
			if err := s.take(line); err != nil {
				return rec, err
			}
			continue
		}
		return s.record(first, line)
	}
}

func isRefusal(err error) bool {
	var refused *engine.StreamRefusal
	return errors.As(err, &refused)
}

// known refuses lines that do not begin as a line can.
func (s *Source) known(first byte) error {
	switch first {
	case 'C', 'D', 'E', 'T', 1, 2:
		s.began = true
		return nil
	}
	if !s.began {
		return s.noise(first)
	}
	return protocolError("a line begins with %q", first)
}

// take keeps the times of what comes next.
func (s *Source) take(line string) error {
	if s.times != nil {
		return protocolError("times after times")
	}
	t, err := parseTimes(line)
	if err != nil {
		return err
	}
	s.times = &t
	s.accept()
	return nil
}

// record deals with a line that is a record of its own.
func (s *Source) record(first byte, line string) (rec engine.StreamRecord, err error) {
	switch first {
	case 1:
		s.told = true
		s.times = nil // they were those of what failed
		return engine.StreamRecord{Kind: engine.StreamWarning, Warning: words(line)}, nil
	case 2:
		return rec, fatal(line)
	case 'E':
		switch {
		case line != "":
			return rec, protocolError("the end of a directory has the text %q", line)
		case s.depth == 0:
			return rec, protocolError("a directory ends that has not begun")
		case s.times != nil:
			return rec, protocolError("times before the end of a directory")
		}
		s.depth--
		s.accept()
		return engine.StreamRecord{Kind: engine.StreamEnd}, nil
	}
	e, err := parseEntry(line)
	if err != nil {
		return rec, err
	}
	return s.entry(e, first == 'D')
}

// entry checks a file or directory and accepts it.
func (s *Source) entry(e manifest.Entry, dir bool) (rec engine.StreamRecord, err error) {
	if s.depth == 0 {
		s.things++
		err = s.req.check(e.Name, dir, s.things)
	} else {
		err = checkName(e.Name)
	}
	if err != nil {
		return rec, err
	}
	rec.Entry = e
	if s.times != nil {
		rec.Entry.Sec, rec.Entry.Nsec, rec.Times = s.times.sec, s.times.nsec, true
		s.times = nil
	}
	if !dir {
		rec.Kind, rec.Entry.Type = engine.StreamFile, manifest.Regular
		s.left, s.content, s.said = e.Size, true, nil
		s.accept()
		return rec, nil
	}
	rec.Kind, rec.Entry.Type, rec.Entry.Size = engine.StreamDir, manifest.Directory, 0
	if s.depth++; s.depth > maxDepth {
		return rec, protocolError("directories are more than %d deep", maxDepth)
	}
	if s.accept(); s.ahead == 0 {
		s.answerAhead()
	}
	return rec, nil
}

// Read implements [engine.StreamSource].
func (s *Source) Read(p []byte) (int, error) {
	if !s.content {
		if s.said != nil {
			return 0, s.said
		}
		return 0, io.EOF
	}
	if s.left > 0 {
		n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
		s.left -= int64(n)
		if err != nil {
			err = s.cut("receiving content", err)
		}
		return n, err
	}
	if s.said = s.status(); s.said == nil {
		return 0, io.EOF
	}
	return 0, s.said
}

// status reads what the far side says about the content that it has sent.
func (s *Source) status() error {
	b, err := s.r.ReadByte()
	if err != nil {
		return s.cut("receiving content", err)
	}
	var refused error
	switch b {
	case 0:
	case 1, 2:
		text, err := s.line()
		if err != nil {
			if !errors.Is(err, wire.ErrProtocol) {
				err = s.cut("receiving content", err)
			}
			return err
		}
		if b == 2 {
			return fatal(text)
		}
		s.told = true
		refused = &engine.StreamRefusal{Text: words(text)}
	default:
		return protocolError("%q behind the content of a file", b)
	}
	s.content = false
	s.accept()
	return refused
}

// end judges the end of the stream: it must be one that the far side has meant.
func (s *Source) end() error {
	if s.depth > 0 || s.times != nil {
		return s.cut("receiving", io.ErrUnexpectedEOF)
	}
	text, code := s.ended()
	switch {
	case code == 0 && s.things == 0 && !s.told:
		return noServer("it has sent nothing")
	case code == 0, code > 0 && s.told:
		return io.EOF
	case code > 0 && !s.began:
		return noServer(text)
	case code > 0:
		return wire.Errorf(wire.CodePartial, "the far side is not content: %s", text)
	}
	return fmt.Errorf("receiving: %w: %s", wire.ErrClosed, text)
}
