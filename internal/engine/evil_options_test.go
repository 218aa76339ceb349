package engine_test

import (
	"testing"

	"gosync/internal/engine"
	"gosync/transport/wire"
)

// TestRelayedMissing: a destination on a server does not know what was asked for. Who stands between it and the source
// does, and lets the source have nothing removed that was not named.
func TestRelayedMissing(t *testing.T) {
	for _, x := range []struct {
		name    string
		missing []string
		left    string // at the destination
		refused bool
	}{
		{"what was named", []string{"gone"}, "keep sub sub/gone", false},
		{"something else", []string{"keep"}, "gone keep sub sub/gone", true},
		{"something else, too", []string{"gone", "sub/gone"}, "gone keep sub sub/gone", true},
	} {
		t.Run(x.name, func(t *testing.T) {
			_, dst := dirs(t, nil, map[string]string{"gone": "1", "keep": "2", "sub/gone": "3"})
			job := engine.Job{Options: archive(), Sources: []string{"a", "gone"}, Dest: dst}
			job.DeleteMissing = true
			out := script(func(p *peer) {
				p.say(&wire.Roots{Complete: true, Missing: x.missing})
				p.hear(wire.TypeMode)
				p.list(root())
				p.say(&wire.ListEnd{Dirs: 1, Complete: true})
				p.leave()
			}).asRelayedSource(t, host(), job)
			if x.refused {
				out.wantRefused(t)
			} else {
				out.wantExit(t, wire.CodeOK)
			}
			wantNames(t, dst, x.left)
		})
	}
}
