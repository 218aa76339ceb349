package main

import (
	"slices"
	"testing"

	"gosync/internal/engine"
	"gosync/transport"
)

// TestSFTPRefuses: what SFTP has nothing for is refused where it would be needed, and not elsewhere.
func TestSFTPRefuses(t *testing.T) {
	t.Parallel()
	sftp, agent := &transport.Far{Via: transport.ViaSFTP}, &transport.Far{Via: transport.ViaAgent}
	both := engine.Options{HardLinks: true, PartialDir: "p"}
	for _, c := range []struct {
		name string
		far  fars
		o    engine.Options
		want int
	}{
		{"pull", fars{sftp, nil}, both, 1},
		{"push", fars{nil, sftp}, both, 1},
		{"from far to far", fars{sftp, sftp}, both, 2},
		{"to an agent", fars{sftp, agent}, both, 1},
		{"from an agent", fars{agent, sftp}, both, 1},
		{"agents", fars{agent, agent}, both, 0},
		{"neither option", fars{sftp, sftp}, engine.Options{}, 0},
	} {
		got := sftpRefuses(&engine.Job{Options: c.o}, c.far)
		if len(got) != c.want || slices.Contains(got, "") {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
