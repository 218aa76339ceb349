package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"gosync/delta"
)

// copyLocal copies a file whose source is on this machine.
func (d *dest) copyLocal(ctx context.Context, in *incoming) error {
	s := d.local
	s.prog.TotalFiles.Add(1)
	s.prog.TotalBytes.Add(in.e.Size)
	dir, _, err := s.entry(in.id)
	if err != nil {
		return err
	}
	defer s.prog.DoneFiles.Add(1)
	src, err := s.openEntry(ctx, dir, in.id.Entry)
	if err != nil {
		defer d.finished(in)
		d.lose(in.id)
		if isGone(err) {
			d.fail("vanished", in.shown, fmt.Errorf("%w: %w", ErrVanished, err))
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.fail("open", in.shown, err)
		return nil
	}
	defer src.Close()
	size, f, changed, err := d.copyContent(ctx, in, src)
	if err != nil {
		defer d.finished(in)
		d.lose(in.id)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return d.fileFailed("copy", in.shown, err)
	}
	d.commit(ctx, in, f, size, changed)
	return nil
}

// copyContent copies the content of src, by the kernel where it can, and again
// where src changed meanwhile.
func (d *dest) copyContent(ctx context.Context, in *incoming, src File) (size int64, f NewFile, changed bool, err error) {
	var from int64
	for try := 0; ; try++ {
		before, err := src.Stat()
		if err != nil {
			return 0, nil, false, err
		}
		from, err = d.copyStart(ctx, in, src, before.Size)
		if err != nil {
			return 0, nil, false, err
		}
		if f, err = in.create(ctx, d, nil); err != nil {
			return 0, nil, false, err
		}
		size = before.Size
		var moved int64
		size, moved, err = d.copyFrom(ctx, in, src, f, from, size)
		if err != nil {
			giveUp(f)
			return 0, nil, false, err
		}
		after, err := src.Stat()
		if err != nil {
			removeFile(f)
			return 0, nil, false, err
		}
		if sameState(&before, &after) {
			break
		}
		if try == rereads {
			d.fail("read", in.shown, ErrChanged)
			changed = true
			break
		}
		removeFile(f) // it is made again
		d.local.moved(-moved, -moved)
	}
	d.literal.Add(size - from)
	d.matched.Add(from)
	d.local.prog.held(from)
	return size, f, changed, nil
}

// copyStart returns from where on a file has to be copied: what an earlier run
// has copied is compared, and what is appended to is trusted or compared.
func (d *dest) copyStart(ctx context.Context, in *incoming, src File, size int64) (int64, error) {
	switch {
	case in.append && in.keepTo <= size:
		if in.blind > 0 || len(in.held) == 0 {
			return in.keepTo, nil
		}
		old, err := d.tree.Open(ctx, in.path)
		if err != nil {
			return 0, err
		}
		defer old.Close()
		n, err := samePrefix(ctx, old, src, min(size, int64(len(in.held))*delta.ChunkSize))
		return int64(n) * delta.ChunkSize, err
	case in.part != nil && d.distant() && !d.job.Checksum:
		// To read the source again would cost what is to be saved: that it is the
		// same state of the same file has to do.
		in.same = len(in.held)
		return int64(in.same) * delta.ChunkSize, nil
	case in.part != nil:
		n, err := samePrefix(ctx, in.part, src, size)
		in.same = n
		return int64(n) * delta.ChunkSize, err
	}
	return 0, nil
}

// copyFrom copies the content of src from an offset on, and returns where it ends
// and how much was copied.
func (d *dest) copyFrom(ctx context.Context, in *incoming, src File, f NewFile, from, size int64) (end, moved int64, err error) {
	plain := (*delta.Plain)(nil)
	if from == 0 {
		cloned, p, err := d.digests(ctx, in, src, f, size)
		if cloned || err != nil {
			d.local.moved(size, size)
			return size, size, err
		}
		plain = p
	}
	if from == 0 && plain == nil && !d.job.Sparse { // which has to see the zeros
		if ok, err := f.CopyFrom(ctx, src, size); ok || err != nil {
			d.local.moved(size, size)
			return size, size, err
		}
	}
	c := &chunkCopy{d: d, src: src, f: f, end: size, next: from / delta.ChunkSize, sums: map[int64]delta.Digest{}}
	c.plain = plain
	c.holes = (d.job.Sparse || plain != nil) && !d.job.InPlace && !in.append
	c.notes = d.distant() && d.keeps(in.e.Size) && from%delta.ChunkSize == 0
	err = c.run(ctx, from)
	if plain != nil && err == nil {
		d.knows(in, plain.Sum())
	}
	if err == nil && !c.holes && c.end == size && c.moved != c.end-from { // where it shrank it is read again
		err = fmt.Errorf("%d of %d bytes were copied: %w", c.moved, c.end-from, io.ErrUnexpectedEOF)
	}
	return c.end, c.moved, err
}

// chunkCopy copies a file chunk by chunk through memory, leaving holes alone. Where
// a line lies between, several chunks are under way at a time.
type chunkCopy struct {
	d     *dest
	src   File
	f     NewFile
	holes bool         // nothing stands where the source has holes: they are left out
	plain *delta.Plain // of the content, which comes in order then; nil where that is not wanted
	notes bool         // the file may be gone on with: its chunks are digested

	mu    sync.Mutex
	end   int64                  // of the source's file: less than expected where it shrank
	moved int64                  // bytes that were copied
	next  int64                  // the chunk that Landed is to tell of next
	sums  map[int64]delta.Digest // of those behind it that have landed
	zeros delta.Digest           // of a chunk of them, where it was needed
	gap   bool                   // there was a hole that takes too much to note: no chunk is told of any more
}

// chunkRoom is how much all files together have under way, in bytes. Small files
// take little of it: behind a line many of them have to be.
const chunkRoom = 32 * delta.ChunkSize

// maxSkip is the longest hole whose chunks are noted, in bytes: each takes a record.
const maxSkip = 64 << 30

func (c *chunkCopy) run(ctx context.Context, from int64) error {
	width := int64(1)
	if c.d.distant() {
		width = 4
	}
	g, part := errgroup.WithContext(ctx)
	g.SetLimit(int(width))
	for off := from; off < c.size() && part.Err() == nil; {
		if next := c.data(off); next > off {
			c.skip(ctx, off, next)
			if c.plain != nil {
				c.plain.AddZeros(next - off)
			}
			off = next
			continue
		}
		at, want := off, min(delta.ChunkSize-off%delta.ChunkSize, c.size()-off)
		if width == 1 {
			if err := c.chunk(ctx, at, want); err != nil {
				return err
			}
		} else {
			g.Go(func() error { return c.chunk(part, at, want) })
		}
		off += want
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// data returns the next chunk from off on that is not a hole as a whole.
func (c *chunkCopy) data(off int64) int64 {
	if !c.holes || off%delta.ChunkSize != 0 {
		return off
	}
	start, _, err := c.src.NextData(off)
	if err != nil || start < off+delta.ChunkSize {
		return off
	}
	if size := c.size(); start >= size {
		return size
	}
	return start - start%delta.ChunkSize
}

// skip notes chunks that are holes and need not be written.
func (c *chunkCopy) skip(ctx context.Context, off, end int64) {
	if !c.notes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if end-off > maxSkip {
		c.gap = true
		return
	}
	if c.zeros == (delta.Digest{}) {
		c.zeros = delta.Sum(make([]byte, delta.ChunkSize))
	}
	for ; off+delta.ChunkSize <= end; off += delta.ChunkSize {
		c.note(ctx, off, c.zeros)
	}
}

func (c *chunkCopy) size() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// chunk copies one piece.
func (c *chunkCopy) chunk(ctx context.Context, off, want int64) error {
	if err := c.d.chunks.Acquire(ctx, want); err != nil {
		return err
	}
	defer c.d.chunks.Release(want)
	buf := c.d.chunkBuffer(want)
	defer c.d.bufs.Put(&buf)
	n, err := c.src.ReadAt(buf, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n > 0 {
		if _, err := c.f.WriteAt(buf[:n], off); err != nil {
			return err
		}
	}
	c.d.local.moved(int64(n), int64(n))
	if c.plain != nil {
		c.plain.Add(buf[:n])
	}
	c.landed(ctx, off, buf[:n], want)
	return nil
}

// landed notes what was copied, in order.
func (c *chunkCopy) landed(ctx context.Context, off int64, content []byte, want int64) {
	var sum delta.Digest
	whole := c.notes && int64(len(content)) == delta.ChunkSize
	if whole {
		sum = delta.Sum(content)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved += int64(len(content))
	if int64(len(content)) < want { // it shrank
		c.end = min(c.end, off+int64(len(content)))
	}
	if whole {
		c.note(ctx, off, sum)
	}
}

// note tells of the chunk at off, and of those behind it that have waited for that.
// c.mu is held.
func (c *chunkCopy) note(ctx context.Context, off int64, sum delta.Digest) {
	if c.gap {
		return
	}
	c.sums[off/delta.ChunkSize] = sum
	for {
		sum, ok := c.sums[c.next]
		if !ok {
			return
		}
		delete(c.sums, c.next)
		c.next++
		c.f.Landed(ctx, sum)
	}
}

// chunkBuffer returns memory for n bytes of a chunk.
func (d *dest) chunkBuffer(n int64) []byte {
	if b, ok := d.bufs.Get().(*[]byte); ok && int64(cap(*b)) >= n {
		return (*b)[:n]
	}
	return make([]byte, n)
}

// distant reports whether an end of a run in this process lies behind a line.
func (d *dest) distant() bool { return d.width > 0 }

// widen deals with more files at a time where a tree lies behind a line.
func (d *dest) widen(ctx context.Context) {
	if t, ok := d.tree.(Distant); ok {
		d.width = t.Parallel()
	}
	if d.local != nil {
		d.width = max(d.width, d.local.forest.parallel())
	}
	for range d.width - writers {
		d.group.Go(func() error {
			err := d.doJobs(ctx)
			if errors.Is(err, context.Canceled) && !d.ended() {
				return nil // everything is done
			}
			return err
		})
	}
}
