package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"gosync/transport/wire"
	"gosync/walker"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// walk lists the sources and sends what the destination asks for.
func (s *source) walk(ctx context.Context) error {
	if s.job.Clean {
		return nil
	}
	var mode *wire.Mode
	select {
	case mode = <-s.mode:
	case <-ctx.Done():
		return ctx.Err()
	}
	if mode.Digests {
		return s.walkDigests(ctx, mode.Fields)
	}
	w := s.listingWriter(ctx)
	sendOwners := s.owners(ctx)
	next := 0
	defer s.conn.Work()()
	complete, err := s.eachDir(ctx, func(d *walker.Dir) error {
		s.enter(d)
		if err := sendOwners(d); err != nil {
			return err
		}
		if err := s.sendGitRules(ctx, d); err != nil {
			return err
		}
		if err := w.Add(s.record(ctx, d)); err != nil {
			return err
		}
		// The first listings go out at once, so that content follows soon.
		if d.Index >= next {
			next = 2*d.Index + 1
			return w.Send()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.endListings(ctx, w, len(s.dirs), complete)
}

func (s *source) walkOptions() walker.Options {
	return walker.Options{
		NoRecurse: !s.job.Recursive,
		OneDevice: s.job.OneFileSystem > 0,
		NoMounts:  s.job.OneFileSystem > 1,
		Filter:    s.job.Filter,
		Side:      filter.Sender,
		HardLinks: s.job.HardLinks,
		Only:      s.job.Shard.only(),
		Workers:   s.forest.parallel() / 2, // 0, for as many as suit this machine, where no line lies between
		Skip:      func(_, name string) bool { return manifest.Temporary(name) },
	}
}

func (s *source) listingWriter(ctx context.Context) *wire.ListingWriter {
	return &wire.ListingWriter{Flush: func(payload []byte) error {
		b := s.conn.Buffer(wire.TypeListings)
		b.B = append(b.B, payload...)
		s.listed.Add(int64(len(payload)))
		return s.conn.SendBuffer(ctx, b)
	}}
}

func (s *source) endListings(ctx context.Context, w *wire.ListingWriter, dirs int, complete bool) error {
	if err := w.Send(); err != nil {
		return err
	}
	s.listEnd.Store(true)
	s.listTime.Store(int64(time.Since(s.start)))
	return s.conn.Send(ctx, &wire.ListEnd{Dirs: dirs, Complete: complete && len(s.forest.errs) == 0, Totals: s.totals})
}

// enter records a directory that was walked.
func (s *source) enter(d *walker.Dir) {
	s.mu.Lock()
	s.dirs = append(s.dirs, d)
	s.mu.Unlock()
	for i := range d.Entries {
		e := &d.Entries[i]
		count(&s.totals, e)
		e.Mode = s.forest.modes.Apply(e.Type, e.Mode) // from here on it is the source's
		if s.job.UnmungeLinks {
			unmunge(e)
		}
	}
	if d.Index == 0 && s.forest.hasRoot {
		s.totals.Files++
		s.totals.Dirs++
	}
	s.prog.Seen.Add(int64(len(d.Entries)))
	s.tellListing(d)
}

// tellListing tells the user of what could not be listed of a directory.
func (s *source) tellListing(d *walker.Dir) {
	switch {
	case (s.job.CopyLinks || s.job.followsSome()) && failLinks(s.rep, d.Err):
	case d.Err != nil && d.Parent >= 0 && isGone(d.Err):
		s.rep.fail(&FileError{Op: "vanished", Path: s.dirName(d), Err: fmt.Errorf("%w: %w", ErrVanished, d.Err)})
	case d.Err != nil:
		s.rep.fail(&FileError{Op: "opendir", Path: s.dirName(d), Err: d.Err})
	}
}

// failLinks reports errors that come several at once: those of symlinks, one for
// each of the directory. It returns false for other errors, and for none.
func failLinks(rep *reporter, err error) bool {
	all, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // a wrapped one is another error
	if !ok {
		return false
	}
	for _, e := range all.Unwrap() {
		if !failLinks(rep, e) {
			rep.fail(linkError(e))
		}
	}
	return true
}

// linkError makes an error that names a path one of the run.
func linkError(err error) *FileError {
	var path *fs.PathError
	if errors.As(err, &path) {
		return &FileError{Op: path.Op, Path: path.Path, Err: path.Err}
	}
	return &FileError{Op: "follow", Path: "symlinks", Err: err}
}

// dirName returns the path of a directory for messages.
func (s *source) dirName(d *walker.Dir) string {
	if d.Path == "" {
		return "."
	}
	return d.Path
}

// count adds an entry to totals.
func count(t *wire.Totals, e *manifest.Entry) {
	t.Files++
	switch {
	case e.Type == manifest.Regular:
		t.Regular++
		t.Size += e.Size
	case e.IsDir():
		t.Dirs++
	case e.Type == manifest.Symlink:
		t.Links++
		t.Size += e.Size
	case e.Type.IsDevice():
		t.Devices++
	default:
		t.Specials++
	}
}

// record returns a directory as it is sent. That of which only some entries were
// named says nothing about what else may lie there, and neither does a source that
// has nothing: a file system may not be mounted.
func (s *source) record(ctx context.Context, d *walker.Dir) *wire.ListingRecord {
	hollow := s.job.Delete && !s.job.DeleteEmptySource && s.forest.isHollow(ctx, d)
	return &wire.ListingRecord{
		Dir: d.Index, Parent: d.Parent, Entry: d.Entry, Incomplete: hollow || d.Err != nil || d.Implied(), Hollow: hollow, Entries: d.Entries,
		Bare: s.job.NoImplied && d.Bare(),
	}
}

// owners returns a function that sends the names of numeric owners of a directory
// before the first entry that has them.
func (s *source) owners(ctx context.Context) func(d *walker.Dir) error {
	seen := [2]map[uint32]bool{{}, {}}
	names := [2]func(uint32) string{s.host.IDs().UserName, s.host.IDs().GroupName}
	want := [2]bool{(s.job.Owner || s.job.ACLs) && !s.job.NumericIDs, (s.job.Group || s.job.ACLs) && !s.job.NumericIDs}
	one := func(kind int, id uint32) error {
		if !want[kind] || seen[kind][id] {
			return nil
		}
		seen[kind][id] = true
		name := names[kind](id)
		if name == "" || len(name) > 256 {
			return nil
		}
		return s.conn.Send(ctx, &wire.Owner{Group: kind == 1, ID: id, Name: name})
	}
	both := func(e *manifest.Entry) error {
		if err := one(0, e.UID); err != nil {
			return err
		}
		if err := one(1, e.GID); err != nil {
			return err
		}
		return inACLs(e, one)
	}
	return func(d *walker.Dir) error {
		if d.Index == 0 {
			if err := both(&s.forest.root.Entry); err != nil {
				return err
			}
		}
		for i := range d.Entries {
			if err := both(&d.Entries[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// inACLs calls one for each user (0) and group (1) that the lists of an entry name.
func inACLs(e *manifest.Entry, one func(kind int, id uint32) error) error {
	if e.Ext == nil || e.Ext.Kept == nil {
		return nil
	}
	for _, l := range [2]manifest.ACL{e.Ext.Kept.Access, e.Ext.Kept.Default} {
		for _, a := range l {
			if !a.Named() {
				continue
			}
			kind := 0
			if a.Tag == manifest.ACLGroup {
				kind = 1
			}
			if err := one(kind, a.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// walkDigests walks everything, sends the root's digest, and then what the
// destination asks for.
func (s *source) walkDigests(ctx context.Context, fields manifest.Fields) error {
	working := s.conn.Work()
	complete, err := s.eachDir(ctx, func(d *walker.Dir) error { s.enter(d); return nil })
	if err != nil {
		return err
	}
	complete = complete && len(s.forest.errs) == 0
	var root *manifest.Entry
	if s.forest.hasRoot {
		root = &s.forest.root.Entry
	}
	digests := digestTree(s.dirs, root, fields, s.host.IDs())
	s.listTime.Store(int64(time.Since(s.start)))
	s.listEnd.Store(true) // where the digests are equal nothing follows; else the destination may ask now
	if err := s.conn.Send(ctx, &wire.RootDigest{Digest: digests[0], Incomplete: !complete, Totals: s.totals}); err != nil {
		return err
	}
	working()
	var dirs []int
	for {
		var need *wire.NeedDirs
		select {
		case need = <-s.needs:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !need.Table {
			dirs = append(dirs, need.Dirs...)
			if need.More {
				continue
			}
			return s.sendNeeded(ctx, dirs, complete)
		}
		if err := s.sendTable(ctx, digests); err != nil {
			return err
		}
	}
}

// tableRows is how many rows of a digest table go into one message.
const tableRows = 1024

func (s *source) sendTable(ctx context.Context, digests []manifest.Digest) error {
	for first := 0; first < len(s.dirs); first += tableRows {
		last := min(first+tableRows, len(s.dirs))
		m := &wire.DirTable{First: first, Last: last == len(s.dirs)}
		for i, d := range s.dirs[first:last] {
			row := wire.DirDigest{Parent: d.Parent, Digest: digests[first+i], Incomplete: d.Err != nil}
			if d.Parent >= 0 {
				row.Name = s.dirs[d.Parent].Entries[d.Entry].Name
			}
			m.Dirs = append(m.Dirs, row)
			s.listed.Add(int64(len(row.Name) + manifest.DigestSize + 3))
		}
		if err := s.conn.Send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) sendNeeded(ctx context.Context, dirs []int, complete bool) error {
	w, sendOwners := s.listingWriter(ctx), s.owners(ctx)
	for _, i := range dirs {
		if err := sendOwners(s.dirs[i]); err != nil {
			return err
		}
		if err := w.Add(s.record(ctx, s.dirs[i])); err != nil {
			return err
		}
	}
	return s.endListings(ctx, w, len(dirs), complete)
}
