package engine

import (
	"context"
	"errors"
	"fmt"
	"io"

	"gosync/delta"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Limits of the deltas that a destination may have open at a time.
const (
	maxDeltas     = 64
	maxSignatures = 512 << 20 // bytes of signatures that are held at a time, unless it is a single one
	segmentSize   = 8 << 20   // bytes of the target that are matched at a time
	inFlight      = 3         // segments whose questions may be open at a time
)

// deltaJob is a delta on the source's side.
type deltaJob struct {
	id       wire.ID
	sig      *delta.Signature
	held     int // chunks that the destination has from the start on
	complete bool
	answers  chan *wire.Answer
	asked    map[int]bool // segments with an open question; guarded by source.mu
}

// basis begins a delta; its signature follows.
func (s *source) basis(m *wire.Basis) error {
	_, e, err := s.entry(m.ID)
	if err != nil {
		return err
	}
	if !e.IsRegular() {
		return fmt.Errorf("%w: delta of a %v asked for", wire.ErrProtocol, e.Type)
	}
	if err := s.ask(1); err != nil {
		return err
	}
	p, err := delta.DecodeParams(m.Params)
	if err != nil {
		return fmt.Errorf("%w: %w", wire.ErrProtocol, err)
	}
	sig, err := delta.NewSignature(p)
	if err != nil {
		return fmt.Errorf("%w: %w", wire.ErrProtocol, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	held := p.SignatureSize()
	for _, j := range s.deltas {
		held += j.sig.Params().SignatureSize()
	}
	if len(s.deltas) > 0 && held > maxSignatures {
		return fmt.Errorf("%w: signatures of %d bytes at a time", wire.ErrProtocol, held)
	}
	if len(s.deltas) >= 2*maxDeltas || s.deltas[m.ID] != nil { // those that just ended here may not have left the map
		return fmt.Errorf("%w: too many deltas", wire.ErrProtocol)
	}
	// An answer is never waited for while another one is open for the same
	// segment, so inFlight is what the channel must hold.
	s.deltas[m.ID] = &deltaJob{id: m.ID, sig: sig, held: m.Chunks, answers: make(chan *wire.Answer, inFlight+1), asked: map[int]bool{}}
	s.prog.TotalFiles.Add(1)
	s.prog.TotalBytes.Add(e.Size)
	return nil
}

func (s *source) deltaFor(id wire.ID) (*deltaJob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.deltas[id]
	if j == nil {
		return nil, fmt.Errorf("%w: no delta of %v is open", wire.ErrProtocol, id)
	}
	return j, nil
}

func (s *source) sigPart(m *wire.SigPart) error {
	j, err := s.deltaFor(m.ID)
	if err != nil {
		return err
	}
	if j.complete || m.Segment != 0 {
		return fmt.Errorf("%w: signature goes on behind its end", wire.ErrProtocol)
	}
	if len(m.Body) > 0 {
		if err := j.sig.Add(m.Body); err != nil {
			return fmt.Errorf("%w: %w", wire.ErrProtocol, err)
		}
	}
	if !m.Last {
		return nil
	}
	if !j.sig.Complete() {
		return fmt.Errorf("%w: signature is too short", wire.ErrProtocol)
	}
	j.complete = true
	s.tasks.put(task{kind: taskDelta, delta: j})
	return nil
}

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
	f, e, err := w.open(ctx, j.id)
	if f == nil {
		return err
	}
	defer f.Close()
	d, _, _ := w.s.entry(j.id)
	before, err := f.Stat()
	if err != nil {
		return w.failed(ctx, j.id, d, e, "stat", err)
	}
	r := &deltaRun{early: map[int]*wire.Answer{}, w: w, job: j, file: f, size: before.Size, matcher: delta.NewMatcher(j.sig, f, before.Size)}
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
		return w.failed(ctx, j.id, d, e, "read", fmt.Errorf("%w: it shrank", ErrChanged))
	case err != nil:
		return w.failed(ctx, j.id, d, e, "read", err)
	}
	end := &wire.FileEnd{ID: j.id, Size: r.size, Digest: r.tree.Sum(r.size)}
	unchanged, err := isUnchanged(f, &before, func() (bool, error) {
		sum, err := w.digest(f, 0, nil, r.size)
		return sum == end.Digest, err
	})
	if err != nil {
		return w.failed(ctx, j.id, d, e, "read", err)
	}
	end.Changed = !unchanged
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
	tree    delta.Tree
	open    []*openSegment
	early   map[int]*wire.Answer // by segment
}

type openSegment struct {
	n        int
	asked    bool // an answer is on its way
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
		if len(r.open) == inFlight {
			if err := r.finish(ctx); err != nil {
				return err
			}
		}
	}
	for len(r.open) > 0 {
		if err := r.finish(ctx); err != nil {
			return err
		}
	}
	return nil
}

// match plans one segment and sends the plan with its first question.
func (r *deltaRun) match(ctx context.Context, n int, off, size int64) error {
	s := r.w.s
	o := &openSegment{n: n}
	var body []byte
	err := s.cpu.do(ctx, func() (err error) {
		if o.seg, err = r.matcher.Segment(ctx, off, size); err != nil {
			return err
		}
		if s.job.InPlace {
			dropOverwritten(o.seg)
		}
		if body, err = o.seg.AppendBinary(nil); err != nil || s.job.InPlace {
			return err
		}
		o.question, err = r.matcher.Ask(ctx, o.seg, delta.Cost{})
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

func (r *deltaRun) ask(ctx context.Context, o *openSegment) error {
	if o.question == nil {
		return nil
	}
	body, err := o.question.AppendBinary(nil)
	if err != nil {
		return err
	}
	o.asked = true
	r.w.s.mu.Lock()
	r.job.asked[o.n] = true
	r.w.s.mu.Unlock()
	return r.w.s.conn.Send(ctx, wire.NewQuestion(r.job.id, o.n, body))
}

// finish settles the oldest open segment: its questions, then its literals.
func (r *deltaRun) finish(ctx context.Context) error {
	s := r.w.s
	o := r.open[0]
	for o.question != nil {
		m, err := r.await(ctx, o.n)
		if err != nil {
			return err
		}
		o.asked = false
		err = s.cpu.do(ctx, func() error {
			ans, err := delta.DecodeAnswer(m.Body, o.question)
			if err == nil {
				err = o.seg.Refine(o.question, ans)
			}
			if err != nil {
				return fmt.Errorf("%w: %w", wire.ErrProtocol, err)
			}
			o.question, err = r.matcher.Ask(ctx, o.seg, delta.Cost{})
			return err
		})
		if err != nil {
			return err
		}
		if err := r.ask(ctx, o); err != nil {
			return err
		}
	}
	r.open = r.open[1:]
	return r.literals(ctx, o)
}

// await waits for the answer about segment n. Answers come in the order of the
// questions, but a later segment's first may overtake an earlier one's second:
// it is kept until its turn comes.
func (r *deltaRun) await(ctx context.Context, n int) (*wire.Answer, error) {
	for {
		if m := r.early[n]; m != nil {
			delete(r.early, n)
			return m, nil
		}
		select {
		case <-r.w.s.over:
			return nil, fmt.Errorf("%w: the destination ends while a delta is open", wire.ErrProtocol)
		case m := <-r.job.answers:
			if r.early[m.Segment] != nil || len(r.early) > inFlight {
				return nil, fmt.Errorf("%w: segment %d is answered twice", wire.ErrProtocol, m.Segment)
			}
			r.early[m.Segment] = m
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// drain takes the answers that are on their way for a file that cannot be
// finished, because the destination may send them before it knows.
func (r *deltaRun) drain(ctx context.Context) error {
	for _, o := range r.open {
		if o.asked {
			if _, err := r.await(ctx, o.n); err != nil {
				return err
			}
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
			b.B = append(b.B, make([]byte, k)...)
			if _, err := r.file.ReadAt(b.B[at:], off); err != nil {
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
	return s.conn.SendBuffer(ctx, b)
}
