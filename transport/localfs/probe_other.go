//go:build darwin || freebsd

package localfs

import (
	"time"

	"golang.org/x/sys/unix"
)

// granularityOf returns to what multiples of it the file system cuts modification
// times, 0 where that is a second or less, or unknown.
func granularityOf(fd int) time.Duration {
	var st unix.Statfs_t
	if again(func() error { return unix.Fstatfs(fd, &st) }) != nil {
		return 0
	}
	switch unix.ByteSliceToString(st.Fstypename[:]) {
	case "msdos", "msdosfs", "exfat":
		return 2 * time.Second
	}
	return 0
}

// rulesOf returns which names a file system takes for the same, if its kind tells:
// here the same kind may or may not ignore case.
func rulesOf(int) (r nameRules, known bool) { return r, false }
