package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"gosync/internal/engine"
	"gosync/internal/snapshot"
)

const snapshotUsage = `Usage: gosync snapshot [OPTION]... SRC... DEST
       gosync snapshot list DEST
       gosync snapshot verify DEST [NAME]...
       gosync snapshot diff [OPTION]... DEST NAME [NAME]
       gosync snapshot restore [OPTION]... DEST NAME[/PATH] TARGET
       gosync snapshot prune [--dry-run] --keep-last=N... DEST

Keeps copies of SRC below DEST under the times at which they were made. What has not
changed is hard-linked to the newest good one. A copy appears as a whole or not at all;
one that was interrupted is gone on with by the next run. DEST/latest is a link to the
newest, and DEST/.gosync-snapshots holds the digests of their files, as b3sum writes
them. SRC or DEST may be on a host.

NAME is that of a snapshot, the beginning of one for the newest of these, or latest.
verify reads all that is kept, or those that are named, and marks what is damaged: later
snapshots are not linked against it. Exit status 45 says that something differs. -a is
implied. A SRC of the name of a command is written as ./list.

`

// snapshotSettings are the options of gosync snapshot alone.
type snapshotSettings struct {
	keep   snapshot.Policy
	errors bool // make it although some files could not be copied
}

func snapshotFlags(o *snapshotSettings) []flag {
	var table []flag
	for _, k := range []struct {
		name, doc string
		field     *int
	}{
		{"last", "keep the last N snapshots", &o.keep.Last},
		{"daily", "... the last one of each of the last N days that have any", &o.keep.Daily},
		{"weekly", "... of weeks", &o.keep.Weekly},
		{"monthly", "... of months", &o.keep.Monthly},
		{"yearly", "... of years", &o.keep.Yearly},
	} {
		table = append(table, flag{
			name: "keep-" + k.name, arg: "N", doc: k.doc,
			set: func(_ *settings, _ bool, text string) error {
				n, err := snapshotCount(text)
				*k.field = n
				return err
			},
		})
	}
	return append(table, flag{
		name: "despite-errors", doc: "make the snapshot although some files could not be copied",
		set: func(_ *settings, on bool, _ string) error { o.errors = on; return nil },
	})
}

// snapshotCount reads a number of snapshots.
func snapshotCount(text string) (int, error) {
	n := 0
	for _, c := range text {
		if c < '0' || c > '9' || n > 1_000_000 {
			return 0, usageErrorf("%q is no number of snapshots", text)
		}
		n = n*10 + int(c-'0')
	}
	if text == "" {
		return 0, usageErrorf("the value is empty")
	}
	return n, nil
}

// snapshotRun is one command line of gosync snapshot.
type snapshotRun struct {
	*env
	s        *settings
	o        snapshotSettings
	operands []string
	con      *console
}

// runSnapshot is gosync snapshot.
func runSnapshot(ctx context.Context, args []string, e *env) error {
	commands := map[string]func(*snapshotRun, context.Context) error{
		"list": (*snapshotRun).list, "verify": (*snapshotRun).verify, "diff": (*snapshotRun).diff,
		"restore": (*snapshotRun).restore, "prune": (*snapshotRun).prune,
	}
	name, run := "snapshot", (*snapshotRun).make
	if len(args) > 0 && commands[args[0]] != nil {
		name, run, args = "snapshot "+args[0], commands[args[0]], args[1:]
	}
	r := &snapshotRun{env: e, s: newSettings()}
	r.s.setArchive()
	var err error
	r.operands, err = parseWith(name, snapshotFlags(&r.o), r.s, args)
	switch {
	case err != nil:
		return err
	case r.s.help || len(args) == 1 && args[0] == "-h":
		return e.text(ownHelp(snapshotUsage, snapshotFlags(&r.o)))
	}
	return r.run(ctx, run)
}

// run does one of the things that there are to do.
func (r *snapshotRun) run(ctx context.Context, do func(*snapshotRun, context.Context) error) error {
	r.con = newConsole(r.stdout, r.stderr, r.outTerm, nil)
	err := keeperError(do(r, ctx))
	if failed := r.con.flush(); failed != nil {
		return withCode(exitOutput, fmt.Errorf("writing the output: %w", failed))
	}
	return err
}

// store opens the directory that an operand names.
func (r *snapshotRun) store(ctx context.Context, operand string, made bool) (snapshot.Keeper, target, func(), error) {
	targets, err := parseTargets([]string{operand})
	if err != nil {
		return nil, target{}, nil, err
	}
	k, end, err := r.keeper(ctx, r.s, targets[0], made, r.con)
	return k, targets[0], end, err
}

// in returns the operand for a path below that of t.
func (t target) in(path string) string {
	u := t.Target
	if u.Path == "" {
		u.Path = "."
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	u.Path += path
	return u.String()
}

// needs checks how many operands there are.
func (r *snapshotRun) needs(least, most int, what string) error {
	if n := len(r.operands); n < least || most > 0 && n > most {
		return usageErrorf("%s, not %d operands", what, n)
	}
	return nil
}

// list prints the snapshots.
func (r *snapshotRun) list(ctx context.Context) error {
	if err := r.needs(1, 1, "gosync snapshot list takes DEST"); err != nil {
		return err
	}
	k, _, end, err := r.store(ctx, r.operands[0], false)
	if err != nil {
		return err
	}
	defer end()
	all, err := k.List(ctx)
	if err != nil {
		return err
	}
	for _, i := range all {
		r.con.print(i.Name + "  " + state(&i) + "\n")
	}
	return nil
}

// state is what is known of a snapshot.
func state(i *snapshot.Info) string {
	switch {
	case !i.Manifest:
		return "no manifest"
	case i.Bad:
		return "damaged"
	}
	return "good"
}

// verify compares snapshots with their manifests.
func (r *snapshotRun) verify(ctx context.Context) error {
	if err := r.needs(1, 0, "gosync snapshot verify takes DEST and names"); err != nil {
		return err
	}
	k, _, end, err := r.store(ctx, r.operands[0], false)
	if err != nil {
		return err
	}
	defer end()
	all, err := k.List(ctx)
	if err != nil {
		return err
	}
	chosen := all
	if len(r.operands) > 1 {
		chosen = nil
		for _, text := range r.operands[1:] {
			i, err := snapshot.Resolve(all, text)
			if err != nil {
				return err
			}
			chosen = append(chosen, i)
		}
	}
	var names []string
	found, unread := 0, 0
	for i := range chosen {
		if chosen[i].Manifest {
			names = append(names, chosen[i].Name)
			continue
		}
		found++
		r.con.print(chosen[i].Name + ": no manifest\n")
	}
	err = k.Check(ctx, names, func(f snapshot.Found) {
		if f.Err != nil {
			unread++
			r.con.message(display("gosync: " + f.Name + ": " + f.Err.Error()))
			return
		}
		found++
		r.con.print(display(f.Name) + ": " + differenceText(f.Difference) + "\n")
	})
	switch {
	case err != nil:
		return err
	case found > 0:
		return withCode(exitVerify, errors.New("snapshots are damaged"))
	case unread > 0:
		return withCode(exitPartial, errors.New("some of it could not be read"))
	}
	if r.s.verbose > 0 {
		r.con.print(fmt.Sprintf("%d snapshots have the digests of their manifests\n", len(names)))
	}
	return nil
}

// diff tells what differs between two snapshots.
func (r *snapshotRun) diff(ctx context.Context) error {
	if err := r.needs(2, 3, "gosync snapshot diff takes DEST and one or two names"); err != nil {
		return err
	}
	k, at, end, err := r.store(ctx, r.operands[0], false)
	if err != nil {
		return err
	}
	defer end()
	all, err := k.List(ctx)
	if err != nil {
		return err
	}
	var pair [2]snapshot.Info
	var sums [2]snapshot.Manifest
	for i, text := range append(slices.Clone(r.operands[1:]), "latest")[:2] {
		if pair[i], err = snapshot.Resolve(all, text); err != nil {
			return err
		}
		if sums[i], err = k.Manifest(ctx, pair[i].Name); err != nil {
			return err
		}
	}
	changed := map[string]bool{}
	for _, d := range snapshot.Compare(sums[0], sums[1]) {
		if d.Kind == snapshot.Changed {
			changed[d.Path] = true
		}
	}
	end()
	r.s.DryRun, r.s.Delete, r.s.ForceDelete, r.s.DeleteEmptySource, r.s.MaxDelete = true, true, true, true, -1
	c := &comparison{from: pair[0].Name, to: pair[1].Name, changed: changed}
	err = r.compareOnce(ctx, r.s, []string{at.in(pair[0].Name + "/"), at.in(pair[1].Name + "/")}, c)
	for _, path := range slices.Sorted(maps.Keys(c.changed)) { // of the same size and time
		c.count++
		r.con.print("differs (content): " + display(path) + "\n")
	}
	return c.verdict(ctx, err)
}

// prune removes snapshots.
func (r *snapshotRun) prune(ctx context.Context) error {
	if err := r.needs(1, 1, "gosync snapshot prune takes DEST"); err != nil {
		return err
	}
	if r.o.keep.IsZero() {
		return usageErrorf("gosync snapshot prune needs to know what to keep, such as --keep-daily=7")
	}
	k, _, end, err := r.store(ctx, r.operands[0], false)
	if err != nil {
		return err
	}
	defer end()
	return r.pruneIn(ctx, k)
}

func (r *snapshotRun) pruneIn(ctx context.Context, k snapshot.Keeper) error {
	gone, err := k.Prune(ctx, r.o.keep, r.s.DryRun)
	for _, name := range gone {
		r.con.print("removed " + display(name) + "\n")
	}
	return err
}

// restore copies a snapshot, or a part of it, to where the user wants it.
func (r *snapshotRun) restore(ctx context.Context) error {
	if err := r.needs(3, 3, "gosync snapshot restore takes DEST, NAME and TARGET"); err != nil {
		return err
	}
	k, at, end, err := r.store(ctx, r.operands[0], false)
	if err != nil {
		return err
	}
	defer end()
	all, err := k.List(ctx)
	if err != nil {
		return err
	}
	name, path, _ := strings.Cut(r.operands[1], "/")
	i, err := snapshot.Resolve(all, name)
	if err != nil {
		return err
	}
	if !i.Good() {
		r.con.message("gosync: " + i.Name + ": " + state(&i) + "; gosync snapshot verify tells which files are concerned")
	}
	end()
	return r.sync(ctx, r.s, []string{at.in(i.Name + "/" + path), r.operands[2]})
}

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
	if next.Resumed {
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
	r.con.print("snapshot " + f.Name + "\n")
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
