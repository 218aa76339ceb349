package engine

import (
	"context"
	"fmt"

	"gosync/delta"
	"gosync/transport/wire"
)

// whole is a large file that is being received chunk by chunk.
type whole struct {
	d    *dest
	in   *incoming
	f    NewFile // nil after an error: the rest is read and dropped
	buf  []byte  // the chunk in hand
	base int64   // where it begins
	bad  []int   // chunks that arrived damaged
	size int64   // end of what has arrived
	tree delta.Tree
	err  error // of the file; reported at its end
}

// receiveWhole receives a large file, and again what of it was damaged.
func (d *dest) receiveWhole(ctx context.Context, in *incoming) error {
	w := &whole{d: d, in: in}
	w.create(ctx)
	for {
		over, err := w.pass(ctx)
		if err != nil {
			w.discard()
			return err
		}
		if over {
			return nil
		}
	}
}

func (w *whole) create(ctx context.Context) {
	f, err := w.d.tree.Create(ctx, w.in.path, w.d.createOptions(w.in.e.Size))
	if err != nil {
		w.err = err
		return
	}
	w.f = f
}

func (w *whole) discard() {
	if w.f != nil {
		_ = w.f.Discard() // there is an error to tell already
		w.f = nil
	}
}

// pass handles messages up to a FileEnd. over says that the file is dealt with.
func (w *whole) pass(ctx context.Context) (over bool, err error) {
	for {
		m, err := w.in.next(ctx)
		if err != nil {
			return false, err
		}
		switch msg := m.msg.(type) {
		case *wire.Data:
			err = w.data(msg)
			m.frame.Release()
		case *wire.FileEnd:
			return w.end(ctx, msg)
		default:
			err = fmt.Errorf("%w: message %d about %s, which is sent whole", wire.ErrProtocol, m.msg.Type(), w.in.shown)
		}
		if err != nil {
			return false, err
		}
	}
}

// data takes a piece of a chunk. An error is the peer's; those of the file are
// kept in w.err.
func (w *whole) data(m *wire.Data) error {
	if len(w.buf) == 0 {
		w.base = m.Offset
	}
	n := int64(len(m.Content)) + m.Zeros
	switch {
	case m.Offset != w.base+int64(len(w.buf)) || w.base%delta.ChunkSize != 0:
		return fmt.Errorf("%w: a piece of %s at %d is out of order", wire.ErrProtocol, w.in.shown, m.Offset)
	case int64(len(w.buf))+n > delta.ChunkSize:
		return fmt.Errorf("%w: a chunk of %s is too long", wire.ErrProtocol, w.in.shown)
	}
	if w.buf == nil {
		w.buf = make([]byte, 0, delta.ChunkSize)
	}
	if m.Zeros > 0 {
		w.buf = append(w.buf, make([]byte, m.Zeros)...)
	} else {
		w.buf = append(w.buf, m.Content...)
	}
	w.d.received(int64(len(m.Content)), n)
	if !m.Last {
		return nil
	}
	if delta.Sum(w.buf) != m.Digest {
		w.bad = append(w.bad, int(w.base/delta.ChunkSize))
	}
	w.tree.Add(m.Digest)
	w.size = max(w.size, w.base+int64(len(w.buf)))
	if w.f != nil {
		if _, err := w.f.WriteAt(w.buf, w.base); err != nil {
			w.err = err
			w.discard()
		}
	}
	w.buf = w.buf[:0]
	return nil
}

// end handles the end of a pass.
func (w *whole) end(ctx context.Context, m *wire.FileEnd) (over bool, err error) {
	d, in := w.d, w.in
	switch {
	case m.Failed:
		w.discard()
		d.finished(in)
		return true, nil
	case w.err != nil:
		d.finished(in)
		return true, d.fileFailed("write", in.shown, w.err)
	case len(w.buf) > 0:
		return false, fmt.Errorf("%w: %s ends within a chunk", wire.ErrProtocol, in.shown)
	}
	partialPass := in.tries == 1
	if !partialPass && (w.size != m.Size || w.tree.Sum(m.Size) != m.Digest) {
		return false, fmt.Errorf("%w: %s ends at %d, %d announced, or its digests do not make its digest", wire.ErrProtocol, in.shown, w.size, m.Size)
	}
	if len(w.bad) == 0 {
		d.commit(ctx, in, w.f, w.size)
		w.f = nil
		return true, nil
	}
	bad := w.bad
	w.bad, w.tree = nil, delta.Tree{}
	if in.tries+1 == 2 {
		w.size = 0
	}
	if err := d.again(ctx, in, bad); err != nil {
		return false, err
	}
	if in.tries > 2 {
		w.discard()
		return true, nil
	}
	return false, nil
}
