package localfs

import "golang.org/x/sys/unix"

// canSyncfs reports whether syncing the file system of fd can be relied on.
// For network and user-space file systems syncfs may do nothing.
func canSyncfs(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC,
		unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}

// syncFileSystem writes out everything of the file system that holds fd. It
// fails if data was lost since it was last called for this descriptor, or
// since that was opened; Linux tells since 5.8.
func syncFileSystem(fd int) error {
	return again(func() error { return unix.Syncfs(fd) })
}
