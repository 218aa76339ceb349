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
	s.content = s.content || !s.job.LiteralPaths && strings.HasPrefix(path, "~") && !strings.Contains(path, "/")
	how := StreamHow{Recursive: s.job.Recursive, Perms: s.job.Perms, Times: s.job.Times, Literal: s.job.LiteralPaths}
	src, err := startStream(ctx, s.from.Traffic, func() (StreamSource, error) { return s.from.Source(ctx, path, how) })
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
	if len(s.job.Sources) == 1 && (s.job.LiteralPaths || !s.from.Pattern(path)) && rec.Kind == StreamFile {
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
