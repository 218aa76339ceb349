package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"

	"gosync/delta"
	"gosync/walker/manifest"
)

// basisFiles are the files that a delta is made against: the old one, a partial
// of another state of the source, or both, the partial in front.
type basisFiles struct {
	io.ReaderAt
	files []io.Closer
	plain File // the old file, where it is all there is, and so large that a clone of it pays; or nil
}

func (b *basisFiles) close() {
	for _, f := range b.files {
		_ = f.Close() // it was only read
	}
}

// basis opens what a file is made from. An error says that there is nothing.
func (d *dest) basis(ctx context.Context, in *incoming) (*basisFiles, int64, error) {
	b := &basisFiles{}
	var size int64
	old, err := d.openBasis(ctx, in)
	if err == nil {
		b.files = append(b.files, old)
		var st manifest.Entry
		if st, err = old.Stat(); err == nil && st.Size >= minDelta {
			b.ReaderAt, size = old, st.Size
		}
	}
	if in.part != nil && len(in.held) == 0 {
		if st, err := in.part.Stat(); err == nil && st.Size > 0 {
			in.base, in.part = in.part, nil
			b.files = append(b.files, in.base)
			b.ReaderAt, size = &joined{first: in.base, size: st.Size, then: orNothing(b.ReaderAt)}, size+st.Size
		}
	}
	if size < minDelta && len(in.held) == 0 {
		b.close()
		in.base = nil
		if err == nil {
			err = errors.New("the basis is too small")
		}
		return nil, 0, err
	}
	if in.base == nil && in.part == nil && size >= minClone && !d.job.InPlace && !d.job.Sparse && d.job.Durability != SyncNone {
		b.plain = old
	}
	b.ReaderAt = orNothing(b.ReaderAt)
	return b, size, nil
}

// orNothing returns r, or a file without content.
func orNothing(r io.ReaderAt) io.ReaderAt {
	if r == nil {
		return bytes.NewReader(nil)
	}
	return r
}

// steady is a basis that can always be read: what cannot is zeros. A basis may
// shrink or become unreadable while it is used; the chunks that are made from
// such zeros do not have their digests and are sent whole.
type steady struct{ io.ReaderAt }

func (s steady) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(p, off)
	if err != nil {
		clear(p[n:])
	}
	return len(p), nil
}

// begin begins the file, as late as can be: what is left of another run may be a part of the
// basis. Where it is a clone of the old file that is read from then on: what is not written of
// it is what was digested, whatever becomes of the old file.
func (p *patch) begin(ctx context.Context) {
	defer p.d.conn.Work()()
	p.begun = true
	if p.f, p.err = p.in.create(ctx, p.d, p.plain); p.err != nil {
		return
	}
	c, ok := p.f.(Cloned)
	if !ok {
		return
	}
	if clone, err := c.Cloned(); err == nil && clone != nil { // else all of it is written
		p.clone = clone
		p.patcher.Over(steady{&noting{clone, &p.unread}})
	}
}

// noting notes that something could not be read.
type noting struct {
	io.ReaderAt
	failed *atomic.Bool
}

// ReadAt implements [io.ReaderAt].
func (r *noting) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		r.failed.Store(true)
	}
	return n, err
}

// minClone is the size in bytes from which a clone is worth its price. It has to be read from
// the disk, whatever of the old file is in memory: where nothing is synced, writing everything
// anew is faster.
const minClone = delta.ChunkSize
