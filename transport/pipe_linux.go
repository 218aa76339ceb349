package transport

import (
	"os"
	"syscall"
)

const setPipeSize = 1031 // F_SETPIPE_SZ of fcntl(2), which package syscall lacks

// PipeSize is the kernel buffer, in bytes, that pipes of the protocol are given where that is possible.
const PipeSize = 1 << 20

// EnlargePipe gives a pipe a kernel buffer of PipeSize, so that whoever is at the other end is woken less often; a
// server does it for its standard input and output. It is best effort: anything but a pipe is left alone, and a user may
// have used up what pipes get.
func EnlargePipe(f *os.File) {
	c, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = c.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, PipeSize)
	})
}
