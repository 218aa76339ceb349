package engine

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestProtocolOptions: PROTOCOL.md names the options that a job frame can have, and no others.
func TestProtocolOptions(t *testing.T) {
	b, err := os.ReadFile("../../transport/wire/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "The options are switches")
	text, _, found := strings.Cut(text, "\n### ")
	if !found {
		t.Fatal("PROTOCOL.md has no section of a job's options")
	}
	known := map[string]bool{}
	for _, name := range optionNames() {
		known[name] = true
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("PROTOCOL.md does not describe the option %s", name)
		}
	}
	for _, m := range regexp.MustCompile("`([a-z]+(?:-[a-z]+)*)`").FindAllStringSubmatch(text, -1) {
		if name := m[1]; !known[name] && name != "engine" { // the package
			t.Errorf("PROTOCOL.md describes the option %s, which there is none of; there are %q", name, slices.Sorted(maps.Keys(known)))
		}
	}
}

// optionNames are the options that a job frame can have: all that are sent by a job that has everything.
func optionNames() (names []string) {
	j := &Job{}
	for _, f := range j.flags() {
		*f.p = true
	}
	for _, f := range j.Meta.flags() {
		*f.value = true
	}
	for _, f := range j.Meta.texts() {
		*f.value = "x"
	}
	for _, n := range j.numbers() {
		*n.p = 1
	}
	for _, n := range j.tuning() {
		*n.p = 1
	}
	for _, s := range j.backupTexts() {
		*s.p = "x"
	}
	j.Chmod, j.PartialDir, j.Shard = "u+x", "x", Shard{1, 2}
	j.AltDirs.Add("x")
	for _, o := range j.encode(true).Options {
		name, _, _ := strings.Cut(o, "=")
		names = append(names, name)
	}
	return names
}
