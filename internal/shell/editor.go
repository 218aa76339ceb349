package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/term"

	"gosync/internal/tty"
)

// Completer finishes lines, as Session.Complete does.
type Completer func(ctx context.Context, line string, pos, width int) (newLine string, newPos int, show string, ok bool)

// TerminalEditor is an Editor on a terminal. The terminal is in raw mode only while
// a line is read: commands find it as it was, and an interrupt is a signal for them.
type TerminalEditor struct {
	f        *tty.Terminal
	keys     *keys
	term     *term.Terminal
	history  *History
	complete Completer
	ctx      context.Context // of the line that is being read, for completion
	prompt   string
}

// NewTerminalEditor opens the terminal of this process, anew, so that a read that
// waits can be ended. The far side is asked for names by complete.
func NewTerminalEditor(h *History, complete Completer) (*TerminalEditor, error) {
	f, err := tty.Open()
	if err != nil {
		return nil, err
	}
	e := &TerminalEditor{f: f, history: h, complete: complete}
	e.fresh()
	return e, nil
}

// Close closes the terminal.
func (e *TerminalEditor) Close() error { return e.f.Close() }

// fresh forgets the line that is being typed: the library's terminal cannot.
func (e *TerminalEditor) fresh() {
	e.keys = &keys{f: e.f}
	e.term = term.NewTerminal(e.keys, "")
	e.term.History = e.history
	e.term.AutoCompleteCallback = e.key
}

// ReadLine implements Editor.
func (e *TerminalEditor) ReadLine(ctx context.Context, prompt string) (string, error) {
	restore, err := tty.Raw(e.f.File)
	if err != nil {
		return "", err
	}
	defer restore()
	stop := context.AfterFunc(ctx, func() {
		_ = e.f.SetReadDeadline(time.Now()) // where terminals have no deadlines the read ends with the next key
	})
	defer stop()
	e.ctx, e.prompt = ctx, prompt
	e.resize()
	defer watchSize(e.resize)()
	e.term.SetPrompt(prompt)
	line, err := e.term.ReadLine()
	switch {
	case err == nil || ctx.Err() != nil:
		return line, ctx.Err()
	case errors.Is(err, term.ErrPasteIndicator):
		return line, nil
	case errors.Is(err, ErrInterrupted):
		_, _ = io.WriteString(e.f, "^C\r\n")
		e.fresh()
		return "", ErrInterrupted
	case errors.Is(err, io.EOF):
		_, _ = io.WriteString(e.f, "\r\n")
	}
	return "", err
}

// resize tells the library how large the screen is.
func (e *TerminalEditor) resize() {
	if columns, rows, err := e.size(); err == nil && columns > 0 {
		_ = e.term.SetSize(columns, rows) // fails when the terminal is gone, and then reading does
	}
}

func (e *TerminalEditor) size() (columns, rows int, err error) {
	c, err := e.f.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var sizeErr error
	err = c.Control(func(fd uintptr) { columns, rows, sizeErr = term.GetSize(int(fd)) })
	return columns, rows, errors.Join(err, sizeErr)
}

// key is called by the library for keys that it does not handle itself.
func (e *TerminalEditor) key(line string, pos int, key rune) (newLine string, newPos int, ok bool) {
	if key != '\t' {
		return "", 0, false
	}
	width, _, err := e.size()
	if err != nil || width <= 0 {
		width = 80
	}
	newLine, newPos, show, ok := e.complete(e.ctx, line, pos, width)
	if show != "" {
		// The library removes the line and draws it again below.
		_, _ = e.term.Write([]byte(e.prompt + line + "\n" + show))
	}
	if !ok {
		_, _ = io.WriteString(e.f, "\a")
		return line, pos, true // a tab is not inserted
	}
	return newLine, newPos, true
}

// keys is what the library reads from: it turns an interrupt, which the library
// takes for the end of all input, into an error of its own.
type keys struct {
	f *tty.Terminal
}

func (k *keys) Write(p []byte) (int, error) { return k.f.Write(p) }

func (k *keys) Read(p []byte) (int, error) {
	n, err := k.f.Read(p)
	if bytes.IndexByte(p[:n], 3) >= 0 {
		return 0, fmt.Errorf("%w", ErrInterrupted)
	}
	return n, err
}
