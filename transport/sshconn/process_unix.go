//go:build unix

package sshconn

import (
	"io/fs"
	"os"
	"syscall"
)

// hangUp asks a process to end, as ssh(1) does with a proxy command.
func hangUp(p *os.Process) { _ = p.Signal(syscall.SIGHUP) } // it may have ended: then there is nothing to do

// ownedByOther reports whether the file belongs to neither this user nor root.
func ownedByOther(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid != 0 && int(st.Uid) != os.Getuid()
}
