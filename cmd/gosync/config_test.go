package main

import (
	"slices"
	"strings"
	"testing"

	"gosync/internal/config"
	"gosync/internal/engine"
)

// TestCountsReplace: the number that an option counts to replaces that of a weaker layer.
func TestCountsReplace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		layers []string
		want   int
	}{
		{[]string{"2"}, 2},
		{[]string{"2", "1"}, 1},
		{[]string{"1", "3"}, 3},
		{[]string{"3", "0"}, 0},
	} {
		l := &layers{env: newEnv(), s: newSettings(), table: flagTable()}
		for _, n := range c.layers {
			if err := l.file(config.Settings{{Key: "verbose", Kind: config.Number, Values: []string{n}}}); err != nil {
				t.Fatal(err)
			}
		}
		if l.s.verbose != c.want {
			t.Errorf("%v: %d, want %d", c.layers, l.s.verbose, c.want)
		}
	}
}

// TestRecapOfErrors: where files failed nobody knows from the counts how many were verified.
func TestRecapOfErrors(t *testing.T) {
	t.Parallel()
	p := &printer{s: newSettings(), route: &route{}, verified: true}
	sum := &engine.Summary{Regular: 3, Transferred: 3}
	if got := strings.Join(recap(p, sum, 100), " "); !strings.Contains(got, "Verified 3 files (BLAKE3).") || !strings.Contains(got, "0 errors.") {
		t.Error(got)
	}
	p.problems.total = 1
	if got := strings.Join(recap(p, sum, 100), " "); strings.Contains(got, "Verified") || !strings.Contains(got, "1 error.") {
		t.Error(got)
	}
}

// TestCompletedWords: what would be taken for a description, or would harm the terminal, is not offered.
func TestCompletedWords(t *testing.T) {
	t.Parallel()
	c := &completion{cur: "a", found: []suggestion{{"ab", "good"}, {"a\tb", ""}, {"a\x1b[2J", ""}, {"b", ""}}}
	if got := c.text(); !strings.HasPrefix(got, "ab\tgood\n") || strings.Count(got, "\n") > 2 || strings.Contains(got, "a\tb") {
		t.Errorf("%q", got)
	}
}

// TestBenchReaches: no running master is used, which would hide what connecting costs, and an address with colons is in
// brackets where a path follows.
func TestBenchReaches(t *testing.T) {
	t.Parallel()
	for operand, host := range map[string]string{"nas": "nas", "me@nas:/srv": "me@nas", "me@[fe80::1]:/srv": "me@[fe80::1]", "[::1]:": "[::1]"} {
		var b benchSettings
		c, err := parseSub("bench", benchFlags(&b), []string{"--port=2222", operand})
		if err == nil {
			err = c.benchReach(&b)
		}
		if err != nil {
			t.Errorf("%s: %v", operand, err)
			continue
		}
		if b.Host != host {
			t.Errorf("%s: the tools are given %s, want %s", operand, b.Host, host)
		}
		ssh := strings.Join(b.SSHArgs, " ")
		if !strings.Contains(ssh, "-o ControlMaster=no -o ControlPath=none") || !slices.Contains(b.GosyncArgs, "--ssh-option=ControlPath=none") {
			t.Errorf("%s: ssh %q, gosync %q", operand, ssh, b.GosyncArgs)
		}
	}
}
