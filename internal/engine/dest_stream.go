package engine

import (
	"context"
	"fmt"

	"gosync/delta"
	"gosync/transport/wire"
)

// whole is a large file that is being received chunk by chunk: all of them in
// order, or those that arrived damaged once more.
type whole struct {
	d    *dest
	in   *incoming
	f    NewFile // nil after an error: the rest is read and dropped
	err  error   // of the file; reported at its end
	buf  []byte  // the chunk in hand
	base int64   // where it begins

	prefix  prefix         // what is held of it
	inOrder bool           // all chunks so far have arrived whole, in the first pass
	sums    []delta.Digest // of the chunks, as the source announced them when it sent all
	size    int64          // end of what has arrived
	bad     []int          // chunks that arrived damaged in this pass
	again   bool           // this pass has only the chunks in todo
	todo    []int          // chunks that are still to come
	changed bool           // the source said so of the first pass
	plain   *delta.Plain   // of the content, where it is wanted and comes in order; nil for none
	other   bool           // a chunk came that is not the one of the first pass: the source has changed
}

// receiveWhole receives a large file, and again what of it was damaged.
func (d *dest) receiveWhole(ctx context.Context, in *incoming) error {
	w := &whole{d: d, in: in, prefix: prefix{held: in.held}, inOrder: true}
	d.prog.moving(in.dir.shown, in.e.Name)
	if in.blind > 0 {
		w.size = in.blind * delta.ChunkSize
		d.receivedBefore(w.size)
	}
	if d.learned != nil && in.blind == 0 && len(in.held) == 0 {
		w.plain = new(delta.Plain)
	}
	f, err := in.create(ctx, d, nil)
	if err != nil {
		w.err = err
	} else {
		w.f = f
	}
	return w.run(ctx)
}

// run handles messages until the file is dealt with.
func (w *whole) run(ctx context.Context) error {
	for {
		over, err := w.step(ctx)
		if err != nil {
			giveUp(w.f)
			return err
		}
		if over {
			return nil
		}
	}
}

// drop ends the file without keeping anything of it.
func (w *whole) drop() {
	removeFile(w.f)
	w.f = nil
}

// step handles one message. over says that the file is dealt with.
func (w *whole) step(ctx context.Context) (over bool, err error) {
	m, err := w.in.next(ctx)
	if err != nil {
		return false, err
	}
	switch msg := m.msg.(type) {
	case *wire.Data:
		err = w.data(ctx, msg)
		m.frame.Release()
	case *wire.Held:
		err = w.heldChunks(ctx, msg)
	case *wire.FileEnd:
		return w.end(ctx, msg)
	default:
		err = fmt.Errorf("%w: message %d about %s, which is sent whole", wire.ErrProtocol, m.msg.Type(), w.in.shown)
	}
	return false, err
}

// heldChunks takes the digests of chunks that are there already.
func (w *whole) heldChunks(_ context.Context, m *wire.Held) error {
	if w.again || len(w.buf) > 0 || w.size != int64(w.prefix.next)*delta.ChunkSize {
		return fmt.Errorf("%w: digests of what is held of %s come late", wire.ErrProtocol, w.in.shown)
	}
	bad, err := w.prefix.take(w.in, m)
	if err != nil {
		return err
	}
	w.bad = append(w.bad, bad...)
	w.sums = append(w.sums, m.Sums...)
	w.size += int64(len(m.Sums)) * delta.ChunkSize
	w.d.matchedHeld(len(m.Sums))
	return nil
}

// matchedHeld counts chunks that need not be sent because they are there.
func (d *dest) matchedHeld(chunks int) {
	n := int64(chunks) * delta.ChunkSize
	d.matched.Add(n)
	d.receivedBefore(n)
}

// data takes a piece of a chunk. An error is the peer's; those of the file are
// kept in w.err.
func (w *whole) data(ctx context.Context, m *wire.Data) error {
	if len(w.buf) == 0 {
		w.base = m.Offset
		if err := w.begins(); err != nil {
			return err
		}
	}
	n := int64(len(m.Content)) + m.Zeros
	if n == 0 && !m.Last {
		return fmt.Errorf("%w: an empty piece of %s", wire.ErrProtocol, w.in.shown)
	}
	if m.Offset != w.base+int64(len(w.buf)) || int64(len(w.buf))+n > delta.ChunkSize {
		return fmt.Errorf("%w: a piece of %s at %d is out of order", wire.ErrProtocol, w.in.shown, m.Offset)
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
	if m.Last {
		w.chunk(ctx, m.Digest)
	}
	return nil
}

// begins checks that the chunk at w.base is the one that comes next.
func (w *whole) begins() error {
	next := w.size
	if w.again {
		next = -1
		if len(w.todo) > 0 {
			next = int64(w.todo[0]) * delta.ChunkSize
		}
	}
	if w.base != next || w.base%delta.ChunkSize != 0 {
		return fmt.Errorf("%w: a chunk of %s at %d is out of order", wire.ErrProtocol, w.in.shown, w.base)
	}
	return nil
}

// chunk takes a complete chunk.
func (w *whole) chunk(ctx context.Context, sum delta.Digest) {
	n := int(w.base / delta.ChunkSize)
	good := delta.Sum(w.buf) == sum
	if !good {
		w.bad, w.inOrder = append(w.bad, n), false
	}
	if w.again {
		w.todo = w.todo[1:]
		w.other = w.other || sum != w.sums[n-int(w.in.blind)]
	} else {
		w.sums = append(w.sums, sum)
		w.size += int64(len(w.buf))
		if w.plain != nil {
			w.plain.Add(w.buf)
		}
	}
	w.write(ctx, sum)
	w.buf = w.buf[:0]
}

// write puts the chunk in hand into the file.
func (w *whole) write(ctx context.Context, sum delta.Digest) {
	if w.f == nil {
		return
	}
	defer w.d.conn.Work()()
	keep := min(max(w.in.keepTo-w.base, 0), int64(len(w.buf))) // these bytes are not to be changed
	if _, err := w.f.WriteAt(w.buf[keep:], w.base+keep); err != nil {
		w.err = err
		w.drop()
		return
	}
	if w.inOrder && !w.again {
		w.f.Landed(ctx, sum)
	}
}

// end handles the end of a pass.
func (w *whole) end(ctx context.Context, m *wire.FileEnd) (over bool, err error) {
	d, in := w.d, w.in
	switch {
	case m.Failed:
		d.unsent.Add(1)
		w.drop()
		d.lose(in.id)
		d.finished(in)
		return true, nil
	case w.err != nil:
		defer d.finished(in)
		d.lose(in.id)
		return true, d.fileFailed("write", in.shown, w.err)
	case len(w.buf) > 0:
		return false, fmt.Errorf("%w: %s ends within a chunk", wire.ErrProtocol, in.shown)
	case !w.again && !sumsMake(w.sums, w.size, m):
		return false, fmt.Errorf("%w: %s ends at %d, %d announced, or its digests do not make its digest", wire.ErrProtocol, in.shown, w.size, m.Size)
	}
	w.changed = m.Changed || w.again && w.changed
	if w.other || len(w.todo) > 0 {
		w.bad = nil // the chunks do not belong together: all of it
	} else if len(w.bad) == 0 {
		if w.plain != nil && !w.again {
			d.knows(in, w.plain.Sum())
		}
		d.commit(ctx, in, w.f, w.size, w.changed)
		w.f = nil
		return true, nil
	}
	return w.ask(ctx)
}

// ask asks for the damaged chunks again, or for everything.
func (w *whole) ask(ctx context.Context) (over bool, err error) {
	all, given, err := w.d.again(ctx, w.in, w.bad)
	if given {
		w.drop()
		return true, err
	}
	w.again, w.todo, w.bad, w.other, w.inOrder = !all, w.bad, nil, false, false
	if all {
		w.in.blind, w.in.keepTo = 0, 0
		w.todo, w.sums, w.size = nil, nil, 0
	}
	return false, err
}

// sumsMake reports whether the chunks' digests make the digest of the file that
// its end announces.
func sumsMake(sums []delta.Digest, size int64, m *wire.FileEnd) bool {
	var tree delta.Tree
	for _, s := range sums {
		tree.Add(s)
	}
	return size == m.Size && tree.Sum(size) == m.Digest
}
