//go:build unix

package config

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// othersMay says why anyone but this user and root could have written a file, or in a directory, and
// what to do about it; "" where nobody could.
func othersMay(info fs.FileInfo, name string) (why, remedy string) {
	st, ok := info.Sys().(*syscall.Stat_t)
	perm := info.Mode().Perm()
	switch {
	case ok && st.Uid != 0 && int(st.Uid) != os.Getuid():
		me := userName(uint32(os.Getuid()))
		good := me
		if os.Getuid() != 0 {
			good += " or root"
		}
		return fmt.Sprintf("it belongs to %s, and not to %s", userName(st.Uid), good), fmt.Sprintf("as root: chown %s %s", me, word(name))
	case perm&0o022 != 0 && !(info.IsDir() && info.Mode()&fs.ModeSticky != 0): // there only its owner and root rename what others have
		return fmt.Sprintf("its permissions are %03o", perm), "chmod go-w " + word(name)
	}
	return "", ""
}

// userName is the name of a user, or the number where there is none.
func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil && u.Username != "" {
		return u.Username
	}
	return id
}

// word writes a path as a shell takes it.
func word(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return strings.ContainsRune(" \t\n'\"\\$`*?[]()&;|<>#~!{}", r) }) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
