//go:build unix

package localfs

import (
	"context"
	"io"

	"golang.org/x/sys/unix"
)

// readNames calls add for each name in an open directory, which was read before if again
// says so. buf is what the system's answers fit in.
func readNames(ctx context.Context, fd int, again bool, buf []byte, add func([]byte) error) error {
	if again {
		if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
			return err
		}
	}
	for ctx.Err() == nil {
		n, err := unix.ReadDirent(fd, buf)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n <= 0:
			return nil
		default:
			if err := parseNames(buf[:n], add); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}
