package snapshot

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"
)

// Client is a store on the far side. Its methods are called by one goroutine at a time.
type Client struct {
	conn    io.ReadWriteCloser
	in      *bufio.Scanner
	silence time.Duration
}

// Patience is how long a client waits for an answer; 0 is any time.
type Patience struct {
	First   time.Duration // for the greeting, before which somebody may have to type a password
	Silence time.Duration // for any sign of life of a server that is at work
}

// ErrSilent means that the far side has not answered in time.
var ErrSilent = errors.New("the far side is silent")

// Dial greets the server at the other end of conn, which it owns then, and has it open a
// directory, which is made if it is not there and made says so.
func Dial(ctx context.Context, conn io.ReadWriteCloser, dir string, made bool, p Patience) (*Client, error) {
	c := &Client{conn: conn, in: messages(conn), silence: p.Silence}
	w := c.wait(ctx, p.First)
	if err := w.end(c.greeted()); err != nil {
		_ = conn.Close() // nothing was said
		return nil, err
	}
	if err := c.call(ctx, &request{Op: "open", Dir: []byte(dir), Make: made}, nil); err != nil {
		_ = conn.Close() // nothing has happened
		return nil, err
	}
	return c, nil
}

// ErrNoServer means that something else than a server of snapshots has answered.
var ErrNoServer = errors.New("the far side has no gosync that keeps snapshots")

func (c *Client) greeted() error {
	for noise := 0; noise < maxNoise && c.in.Scan(); noise += len(c.in.Bytes()) + 1 {
		switch text := c.in.Text(); {
		case text == Greeting:
			return nil
		case strings.HasSuffix(text, serverMagic): // what the key may run is fixed
			return ErrNoServer
		}
	}
	if err := c.in.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoServer, err)
	}
	return ErrNoServer
}

// wait has the end of ctx, and silence, end what waits for the far side.
func (c *Client) wait(ctx context.Context, limit time.Duration) *waiting {
	w := &waiting{ctx: ctx, limit: limit, stop: context.AfterFunc(ctx, func() { _ = c.conn.Close() })}
	if limit > 0 {
		w.timer = time.AfterFunc(limit, func() {
			w.late.Store(true)
			_ = c.conn.Close() // what counts is that it was late
		})
	}
	return w
}

// waiting is a wait for the far side.
type waiting struct {
	ctx   context.Context
	limit time.Duration
	stop  func() bool
	timer *time.Timer // nil: there is no limit
	late  atomic.Bool
}

// alive notes a sign of life.
func (w *waiting) alive() {
	if w.timer != nil {
		w.timer.Reset(w.limit)
	}
}

// end ends the wait, and returns err or why that came.
func (w *waiting) end(err error) error {
	w.stop()
	if w.timer != nil {
		w.timer.Stop()
	}
	switch {
	case err != nil && w.ctx.Err() != nil:
		return context.Cause(w.ctx)
	case err != nil && w.late.Load():
		return fmt.Errorf("%w for %v", ErrSilent, w.limit)
	}
	return err
}

// Close implements [Keeper].
func (c *Client) Close() error { return c.conn.Close() }

// call sends a request and hands its replies to take.
func (c *Client) call(ctx context.Context, q *request, take func(*reply) error) error {
	w := c.wait(ctx, c.silence)
	err := send(c.conn, q)
	for over := false; err == nil && !over; {
		var r reply
		if r, err = c.receive(); err != nil {
			break
		}
		w.alive()
		switch over = r.End; {
		case r.Failure != nil:
			err = r.Failure
		case take != nil && !r.Alive:
			err = take(&r)
		}
	}
	return w.end(err)
}

func (c *Client) receive() (r reply, err error) {
	if !c.in.Scan() {
		err = c.in.Err()
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return r, fmt.Errorf("the far side: %w", err)
	}
	if err := json.Unmarshal(c.in.Bytes(), &r); err != nil {
		return r, fmt.Errorf("the far side: %w", err)
	}
	return r, nil
}

// List implements [Keeper].
func (c *Client) List(ctx context.Context) (all []Info, err error) {
	err = c.call(ctx, &request{Op: "list"}, func(r *reply) error {
		if len(all)+len(r.Infos) > maxListed {
			return errors.New("the far side: too many snapshots")
		}
		for _, i := range r.Infos {
			at, ok := ParseName(i.Name)
			if !ok {
				return fmt.Errorf("the far side: %q is no name of a snapshot", i.Name)
			}
			i.Time = at
			all = append(all, i)
		}
		return nil
	})
	return all, err
}

// Begin implements [Keeper].
func (c *Client) Begin(ctx context.Context) (n Next, err error) {
	err = c.call(ctx, &request{Op: "begin"}, func(r *reply) error {
		if r.Next != nil {
			n = *r.Next
		}
		return nil
	})
	if _, ok := ParseName(n.Base); err == nil && (n.Dir != nextDir || n.Base != "" && !ok) {
		err = fmt.Errorf("the far side: %q and %q are no names of snapshots", n.Dir, n.Base)
	}
	return n, err
}

// Note implements [Keeper]. It does not wait for an answer, and not longer than for one for
// the far side to take it.
func (c *Client) Note(l []Landed) error {
	w := c.wait(context.Background(), c.silence)
	return w.end(c.note(l))
}

func (c *Client) note(l []Landed) error {
	for len(l) > 0 {
		n := min(len(l), noteBatch)
		q := request{Op: "note"}
		for i := range l[:n] {
			q.Landed = append(q.Landed, landed{[]byte(l[i].Path), l[i].Size, l[i].Sec, l[i].Nsec, l[i].Sum[:]})
		}
		if err := send(c.conn, &q); err != nil {
			return err
		}
		l = l[n:]
	}
	return nil
}

// Finish implements [Keeper].
func (c *Client) Finish(ctx context.Context) (f Finished, err error) {
	err = c.call(ctx, &request{Op: "finish"}, func(r *reply) error {
		if r.Finished != nil {
			f = *r.Finished
		}
		return nil
	})
	if _, ok := ParseName(f.Name); err == nil && !ok {
		err = fmt.Errorf("the far side: %q is no name of a snapshot", f.Name)
	}
	return f, err
}

// Prune implements [Keeper].
func (c *Client) Prune(ctx context.Context, p Policy, dry bool) (gone []string, err error) {
	err = c.call(ctx, &request{Op: "prune", Policy: &p, Dry: dry}, func(r *reply) error {
		if gone = append(gone, r.Gone...); len(gone) > maxListed {
			return errors.New("the far side: too many snapshots")
		}
		return nil
	})
	return gone, err
}

// Check implements [Keeper].
func (c *Client) Check(ctx context.Context, names []string, tell func(Found)) error {
	return c.call(ctx, &request{Op: "check", Names: names}, func(r *reply) error {
		if f := r.Found; f != nil {
			tell(f.found())
		}
		return nil
	})
}

// Manifest implements [Keeper].
func (c *Client) Manifest(ctx context.Context, name string) (Manifest, error) {
	return c.manifest(ctx, &request{Op: "manifest", Names: []string{name}}, nil)
}

// Sums implements [Keeper].
func (c *Client) Sums(ctx context.Context, fail func(path string, err error)) (Manifest, error) {
	return c.manifest(ctx, &request{Op: "sums"}, fail)
}

// manifest reads a manifest that the far side sends.
func (c *Client) manifest(ctx context.Context, q *request, fail func(path string, err error)) (m Manifest, err error) {
	err = c.call(ctx, q, func(r *reply) error {
		if f := r.Found; f != nil && fail != nil {
			one := f.found()
			fail(one.Path, one.Err)
		}
		for _, l := range r.Sums {
			line := Line{Path: string(l.Path)}
			clean, err := cleanPath(line.Path)
			if copy(line.Sum[:], l.Sum) != len(line.Sum) || err != nil || clean != line.Path || len(m) > 0 && m[len(m)-1].Path >= line.Path {
				return fmt.Errorf("the far side: %w", ErrManifest)
			}
			m = append(m, line)
		}
		if len(m) > maxFiles {
			return errors.New("the far side: too many files")
		}
		return nil
	})
	return m, err
}
