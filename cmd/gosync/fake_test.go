package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"

	"gosync/internal/engine"
	"gosync/transport"
)

// fakeRun is a program whose engine does what a test says.
type fakeRun struct {
	out, err bytes.Buffer
	job      engine.Job // that the engine was given
	way      string     // which of the engine's functions was called
	how      transport.Options
	to       transport.Target
	events   []engine.Event
	sum      engine.Summary
	failure  error // that the engine returns
	refuse   error // that connecting returns
	end      error // of the far side
	environ  map[string]string
	stdin    string
	outFails error
	stdout   io.Writer // in place of out, if any
}

// nothing is a connection that nobody uses; end is how the far side ended.
type nothing struct {
	transport.Stream
	end error
}

func (nothing) Close() error  { return nil }
func (n nothing) Wait() error { return n.end }

// failingWriter fails every write.
type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// exec runs the program and returns its exit status.
func (f *fakeRun) exec(ctx context.Context, args ...string) int {
	var stdout io.Writer = &f.out
	if f.stdout != nil {
		stdout = f.stdout
	}
	if f.outFails != nil {
		stdout = failingWriter{f.outFails}
	}
	return run(ctx, append([]string{"gosync"}, args...), &env{
		stdin: strings.NewReader(f.stdin), stdout: stdout, stderr: &f.err,
		getenv: func(k string) string { return f.environ[k] },
		parts: parts{
			host: func() engine.Host { return nil },
			open: func(_ context.Context, t transport.Target, how transport.Options) (*transport.Far, error) {
				f.to, f.how = t, how
				if f.refuse != nil {
					return nil, f.refuse
				}
				return &transport.Far{Via: transport.ViaAgent, Agent: nothing{end: f.end}, Again: how}, nil
			},
			copy: func(_ context.Context, _ engine.Host, job engine.Job, rep engine.Report) (engine.Summary, error) {
				return f.engine("copy", job, rep)
			},
			send: func(_ context.Context, _ engine.Host, _ io.ReadWriteCloser, job engine.Job, rep engine.Report) (engine.Summary, error) {
				return f.engine("send", job, rep)
			},
			receive: func(_ context.Context, _ engine.Host, _ io.ReadWriteCloser, job engine.Job, rep engine.Report) (engine.Summary, error) {
				return f.engine("receive", job, rep)
			},
			serve: func(context.Context, engine.Host, io.ReadWriteCloser, *slog.Logger, engine.Limits) error {
				f.way = "serve"
				return f.failure
			},
			exitCode: engine.ExitCode,
		},
		serverConn: func() (io.ReadWriteCloser, error) { return nothing{}, nil },
	})
}

func (f *fakeRun) engine(way string, job engine.Job, rep engine.Report) (engine.Summary, error) {
	f.way, f.job = way, job
	for _, ev := range f.events {
		rep.Event(ev)
	}
	return f.sum, f.failure
}
