//go:build !windows

package tty

import "os"

// Open opens the terminal of this process anew, whatever standard input is.
func Open() (*Terminal, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &Terminal{f, f}, nil
}
