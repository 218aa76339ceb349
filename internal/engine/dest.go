package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// dest is the end that receives.
type dest struct {
	job       *Job
	conn      *wire.Conn
	host      Host
	rep       *reporter
	prog      *Progress
	alone     bool                                            // the other end is in this process and needs no farewell
	requested *requested                                      // on a pull
	limits    Limits                                          // of a server
	twin      *source                                         // the other end, where it is on the same machine
	local     *source                                         // the other end, where it is in this process and files can be copied directly
	learned   func(Content)                                   // is told digests; nil where nobody wants them
	user      func(ctx context.Context, question string) bool // asks the user of this process; nil where there is none
	group     *errgroup.Group
	ended     func() bool // the run is over or about to be
	seed      uint64

	tree    Dest   // nil in a dry run whose destination does not exist
	base    string // path of the tree's root, for messages
	rename  string // name of the single source at the destination, "" for its own
	empty   bool   // the destination had nothing when the run began
	created bool   // the destination was made by this run
	clock   manifest.Clock
	names   folding
	alts    []altDir              // where things are that the tree lacks; see alternate.go
	bases   map[wire.ID]*altBasis // of files that are about to be asked for

	roots  chan *wire.Roots
	table  chan *wire.DirTable
	digest chan *wire.RootDigest
	plan   chan planItem
	small  chan wire.Frame
	ids    *ownerMap
	cpu    cores

	mu      sync.Mutex
	files   map[wire.ID]*incoming // asked for and not finished
	later   []waiting             // new files that are still to be asked for
	more    func() error          // asks for some of them
	pumping bool                  // that is queued
	lost    map[wire.ID]bool      // could not be made
	mended  []string              // paths of files that a run had left half written and that are whole now
	streams int                   // large files and deltas being received
	checks  map[wire.ID]*checking // files whose digests were sent

	replaced map[wire.ID]bool // ... and were not the source's; where links are kept

	asked    bool                // a question was asked
	answer   chan bool           // the user's at the far side, once a question was asked
	pending  int                 // files and checks that are not dealt with
	idle     chan struct{}       // closed when pending falls to 0; nil while nobody waits
	slots    *semaphore.Weighted // for open deltas, see deltaRoom
	literals *semaphore.Weighted // for the bytes of literals of their segments that are not made yet
	ops      atomic.Int64        // bytes of the operations of these
	jobs     *queue[func() error]
	width    int                 // files that are dealt with at a time, where an end lies behind a line; else 0
	chunks   *semaphore.Weighted // for the bytes of chunks that are copied in this process
	bufs     sync.Pool           // of *[]byte, for these

	dirs       []*destDir // all that were planned, parents first
	own        *ownTree   // the destination's own walk, where digests were compared
	need       []int      // ... and the source's directories whose listings were asked for
	links      []linkTask
	dead       []deadGroup                 // what is to be removed
	late       []lateDir                   // what is to be judged when all is in place, and removed then
	judgeLate  func(context.Context) error // does that; nil where there is no need
	first      *slot                       // the place of all that among the events, where it is removed before anything is transferred
	blocked    []blockedEntry              // entries where a directory is to be removed first
	pathBytes  int64                       // of the paths of dirs
	dstEntries int64                       // entries found at the destination
	listEnd    wire.ListEnd
	rootMsg    *wire.Roots
	hollow     []string // directories that were asked for, where the source has nothing and the destination has something to delete
	refused    string   // why deletions were refused, "" if they were not

	given map[inode]given // what files with several names have; of the reporter's goroutine

	backups string             // path in the tree of the directory for backups, "" where it lies elsewhere
	landed  map[*destDir][]int // entries that are as they are to be, where the source wants to know

	sum        wire.Done
	wantTable  atomic.Bool  // a table of digests was asked for and is not complete
	wantPlan   atomic.Bool  // listings were asked for
	told       atomic.Bool  // Done was sent
	unsent     atomic.Int64 // files that the source could not send
	lister     lister
	owners     int           // users and groups that the source has named; the reader's
	gotRoots   bool          // the message came; the reader's
	gotDigest  bool          // ... and this one
	gotEnd     bool          // ... and that which ends the listings
	served     bool          // the other end is the client
	planned    chan struct{} // closed when everything was compared: no listing may come any more
	literal    atomic.Int64
	listed     atomic.Int64
	matched    atomic.Int64
	transfers  atomic.Int64
	transBytes atomic.Int64
	fatal      atomic.Pointer[error]
	lockedMode uint16      // the mode of the destination itself before it was unlocked
	unlocked   bool        // ... which it was
	noKept     atomic.Bool // it was told that the destination has nothing for extended attributes or lists
}

// planItem is what the reader hands to the planner, in order.
type planItem struct {
	rec   *wire.ListingRecord
	owner *wire.Owner
	end   *wire.ListEnd
	git   *wire.GitRules
}

// Limits of what the destination keeps open.
const (
	writers      = 4  // goroutines that write small files
	largeStreams = 64 // large files that the source may send at a time, a protocol limit
)

func newDest(host Host, conn *wire.Conn, job *Job, rep *reporter, prog *Progress, seed uint64) *dest {
	if prog == nil {
		prog = new(Progress)
	}
	return &dest{
		job: job, conn: conn, host: host, rep: rep, prog: prog, seed: seed, lister: lister{rep: rep, prog: prog},
		roots: make(chan *wire.Roots, 1), table: make(chan *wire.DirTable, 1), digest: make(chan *wire.RootDigest, 1),
		plan: make(chan planItem, 256), small: make(chan wire.Frame, writers),
		ids: newOwnerMap(host.IDs(), job), cpu: newCores(conn.Work),
		files: map[wire.ID]*incoming{}, lost: map[wire.ID]bool{}, checks: map[wire.ID]*checking{},
		slots: semaphore.NewWeighted(maxDeltas), literals: semaphore.NewWeighted(literalRoom), jobs: newQueue[func() error](), planned: make(chan struct{}),
		chunks: semaphore.NewWeighted(chunkRoom),
	}
}

// run receives until everything is in place and the source has taken leave.
func (d *dest) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	over, end := context.WithCancel(ctx)
	defer end()
	d.group = g
	d.ended = func() bool { return ctx.Err() != nil }
	g.Go(func() error {
		defer close(d.small)
		err := receive(ctx, d.conn, "", d.dispatch)
		if err == nil {
			end() // else the group ends the others, with the cause
		}
		return err
	})
	g.Go(func() error {
		defer d.jobs.close()
		return ignoreCancelled(d.conduct(over), ctx)
	})
	for range writers {
		g.Go(func() error { return d.writeSmall(ctx) })
		g.Go(func() error { return d.doJobs(ctx) })
	}
	g.Go(func() error { return closeOnCancel(ctx, over, d.conn, d.alone) })
	err := g.Wait()
	for _, in := range d.files {
		in.release() // another attempt of this process may want it
	}
	d.closeAlternates()
	if d.tree != nil {
		if cerr := d.tree.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("closing the destination: %w", cerr)
		}
	}
	return err
}

// doJobs runs what must not run on the planner: hashing and local copies.
func (d *dest) doJobs(ctx context.Context) error {
	for {
		job, ok := d.jobs.get()
		if !ok || ctx.Err() != nil {
			return ctx.Err()
		}
		if err := job(); err != nil {
			return err
		}
	}
}

// dispatch handles a frame of the source, which takes leave with the last.
func (d *dest) dispatch(ctx context.Context, f wire.Frame) (over bool, err error) {
	switch f.Type {
	case wire.TypeFiles:
		select {
		case d.small <- f:
			return false, nil
		case <-ctx.Done():
			return true, context.Cause(ctx)
		}
	case wire.TypeListings:
		return false, d.listings(ctx, f)
	}
	m, err := decode(&f)
	if err != nil {
		return true, err
	}
	if err := d.content(m); err != nil {
		return true, err
	}
	switch m := m.(type) {
	case *wire.Fatal:
		return true, &farError{&m.Err}
	case *wire.SourceDone:
		return true, d.leave(m)
	case *wire.Data:
		return false, d.route(ctx, m.ID, f, m)
	case *wire.FileEnd:
		return false, d.route(ctx, m.ID, f, m)
	case *wire.Held:
		return false, d.route(ctx, m.ID, f, m)
	case *wire.Segment:
		return false, d.route(ctx, m.ID, f, m)
	case *wire.Question:
		return false, d.route(ctx, m.ID, f, m)
	case *wire.Literals:
		return false, d.route(ctx, m.ID, f, m)
	}
	return false, d.control(ctx, m)
}

// leave handles the source's last message.
func (d *dest) leave(m *wire.SourceDone) error {
	if !d.told.Load() {
		return fmt.Errorf("%w: the source takes leave before everything is in place", wire.ErrProtocol)
	}
	if n := d.unsent.Load(); n > m.Failed { // a client tells its user by its own count, and hears no more of ours
		return fmt.Errorf("%w: %d files are said to have failed, and the source knows of %d", wire.ErrProtocol, n, m.Failed)
	}
	// The source has reported each, or should have.
	if m.Failed > 0 && d.rep.outcome() == nil {
		d.fail("read", "the source", fmt.Errorf("%d files could not be sent", m.Failed))
	}
	return nil
}

// control handles a message that carries no content.
func (d *dest) control(ctx context.Context, m wire.Msg) error {
	switch m := m.(type) {
	case *wire.Roots:
		return once(&d.gotRoots, d.roots, m)
	case *wire.RootDigest:
		return once(&d.gotDigest, d.digest, m)
	case *wire.DirTable:
		if !d.wantTable.Load() || len(m.Dirs) == 0 {
			return fmt.Errorf("%w: a table of digests that was not asked for", wire.ErrProtocol)
		}
		d.wantTable.Store(!m.Last)
		return put(ctx, d.table, m)
	case *wire.Owner:
		if d.owners++; d.owners > maxOwners {
			return fmt.Errorf("%w: more than %d owners", wire.ErrProtocol, maxOwners)
		}
		return d.toPlan(ctx, planItem{owner: m})
	case *wire.ListEnd:
		return d.toPlan(ctx, planItem{end: m})
	case *wire.GitRules:
		// They are kept, and would keep the memory of their frame, which is counted by none.
		m.Ignore, m.Exclude = bytes.Clone(m.Ignore), bytes.Clone(m.Exclude)
		return d.toPlan(ctx, planItem{git: m})
	case *wire.Same:
		return d.same(ctx, m)
	case *wire.Trouble:
		return d.trouble(m)
	case *wire.Confirmed:
		return d.confirmed(m)
	}
	return fmt.Errorf("%w: message %d from the source", wire.ErrProtocol, m.Type())
}

// once takes a message that comes once; got is the reader's.
func once[T any](got *bool, c chan T, v T) error {
	if *got {
		return fmt.Errorf("%w: %T came again", wire.ErrProtocol, v)
	}
	*got = true
	return offer(c, v)
}

// maxOwners is how many users and groups a source may name.
const maxOwners = 1 << 18

// toPlan hands an item to the planner. What comes before it was asked for, or
// when everything was compared, breaks the protocol: nobody would take it.
func (d *dest) toPlan(ctx context.Context, it planItem) error {
	if !d.wantPlan.Load() {
		return fmt.Errorf("%w: listings come that were not asked for", wire.ErrProtocol)
	}
	if d.gotEnd {
		return fmt.Errorf("%w: listings come behind their end", wire.ErrProtocol)
	}
	d.gotEnd = it.end != nil
	select {
	case <-d.planned: // first: the queue may have room although nobody empties it
		return fmt.Errorf("%w: listings come when everything was compared", wire.ErrProtocol)
	default:
	}
	select {
	case d.plan <- it:
		return nil
	case <-d.planned:
		return fmt.Errorf("%w: listings come when everything was compared", wire.ErrProtocol)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// put hands v on, or gives up when the run ends.
func put[T any](ctx context.Context, c chan<- T, v T) error {
	select {
	case c <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *dest) trouble(m *wire.Trouble) error {
	if d.served {
		return fmt.Errorf("%w: message %d from a client", wire.ErrProtocol, m.Type())
	}
	return d.lister.trouble(m)
}

// listings decodes records and hands them to the planner.
func (d *dest) listings(ctx context.Context, f wire.Frame) error {
	defer f.Release()
	payload, err := f.Payload()
	if err != nil {
		return err
	}
	d.listed.Add(int64(len(payload)))
	return d.lister.records(payload, func(rec *wire.ListingRecord, seen int64) error {
		if err := d.limits.count(seen); err != nil {
			return err
		}
		return d.toPlan(ctx, planItem{rec: rec})
	})
}

// conduct leads the run: it opens the destination, compares, waits until
// everything has arrived, and finishes.
func (d *dest) conduct(ctx context.Context) error {
	select {
	case d.rootMsg = <-d.roots:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := d.requested.checkRoots(d.rootMsg); err != nil {
		return err
	}
	if err := d.job.checkRoots(d.rootMsg); err != nil {
		return err
	}
	if err := d.open(ctx); err != nil {
		return err
	}
	if d.job.Clean {
		close(d.planned)
		return d.clean(ctx)
	}
	d.openAlternates(ctx)
	if err := d.compare(ctx); err != nil {
		return err
	}
	if err := d.await(ctx); err != nil {
		return err
	}
	return d.finish(ctx)
}

// begun counts a file or a check that has to be dealt with before the end, over
// one that is. The caller of over must not hold d.mu.
func (d *dest) begun() {
	d.mu.Lock()
	d.pending++
	d.mu.Unlock()
}

func (d *dest) over() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending--; d.pending == 0 && d.idle != nil {
		close(d.idle)
		d.idle = nil
	}
}

// await waits until everything that was asked for is dealt with. Nothing new is
// begun meanwhile but by what is under way.
func (d *dest) await(ctx context.Context) error {
	d.mu.Lock()
	if d.pending == 0 {
		d.mu.Unlock()
		return nil
	}
	idle := make(chan struct{})
	d.idle = idle
	d.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// compare finds out what differs and asks for it.
func (d *dest) compare(ctx context.Context) (err error) {
	defer func() {
		if err == nil { // else what comes meanwhile must not hide the cause
			close(d.planned)
		}
	}()
	mode := d.mode()
	if !mode.Digests {
		d.wantPlan.Store(true)
	}
	if err := d.conn.Send(ctx, mode); err != nil {
		return err
	}
	if mode.Digests {
		over, err := d.compareDigests(ctx, mode.Fields)
		if over || err != nil {
			return err
		}
	}
	p := &planner{d: d}
	if d.judgesLate() {
		d.judgeLate = p.judgeLate
	}
	return p.run(ctx)
}

// fail reports an error with a file of the destination.
func (d *dest) fail(op, shown string, err error) {
	d.rep.fail(&FileError{Op: op, Path: shown, Err: err})
}

// hopeless reports whether an error at the destination makes going on
// senseless: there is no room, or nothing can be written at all.
func hopeless(err error) bool {
	k := wire.KindOf(err)
	return k == wire.KindNoSpace || k == wire.KindQuota || k == wire.KindReadOnly
}

// fileFailed reports an error with a file that was to be written. Where it is
// hopeless to go on, the run ends with it.
func (d *dest) fileFailed(op, shown string, err error) error {
	if errors.Is(err, context.Canceled) || d.ended != nil && d.ended() {
		return err // what ended the run is the cause, not a fault of the file
	}
	if d.keptFailed(op, shown, err) {
		return nil
	}
	if hopeless(err) {
		err = &wire.Error{Code: wire.CodeFile, Kind: wire.KindOf(err), Op: op, Path: shown, Text: text(err)}
		d.fatal.CompareAndSwap(nil, &err) // whoever finishes the run meanwhile must see it
		return err
	}
	d.fail(op, shown, err)
	return nil
}

// shownPath returns the path of an entry for messages.
func shownPath(dir *destDir, e *manifest.Entry) string { return manifest.Join(dir.shown, e.Name) }
