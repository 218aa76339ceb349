package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

// TestBuildOf: what the linker was told counts, then what Go knows, and where nobody knows
// anything it is a devel build.
func TestBuildOf(t *testing.T) {
	module := func(version string) debug.Module { return debug.Module{Path: "gosync", Version: version} }
	vcs := []debug.BuildSetting{
		{Key: "-trimpath", Value: "true"}, {Key: "vcs", Value: "git"},
		{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.time", Value: "2026-11-26T00:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}
	for _, test := range []struct {
		name            string
		linked          build
		info            *debug.BuildInfo
		version, commit string
	}{
		{"nothing", build{}, nil, "devel", "unknown"},
		{"no stamps", build{}, &debug.BuildInfo{Main: module("(devel)")}, "devel", "unknown"},
		{"no module", build{}, &debug.BuildInfo{}, "devel", "unknown"},
		{"installed", build{}, &debug.BuildInfo{Main: module("v1.2.3")}, "v1.2.3", "unknown"},
		{
			"a clone", build{}, &debug.BuildInfo{Main: module("v0.0.0-2026+dirty"), Settings: vcs},
			"v0.0.0-2026+dirty", "0123abc of 2026-11-26T00:00:00Z, with changes that are not committed",
		},
		{
			"a release", build{version: "2.0.0", revision: "fff", time: "today"}, &debug.BuildInfo{Main: module("(devel)"), Settings: vcs},
			"2.0.0", "fff of today",
		},
		{"only a version", build{version: "2.0.0"}, &debug.BuildInfo{Main: module("v9"), Settings: vcs[:3]}, "2.0.0", "0123abc"},
	} {
		b := buildOf(test.linked, test.info)
		if b.version != test.version || b.commit() != test.commit {
			t.Errorf("%s: %q %q", test.name, b.version, b.commit())
		}
		if text := b.report(); !strings.Contains(text, "version   "+test.version+"\n") || !strings.Contains(text, "commit    "+test.commit+"\n") {
			t.Errorf("%s: %s", test.name, text)
		}
	}
}
