package main

import (
	"context"
	"errors"
	"strings"

	"gosync/transport/sshconn"
)

// confirmer returns how the engine asks the user, nil where there is nobody to
// ask. Anything but yes is no; interrupt is called when the user would rather end
// the run. A yes holds for the same question after the connection was lost, too.
func (e *env) confirmer(s *settings, con *console, interrupt func()) func(ctx context.Context, question string) bool {
	if e.ask == nil || s.quiet || s.DryRun || !s.Delete {
		return nil
	}
	agreed := map[string]bool{}
	return func(ctx context.Context, question string) bool {
		if agreed[question] {
			return true
		}
		var answer string
		var err error
		con.ask(func() { answer, err = e.ask(ctx, display(question)+". Delete them? [y/N] ") })
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, sshconn.ErrNoTerminal) {
				interrupt()
			}
			return false
		}
		answer = strings.ToLower(strings.TrimSpace(answer))
		agreed[question] = answer == "y" || answer == "yes"
		return agreed[question]
	}
}
