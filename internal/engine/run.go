package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gosync/transport/wire"
)

// Release is the version that this program tells its peer.
const Release = "0.1.0"

// Send runs a job whose sources are on host and whose destination is behind
// conn, where [Serve] answers. conn is closed at the end.
func Send(ctx context.Context, host Host, conn io.ReadWriteCloser, job Job, rep Report) (Summary, error) {
	start := time.Now()
	f, err := plant(ctx, host, &job, false)
	if err != nil {
		return Summary{}, errors.Join(err, conn.Close())
	}
	defer f.close() // read only: nothing to lose
	c, far, err := greet(ctx, host, conn, job.encode(false), f.message(ctx))
	if err != nil {
		return Summary{}, err
	}
	defer c.Close()
	begin(c, &job)
	r := startReporter(ctx, rep)
	tellSkew(r, &job, host.Now(), far.ClockSec)
	s := newSource(host, c, &job, f, r, rep.Progress)
	s.user, s.learned = rep.Confirm, rep.Content
	if err = s.run(ctx); err == nil {
		linger(ctx, c)
	}
	sum := s.summary(start)
	return sum, conclude(r, err, &s.done)
}

// Receive runs a job whose sources are behind conn and whose destination is on
// host.
func Receive(ctx context.Context, host Host, conn io.ReadWriteCloser, job Job, rep Report) (Summary, error) {
	start := time.Now()
	var more []wire.Msg
	if job.Files != nil {
		more = names(job.Files)
	}
	c, far, err := greet(ctx, host, conn, job.encode(true), more...)
	if err != nil {
		return Summary{}, err
	}
	defer c.Close()
	begin(c, &job)
	r := startReporter(ctx, rep)
	tellSkew(r, &job, host.Now(), far.ClockSec)
	d := newDest(host, c, &job, r, rep.Progress, seed(host, &job))
	d.requested, d.user, d.learned = newRequested(&job), rep.Confirm, rep.Content
	if err = d.run(ctx); err == nil {
		linger(ctx, c)
	}
	return d.summary(start), conclude(r, err, &d.sum)
}

// Copy runs a job with both ends on host.
func Copy(ctx context.Context, host Host, job Job, rep Report) (Summary, error) {
	return between(ctx, host, host, job, rep, true)
}

// Between runs a job with both ends in this process, each on a host of its own.
// Where one of them is another machine's (its trees are [Distant]) files go whole,
// and that what arrived is what was sent rests on its protocol.
func Between(ctx context.Context, from, to Host, job Job, rep Report) (Summary, error) {
	return between(ctx, from, to, job, rep, false)
}

// between is Between. one says that from and to are one machine, on which two paths
// may lead to the same file.
func between(ctx context.Context, from, to Host, job Job, rep Report, one bool) (Summary, error) {
	start := time.Now()
	_, afar := from.(Distant)
	f := newForest(from, &job)
	f.itself = one
	if err := f.plant(ctx, afar); err != nil {
		return Summary{}, err
	}
	defer f.close() // read only: nothing to lose
	if _, afar := to.(Distant); afar {
		if paths, err := job.expand(ctx, to, job.Dest); err == nil && len(paths) == 1 {
			job.Dest = paths[0]
		}
	}
	a, b := wire.Pipe()
	near, err := wire.New(a, wire.Config{})
	if err != nil {
		return Summary{}, err
	}
	defer near.Close()
	far, err := wire.New(b, wire.Config{})
	if err != nil {
		return Summary{}, err
	}
	defer far.Close()
	job.Timeout = 0                            // there is no line that could be cut
	job.Compress, job.NoCompress = false, true // what is compressed here would pass a limit that counts it, and then be sent as it is
	begin(near, &job)
	far.Start()
	r := startReporter(ctx, rep)
	s := newSource(from, near, &job, f, r, rep.Progress)
	d := newDest(to, far, &job, r, nil, seed(to, &job)) // the source counts for both
	s.alone, d.alone, d.user, d.learned = true, true, rep.Confirm, rep.Content
	if one {
		d.twin = s
	}
	if job.BandwidthLimit == 0 {
		d.local = s // content need not pass the pipe
	}
	err = runBoth(ctx, near, f, s, d)
	sum := d.summary(start)
	sum.addTotals(&s.totals)
	sum.ListTime = time.Duration(s.listTime.Load())
	sum.BytesSent, sum.BytesReceived = near.Sent()+d.literalLocal(), near.Received()
	return sum, conclude(r, err, &d.sum)
}

// runBoth runs both ends of a run in this process. When one fails the other
// loses its connection, so that is the error to tell only if there is no better.
func runBoth(ctx context.Context, near *wire.Conn, f *forest, s *source, d *dest) error {
	var errs [2]error
	var wg sync.WaitGroup
	wg.Go(func() { errs[0] = s.run(ctx) })
	wg.Go(func() {
		if errs[1] = d.run(ctx); errs[1] != nil {
			near.Fail(errs[1])
		}
	})
	if err := near.Send(ctx, f.message(ctx)); err != nil {
		near.Fail(err)
	}
	wg.Wait()
	if errs[0] == nil || errors.Is(errs[0], wire.ErrClosed) {
		errs[0], errs[1] = errs[1], errs[0]
	}
	if errs[0] != nil {
		return errs[0]
	}
	return errs[1]
}

// Serve answers one job that comes over conn, with its end on host. What it
// has to say goes to the client; log is for what cannot.
func Serve(ctx context.Context, host Host, conn io.ReadWriteCloser, log *slog.Logger) error {
	return ServeLimited(ctx, host, conn, log, Limits{})
}

// ServeLimited is Serve for a client that may not do everything.
func ServeLimited(ctx context.Context, host Host, conn io.ReadWriteCloser, log *slog.Logger, limits Limits) error {
	c, err := wire.New(conn, wire.Config{})
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer c.Close()
	early := limits.hurry(c)
	defer early()
	if err := c.Greet(hello(host.Now())); err != nil {
		return err
	}
	if _, _, err := c.Welcome(ctx); err != nil {
		return err
	}
	late := time.AfterFunc(jobTime, func() { c.Fail(fmt.Errorf("%w: the client greets and wants nothing", wire.ErrTimeout)) })
	job, source, err := readJob(c, limits)
	late.Stop()
	if early(); err == nil {
		err = limits.admit(job, source)
	}
	if err != nil {
		c.Start()
		tellFatal(c, err)
		return &toldError{err}
	}
	begin(c, job)
	if source {
		err = serveSource(ctx, host, c, job)
	} else {
		err = serveDest(ctx, host, c, job, limits)
	}
	if err != nil {
		log.Debug("run ended", "err", err)
		tellFatal(c, err)
		return &toldError{err}
	}
	return nil
}

// toldError is an error of a server whose client has heard of it, or is gone.
type toldError struct{ err error }

func (e *toldError) Error() string { return e.err.Error() }
func (e *toldError) Unwrap() error { return e.err }

// Told reports whether an error of [Serve] is for its client to tell to the user,
// who would else read of it twice.
func Told(err error) bool {
	var told *toldError
	return errors.As(err, &told)
}

// jobTime is how long a client may take from its greeting to the end of its job,
// which follows at once.
const jobTime = 2 * time.Minute

func serveSource(ctx context.Context, host Host, c *wire.Conn, job *Job) error {
	r := newReporter((&farReporter{c: c}).source, nil)
	go r.run(ctx) // stop waits for it
	working := c.Work()
	f, err := plant(ctx, host, job, true)
	if err == nil {
		defer f.close() // read only: nothing to lose
		err = c.Send(ctx, f.message(ctx))
		working()
		if err == nil {
			s := newSource(host, c, job, f, r, nil)
			s.served = true
			err = s.run(ctx)
		}
	}
	return errors.Join(err, r.stop(err != nil))
}

func serveDest(ctx context.Context, host Host, c *wire.Conn, job *Job, limits Limits) error {
	far := &farReporter{c: c}
	r := newReporter(far.dest, far.flush)
	go r.run(ctx) // stop waits for it
	paths, err := job.expand(ctx, host, job.Dest)
	if err == nil && len(paths) == 1 {
		job.Dest = paths[0]
	}
	d := newDest(limits.host(host, job), c, job, r, nil, seed(host, job))
	d.limits, d.served = limits, true
	err = d.run(ctx)
	return errors.Join(err, r.stop(err != nil))
}

// greet opens a connection to a server, sends it the job and returns its greeting.
func greet(ctx context.Context, host Host, rw io.ReadWriteCloser, job *wire.Job, more ...wire.Msg) (*wire.Conn, *wire.Hello, error) {
	c, err := wire.New(rw, wire.Config{})
	if err != nil {
		return nil, nil, errors.Join(err, rw.Close())
	}
	if err := c.Greet(hello(host.Now()), append([]wire.Msg{job}, more...)...); err != nil {
		// The far side may have ended with a message that is worth more.
		if _, _, werr := c.Welcome(ctx); werr != nil {
			err = werr
		}
		return nil, nil, errors.Join(err, c.Close())
	}
	far, _, err := c.Welcome(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return c, far, nil
}

func hello(now time.Time) *wire.Hello {
	return &wire.Hello{Version: wire.Version, MinVersion: wire.MinVersion, Release: Release, ClockSec: now.Unix()}
}

// begin configures the connection for a job and starts it.
func begin(c *wire.Conn, job *Job) {
	cfg := wire.Config{Compress: job.compression(), Level: job.level(), Timeout: job.Timeout}
	if job.BandwidthLimit > 0 {
		// The burst holds a whole frame; the average is what was asked for.
		lim := rate.NewLimiter(rate.Limit(job.BandwidthLimit), wire.MaxFrame+1024)
		lim.AllowN(time.Now(), wire.MaxFrame)
		cfg.RateLimit = lim.WaitN
	}
	c.Configure(cfg)
	c.Start()
}

// seed returns a number for the hashes of this run.
func seed(host Host, job *Job) uint64 {
	if job.Seed != 0 {
		return uint64(job.Seed)
	}
	return host.Seed()
}

// linger waits until the far side has ended, so that it holds nothing any more
// when this process returns to its user. Everything was said: that it does not
// end is no error.
func linger(ctx context.Context, c *wire.Conn) {
	stop := context.AfterFunc(ctx, func() { c.Fail(context.Cause(ctx)) })
	defer stop()
	timer := time.AfterFunc(lingerTime, func() { c.Fail(wire.ErrClosed) })
	defer timer.Stop()
	for {
		f, err := c.Next()
		if err != nil {
			return
		}
		f.Release()
	}
}

// lingerTime bounds linger. A file system may take seconds to free what a large
// file has held.
const lingerTime = 10 * time.Second

// farError is the error that the far side ended the run with.
type farError struct{ err *wire.Error }

func (e *farError) Error() string { return e.err.Error() }
func (e *farError) Unwrap() error { return e.err }

// farewell is how long an end that fails tries to say why.
const farewell = 400 * time.Millisecond

// tellFatal tells the far side why the run ends, if that can be told.
func tellFatal(c *wire.Conn, err error) {
	var far *farError
	if errors.As(err, &far) {
		return // it knows
	}
	var w *wire.Error
	if !errors.As(err, &w) {
		w = &wire.Error{Code: wire.Code(ExitCode(err)), Kind: wire.KindOf(err), Text: err.Error()}
	}
	select {
	case <-c.Dead():
		return
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if c.Send(ctx, &wire.Fatal{Err: *w}) == nil {
		_ = c.Drain(ctx) // the far side may be gone: then nobody needs to be told
	}
}

// startReporter starts to deliver events to the user of this process.
func startReporter(ctx context.Context, rep Report) *reporter {
	r := newReporter(func(_ context.Context, ev Event) error {
		if _, ok := ev.(PlanEvent); ok && rep.Progress != nil {
			rep.Progress.Planned.Store(true)
		}
		if rep.Event != nil {
			rep.Event(ev)
		}
		return nil
	}, nil)
	go r.run(ctx) // conclude waits for it
	return r
}

// conclude delivers the last events and returns what the run ended with.
func conclude(r *reporter, err error, done *wire.Done) error {
	if rerr := r.stop(err != nil); err == nil {
		err = rerr
	}
	switch {
	case err != nil:
		return err
	case r.outcome() != nil:
		return r.outcome()
	case done.Refused != "":
		return fmt.Errorf("%w: %s", ErrDeleteGuard, done.Refused)
	case done.Limited:
		return ErrDeleteLimit
	}
	return nil
}
