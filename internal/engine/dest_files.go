package engine

import (
	"context"
	"fmt"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// incoming is a file that was asked for.
type incoming struct {
	id    wire.ID
	dir   *destDir
	e     *manifest.Entry // of the source
	want  manifest.Entry  // as it is to be
	attrs manifest.Attrs
	path  string // at the destination
	shown string
	basis int64 // size of the file that is there, negative if there is none
	delta bool  // asked for as a delta

	stream chan streamed // to the goroutine that receives it, nil before it exists
	tries  int           // how often it was asked for again
}

// streamed is a message about a file, with the frame that holds its bytes.
type streamed struct {
	frame wire.Frame
	msg   wire.Msg
}

// request asks for the files of a directory that were found to be needed.
func (p *planner) request(ctx context.Context, dir *destDir) error {
	d := p.d
	if len(p.checks) > 0 {
		d.startChecks(ctx, dir, p.checks)
		p.checks = nil
	}
	if len(p.wants) == 0 {
		return nil
	}
	wants := p.wants
	p.wants = nil
	var whole []int
	for _, i := range wants {
		e := &dir.entries[i]
		in := d.expect(dir, i, e, dir.find(d.nameFor(dir, e)))
		switch {
		case in.delta:
			d.jobs.put(func() error { return d.startDelta(ctx, in) })
		case d.local != nil:
			d.jobs.put(func() error { return d.copyLocal(ctx, in) })
		default:
			whole = append(whole, i)
		}
	}
	if len(whole) == 0 {
		return nil
	}
	return d.conn.Send(ctx, &wire.Want{Dir: dir.index, Entries: whole})
}

// minDelta is the size in bytes of basis and target from which a delta is
// smaller than the file often enough.
const minDelta = 4 << 10

// expect registers a file before it is asked for.
func (d *dest) expect(dir *destDir, i int, e, dst *manifest.Entry) *incoming {
	in := &incoming{id: wire.ID{Dir: dir.index, Entry: i}, dir: dir, e: e, path: d.pathFor(dir, e), shown: shownPath(dir, e), basis: -1}
	if dst != nil && !dst.IsRegular() {
		dst = nil
	}
	in.want = d.wanted(e, dst)
	in.attrs = d.allAttrs(&in.want)
	if dst != nil {
		in.basis = dst.Size
		in.delta = !d.job.WholeFile && dst.Size >= minDelta && e.Size >= minDelta
	}
	d.mu.Lock()
	d.files[in.id] = in
	d.mu.Unlock()
	d.work.Add(1)
	if d.local == nil {
		d.prog.TotalFiles.Add(1)
		d.prog.TotalBytes.Add(e.Size)
	}
	return in
}

// finished ends the dealing with a file, in whatever way.
func (d *dest) finished(in *incoming) {
	d.mu.Lock()
	delete(d.files, in.id)
	d.mu.Unlock()
	if d.local == nil {
		d.prog.DoneFiles.Add(1)
	}
	d.work.Done()
}

// lookup returns a file that was asked for, and its stream if it has one.
func (d *dest) lookup(id wire.ID) (*incoming, chan streamed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.files[id]
	if in == nil {
		return nil, nil, fmt.Errorf("%w: content of entry %d in directory %d was not asked for", wire.ErrProtocol, id.Entry, id.Dir)
	}
	return in, in.stream, nil
}

// writeSmall writes the files of Files messages.
func (d *dest) writeSmall(ctx context.Context) error {
	for f := range d.small {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		payload, err := f.Payload()
		if err != nil {
			return err
		}
		m := wire.Files{Data: payload}
		for {
			id, sum, content, more, err := m.NextFile()
			if err != nil {
				return err
			}
			if !more {
				break
			}
			if err := d.smallFile(ctx, id, sum, content); err != nil {
				return err
			}
		}
		f.Release()
	}
	return nil
}

func (d *dest) smallFile(ctx context.Context, id wire.ID, sum delta.Digest, content []byte) error {
	in, stream, err := d.lookup(id)
	if err != nil {
		return err
	}
	if stream != nil || in.delta {
		return fmt.Errorf("%w: %s comes in two ways", wire.ErrProtocol, in.shown)
	}
	if delta.Sum(content) != sum {
		return d.again(ctx, in, nil)
	}
	d.received(int64(len(content)), int64(len(content)))
	f, err := d.tree.Create(ctx, in.path, d.createOptions(int64(len(content))))
	if err == nil {
		if _, werr := f.WriteAt(content, 0); werr != nil {
			err = werr
			_ = f.Discard() // the error that counts is the write's
		}
	}
	if err != nil {
		d.finished(in)
		return d.fileFailed("write", in.shown, err)
	}
	d.commit(ctx, in, f, int64(len(content)))
	return nil
}

func (d *dest) createOptions(size int64) CreateOptions {
	return CreateOptions{Size: size, InPlace: d.job.InPlace, Sparse: d.job.Sparse, Partial: d.job.Partial}
}

func (d *dest) received(literal, done int64) {
	d.literal.Add(literal)
	if d.local == nil {
		d.prog.MovedBytes.Add(literal)
		d.prog.DoneBytes.Add(done)
	}
}

// commit gives a complete file its attributes and its name. It may appear
// later, with the group that it is made durable with.
func (d *dest) commit(ctx context.Context, in *incoming, f NewFile, size int64) {
	shown := in.shown
	f.Commit(ctx, size, &in.want, in.attrs, func(err error) {
		if err == nil {
			return
		}
		if err := d.fileFailed("commit", shown, err); err != nil {
			d.fatal.CompareAndSwap(nil, &err)
		}
	})
	d.finished(in)
}

// again asks for chunks of a file that arrived damaged, or for all of it. A
// file that stays damaged is given up.
func (d *dest) again(ctx context.Context, in *incoming, chunks []int) error {
	d.mu.Lock()
	in.tries++
	tries := in.tries
	d.mu.Unlock()
	if tries > 2 {
		d.fail("receive", in.shown, ErrContent)
		d.finished(in)
		return nil
	}
	if tries == 2 {
		chunks = nil
	}
	return d.conn.Send(ctx, &wire.Resend{ID: in.id, All: chunks == nil, Chunks: chunks})
}

// setAttrs applies attribute changes to an entry that stays.
func (d *dest) setAttrs(ctx context.Context, dir *destDir, e, w *manifest.Entry, c manifest.Change) error {
	if d.job.DryRun || c.Attrs() == 0 {
		return nil
	}
	attrs := c.Attrs()
	if attrs&(manifest.AttrOwner|manifest.AttrGroup) != 0 && d.job.Perms && e.Type != manifest.Symlink {
		attrs |= manifest.AttrMode // a change of owner clears setuid
	}
	if err := d.tree.SetAttrs(ctx, d.pathFor(dir, e), w, attrs); err != nil {
		return d.fileFailed("set attributes", shownPath(dir, e), err)
	}
	return nil
}

// makeOther makes a symlink, device, FIFO or socket.
func (d *dest) makeOther(ctx context.Context, dir *destDir, e, w *manifest.Entry) error {
	path, attrs := d.pathFor(dir, e), d.allAttrs(w)
	var err error
	op := "mknod"
	if e.Type == manifest.Symlink {
		op = "symlink"
		err = d.tree.Symlink(ctx, path, w, attrs)
	} else {
		err = d.tree.Mknod(ctx, path, w, attrs)
	}
	if err != nil {
		return d.fileFailed(op, shownPath(dir, e), err)
	}
	return nil
}

// route hands a message about a large file to the goroutine that receives it.
func (d *dest) route(ctx context.Context, id wire.ID, f wire.Frame, m wire.Msg) error {
	in, stream, err := d.lookup(id)
	if err != nil {
		return err
	}
	if stream == nil {
		if end, ok := m.(*wire.FileEnd); ok && end.Failed {
			d.finished(in) // the source has said why
			return nil
		}
		if stream, err = d.openStream(ctx, in); err != nil {
			return err
		}
	}
	return put(ctx, stream, streamed{f, m})
}

// openStream starts the goroutine that receives a large file.
func (d *dest) openStream(ctx context.Context, in *incoming) (chan streamed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case in.delta:
		return nil, fmt.Errorf("%w: %s comes before its signature went", wire.ErrProtocol, in.shown)
	case d.streams >= largeStreams+maxDeltas:
		return nil, fmt.Errorf("%w: more than %d files at a time", wire.ErrProtocol, largeStreams)
	}
	d.streams++
	in.stream = make(chan streamed, 4)
	d.group.Go(func() error {
		defer d.closeStream()
		return d.receiveWhole(ctx, in)
	})
	return in.stream, nil
}

func (d *dest) closeStream() {
	d.mu.Lock()
	d.streams--
	d.mu.Unlock()
}

// next returns the next message about a file.
func (in *incoming) next(ctx context.Context) (streamed, error) {
	select {
	case m := <-in.stream:
		return m, nil
	case <-ctx.Done():
		return streamed{}, context.Cause(ctx)
	}
}
