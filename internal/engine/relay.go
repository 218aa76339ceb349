package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// relay is a run whose both ends are servers: this process stands between them as
// the client of each, hands on what one says to the other, and keeps for its user
// what is for users. To the source it is the destination, to the destination the
// source. It looks at listings, because it has asked for them and neither end
// knows whether they are what the user meant, and because what the destination
// tells of has no names; content passes through as it is, compressed or not.
type relay struct {
	from, to *wire.Conn // the source, the destination
	job      *Job
	rep      *reporter
	prog     *Progress
	user     func(ctx context.Context, question string) bool
	req      *requested
	group    *errgroup.Group

	mu      sync.Mutex // guards what follows, which the readers of both ends look at
	roots   *wire.Roots
	dirs    map[int]*destDir
	partial *destDir // whose listing is not complete

	pathBytes int64 // of the paths of dirs

	// What follows is of the goroutine that reads from the source, or of the one
	// that reads from the destination.
	lister  lister
	told    int64 // entries that the destination has told of
	asked   bool
	planned bool
	totals  wire.Totals
	done    wire.Done
	literal int64
	listed  int64
	loose   int64 // content that has passed of files that are not complete
}

// Relay runs a job whose sources are behind from and whose destination is behind
// to; at both [Serve] answers. Both are closed at the end.
func Relay(ctx context.Context, host Host, from, to io.ReadWriteCloser, job Job, rep Report) (Summary, error) {
	start := time.Now()
	var more []wire.Msg
	if job.Files != nil {
		more = names(job.Files)
	}
	a, b, err := greetBoth(ctx, host, from, to, &job, more)
	if err != nil {
		return Summary{}, err
	}
	defer a.Close()
	defer b.Close()
	begin(a, &job)
	begin(b, &job)
	r := &relay{
		from: a, to: b, job: &job, rep: startReporter(ctx, rep), prog: rep.Progress, user: rep.Confirm,
		req: newRequested(&job), dirs: map[int]*destDir{},
	}
	if r.prog == nil {
		r.prog = new(Progress)
	}
	r.lister = lister{rep: r.rep, prog: r.prog}
	if err = r.run(ctx); err == nil {
		linger(ctx, b)
		linger(ctx, a)
	}
	return r.summary(start), conclude(r.rep, err, &r.done)
}

// greetBoth greets both servers at once, with their halves of the job.
func greetBoth(ctx context.Context, host Host, from, to io.ReadWriteCloser, job *Job, more []wire.Msg) (a, b *wire.Conn, err error) {
	var farA, farB *wire.Hello
	var errs [2]error
	var g errgroup.Group
	g.Go(func() error {
		a, farA, errs[0] = greet(ctx, host, from, job.encode(true), more...)
		return nil
	})
	g.Go(func() error {
		b, farB, errs[1] = greet(ctx, host, to, job.encode(false))
		return nil
	})
	_ = g.Wait() // the errors are in errs
	if err = errors.Join(errs[:]...); err == nil {
		if va, vb := min(farA.Version, wire.Version), min(farB.Version, wire.Version); wire.Content(va) != wire.Content(vb) {
			err = fmt.Errorf("%w: the source speaks protocol %d (%s), the destination %d (%s): install the same release on both", wire.ErrVersion, va, farA.Release, vb, farB.Release)
		}
	}
	if err == nil {
		return a, b, nil
	}
	for _, c := range []*wire.Conn{a, b} {
		if c != nil {
			_ = c.Close() // there is an error to tell
		}
	}
	return nil, nil, err
}

// run hands messages on until the source takes leave.
func (r *relay) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	r.group = g
	over, end := context.WithCancel(ctx)
	defer end()
	g.Go(func() error {
		err := receive(ctx, r.from, "the source", r.source)
		if err == nil {
			end()
		}
		return err
	})
	g.Go(func() error { return receive(ctx, r.to, "the destination", r.dest) })
	g.Go(func() error { return r.mirror(over) })
	g.Go(func() error {
		select {
		case <-over.Done():
		case <-r.from.Dead():
		case <-r.to.Dead():
		}
		if err := context.Cause(ctx); err != nil {
			r.tellBoth(err)
		}
		return nil
	})
	return g.Wait()
}

// saidError is the error that one of the ends has ended the run with: the other
// has to hear of it.
type saidError struct {
	*farError
	by *wire.Conn
}

// tellBoth tells both ends why the run ends.
func (r *relay) tellBoth(err error) {
	var said *saidError
	knows := errors.As(err, &said)
	var g errgroup.Group
	for _, c := range []*wire.Conn{r.from, r.to} {
		g.Go(func() error {
			switch {
			case !knows:
				tellFatal(c, err)
			case c != said.by:
				tellFatal(c, said.err)
			}
			c.Fail(err)
			return nil
		})
	}
	_ = g.Wait() // it returns nothing
}

// mirror shows each end that the other is at work: else it would take the run for
// stalled while it waits.
func (r *relay) mirror(over context.Context) error {
	if r.job.Timeout <= 0 {
		return nil
	}
	tick := time.NewTicker(max(r.job.Timeout/16, 10*time.Millisecond))
	defer tick.Stop()
	var marks [2]func()
	for {
		for i, pair := range [][2]*wire.Conn{{r.from, r.to}, {r.to, r.from}} {
			switch busy := pair[0].FarBusy(); {
			case busy && marks[i] == nil:
				marks[i] = pair[1].Work()
			case !busy && marks[i] != nil:
				marks[i]()
				marks[i] = nil
			}
		}
		select {
		case <-tick.C:
		case <-over.Done():
			for _, done := range marks {
				if done != nil {
					done()
				}
			}
			return nil
		}
	}
}

// source handles one frame of the source. over says that it was the last.
func (r *relay) source(ctx context.Context, f wire.Frame) (over bool, err error) {
	switch f.Type {
	case wire.TypeFiles, wire.TypeData, wire.TypeLiterals, wire.TypeSegment, wire.TypeQuestion, wire.TypeHeld,
		wire.TypeSame, wire.TypeOwner, wire.TypeGitRules, wire.TypeDirTable:
		r.passes(&f)
		return false, r.to.Forward(ctx, f)
	case wire.TypeFileEnd:
		return false, r.ends(ctx, &f)
	case wire.TypeListings:
		return false, r.listings(ctx, f)
	}
	m, err := decode(&f)
	if err != nil {
		return true, err
	}
	switch m := m.(type) {
	case *wire.Fatal:
		return true, &saidError{&farError{&m.Err}, r.from}
	case *wire.Trouble:
		return false, r.lister.trouble(m)
	case *wire.Roots:
		if r.roots != nil {
			return true, fmt.Errorf("%w: %T came again", wire.ErrProtocol, m)
		}
		if err := r.req.checkRoots(m); err != nil {
			return true, err
		}
		r.mu.Lock()
		r.roots = m
		r.mu.Unlock()
	case *wire.RootDigest:
		r.totals = m.Totals
	case *wire.ListEnd:
		r.totals = m.Totals
		if r.roots != nil { // the destination does not know what was asked for
			err = r.req.checkMissing(r.roots)
		}
	case *wire.SourceDone:
		r.literal = m.Literal
		over = true
	default:
		return true, fmt.Errorf("%w: message %d from the source", wire.ErrProtocol, m.Type())
	}
	if err != nil {
		return true, err
	}
	if err := r.to.Send(ctx, m); err != nil {
		return true, err
	}
	if over {
		err = r.to.Drain(ctx)
	}
	return over, err
}

// passes counts the content in a frame. What it is of is not looked at, since it may be
// compressed: what files take beside their content is counted, too.
func (r *relay) passes(f *wire.Frame) {
	n := f.Size()
	switch f.Type {
	case wire.TypeFiles:
		r.prog.DoneBytes.Add(n)
	case wire.TypeData, wire.TypeLiterals:
		r.prog.DoneBytes.Add(n)
		r.loose += n
	default:
		return
	}
	r.prog.MovedBytes.Add(n)
}

// ends hands on that a file is complete, and counts it: of what has passed, its own is taken to be the first,
// and what has not passed is at the destination already.
func (r *relay) ends(ctx context.Context, f *wire.Frame) error {
	m, err := decode(f)
	if err != nil {
		return err
	}
	f.Release()
	r.prog.DoneFiles.Add(1)
	if end, ok := m.(*wire.FileEnd); ok {
		r.settles(end)
	}
	return r.to.Send(ctx, m)
}

// settles counts what a file has that did not pass. Of one that failed so much had passed, which is no other file's.
func (r *relay) settles(end *wire.FileEnd) {
	if !end.Failed {
		r.prog.DoneBytes.Add(max(end.Size-r.loose, 0))
	}
	r.loose = max(r.loose-end.Size, 0)
}

// listings looks at records and hands them on.
func (r *relay) listings(ctx context.Context, f wire.Frame) error {
	payload, err := f.Payload()
	if err != nil {
		return err
	}
	r.listed += int64(len(payload))
	b := r.to.Buffer(wire.TypeListings)
	b.B = append(b.B, payload...)
	err = r.lister.records(payload, func(rec *wire.ListingRecord, _ int64) error { return r.record(rec) })
	if err != nil {
		return err
	}
	f.Release()
	return r.to.SendBuffer(ctx, b)
}

// record remembers what a directory holds, if that was asked for. Whether the
// listings are in order is for the destination to see.
func (r *relay) record(rec *wire.ListingRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	dir := r.partial
	var parent *destDir
	if dir == nil || dir.index != rec.Dir {
		dir = &destDir{index: rec.Dir}
		if rec.Dir != 0 {
			parent = r.dirs[rec.Parent]
			if parent == nil || rec.Entry >= len(parent.entries) {
				return fmt.Errorf("%w: directory %d has no parent", wire.ErrProtocol, rec.Dir)
			}
			dir.path = manifest.Join(parent.path, parent.entries[rec.Entry].Name)
			dir.shown = dir.path
			r.pathBytes += int64(len(dir.path))
			if err := checkPaths(r.pathBytes, len(r.dirs)); err != nil {
				return err
			}
		}
		r.dirs[rec.Dir] = dir
	}
	for i := range rec.Entries {
		if e := &rec.Entries[i]; e.Ext != nil && e.Ext.Kept != nil {
			e.Keep(nil) // nobody here looks at it, and it may be large
		}
	}
	dir.entries = append(dir.entries, rec.Entries...)
	if r.partial = nil; rec.More {
		r.partial = dir
	}
	part := &destDir{index: dir.index, path: dir.path, shown: dir.shown, entries: rec.Entries, sent: dir.sent}
	if err := r.req.checkNames(part); err != nil {
		return err
	}
	if dir.index > 0 || r.roots != nil && r.roots.HasRoot { // else the root counts for nothing
		if err := r.req.checkComplete(part, rec.Incomplete); err != nil {
			return err
		}
	}
	err := r.req.checkFilter(part, parent, rec.Entry)
	dir.sent = part.sent
	return err
}

// dest handles one frame of the destination. over says that it was the last.
func (r *relay) dest(ctx context.Context, f wire.Frame) (over bool, err error) {
	switch f.Type {
	case wire.TypeNeedDirs, wire.TypeSigPart, wire.TypeAnswer, wire.TypeResend, wire.TypeCheck, wire.TypeLanded:
		return false, r.from.Forward(ctx, f)
	}
	m, err := decode(&f)
	if err != nil {
		return true, err
	}
	switch m := m.(type) {
	case *wire.Items, *wire.Removed, *wire.Trouble, *wire.Planned, *wire.Confirm:
		return false, r.forUser(ctx, m)
	case *wire.Fatal:
		return true, &saidError{&farError{&m.Err}, r.to}
	case *wire.Mode:
		r.prog.Named.Store(m.Named)
		r.prog.Settled.Store(r.job.LikeCp)
	case *wire.Want:
		r.wanted(m.Dir, m.Entries...)
	case *wire.Basis:
		r.wanted(m.ID.Dir, m.ID.Entry)
	case *wire.Resume:
		r.wanted(m.ID.Dir, m.ID.Entry)
	case *wire.Done:
		r.done = *m
		over = true
		r.to.Unbound()
	default:
		return true, fmt.Errorf("%w: message %d from the destination", wire.ErrProtocol, m.Type())
	}
	return over, r.from.Send(ctx, m)
}

// wanted counts files that will cross.
func (r *relay) wanted(dir int, entries ...int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.dirs[dir]
	for _, i := range entries {
		r.prog.TotalFiles.Add(1)
		if d != nil && i < len(d.entries) {
			r.prog.TotalBytes.Add(d.entries[i].Size)
		}
	}
}

// forUser handles what the destination says to the user.
func (r *relay) forUser(ctx context.Context, m wire.Msg) error {
	defer r.to.Work()()
	if err := r.rep.room(ctx); err != nil {
		return err
	}
	switch m := m.(type) {
	case *wire.Items:
		return r.items(m)
	case *wire.Removed:
		return tellRemoved(r.rep, m)
	case *wire.Trouble:
		if m.Note {
			r.rep.post(NoteEvent{Text: m.Err.Text})
		} else {
			r.rep.fail(fromTrouble(m))
		}
	case *wire.Planned:
		if r.planned {
			return fmt.Errorf("%w: everything is planned again", wire.ErrProtocol)
		}
		r.planned = true
		r.rep.post(PlanEvent{})
	case *wire.Confirm:
		if r.user == nil || !r.job.Confirm || r.asked {
			return fmt.Errorf("%w: a question for a user who is not there, or was asked before", wire.ErrProtocol)
		}
		r.asked = true
		r.group.Go(func() error {
			defer r.to.Work()()
			defer r.from.Work()()
			return r.to.Send(ctx, &wire.Confirmed{Yes: r.user(ctx, m.Question)})
		})
	}
	return nil
}

// items tells what the destination does, by names.
func (r *relay) items(m *wire.Items) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told += int64(len(m.Items))
	if len(m.Items) == 0 || r.told > 1024+askLimit*r.prog.Seen.Load() {
		return fmt.Errorf("%w: the destination tells of nothing, or of the same again and again", wire.ErrProtocol)
	}
	for _, it := range m.Items {
		ev := ItemEvent{Change: it.Change, Sent: true}
		if it.ID.Entry == rootEntry {
			if r.roots != nil {
				ev.Entry = r.roots.Root
			}
			r.rep.post(ev)
			continue
		}
		dir, e := r.find(it.ID.Dir, it.ID.Entry)
		if e == nil {
			return fmt.Errorf("%w: there is no entry %d in directory %d", wire.ErrProtocol, it.ID.Entry, it.ID.Dir)
		}
		ev.Path, ev.Entry = manifest.Join(dir.path, e.Name), *e
		if id, ok := linkOf(r.to, &it, e); ok {
			if leadDir, lead := r.find(id.Dir, id.Entry); lead != nil {
				ev.Link = manifest.Join(leadDir.path, lead.Name)
			}
		}
		r.rep.post(ev)
	}
	return nil
}

// find returns a listed entry, nil if there is none. The caller holds the lock.
func (r *relay) find(dir, entry int) (*destDir, *manifest.Entry) {
	d := r.dirs[dir]
	if d == nil || entry >= len(d.entries) {
		return nil, nil
	}
	return d, &d.entries[entry]
}

// summary returns what the run did. Bytes are those of both lines.
func (r *relay) summary(start time.Time) Summary {
	var sum Summary
	sum.addTotals(&r.totals)
	sum.addDone(&r.done)
	sum.Literal, sum.ListBytes = max(r.literal, 0), r.listed
	sum.BytesSent, sum.BytesReceived = r.to.Sent()+r.from.Sent(), r.to.Received()+r.from.Received()
	sum.Errors, sum.Vanished = r.rep.errs.Load(), r.rep.vanished.Load()
	sum.Elapsed = time.Since(start)
	return sum
}
