package localfs

import (
	"golang.org/x/sys/unix"

	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// mknodAt makes a device, a FIFO or a socket that only the owner may use yet.
func mknodAt(dirfd int, name string, e *manifest.Entry) error {
	dev := uint64(0)
	if e.Type.IsDevice() {
		dev = meta.Device(e)
	}
	return again(func() error { return unix.Mknodat(dirfd, name, meta.Mode(e.Type)|0o600, int(dev)) })
}
