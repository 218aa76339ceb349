package engine

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"gosync/walker"
	"gosync/walker/manifest"
)

// streamUnit is a piece of work for a session: files of one directory.
type streamUnit struct {
	d       *walker.Dir
	dir     *streamDir
	entries []int
}

// Bounds of what is handed out together.
const (
	streamBatch     = 32
	streamBatchSize = 4 << 20
	streamQueue     = 16 // units that wait
	leadFiles       = 16 // so many files are not worth another session
)

// streamSession is a session with the place that it is at.
type streamSession struct {
	s     *streamSender
	sink  StreamSink
	outer bool       // it began above the destination
	at    *streamDir // nil: where it began
	final bool       // directories get their attributes
}

// move goes to a directory, or with one that has no name to where the session began.
// Where the far side refuses one on the way the session stays above that.
func (w *streamSession) move(to *streamDir) error {
	defer w.s.line.wait()()
	down := w.way(to)
	for w.at != nil && !slices.Contains(down, w.at) {
		if err := w.sink.EndDir(); err != nil {
			return err
		}
		if w.at = w.at.parent; len(w.way(w.at)) == 0 {
			w.at = nil
		}
	}
	for _, dir := range down[slices.Index(down, w.at)+1:] {
		e := dir.entry
		if !dir.alone && (!w.final || dir.above && !dir.done) {
			e.Mode |= 0o700 // it has to be usable until all is in it
		}
		if err := w.sink.Dir(&e, w.final && w.s.job.keepsTimes(manifest.Directory)); err != nil {
			return err
		}
		w.at = dir
	}
	return nil
}

// way returns the directories to enter on the way to one.
func (w *streamSession) way(to *streamDir) (down []*streamDir) {
	for dir := to; dir != nil && dir.entry.Name != "" && (dir.parent != nil || w.outer); dir = dir.parent {
		down = append(down, dir)
	}
	slices.Reverse(down)
	return down
}

func (w *streamSession) settle() error {
	defer w.s.line.wait()()
	return w.sink.Settle()
}

// finish leaves all directories and waits for the far side to end.
func (w *streamSession) finish() error {
	if err := w.move(&streamDir{}); err != nil {
		return err
	}
	defer w.s.line.wait()()
	return w.sink.Finish()
}

// send sends the files of a unit.
func (w *streamSession) send(ctx context.Context, u streamUnit) error {
	if err := w.move(u.dir); err != nil {
		refused := new(StreamRefusal)
		if !errors.As(err, &refused) {
			return err
		}
		for _, i := range u.entries {
			w.s.fileFailed("send", manifest.Join(u.d.Path, u.d.Entries[i].Name), refused)
		}
		return nil
	}
	for _, i := range u.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.file(ctx, u.d, i); err != nil {
			return err
		}
	}
	return nil
}

// file sends one file. The error is the session's, not the file's.
func (w *streamSession) file(ctx context.Context, d *walker.Dir, i int) error {
	s := w.s
	path := manifest.Join(d.Path, d.Entries[i].Name)
	f, err := s.openEntry(ctx, d, i)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.fileFailed("open", path, err)
		return nil
	}
	defer f.Close() // read only: nothing to lose
	before, err := f.Stat()
	if err != nil {
		s.fileFailed("stat", path, err)
		return nil
	}
	before.Name = d.Entries[i].Name
	in := &streamContent{ctx: ctx, s: s, f: f, left: before.Size}
	done := s.line.wait()
	err = w.sink.File(&before, s.job.Times, in, func(err error) { s.fileDone(path, before.Size, err) })
	done()
	if err == nil && in.begun {
		w.judge(in, &before, path)
	}
	return err
}

// judge reports a file whose content was not that of one moment, or could not be
// read to the end: the far side has a mixture, or zeros.
func (w *streamSession) judge(in *streamContent, before *manifest.Entry, path string) {
	err := in.err
	if err == nil {
		var same bool
		same, err = isUnchanged(in.f, before, in.again)
		if err == nil && !same {
			err = ErrChanged
		}
	}
	if err != nil {
		w.s.rep.fail(&FileError{Op: "read", Path: path, Err: err})
	}
}

// fileDone takes the far side's word about a file.
func (s *streamSender) fileDone(path string, size int64, err error) {
	refused := new(StreamRefusal)
	switch {
	case err == nil:
		s.sent.Add(1)
		s.volume.Add(size)
		s.source.fileDone()
	case errors.As(err, &refused):
		s.fileFailed("send", path, err)
	}
}

// fileFailed reports a file that was not sent.
func (s *streamSender) fileFailed(op, path string, err error) {
	if isGone(err) {
		op, err = "vanished", fmt.Errorf("%w: %w", ErrVanished, err)
	}
	s.rep.fail(&FileError{Op: op, Path: path, Err: err})
	s.source.fileDone()
}

// streamContent reads the content of a file: exactly the size that was announced.
type streamContent struct {
	ctx  context.Context //nolint:containedctx // a reader has no other way to get it
	s    *streamSender
	f    File
	off  int64
	left int64
	hash maphash.Hash

	begun bool  // the far side wanted it
	err   error // why it ended early
}

// Read implements [io.Reader].
func (c *streamContent) Read(p []byte) (int, error) {
	c.begun = true
	if c.left == 0 {
		return 0, io.EOF
	}
	if err := c.ctx.Err(); err != nil {
		return 0, context.Cause(c.ctx)
	}
	p = p[:min(int64(len(p)), c.left, streamPiece)]
	if l := c.s.line.limit; l != nil {
		c.s.line.away.Add(-1) // nobody waits for the far side
		defer c.s.line.away.Add(1)
		if err := l.WaitN(c.ctx, len(p)); err != nil {
			return 0, err
		}
	}
	n, err := c.f.ReadAt(p, c.off)
	if n > 0 {
		c.hash.Write(p[:n]) //nolint:errcheck // it never fails
		c.off += int64(n)
		c.left -= int64(n)
		c.s.moved(int64(n), int64(n))
		return n, nil
	}
	if c.err = err; errors.Is(err, io.EOF) {
		c.err = fmt.Errorf("%w: it shrank", ErrChanged)
	}
	return 0, c.err
}

// again reads the file once more and reports whether its content is the same.
func (c *streamContent) again() (bool, error) {
	var h maphash.Hash
	h.SetSeed(c.hash.Seed())
	_, err := io.Copy(&h, io.NewSectionReader(c.f, 0, c.off))
	return err == nil && h.Sum64() == c.hash.Sum64(), err
}

// streamPool is the sessions that carry files beside the lead.
type streamPool struct {
	s       *streamSender
	ctx     context.Context //nolint:containedctx // all sessions end with it
	end     context.CancelCauseFunc
	group   errgroup.Group
	units   chan streamUnit
	limit   int // sessions
	started int
	open    atomic.Int64 // of these, those that have begun
	fewer   atomic.Bool  // the far side does not want more sessions
}

func newStreamPool(ctx context.Context, s *streamSender) *streamPool {
	p := &streamPool{s: s, units: make(chan streamUnit, streamQueue), limit: s.to.Sessions() - 1}
	p.ctx, p.end = context.WithCancelCause(ctx)
	return p
}

// run starts a session, whose error ends all.
func (p *streamPool) run(session func() error) {
	p.started++
	p.group.Go(func() error {
		err := session()
		if err != nil {
			p.end(err)
		}
		return err
	})
}

// wait waits for the sessions to end, early if err is not nil. Nothing may be
// given any more.
func (p *streamPool) wait(err error) error {
	if err != nil {
		p.end(err)
	}
	close(p.units)
	werr := p.group.Wait()
	if cause := context.Cause(p.ctx); cause != nil {
		return cause // the others failed for it
	}
	return werr
}

// give hands out a unit. The first files, and what only the lead may send, are
// sent at once.
func (s *streamSender) give(u streamUnit) error {
	p := s.pool
	if u.dir.alone || p.limit <= 0 {
		return s.lead.send(p.ctx, u)
	}
	if n := min(leadFiles-s.led, len(u.entries)); n > 0 {
		first := u
		first.entries, u.entries = u.entries[:n], u.entries[n:]
		s.led += n
		if err := s.lead.send(p.ctx, first); err != nil || len(u.entries) == 0 {
			return err
		}
	}
	// The lead may have nothing to do for long.
	if err := s.lead.settle(); err != nil {
		return err
	}
	if !p.ready() {
		return s.lead.send(p.ctx, u)
	}
	select {
	case p.units <- u:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
}

// ready starts another session where there are fewer than there may be and those
// that there are have enough to do. It reports whether there is any. Nobody waits
// for one to begin: a login shell may take a second for that, and a server that does
// not want so many is asked for longer.
func (p *streamPool) ready() bool {
	if p.started < p.limit && !p.fewer.Load() && len(p.units) >= p.started && (p.started == 0 || p.open.Load() > 0) {
		p.run(func() error {
			sink, err := p.s.to.Sink(p.ctx, p.s.dest, p.s.how(true))
			if err != nil {
				p.fewer.Store(true) // there are others, or the lead
				return nil
			}
			p.open.Add(1)
			return p.carry(sink)
		})
	}
	return p.open.Load() > 0
}

// carry sends units until there are no more.
func (p *streamPool) carry(sink StreamSink) error {
	defer sink.Close() // where it was not finished there is an error to tell
	w := &streamSession{s: p.s, sink: sink}
	for {
		u, ok := streamUnit{}, true
		select {
		case u, ok = <-p.units:
		default:
			if err := w.settle(); err != nil {
				return err
			}
			select {
			case u, ok = <-p.units:
			case <-p.ctx.Done():
				return context.Cause(p.ctx)
			}
		}
		if !ok {
			return w.finish()
		}
		if err := w.send(p.ctx, u); err != nil {
			return err
		}
	}
}
