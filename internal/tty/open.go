package tty

import (
	"os"

	"golang.org/x/term"
)

// Terminal is the terminal of this process: what it embeds is what the user types.
type Terminal struct {
	*os.File
	out *os.File // what is shown; the same file but on Windows
}

// Write shows p.
func (t *Terminal) Write(p []byte) (int, error) { return t.out.Write(p) }

// Size returns how many columns and rows are shown. Either may be 0 where nobody has said.
func (t *Terminal) Size() (columns, rows int, err error) {
	c, err := t.out.SyscallConn() // as for Raw
	if err != nil {
		return 0, 0, err
	}
	if failed := c.Control(func(fd uintptr) { columns, rows, err = term.GetSize(int(fd)) }); failed != nil {
		return 0, 0, failed
	}
	return columns, rows, err
}

// Close closes both.
func (t *Terminal) Close() error {
	err := t.File.Close()
	if t.out != t.File {
		if e := t.out.Close(); err == nil {
			err = e
		}
	}
	return err
}
