package localfs

import (
	"time"

	"golang.org/x/sys/unix"
)

// magicOf returns the number that stands for the kind of a file system, 0 if unknown.
func magicOf(fd int) uint32 {
	var st unix.Statfs_t
	if again(func() error { return unix.Fstatfs(fd, &st) }) != nil {
		return 0
	}
	return uint32(st.Type) //nolint:unconvert // its type differs between processors
}

// granularityOf returns to what multiples of it the file system cuts modification
// times, 0 where that is a second or less, or unknown.
func granularityOf(fd int) time.Duration {
	switch magicOf(fd) {
	case unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC:
		return 2 * time.Second
	}
	return 0
}

// caseFold is the flag of a directory that ignores case (FS_CASEFOLD_FL).
const caseFold = 0x40000000

// rulesOf returns which names a file system takes for the same, if its kind tells.
// Those that ignore case on request, by directory, also ignore how characters are
// composed.
func rulesOf(fd int) (r nameRules, known bool) {
	switch magicOf(fd) {
	case unix.EXT4_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil && flags&caseFold != 0 {
			return nameRules{ascii: true, unicode: true, full: true, norm: true}, true
		}
		return r, true
	case unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.RAMFS_MAGIC:
		return r, true
	}
	return r, false
}
