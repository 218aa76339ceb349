package localfs

import "golang.org/x/sys/unix"

// moveNew renames from one directory to another if nothing has the new name there.
func moveNew(fromfd int, from string, tofd int, to string) error {
	err := again(func() error { return unix.Renameat2(fromfd, from, tofd, to, unix.RENAME_NOREPLACE) })
	if err == unix.EINVAL || err == unix.ENOSYS {
		return linkNew(fromfd, from, tofd, to) // a file system that does not know how
	}
	return err
}
