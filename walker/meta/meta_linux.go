package meta

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func modified(st *unix.Stat_t) (sec int64, nsec uint32) {
	return int64(st.Mtim.Sec), uint32(st.Mtim.Nsec)
}

func changed(st *unix.Stat_t) (sec int64, nsec uint32) {
	return int64(st.Ctim.Sec), uint32(st.Ctim.Nsec)
}

// stamps returns the argument of utimensat that sets the modification time and
// leaves the access time alone.
func stamps(sec int64, nsec uint32) (ts [2]unix.Timespec, err error) {
	if ts[1], err = unix.TimeToTimespec(time.Unix(sec, int64(nsec))); err != nil {
		return ts, err
	}
	ts[0].Nsec = unix.UTIME_OMIT
	return ts, nil
}

// SetTime sets the modification time of an open file.
func SetTime(fd int, sec int64, nsec uint32) error {
	ts, err := stamps(sec, nsec)
	if err != nil {
		return err
	}
	// futimens is utimensat without a path, which the unix package cannot say.
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// setAccess sets the access time, to the second as rsync does it.
func (t *Target) setAccess(sec int64) error {
	when, err := unix.TimeToTimespec(time.Unix(sec, 0))
	if err != nil {
		return err
	}
	ts := [2]unix.Timespec{when, {Nsec: unix.UTIME_OMIT}}
	if t.Name != "" {
		return unix.UtimesNanoAt(t.FD, t.Name, ts[:], unix.AT_SYMLINK_NOFOLLOW)
	}
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(t.FD), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func setTimeAt(dirfd int, name string, sec int64, nsec uint32) error {
	ts, err := stamps(sec, nsec)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(dirfd, name, ts[:], unix.AT_SYMLINK_NOFOLLOW)
}

// chmodAt changes the mode of a name that is not followed. Linux can do that
// since 6.6; before, the name is opened as a mere reference, which does not
// follow or touch it, and changed by way of /proc.
func chmodAt(dirfd int, name string, mode uint32) error {
	err := unix.Fchmodat(dirfd, name, mode, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return chmodRef(dirfd, name, mode)
	}
	return err
}

func chmodRef(dirfd int, name string, mode uint32) error {
	fd, err := unix.Openat(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.EOPNOTSUPP
	}
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), mode)
}
