//go:build !linux

package localfs

import "golang.org/x/sys/unix"

// openRef would open a directory without the right to read it; there is no
// portable way.
const openRef = unix.O_RDONLY

// openBeneath is not used where canResolve says no.
func openBeneath(at int, path string, flags int) (int, error) {
	return -1, unix.ENOSYS
}

func canResolve(int) bool { return false }
