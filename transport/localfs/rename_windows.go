package localfs

import "gosync/internal/unix"

// moveNew renames from one directory to another if nothing has the new name there.
func moveNew(fromfd int, from string, tofd int, to string) error {
	return unix.RenameNew(fromfd, from, tofd, to)
}
