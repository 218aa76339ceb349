package sshconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/term"

	"gosync/internal/tty"
)

// terminalPrompt asks on the controlling terminal, or through the program in SSH_ASKPASS by the rules of ssh(1):
// SSH_ASKPASS_REQUIRE=force always takes the program, prefer takes it where there is a display, never does not, and
// without that variable the program is for when there is a display but no terminal.
func terminalPrompt(ctx context.Context, text string, echo bool) (string, error) {
	program, require := os.Getenv("SSH_ASKPASS"), os.Getenv("SSH_ASKPASS_REQUIRE")
	display := os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
	if program != "" && (require == "force" || require == "prefer" && display) {
		return askpass(ctx, program, text)
	}
	answer, err := askTerminal(ctx, text, echo)
	if errors.Is(err, ErrNoTerminal) && program != "" && display && require != "never" {
		return askpass(ctx, program, text)
	}
	return answer, err
}

// askpass runs the program with the question as its argument and reads the answer from its output.
func askpass(ctx context.Context, program, text string) (string, error) {
	cmd := exec.CommandContext(ctx, program, text)
	cmd.WaitDelay = time.Second // a helper that keeps the pipe open must not hold us
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: SSH_ASKPASS %s: %w", ErrNoTerminal, program, err)
	}
	answer, _, _ := bytes.Cut(out, []byte("\n"))
	return strings.TrimSuffix(string(answer), "\r"), nil
}

// AskTerminal asks a question on the controlling terminal, where the answer is shown, and returns the line that was
// typed. The error wraps ErrNoTerminal where there is no terminal, or is that of ctx, which ends the question.
func AskTerminal(ctx context.Context, text string) (string, error) {
	return askTerminal(ctx, text, true)
}

// askTerminal asks on the controlling terminal, which is opened anew: standard input may be data. The terminal is in
// raw mode meanwhile, so that an interrupt arrives as a character, and cancelling ctx ends the read; in both cases the
// terminal's mode is restored.
func askTerminal(ctx context.Context, text string, echo bool) (answer string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	f, err := tty.Open()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoTerminal, err)
	}
	defer f.Close()
	restore, err := tty.Raw(f.File)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoTerminal, err)
	}
	defer restore()
	stop := context.AfterFunc(ctx, func() {
		_ = f.SetReadDeadline(time.Now()) // where terminals have no deadlines the read ends with the next key
	})
	defer stop()

	t := term.NewTerminal(f, "")
	if columns, rows, err := f.Size(); err == nil && columns > 0 && rows > 0 { // else it breaks lines as for 80 columns
		_ = t.SetSize(columns, rows) // nothing is shown yet that could fail to be drawn
	}
	lines := strings.Split(text, "\n")
	last := lines[len(lines)-1]
	for _, l := range lines[:len(lines)-1] {
		fmt.Fprintf(t, "%s\r\n", safeText(l))
	}
	last = safeText(last)
	if echo {
		t.SetPrompt(last)
		answer, err = t.ReadLine()
	} else {
		answer, err = t.ReadPassword(last)
	}
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, io.EOF): // interrupt, or end of file typed
		return "", errInterrupted
	case err != nil:
		return "", fmt.Errorf("reading from the terminal: %w", err)
	}
	return answer, nil
}

// errInterrupted ends the whole connection: the user does not want the next question.
var errInterrupted = errors.New("interrupted at the prompt")

// CanAsk reports whether a program that this one starts can ask the user something: on the controlling terminal, or by
// SSH_ASKPASS.
func CanAsk() bool {
	f, err := tty.Open()
	if err != nil {
		return os.Getenv("SSH_ASKPASS") != ""
	}
	_ = f.Close() // nothing was written
	return true
}
