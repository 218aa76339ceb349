package localfs

import (
	"encoding/binary"
	"sync/atomic"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/meta"
)

// hole is the granule in which zeros become holes: the block size of most file systems.
const hole = 4 << 10

// writePiece is the most that one call writes. A file system with large folios takes memory in pieces as large as the
// write, and those are often ones that the kernel, or the host of a virtual machine, has to provide first: 1 GiB takes
// 0.16 s up to 512 KiB, and now and then seven times as long with 1 MiB.
const writePiece = 256 << 10

// WriteAt implements [io.WriterAt].
func (f *newFile) WriteAt(p []byte, off int64) (n int, err error) {
	if err := f.touch(); err != nil {
		return 0, err
	}
	if f.how.Sparse {
		n, err = f.writeSparse(p, off)
	} else {
		n, err = f.write(p, off)
	}
	if err == nil {
		err = f.retouch()
	}
	return n, f.t.fail("write", f.path, err)
}

func (f *newFile) write(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := unix.Pwrite(f.fd, p[n:min(n+writePiece, len(p))], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		n += m
	}
	if n > 0 {
		raise(&f.end, off+int64(n))
	}
	return n, nil
}

// raise makes a at least v.
func raise(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

// touch is called before anything is written. A file that is written in place
// loses its time first, durably if that is asked for, so that it cannot be
// taken for what it was or shall be.
func (f *newFile) touch() error {
	f.wrote.Store(true)
	if f.temp != "" {
		return nil
	}
	f.spoil.Do(func() {
		if !f.made {
			// The directory may be closed to this user, or full: reasons to write
			// in place. The time alone protects from most mistakes then.
			var err error
			if f.side < 0 { // else it was marked when it was made
				err = f.markInPlace()
			}
			if err == nil && f.t.how.Durability != engine.SyncNone {
				err = f.syncMark()
			}
			if err != nil {
				f.unmarked(err)
			}
		}
		f.spoilErr = f.retouch()
		if f.spoilErr == nil && f.t.how.Durability != engine.SyncNone && !f.made {
			f.spoilErr = f.t.fsync(f.fd)
		}
	})
	return f.pathError("utimens", f.spoilErr)
}

// retouch takes away the time that writing has set. It could by chance be
// that of the source.
func (f *newFile) retouch() error {
	if f.temp != "" {
		return nil
	}
	return meta.SetTime(f.fd, engine.UnfinishedTime(f.how.Sec), 0)
}

// writeSparse writes p without its blocks of zeros, which become holes.
func (f *newFile) writeSparse(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		zeros := run(p[n:], off+int64(n), true)
		if err := f.zero(p[n:n+zeros], off+int64(n)); err != nil {
			return n, err
		}
		n += zeros
		data := run(p[n:], off+int64(n), false)
		m, err := f.write(p[n:n+data], off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// zero makes zeros of a range: behind all that was written nothing is to be
// done, elsewhere a hole is made of what may stand there.
func (f *newFile) zero(p []byte, off int64) error {
	if len(p) == 0 || off >= max(f.size, f.end.Load()) || punch(f.fd, off, int64(len(p))) {
		return nil
	}
	_, err := f.write(p, off)
	return err
}

// run returns how many bytes at the start of p, which is to stand at off, are
// in blocks that are all zeros, or that are not.
func run(p []byte, off int64, zeros bool) (n int) {
	for n < len(p) {
		block := min(hole-int((off+int64(n))%hole), len(p)-n)
		if isZero(p[n:n+block]) != zeros {
			break
		}
		n += block
	}
	return n
}

func isZero(p []byte) bool {
	for ; len(p) >= 8; p = p[8:] {
		if binary.NativeEndian.Uint64(p) != 0 {
			return false
		}
	}
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}
