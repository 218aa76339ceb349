package sftpfs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"gosync/delta"
	"gosync/internal/engine"
)

// Granules in bytes: of holes, of what is compared, and how much of one file may be
// written without an answer.
const (
	holeSize    = 64 << 10
	compareSize = 16 << 10
	maxBehind   = 8 << 20
)

// CopyFrom implements [engine.NewFile]: the server copies nothing from elsewhere.
func (f *newFile) CopyFrom(context.Context, engine.File, int64) (bool, error) { return false, nil }

// WriteAt implements [io.WriterAt]. Except in place it does not wait until the
// server has answered; a failure shows with the next write, or with Commit.
func (f *newFile) WriteAt(p []byte, off int64) (n int, err error) {
	if err := f.touch(); err != nil {
		return 0, f.t.fail("write", f.path, err)
	}
	switch {
	case f.old != nil:
		err = f.writeDiffering(p, off)
	case f.how.Sparse:
		err = f.writeSparse(p, off)
	default:
		err = f.write(p, off)
	}
	if err == nil && f.temp == "" {
		if err = f.settleWrites(f.ctx, 0); err == nil {
			err = f.retouch()
		}
	}
	if err != nil {
		return 0, f.t.fail("write", f.path, err)
	}
	return len(p), nil
}

// write queues the writing of p.
func (f *newFile) write(p []byte, off int64) error {
	if off < f.end.Load() {
		if err := f.settleWithin(f.ctx, off, off+int64(len(p))); err != nil {
			return err
		}
	}
	for len(p) > 0 {
		part := p[:min(len(p), f.t.h.writeSize)]
		n := int64(len(part))
		if err := f.t.h.behind.Acquire(f.ctx, n); err != nil {
			return context.Cause(f.ctx)
		}
		r, err := f.t.h.startWrite(f.ctx, f.handle, off, part, func() { f.t.h.behind.Release(n) })
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.pending = append(f.pending, &pendingWrite{r: r, from: off, to: off + n})
		f.mu.Unlock()
		p, off = p[n:], off+n
		raise(&f.end, off)
	}
	return f.settleWrites(f.ctx, maxBehind)
}

// pendingWrite is a write that may not be answered yet.
type pendingWrite struct {
	r        *request
	from, to int64 // of the file
	mu       sync.Mutex
	ok       bool // it was answered
}

// settle waits for the answer. That nobody waits any more is no failure of the file.
func (f *newFile) settle(ctx context.Context, w *pendingWrite) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ok {
		return nil
	}
	_, err := w.r.want(ctx, fxpStatus)
	if err != nil && ctx.Err() != nil {
		return err
	}
	w.ok = true
	if err != nil {
		err = f.t.explainFull(ctx, f.dir, err)
		f.mu.Lock()
		if f.failed == nil {
			f.failed = err
		}
		f.mu.Unlock()
	}
	return nil
}

// settleWrites waits until at most so many bytes are not answered.
func (f *newFile) settleWrites(ctx context.Context, limit int) error {
	for {
		f.mu.Lock()
		if len(f.pending) == 0 || len(f.pending)*f.t.h.writeSize <= limit {
			err := f.failed
			f.mu.Unlock()
			return err
		}
		w := f.pending[0]
		f.mu.Unlock()
		if err := f.settle(ctx, w); err != nil {
			return err
		}
		f.mu.Lock()
		if len(f.pending) > 0 && f.pending[0] == w {
			f.pending = f.pending[1:]
		}
		f.mu.Unlock()
	}
}

// settleSoFar waits until what is written now is answered. More may be written
// meanwhile.
func (f *newFile) settleSoFar(ctx context.Context) error {
	f.mu.Lock()
	all := slices.Clone(f.pending)
	f.mu.Unlock()
	for _, w := range all {
		if err := f.settle(ctx, w); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// settleWithin waits until what is written to a range of the file is answered: some
// servers do not keep to the order of requests that overlap.
func (f *newFile) settleWithin(ctx context.Context, from, to int64) error {
	f.mu.Lock()
	var within []*pendingWrite
	for _, w := range f.pending {
		if w.from < to && from < w.to {
			within = append(within, w)
		}
	}
	f.mu.Unlock()
	for _, w := range within {
		if err := f.settle(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// explainFull finds out whether a failure to write is due to the disk being full.
func (t *Tree) explainFull(ctx context.Context, dir string, err error) error {
	if !isFailure(err) {
		return err
	}
	if free, known := t.h.space(ctx, t.at(dir)); known && free < 1<<20 {
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	}
	return err
}

// writeSparse writes p without its zeros where nothing stands yet.
func (f *newFile) writeSparse(p []byte, off int64) error {
	for len(p) > 0 {
		n := min(holeSize-int(off%holeSize), len(p))
		if off < max(f.size, f.end.Load()) || !isZero(p[:n]) {
			if err := f.write(p[:n], off); err != nil {
				return err
			}
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func isZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// writeDiffering reads what stands there and writes what is not the same.
func (f *newFile) writeDiffering(p []byte, off int64) error {
	old := make([]byte, len(p))
	n, err := f.old.ReadAt(old, off)
	if err != nil && err != io.EOF {
		n = 0 // what cannot be read is written
	}
	n = min(n, int(min(max(f.size-off, 0), int64(len(p))))) // behind what was there something may have been written
	from := -1                                              // of what differs
	for at := 0; at < len(p); at += compareSize {
		end := min(at+compareSize, len(p))
		if same := end <= n && bytes.Equal(p[at:end], old[at:end]); !same {
			if from < 0 {
				from = at
			}
			continue
		}
		if from >= 0 {
			if err := f.write(p[from:at], off+int64(from)); err != nil {
				return err
			}
			from = -1
		}
	}
	if from >= 0 {
		return f.write(p[from:], off+int64(from))
	}
	raise(&f.end, off+int64(len(p)))
	return nil
}

// raise makes a at least v.
func raise(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

// touch is called before anything is written. A file that is written in place is
// marked and loses its time first, so that it cannot be taken for what it was or
// shall be.
func (f *newFile) touch() error {
	f.wrote.Store(true)
	if f.temp != "" {
		return nil
	}
	f.spoil.Do(func() {
		if !f.made && f.side == nil {
			if err := f.markInPlace(); err != nil {
				f.unmarked(err)
			}
		}
		f.spoilErr = f.retouch()
	})
	return f.spoilErr
}

// retouch takes away the time that writing has set.
func (f *newFile) retouch() error {
	if f.temp != "" {
		return nil
	}
	return f.setTime(f.ctx, engine.UnfinishedTime(f.how.Sec))
}

func (f *newFile) setTime(ctx context.Context, sec int64) error {
	return f.t.h.make(ctx, setstat(fxpFsetstat, f.handle, attrs{flags: attrTimes, atime: f.t.now(), mtime: uint32(sec)}))
}

// Landed implements [engine.NewFile].
func (f *newFile) Landed(_ context.Context, sum delta.Digest) {
	if f.ckpt != nil {
		f.ckpt.Landed(sum)
	}
}
