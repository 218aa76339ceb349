//go:build unix

package shell

import (
	"io/fs"
	"syscall"
)

// fillOwner takes from info what only the operating system's own form has.
func fillOwner(e *Entry, info fs.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		e.UID, e.GID, e.Links = st.Uid, st.Gid, uint64(st.Nlink)
	}
}
