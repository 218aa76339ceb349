package localfs

import (
	"context"

	"gosync/internal/unix"
)

const statFlags = unix.AT_SYMLINK_NOFOLLOW

// readNames calls add for each name in an open directory, whether it was read before or not.
func readNames(ctx context.Context, fd int, _ bool, buf []byte, add func([]byte) error) error {
	return unix.ReadNames(fd, buf, func(name []byte) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return add(name)
	})
}
