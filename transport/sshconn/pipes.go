package sshconn

import (
	"context"
	"io"
	"sync"
	"time"
)

// Sizes of what is carried at once, in bytes. A packet of SSH holds 32 KiB; output comes several at a time.
const (
	inPiece  = 64 << 10
	outPiece = 128 << 10
	errPiece = 4 << 10
)

// What is waited for when a session is closed.
const (
	leaveGrace = 500 * time.Millisecond // until the far side has ended; with a line that is dead --timeout is over by so much
	sentGrace  = time.Second            // ... has taken what was written
)

// pipes are between the user of a session and its channel.
//
// Nothing wakes who is blocked in a read or a write of the library's channel but the far side or the end of the
// connection, and sshd does not close the channel of a command that goes on, as one does that is stopped. A pipe in this
// process can be closed. Goroutines of the client carry the bytes: one that is blocked in the library stays so until
// the connection ends, which waits for it.
type pipes struct {
	in, out, errs pipe

	once    sync.Once
	leaving chan struct{} // closed when Close is called
	sent    chan struct{} // closed when nothing more is written to the channel
	said    chan struct{} // closed when the last message has been read
	left    chan struct{} // closed when Close waits no longer
}

type pipe struct {
	r *io.PipeReader
	w *io.PipeWriter
}

func newPipes() *pipes {
	p := &pipes{leaving: make(chan struct{}), sent: make(chan struct{}), said: make(chan struct{}), left: make(chan struct{})}
	for _, one := range []*pipe{&p.in, &p.out, &p.errs} {
		one.r, one.w = io.Pipe()
	}
	return p
}

// shut wakes who uses Stdin and Stdout. What Stdin has taken is still sent.
func (p *pipes) shut() {
	_ = p.in.w.Close() // closing a pipe never fails
	_ = p.out.r.Close()
}

// pumpIn sends what is written to Stdin, and its end.
func (s *Session) pumpIn() {
	defer close(s.sent)
	_, err := io.CopyBuffer(s.ch, s.in.r, make([]byte, inPiece))
	if err == nil {
		_ = s.ch.CloseWrite() // it fails only where the channel has ended, which Wait tells
	}
	_ = s.in.r.CloseWithError(err) // the next Write returns it
}

// pumpOut receives what is read from Stdout.
func (s *Session) pumpOut() {
	_, err := io.CopyBuffer(s.out.w, stdout{s}, make([]byte, outPiece))
	_ = s.out.w.CloseWithError(err)
}

// pumpErrs receives what is read from Stderr.
func (s *Session) pumpErrs() {
	defer close(s.said)
	_, _ = io.CopyBuffer(s.errs.w, s.ch.Stderr(), make([]byte, errPiece)) // whether the connection broke Stdout tells
	_ = s.errs.w.Close()
}

// leave is Close.
func (s *Session) leave() {
	s.stop()
	s.shut()
	close(s.leaving)
	ctx, cancel := context.WithTimeout(context.Background(), leaveGrace)
	defer cancel()
	for _, awaited := range []chan struct{}{s.done, s.said} {
		select {
		case <-awaited:
		case <-ctx.Done(): // the command is stopped or has more to do, or nobody reads its messages
		}
	}
	_ = s.errs.r.Close()
	close(s.left)
}

// hangUp closes the channel when Close is called, and the pipes when the client is closed. It is apart from Close
// because a line that takes nothing holds it up.
func (s *Session) hangUp(closed <-chan struct{}) {
	select {
	case <-s.leaving:
		t := time.NewTimer(sentGrace)
		defer t.Stop()
		select {
		case <-s.sent:
		case <-t.C:
		case <-closed:
		}
	case <-closed:
		s.shut()
		_ = s.errs.r.Close()
	}
	_ = s.ch.Close() // it fails where the connection has ended
}
