package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gosync/transport/wire"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// ReceiveStream runs a job whose sources are paths that from reaches, and whose
// destination is on host. The destination is reached in the far side's order: what
// comes is written, whatever was there. A source that is a pattern counts as more
// than one, so the destination is a directory. See [StreamRefuses] for what is not
// possible.
func ReceiveStream(ctx context.Context, host Host, job Job, from StreamFrom, rep Report) (Summary, error) {
	start := time.Now()
	if err := checkStream(&job, true); err != nil {
		return Summary{}, err
	}
	if len(job.Sources) == 0 {
		return Summary{}, wire.Errorf(wire.CodeUsage, "no source given")
	}
	job.Owner, job.Group = false, false // they do not come
	// What is shared with other runs tells a connection when it is at work.
	a, b := wire.Pipe()
	conn, err := wire.New(a, wire.Config{})
	if err != nil {
		return Summary{}, errors.Join(err, a.Close(), b.Close())
	}
	defer b.Close()
	defer conn.Close()
	r := startReporter(ctx, rep)
	d := newDest(host, conn, &job, r, rep.Progress, 0)
	s := &streamReceiver{dest: d, from: from, line: newStreamLine(&job, from.Traffic)}
	run, stop := s.line.watch(ctx, job.Timeout)
	d.ended = func() bool { return run.Err() != nil }
	err = streamCause(run, s.run(run))
	stop()
	d.listEnd.Totals = s.totals
	sum := d.summary(start)
	sum.BytesSent, sum.BytesReceived = from.Traffic()
	return sum, conclude(r, err, &d.sum)
}

// streamReceiver is the end that receives. One goroutine reads and owns it; small
// files are written by others.
type streamReceiver struct {
	*dest
	from   StreamFrom
	line   *streamLine
	plan   planner
	totals wire.Totals

	opened   bool // the destination
	content  bool // of the source in hand: its content goes into the destination itself
	warnings int64
	stack    []*streamPlace // the directories that are open, from the destination on
	ignored  int            // directories that are open below one that takes no part

	small   chan smallStream
	written sync.WaitGroup // small files that are not yet
	buf     []byte
}

// streamPlace is a directory that is open.
type streamPlace struct {
	dir   *destDir
	names map[string]bool // what has come, so that nothing comes twice
	scope *filter.Scope   // rules for the names in it; nil for none
}

// smallStream is a small file that was read.
type smallStream struct {
	in      *incoming
	content []byte
}

// streamNames is how many names of open directories are kept at the most.
const streamNames = 8 << 20

// run receives everything.
func (s *streamReceiver) run(ctx context.Context) (err error) {
	defer func() {
		if s.tree == nil {
			return
		}
		if cerr := s.tree.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("closing the destination: %w", cerr)
		}
	}()
	s.small = make(chan smallStream, 2*writers)
	g, gctx := errgroup.WithContext(ctx)
	for range writers {
		g.Go(func() error { return s.writeStreams(gctx) })
	}
	g.Go(func() error {
		defer close(s.small)
		for _, path := range s.job.Sources {
			if err := s.source(gctx, path); err != nil {
				return streamCause(gctx, err)
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	s.rep.post(PlanEvent{})
	if s.tree == nil {
		return nil
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	s.sum.Transferred, s.sum.TransferredSize = s.transfers.Load(), s.transBytes.Load()
	if err := s.fatal.Load(); err != nil {
		return *err
	}
	return nil
}

// source receives what one of the sources names.
func (s *streamReceiver) source(ctx context.Context, path string) error {
	if path == "" {
		path = "."
	}
	_, _, s.content = splitPath(path)
	s.content = s.content || strings.HasPrefix(path, "~") && !strings.Contains(path, "/")
	done := s.line.wait()
	src, err := s.from.Source(ctx, path, StreamHow{Recursive: s.job.Recursive, Perms: s.job.Perms, Times: s.job.Times || s.job.Perms})
	done()
	if err != nil {
		return err
	}
	defer src.Close() // nothing is lost: it was read to its end, or there is an error
	for {
		rec, err := s.next(src)
		switch {
		case errors.Is(err, io.EOF):
			s.written.Wait() // the next source may have the same names
			return nil
		case err != nil:
			return err
		}
		if err := s.record(ctx, src, path, rec); err != nil {
			return err
		}
	}
}

func (s *streamReceiver) next(src StreamSource) (StreamRecord, error) {
	defer s.line.wait()()
	return src.Next()
}

// record deals with one record.
func (s *streamReceiver) record(ctx context.Context, src StreamSource, path string, rec StreamRecord) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if rec.Kind == StreamWarning {
		if s.warnings++; s.warnings > maxTroubles+2*s.prog.Seen.Load() {
			return fmt.Errorf("%w: the source has more errors than files", wire.ErrProtocol)
		}
		s.dest.fail("read", path, &StreamRefusal{Text: rec.Warning})
		return nil
	}
	e := &rec.Entry
	if rec.Kind == StreamFile && s.content && len(s.stack) <= 1 {
		s.dest.fail("change_dir", path, errors.New("not a directory"))
		return nil
	}
	if rec.Kind != StreamEnd {
		if !rec.Times {
			now := s.host.Now()
			e.Sec, e.Nsec = now.Unix(), uint32(now.Nanosecond())
		}
		if s.prog.Seen.Add(1) > maxEntries {
			return tooMany()
		}
		if err := s.start(ctx, path, rec); err != nil {
			return err
		}
	}
	switch {
	case rec.Kind == StreamEnd:
		s.leave()
		return nil
	case s.ignored > 0:
		if rec.Kind == StreamDir {
			s.ignored++
		}
		return nil
	case rec.Kind == StreamDir:
		return s.dir(ctx, e)
	}
	return s.file(ctx, src, e)
}

// start opens the destination when it is known what comes first.
func (s *streamReceiver) start(ctx context.Context, path string, rec StreamRecord) error {
	if s.opened {
		return nil
	}
	s.opened = true
	e := &rec.Entry
	s.rootMsg = &wire.Roots{Complete: true}
	if len(s.job.Sources) == 1 && !s.from.Pattern(path) && rec.Kind == StreamFile {
		s.rootMsg.Single, s.rootMsg.Name = true, e.Name
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	s.plan.d = s.dest
	place := &streamPlace{dir: s.plan.rootDir(), names: map[string]bool{}}
	if f := s.job.Filter; f != nil && !f.Empty() {
		place.scope = f.Root()
	}
	s.stack = []*streamPlace{place}
	return nil
}

func (s *streamReceiver) top() *streamPlace { return s.stack[len(s.stack)-1] }

// leave ends the directory that was begun last.
func (s *streamReceiver) leave() {
	if s.ignored > 0 {
		s.ignored--
		return
	}
	if len(s.stack) > 1 {
		s.stack = s.stack[:len(s.stack)-1]
	}
}

// takes reports whether an entry takes part.
func (s *streamReceiver) takes(e *manifest.Entry) (bool, error) {
	at := s.top()
	switch {
	case manifest.Temporary(e.Name):
		return false, nil
	case at.scope != nil && at.scope.Excluded(e.Name, e.IsDir(), filter.Sender):
		return false, nil
	}
	kept := 0
	for _, p := range s.stack {
		kept += len(p.names)
	}
	if kept > streamNames {
		return false, wire.Errorf(wire.CodeMemory, "more than %d names in one directory: copy it in parts", streamNames)
	}
	if at.names[e.Name] {
		// A directory that changes may list a name twice, and patterns may match
		// several of one name. The first wins, but directories are merged.
		if !e.IsDir() || len(s.stack) > 1 {
			s.rep.post(SkipEvent{Path: manifest.Join(at.dir.shown, e.Name), Reason: "skipping a name that came before"})
			return false, nil
		}
	}
	at.names[e.Name] = true
	return true, nil
}

// dir begins a directory.
func (s *streamReceiver) dir(ctx context.Context, e *manifest.Entry) error {
	if s.content && len(s.stack) == 1 {
		return s.root(ctx, e)
	}
	takes, err := s.takes(e)
	if err != nil || !takes {
		s.ignored++
		return err
	}
	count(&s.totals, e)
	at := s.top()
	parent := at.shadow(e)
	if err := s.lookUp(ctx, parent, e); err != nil {
		s.ignored++
		return s.fileFailed("stat", manifest.Join(at.dir.shown, e.Name), err)
	}
	dir := s.plan.subdir(parent, 0)
	if err := s.plan.announce(ctx, parent, dir, 0); err != nil {
		return err
	}
	if parent.touched.Load() {
		at.dir.touched.Store(true)
	}
	if dir.failed {
		s.ignored++
		return nil
	}
	return s.enter(at, dir, e.Name)
}

func (s *streamReceiver) enter(at *streamPlace, dir *destDir, name string) error {
	place := &streamPlace{dir: dir, names: map[string]bool{}}
	if at.scope != nil {
		var err error
		if place.scope, err = at.scope.Enter(name, nil); err != nil {
			return fmt.Errorf("filter rules: %w", err)
		}
	}
	s.stack = append(s.stack, place)
	return nil
}

// root begins a directory whose content goes into the destination itself, which
// gets the attributes of the first one.
func (s *streamReceiver) root(ctx context.Context, e *manifest.Entry) error {
	at := s.top()
	count(&s.totals, e)
	if !s.rootMsg.HasRoot {
		s.rootMsg.HasRoot, s.rootMsg.Root = true, *e
		s.rootMsg.Root.Name = ""
		if err := s.plan.root(ctx, at.dir); err != nil {
			return err
		}
	}
	s.stack = append(s.stack, at) // so that its end finds it
	return nil
}

// shadow returns a directory that holds e alone, for the functions that plan an
// entry of a listing.
func (p *streamPlace) shadow(e *manifest.Entry) *destDir {
	return &destDir{index: p.dir.index, path: p.dir.path, shown: p.dir.shown, exists: p.dir.exists, entries: []manifest.Entry{*e}}
}

// lookUp finds what the destination has in the place of e.
func (s *streamReceiver) lookUp(ctx context.Context, dir *destDir, e *manifest.Entry) error {
	if !dir.exists {
		return nil // this run has made it
	}
	st, err := s.tree.Stat(ctx, s.pathFor(dir, e))
	if err != nil {
		if isGone(err) {
			err = nil
		}
		return err
	}
	st.Name = s.nameFor(dir, e)
	dir.dst = []manifest.Entry{st}
	return nil
}

// file receives a file.
func (s *streamReceiver) file(ctx context.Context, src StreamSource, e *manifest.Entry) error {
	if takes, err := s.takes(e); err != nil || !takes {
		return err
	}
	count(&s.totals, e)
	in, err := s.prepare(ctx, e)
	if in == nil || err != nil {
		return err
	}
	s.prog.TotalFiles.Add(1)
	s.prog.TotalBytes.Add(e.Size)
	defer s.prog.DoneFiles.Add(1)
	if e.Size > wire.MaxSmall {
		return s.large(ctx, src, in)
	}
	content := make([]byte, e.Size)
	if err := s.readAll(ctx, src, content); err != nil {
		return s.notWhole(in, err)
	}
	s.written.Add(1)
	select {
	case s.small <- smallStream{in, content}:
		return nil
	case <-ctx.Done():
		s.written.Done()
		return context.Cause(ctx)
	}
}

// prepare makes room for a file. Where it cannot be written it returns nil, and the
// error has been told.
func (s *streamReceiver) prepare(ctx context.Context, e *manifest.Entry) (*incoming, error) {
	at := s.top()
	dir := at.shadow(e)
	shown := shownPath(dir, e)
	if err := s.lookUp(ctx, dir, e); err != nil {
		return nil, s.fileFailed("stat", shown, err)
	}
	dst := dir.find(s.nameFor(dir, e))
	if dst != nil && dst.IsDir() {
		if err := s.tree.Remove(ctx, s.pathFor(dir, e), dst); err != nil {
			return nil, s.fileFailed("replace", shown, fmt.Errorf("a directory is in the way: %w", err))
		}
	}
	if dst != nil && !dst.IsRegular() {
		dst = nil
	}
	s.item(dir, 0, e, s.transferChange(e, dst), "")
	s.countTransfer(e, dst)
	at.dir.touched.Store(true)
	in := &incoming{dir: dir, e: e, path: s.pathFor(dir, e), shown: shown}
	in.want = s.wanted(e, dst)
	in.attrs = s.allAttrs(&in.want)
	return in, nil
}

// notWhole deals with a file whose content did not come as it should.
func (s *streamReceiver) notWhole(in *incoming, err error) error {
	if refused := new(StreamRefusal); errors.As(err, &refused) {
		s.dest.fail("read", in.shown, refused)
		return nil
	}
	return err
}

// readAll reads the content of a file and what the far side says about it.
func (s *streamReceiver) readAll(ctx context.Context, src StreamSource, content []byte) error {
	if _, err := s.read(ctx, src, content); err != nil {
		return err
	}
	return s.readEnd(src)
}

// read fills p.
func (s *streamReceiver) read(ctx context.Context, src StreamSource, p []byte) (int, error) {
	if l := s.line.limit; l != nil {
		if err := l.WaitN(ctx, len(p)); err != nil {
			return 0, err
		}
	}
	defer s.line.wait()()
	n, err := io.ReadFull(src, p)
	s.received(int64(n), int64(n))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // a source gives what it has announced
	}
	return n, err
}

// readEnd reads the far side's word about the file that was read.
func (s *streamReceiver) readEnd(src StreamSource) error {
	defer s.line.wait()()
	_, err := src.Read(make([]byte, 1))
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w: a file is longer than was announced", wire.ErrProtocol)
	}
	return err
}

// large receives a file piece by piece.
func (s *streamReceiver) large(ctx context.Context, src StreamSource, in *incoming) error {
	f, err := s.create(ctx, in)
	if err != nil {
		return s.fileFailed("write", in.shown, err) // Next drops the content
	}
	if s.buf == nil {
		s.buf = make([]byte, streamPiece)
	}
	for off := int64(0); off < in.e.Size; {
		n, err := s.read(ctx, src, s.buf[:min(streamPiece, in.e.Size-off)])
		if err != nil {
			removeFile(f)
			return err
		}
		if _, err := f.WriteAt(s.buf[:n], off); err != nil {
			removeFile(f)
			return s.fileFailed("write", in.shown, err)
		}
		off += int64(n)
	}
	if err := s.readEnd(src); err != nil {
		removeFile(f)
		return s.notWhole(in, err)
	}
	s.commitStream(ctx, in, f)
	return nil
}

func (s *streamReceiver) create(ctx context.Context, in *incoming) (NewFile, error) {
	return s.tree.Create(ctx, in.path, CreateOptions{
		Size: in.e.Size, InPlace: s.job.InPlace, Sparse: s.job.Sparse, Sec: in.want.Sec,
	})
}

func (s *streamReceiver) commitStream(ctx context.Context, in *incoming, f NewFile) {
	f.Commit(ctx, in.e.Size, &in.want, in.attrs, func(err error) {
		if err != nil {
			_ = s.fileFailed("commit", in.shown, err) // what is hopeless stands in fatal
		}
	})
}

// writeStreams writes small files.
func (s *streamReceiver) writeStreams(ctx context.Context) error {
	for w := range s.small {
		err := s.writeStream(ctx, w)
		s.written.Done()
		if err != nil {
			for range s.small { // nobody may wait for them
				s.written.Done()
			}
			return err
		}
	}
	return nil
}

func (s *streamReceiver) writeStream(ctx context.Context, w smallStream) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	f, err := s.create(ctx, w.in)
	if err == nil {
		if _, err = f.WriteAt(w.content, 0); err != nil {
			removeFile(f)
		}
	}
	if err != nil {
		return s.fileFailed("write", w.in.shown, err)
	}
	s.commitStream(ctx, w.in, f)
	return nil
}
