package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"gosync/internal/engine"
	"gosync/internal/snapshot"
)

// forbidden are options that do not go with making a snapshot: they write into files
// that snapshots share, decide what the snapshot decides, or leave out what it has to have.
func forbidden(name string) bool {
	return slices.Contains(strings.Fields(`append append-verify backup backup-dir clean compare-dest confirm copy-dest
 delay-updates delete delete-after delete-before delete-delay delete-during delete-excluded del direct existing
 ignore-existing inplace link-dest list-only max-delete partial-dir remove-source-files suffix temp-dir update`), name)
}

// make makes a snapshot.
func (r *snapshotRun) make(ctx context.Context) error {
	if err := r.needs(2, 0, "gosync snapshot takes at least one SRC, and DEST"); err != nil {
		return err
	}
	for i := range r.s.given {
		if g := &r.s.given[i]; g.on && forbidden(g.flag.name) {
			return withCode(exitUnsupported, fmt.Errorf("%s does not go with gosync snapshot", g.arg()))
		}
	}
	last := len(r.operands) - 1
	sources := r.operands[:last]
	if r.s.DryRun {
		return r.pretend(ctx, sources, r.operands[last])
	}
	k, at, end, err := r.store(ctx, r.operands[last], true)
	if err != nil {
		return err
	}
	defer end()
	next, err := k.Begin(ctx)
	if err != nil {
		return err
	}
	if next.Resumed && !r.s.quiet {
		r.con.message("gosync: going on with a snapshot that was interrupted")
	}
	s := r.s
	s.Delete, s.ForceDelete, s.DeleteEmptySource, s.MaxDelete = true, true, true, -1 // of what is not there any more
	s.deletes.excluded = true
	s.retries = 0 // what is linked must be taken out of it first
	if next.Base != "" {
		s.AltKind = engine.AltLink
		s.AltDirs[0] = "../" + next.Base
	}
	notes := &noter{keeper: k}
	sub := *r.env
	if !s.Checksum && !s.SizeOnly && !s.IgnoreTimes { // else what is noted of an earlier run may be of other content
		sub.content = notes.add
	}
	if err := r.con.flush(); err != nil {
		return err
	}
	failed := sub.sync(ctx, s, append(slices.Clone(sources), at.in(next.Dir+"/")))
	if err := notes.flush(); err != nil && failed == nil {
		return err
	}
	switch exitCode(failed, r.parts.exitCode) {
	case exitOK, exitVanished:
	case exitPartial:
		if !r.o.errors {
			return fmt.Errorf("no snapshot was made: %w; the next run goes on with it, and --despite-errors makes it as it is", failed)
		}
	default:
		return failed
	}
	return r.finish(ctx, k, failed)
}

// exitVanished says that files vanished while they were copied.
const exitVanished = 24

// finish gives a snapshot its name and removes others. failed is what the copy ended with.
func (r *snapshotRun) finish(ctx context.Context, k snapshot.Keeper, failed error) error {
	f, err := k.Finish(ctx)
	if err != nil {
		return err
	}
	r.con.tell(&snapshotJSON{Name: f.Name, State: "made"})
	if !r.s.quiet {
		r.con.print("snapshot " + f.Name + "\n")
	}
	if r.s.verbose > 0 {
		r.con.print(fmt.Sprintf("%d files, of which %d were read again for their digests\n", f.Files, f.Read))
	}
	if !r.o.keep.IsZero() {
		if err := r.pruneIn(ctx, k); err != nil {
			return err
		}
	}
	return failed
}

// pretend is a dry run: it compares with the newest good snapshot. Where there is none
// everything is new.
func (r *snapshotRun) pretend(ctx context.Context, sources []string, dest string) error {
	k, at, end, err := r.store(ctx, dest, false)
	if err != nil && exitCode(err, r.parts.exitCode) == exitSelect {
		return r.sync(ctx, r.s, append(slices.Clone(sources), dest))
	}
	if err != nil {
		return err
	}
	defer end()
	all, err := k.List(ctx)
	if err != nil {
		return err
	}
	base := ".gosync-snapshots.next"
	for _, i := range all {
		if i.Good() {
			base = i.Name
		}
	}
	end()
	s := r.s
	s.Delete, s.ForceDelete, s.DeleteEmptySource, s.deletes.excluded, s.MaxDelete = true, true, true, true, -1
	return r.sync(ctx, s, append(slices.Clone(sources), at.in(base+"/")))
}

// noter hands digests to a store, several at a time.
type noter struct {
	keeper snapshot.Keeper

	mu     sync.Mutex
	batch  []snapshot.Landed
	failed error
}

// noteBatch is after how many digests they are handed over: what a kill may lose, and is
// read again then.
const noteBatch = 256

func (n *noter) add(c engine.Content) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.batch = append(n.batch, snapshot.Landed{Path: c.Path, Size: c.Size, Sec: c.Sec, Nsec: c.Nsec, Sum: snapshot.Sum(c.Sum)})
	if len(n.batch) >= noteBatch {
		n.hand()
	}
}

// hand hands over what waits. n.mu is held.
func (n *noter) hand() {
	if n.failed == nil {
		n.failed = n.keeper.Note(n.batch)
	}
	n.batch = nil
}

func (n *noter) flush() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hand()
	return n.failed
}
