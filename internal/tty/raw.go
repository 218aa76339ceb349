// Package tty switches terminals between their modes.
//
// Raw lets a line editor see each key as it is typed. What it does not do: it
// draws nothing and knows no keys, and a program that is killed leaves the
// terminal raw.
package tty

import (
	"os"

	"golang.org/x/term"
)

// Raw makes the terminal f hand over keys as they are typed, and returns what
// undoes that, to be called once by whoever called Raw. The descriptor is
// borrowed, for f.Fd would make the file blocking, and then no deadline could
// end a read. It is an error if f is no terminal.
func Raw(f *os.File) (restore func(), err error) {
	c, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var old *term.State
	var rawErr error
	if err := c.Control(func(fd uintptr) { old, rawErr = term.MakeRaw(int(fd)) }); err != nil {
		return nil, err
	}
	if rawErr != nil {
		return nil, rawErr
	}
	return func() {
		_ = c.Control(func(fd uintptr) { _ = term.Restore(int(fd), old) }) // it is there as before, or gone
	}, nil
}
