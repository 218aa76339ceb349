package tty

import (
	"os"

	"golang.org/x/sys/windows"
)

// Open opens the console of this process anew, whatever standard input is. A read that
// waits there ends with the next key: consoles know no deadlines.
func Open() (*Terminal, error) {
	in, err := os.OpenFile("CONIN$", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile("CONOUT$", os.O_RDWR, 0)
	if err != nil {
		_ = in.Close() // nothing was read
		return nil, err
	}
	var mode uint32
	if h := windows.Handle(out.Fd()); windows.GetConsoleMode(h, &mode) == nil {
		// What a line editor draws it draws with escape sequences, which an older console
		// has to be told of; on one that knows none it looks odd and works.
		_ = windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING)
	}
	return &Terminal{in, out}, nil
}
