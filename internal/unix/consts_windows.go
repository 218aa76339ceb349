package unix

import "syscall"

// Flags of calls. Those of open are as in package syscall where that has them.
const (
	AT_FDCWD            = -100
	AT_REMOVEDIR        = 0x200
	AT_SYMLINK_NOFOLLOW = 0x100

	O_RDONLY    = syscall.O_RDONLY
	O_WRONLY    = syscall.O_WRONLY
	O_RDWR      = syscall.O_RDWR
	O_APPEND    = syscall.O_APPEND
	O_CREAT     = syscall.O_CREAT
	O_EXCL      = syscall.O_EXCL
	O_CLOEXEC   = syscall.O_CLOEXEC
	O_DIRECTORY = 0x10000
	O_NOFOLLOW  = 0x20000
	O_NONBLOCK  = 0
	O_NOCTTY    = 0

	LOCK_SH = 1
	LOCK_EX = 2
	LOCK_NB = 4
)

// Bits of modes.
const (
	S_IFMT   = 0o170000
	S_IFREG  = 0o100000
	S_IFDIR  = 0o040000
	S_IFLNK  = 0o120000
	S_IFIFO  = 0o010000
	S_IFSOCK = 0o140000
	S_IFCHR  = 0o020000
	S_IFBLK  = 0o060000
	S_ISUID  = 0o4000
	S_ISGID  = 0o2000
)

// Errors, which all calls return in the place of the system's where there is one.
const (
	EACCES      = syscall.EACCES
	EBADF       = syscall.EBADF
	EBUSY       = syscall.EBUSY
	EEXIST      = syscall.EEXIST
	EFBIG       = syscall.EFBIG
	EINTR       = syscall.EINTR
	EINVAL      = syscall.EINVAL
	EISDIR      = syscall.EISDIR
	ELOOP       = syscall.ELOOP
	EMLINK      = syscall.EMLINK
	ENOENT      = syscall.ENOENT
	ENOSYS      = syscall.ENOSYS
	ENOTDIR     = syscall.ENOTDIR
	ENOTSUP     = syscall.ENOTSUP
	ENXIO       = syscall.ENXIO
	EOVERFLOW   = syscall.EOVERFLOW
	EPERM       = syscall.EPERM
	EROFS       = syscall.EROFS
	ESTALE      = syscall.ESTALE
	ETXTBSY     = syscall.ETXTBSY
	EWOULDBLOCK = syscall.EWOULDBLOCK
	EXDEV       = syscall.EXDEV
)
