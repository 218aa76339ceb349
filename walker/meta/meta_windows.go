package meta

import (
	"errors"

	"gosync/internal/unix"
)

func modified(st *unix.Stat_t) (sec int64, nsec uint32) { return st.Mtim.Sec, uint32(st.Mtim.Nsec) }
func changed(st *unix.Stat_t) (sec int64, nsec uint32)  { return st.Ctim.Sec, uint32(st.Ctim.Nsec) }

// SetTime sets the modification time of an open file, to 100 ns.
func SetTime(fd int, sec int64, nsec uint32) error { return unix.SetTime(fd, sec, nsec) }

func setTimeAt(dirfd int, name string, sec int64, nsec uint32) error {
	return unix.SetTimeAt(dirfd, name, sec, nsec)
}

func (t *Target) setAccess(int64) error { return errors.ErrUnsupported }

func chmodAt(dirfd int, name string, mode uint32) error { return unix.Fchmodat(dirfd, name, mode, 0) }
