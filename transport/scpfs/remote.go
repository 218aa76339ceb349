package scpfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// Remote is a far side that runs scp. Its methods may be called from several
// goroutines, those of one session from one.
type Remote struct {
	// Start runs a command by the login shell of the far side. The stream is that
	// of its input and output; it may have the methods CloseWrite() error, Wait()
	// error and StderrTail() string, as [gosync/transport.Stream] has them. It has to
	// end by itself where the command never says anything.
	Start func(ctx context.Context, command string) (io.ReadWriteCloser, error)

	// MaxSessions is how many commands may run at a time; 0 is one.
	MaxSessions int

	sent, received atomic.Int64
}

var (
	_ engine.StreamTo   = (*Remote)(nil)
	_ engine.StreamFrom = (*Remote)(nil)
)

// ErrNoServer means that the far side has ended without a word of SCP: there is no
// scp, or it may not be run.
var ErrNoServer = errors.New("the far side does not answer as scp does")

// Sessions implements [engine.StreamTo].
func (r *Remote) Sessions() int { return max(r.MaxSessions, 1) }

// Traffic implements [engine.StreamTo] and [engine.StreamFrom].
func (r *Remote) Traffic() (sent, received int64) { return r.sent.Load(), r.received.Load() }

// Pattern implements [engine.StreamFrom].
func (r *Remote) Pattern(path string) bool { return isPattern(path) }

// Sink implements [engine.StreamTo].
func (r *Remote) Sink(ctx context.Context, path string, how engine.StreamHow) (engine.StreamSink, error) {
	cmd, err := SinkCommand(path, how)
	if err != nil {
		return nil, err
	}
	c, err := r.begin(ctx, cmd)
	if err != nil {
		return nil, err
	}
	s, err := newSink(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return s, nil
}

// Source implements [engine.StreamFrom].
func (r *Remote) Source(ctx context.Context, path string, how engine.StreamHow) (engine.StreamSource, error) {
	cmd, err := SourceCommand(path, how)
	if err != nil {
		return nil, err
	}
	c, err := r.begin(ctx, cmd)
	if err != nil {
		return nil, err
	}
	s := newSource(c, newRequest(path, how))
	s.accept()
	_, _ = c.r.Peek(1) // that there is none Next tells
	return s, nil
}

// Sizes of the buffers of a session.
const (
	readBuffer  = 128 << 10
	writeBuffer = 64 << 10
)

// conn is the stream of a session.
type conn struct {
	stream io.ReadWriteCloser
	remote *Remote
	r      *bufio.Reader
	w      *bufio.Writer
	began  bool // something has come
	stop   func() bool
	closed func() error
}

func (r *Remote) begin(ctx context.Context, cmd string) (*conn, error) {
	stream, err := r.Start(ctx, cmd)
	if err != nil {
		return nil, err
	}
	c := &conn{stream: stream, remote: r, closed: sync.OnceValue(stream.Close)}
	c.r, c.w = bufio.NewReaderSize(counted{c}, readBuffer), bufio.NewWriterSize(counted{c}, writeBuffer)
	c.stop = context.AfterFunc(ctx, func() { _ = c.closed() }) // whoever reads or writes will hear of it
	return c, nil
}

// Close ends the session.
func (c *conn) Close() error {
	c.stop()
	return c.closed()
}

// counted counts what passes.
type counted struct{ c *conn }

func (t counted) Read(p []byte) (int, error) {
	n, err := t.c.stream.Read(p)
	t.c.remote.received.Add(int64(n))
	return n, err
}

func (t counted) Write(p []byte) (int, error) {
	n, err := t.c.stream.Write(p)
	t.c.remote.sent.Add(int64(n))
	return n, err
}

// cut returns the error for a stream that ended too early, with what the far side
// has said elsewhere.
func (c *conn) cut(op string, err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w: %w", op, wire.ErrClosed, err)
	}
	text, code := c.ended()
	if !c.began && code != 0 {
		return noServer(text)
	}
	if text != "" {
		text = ": " + text
	}
	return fmt.Errorf("%s: %w%s: %w", op, wire.ErrClosed, text, io.ErrUnexpectedEOF)
}

// ended returns what is known of how the command has ended: its exit status, 0 for
// well, -1 for not known, and a text about it.
func (c *conn) ended() (text string, code int) {
	if s, ok := c.stream.(interface{ CloseWrite() error }); ok {
		_ = s.CloseWrite() // it may wait for more, and may have ended
	}
	w, ok := c.stream.(interface{ Wait() error })
	if !ok {
		return "", 0
	}
	err := w.Wait()
	if err == nil {
		return "", 0
	}
	text, code = err.Error(), -1
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	}
	if t, ok := c.stream.(interface{ StderrTail() string }); ok && !strings.Contains(text, t.StderrTail()) {
		text += ": " + t.StderrTail()
	}
	return text, code
}

// line reads the rest of a line, without its end.
func (c *conn) line() (string, error) {
	var b []byte
	for {
		ch, err := c.r.ReadByte()
		if err != nil {
			return "", err
		}
		if ch == '\n' {
			return string(b), nil
		}
		if b = append(b, ch); len(b) >= maxLine {
			return "", fmt.Errorf("%w: a line is longer than %d bytes", wire.ErrProtocol, maxLine)
		}
	}
}

// noise is the error for a first byte that nobody who speaks SCP would send.
func (c *conn) noise(first byte) error {
	rest, _ := c.r.Peek(min(c.r.Buffered(), 199)) // that many are there
	return fmt.Errorf("%w: the far side begins with %q: does its shell print something when it starts?", wire.ErrVersion, append([]byte{first}, rest...))
}

// noServer is the error for a far side that has no scp.
func noServer(text string) error {
	return fmt.Errorf("%w: %w", ErrNoServer, wire.Errorf(wire.CodeTransport, "%s", text))
}

// fatal is the error for what ended the far side.
func fatal(text string) error {
	return wire.Errorf(wire.CodeStream, "the far side has given up: %s", words(text))
}

// words returns what a far side says without the name of the program that says it.
func words(text string) string {
	text = strings.TrimPrefix(text, "scp: ")
	if text == "" {
		text = "the far side does not say why"
	}
	return text
}
