//go:build unix

package unix

import "golang.org/x/sys/unix"

// Flags, modes and errors of the system.
const (
	AT_FDCWD            = unix.AT_FDCWD
	AT_REMOVEDIR        = unix.AT_REMOVEDIR
	AT_SYMLINK_NOFOLLOW = unix.AT_SYMLINK_NOFOLLOW

	O_RDONLY    = unix.O_RDONLY
	O_WRONLY    = unix.O_WRONLY
	O_RDWR      = unix.O_RDWR
	O_APPEND    = unix.O_APPEND
	O_CREAT     = unix.O_CREAT
	O_EXCL      = unix.O_EXCL
	O_CLOEXEC   = unix.O_CLOEXEC
	O_DIRECTORY = unix.O_DIRECTORY
	O_NOFOLLOW  = unix.O_NOFOLLOW
	O_NONBLOCK  = unix.O_NONBLOCK
	O_NOCTTY    = unix.O_NOCTTY

	LOCK_SH = unix.LOCK_SH
	LOCK_EX = unix.LOCK_EX
	LOCK_NB = unix.LOCK_NB

	S_IFMT   = unix.S_IFMT
	S_IFREG  = unix.S_IFREG
	S_IFDIR  = unix.S_IFDIR
	S_IFLNK  = unix.S_IFLNK
	S_IFIFO  = unix.S_IFIFO
	S_IFSOCK = unix.S_IFSOCK
	S_IFCHR  = unix.S_IFCHR
	S_IFBLK  = unix.S_IFBLK
	S_ISUID  = unix.S_ISUID
	S_ISGID  = unix.S_ISGID

	EACCES      = unix.EACCES
	EBADF       = unix.EBADF
	EBUSY       = unix.EBUSY
	EEXIST      = unix.EEXIST
	EFBIG       = unix.EFBIG
	EINTR       = unix.EINTR
	EINVAL      = unix.EINVAL
	EISDIR      = unix.EISDIR
	ELOOP       = unix.ELOOP
	EMLINK      = unix.EMLINK
	ENOENT      = unix.ENOENT
	ENOSYS      = unix.ENOSYS
	ENOTDIR     = unix.ENOTDIR
	ENOTSUP     = unix.ENOTSUP
	ENXIO       = unix.ENXIO
	EOVERFLOW   = unix.EOVERFLOW
	EPERM       = unix.EPERM
	EROFS       = unix.EROFS
	ESTALE      = unix.ESTALE
	ETXTBSY     = unix.ETXTBSY
	EWOULDBLOCK = unix.EWOULDBLOCK
	EXDEV       = unix.EXDEV
)

// Stat_t is what the system tells of a file.
type Stat_t = unix.Stat_t

// Openat opens a path from a directory.
func Openat(dirfd int, path string, flags int, mode uint32) (fd int, err error) {
	return unix.Openat(dirfd, path, flags, mode)
}

// Close ends a descriptor.
func Close(fd int) error { return unix.Close(fd) }

// Fstat describes an open file.
func Fstat(fd int, st *Stat_t) error { return unix.Fstat(fd, st) }

// Fstatat describes what a path leads to.
func Fstatat(dirfd int, path string, st *Stat_t, flags int) error {
	return unix.Fstatat(dirfd, path, st, flags)
}

// Lstat describes what a path names.
func Lstat(path string, st *Stat_t) error { return unix.Lstat(path, st) }

// Readlinkat reads the target of a symlink.
func Readlinkat(dirfd int, path string, buf []byte) (n int, err error) {
	return unix.Readlinkat(dirfd, path, buf)
}

// Mkdirat makes a directory.
func Mkdirat(dirfd int, path string, mode uint32) error { return unix.Mkdirat(dirfd, path, mode) }

// Unlinkat takes a name away.
func Unlinkat(dirfd int, path string, flags int) error { return unix.Unlinkat(dirfd, path, flags) }

// Renameat gives a file another name, in the place of what has it.
func Renameat(olddirfd int, oldpath string, newdirfd int, newpath string) error {
	return unix.Renameat(olddirfd, oldpath, newdirfd, newpath)
}

// Linkat gives a file a further name.
func Linkat(olddirfd int, oldpath string, newdirfd int, newpath string, flags int) error {
	return unix.Linkat(olddirfd, oldpath, newdirfd, newpath, flags)
}

// Symlinkat makes a symlink.
func Symlinkat(target string, dirfd int, path string) error {
	return unix.Symlinkat(target, dirfd, path)
}

// Pread reads at an offset; 0 is the end.
func Pread(fd int, p []byte, off int64) (n int, err error) { return unix.Pread(fd, p, off) }

// Pwrite writes at an offset.
func Pwrite(fd int, p []byte, off int64) (n int, err error) { return unix.Pwrite(fd, p, off) }

// Write writes at the descriptor's position.
func Write(fd int, p []byte) (n int, err error) { return unix.Write(fd, p) }

// Ftruncate sets a file's length.
func Ftruncate(fd int, size int64) error { return unix.Ftruncate(fd, size) }

// Fsync makes a file durable.
func Fsync(fd int) error { return unix.Fsync(fd) }

// Flock locks a file, without waiting if LOCK_NB says so.
func Flock(fd int, how int) error { return unix.Flock(fd, how) }

// Fchmod sets permissions of an open file.
func Fchmod(fd int, mode uint32) error { return unix.Fchmod(fd, mode) }

// Fchmodat sets permissions of what a path leads to.
func Fchmodat(dirfd int, path string, mode uint32, flags int) error {
	return unix.Fchmodat(dirfd, path, mode, flags)
}

// Fchown sets the owner of an open file.
func Fchown(fd, uid, gid int) error { return unix.Fchown(fd, uid, gid) }

// Fchownat sets the owner of what a path leads to.
func Fchownat(dirfd int, path string, uid, gid, flags int) error {
	return unix.Fchownat(dirfd, path, uid, gid, flags)
}

// Geteuid is the user that files are made for.
func Geteuid() int { return unix.Geteuid() }

// Dup returns another descriptor of an open file.
func Dup(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// Owned reports whether nobody but this user has made an open file. What Stat_t says is all
// that there is to know.
func Owned(int) bool { return true }

// OwnedAt is Owned for what has a name in an open directory.
func OwnedAt(int, string) bool { return true }

// Major is the first part of a device number.
func Major(dev uint64) uint32 { return unix.Major(dev) }

// Minor is the second part of a device number.
func Minor(dev uint64) uint32 { return unix.Minor(dev) }

// Mkdev makes a device number.
func Mkdev(major, minor uint32) uint64 { return unix.Mkdev(major, minor) }

// MaxFiles returns how many files this process may have open, and false where that cannot
// be told.
func MaxFiles() (n uint64, ok bool) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 0, false
	}
	return uint64(files.Cur), true
}
