package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// listedAs returns entries as they come from the wire.
func listedAs(t *testing.T, entries []manifest.Entry) []manifest.Entry {
	t.Helper()
	var out []manifest.Entry
	w := &wire.ListingWriter{Flush: func(b []byte) error {
		m := wire.Listings{Data: b}
		for {
			r, more, err := m.NextListing()
			if err != nil || !more {
				return err
			}
			out = append(out, r.Entries...)
		}
	}}
	if err := errors.Join(w.Add(&wire.ListingRecord{Parent: -1, Entries: entries}), w.Send()); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestCheckKept: what a source has an end hold is bounded, but what entries share counts once, so that a great tree with
// one list everywhere can be copied, and access times do not count: they are no more than the entries are.
func TestCheckKept(t *testing.T) {
	t.Parallel()
	job := &Job{}
	job.Xattrs, job.ACLs, job.Atimes = true, true, true
	const value = 10_000
	entries := func(keep func(i int) *manifest.Kept) (all []manifest.Entry) {
		for i := range 1000 {
			e := manifest.Entry{Name: fmt.Sprintf("%06d", i), Type: manifest.Regular}
			e.Keep(keep(i))
			all = append(all, e)
		}
		return all
	}
	attr := func(v string) []manifest.Xattr { return []manifest.Xattr{{Name: "user.x", Value: v}} }
	long := strings.Repeat("v", value)
	for _, c := range []struct {
		what     string
		entries  []manifest.Entry
		min, max int64
	}{
		{"access times", entries(func(i int) *manifest.Kept { return &manifest.Kept{HasAtime: true, Atime: int64(i)} }), 0, 0},
		{"one attribute everywhere", entries(func(int) *manifest.Kept { return &manifest.Kept{Xattrs: attr(long)} }), value, 200 * value}, // once for each record
		{"one list everywhere", entries(func(int) *manifest.Kept {
			return &manifest.Kept{Access: manifest.ACL{{Tag: manifest.ACLUser, ID: 7, Perm: 4}, {Tag: manifest.ACLGroupObj}}}
		}), 16, 160},
		{"another attribute everywhere", entries(func(i int) *manifest.Kept { return &manifest.Kept{Xattrs: attr(fmt.Sprintf("%s%06d", long, i))} }), 1000 * value, 1010 * value},
	} {
		p := &planner{d: &dest{job: job}}
		if err := p.checkKept(listedAs(t, c.entries)); err != nil || p.kept < c.min || p.kept > c.max {
			t.Errorf("%s: %d bytes, want %d to %d; %v", c.what, p.kept, c.min, c.max, err)
		}
	}
	// A listing without end is never complete.
	p := &planner{d: &dest{job: job}, kept: maxKept - value, partial: &destDir{entries: []manifest.Entry{{Name: "0"}}}}
	part := &wire.ListingRecord{Parent: -1, More: true, Entries: entries(func(int) *manifest.Kept { return &manifest.Kept{Xattrs: attr(long)} })}
	var w *wire.Error
	if err := p.record(t.Context(), part); !errors.As(err, &w) || w.Code != wire.CodeMemory {
		t.Errorf("more than there is room for: %v", err)
	}
}
