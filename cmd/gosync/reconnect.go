package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/transport/wire"
)

// How long is waited before a lost connection is made again: the first time, and
// at the most.
const (
	firstPause = time.Second
	longPause  = 30 * time.Second
)

// enough is how many bytes an attempt has to move to count as progress although
// no file was finished.
const enough = 64 << 20

// reach does a job with a far side, over as many connections as it takes: when
// one is lost the job is done again over the next, and finds what is there. The
// limit of deletions holds for all of them together.
func (e *env) reach(ctx context.Context, s *settings, r *route, job engine.Job, rep engine.Report, p *printer) (engine.Summary, error) {
	began := time.Now()
	how, err := e.connectOptions(s, p)
	if err != nil {
		return engine.Summary{}, err
	}
	w := newWays(e, s, r, p, how)
	t := &tries{e: e, s: s, p: p, counts: rep.Progress}
	var total engine.Summary
	for {
		sum, err := w.attempt(ctx, job, rep)
		addSummary(&total, &sum)
		total.Elapsed = time.Since(began)
		again := false
		if err != nil {
			again, err = t.again(ctx, err)
		}
		if !again {
			t.tell(err)
			return total, err
		}
		if s.MaxDelete >= 0 {
			job.MaxDelete = max(0, s.MaxDelete-max(p.deleted, total.Deleted))
		}
		if rep.Progress.Settled.Load() { // else what was begun would look like a directory to go into
			job.ByName = rep.Progress.Named.Load()
			job.IntoDir = !job.ByName
		}
	}
}

// tries decides whether a job is tried again.
type tries struct {
	e      *env
	s      *settings
	p      *printer
	counts *engine.Progress

	row, total  int   // attempts in a row without progress; all
	files, sent int64 // how far the run was before the last attempt
	first       error // what the row began with
}

// tell says in the end how often the connection was made again, where that is
// asked for.
func (t *tries) tell(err error) {
	code := exitCode(err, t.e.parts.exitCode)
	if t.total == 0 || t.s.info(infoStats) == 0 || err != nil && (code < exitPartial || code > exitDelete) {
		return
	}
	times := "times"
	if t.total == 1 {
		times = "time"
	}
	t.p.con.print(fmt.Sprintf("reconnected %d %s\n", t.total, times))
}

// again waits until the job is to be tried again. If it is not, end is what the
// run ends with.
func (t *tries) again(ctx context.Context, err error) (again bool, end error) {
	if ctx.Err() != nil || !t.worthwhile(err) {
		return false, t.verdict(err)
	}
	var ended *endedError
	files, sent := t.counts.DoneFiles.Load(), t.counts.MovedBytes.Load()
	// A far side that is killed may be so by what it receives, again and again.
	if !errors.As(err, &ended) && (files > t.files || sent-t.sent > enough && !t.s.NoPartial) {
		t.row, t.first = 0, nil
	}
	t.files, t.sent = files, sent
	if t.first == nil {
		t.first = err
	}
	if t.row == t.s.retries {
		return false, t.verdict(err)
	}
	if t.total == 0 {
		t.p.con.message("gosync: connection lost (" + display(err.Error()) + "); reconnecting")
	}
	t.row++
	t.total++
	t.p.restart()
	pause := t.pause()
	code := exitCode(err, t.e.parts.exitCode)
	t.p.con.tell(&retryJSON{Attempt: t.total, Wait: seconds(pause), Code: code, Name: exitName(code), Message: display(err.Error())})
	if err := t.e.wait(ctx, pause); err != nil {
		return false, err
	}
	// What is planned begins anew; what was dealt with stays so.
	t.counts.Planned.Store(false)
	t.counts.TotalFiles.Store(t.counts.DoneFiles.Load())
	t.counts.TotalBytes.Store(t.counts.DoneBytes.Load())
	return true, nil
}

// verdict returns what a run ends with that is given up: what its last series of
// failures began with, because that is the cause.
func (t *tries) verdict(err error) error {
	if t.first == nil || t.row == 0 || t.first.Error() == err.Error() || !lost(err) && !unreachable(err) {
		return err
	}
	code := exitCode(t.first, t.e.parts.exitCode)
	return withCode(code, fmt.Errorf("%w; after %d attempts to go on: %v", t.first, t.row, err))
}

// worthwhile reports whether another connection may help.
func (t *tries) worthwhile(err error) bool {
	switch {
	case t.s.retries == 0, t.s.timeoutGiven && !t.s.retriesGiven && errors.Is(err, wire.ErrTimeout):
		return false
	}
	var connecting *connectError
	if errors.As(err, &connecting) {
		return t.total > 0 && unreachable(err) // a host that was never reached may not exist
	}
	return lost(err) || t.total > 0 && unreachable(err)
}

// pause returns how long to wait: twice as long every time, give or take a half,
// so that many clients of one server do not come back at once.
func (t *tries) pause() time.Duration {
	d := min(firstPause<<min(t.row-1, 10), longPause)
	random := rand.Float64
	if t.e.random != nil {
		random = t.e.random
	}
	return time.Duration(float64(d) * (0.5 + random()))
}

func (e *env) wait(ctx context.Context, d time.Duration) error {
	if e.pause != nil {
		return e.pause(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lost reports whether an error is the loss of a connection that worked: nothing
// that either end has said or done wrong.
func lost(err error) bool {
	var told *wire.Error
	if errors.As(err, &told) {
		// The far side has noticed first, or was told to end, as by a machine that
		// goes down.
		return told.Code == wire.CodeTimeout || told.Code == wire.CodeSignal
	}
	var ended *endedError
	if errors.As(err, &ended) && !ended.killed() {
		return false
	}
	for _, other := range []error{wire.ErrProtocol, wire.ErrVersion, context.Canceled} {
		if errors.Is(err, other) {
			return false
		}
	}
	for _, loss := range []error{
		wire.ErrClosed, wire.ErrTimeout, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed,
		syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
	} {
		if errors.Is(err, loss) {
			return true
		}
	}
	var network *net.OpError
	return errors.As(err, &network)
}

// unreachable reports whether an error is that of a host that could be reached
// before and cannot be now.
func unreachable(err error) bool {
	if g, ok := errors.AsType[*transport.GreetingError](err); ok && g.Kind == transport.GreetingCut {
		return true // where none has ever greeted it may be a program that says no more
	}
	switch exitCode(err, engine.ExitCode) {
	case exitConnect, exitConnTimeout, exitTimeout:
		return true
	case exitProtocol:
		return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, wire.ErrVersion) && !errors.Is(err, wire.ErrProtocol)
	}
	return false
}

// addSummary adds what another attempt has done. What the source holds is counted
// anew by each.
func addSummary(total, sum *engine.Summary) {
	before := *total
	*total = *sum
	for _, add := range []struct{ to, was *int64 }{
		{&total.Created, &before.Created},
		{&total.CreatedRegular, &before.CreatedRegular},
		{&total.CreatedDirs, &before.CreatedDirs},
		{&total.CreatedLinks, &before.CreatedLinks},
		{&total.CreatedDevices, &before.CreatedDevices},
		{&total.CreatedSpecials, &before.CreatedSpecials},
		{&total.Deleted, &before.Deleted},
		{&total.DeletedRegular, &before.DeletedRegular},
		{&total.DeletedDirs, &before.DeletedDirs},
		{&total.DeletedLinks, &before.DeletedLinks},
		{&total.DeletedDevices, &before.DeletedDevices},
		{&total.DeletedSpecials, &before.DeletedSpecials},
		{&total.Transferred, &before.Transferred},
		{&total.TransferredSize, &before.TransferredSize},
		{&total.Literal, &before.Literal},
		{&total.Matched, &before.Matched},
		{&total.ListBytes, &before.ListBytes},
		{&total.BytesSent, &before.BytesSent},
		{&total.BytesReceived, &before.BytesReceived},
	} {
		*add.to += *add.was
	}
}
