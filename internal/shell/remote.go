package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/sync/errgroup"
)

const (
	// maxListing bounds what a server may send for one listing: about a million
	// names.
	maxListing = 256 << 20
	// cutAfter is how long a request may go on once it was cancelled. Then the
	// session is given up, for SFTP has no way to call a request back.
	cutAfter = time.Second
	// abreast is how many requests are under way at a time where many are due.
	abreast = 32
)

// Way is one way to start an SFTP session on the far side.
type Way struct {
	Name  string // for messages, such as "the sftp subsystem"
	Start func(ctx context.Context) (io.ReadWriteCloser, error)
}

// Remote is the far side's tree over SFTP. The first of Ways that works is used.
// One goroutine uses it at a time.
type Remote struct {
	Ways    []Way
	Timeout time.Duration // for each answer; 0: none
	// Greeting is how long the first answer of a session that was just started may
	// take: where starting it connects, somebody may be typing a password. 0: any
	// time; nil: Timeout.
	Greeting func() time.Duration

	client *sftp.Client
	conn   *meter
	way    string
}

// Way returns the name of the way that the present session was started in.
func (r *Remote) Way() string { return r.way }

// Close ends the session.
func (r *Remote) Close() error {
	if r.client == nil {
		return nil
	}
	err := r.client.Close()
	r.client, r.conn = nil, nil
	return err
}

// Connect starts the session if there is none.
func (r *Remote) Connect(ctx context.Context) error {
	if r.client != nil && !r.conn.dead.Load() {
		return nil
	}
	_ = r.Close() // it is lost
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	var reasons []error
	for _, w := range r.Ways {
		stream, err := w.Start(ctx)
		if err == nil {
			err = r.handshake(ctx, stream)
		}
		if err == nil {
			r.way = w.Name
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", w.Name, err))
		if !r.another(err) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrNoSFTP, errors.Join(reasons...))
}

// NotOffered is wrapped by errors of Way.Start after which the next way is tried.
type NotOffered struct{ Err error }

func (e *NotOffered) Error() string { return e.Err.Error() }
func (e *NotOffered) Unwrap() error { return e.Err }

// another reports whether the next way is worth trying: not after a connection that
// could not be made at all.
func (r *Remote) another(err error) bool {
	var not *NotOffered
	return errors.As(err, &not)
}

// handshake greets the server on a stream. A stream that ends or talks something
// else belongs to a way that is not offered.
func (r *Remote) handshake(ctx context.Context, stream io.ReadWriteCloser) error {
	m := &meter{ReadWriteCloser: stream, limit: r.Timeout}
	if r.Greeting != nil {
		m.limit = r.Greeting()
	}
	release := m.watch(ctx, 1<<20)
	client, err := sftp.NewClientPipe(m, m, sftp.MaxConcurrentRequestsPerFile(64))
	release()
	if err != nil {
		_ = m.Close()
		if m.late.Load() {
			return fmt.Errorf("%w (for %v)", ErrTimeout, m.limit)
		}
		return &NotOffered{Err: err}
	}
	m.expect(r.Timeout)
	r.client, r.conn = client, m
	return nil
}

// do runs requests about a path, and gives errors their operation and path.
func (r *Remote) do(ctx context.Context, op, name string, f func(c *sftp.Client) error) error {
	if err := r.Connect(ctx); err != nil {
		return err
	}
	release := r.conn.watch(ctx, maxListing)
	err := f(r.client)
	release()
	return r.explain(ctx, op, name, err)
}

// explain says what an error of the library means.
func (r *Remote) explain(ctx context.Context, op, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.conn.late.Load():
		return fmt.Errorf("%s %s: %w (for %v)", op, name, ErrTimeout, r.Timeout)
	case r.conn.full.Load():
		return &fs.PathError{Op: op, Path: name, Err: fmt.Errorf("the server's answer is longer than %d MiB", maxListing>>20)}
	case r.conn.dead.Load():
		return fmt.Errorf("%s %s: %w: %w", op, name, ErrLost, err)
	}
	if inner, ok := errors.AsType[*fs.PathError](err); ok {
		err = inner.Err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// each runs a request for each path, several at a time, and returns the errors in
// the order of the paths, nil where all went well.
func (r *Remote) each(ctx context.Context, op string, names []string, f func(c *sftp.Client, name string) error) []error {
	errs := make([]error, len(names))
	err := r.do(ctx, op, "", func(c *sftp.Client) error {
		var g errgroup.Group
		g.SetLimit(abreast)
		for i, name := range names {
			if ctx.Err() != nil || r.conn.dead.Load() {
				break
			}
			g.Go(func() error {
				errs[i] = f(c, name)
				return nil
			})
		}
		_ = g.Wait() // the errors are in errs
		if r.conn.dead.Load() {
			return ErrLost
		}
		return ctx.Err()
	})
	if err != nil {
		return []error{err}
	}
	var failed []error
	for i, e := range errs {
		if e != nil {
			failed = append(failed, r.explain(ctx, op, names[i], e))
		}
	}
	return failed
}

// meter watches the stream of a session while requests are under way.
type meter struct {
	io.ReadWriteCloser
	limit time.Duration

	dead atomic.Bool // it was closed, or reading it failed
	late atomic.Bool // ... because nothing came for limit
	full atomic.Bool // ... because more came than was allowed
	left atomic.Int64

	mu    sync.Mutex
	timer *time.Timer // runs while requests are under way
}

// watch begins a request whose answers may take budget bytes. Until release is
// called, silence and, with a delay, the end of ctx close the stream.
func (m *meter) watch(ctx context.Context, budget int64) (release func()) {
	m.left.Store(budget)
	done, watched := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(watched)
		t := time.NewTimer(cutAfter)
		defer t.Stop()
		select {
		case <-done:
		case <-t.C:
			_ = m.Close() // nobody waits for it any more
		}
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limit > 0 {
		m.timer = time.AfterFunc(m.limit, func() {
			m.late.Store(true)
			_ = m.Close() // what counts is that it was late
		})
	}
	return func() {
		close(done)
		if !stop() {
			<-watched
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.timer != nil {
			m.timer.Stop()
			m.timer = nil
		}
	}
}

// moved tells that the far side is alive.
func (m *meter) moved() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.timer != nil {
		m.timer.Reset(m.limit)
	}
}

// expect sets how long answers may take from now on.
func (m *meter) expect(limit time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit = limit
}

// refill renews the allowance, for content, which needs no bound.
func (m *meter) refill() { m.left.Store(maxListing) }

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.ReadWriteCloser.Read(p)
	if n > 0 {
		m.moved()
		if m.left.Add(-int64(n)) < 0 {
			m.full.Store(true)
			n, err = 0, io.ErrUnexpectedEOF // with bytes beside it the error could get lost
		}
	}
	if err != nil {
		m.dead.Store(true)
	}
	return n, err
}

// Close implements io.Closer.
func (m *meter) Close() error {
	m.dead.Store(true)
	return m.ReadWriteCloser.Close()
}
