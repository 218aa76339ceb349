package engine

import (
	"context"
	"io"
	"time"
)

// SendBy is Send where deltas take the line to be what line says; nil for what it is.
func SendBy(ctx context.Context, host Host, conn io.ReadWriteCloser, job Job, line func() (time.Duration, float64)) (Summary, error) {
	start := time.Now()
	f, err := plant(ctx, host, &job, false)
	if err != nil {
		return Summary{}, err
	}
	defer f.close() // read only: nothing to lose
	c, _, err := greet(ctx, host, conn, job.encode(false), f.message(ctx))
	if err != nil {
		return Summary{}, err
	}
	defer c.Close()
	begin(c, &job)
	r := startReporter(ctx, Report{})
	s := newSource(host, c, &job, f, r, nil)
	if line != nil {
		s.line = line
	}
	if err = s.run(ctx); err == nil {
		linger(ctx, c)
	}
	return s.summary(start), conclude(r, err, &s.done)
}
