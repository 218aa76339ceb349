//go:build !linux && !windows

package localfs

// renameNew renames within a directory if nothing has the new name.
func renameNew(dirfd int, from, to string) error { return linkNew(dirfd, from, to) }
