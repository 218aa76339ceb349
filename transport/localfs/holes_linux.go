package localfs

import "golang.org/x/sys/unix"

// nextData finds the next range of an open file that may hold data.
func nextData(fd int, off int64) (start, end int64, err error) {
	start, err = unix.Seek(fd, off, unix.SEEK_DATA)
	switch err {
	case nil:
	case unix.ENXIO: // nothing but a hole, or off is behind the end
		size, err := sizeOf(fd)
		return size, size, err
	case unix.EINVAL, unix.EOPNOTSUPP:
		size, err := sizeOf(fd)
		return min(off, size), size, err
	default:
		return 0, 0, err
	}
	end, err = unix.Seek(fd, start, unix.SEEK_HOLE)
	if err == unix.ENXIO { // it became shorter
		size, err := sizeOf(fd)
		return size, size, err
	}
	return start, end, err
}

// preallocate reserves room behind an open file without making it longer.
// Where there is no room that is known before anything is written; all else
// that may fail does not matter.
func preallocate(fd int, size int64) error {
	err := unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size)
	if err == unix.ENOSPC || err == unix.EDQUOT {
		return err
	}
	return nil
}

// punch makes a hole, and reports whether that worked.
func punch(fd int, off, n int64) bool {
	return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n) == nil
}
