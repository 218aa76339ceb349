package engine

import (
	"context"
	"slices"
	"sync"

	"gosync/walker/manifest"
)

// lookahead lists directories of a destination behind a line before the planner gets
// to them: a listing takes several round trips. It is the planner's.
type lookahead struct {
	tree  Dest
	ctx   context.Context //nolint:containedctx // of the planner, for what it begins
	todo  []string        // what comes first stands last
	found map[string]chan listing
	wg    sync.WaitGroup
}

type listing struct {
	entries []manifest.Entry
	err     error
}

// maxAhead is how many listings may be under way or wait for the planner.
const maxAhead = 64

// newLookahead returns nil, which lists nothing ahead, where there is no line.
func (d *dest) newLookahead(ctx context.Context) *lookahead {
	if !d.afar() {
		return nil
	}
	return &lookahead{tree: d.tree, ctx: ctx, found: map[string]chan listing{}}
}

// want tells which directories will be needed, in that order, before all others.
func (a *lookahead) want(paths []string) {
	if a == nil || len(paths) == 0 {
		return
	}
	slices.Reverse(paths)
	a.todo = append(a.todo, paths...)
	a.fill()
}

func (a *lookahead) fill() {
	for len(a.todo) > 0 && len(a.found) < maxAhead {
		path := a.todo[len(a.todo)-1]
		a.todo = a.todo[:len(a.todo)-1]
		if a.found[path] != nil {
			continue
		}
		c := make(chan listing, 1)
		a.found[path] = c
		a.wg.Go(func() {
			entries, err := a.tree.List(a.ctx, path)
			c <- listing{entries, err}
		})
	}
}

// listDest lists a directory of the destination. What went wrong ahead of time may go well now.
func (p *planner) listDest(ctx context.Context, path string) ([]manifest.Entry, error) {
	if a := p.ahead; a != nil {
		c := a.found[path]
		if c == nil { // so it is what is to be listed next
			a.forget(path)
		} else {
			delete(a.found, path)
			a.fill()
			if l := <-c; l.err == nil {
				return l.entries, nil
			}
		}
	}
	return p.d.tree.List(ctx, path)
}

// forget gives up directories that nobody will need.
func (a *lookahead) forget(paths ...string) {
	if a == nil {
		return
	}
	for _, path := range paths {
		delete(a.found, path)
		for n := len(a.todo); n > 0 && a.todo[n-1] == path; n-- {
			a.todo = a.todo[:n-1]
		}
	}
	a.fill()
}

// wait waits for what was begun. The planner's context has ended by then, or nothing
// is under way any more.
func (a *lookahead) wait() {
	if a != nil {
		a.wg.Wait()
	}
}

// common returns the paths of directories that both ends have in dir, as the planner
// gets to them.
func (p *planner) common(dir *destDir) (paths []string) {
	if p.ahead == nil || p.d.own != nil {
		return nil
	}
	for _, i := range manifest.Dirs(dir.entries) {
		name := p.d.nameFor(dir, &dir.entries[i])
		if dst := dir.find(name); dst != nil && dst.IsDir() {
			paths = append(paths, manifest.Join(dir.path, name))
		}
	}
	return paths
}
