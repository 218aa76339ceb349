package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gosync/internal/snapshot"
)

// verify compares snapshots with their manifests.
func (r *snapshotRun) verify(ctx context.Context) error {
	if err := r.needs(1, 0, "gosync snapshot verify takes DEST and names"); err != nil {
		return err
	}
	k, _, all, end, err := r.listed(ctx)
	if err != nil {
		return err
	}
	defer end()
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
		r.con.tell(&snapshotJSON{Name: chosen[i].Name, State: "no_manifest"})
		r.con.print(chosen[i].Name + ": no manifest\n")
	}
	err = k.Check(ctx, names, func(f snapshot.Found) {
		if f.Err != nil {
			unread++
			r.con.message(display("gosync: " + f.Name + ": " + f.Err.Error()))
			return
		}
		found++
		r.con.tell(namedEvent(differs, f.Name+"/"+f.Path, differenceText(f.Difference)))
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
	k, at, all, end, err := r.listed(ctx)
	if err != nil {
		return err
	}
	defer end()
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
		r.con.tell(namedEvent(differs, path, "differs (content)"))
		r.con.print("differs (content): " + display(path) + "\n")
	}
	return c.verdict(ctx, err)
}

// restore copies a snapshot, or a part of it, to where the user wants it.
func (r *snapshotRun) restore(ctx context.Context) error {
	if err := r.needs(3, 3, "gosync snapshot restore takes DEST, NAME and TARGET"); err != nil {
		return err
	}
	_, at, all, end, err := r.listed(ctx)
	if err != nil {
		return err
	}
	defer end()
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
