//go:build unix

package config

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
