package engine

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Where the destination lies behind a line with no gosync at its other end every
// call waits for an answer, so many are made at a time. What depends on each other
// is kept in order: a directory is made before what is in it, and is emptied before
// it is removed.

// making is a directory that is being made. What is to be done in it waits.
type making struct {
	over  bool
	there bool                     // it was made
	then  []func(there bool) error // what waits
}

// afar reports whether the planner leaves what it wants to be done to jobs, because
// each takes a round trip. Content that passes the pipe does not wait for a
// directory, so there it must not.
func (d *dest) afar() bool {
	_, ok := d.tree.(Distant)
	return ok && d.local != nil
}

// when has a job run when dir is there, or when it is known that it will not be.
func (d *dest) when(dir *destDir, job func(there bool) error) {
	d.mu.Lock()
	m := dir.making
	waits := m != nil && !m.over
	if waits {
		m.then = append(m.then, job)
	}
	d.mu.Unlock()
	if !waits {
		there := m == nil || m.there
		d.jobs.put(func() error { return job(there) })
	}
}

// do does something in dir: at once, or behind a line when dir is there and somebody
// has time.
func (d *dest) do(dir *destDir, f func() error) error {
	if !d.afar() {
		return f()
	}
	d.begun()
	d.when(dir, func(there bool) error {
		defer d.over()
		if !there {
			return nil // it was said why
		}
		return f()
	})
	return nil
}

// makeLater has a directory made by f, which reports whether it was, when its parent
// is there.
func (d *dest) makeLater(parent, dir *destDir, f func() (bool, error)) {
	dir.making = &making{}
	d.begun()
	d.when(parent, func(there bool) (err error) {
		defer d.over()
		if there {
			there, err = f()
		}
		d.mu.Lock()
		m := dir.making
		m.over, m.there = true, there
		then := m.then
		m.then = nil
		d.mu.Unlock()
		for _, job := range then {
			d.jobs.put(func() error { return job(there) })
		}
		return err
	})
}

// unmade reports whether dir was to be made and could not be.
func (d *dest) unmade(dir *destDir) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return dir.making != nil && !dir.making.there
}

// askWhenMade asks for a new file when its directory is there.
func (d *dest) askWhenMade(ctx context.Context, dir *destDir, in *incoming) {
	d.when(dir, func(there bool) error {
		if !there {
			d.lose(in.id)
			d.finished(in)
			return nil
		}
		return d.ask(ctx, in)
	})
}

// each calls f for the numbers below n: in order, or behind a line for many at a
// time. The first error ends it.
func (d *dest) each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if !d.afar() {
		for i := range n {
			if err := f(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	g, part := errgroup.WithContext(ctx)
	g.SetLimit(d.width)
	for i := 0; i < n && part.Err() == nil; i++ {
		g.Go(func() error { return f(part, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// depth is how many directories a path lies in.
func depth(path string) int {
	if path == "" {
		return -1
	}
	return strings.Count(path, "/")
}

// waves divides what is to be dealt with, children before their parents, into
// groups within which the order does not matter: rank tells what comes first.
func waves[T any](items []T, rank func(*T) int) [][]T {
	by := map[int][]T{}
	var ranks []int
	for i := range items {
		r := rank(&items[i])
		if by[r] == nil {
			ranks = append(ranks, r)
		}
		by[r] = append(by[r], items[i])
	}
	slices.Sort(ranks)
	all := make([][]T, 0, len(ranks))
	for _, r := range ranks {
		all = append(all, by[r])
	}
	return all
}

// deadWaves are the groups in which entries can be removed: everything that is no
// directory, then directories from the deepest on.
func (d *dest) deadWaves() [][]*deadEntry {
	all := make([]*deadEntry, 0, entriesOf(d.dead))
	for _, g := range d.dead {
		for i := range g.entries {
			all = append(all, &g.entries[i])
		}
	}
	if !d.afar() {
		return [][]*deadEntry{all}
	}
	return waves(all, func(g **deadEntry) int {
		if (*g).entry.IsDir() {
			return -depth((*g).path())
		}
		return -1 << 31
	})
}

// dirWaves are the groups in which directories get their attributes, which may
// close them: the deepest first.
func (d *dest) dirWaves() [][]*destDir {
	back := slices.Clone(d.dirs)
	slices.Reverse(back) // children stand behind their parents
	if !d.afar() {
		return [][]*destDir{back}
	}
	return waves(back, func(dir **destDir) int { return -depth((*dir).path) })
}
