package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/manifest"
)

// fileWriter is a reader of the source with the frame that it packs.
type fileWriter struct {
	s    *source
	pack *wire.Buffer
	buf  []byte

	plain *delta.Plain // of the file in hand; nil where it is not wanted
	sent  atomic.Int64 // content that was sent of it
}

func (w *fileWriter) do(ctx context.Context, t task) error {
	if t.kind == taskDelta {
		return w.delta(ctx, t.delta)
	}
	w.s.busy.Add(1)
	defer w.s.busy.Add(-1)
	switch t.kind {
	case taskSmall:
		for _, i := range t.entries {
			if err := w.small(ctx, wire.ID{Dir: t.dir, Entry: i}); err != nil {
				return err
			}
		}
		return nil
	case taskLarge:
		return w.large(ctx, t)
	case taskResend:
		w.s.prog.DoneFiles.Add(-1) // it will be done again
		return w.large(ctx, t)
	default:
		return w.check(ctx, t)
	}
}

func (w *fileWriter) flush(ctx context.Context) error {
	if w.pack == nil {
		return nil
	}
	b := w.pack
	w.pack = nil
	return w.s.conn.SendBuffer(ctx, b)
}

// open opens the file of an entry. When that fails the error has been reported
// and the destination told.
func (w *fileWriter) open(ctx context.Context, id wire.ID) (File, *manifest.Entry, error) {
	w.sent.Store(0)
	d, e, err := w.s.entry(id)
	if err != nil {
		return nil, nil, err
	}
	f, err := w.s.openEntry(ctx, d, id.Entry)
	if err != nil {
		return nil, e, w.failed(ctx, id, d, e, "open", err)
	}
	return f, e, nil
}

// openEntry opens the file behind an entry of a walked directory.
func (s *source) openEntry(ctx context.Context, d *walker.Dir, entry int) (File, error) {
	tree, path := d.Origin(entry)
	src, ok := tree.(Source)
	if !ok {
		return nil, fmt.Errorf("%s: %T has no content", path, tree)
	}
	if err := s.awaitTick(ctx, &d.Entries[entry]); err != nil {
		return nil, err
	}
	s.prog.moving(d.Path, d.Entries[entry].Name)
	if l, ok := src.(Lister); ok {
		return l.OpenListed(ctx, path, &d.Entries[entry])
	}
	return src.Open(ctx, path)
}

// failed reports that a file cannot be sent and tells the destination so.
func (w *fileWriter) failed(ctx context.Context, id wire.ID, d *walker.Dir, e *manifest.Entry, op string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if end := runError(w.s.conn, err); end != nil {
		return end
	}
	if isGone(err) {
		op, err = "vanished", fmt.Errorf("%w: %w", ErrVanished, err)
	}
	w.s.failed.Add(1)
	w.s.rep.fail(&FileError{Op: op, Path: manifest.Join(d.Path, e.Name), Err: err})
	w.s.fileDone()
	return w.s.conn.Send(ctx, &wire.FileEnd{ID: id, Failed: true, Size: w.sent.Load()})
}

func (s *source) fileDone() {
	s.prog.DoneFiles.Add(1)
}

func (s *source) moved(literal, done int64) {
	s.literal.Add(literal)
	s.prog.MovedBytes.Add(literal)
	s.prog.DoneBytes.Add(done)
}

// rereads is how often a file that changes while it is read is read again.
const rereads = 2

// small packs one small file.
func (w *fileWriter) small(ctx context.Context, id wire.ID) error {
	f, e, err := w.open(ctx, id)
	if f == nil {
		return err
	}
	defer f.Close()
	d, _, _ := w.s.entry(id)
	var content []byte
	for try := 0; ; try++ {
		before, err := f.Stat()
		if err != nil {
			return w.failed(ctx, id, d, e, "stat", err)
		}
		if before.Size > wire.MaxSmall {
			return w.stream(ctx, task{id: id}, d, e, f)
		}
		if content, err = w.readAll(f, before.Size); err != nil {
			return w.failed(ctx, id, d, e, "read", err)
		}
		after, err := f.Stat()
		if err != nil {
			return w.failed(ctx, id, d, e, "stat", err)
		}
		if sameState(&before, &after) && int64(len(content)) == after.Size {
			break
		}
		if try == rereads {
			return w.stream(ctx, task{id: id}, d, e, f) // whose end says that it changes
		}
	}
	if w.pack != nil && len(w.pack.B)+len(content)+wire.SmallHeader > wire.BulkSize {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if w.pack == nil {
		w.pack = w.s.conn.Buffer(wire.TypeFiles)
	}
	sum := delta.Sum(content)
	w.pack.B = wire.AppendFile(w.pack.B, id, sum, content)
	w.s.tellContent(d, e, int64(len(content)), sum)
	w.s.moved(int64(len(content)), e.Size)
	w.s.fileDone()
	return nil
}

// readAll reads a file of about size bytes, at most MaxSmall.
func (w *fileWriter) readAll(f File, size int64) ([]byte, error) {
	if w.buf == nil {
		w.buf = make([]byte, delta.ChunkSize)
	}
	n, err := f.ReadAt(w.buf[:size], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return w.buf[:n], nil
}

// large streams a file, or only the chunks named.
func (w *fileWriter) large(ctx context.Context, t task) error {
	f, e, err := w.open(ctx, t.id)
	if f == nil {
		return err
	}
	defer f.Close()
	d, _, _ := w.s.entry(t.id)
	return w.stream(ctx, t, d, e, f)
}

// stream sends a file chunk by chunk and ends it with the digest of the whole,
// or with that of nothing where only some chunks were asked for again.
func (w *fileWriter) stream(ctx context.Context, t task, d *walker.Dir, e *manifest.Entry, f File) error {
	id := t.id
	before, err := f.Stat()
	if err != nil {
		return w.failed(ctx, id, d, e, "stat", err)
	}
	var tree delta.Tree
	size := before.Size
	grows := growth{file: f, before: before}
	n := min(int64(t.held), size/delta.ChunkSize)
	if t.blind && n < int64(t.held) {
		return w.failed(ctx, id, d, e, "read", fmt.Errorf("%w: it shrank", ErrChanged))
	}
	if !t.blind {
		if err := w.heldChunks(ctx, id, f, n, &tree); err != nil {
			return w.failed(ctx, id, d, e, "read", err)
		}
	}
	first := int64(0) // of the chunks that count for the digest
	if t.blind {
		first = n
		w.s.prog.held(n * delta.ChunkSize)
	}
	w.plain = nil
	if w.s.learned != nil && !t.blind && t.held == 0 && len(t.chunks) == 0 {
		w.plain = new(delta.Plain)
	}
	next := nextChunk(t.chunks)
	for ; ; n++ {
		if n, err = next(n); err != nil {
			return err
		}
		off := n * delta.ChunkSize
		if off <= size && size <= off+delta.ChunkSize && t.chunks == nil && size == grows.before.Size { // the last one
			size = grows.size()
		}
		if off >= size {
			break
		}
		sum, got, err := w.chunk(ctx, id, f, off, size)
		if err != nil {
			return w.failed(ctx, id, d, e, "read", err)
		}
		tree.Add(sum)
		if got < min(delta.ChunkSize, size-off) {
			size = off + got // it shrank
		}
	}
	end := &wire.FileEnd{ID: id, Size: size, Digest: tree.Sum(size)}
	whole, err := grows.isWhole(func() (bool, error) {
		sum, err := w.digest(f, first, t.chunks, size)
		return sum == end.Digest, err
	})
	if err != nil {
		return w.failed(ctx, id, d, e, "read", err)
	}
	if end.Changed = !whole; end.Changed {
		w.s.rep.fail(&FileError{Op: "read", Path: manifest.Join(d.Path, e.Name), Err: ErrChanged})
	}
	if w.plain != nil && whole && size == grows.before.Size {
		w.s.tellContent(d, e, size, w.plain.Sum())
	}
	w.s.fileDone()
	return w.s.conn.Send(ctx, end) // it is a bulk message and so stays behind the content
}

// heldChunks sends the digests of the first n chunks of a file, which the
// destination holds, and adds them to the file's.
func (w *fileWriter) heldChunks(ctx context.Context, id wire.ID, f File, n int64, tree *delta.Tree) error {
	for first := int64(0); first < n; first += wire.HeldBatch {
		m := &wire.Held{ID: id, First: int(first)}
		count := min(wire.HeldBatch, n-first)
		part := io.NewSectionReader(f, first*delta.ChunkSize, count*delta.ChunkSize)
		_, err := delta.SumReaderAt(ctx, part, part.Size(), runtime.GOMAXPROCS(0), func(_ int64, sum delta.Digest) {
			m.Sums = append(m.Sums, sum)
			tree.Add(sum)
		})
		if err != nil {
			return err
		}
		if err := w.s.conn.Send(ctx, m); err != nil {
			return err
		}
		w.s.prog.held(part.Size())
	}
	return nil
}

// nextChunk returns a function that gives the next chunk to send at or behind
// n: every one, or those that were asked for.
func nextChunk(chunks []int) func(n int64) (int64, error) {
	if chunks == nil {
		return func(n int64) (int64, error) { return n, nil }
	}
	return func(n int64) (int64, error) {
		for _, c := range chunks {
			if int64(c) >= n {
				return int64(c), nil
			}
		}
		return 1 << 40, nil // behind any file's end
	}
}

// chunk sends the chunk of a file at off, cut into frames, and returns its
// digest and length.
func (w *fileWriter) chunk(ctx context.Context, id wire.ID, f File, off, size int64) (delta.Digest, int64, error) {
	if w.buf == nil {
		w.buf = make([]byte, delta.ChunkSize)
	}
	want := min(delta.ChunkSize, size-off)
	if start, _, err := f.NextData(off); err == nil && start >= off+want {
		return w.zeros(ctx, id, off, want)
	}
	n, err := f.ReadAt(w.buf[:want], off)
	if err != nil && !errors.Is(err, io.EOF) {
		return delta.Digest{}, 0, err
	}
	content := w.buf[:n]
	sum := delta.Sum(content)
	if w.plain != nil {
		w.plain.Add(content)
	}
	for first := true; first || len(content) > 0; first = false {
		piece := content[:min(len(content), wire.BulkSize)]
		content = content[len(piece):]
		m := wire.Data{ID: id, Offset: off, Last: len(content) == 0, Digest: sum}
		b := w.s.conn.Buffer(wire.TypeData)
		b.B = append(m.AppendHeader(b.B), piece...)
		if err := w.s.conn.SendBuffer(ctx, b); err != nil {
			return sum, 0, err
		}
		off += int64(len(piece))
	}
	w.s.moved(int64(n), int64(n))
	w.sent.Add(int64(n))
	return sum, int64(n), nil
}

// zeros sends a chunk that is a hole as its length.
func (w *fileWriter) zeros(ctx context.Context, id wire.ID, off, n int64) (delta.Digest, int64, error) {
	clear(w.buf[:n])
	if w.plain != nil {
		w.plain.Add(w.buf[:n])
	}
	m := wire.Data{ID: id, Offset: off, Zeros: n, Last: true, Digest: delta.Sum(w.buf[:n])}
	b := w.s.conn.Buffer(wire.TypeData)
	b.B = m.AppendHeader(b.B)
	w.s.moved(0, n)
	return m.Digest, n, w.s.conn.SendBuffer(ctx, b)
}
