package main

import (
	"bufio"
	"io"
	"sync"
)

// console is where lines for the user go: results to standard output, messages
// and the progress line to standard error. It keeps them in order and keeps the
// progress line, where there is one, below them. Callers pass finished lines;
// names in them have gone through display.
type console struct {
	mu      sync.Mutex
	out     *bufio.Writer
	err     io.Writer
	outTerm bool // standard output is a terminal: it shares the screen with the progress line
	shown   bool // the progress line is on the screen
	asking  bool // the screen is taken by a question
	prompt  bool // standard output is written out after each line
	failed  error
	events  *eventLog   // of --json; nil: standard output is for lines
	broken  func(error) // called once when standard output cannot be written
}

func newConsole(out, err io.Writer, outTerm bool, broken func(error)) *console {
	return &console{out: bufio.NewWriterSize(out, 32<<10), err: err, outTerm: outTerm, broken: broken}
}

// print writes text, whole lines, to standard output.
func (c *console) print(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outTerm {
		c.wipe()
	}
	_, err := c.out.WriteString(text)
	c.check(err)
	if c.outTerm || c.prompt {
		c.check(c.out.Flush())
	}
}

// tell writes an event of --json, if there are any.
func (c *console) tell(ev event) {
	if c.events == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outTerm {
		c.wipe()
	}
	c.check(c.events.tell(ev))
}

// message writes one line to standard error, behind what was printed so far.
func (c *console) message(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.check(c.out.Flush())
	c.wipe()
	// An error here has no place to be reported.
	_, _ = io.WriteString(c.err, line+"\n")
}

// progress puts a frame that the bar has rendered on the screen.
func (c *console) progress(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking {
		return
	}
	_, _ = c.err.Write(frame)
	c.shown = len(frame) > 0 && frame[len(frame)-1] != '\n'
}

// ask runs a question to the user below all that was printed, while the progress
// line stays away.
func (c *console) ask(question func()) {
	c.reserve(true)
	defer c.reserve(false)
	question()
}

func (c *console) reserve(asking bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.check(c.out.Flush())
	c.wipe()
	c.asking = asking
}

// flush writes out what is held back, and returns the first error of all output.
func (c *console) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.check(c.out.Flush())
	return c.failed
}

// failure returns the first error of the output so far.
func (c *console) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// wipeLine clears the line of a terminal.
const wipeLine = "\r\x1b[K"

// wipe clears the progress line; the next frame draws it again.
func (c *console) wipe() {
	if c.shown {
		_, _ = io.WriteString(c.err, wipeLine)
		c.shown = false
	}
}

func (c *console) check(err error) {
	if err == nil || c.failed != nil {
		return
	}
	c.failed = err
	if c.broken != nil {
		c.broken(err)
	}
}
