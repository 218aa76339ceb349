package localfs

import "golang.org/x/sys/unix"

// renameNew renames within a directory if nothing has the new name.
func renameNew(dirfd int, from, to string) error {
	err := again(func() error { return unix.Renameat2(dirfd, from, dirfd, to, unix.RENAME_NOREPLACE) })
	if err == unix.EINVAL || err == unix.ENOSYS {
		return linkNew(dirfd, from, to) // a file system that does not know how
	}
	return err
}
