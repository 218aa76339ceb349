//go:build !linux

package localfs

import "gosync/internal/unix"

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

// ownedLink returns the target of a symlink and who owns it: the same before and
// afterwards.
func ownedLink(dirfd int, name string) (target string, owner uint32, err error) {
	var before, after unix.Stat_t
	if err = fstatAt(dirfd, name, &before); err == nil {
		target, err = readLink(dirfd, name, before.Size)
	}
	if err == nil {
		err = fstatAt(dirfd, name, &after)
	}
	if err == nil && (before.Ino != after.Ino || before.Dev != after.Dev || before.Uid != after.Uid) {
		err = unix.ELOOP
	}
	return target, after.Uid, err
}

func isMagic(int) bool { return false }

func canResolve(int) bool { return false }
