package sftpfs

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"gosync/internal/engine"
	"gosync/walker/manifest"
)

// file is a regular file that is open for reading. While it is read from the start
// to the end, what comes next is on its way already.
type file struct {
	ctx    context.Context //nolint:containedctx // of Open: reading has none of its own
	t      *Tree
	path   string
	name   string
	handle string
	size   atomic.Int64 // as it was looked up last

	mu     sync.Mutex
	fresh  *manifest.Entry  // what opening has seen, until somebody asks or reads
	was    *manifest.Entry  // as it was listed, where that was trusted, until somebody looks
	after  *request         // FSTAT behind all that was read; nil for none
	next   int64            // where the last read has ended
	window int64            // how far ahead is read; 0 at first
	ahead  map[int64]*block // by offset
}

// block is a range that was asked for.
type block struct {
	off  int64
	want int
	r    *request
	held bool // its room among what is read ahead is taken
	got  sync.Once
	data []byte
	err  error // io.EOF where the file ends within it
}

// Open implements [engine.Source].
func (t *Tree) Open(ctx context.Context, path string) (engine.File, error) {
	f, err := t.open(ctx, path)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (t *Tree) open(ctx context.Context, path string) (f *file, err error) {
	err = t.in(ctx, "open", path, func(_, name string) error {
		f, err = t.openRegular(ctx, path, name, flagRead, nil)
		return err
	})
	return f, err
}

// openRegular opens an existing regular file, and nothing else. A look comes first:
// the server would follow a symlink, and wait for the other end of a FIFO. has is
// what was seen of it, nil where nobody has looked.
func (t *Tree) openRegular(ctx context.Context, path, name string, flags uint32, has *attrs) (*file, error) {
	if has == nil {
		a, err := t.look(ctx, path)
		if err != nil {
			return nil, err
		}
		has = &a
	}
	if is := typeOf(has.perm); is != manifest.Regular {
		return nil, &typeError{is, manifest.Regular}
	}
	handle, err := t.h.open(ctx, t.at(path), flags, 0)
	if err != nil {
		return nil, err
	}
	f := &file{ctx: ctx, t: t, path: path, name: name, handle: handle, ahead: map[int64]*block{}}
	e, err := f.look(ctx)
	if err == nil && e.Type != manifest.Regular {
		err = &typeError{e.Type, manifest.Regular}
	}
	if err != nil {
		t.h.forget(handle)
		return nil, err
	}
	f.fresh = &e
	return f, nil
}

func (f *file) look(ctx context.Context) (manifest.Entry, error) {
	return f.looked(f.t.h.fstat(ctx, f.handle))
}

func (f *file) looked(a attrs, err error) (manifest.Entry, error) {
	if err != nil {
		return manifest.Entry{}, err
	}
	e, err := a.entry(f.name)
	if err == nil {
		f.size.Store(e.Size)
	}
	return e, err
}

// Stat implements [engine.File].
func (f *file) Stat() (manifest.Entry, error) {
	f.mu.Lock()
	fresh, after, was := f.fresh, f.after, f.was
	if f.fresh = nil; fresh == nil {
		f.after, f.was = nil, nil
	}
	f.mu.Unlock()
	if fresh != nil { // one request less for each small file
		return *fresh, nil
	}
	e, err := f.state(after, was)
	return e, f.t.fail("stat", f.path, err)
}

// NextData implements [engine.File]: nothing is known of holes.
func (f *file) NextData(off int64) (start, end int64, err error) {
	size := f.size.Load()
	return min(off, max(off, size)), max(off, size), nil
}

// Close implements [io.Closer].
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.handle != "" {
		f.t.h.forget(f.handle)
		f.handle = ""
		f.drop()
	}
	return nil
}

// drop gives up what was read ahead.
func (f *file) drop() {
	for _, b := range f.ahead {
		f.used(b)
	}
	f.window = 0
}

// used takes a block out of what is read ahead.
func (f *file) used(b *block) {
	if b.held {
		delete(f.ahead, b.off)
		b.held = false
		f.t.h.ahead.Release(int64(b.want))
	}
}

// ReadAt implements [io.ReaderAt]. One byte behind the size that the file had is
// read at the most: a file without end is one that has grown.
func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	limit := f.size.Load() + 1
	if off < 0 || off >= limit {
		return 0, io.EOF
	}
	short := int64(len(p)) > limit-off
	p = p[:min(int64(len(p)), limit-off)]
	blocks, err := f.request(off, len(p))
	for _, b := range blocks {
		if err != nil {
			break
		}
		data, berr := b.wait(f)
		from := int(off + int64(n) - b.off)
		if from < len(data) {
			n += copy(p[n:], data[from:])
		}
		if berr != nil && n < len(p) {
			err = berr
		}
	}
	if err == nil && short {
		err = io.EOF
	}
	if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, io.EOF
	}
	return n, f.t.fail("read", f.path, err)
}

// request asks for what a range needs that was not asked for yet, and for more
// where the file is read in order. It returns the blocks that make the range.
func (f *file) request(off int64, n int) ([]*block, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.handle == "" {
		return nil, errors.New("the file is closed")
	}
	f.fresh = nil
	end := off + int64(n)
	inOrder := off == f.next && (off > 0 || n >= f.t.h.readSize) || f.find(off) != nil
	if !inOrder {
		f.drop()
	}
	var blocks []*block
	for at := off; at < end; {
		b := f.find(at)
		if b == nil {
			var err error
			if b, err = f.start(at, int(min(int64(f.t.h.readSize), end-at))); err != nil {
				return blocks, err
			}
		}
		at = b.off + int64(b.want)
		if at <= end {
			f.used(b)
		}
		blocks = append(blocks, b)
	}
	f.next = end
	if inOrder {
		f.prefetch(end)
	}
	return blocks, nil
}

// find returns the block that was asked for and holds off.
func (f *file) find(off int64) *block {
	if b := f.ahead[off]; b != nil {
		return b
	}
	for _, b := range f.ahead { // there are few where reads do not end with a block
		if b.off <= off && off < b.off+int64(b.want) {
			return b
		}
	}
	return nil
}

// prefetch asks for what comes next, twice as far every time.
func (f *file) prefetch(end int64) {
	size := int64(f.t.h.readSize)
	f.window = min(max(2*f.window, 2<<20), 8<<20)
	at := end
	for b := f.find(at); b != nil; b = f.ahead[at] {
		at = b.off + int64(b.want)
	}
	for stop := min(end+f.window, f.size.Load()); at < stop; {
		n := min(size, f.size.Load()-at)
		if !f.t.h.ahead.TryAcquire(n) {
			return
		}
		b, err := f.start(at, int(n))
		if err != nil {
			f.t.h.ahead.Release(n)
			return // whoever reads there meets the error
		}
		b.held = true
		f.ahead[at] = b
		at += n
	}
}

func (f *file) start(off int64, n int) (*block, error) {
	f.after = nil // it is not behind this
	r, err := f.t.h.startRead(f.ctx, f.handle, off, n, nil)
	if err != nil {
		return nil, err
	}
	return &block{off: off, want: n, r: r}, nil
}

// wait returns the block's content, and io.EOF if it is shorter than it should be. A
// server may send less than was asked for; then the rest is asked for.
func (b *block) wait(f *file) ([]byte, error) {
	b.got.Do(func() {
		b.data, b.err = decodeData(f.ctx, b.r, b.want)
		for b.err == nil && len(b.data) < b.want {
			rest := b.want - len(b.data)
			r, err := f.t.h.startRead(f.ctx, f.handleNow(), b.off+int64(len(b.data)), rest, nil)
			var more []byte
			if err == nil {
				more, err = decodeData(f.ctx, r, rest)
			}
			b.data, b.err = append(b.data[:len(b.data):len(b.data)], more...), err
		}
	})
	return b.data, b.err
}

func (f *file) handleNow() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.handle
}
