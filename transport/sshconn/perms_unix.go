//go:build unix

package sshconn

import (
	"io/fs"
	"os"
	"syscall"
)

// writableByOthers reports whether anyone but this user and root could have written the file.
func writableByOthers(info fs.FileInfo) bool {
	if info.Mode().Perm()&0o022 != 0 {
		return true
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid != 0 && int(st.Uid) != os.Getuid()
}

// readableByOthers reports whether a private key of this user lies open to others. A key that belongs to someone else,
// root for instance, may be shared with a group on purpose.
func readableByOthers(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid() && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0
}
