//go:build amd64 || arm64 || riscv64 || s390x || ppc64le

package localfs

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// statName is fstatAt for a name that has its NUL behind it: that of the unix
// package copies each name to put one there. quick says that the call will not
// wait: then the runtime is not told of it, which costs more than the call does
// as soon as it takes the processor away in the middle of one and gives it back.
func statName(dirfd int, name string, st *unix.Stat_t, quick bool) error {
	for {
		var errno syscall.Errno
		if quick { // pointers become numbers in the call itself, or the collector might move what they point to
			_, _, errno = unix.RawSyscall6(unix.SYS_NEWFSTATAT, uintptr(dirfd), uintptr(unsafe.Pointer(unsafe.StringData(name))),
				uintptr(unsafe.Pointer(st)), statFlags, 0, 0)
		} else {
			_, _, errno = unix.Syscall6(unix.SYS_NEWFSTATAT, uintptr(dirfd), uintptr(unsafe.Pointer(unsafe.StringData(name))),
				uintptr(unsafe.Pointer(st)), statFlags, 0, 0)
		}
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		case unix.ENOENT:
			return unix.ENOENT // made an error without an allocation
		}
		return errno
	}
}
