//go:build !linux

package localfs

import "golang.org/x/sys/unix"

// openRef would open a directory without the right to read it; there is no
// portable way.
const openRef = unix.O_RDONLY

// noAccessTime stands for what only Linux can do.
const noAccessTime = 0

// openBeneath is not used where canResolve says no.
func openBeneath(at int, path string, flags int) (int, error) {
	return -1, unix.ENOSYS
}

// openInside is not used where canResolve says no.
func openInside(at int, path string, flags int) (int, error) {
	return -1, unix.ENOSYS
}

func canResolve(int) bool { return false }
