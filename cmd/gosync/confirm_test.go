package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/sshconn"
)

func TestConfirm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		answer string
		err    error
		yes    bool
		status int
	}{
		{"y", nil, true, 0},
		{"YES ", nil, true, 0},
		{"", nil, false, 25},
		{"n", nil, false, 25},
		{"yeah", nil, false, 25},
		{"", sshconn.ErrNoTerminal, false, 25},
		{"", errors.New("interrupted at the prompt"), false, 20},
	} {
		var shown string
		step := func(job engine.Job, rep engine.Report) (engine.Summary, error) {
			if !job.Confirm {
				t.Error("the job does not say that there is a user")
			}
			if yes := rep.Confirm(t.Context(), "many\x1b[2J"); yes != tt.yes {
				t.Errorf("%q: %v", tt.answer, yes)
			} else if !yes {
				return engine.Summary{}, engine.ErrDeleteGuard
			}
			return engine.Summary{}, nil
		}
		ask := func(_ context.Context, q string) (string, error) {
			shown = q
			return tt.answer, tt.err
		}
		status, _, errs := attempts(t, []func(engine.Job, engine.Report) (engine.Summary, error){step}, env{ask: ask}, "-a", "--delete", "a", "h:b")
		if status != tt.status || shown != `many\#033[2J. Delete them? [y/N] ` {
			t.Errorf("%q: status %d, asked %q\n%s", tt.answer, status, shown, errs)
		}
	}
}

// TestNobodyToAsk: who cannot be asked, or does not want to be, is not.
func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	ask := func(context.Context, string) (string, error) { return "y", nil }
	for line, e := range map[string]env{
		"-a --delete a h:b": {}, "-aq --delete a h:b": {ask: ask}, "-an --delete a h:b": {ask: ask}, "-a a h:b": {ask: ask},
	} {
		step := func(job engine.Job, rep engine.Report) (engine.Summary, error) {
			if job.Confirm || rep.Confirm != nil {
				t.Errorf("%s: somebody is asked", line)
			}
			return engine.Summary{}, nil
		}
		attempts(t, []func(engine.Job, engine.Report) (engine.Summary, error){step}, e, strings.Fields(line)...)
	}
}

// TestQuestionAndProgress: the progress line stays away from a question.
func TestQuestionAndProgress(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	con := newConsole(&out, &errs, true, nil)
	con.progress([]byte("\r 1%"))
	con.ask(func() {
		con.progress([]byte("\r 2%"))
		errs.WriteString("sure? ")
	})
	con.progress([]byte("\r 3%"))
	if got, want := errs.String(), "\r 1%\r\x1b[Ksure? \r 3%"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
