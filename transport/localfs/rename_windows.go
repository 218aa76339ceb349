package localfs

import "gosync/internal/unix"

// renameNew renames within a directory if nothing has the new name.
func renameNew(dirfd int, from, to string) error { return unix.RenameNew(dirfd, from, dirfd, to) }
