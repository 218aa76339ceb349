package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// wideHost is a host whose source trees have so many directories in their root.
type wideHost struct {
	engine.Host
	entries []manifest.Entry
}

type wideSource struct {
	engine.Source
	entries []manifest.Entry
}

func (h wideHost) Source(ctx context.Context, path string) (engine.Source, error) {
	s, err := h.Host.Source(ctx, path)
	return wideSource{s, h.entries}, err
}

func (s wideSource) List(context.Context, string) ([]manifest.Entry, error) {
	return slices.Clone(s.entries), nil
}

// TestWideRoot has more names in the source's root than a message holds.
func TestWideRoot(t *testing.T) {
	h := wideHost{Host: host()}
	for i := range 9000 {
		h.entries = append(h.entries, directory(fmt.Sprintf("%s%05d", strings.Repeat("n", 120), i)))
	}
	each(t, func(t *testing.T, w way) {
		for _, x := range []struct{ recursive, remove bool }{{false, false}, {false, true}} {
			src, dst := dirs(t, map[string]string{}, map[string]string{"extra": ""})
			job := jobFor(src, dst)
			job.Recursive, job.Dirs, job.DryRun = x.recursive, true, true
			job.Delete = x.remove
			out := trial{way: w, host: h, job: job}.must(t)
			if out.sum.Created != 9000 {
				t.Errorf("%d entries would be made, want 9000", out.sum.Created)
			}
		}
	})
}

// TestManyWanted has more new files in one directory than are asked for at a time:
// the others follow as these arrive.
func TestManyWanted(t *testing.T) {
	const n, room = 30_000, 18 << 10
	var entries []manifest.Entry
	for i := range n {
		entries = append(entries, file(fmt.Sprintf("%06d", i), 0))
	}
	_, dst := dirs(t, nil, map[string]string{})
	job := engine.Job{Options: archive(), Sources: []string{"src/"}, Dest: dst}
	var asked []int
	answered := 0
	out := script(func(p *peer) {
		p.say(&wire.Roots{Complete: true})
		p.hear(wire.TypeMode)
		p.list(root(entries...))
		p.say(&wire.ListEnd{Dirs: 1, Complete: true})
		for len(asked) < n {
			m, ok := p.hear(wire.TypeWant).(*wire.Want)
			if !ok {
				break
			}
			asked = append(asked, m.Entries...)
			if len(asked)-answered > room {
				t.Errorf("%d files are asked for at a time", len(asked)-answered)
			}
			for len(asked)-answered > 6000 { // some stay open
				p.say(&wire.FileEnd{ID: wire.ID{Entry: asked[answered]}, Failed: true})
				answered++
			}
		}
		p.say(&wire.Fatal{Err: wire.Error{Code: wire.CodePartial, Text: "enough"}})
	}).asSource(t, host(), job)
	out.wantExit(t, wire.CodePartial)
	slices.Sort(asked)
	for i, k := range asked {
		if i != k {
			t.Fatalf("entry %d in place of %d", k, i)
		}
	}
	if len(asked) != n {
		t.Errorf("%d files were asked for, want %d", len(asked), n)
	}
}

// TestManyNeeded has more directories that differ than one message asks for.
func TestManyNeeded(t *testing.T) {
	const n = 1<<17 + 10
	rows := []wire.DirDigest{{Parent: -1}}
	for i := range n - 1 {
		rows = append(rows, wire.DirDigest{Name: fmt.Sprintf("%06d", i)})
	}
	_, dst := dirs(t, nil, map[string]string{"b": "b"})
	job := engine.Job{Options: archive(), Sources: []string{"src/"}, Dest: dst}
	var asked []int
	out := script(func(p *peer) {
		p.say(&wire.Roots{Complete: true})
		p.hear(wire.TypeMode)
		p.say(new(wire.RootDigest))
		p.hear(wire.TypeNeedDirs)
		for first := 0; first < n; first += 1024 {
			last := min(first+1024, n)
			p.say(&wire.DirTable{First: first, Dirs: rows[first:last], Last: last == n})
		}
		for more := true; more; {
			m, ok := p.hear(wire.TypeNeedDirs).(*wire.NeedDirs)
			if !ok {
				break
			}
			if len(m.Dirs) > 1<<17 {
				t.Errorf("%d directories are asked for in one message", len(m.Dirs))
			}
			asked, more = append(asked, m.Dirs...), m.More
		}
		p.say(&wire.Fatal{Err: wire.Error{Code: wire.CodePartial, Text: "enough"}})
	}).asSource(t, host(), job)
	out.wantExit(t, wire.CodePartial)
	for i, k := range asked {
		if i != k {
			t.Fatalf("directory %d in place of %d", k, i)
		}
	}
	if len(asked) != n {
		t.Errorf("%d directories were asked for, want %d", len(asked), n)
	}
}

// TestNeededInParts asks a source for its directories in several messages.
func TestNeededInParts(t *testing.T) {
	src, _ := dirs(t, map[string]string{"a/x": "", "b/y": "", "c/z": ""}, nil)
	job := engine.Job{Options: archive(), Sources: []string{src + "/"}, Dest: "nowhere"}
	var got []string
	out := script(func(p *peer) {
		p.say(&wire.Mode{Digests: true})
		p.hear(wire.TypeRootDigest)
		p.say(&wire.NeedDirs{Table: true})
		p.hear(wire.TypeDirTable)
		p.say(&wire.NeedDirs{More: true, Dirs: []int{0, 1}}, &wire.NeedDirs{More: true}, &wire.NeedDirs{Dirs: []int{3}})
		for {
			m := p.either(wire.TypeListings, wire.TypeListEnd)
			l, ok := m.(*wire.Listings)
			if !ok {
				break
			}
			for {
				rec, more, err := l.NextListing()
				if err != nil || !more {
					break
				}
				for i := range rec.Entries {
					got = append(got, rec.Entries[i].Name)
				}
			}
		}
		p.say(new(wire.Done))
		p.left = p.hear(wire.TypeSourceDone) != nil
	}).asDest(t, host(), job)
	out.wantExit(t, wire.CodeOK)
	if want := []string{"a", "b", "c", "x", "z"}; !slices.Equal(got, want) {
		t.Errorf("have %q, want %q", got, want)
	}
}
