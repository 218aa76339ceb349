package engine

import (
	"context"
	"fmt"

	"gosync/delta"
	"gosync/transport/wire"
)

// deltaJob is a delta on the source's side.
type deltaJob struct {
	id      wire.ID
	sig     *delta.Signature
	held    int           // chunks that the destination has from the start on
	begun   bool          // it is under way, or queued; the reader's
	last    chan struct{} // closed when the last part of the signature has come
	answers chan *wire.Answer
	asked   map[int]bool // segments with an open question; guarded by source.mu
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
	// segment, so mostOpen is what the channel must hold.
	s.deltas[m.ID] = &deltaJob{id: m.ID, sig: sig, held: m.Chunks, last: make(chan struct{}), answers: make(chan *wire.Answer, mostOpen+1), asked: map[int]bool{}}
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

// sigPart takes a part of a signature. An empty one in front says that the
// destination takes segments while it still signs: the delta begins. Without it
// nothing may be sent before the last part: an older destination would let the
// messages pile up, and what comes behind them with them.
func (s *source) sigPart(m *wire.SigPart) error {
	j, err := s.deltaFor(m.ID)
	if err != nil {
		return err
	}
	if j.isSigned() || m.Segment != 0 {
		return fmt.Errorf("%w: signature goes on behind its end", wire.ErrProtocol)
	}
	if len(m.Body) > 0 {
		if err := j.sig.Add(m.Body); err != nil {
			return fmt.Errorf("%w: %w", wire.ErrProtocol, err)
		}
	}
	if m.Last {
		if !j.sig.Complete() {
			return fmt.Errorf("%w: signature is too short", wire.ErrProtocol)
		}
		close(j.last)
	}
	if !j.begun && (m.Last || len(m.Body) == 0) {
		j.begun = true
		s.tasks.put(task{kind: taskDelta, delta: j})
	}
	return nil
}

// isSigned reports whether the whole signature has come.
func (j *deltaJob) isSigned() bool {
	select {
	case <-j.last:
		return true
	default:
		return false
	}
}

// awaitBlocks waits until the signature has n blocks, or has come to its end.
func (s *source) awaitBlocks(ctx context.Context, j *deltaJob, n int64) error {
	for {
		grown := j.sig.Grown()
		if j.sig.Blocks() >= n {
			return nil
		}
		if err := s.awaitPart(ctx, grown); err != nil {
			return err
		}
	}
}

// awaitSigned waits for the end of the signature.
func (s *source) awaitSigned(ctx context.Context, j *deltaJob) error {
	return s.awaitPart(ctx, j.last)
}

func (s *source) awaitPart(ctx context.Context, came <-chan struct{}) error {
	select {
	case <-came:
		return nil
	case <-s.over:
		return errOpenDelta()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func errOpenDelta() error {
	return fmt.Errorf("%w: the destination ends while a delta is open", wire.ErrProtocol)
}
