package delta

import (
	"context"
	"sync"
)

// ordered computes work(0) ... work(n-1) on up to workers goroutines and hands the
// results to emit in order, on the caller's goroutine. newWorker is called once
// per goroutine, so that work can keep buffers. At most 2*workers results wait.
// The first error ends it; all goroutines are joined before it returns.
func ordered[T any](ctx context.Context, n int64, workers int, newWorker func() func(int64) (T, error), emit func(int64, T) error) error {
	workers = int(min(int64(workers), n))
	if workers <= 1 {
		return inOrder(ctx, n, newWorker(), emit)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	type result struct {
		v   T
		err error
	}
	type job struct {
		i    int64
		done chan result
	}
	jobs := make(chan job)
	queue := make(chan job, 2*workers)
	wg.Go(func() {
		defer close(jobs)
		defer close(queue)
		for i := range n {
			j := job{i, make(chan result, 1)}
			select {
			case queue <- j:
			case <-ctx.Done():
				return
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		wg.Go(func() {
			work := newWorker()
			for j := range jobs {
				v, err := work(j.i)
				j.done <- result{v, err}
			}
		})
	}
	for j := range queue {
		select {
		case r := <-j.done:
			if r.err != nil {
				return r.err
			}
			if err := emit(j.i, r.v); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// inOrder is ordered without goroutines.
func inOrder[T any](ctx context.Context, n int64, work func(int64) (T, error), emit func(int64, T) error) error {
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := work(i)
		if err != nil {
			return err
		}
		if err := emit(i, v); err != nil {
			return err
		}
	}
	return ctx.Err()
}
