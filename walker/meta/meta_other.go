//go:build darwin || freebsd

package meta

import (
	"time"

	"golang.org/x/sys/unix"
)

func modified(st *unix.Stat_t) (sec int64, nsec uint32) {
	return int64(st.Mtim.Sec), uint32(st.Mtim.Nsec)
}

func changed(st *unix.Stat_t) (sec int64, nsec uint32) {
	return int64(st.Ctim.Sec), uint32(st.Ctim.Nsec)
}

// SetTime sets the modification time of an open file, to the microsecond.
func SetTime(fd int, sec int64, nsec uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	atime := unix.NsecToTimeval(unix.TimespecToNsec(st.Atim))
	mtime := unix.NsecToTimeval(time.Unix(sec, int64(nsec)).UnixNano())
	return unix.Futimes(fd, []unix.Timeval{atime, mtime})
}

func setTimeAt(dirfd int, name string, sec int64, nsec uint32) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	mtime, err := unix.TimeToTimespec(time.Unix(sec, int64(nsec)))
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(dirfd, name, []unix.Timespec{st.Atim, mtime}, unix.AT_SYMLINK_NOFOLLOW)
}

func (t *Target) setAccess(int64) error { return unix.ENOTSUP }

func chmodAt(dirfd int, name string, mode uint32) error {
	return unix.Fchmodat(dirfd, name, mode, unix.AT_SYMLINK_NOFOLLOW)
}
