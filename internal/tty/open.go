package tty

import "os"

// Terminal is the terminal of this process: what it embeds is what the user types.
type Terminal struct {
	*os.File
	out *os.File // what is shown; the same file but on Windows
}

// Write shows p.
func (t *Terminal) Write(p []byte) (int, error) { return t.out.Write(p) }

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
