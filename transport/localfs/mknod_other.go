//go:build !linux

package localfs

import (
	"golang.org/x/sys/unix"

	"gosync/walker/manifest"
)

// mknodAt is not possible below a directory descriptor everywhere.
func mknodAt(int, string, *manifest.Entry) error { return unix.ENOTSUP }
