package main

import (
	"slices"
	"strings"
	"testing"

	"gosync/internal/config"
)

// TestFixedValues holds the words that the table names for the completions against what the
// options take.
func TestFixedValues(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, o := range allOptions() {
		f := &o.flag
		if f.values == nil {
			continue
		}
		seen++
		for _, v := range f.values() {
			if err := f.set(newSettings(), true, v); err != nil {
				t.Errorf("--%s=%s: %v", f.name, v, err)
			}
		}
		if err := f.set(newSettings(), true, "x-of-no-kind"); err == nil {
			t.Errorf("--%s takes other values", f.name)
		}
		if f.optional != "" && !slices.Contains(f.values(), f.optional) {
			t.Errorf("--%s alone is %s, which is none of its values", f.name, f.optional)
		}
	}
	if seen < 9 {
		t.Errorf("%d options have values", seen)
	}
}

// TestCommandTable holds the rows of the commands together: names that are of use, no option that
// would be a key of a job, and one help for each.
func TestCommandTable(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, c := range commands() {
		if c.doc == "" || c.run == nil || !strings.HasPrefix(c.usage, "Usage: gosync "+c.name) || names[c.name] {
			t.Errorf("the row of %s is not complete, or stands twice", c.name)
		}
		names[c.name] = true
		f := &fakeRun{}
		if code := f.exec(t.Context(), "help", c.name); code != exitOK || !strings.HasPrefix(f.out.String(), "Usage: gosync "+c.name) {
			t.Errorf("gosync help %s: %d: %.60s", c.name, code, &f.out)
		}
		for line := range strings.Lines(f.out.String()) {
			if len(line) > 130 {
				t.Errorf("line of the help of %s is too long: %s", c.name, line)
			}
		}
	}
	for _, topic := range topics() {
		if names[topic.name] || topic.text() == "" {
			t.Errorf("the topic %s is empty, or a command", topic.name)
		}
	}
	for _, o := range allOptions() {
		for _, key := range config.JobKeys() {
			if o.flag.called(key) {
				t.Errorf("%s is an option and a key of jobs", key)
			}
		}
	}
	for _, f := range flagTable() {
		if f.arg == "" && (f.values != nil || f.kind != valueText || f.many || f.list) || f.arg != "" && f.counts {
			t.Errorf("--%s is a switch and has values, or the other way round", f.name)
		}
	}
}

// TestNearest: what was misspelled is found, and what is something else is not.
func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"snapshot", "verify", "ls", "run", "cp"}
	for text, want := range map[string]string{
		"snapshto": "snapshot", "verfy": "verify", "lss": "ls", "rnu": "", "runs": "run", "rm": "", "l": "", "data": "", "sl": "", "snap": "", "": "", "snapshot": "snapshot",
	} {
		if got := nearest(text, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", text, got, want)
		}
	}
}
