//go:build !linux && !windows

package localfs

import "golang.org/x/sys/unix"

const statFlags = unix.AT_SYMLINK_NOFOLLOW

// parseNames calls add for each name in what getdents returned.
func parseNames(buf []byte, add func([]byte) error) error {
	_, _, names := unix.ParseDirent(buf, -1, nil)
	for _, name := range names {
		if err := add([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}
