package localfs

import (
	"context"
	"io"

	"golang.org/x/sys/unix"

	"gosync/internal/engine"
)

// copyPiece is how much the kernel copies in one call: what may go on after
// the run was cancelled.
const copyPiece = 64 << 20

// CopyFrom implements [engine.NewFile]. Holes of src become holes.
func (f *newFile) CopyFrom(ctx context.Context, src engine.File, size int64) (bool, error) {
	from, ok := src.(*file)
	if !ok || size <= 0 {
		return ok && size == 0, nil
	}
	if err := f.touch(); err != nil {
		return false, err
	}
	ok, err := f.clone(from, size)
	if !ok && err == nil {
		ok, err = f.copyRanges(ctx, from, size)
	}
	if err == nil {
		err = f.retouch()
	}
	return ok, f.t.fail("copy", f.path, err)
}

// clone shares the blocks of a whole file, where the file system can.
func (f *newFile) clone(from *file, size int64) (bool, error) {
	if f.temp == "" || unix.IoctlFileClone(f.fd, from.fd) != nil {
		return false, nil
	}
	now, err := sizeOf(f.fd)
	if err != nil {
		return false, err
	}
	raise(&f.end, now)
	if now < size {
		return true, io.ErrUnexpectedEOF
	}
	return true, nil
}

// copyRanges copies what is not a hole.
func (f *newFile) copyRanges(ctx context.Context, from *file, size int64) (bool, error) {
	begun := false
	for off := int64(0); off < size; {
		start, end, err := nextData(from.fd, off)
		if err != nil {
			return false, err
		}
		start, end = min(start, size), min(end, size)
		if err := f.zeroRange(off, start); err != nil {
			return false, err
		}
		if ok, err := f.copyRange(ctx, from, start, end, &begun); !ok || err != nil {
			return false, err
		}
		if end <= off { // it has become shorter
			return false, io.ErrUnexpectedEOF
		}
		off = end
	}
	return true, nil
}

// zeroRange makes a hole of a range where content may stand.
func (f *newFile) zeroRange(off, end int64) error {
	if end = min(end, f.size); off >= end || punch(f.fd, off, end-off) {
		return nil
	}
	zeros := make([]byte, 64<<10)
	for ; off < end; off += int64(len(zeros)) {
		if _, err := f.write(zeros[:min(int64(len(zeros)), end-off)], off); err != nil {
			return err
		}
	}
	return nil
}

// copyRange lets the kernel copy from off to end. It reports false where that
// is not possible, which shows at the first call.
func (f *newFile) copyRange(ctx context.Context, from *file, off, end int64, begun *bool) (bool, error) {
	for off < end {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		in, out := off, off
		n, err := unix.CopyFileRange(from.fd, &in, f.fd, &out, int(min(end-off, copyPiece)), 0)
		switch {
		case err == unix.EINTR:
			continue
		case !*begun && (n == 0 || cannotCopy(err)):
			return false, nil // files that are made up when they are read have no length
		case err != nil:
			return false, err
		case n == 0:
			return false, io.ErrUnexpectedEOF
		}
		*begun = true
		off += int64(n)
		raise(&f.end, off)
	}
	return true, nil
}

// cannotCopy reports whether an error says that the two files are not of the
// kind that the kernel copies.
func cannotCopy(err error) bool {
	switch err {
	case unix.EXDEV, unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM, unix.EBADF, unix.ETXTBSY, unix.EIO:
		return true
	}
	return false
}
