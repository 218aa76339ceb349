package localfs

import (
	"context"
	"io"
	"sync/atomic"

	"gosync/internal/engine"
	"gosync/internal/unix"
	"gosync/walker/manifest"
	"gosync/walker/meta"
)

// readFlags open a file so that neither a symlink nor a FIFO that was put in
// its place does harm.
const readFlags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY

// file is a regular file that is open for reading.
type file struct {
	t      *Tree
	path   string
	fd     int
	opened *unix.Stat_t // its state when it was opened; nil where nobody asked
	asked  atomic.Bool  // Stat has told that state
}

// Open implements [engine.Source].
func (t *Tree) Open(ctx context.Context, path string) (engine.File, error) {
	f, _, err := t.open(ctx, path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (t *Tree) open(ctx context.Context, path string) (f *file, st *unix.Stat_t, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, nil, t.fail("open", path, err)
	}
	st = new(unix.Stat_t)
	how := readFlags
	if t.follows {
		how &^= unix.O_NOFOLLOW
	}
	err = t.in("open", path, func(d *dir, name string) error {
		fd, err := t.reading(func(flags int) (int, error) { return openRegular(d.fd, name, how|flags, st) })
		f = &file{t: t, path: path, fd: fd, opened: st}
		return err
	})
	return f, st, err
}

// reading calls open with the flags that keep what is opened from being marked as
// read, if that is wanted; only its owner may ask for that.
func (t *Tree) reading(open func(flags int) (int, error)) (int, error) {
	if t.quiet {
		if fd, err := open(noAccessTime); err != unix.EPERM {
			return fd, err
		}
	}
	return open(0)
}

// openRegular opens an existing regular file, and nothing else.
func openRegular(dirfd int, name string, flags int, st *unix.Stat_t) (int, error) {
	fd, err := openAt(dirfd, name, flags, 0)
	if err != nil {
		return -1, err
	}
	return regular(fd, st)
}

// regular closes what was opened and is no regular file.
func regular(fd int, st *unix.Stat_t) (int, error) {
	err := unix.Fstat(fd, st)
	if err == nil {
		if is := meta.TypeOf(uint32(st.Mode)); is != manifest.Regular {
			err = &typeError{is, manifest.Regular}
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// ReadFile implements [walker.Tree].
func (t *Tree) ReadFile(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, st, err := t.open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.all(st.Size, limit)
}

// all returns the content, of at most limit bytes, of a file that has size bytes, or had.
func (f *file) all(size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, f.t.fail("read", f.path, unix.EFBIG)
	}
	data := make([]byte, 0, size+1)
	for {
		n, err := f.ReadAt(data[len(data):cap(data)], int64(len(data)))
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, f.t.fail("read", f.path, unix.EFBIG) // it has grown
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		}
		data = append(data, 0)[:len(data)]
	}
}

// ReadAt implements [io.ReaderAt].
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m, err := unix.Pread(f.fd, p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, f.t.fail("read", f.path, err)
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// Stat implements [engine.File]. The first call tells the state in which the file
// was opened, which is known: whoever wants to know whether it has changed since asks
// twice.
func (f *file) Stat() (e manifest.Entry, err error) {
	st := f.opened
	if st == nil || f.asked.Swap(true) {
		st = new(unix.Stat_t)
		if err := unix.Fstat(f.fd, st); err != nil {
			return e, f.t.fail("stat", f.path, err)
		}
	}
	_, e.Name, _ = split(f.path)
	meta.Entry(&e, st)
	withDevice(&e, st)
	meta.AddCtime(&e, st)
	return e, nil
}

// NextData implements [engine.File].
func (f *file) NextData(off int64) (start, end int64, err error) {
	start, end, err = nextData(f.fd, off)
	return start, end, f.t.fail("seek", f.path, err)
}

// Close implements [io.Closer].
func (f *file) Close() error {
	return f.t.fail("close", f.path, unix.Close(f.fd))
}

// dupClosing returns another descriptor of an open file.
func dupClosing(fd int) (int, error) {
	return unix.Dup(fd)
}

func sizeOf(fd int) (int64, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return st.Size, err
}
