package localfs

import "golang.org/x/sys/unix"

// openRef opens a directory just to reach what is in it, which needs no right
// to read it.
const openRef = unix.O_PATH

// noAccessTime opens a file so that reading it leaves no trace.
const noAccessTime = unix.O_NOATIME

// openTries is how often a resolution is begun anew when others keep renaming
// directories on its way.
const openTries = 100

// openBeneath opens a path of several components below a directory.
func openBeneath(at int, path string, flags int) (int, error) {
	return open2(at, path, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS)
}

// openInside is openBeneath for a path whose symlinks are followed as long as they
// do not lead out.
func openInside(at int, path string, flags int) (int, error) {
	return open2(at, path, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_MAGICLINKS)
}

// ownedLink returns the target of a symlink and who owns that very one.
func ownedLink(dirfd int, name string) (target string, owner uint32, err error) {
	fd, err := openAt(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		target, err = readLink(fd, "", st.Size)
	}
	return target, st.Uid, err
}

// isMagic reports whether symlinks of a directory may stand for open files.
func isMagic(dirfd int) bool {
	if dirfd == unix.AT_FDCWD {
		return false
	}
	var st unix.Statfs_t
	return unix.Fstatfs(dirfd, &st) == nil && st.Type == unix.PROC_SUPER_MAGIC
}

func open2(at int, path string, flags int, resolve uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	for range openTries {
		fd, err = unix.Openat2(at, path, &how)
		if err != unix.EAGAIN && err != unix.EINTR {
			break
		}
	}
	return fd, err
}

// canResolve reports whether the system has openat2 and lets us use it: old
// kernels do not have it, and some sandboxes forbid it.
func canResolve(fd int) bool {
	probe, err := openBeneath(fd, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return false
	}
	_ = unix.Close(probe)
	return true
}
