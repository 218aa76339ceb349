package transport

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of what a far side may print.
const (
	maxPrelude    = 4 << 10 // by its login shell, before the answer; more would hide a greeting too, see wire.Conn.Welcome
	maxAnswerLine = 8 << 10 // a path of 4 KiB and what is said of it
	maxAnswer     = 64      // lines
)

const answerMark = "gosync-answer"

// errNoAnswer is output that holds no answer, because no script ran; errEnded one
// that ends before it does.
var (
	errNoAnswer = errors.New("no answer")
	errEnded    = fmt.Errorf("%w: the output has ended", errNoAnswer)
)

// An answer reads what a script of deploy_script.go says. It reads no further
// than the line that it returns.
type answer struct {
	br      *bufio.Reader
	prelude []byte // the begin of what came before the mark, for messages
	marked  bool   // it has begun
	lines   int
}

func newAnswer(r io.Reader) *answer { return &answer{br: bufio.NewReaderSize(r, maxAnswerLine)} }

// begin skips to the first mark, which has a line of its own.
func (a *answer) begin() error {
	var n int
	for n < maxPrelude { // less than the buffer, so that each turn is a line from its begin
		line, err := a.br.ReadSlice('\n')
		n += len(line)
		if isMark(line, "-begin") {
			a.marked = true
			return nil
		}
		a.prelude = append(a.prelude, line[:min(len(line), shownOutput-len(a.prelude))]...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return noAnswer(err)
		}
	}
	return fmt.Errorf("%w in the first %d KiB of what the login shell printed", errNoAnswer, maxPrelude>>10)
}

func isMark(line []byte, which string) bool {
	return string(bytes.TrimRight(line, "\r\n")) == answerMark+which
}

// noAnswer is the error for output that has ended, and for a line that broke.
func noAnswer(err error) error {
	if err == io.EOF {
		return errEnded
	}
	return err
}

// next returns the next line of the answer, io.EOF at its end.
func (a *answer) next() (key, value string, err error) {
	line, err := a.br.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", "", fmt.Errorf("%w: a line of more than %d bytes", errNoAnswer, maxAnswerLine)
	case err != nil:
		return "", "", noAnswer(err)
	case isMark(line, "-end"):
		return "", "", io.EOF
	}
	if a.lines++; a.lines > maxAnswer {
		return "", "", fmt.Errorf("%w: more than %d lines", errNoAnswer, maxAnswer)
	}
	key, value, found := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
	if !found || key == "" || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz") != "" {
		return "", "", fmt.Errorf("%w: %q is no line of one", errNoAnswer, line[:min(len(line), shownOutput)])
	}
	return key, value, nil
}

// values reads lines up to and including one of the key last, or to the end. A
// key that comes twice keeps its first value, out excepted.
func (a *answer) values(last string) (map[string]string, error) {
	v := map[string]string{}
	for {
		key, value, err := a.next()
		if err == io.EOF {
			return v, nil
		}
		if err != nil {
			return nil, err
		}
		if old, ok := v[key]; !ok {
			v[key] = value
		} else if key == "out" {
			v[key] = old + " " + value
		}
		if key == last {
			return v, nil
		}
	}
}
