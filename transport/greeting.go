package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"gosync/transport/sftpfs"
	"gosync/transport/wire"
)

const (
	greetingTime = 2 * time.Second // for the greeting, from the first byte on: before it somebody may be typing a password
	statusTime   = 2 * time.Second // for the exit status of a command that has closed its output
	shownOutput  = 200             // bytes of what a far side printed that an error quotes
)

// awaitGreeting waits until the far side has greeted in a version that this one
// speaks. The stream that it returns reads as s would have, the greeting
// included, so that an engine can be run over it; s must not be used beside it.
//
// With an error s is closed. It is a *GreetingError, or what ended ctx.
func awaitGreeting(ctx context.Context, s Stream) (Stream, *wire.Hello, error) {
	r := &firstRead{r: s, arrived: make(chan struct{})}
	done := make(chan greeted, 1)
	go func() {
		raw, h, err := wire.PeekHello(r)
		done <- greeted{raw, h, err}
	}()
	g, late, err := awaitPeek(ctx, s, r.arrived, done)
	if err != nil {
		return nil, nil, err
	}
	if g.err == nil && !late {
		if _, err = wire.Agree(g.hello); err == nil {
			return &replayed{Stream: s, raw: g.raw}, g.hello, nil
		}
		_ = s.Close() // the version is what counts
		return nil, nil, &GreetingError{Kind: GreetingVersion, Status: -1, Stderr: s.StderrTail(), Hello: g.hello, Err: err}
	}
	return nil, nil, greetingError(s, g, late)
}

// greeted is what PeekHello returned.
type greeted struct {
	raw   []byte
	hello *wire.Hello
	err   error
}

// awaitPeek waits for the reader, which it ends by closing the stream when ctx ends or
// time is up.
func awaitPeek(ctx context.Context, s Stream, arrived <-chan struct{}, done <-chan greeted) (g greeted, late bool, err error) {
	var expired <-chan time.Time
	for {
		select {
		case g = <-done:
			return g, false, nil
		case <-arrived:
			t := time.NewTimer(greetingTime)
			defer t.Stop()
			arrived, expired = nil, t.C
		case <-expired:
			_ = s.Close()
			return <-done, true, nil
		case <-ctx.Done():
			_ = s.Close()
			<-done
			return g, false, context.Cause(ctx)
		}
	}
}

// greetingError closes s and says why there was no greeting.
func greetingError(s Stream, g greeted, late bool) error {
	e := &GreetingError{Status: -1, Output: string(escape(nil, g.raw[:min(len(g.raw), shownOutput)])), Err: g.err}
	if late {
		e.Kind, e.Stderr = GreetingLate, s.StderrTail()
		e.Err = fmt.Errorf("%w: the greeting took more than %v (%w)", wire.ErrVersion, greetingTime, context.DeadlineExceeded)
		if e.Output != "" {
			e.Err = fmt.Errorf("%w; the far side printed %q", e.Err, g.raw[:min(len(g.raw), shownOutput)])
		}
		return e
	}
	// Output that is too much or wrong comes from something that still runs, and has no status of its own.
	ended := errors.Is(g.err, io.EOF) || errors.Is(g.err, io.ErrUnexpectedEOF) || len(g.raw) == 0
	var local bool
	if ended {
		e.Status, local = endStatus(s)
	}
	_ = s.Close() // how it ended is known by now
	e.Stderr = s.StderrTail()
	if e.Kind = e.classify(ended); ended && wire.GreetingCut(g.raw) {
		e.Kind = GreetingCut
	} else if local && e.Status == 255 && e.Output == "" {
		e.Kind = GreetingLost // ssh's status for all of its own errors
		if refusedRequest(e.Stderr) {
			e.Kind = GreetingRefused
		}
	}
	return e
}

// endStatus waits a moment for the end of a command that has closed its output,
// closes the stream then, and returns the exit status, -1 where none is known.
// local is set where it is that of a program on this machine, such as ssh.
func endStatus(s Stream) (status int, local bool) {
	t := time.AfterFunc(statusTime, func() { _ = s.Close() }) // which ends Wait
	err := s.Wait()
	if !t.Stop() {
		return -1, false // it was closed, so that the status is ours
	}
	if err == nil {
		return 0, false
	}
	status = -1
	if exit, ok := errors.AsType[*ExitError](err); ok {
		status = exit.Status
	}
	_, local = errors.AsType[*exec.ExitError](err)
	return status, local
}

// unreached waits for the end of a stream that brought err instead of an answer, and returns its exit status, -1 where
// none is known. lost is set where ssh(1), or another program on this machine, has ended without having reached the far
// side: that says nothing about what the far side has.
func unreached(s Stream, err error) (status int, lost error) {
	status, local := endStatus(s)
	if err == nil || !local || status != 255 || errors.Is(err, sftpfs.ErrProtocol) || refusedRequest(s.StderrTail()) {
		return status, nil
	}
	return status, &GreetingError{Kind: GreetingLost, Status: status, Stderr: s.StderrTail(), Err: err}
}

// firstRead tells when the first byte has been read.
type firstRead struct {
	r       io.Reader
	arrived chan struct{}
	some    bool
}

func (f *firstRead) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if n > 0 && !f.some {
		f.some = true
		close(f.arrived)
	}
	return n, err
}

// replayed is a stream of which something has been read already.
type replayed struct {
	Stream
	raw []byte
}

// Read implements io.Reader.
func (r *replayed) Read(p []byte) (int, error) {
	if len(r.raw) > 0 {
		n := copy(p, r.raw)
		r.raw = r.raw[n:]
		return n, nil
	}
	return r.Stream.Read(p)
}
