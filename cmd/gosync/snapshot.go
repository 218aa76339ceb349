package main

import (
	"context"
	"fmt"
	"strings"

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
		e.events = nil
		return e.text(ownHelp(snapshotUsage, snapshotFlags(&r.o)))
	}
	return r.run(ctx, run)
}

// run does one of the things that there are to do.
func (r *snapshotRun) run(ctx context.Context, do func(*snapshotRun, context.Context) error) error {
	r.keepEvents(r.s)
	r.con = r.s.console(r.env, nil)
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

// listed opens the directory that the first operand names, to read it, and lists its snapshots.
func (r *snapshotRun) listed(ctx context.Context) (k snapshot.Keeper, at target, all []snapshot.Info, end func(), err error) {
	k, at, end, err = r.store(ctx, r.operands[0], false)
	if err != nil {
		return nil, target{}, nil, nil, err
	}
	if all, err = k.List(ctx); err != nil {
		end()
		return nil, target{}, nil, nil, err
	}
	return k, at, all, end, nil
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
	_, _, all, end, err := r.listed(ctx)
	if err != nil {
		return err
	}
	defer end()
	for _, i := range all {
		r.con.tell(&snapshotJSON{Name: i.Name, State: strings.ReplaceAll(state(&i), " ", "_")})
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
		r.con.tell(&snapshotJSON{Name: name, State: "removed"})
		if !r.s.quiet {
			r.con.print("removed " + display(name) + "\n")
		}
	}
	return err
}
