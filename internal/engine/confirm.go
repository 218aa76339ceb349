package engine

import (
	"context"
	"fmt"

	"gosync/transport/wire"
)

// confirm asks the user a question, at whichever end there is one. Where there
// is nobody the answer is no.
func (d *dest) confirm(ctx context.Context, question string) (bool, error) {
	if d.user != nil {
		defer d.conn.Work()()
		return d.user(ctx, question), nil
	}
	if !d.job.Confirm || d.local != nil || d.alone || d.asked {
		return false, nil
	}
	d.asked = true // a client lets itself be asked once
	d.mu.Lock()
	d.answer = make(chan bool, 1)
	answer := d.answer
	d.mu.Unlock()
	if err := d.conn.Send(ctx, &wire.Confirm{Question: question}); err != nil {
		return false, err
	}
	select {
	case yes := <-answer:
		return yes, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// confirmed takes the client's answer.
func (d *dest) confirmed(m *wire.Confirmed) error {
	d.mu.Lock()
	answer := d.answer
	d.answer = nil
	d.mu.Unlock()
	if answer == nil {
		return fmt.Errorf("%w: an answer without a question", wire.ErrProtocol)
	}
	return offer(answer, m.Yes)
}

// confirm asks the user of a pushing run what the far side wants to know. That
// takes as long as the user does, so it does not happen on the reader.
func (s *source) confirm(ctx context.Context, m *wire.Confirm) error {
	if s.user == nil || !s.job.Confirm || s.asking {
		return fmt.Errorf("%w: a question for a user who is not there, or was asked before", wire.ErrProtocol)
	}
	s.asking = true
	s.group.Go(func() error {
		defer s.conn.Work()()
		return s.conn.Send(ctx, &wire.Confirmed{Yes: s.user(ctx, m.Question)})
	})
	return nil
}
