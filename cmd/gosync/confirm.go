package main

import (
	"context"
	"strings"
)

// confirmer returns how the engine asks the user, nil where there is nobody to
// ask.
func (e *env) confirmer(s *settings, p *printer) func(ctx context.Context, question string) bool {
	if e.ask == nil || s.quiet || s.DryRun {
		return nil
	}
	return func(ctx context.Context, question string) bool {
		if p.con.flush() != nil { // what was printed belongs above the question
			return false
		}
		answer, err := e.ask(ctx, display(question)+". Delete them? [y/N] ")
		if err != nil {
			return false
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "y", "yes":
			return true
		}
		return false
	}
}
