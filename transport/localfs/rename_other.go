//go:build !linux && !windows

package localfs

// moveNew renames from one directory to another if nothing has the new name there.
func moveNew(fromfd int, from string, tofd int, to string) error {
	return linkNew(fromfd, from, tofd, to)
}
