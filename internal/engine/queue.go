package engine

import (
	"context"
	"runtime"
	"sync"
)

// cores limits how many computations run at a time.
type cores struct {
	free chan struct{}
	work func() (done func()) // says that this end is at work; see [wire.Conn.Work]
}

func newCores(work func() func()) cores {
	return cores{make(chan struct{}, runtime.GOMAXPROCS(0)), work}
}

// do runs f when a core is free for it.
func (c cores) do(ctx context.Context, f func() error) error {
	defer c.work()()
	select {
	case c.free <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.free }()
	return f()
}

// queue is an unbounded first-in first-out queue. What bounds it is what may
// be put in: entries of listings that were sent, at most once each at a time.
type queue[T any] struct {
	mu     sync.Mutex
	cond   *sync.Cond
	items  []T
	head   int
	closed bool
}

func newQueue[T any]() *queue[T] {
	q := &queue[T]{}
	q.cond = sync.NewCond(&q.mu)
	return q
}

func (q *queue[T]) put(v ...T) {
	q.mu.Lock()
	q.items = append(q.items, v...)
	q.mu.Unlock()
	if len(v) == 1 {
		q.cond.Signal()
	} else {
		q.cond.Broadcast()
	}
}

// get waits for the next item; false says that the queue was closed.
func (q *queue[T]) get() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head == len(q.items) && !q.closed {
		q.cond.Wait()
	}
	return q.pop()
}

// try returns the next item if there is one now.
func (q *queue[T]) try() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pop()
}

// some reports whether there is an item now.
func (q *queue[T]) some() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.head < len(q.items)
}

func (q *queue[T]) pop() (v T, ok bool) {
	if q.head == len(q.items) || q.closed {
		return v, false
	}
	v = q.items[q.head]
	var zero T
	q.items[q.head] = zero
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return v, true
}

// close makes get return false at once, whatever is queued.
func (q *queue[T]) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.cond.Broadcast()
}
