//go:build !linux

package localfs

import (
	"gosync/internal/unix"
	"gosync/walker/manifest"
)

// mknodAt is not possible below a directory descriptor everywhere.
func mknodAt(int, string, *manifest.Entry) error { return unix.ENOTSUP }
