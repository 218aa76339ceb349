package localfs

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// statFlags: looking at a name must not mount anything.
const statFlags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT

// Where the fields of a directory entry stand, as getdents64 returns it.
const (
	direntLen  = int(unsafe.Offsetof(unix.Dirent{}.Reclen))
	direntName = int(unsafe.Offsetof(unix.Dirent{}.Name))
)

// parseNames calls add for each name in what getdents returned.
func parseNames(buf []byte, add func([]byte) error) error {
	for len(buf) > 0 {
		if len(buf) < direntName {
			return unix.EIO
		}
		n := int(binary.NativeEndian.Uint16(buf[direntLen:]))
		if n <= direntName || n > len(buf) {
			return unix.EIO
		}
		name := buf[direntName:n]
		if i := bytes.IndexByte(name, 0); i >= 0 {
			name = name[:i]
		}
		if err := add(name); err != nil {
			return err
		}
		buf = buf[n:]
	}
	return nil
}
