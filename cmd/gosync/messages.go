package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// messages is a writer for what the far side writes to its standard error: each
// line becomes a message of its own. Package transport has made the text safe
// to print.
type messages struct {
	con   *console
	mu    sync.Mutex
	rest  []byte
	muted bool
}

// maxMessage bounds how much of a line without end is held back.
const maxMessage = 4 << 10

// Write implements io.Writer. What does not end with a newline waits for the
// rest of its line.
func (m *messages) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.muted {
		return len(b), nil
	}
	m.rest = append(m.rest, b...)
	for {
		i := bytes.IndexByte(m.rest, '\n')
		switch {
		case i >= 0:
			m.con.message(string(m.rest[:i]))
			m.rest = m.rest[i+1:]
		case len(m.rest) > maxMessage:
			m.con.message(string(m.rest[:maxMessage]))
			m.rest = m.rest[maxMessage:]
		default:
			m.rest = bytes.Clone(m.rest)
			return len(b), nil
		}
	}
}

// end prints what waits for the rest of its line.
func (m *messages) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.rest) > 0 {
		m.con.message(string(m.rest))
		m.rest = nil
	}
}

// quietly prints what waits, and nothing of what comes while f ends a far side, which
// may complain of it.
func (m *messages) quietly(f func()) {
	m.end()
	m.mute(true)
	defer m.mute(false)
	f()
}

func (m *messages) mute(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.muted = on
}

// logHandler prints log records as messages, without the time: they are for
// the person who waits.
type logHandler struct {
	con   *console
	level slog.Level
	attrs string
	group string
}

func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString("gosync: " + r.Message + h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(h.format(a))
		return true
	})
	h.con.message(display(b.String()))
	return nil
}

func (h *logHandler) format(a slog.Attr) string {
	return fmt.Sprintf(" %s%s=%v", h.group, a.Key, a.Value)
}

// WithAttrs and WithGroup complete slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	for _, a := range attrs {
		c.attrs += h.format(a)
	}
	return &c
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	c := *h
	if name != "" {
		c.group += name + "."
	}
	return &c
}
