package walker

import (
	"context"
	"runtime"
	"sync"
)

// Listings that are held for the yielder. Both bounds are soft: a listing that
// was begun below them is finished.
const (
	maxAhead        = 256     // directories
	maxAheadEntries = 1 << 16 // entries of these
)

// Walk walks what root describes and calls yield for each directory, parents
// before their children, children in the order of [manifest.Dirs]. yield is
// called from the calling goroutine, and what it gets is its own.
//
// A directory that cannot be listed is yielded with Err set, and the walk goes
// on. Walk returns the first error of yield, or that of the context, and no
// goroutine of it is left when it returns.
func Walk(ctx context.Context, root *Node, opts Options, yield func(*Dir) error) error {
	first := &job{merged: &merged{nodes: []*Node{root}}}
	q := newQueue(first)
	w := &lister{opts: opts}
	if opts.Filter != nil && opts.Filter.Empty() {
		w.opts.Filter = nil
	}

	var workers sync.WaitGroup
	for range workerCount(opts.Workers) {
		workers.Go(func() { q.serve(func(j *job) { w.list(ctx, j) }) })
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(closed); q.close() })
	defer func() {
		q.close()
		workers.Wait()
		if !stop() {
			<-closed
		}
	}()
	return run(ctx, q, w, first, yield)
}

// workerCount chooses the number of listing goroutines: more than processors,
// since they wait for storage, but few enough to stay near what is yielded next.
func workerCount(n int) int {
	if n > 0 {
		return n
	}
	return min(max(runtime.GOMAXPROCS(0), 2), 8)
}

// run yields the directories in depth-first order.
func run(ctx context.Context, q *queue, w *lister, first *job, yield func(*Dir) error) error {
	var links leaders
	if w.opts.HardLinks {
		links = make(leaders)
	}
	stack := []*job{first}
	for index := 0; len(stack) > 0; index++ {
		j := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		d := q.take(j, func(j *job) { w.list(ctx, j) })
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		j.index = index
		d.Index, d.Parent = index, -1
		if j.parent != nil {
			d.Parent, d.Entry = j.parent.index, j.entry
		}
		if links != nil {
			links.mark(d, w.opts.FirstLinks)
		}
		for i := len(j.children) - 1; i >= 0; i-- {
			stack = append(stack, &j.children[i])
		}
		if err := yield(d); err != nil {
			return err
		}
	}
	return nil
}
