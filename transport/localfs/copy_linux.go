package localfs

import (
	"context"
	"io"
	"sync"

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

// CloneFrom implements [engine.Cloner].
func (f *newFile) CloneFrom(_ context.Context, src engine.File, size int64) (bool, error) {
	from, ok := src.(*file)
	if !ok {
		return false, nil
	}
	if err := f.touch(); err != nil {
		return false, err
	}
	ok, err := f.clone(from, size)
	if err == nil {
		err = f.retouch()
	}
	return ok, f.t.fail("copy", f.path, err)
}

// clone shares the blocks of a whole file, where the file system can.
func (f *newFile) clone(from *file, size int64) (bool, error) {
	if f.temp == "" || f.away || !f.t.clones.may(from, f) {
		return false, nil
	}
	if err := unix.IoctlFileClone(f.fd, from.fd); err != nil {
		f.t.clones.refused(from, f, err)
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

// share begins the file as a clone of basis, where the file system can.
func (f *newFile) share(basis engine.File) error {
	from, ok := basis.(*file)
	if !ok || f.temp == "" || f.away || f.how.Sparse || !f.t.clones.may(from, f) {
		return nil
	}
	err := unix.IoctlFileClone(f.fd, from.fd)
	switch {
	case err == nil:
		f.cloned = true
		f.size, err = sizeOf(f.fd)
	case f.t.clones.refused(from, f, err):
		err = nil
	default: // it may have shared a part
		err = again(func() error { return unix.Ftruncate(f.fd, 0) })
	}
	return err
}

// clones remembers between which file systems no blocks can be shared, so that
// this is not tried for every file.
type clones struct {
	never sync.Map // [2]uint64, the devices from and to
}

func (c *clones) may(from *file, to *newFile) bool {
	if from.opened == nil {
		return true
	}
	_, never := c.never.Load([2]uint64{deviceOf(from.opened), to.d.dev})
	return !never
}

// refused takes the error of an attempt, and reports whether it is about the file systems.
// What it says of these two files alone is not remembered.
func (c *clones) refused(from *file, to *newFile, err error) bool {
	switch err {
	case unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS, unix.EXDEV:
		if from.opened != nil {
			c.never.Store([2]uint64{deviceOf(from.opened), to.d.dev}, true)
		}
		return true
	}
	return false
}

// askHoles is the size from which a file is asked where its holes are, whatever its
// number of blocks says: some may be room that is reserved behind its end.
const askHoles = 64 << 10

// full reports whether a small file, as it was opened, has no holes.
func (f *file) full(size int64) bool {
	return f.opened != nil && f.opened.Size == size && size < askHoles && f.opened.Blocks*512 >= size
}

// copyRanges copies what is not a hole.
func (f *newFile) copyRanges(ctx context.Context, from *file, size int64) (bool, error) {
	begun := false
	if from.full(size) {
		return f.copyRange(ctx, from, 0, size, &begun)
	}
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
