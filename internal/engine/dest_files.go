package engine

import (
	"context"
	"fmt"
	"slices"

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

	left   bool           // an earlier run may have kept something of it
	part   Partial        // what that is, once it is open and until it is used
	base   Partial        // it as part of a delta's basis, which owns it, until the file is begun
	held   []delta.Digest // of its chunks, or of the file itself to append to, where the source is to compare them
	same   int            // chunks of part that were compared here
	append bool           // only what is behind the end of the file that is there is written
	blind  int64          // ... whose so many first chunks nobody compares
	keepTo int64          // ... and whose bytes up to here stay
	alt    *altBasis      // what a new file is made from; nil for nothing
	mend   bool           // the file that is there was left half written
	sum    *delta.Digest  // of its content, where that is known and wanted

	// What follows is guarded by dest.mu.
	delta   bool          // asked for as a delta
	ended   bool          // its end has come, and nothing was asked for again
	claimed bool          // its content has come, or comes on stream
	stream  chan streamed // to the goroutine that receives it, nil before it exists
	tries   int           // how often it was asked for again

	done chan struct{} // closed when it is dealt with
}

// streamed is a message about a file, with the frame that holds its bytes.
type streamed struct {
	frame wire.Frame
	msg   wire.Msg
}

// request asks for the files of a directory that were found to be needed.
func (p *planner) request(ctx context.Context, dir *destDir) error {
	if p.holds(dir, false) {
		return nil
	}
	busy := slices.Clone(p.wants)
	for _, a := range p.alts {
		busy = append(busy, a.entry)
	}
	for _, h := range p.checks {
		busy = append(busy, h.entry)
	}
	if err := p.dropLeft(ctx, dir, busy); err != nil {
		return err
	}
	return p.send(ctx, dir)
}

// requestLate is request for a directory that it was called for before: what was kept of
// others of its files may be in use.
func (p *planner) requestLate(ctx context.Context, dir *destDir) error {
	if p.holds(dir, true) {
		return nil
	}
	return p.send(ctx, dir)
}

func (p *planner) send(ctx context.Context, dir *destDir) error {
	d := p.d
	if len(p.checks) > 0 {
		d.startChecks(ctx, dir, p.checks)
		p.checks = nil
	}
	d.checkAlternates(ctx, p.alts)
	p.alts = nil
	if len(p.wants) == 0 {
		return nil
	}
	wants := p.wants
	p.wants = nil
	var whole, fresh []int
	for _, i := range wants {
		e := &dir.entries[i]
		dst, was := dir.find(d.nameFor(dir, e)), d.traceOf(dir, e)
		if dst == nil && was == (trace{}) && !d.hasBasis(wire.ID{Dir: dir.index, Entry: i}) {
			fresh = append(fresh, i)
			continue
		}
		in := d.expect(dir, i, e, dst, was)
		switch {
		case in.left:
			d.jobs.put(func() error { return d.startLeft(ctx, in) })
		case in.delta, in.append, d.local != nil:
			d.jobs.put(func() error { return d.ask(ctx, in) })
		default:
			whole = append(whole, i)
		}
	}
	for part := range slices.Chunk(whole, wantBatch) {
		if err := d.conn.Send(ctx, &wire.Want{Dir: dir.index, Entries: part}); err != nil {
			return err
		}
	}
	return d.askLater(ctx, dir, fresh)
}

// wantBatch is how many files one Want asks for at the most.
const wantBatch = 1 << 16

// minDelta is the size in bytes of basis and target from which a delta is
// smaller than the file often enough.
const minDelta = 4 << 10

// expect registers a file before it is asked for, and counts it.
func (d *dest) expect(dir *destDir, i int, e, dst *manifest.Entry, was trace) *incoming {
	in := d.register(dir, i, e, dst, was)
	d.begun()
	if d.local == nil {
		d.prog.TotalFiles.Add(1)
		d.prog.TotalBytes.Add(e.Size)
	}
	return in
}

// register notes a file that is about to be asked for.
func (d *dest) register(dir *destDir, i int, e, dst *manifest.Entry, was trace) *incoming {
	in := &incoming{id: wire.ID{Dir: dir.index, Entry: i}, dir: dir, e: e, path: d.pathFor(dir, e), shown: shownPath(dir, e), basis: -1, done: make(chan struct{})}
	if dst != nil && !dst.IsRegular() {
		dst = nil
	}
	in.want = d.wantedIn(dir, e, dst)
	in.attrs = d.allAttrs(&in.want)
	if dst != nil {
		in.basis = dst.Size
		// What a run may have left unfinished is compared, not trusted.
		in.append = !was.spoiled && dst.Size < e.Size &&
			(d.job.AppendVerify || d.job.Append && !unfinished(dst, e))
		in.delta = !in.append && !d.job.WholeFile && !d.distant() && dst.Size >= minDelta && e.Size >= minDelta
	}
	in.mend = was.spoiled
	in.left = !in.append && was.partial
	d.mu.Lock()
	d.takeBasis(in)
	d.files[in.id] = in
	d.mu.Unlock()
	return in
}

// finished ends the dealing with a file, in whatever way. What there is to
// report has been reported before, because the run may end now.
func (d *dest) finished(in *incoming) {
	d.mu.Lock()
	live := d.files[in.id] == in
	if live {
		delete(d.files, in.id)
		d.paced()
	}
	d.mu.Unlock()
	if !live {
		return
	}
	close(in.done)
	in.release()
	if d.local == nil {
		d.prog.DoneFiles.Add(1)
	}
	d.over()
}

// lookup returns a file that was asked for; the caller holds d.mu.
func (d *dest) lookup(id wire.ID) (*incoming, error) {
	in := d.files[id]
	if in == nil {
		return nil, fmt.Errorf("%w: content of entry %d in directory %d was not asked for", wire.ErrProtocol, id.Entry, id.Dir)
	}
	return in, nil
}

// claim returns a file whose content comes at once, in a Files message.
func (d *dest) claim(id wire.ID) (*incoming, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in, err := d.lookup(id)
	if err != nil {
		return nil, err
	}
	if in.claimed || in.delta {
		return nil, fmt.Errorf("%w: %s comes in two ways", wire.ErrProtocol, in.shown)
	}
	in.claimed = true
	d.prog.moving(in.dir.shown, in.e.Name)
	return in, nil
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
	in, err := d.claim(id)
	if err != nil {
		return err
	}
	defer d.conn.Work()()
	if delta.Sum(content) != sum {
		_, _, err := d.again(ctx, in, nil)
		return err
	}
	d.received(int64(len(content)), int64(len(content)))
	d.knows(in, sum)
	f, err := d.tree.Create(ctx, in.path, CreateOptions{
		Size: int64(len(content)), InPlace: d.job.InPlace, Sparse: d.job.Sparse, Sec: in.want.Sec,
	})
	if err == nil {
		if _, werr := f.WriteAt(content, 0); werr != nil {
			err = werr
			removeFile(f)
		}
	}
	if err != nil {
		defer d.finished(in)
		d.lose(id)
		return d.fileFailed("write", in.shown, err)
	}
	d.commit(ctx, in, f, int64(len(content)), false)
	return nil
}

func (d *dest) received(literal, done int64) {
	d.literal.Add(literal)
	if d.local == nil {
		d.prog.MovedBytes.Add(literal)
		d.prog.DoneBytes.Add(done)
	}
}

// receivedBefore counts what an earlier run has received.
func (d *dest) receivedBefore(n int64) {
	if d.local == nil {
		d.prog.held(n)
	}
}

// commit gives a complete file its attributes and its name. It may appear
// later, with the group that it is made durable with.
//
// A file that changed while the source read it may be a mixture. It gets a time
// of long ago, so that no later quick check takes it for equal or newer.
func (d *dest) commit(ctx context.Context, in *incoming, f NewFile, size int64, changed bool) {
	defer d.conn.Work()() // it may wait for others to be durable
	id, shown := in.id, in.shown
	if changed {
		in.want.Sec, in.want.Nsec = 0, 0
		in.attrs |= manifest.AttrTimes // even if times are not kept: with that of now --update would not touch it any more
	}
	f.Commit(ctx, size, &in.want, in.attrs, func(err error) {
		if err == nil {
			if !changed {
				d.land(in.dir, in.e)
				d.tellContent(in, size)
			}
			if in.mend {
				d.mu.Lock()
				d.mended = append(d.mended, in.path)
				d.mu.Unlock()
			}
			return
		}
		d.lose(id)
		_ = d.fileFailed("commit", shown, err) // what is hopeless stands in d.fatal
	})
	d.finished(in)
}

// again asks for chunks of a file that arrived damaged, or for all of it. A
// file that stays damaged is given up.
func (d *dest) again(ctx context.Context, in *incoming, chunks []int) (all, given bool, err error) {
	d.mu.Lock()
	in.tries++
	tries := in.tries
	in.claimed, in.ended = in.stream != nil, false
	d.mu.Unlock()
	if tries > 2 {
		d.lose(in.id)
		d.fail("receive", in.shown, ErrContent)
		d.finished(in)
		return false, true, nil
	}
	all = tries == 2 || len(chunks) == 0
	m := &wire.Resend{ID: in.id, All: all}
	if !all {
		m.Chunks = chunks
	}
	return all, false, d.conn.Send(ctx, m)
}

// setAttrs applies attribute changes to an entry that stays.
func (d *dest) setAttrs(ctx context.Context, dir *destDir, e, w *manifest.Entry, c manifest.Change) error {
	if d.job.DryRun || c.Attrs() == 0 {
		d.land(dir, e)
		return nil
	}
	attrs := c.Attrs()
	if attrs&(manifest.AttrOwner|manifest.AttrGroup) != 0 && d.job.Perms && e.Type != manifest.Symlink {
		attrs |= manifest.AttrMode // a change of owner clears setuid
	}
	if attrs&(manifest.AttrOwner|manifest.AttrGroup) != 0 && d.job.Xattrs {
		attrs |= manifest.AttrXattrs // ... and capabilities
	}
	return d.do(dir, func() error {
		if err := d.tree.SetAttrs(ctx, d.pathFor(dir, e), w, attrs); err != nil {
			return d.fileFailed("set attributes", shownPath(dir, e), err)
		}
		d.land(dir, e)
		return nil
	})
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
	d.land(dir, e)
	return nil
}

// route hands a message about a large file to the goroutine that receives it.
func (d *dest) route(ctx context.Context, id wire.ID, f wire.Frame, m wire.Msg) error {
	in, stream, err := d.streamFor(ctx, id, m)
	if err != nil || stream == nil {
		return err
	}
	select {
	case stream <- streamed{f, m}:
		return nil
	case <-in.done:
		return fmt.Errorf("%w: a message about %s behind its end", wire.ErrProtocol, in.shown)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// streamFor returns the stream that a message about a file belongs to, made on
// demand. A file that could not be read has none.
func (d *dest) streamFor(ctx context.Context, id wire.ID, m wire.Msg) (*incoming, chan streamed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in, err := d.lookup(id)
	if err != nil {
		return nil, nil, err
	}
	if in.ended {
		return nil, nil, fmt.Errorf("%w: a message about %s behind its end", wire.ErrProtocol, in.shown)
	}
	_, in.ended = m.(*wire.FileEnd)
	if in.stream != nil {
		return in, in.stream, nil
	}
	switch {
	case in.delta:
		return nil, nil, fmt.Errorf("%w: %s comes before its signature went", wire.ErrProtocol, in.shown)
	case in.claimed:
		return nil, nil, fmt.Errorf("%w: %s comes in two ways", wire.ErrProtocol, in.shown)
	case d.streams >= largeStreams+maxDeltas:
		return nil, nil, fmt.Errorf("%w: more than %d files at a time", wire.ErrProtocol, largeStreams)
	}
	in.claimed = true
	if end, ok := m.(*wire.FileEnd); ok && end.Failed {
		d.unsent.Add(1)
		d.lost[id] = true
		d.group.Go(func() error {
			d.finished(in) // the source has said why
			return nil
		})
		return in, nil, nil
	}
	d.streams++
	in.stream = make(chan streamed, 4)
	d.group.Go(func() error {
		defer d.closeStream()
		return d.receiveWhole(ctx, in)
	})
	return in, in.stream, nil
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
