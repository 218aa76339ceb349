package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Limits of the deltas that a destination may have open at a time.
const (
	maxDeltas     = 64
	maxSignatures = 512 << 20 // bytes of signatures that are held at a time, unless it is a single one
	segmentSize   = 8 << 20   // bytes of the target that are matched at a time
	leastOpen     = 3         // segments whose questions may be open at a time
	mostOpen      = 16        // likewise, of a file by itself, from openVersion of the protocol on
	openVersion   = 5
	openSpacing   = 10 * time.Millisecond // of a round trip, for each that is open beyond leastOpen: about what one takes to match
)

func (s *source) answer(m *wire.Answer) error {
	j, err := s.deltaFor(m.ID)
	if err != nil {
		return err
	}
	s.mu.Lock()
	asked := j.asked[m.Segment]
	delete(j.asked, m.Segment)
	s.mu.Unlock()
	if !asked {
		return fmt.Errorf("%w: an answer about segment %d, which has no question", wire.ErrProtocol, m.Segment)
	}
	m.Body = bytes.Clone(m.Body) // it may wait, and its frame may be far larger
	return offer(j.answers, m)
}

// delta sends a file as a delta. It runs on a goroutine of its own, because it
// waits for answers; the number of open deltas bounds these.
func (w *fileWriter) delta(ctx context.Context, j *deltaJob) error {
	w.s.group.Go(func() error {
		defer func() {
			w.s.mu.Lock()
			delete(w.s.deltas, j.id)
			w.s.mu.Unlock()
		}()
		own := &fileWriter{s: w.s}
		return own.runDelta(ctx, j)
	})
	return nil
}

func (w *fileWriter) runDelta(ctx context.Context, j *deltaJob) error {
	d, e, err := w.s.entry(j.id)
	if err != nil {
		return err
	}
	failed := func(op string, err error) error {
		if err := w.s.awaitSigned(ctx, j); err != nil { // the destination sends it to its end
			return err
		}
		return w.failed(ctx, j.id, d, e, op, err)
	}
	f, err := w.s.openEntry(ctx, d, j.id.Entry)
	if err != nil {
		return failed("open", err)
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return failed("stat", err)
	}
	r := &deltaRun{
		w: w, job: j, file: f, size: before.Size, edited: true,
		matcher: delta.NewMatcher(j.sig, f, before.Size), gaps: delta.NewNearby(f),
	}
	err = r.run(ctx)
	if err != nil {
		if end := runError(w.s.conn, err); end != nil {
			return end
		}
		if err := r.drain(ctx); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		// What was planned cannot be sent; the next run sees another file.
		return failed("read", fmt.Errorf("%w: it shrank", ErrChanged))
	case err != nil:
		return failed("read", err)
	}
	if err := w.s.awaitSigned(ctx, j); err != nil {
		return err
	}
	end := &wire.FileEnd{ID: j.id, Size: r.size, Digest: r.tree.Sum(r.size)}
	grows := growth{file: f, before: before}
	whole, err := grows.isWhole(func() (bool, error) {
		sum, err := w.digest(f, 0, nil, r.size)
		return sum == end.Digest, err
	})
	if err != nil {
		return failed("read", err)
	}
	end.Changed = !whole
	if !end.Changed && r.size <= delta.ChunkSize {
		w.s.tellContent(d, e, r.size, end.Digest)
	}
	if end.Changed {
		w.s.rep.fail(&FileError{Op: "read", Path: manifest.Join(d.Path, e.Name), Err: ErrChanged})
	}
	w.s.fileDone()
	return w.s.conn.Send(ctx, end)
}

// runError is what ends the run, if err is not just an error with a file: the
// cause for which the connection has ended, whatever of it err shows, that the run
// was cancelled, or a fault of the peer.
func runError(conn *wire.Conn, err error) error {
	if cause := conn.Err(); cause != nil {
		return cause
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, wire.ErrProtocol) {
		return err
	}
	return nil
}

// deltaRun is a delta being sent.
type deltaRun struct {
	w       *fileWriter
	job     *deltaJob
	file    File
	size    int64
	matcher *delta.Matcher
	gaps    *delta.Nearby // the file, where literals are read
	tree    delta.Tree
	open    []*openSegment
	rtt     time.Duration // the least that an answer has taken; 0 before the first
	edited  bool          // in place, as far as it was matched: what follows need not wait for the whole signature
}

type openSegment struct {
	n        int
	asked    time.Time // since when an answer is on its way; zero if none is
	seg      *delta.Segment
	question *delta.Question // open, or nil
}

// run matches segment after segment. While questions about earlier ones are
// open, the next are matched.
func (r *deltaRun) run(ctx context.Context) error {
	n := 0
	held := min(int64(r.job.held), r.size/delta.ChunkSize)
	if err := r.w.heldChunks(ctx, r.job.id, r.file, held, &r.tree); err != nil {
		return err
	}
	for off := held * delta.ChunkSize; off < r.size; off += segmentSize {
		if err := r.match(ctx, n, off, min(segmentSize, r.size-off)); err != nil {
			return err
		}
		n++
		for len(r.open) >= r.mayOpen() || len(r.open) > 0 && r.open[0].question == nil {
			if err := r.settle(ctx); err != nil {
				return err
			}
		}
	}
	for len(r.open) > 0 {
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// match plans one segment and sends the plan with its first question.
func (r *deltaRun) match(ctx context.Context, n int, off, size int64) error {
	s := r.w.s
	o := &openSegment{n: n}
	if err := r.matchEarly(ctx, o, off, size); err != nil {
		return err
	}
	var body []byte
	err := s.cpu.do(ctx, func() (err error) {
		if o.seg == nil {
			if o.seg, err = r.matcher.Segment(ctx, off, size); err != nil {
				return err
			}
		}
		if s.job.InPlace {
			dropOverwritten(o.seg)
		}
		if body, err = o.seg.AppendBinary(nil); err != nil || s.job.InPlace {
			return err
		}
		o.question, err = r.matcher.Ask(ctx, o.seg, r.cost())
		return err
	})
	if err != nil {
		return err
	}
	for _, sum := range o.seg.Digests {
		r.tree.Add(sum)
	}
	if err := s.conn.Send(ctx, wire.NewSegment(r.job.id, r.size, n, o.question == nil, body)); err != nil {
		return err
	}
	r.open = append(r.open, o)
	return r.ask(ctx, o)
}

// matchEarly plans a segment without the whole signature, if that has not come and
// does not have to: what has moved is found with the whole alone. Else it waits for it.
func (r *deltaRun) matchEarly(ctx context.Context, o *openSegment, off, size int64) error {
	s := r.w.s
	if r.edited {
		if err := s.awaitBlocks(ctx, r.job, r.matcher.EarlyBlocks(off, size)); err != nil {
			return err
		}
	}
	if r.edited && !r.job.sig.Complete() {
		err := s.cpu.do(ctx, func() (err error) {
			o.seg, err = r.matcher.Early(ctx, off, size)
			return err
		})
		if o.seg != nil || err != nil {
			return err
		}
		r.edited = false
	}
	return s.awaitSigned(ctx, r.job)
}

// dropOverwritten turns copies into gaps whose basis bytes are overwritten
// before they are read when the file is written in place from the front.
func dropOverwritten(seg *delta.Segment) {
	at := seg.Off
	ops := seg.Ops[:0]
	for _, op := range seg.Ops {
		if op.Basis != delta.Gap && op.Basis < at {
			op.Basis = delta.Gap
		}
		at += op.Len
		if n := len(ops); n > 0 && op.Basis == delta.Gap && ops[n-1].Basis == delta.Gap {
			ops[n-1].Len += op.Len
			continue
		}
		ops = append(ops, op)
	}
	seg.Ops = ops
}

// cost is what a round of questions about one segment costs. Where other files are at
// hand the line has work meanwhile. A file by itself waits, but for all of its segments
// that may be open at the same time.
func (r *deltaRun) cost() delta.Cost {
	if r.w.s.hasOther() {
		return delta.Cost{}
	}
	rest := r.size - min(int64(r.job.held), r.size/delta.ChunkSize)*delta.ChunkSize
	return roundCost(r.w.s.line, min((rest+segmentSize-1)/segmentSize, int64(r.mayOpen())))
}

// mayOpen is how many segments may have open questions.
func (r *deltaRun) mayOpen() int {
	return segmentsOpen(r.w.s.conn.Version(), r.job.isSigned() && !r.w.s.hasOther(), r.rtt)
}

// segmentsOpen is how many segments may have open questions: of a file by itself so many that
// matching goes on all through a round trip. Where it is short or others are at hand more
// would only keep literals back, as they would behind a wait for the signature.
func segmentsOpen(version int, alone bool, rtt time.Duration) int {
	if version < openVersion || !alone {
		return leastOpen
	}
	return min(leastOpen+int(rtt/openSpacing), mostOpen)
}

// roundCost is what one of the rounds of questions about a segment costs, of so many at
// the same time, that nothing else goes on beside. Of a line that is not known, as it is short or has carried
// little, a round costs nothing: it is worth more to know what need not be sent.
func roundCost(line func() (rtt time.Duration, rate float64), atATime int64) delta.Cost {
	rtt, rate := line()
	return delta.Cost{BytesPerRTT: int64(rate*rtt.Seconds()) / max(1, atATime)}
}

func (r *deltaRun) ask(ctx context.Context, o *openSegment) error {
	if o.question == nil {
		return nil
	}
	body, err := o.question.AppendBinary(nil)
	if err != nil {
		return err
	}
	o.asked = time.Now()
	r.w.s.mu.Lock()
	r.job.asked[o.n] = true
	r.w.s.mu.Unlock()
	return r.w.s.conn.Send(ctx, wire.NewQuestion(r.job.id, o.n, body))
}

// settle sends the literals of the oldest open segment if its questions are answered, and
// waits for an answer if they are not.
func (r *deltaRun) settle(ctx context.Context) error {
	o := r.open[0]
	if o.question != nil {
		return r.refine(ctx)
	}
	r.open = r.open[1:]
	return r.literals(ctx, o)
}

// refine takes the next answer and asks on. It may be about any open segment, so that
// the round trips of all of them are made at the same time.
func (r *deltaRun) refine(ctx context.Context) error {
	o, m, err := r.await(ctx)
	if err != nil {
		return err
	}
	err = r.w.s.cpu.do(ctx, func() error {
		ans, err := delta.DecodeAnswer(m.Body, o.question)
		if err == nil {
			err = o.seg.Refine(o.question, ans)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", wire.ErrProtocol, err)
		}
		o.question, err = r.matcher.Ask(ctx, o.seg, r.cost())
		return err
	})
	if err != nil {
		return err
	}
	return r.ask(ctx, o)
}

// await waits for the next answer, and returns the segment that it is about.
func (r *deltaRun) await(ctx context.Context) (*openSegment, *wire.Answer, error) {
	select {
	case <-r.w.s.over:
		return nil, nil, errOpenDelta()
	case m := <-r.job.answers:
		i := slices.IndexFunc(r.open, func(o *openSegment) bool { return o.n == m.Segment && !o.asked.IsZero() })
		if i < 0 {
			return nil, nil, fmt.Errorf("%w: segment %d is answered twice", wire.ErrProtocol, m.Segment)
		}
		o := r.open[i]
		if took := time.Since(o.asked); r.rtt == 0 || took < r.rtt {
			r.rtt = max(took, 1)
		}
		o.asked = time.Time{}
		return o, m, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

// drain takes the answers that are on their way for a file that cannot be
// finished, because the destination may send them before it knows.
func (r *deltaRun) drain(ctx context.Context) error {
	for slices.ContainsFunc(r.open, func(o *openSegment) bool { return !o.asked.IsZero() }) {
		if _, _, err := r.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// literals sends what the destination lacks of a segment.
func (r *deltaRun) literals(ctx context.Context, o *openSegment) error {
	s, id := r.w.s, r.job.id
	left := o.seg.GapBytes()
	begin := func() *wire.Buffer {
		b := s.conn.Buffer(wire.TypeLiterals)
		b.B = wire.NewLiterals(id, o.n, left <= wire.BulkSize, nil).AppendHeader(b.B)
		return b
	}
	b, room := begin(), wire.BulkSize
	for off, n := range o.seg.Gaps() {
		for n > 0 {
			if room == 0 {
				if err := s.conn.SendBuffer(ctx, b); err != nil {
					return err
				}
				b, room = begin(), wire.BulkSize
			}
			k := int(min(n, int64(room)))
			at := len(b.B)
			b.B = slices.Grow(b.B, k)[:at+k]
			if _, err := r.gaps.ReadAt(b.B[at:], off); err != nil {
				s.conn.Discard(b)
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return err
			}
			off, n, room, left = off+int64(k), n-int64(k), room-k, left-int64(k)
		}
	}
	s.moved(o.seg.GapBytes(), o.seg.Len)
	r.w.sent.Add(o.seg.GapBytes())
	return s.conn.SendBuffer(ctx, b)
}
