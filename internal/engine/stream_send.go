package engine

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/manifest"
)

// SendStream runs a job whose sources are on host, and whose destination is a path
// that to reaches. Everything is sent; see [StreamRefuses] for what is not possible.
//
// One session makes the directories, in the order of the walk. Where there may be
// more, they carry the files, each into directories that are there already. Times
// and permissions of directories are set when all that they hold has arrived.
func SendStream(ctx context.Context, host Host, job Job, to StreamTo, rep Report) (Summary, error) {
	start := time.Now()
	if err := checkStream(&job, false); err != nil {
		return Summary{}, err
	}
	f, err := plant(ctx, host, &job, false)
	if err != nil {
		return Summary{}, err
	}
	defer f.close() // read only: nothing to lose
	prog := rep.Progress
	if prog == nil {
		prog = new(Progress)
	}
	r := startReporter(ctx, rep)
	s := &streamSender{
		source: &source{job: &job, forest: f, rep: r, prog: prog, host: host, start: start, clock: host.Now()},
		to:     to, line: newStreamLine(&job, to.Traffic),
	}
	run, stop := s.line.watch(ctx, job.Timeout)
	err = streamCause(run, s.run(run))
	stop()
	return s.summary(), conclude(r, err, &s.done)
}

// streamSender is the end that sends. The walker's goroutine owns it but for the
// counters.
type streamSender struct {
	*source // walking, opening and counting, which take no connection
	to      StreamTo
	line    *streamLine
	dest    string // the path of the destination
	root    *streamDir

	lead *streamSession // makes the directories
	pool *streamPool
	dirs []*streamDir // by index of the walk
	made []*streamDir // that the far side has, parents first

	led          int // files that the lead has carried
	sent, volume atomic.Int64
}

// streamDir is a directory of the destination.
type streamDir struct {
	parent *streamDir // nil for the root
	entry  manifest.Entry
	path   string
	depth  int
	above  bool // there are directories in it
	failed bool // the far side does not have it
	done   bool // nothing will be entered through it any more
	alone  bool // only the session that has made it may use it

	children map[int]manifest.Entry // that the walk enters, by their place in the listing
}

// run sends everything.
func (s *streamSender) run(ctx context.Context) error {
	s.tellForest()
	roots := s.forest.message(ctx)
	if roots.Nothing {
		s.rep.post(PlanEvent{})
		return nil
	}
	s.pool = newStreamPool(ctx, s)
	defer s.pool.end(context.Canceled)
	ctx = s.pool.ctx
	if err := s.open(ctx, roots); err != nil {
		return err
	}
	defer s.lead.sink.Close() // where it was not finished there is an error to tell
	err := walker.Walk(ctx, s.forest.root, s.walkOptions(), s.dir)
	s.listTime.Store(int64(time.Since(s.start)))
	if err == nil {
		s.rep.post(PlanEvent{})
		err = s.lead.settle()
	}
	if err = s.pool.wait(err); err != nil {
		return err
	}
	if err := s.finishDirs(); err != nil {
		return err
	}
	return s.lead.finish()
}

// how is how sessions are started.
func (s *streamSender) how(dir bool) StreamHow {
	return StreamHow{Recursive: dir, Directory: dir, Perms: s.job.Perms, Times: s.job.Times, Literal: s.job.LiteralPaths}
}

// open starts the first session: at a directory, which is made if it is not there,
// or at the name that a single file is to have, if that is no directory.
func (s *streamSender) open(ctx context.Context, roots *wire.Roots) error {
	if s.dest = s.job.Dest; s.dest == "" {
		s.dest = "."
	}
	s.root = &streamDir{}
	s.lead = &streamSession{s: s}
	dir := !roots.Single || strings.HasSuffix(s.dest, "/")
	if dir && roots.HasRoot {
		if opened, err := s.openAbove(ctx, roots); opened || err != nil {
			return err
		}
	}
	var err error
	var refused *StreamRefusal
	how := s.how(dir)
	if s.job.LikeCp && s.job.Recursive && !dir {
		// It may be a directory, and only the far side knows under which name: that
		// of the destination where nothing is there, else its own below it.
		how.Recursive, s.root.alone = true, true
	}
	s.lead.sink, err = s.session(ctx, s.dest, how)
	if dir && errors.As(err, &refused) {
		err = s.makeRoot(ctx, refused)
	}
	if errors.As(err, &refused) {
		return &wire.Error{Code: wire.CodeSelect, Op: "open destination", Path: s.dest, Text: refused.Text}
	}
	return err
}

// rootName returns the destination as an entry of the directory above, false where
// only the far side knows its name.
func (s *streamSender) rootName() (above, name string, ok bool) {
	clean := strings.TrimRight(s.dest, "/")
	above, name, _ = splitPath(clean)
	return above, name, manifest.ValidName(name) == nil && !(!s.job.LiteralPaths && strings.HasPrefix(clean, "~") && name == clean)
}

// openAbove starts the first session in the directory above the destination, of
// which that is an entry like others: it is made, or is there, and gets the
// attributes of the source whose content goes into it. That it is not possible is
// no error.
func (s *streamSender) openAbove(ctx context.Context, roots *wire.Roots) (bool, error) {
	above, name, ok := s.rootName()
	if !ok {
		return false, nil
	}
	sink, err := s.session(ctx, above, s.how(true))
	refused := new(StreamRefusal)
	if errors.As(err, &refused) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	s.lead.sink, s.lead.outer = sink, true
	s.root.entry, s.root.above = roots.Root, true
	s.root.entry.Name = name
	if err = s.lead.move(s.root); err == nil {
		s.made = append(s.made, s.root)
		return true, nil
	}
	if errors.As(err, &refused) {
		err = sink.Finish() // the destination itself will say what it is
	}
	s.lead.outer, s.root.entry = false, manifest.Entry{}
	return false, errors.Join(err, sink.Close())
}

// makeRoot makes the destination directory and stays in it: what is sent to a path
// that does not exist gets that very name.
func (s *streamSender) makeRoot(ctx context.Context, why *StreamRefusal) error {
	clean := strings.TrimRight(s.dest, "/")
	_, name, ok := s.rootName()
	if !ok {
		return why
	}
	how := s.how(true)
	how.Directory = false
	sink, err := s.session(ctx, clean, how)
	if err != nil {
		return err
	}
	s.lead.sink, s.lead.outer = sink, true
	s.root.entry = manifest.Entry{Name: name, Type: manifest.Directory, Mode: 0o755}
	err = s.lead.move(s.root)
	if refused := new(StreamRefusal); errors.As(err, &refused) {
		return errors.Join(&wire.Error{Code: wire.CodeFile, Op: "mkdir", Path: clean, Text: refused.Text + "; create it first (mkdir -p)"}, sink.Close())
	}
	if err == nil {
		s.rep.post(NoteEvent{Text: "created directory " + clean})
	}
	return err
}

func (s *streamSender) session(ctx context.Context, path string, how StreamHow) (StreamSink, error) {
	return startStream(ctx, s.to.Traffic, func() (StreamSink, error) { return s.to.Sink(ctx, path, how) })
}

// dir sends one directory of the walk: itself, the files in it, and directories
// that the walk does not enter.
func (s *streamSender) dir(d *walker.Dir) error {
	s.enter(d)
	s.source.dirs = s.source.dirs[:0] // nobody will ask for it by its index
	here := s.root
	if d.Parent >= 0 {
		parent := s.dirs[d.Parent]
		here = s.below(parent, parent.children[d.Entry])
		delete(parent.children, d.Entry)
	} else if s.forest.hasRoot {
		s.item("", &s.forest.root.Entry, manifest.ChangeLocal)
	}
	s.dirs = append(s.dirs, here)
	if err := s.make(here); err != nil || here.failed {
		here.failed = true
		return err
	}
	if err := s.files(d, here); err != nil {
		return err
	}
	return s.subdirs(d, here)
}

// below returns the directory of an entry of another.
func (s *streamSender) below(parent *streamDir, e manifest.Entry) *streamDir {
	return &streamDir{
		parent: parent, entry: e, path: manifest.Join(parent.path, e.Name), depth: parent.depth + 1, failed: parent.failed,
		// Without -p nobody can set the mode of a directory that is there, so one that
		// its owner may not use has to be left by who has made it when all is in it.
		alone: parent.alone || !s.job.Perms && e.Mode&0o700 != 0o700,
	}
}

// make has the far side make a directory, and enters it.
func (s *streamSender) make(dir *streamDir) error {
	if dir.parent == nil || dir.failed {
		return nil
	}
	s.item(dir.path, &dir.entry, manifest.ChangeLocal)
	err := s.lead.move(dir)
	if refused := new(StreamRefusal); errors.As(err, &refused) {
		dir.failed = true
		s.rep.fail(&FileError{Op: "mkdir", Path: dir.path, Err: refused})
		return nil
	}
	if err == nil {
		dir.parent.above = true
		s.made = append(s.made, dir)
	}
	return err
}

// subdirs notes the directories that the walk enters next, and makes the others.
func (s *streamSender) subdirs(d *walker.Dir, here *streamDir) error {
	here.children = make(map[int]manifest.Entry, len(d.Children))
	for _, i := range d.Children {
		here.children[i] = d.Entries[i]
	}
	for _, i := range manifest.Dirs(d.Entries) {
		if _, entered := here.children[i]; entered {
			continue
		}
		if err := s.make(s.below(here, d.Entries[i])); err != nil {
			return err
		}
	}
	return nil
}

// files hands out the files of a directory, in pieces.
func (s *streamSender) files(d *walker.Dir, here *streamDir) error {
	unit := streamUnit{d: d, dir: here}
	var size int64
	flush := func() error {
		u := unit
		unit.entries, size = nil, 0
		if len(u.entries) == 0 {
			return nil
		}
		return s.give(u)
	}
	for i := range d.Entries {
		e := &d.Entries[i]
		switch {
		case e.IsDir():
			continue
		case !e.IsRegular():
			s.rep.post(SkipEvent{Path: manifest.Join(d.Path, e.Name), Reason: s.whySkipped(e)})
			continue
		}
		c := manifest.ChangeTransfer
		if !s.job.Times {
			c |= manifest.ChangeTimeNow
		}
		s.item(manifest.Join(d.Path, e.Name), e, c)
		s.prog.TotalFiles.Add(1)
		s.prog.TotalBytes.Add(e.Size)
		unit.entries = append(unit.entries, i)
		if size += e.Size; len(unit.entries) == streamBatch || size >= streamBatchSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (s *streamSender) whySkipped(e *manifest.Entry) string {
	if e.Type == manifest.Symlink && s.job.Links {
		return "skipping symbolic link, which SCP cannot carry"
	}
	return "skipping non-regular file"
}

func (s *streamSender) item(path string, e *manifest.Entry, c manifest.Change) {
	if s.job.Itemize {
		s.rep.post(ItemEvent{Path: path, Entry: *e, Change: c, Sent: true})
	}
}

// finishDirs gives the directories their times and permissions. One that its owner
// may not use gets its mode when nothing in it is left to do.
func (s *streamSender) finishDirs() error {
	if !s.job.keepsTimes(manifest.Directory) && !s.job.Perms || len(s.made) == 0 {
		return nil
	}
	if err := s.outOf(s.made[0]); err != nil {
		return err
	}
	s.lead.final = true
	for _, dir := range s.made {
		if err := s.finishDir(dir); err != nil {
			return err
		}
	}
	for i := len(s.made) - 1; i >= 0 && s.job.Perms; i-- {
		dir := s.made[i]
		if !dir.above || dir.entry.Mode&0o700 == 0o700 {
			continue
		}
		dir.done = true
		if err := s.outOf(dir); err != nil {
			return err
		}
		if err := s.finishDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// outOf leaves a directory, so that it can be entered with other attributes. The
// destination is not left for others: a session that has made it cannot come back.
func (s *streamSender) outOf(dir *streamDir) error {
	if dir == s.root {
		return s.lead.move(&streamDir{})
	}
	return s.lead.move(s.root)
}

func (s *streamSender) finishDir(dir *streamDir) error {
	err := s.lead.move(dir)
	if refused := new(StreamRefusal); errors.As(err, &refused) {
		s.rep.fail(&FileError{Op: "set attributes", Path: dir.path, Err: refused})
		return nil
	}
	return err
}

// summary returns what the run did. What is new at the destination is not known.
func (s *streamSender) summary() Summary {
	var sum Summary
	sum.addTotals(&s.totals)
	sum.Transferred, sum.TransferredSize = s.sent.Load(), s.volume.Load()
	sum.Literal, sum.ListTime = s.literal.Load(), time.Duration(s.listTime.Load())
	sum.BytesSent, sum.BytesReceived = s.to.Traffic()
	sum.Errors, sum.Vanished = s.rep.errs.Load(), s.rep.vanished.Load()
	sum.Elapsed = time.Since(s.start)
	return sum
}
