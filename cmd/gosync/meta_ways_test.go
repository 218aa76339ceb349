package main

import (
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport"
)

// TestWaysRefuseMetadata: what SFTP and scp have nothing for is refused by its name, and not left out.
func TestWaysRefuseMetadata(t *testing.T) {
	for name, set := range map[string]func(*engine.Job){
		"--atimes":            func(j *engine.Job) { j.Atimes = true },
		"--open-noatime":      func(j *engine.Job) { j.OpenNoatime = true },
		"--xattrs":            func(j *engine.Job) { j.Xattrs = true },
		"--acls":              func(j *engine.Job) { j.ACLs = true },
		"--copy-unsafe-links": func(j *engine.Job) { j.CopyUnsafeLinks = true },
		"--copy-dirlinks":     func(j *engine.Job) { j.CopyDirLinks = true },
		"--keep-dirlinks":     func(j *engine.Job) { j.KeepDirLinks = true },
	} {
		var job engine.Job
		set(&job)
		named := func(s string) bool { return strings.Contains(s, name) }
		if got := sftpRefuses(&job, fars{destEnd: &transport.Far{Via: transport.ViaSFTP}}); !slices.ContainsFunc(got, named) {
			t.Errorf("SFTP takes %s: %q", name, got)
		}
		if got := engine.StreamRefuses(&job, false); !slices.ContainsFunc(got, named) {
			t.Errorf("scp takes %s: %q", name, got)
		}
	}
}
