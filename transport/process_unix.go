//go:build unix

package transport

import (
	"os"
	"syscall"
)

// exitStatus is the exit status, or 128 and the signal's number as shells count.
func exitStatus(st *os.ProcessState) int {
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return st.ExitCode()
}
