package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/manifest"
)

// source is the end that sends.
type source struct {
	job    *Job
	conn   *wire.Conn
	forest *forest
	rep    *reporter
	prog   *Progress
	host   Host
	alone  bool // the other end is in this process and needs no farewell

	mode  chan *wire.Mode     // from the reader to the walker: one message
	needs chan *wire.NeedDirs // ... and those that follow
	tasks *queue[task]
	busy  atomic.Int64                             // readers that send or compare files
	line  func() (rtt time.Duration, rate float64) // see [wire.Conn.Line]
	group *errgroup.Group                          // all goroutines of the end
	cpu   cores                                    // held while a delta computes

	served                       bool // the other end is the client
	planned                      bool // the destination has said so; the reader's
	moded, tabled, listing, more bool // what the destination has asked for; the reader's
	digests                      bool // ... and that digests go first
	needed                       int  // directories up to this one were asked for, or passed over

	mu      sync.Mutex
	learned func(Content)                                   // is told digests; nil where nobody wants them
	user    func(ctx context.Context, question string) bool // asks the user of this process; nil where there is none
	asking  bool                                            // that was done; the reader's
	counted int                                             // directories whose entries were counted
	entries int64                                           // entries in these
	dirs    []*walker.Dir                                   // what was walked, by index
	deltas  map[wire.ID]*deltaJob

	landed []wire.Landed // what the destination has in place and is to be removed; the reader's

	totals   wire.Totals
	over     chan struct{} // closed when the destination has said that it is done
	asked    atomic.Int64  // entries that the destination asked about so far
	start    time.Time
	clock    time.Time    // the host's at start
	listTime atomic.Int64 // nanoseconds until everything was listed
	listEnd  atomic.Bool  // everything that was asked for was listed

	literal atomic.Int64
	failed  atomic.Int64
	listed  atomic.Int64 // bytes of listings and digests
	done    wire.Done
}

func newSource(host Host, conn *wire.Conn, job *Job, f *forest, rep *reporter, prog *Progress) *source {
	if prog == nil {
		prog = new(Progress)
	}
	f.tell = func(ev Event) { rep.post(ev) }
	return &source{
		job: job, conn: conn, forest: f, rep: rep, prog: prog, host: host,
		line: conn.Line, mode: make(chan *wire.Mode, 1), needs: make(chan *wire.NeedDirs, 1024),
		tasks: newQueue[task](), cpu: newCores(conn.Work),
		deltas: map[wire.ID]*deltaJob{}, over: make(chan struct{}), start: time.Now(), clock: host.Now(),
	}
}

// readers is how many goroutines read files for the far side: enough that one
// waits for the disk while others send. Under a limit that any disk keeps up with it is
// one: files are read in their order then, each when its turn comes, and what is written
// to them until then arrives.
const (
	readers   = 4
	slowLimit = 16 << 20 // bytes per second
)

func (s *source) readers() int {
	if s.job.BandwidthLimit > 0 && s.job.BandwidthLimit <= slowLimit {
		return 1
	}
	return readers
}

// run sends until the destination says that everything is in place.
func (s *source) run(ctx context.Context) error {
	s.tellForest()
	s.listEnd.Store(s.job.Clean) // then nothing is, and the destination may be done before the walker begins
	outer := ctx                 // that of the run, which an interrupt cancels
	g, ctx := errgroup.WithContext(ctx)
	s.group = g
	walkCtx, stopWalk := context.WithCancel(ctx)
	g.Go(func() error {
		defer s.tasks.close()
		defer stopWalk()
		return receive(ctx, s.conn, "", s.dispatch)
	})
	g.Go(func() error { return ignoreCancelled(s.walk(walkCtx), ctx) })
	for range s.readers() {
		g.Go(func() error { return s.work(ctx) })
	}
	g.Go(func() error { return closeOnCancel(ctx, walkCtx, s.conn, s.alone) })
	if err := g.Wait(); err != nil {
		return err
	}
	if err := s.removeLanded(outer); err != nil {
		return err
	}
	s.rep.flush(outer)
	if err := s.conn.Send(outer, &wire.SourceDone{Literal: s.literal.Load(), Failed: s.failed.Load()}); err != nil {
		return err
	}
	return s.conn.Drain(outer)
}

// tellForest reports what cannot take part of what was named.
func (s *source) tellForest() {
	for _, e := range s.forest.errs {
		s.rep.fail(e)
	}
	for _, p := range s.forest.skipped {
		s.rep.post(SkipEvent{Path: p, Reason: "skipping directory"})
	}
}

// ignoreCancelled drops the error of a part that was stopped because the run
// is over, not because the whole was cancelled.
func ignoreCancelled(err error, ctx context.Context) error {
	if ctx.Err() == nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// closeOnCancel ends the connection when the run fails or is cancelled, which
// wakes whatever waits for it, having told the far side why unless that is in
// this process. It returns when over is done.
func closeOnCancel(ctx, over context.Context, conn *wire.Conn, alone bool) error {
	select {
	case <-over.Done():
	case <-conn.Dead():
	}
	if err := context.Cause(ctx); err != nil {
		if !alone {
			tellFatal(conn, err)
		}
		conn.Fail(err)
	}
	return nil
}

// dispatch handles what the destination sends. It never waits for anything but the
// connection. Messages alias the frame and may be queued, so the collector takes
// care of it. They are small.
func (s *source) dispatch(ctx context.Context, f wire.Frame) (over bool, err error) {
	m, err := decode(&f)
	if err != nil {
		return true, err
	}
	return s.handle(ctx, m)
}

func (s *source) handle(ctx context.Context, m wire.Msg) (over bool, err error) {
	switch m.(type) {
	case *wire.Items, *wire.Removed, *wire.Trouble, *wire.Planned:
		if s.served {
			return false, fmt.Errorf("%w: message %d from a client", wire.ErrProtocol, m.Type())
		}
		defer s.conn.Work()() // for whoever shows it
		if err := s.rep.room(ctx); err != nil {
			return false, err
		}
	}
	switch m := m.(type) {
	case *wire.Mode:
		if s.moded {
			return false, fmt.Errorf("%w: the mode came again", wire.ErrProtocol)
		}
		s.moded, s.digests = true, m.Digests
		s.prog.Named.Store(m.Named)
		s.prog.Settled.Store(s.job.LikeCp)
		return false, offer(s.mode, m)
	case *wire.NeedDirs:
		return false, s.needDirs(m)
	case *wire.Want:
		return false, s.want(m)
	case *wire.Basis:
		return false, s.basis(m)
	case *wire.SigPart:
		return false, s.sigPart(m)
	case *wire.Answer:
		return false, s.answer(m)
	case *wire.Resend:
		return false, s.resend(m)
	case *wire.Resume:
		return false, s.resume(m)
	case *wire.Check:
		return false, s.check(m)
	case *wire.Landed:
		return false, s.takeLanded(m)
	case *wire.Items:
		return false, s.items(m)
	case *wire.Removed:
		return false, s.removed(m)
	case *wire.Trouble:
		s.farTrouble(m)
	case *wire.Planned:
		if s.planned {
			return false, fmt.Errorf("%w: everything is planned again", wire.ErrProtocol)
		}
		s.planned = true
		s.rep.post(PlanEvent{})
	case *wire.Confirm:
		return false, s.confirm(ctx, m)
	case *wire.Fatal:
		return true, &farError{&m.Err}
	case *wire.Done:
		if !s.listEnd.Load() {
			return true, fmt.Errorf("%w: the destination is done before everything was listed", wire.ErrProtocol)
		}
		s.done = *m
		close(s.over)
		s.conn.Unbound()
		return true, nil
	default:
		return false, fmt.Errorf("%w: message %d from the destination", wire.ErrProtocol, m.Type())
	}
	return false, nil
}

// needDirs takes what the destination wants to be listed: the table once at the
// most, then directories once, in the order of the walk. That this is over is known
// by then, and so which directories there are: what waits for the walker is no more.
func (s *source) needDirs(m *wire.NeedDirs) error {
	if m.Table && (s.tabled || s.listing) || !m.Table && s.listing && !s.more {
		return fmt.Errorf("%w: listings are asked for again", wire.ErrProtocol)
	}
	if !s.digests || !s.listEnd.Load() {
		return fmt.Errorf("%w: listings are asked for before the digest came", wire.ErrProtocol)
	}
	if m.Table && (m.More || len(m.Dirs) > 0) {
		return fmt.Errorf("%w: a table and listings are asked for at once", wire.ErrProtocol)
	}
	if err := s.countNeeded(m.Dirs); err != nil {
		return err
	}
	s.tabled = s.tabled || m.Table
	s.listing, s.more = s.listing || !m.Table, m.More
	return offer(s.needs, m)
}

// countNeeded checks that directories exist and rise.
func (s *source) countNeeded(dirs []int) error {
	if len(dirs) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first, last := dirs[0], dirs[len(dirs)-1]
	if first < s.needed || last >= len(s.dirs) {
		return fmt.Errorf("%w: listings of directories %d to %d are asked for, of %d, %d of which are done with", wire.ErrProtocol, first, last, len(s.dirs), s.needed)
	}
	s.needed = last + 1
	return nil
}

// offer puts a message where one is waited for; a peer that sends more breaks
// the protocol.
func offer[T any](c chan T, v T) error {
	select {
	case c <- v:
		return nil
	default:
		return fmt.Errorf("%w: %T came again", wire.ErrProtocol, v)
	}
}

// askLimit is how often the destination may ask about each entry, or tell of
// it: its digest, its content, that instead of a lost basis, twice what was
// damaged, and what is done to it.
const askLimit = 7

// ask counts entries that the destination asks about, so that what is queued
// for it is bounded.
func (s *source) ask(n int) error {
	s.mu.Lock()
	limit := int64(1024)
	for _, d := range s.dirs[min(s.counted, len(s.dirs)):] {
		s.entries += int64(len(d.Entries))
	}
	s.counted = len(s.dirs)
	limit += (askLimit + int64(len(s.job.AltDirs.List()))) * s.entries
	s.mu.Unlock()
	if s.asked.Add(int64(n)) > limit {
		return fmt.Errorf("%w: the destination asks for the same again and again", wire.ErrProtocol)
	}
	return nil
}

// entry returns the entry with an id that the peer named.
func (s *source) entry(id wire.ID) (*walker.Dir, *manifest.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id.Dir >= len(s.dirs) || id.Entry >= len(s.dirs[id.Dir].Entries) {
		return nil, nil, fmt.Errorf("%w: there is no entry %d in directory %d", wire.ErrProtocol, id.Entry, id.Dir)
	}
	d := s.dirs[id.Dir]
	return d, &d.Entries[id.Entry], nil
}

// items turns what the destination does into events for the user of this end.
func (s *source) items(m *wire.Items) error {
	if len(m.Items) == 0 {
		return fmt.Errorf("%w: nothing is done", wire.ErrProtocol)
	}
	if err := s.ask(len(m.Items)); err != nil { // each entry is told of once
		return err
	}
	for _, it := range m.Items {
		ev := ItemEvent{Change: it.Change, Sent: true}
		if it.ID.Entry == rootEntry {
			ev.Entry = s.forest.root.Entry
			s.rep.post(ev)
			continue
		}
		d, e, err := s.entry(it.ID)
		if err != nil {
			return err
		}
		ev.Path, ev.Entry = manifest.Join(d.Path, e.Name), *e
		if id, ok := linkOf(s.conn, &it, e); ok {
			leadDir, lead, err := s.entry(id)
			if err != nil {
				return err
			}
			ev.Link = manifest.Join(leadDir.Path, lead.Name)
		}
		s.rep.post(ev)
	}
	return nil
}

// linkOf returns which file an entry is linked to, of which a destination tells.
func linkOf(from *wire.Conn, it *wire.Item, e *manifest.Entry) (wire.ID, bool) {
	if from.NamesLinks() {
		return it.Link, it.Linked
	}
	ld, le, ok := e.Leader()
	return wire.ID{Dir: ld, Entry: le}, ok
}

// rootEntry is the entry number that stands for the transfer's root itself.
const rootEntry = 1<<31 - 1

func (s *source) removed(m *wire.Removed) error { return tellRemoved(s.rep, m) }

// tellRemoved tells of what a destination has removed or left out.
func tellRemoved(rep *reporter, m *wire.Removed) error {
	if len(m.Paths) == 0 {
		return fmt.Errorf("%w: nothing is removed", wire.ErrProtocol)
	}
	for _, p := range m.Paths {
		if m.Skip {
			rep.post(SkipEvent{Path: p, Reason: m.Reason})
			continue
		}
		dir := len(p) > 0 && p[len(p)-1] == '/'
		if dir {
			p = p[:len(p)-1]
		}
		rep.post(DeleteEvent{Path: p, Dir: dir})
	}
	return nil
}

func (s *source) farTrouble(m *wire.Trouble) {
	if m.Note {
		s.rep.post(NoteEvent{Text: m.Err.Text})
		return
	}
	s.rep.fail(fromTrouble(m))
}
