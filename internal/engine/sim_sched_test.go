package engine_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing/synctest"
	"time"

	"gosync/transport/wire"
)

// stepID tells one step from others that could be made instead, in a way that does
// not depend on which goroutine makes it.
type stepID struct {
	where string // the machine or line
	kind  string
	path  string
	off   int64
	n     int
}

func compareSteps(a, b *parked) int {
	return cmp.Or(cmp.Compare(a.id.where, b.id.where), cmp.Compare(a.id.kind, b.id.kind), cmp.Compare(a.id.path, b.id.path),
		cmp.Compare(a.id.off, b.id.off), cmp.Compare(a.id.n, b.id.n))
}

// parked is a step that waits to be made.
type parked struct {
	id   stepID
	turn chan uint64 // gets a random number when it may go on
}

// scheduler lets the goroutines of a simulation make one step at a time: every
// operation of a disk, every read and write of a line. Between two steps
// everything else comes to rest. Which step is next, a random source decides.
//
// A step is an operation that is allowed to go on, not what follows from it: that
// runs as Go likes until it comes to the next step.
type scheduler struct {
	rng  *rand.Rand
	slow bool // time passes now and then

	mu      sync.Mutex
	waiting []*parked
	steps   int
	trace   uint64   // hash of all steps so far
	log     []string // the steps, where they are wanted
	keepLog bool
	before  func(step int) // called before each step that is made, from its goroutine

	arrived chan struct{}
}

func newScheduler(rng *rand.Rand) *scheduler {
	return &scheduler{rng: rng, arrived: make(chan struct{}, 1)}
}

// step waits until the caller may make a step, and returns a random number.
func (s *scheduler) step(id stepID) uint64 {
	p := &parked{id, make(chan uint64)}
	s.mu.Lock()
	s.waiting = append(s.waiting, p)
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	r := <-p.turn
	s.made(id)
	return r
}

// inline makes a step without waiting.
func (s *scheduler) inline(id stepID) { s.made(id) }

func (s *scheduler) made(id stepID) {
	s.mu.Lock()
	s.steps++
	n := s.steps
	h := fnv.New64a()
	fmt.Fprintf(h, "%x %v", s.trace, id)
	s.trace = h.Sum64()
	if s.keepLog {
		s.log = append(s.log, fmt.Sprintf("%d %s %s %q %d+%d", n, id.where, id.kind, id.path, id.off, id.n))
	}
	before := s.before
	s.mu.Unlock()
	if before != nil {
		before(n)
	}
}

// hangTime is after how much time without a step a run is taken for hung.
const hangTime = 2 * time.Hour

// run runs f and schedules until it returns. It reports false where nothing moves
// any more.
func (s *scheduler) run(f func()) bool {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	for {
		synctest.Wait()
		if p, delay := s.choose(); p != nil {
			if delay > 0 {
				time.Sleep(delay)
			}
			p.turn <- s.rng.Uint64()
			continue
		}
		hang := time.NewTimer(hangTime)
		select {
		case <-done:
			hang.Stop()
			synctest.Wait()
			return s.idle()
		case <-s.arrived:
			hang.Stop()
		case <-hang.C:
			return false
		}
	}
}

// idle reports whether nobody waits.
func (s *scheduler) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) == 0
}

// choose takes the next step out of those that wait.
func (s *scheduler) choose() (*parked, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return nil, 0
	}
	slices.SortStableFunc(s.waiting, compareSteps)
	n := s.rng.IntN(len(s.waiting))
	p := s.waiting[n]
	s.waiting = slices.Delete(s.waiting, n, n+1)
	var delay time.Duration
	if s.slow && s.steps > 40 && s.rng.IntN(40) == 0 { // not within the greeting, which has two seconds
		delay = time.Duration(s.rng.IntN(7000)) * time.Millisecond
	}
	return p, delay
}

// line is a connection between two machines that can be cut.
type line struct {
	s *scheduler

	mu      sync.Mutex
	cond    *sync.Cond
	cutAt   int64 // cut when so many bytes were written in both directions; negative for never
	how     cutKind
	total   int64
	cut     bool
	stalled bool
	ends    [2]*lineEnd
}

type cutKind int

const (
	cutReset cutKind = iota // what is on its way is lost
	cutClose                // what is on its way arrives
	cutStall                // nothing arrives any more, and nobody is told
)

type lineEnd struct {
	l      *line
	name   string
	peer   *lineEnd
	buf    []byte // what has come and was not read
	closed bool
	reads  int64
	writes int64

	held    []byte // to be written
	inFrame int    // what is missing of the frame at its start
	greeted bool
}

func newLine(s *scheduler) (*line, *lineEnd, *lineEnd) {
	l := &line{s: s, cutAt: -1}
	l.cond = sync.NewCond(&l.mu)
	a, b := &lineEnd{l: l, name: "client"}, &lineEnd{l: l, name: "server"}
	a.peer, b.peer = b, a
	l.ends = [2]*lineEnd{a, b}
	return l, a, b
}

const lineRoom = 256 << 10

func (e *lineEnd) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := e.awaitData(); err != nil {
		return 0, err
	}
	r := e.l.s.step(stepID{where: e.name, kind: "receive", off: e.reads})
	e.l.mu.Lock()
	defer e.l.mu.Unlock()
	if len(e.buf) == 0 {
		return 0, e.gone()
	}
	n := min(len(p), len(e.buf))
	if r%8 == 0 {
		n = 1 + int(r>>8)%n // a piece of it
	}
	copy(p, e.buf[:n])
	e.buf = e.buf[n:]
	e.reads += int64(n)
	e.l.cond.Broadcast()
	return n, nil
}

// awaitData waits until there is something to read, or will not be.
func (e *lineEnd) awaitData() error {
	e.l.mu.Lock()
	defer e.l.mu.Unlock()
	for {
		switch {
		case e.closed:
			return io.ErrClosedPipe
		case len(e.buf) > 0 && !e.l.stalled:
			return nil
		case (e.l.cut || e.peer.closed) && !e.l.stalled:
			return e.gone()
		}
		e.l.cond.Wait()
	}
}

func (e *lineEnd) gone() error {
	if e.closed {
		return io.ErrClosedPipe
	}
	if e.l.cut && e.l.how == cutReset {
		return syscall.ECONNRESET
	}
	return io.EOF
}

// Write sends frame by frame, whatever the pieces are in which they come: how many
// frames a connection puts into one Write depends on how Go schedules it.
func (e *lineEnd) Write(p []byte) (n int, err error) {
	e.held = append(e.held, p...)
	for {
		piece := e.piece()
		if piece == nil {
			return len(p), nil
		}
		for len(piece) > 0 {
			if err := e.awaitRoom(); err != nil {
				return 0, err
			}
			e.l.s.step(stepID{where: e.name, kind: "send", off: e.writes, n: len(piece)})
			k, err := e.put(piece)
			if err != nil {
				return 0, err
			}
			piece = piece[k:]
		}
	}
}

// piece takes the next frame, or the next part of a long one, off what is to be
// written; nil where it is not there as a whole.
func (e *lineEnd) piece() []byte {
	const header, most = 6, 32 << 10
	if e.inFrame == 0 {
		switch {
		case !e.greeted && len(e.held) >= len(wire.Magic):
			e.greeted, e.inFrame = true, len(wire.Magic)
		case e.greeted && len(e.held) >= header:
			e.inFrame = header + int(binary.BigEndian.Uint32(e.held))
		default:
			return nil
		}
	}
	n := min(e.inFrame, most)
	if len(e.held) < n {
		return nil
	}
	piece := e.held[:n:n]
	e.held, e.inFrame = e.held[n:], e.inFrame-n
	return piece
}

func (e *lineEnd) awaitRoom() error {
	e.l.mu.Lock()
	defer e.l.mu.Unlock()
	for {
		switch {
		case e.closed:
			return io.ErrClosedPipe
		case (e.l.cut || e.peer.closed) && !e.l.stalled:
			return syscall.EPIPE
		case len(e.peer.buf) < lineRoom:
			return nil
		}
		e.l.cond.Wait()
	}
}

func (e *lineEnd) put(p []byte) (int, error) {
	l := e.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.closed || (l.cut || e.peer.closed) && !l.stalled {
		return 0, syscall.EPIPE
	}
	n := min(len(p), lineRoom)
	if l.cutAt >= 0 && l.total+int64(n) >= l.cutAt && !l.stalled {
		n = int(max(l.cutAt-l.total, 0))
		defer l.sever()
	}
	l.total += int64(n)
	e.writes += int64(n)
	e.peer.buf = append(e.peer.buf, p[:n]...)
	l.cond.Broadcast()
	return n, nil
}

// sever cuts the line; l.mu is held.
func (l *line) sever() {
	if l.how == cutStall {
		l.stalled = true
	} else {
		l.cut = true
	}
	if l.how == cutReset {
		l.ends[0].buf, l.ends[1].buf = nil, nil
	}
	l.cond.Broadcast()
}

// breakNow cuts the line now.
func (l *line) breakNow(how cutKind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.how = how
	l.sever()
}

func (e *lineEnd) Close() error {
	e.l.mu.Lock()
	defer e.l.mu.Unlock()
	e.closed = true
	e.l.cond.Broadcast()
	return nil
}
