//go:build !linux

package localfs

func nextData(fd int, off int64) (start, end int64, err error) {
	size, err := sizeOf(fd)
	return min(off, size), size, err
}

func preallocate(int, int64) error { return nil }

func punch(int, int64, int64) bool { return false }
