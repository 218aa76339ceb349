package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

const (
	endGrace = 5 * time.Second // how long a tool that is stopped may take to end in an orderly way
	keptTail = 4 << 10         // bytes that are kept of what a tool prints
	keptAll  = 64 << 20        // ... where it matters
)

// errLimit is why what takes too long is stopped. The error is a limitError, which wraps it.
var errLimit = errors.New("a time limit")

// limitError says how long was too long.
type limitError time.Duration

func (e limitError) Error() string { return "it took longer than " + time.Duration(e).String() }
func (e limitError) Unwrap() error { return errLimit }

// ran is what is known of a process that has ended.
type ran struct {
	took   time.Duration
	cpu    *float64 // seconds of it and its children; nil where the system does not tell
	output string   // the end of what it printed
}

// execute runs a program to its end. The error wraps errLimit where it took longer than limit, ctx's cause where that was
// cancelled, and else says what the program printed. Nothing of the program is left when it returns.
func execute(ctx context.Context, argv, environ []string, limit time.Duration) (ran, error) {
	return executeKeeping(ctx, argv, environ, limit, keptTail)
}

// executeKeeping is execute with a bound of its own for what is kept of the output.
func executeKeeping(ctx context.Context, argv, environ []string, limit time.Duration, most int) (ran, error) {
	run, cancel := context.WithTimeoutCause(ctx, limit, limitError(limit))
	defer cancel()
	cmd := exec.CommandContext(run, argv[0], argv[1:]...)
	out := tail{most: most}
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = environ
	ownGroup(cmd)
	cmd.Cancel = func() error { return endGroup(cmd.Process) }
	cmd.WaitDelay = endGrace
	begin := time.Now()
	err := cmd.Run()
	r := ran{took: time.Since(begin), output: out.String()}
	if cmd.Process != nil {
		killGroup(cmd.Process)
		r.cpu = processSeconds(cmd.ProcessState)
	}
	switch {
	case err == nil:
		return r, nil
	case run.Err() != nil:
		return r, context.Cause(run)
	}
	if text := strings.TrimSpace(r.output); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return r, err
}

// tail keeps the end of what is written. It is written to by one goroutine: exec uses one for both streams.
type tail struct {
	most int
	kept []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.most; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }
