package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformanceDocument: every test, script and file of tests that docs/conformance.md names is there, and every row of its
// table names one.
func TestConformanceDocument(t *testing.T) {
	t.Parallel()
	testsInTable(t, "conformance.md", 2, 30)
}

// TestFeaturesDocument: the same of docs/features.md.
func TestFeaturesDocument(t *testing.T) {
	t.Parallel()
	testsInTable(t, "features.md", 3, 50)
}

// testsInTable wants every row of the tables with that many columns in a page of docs to name a test in the last one, and
// every name to be one of a test, a script, or a file of tests.
func testsInTable(t *testing.T, page string, columns, least int) {
	t.Helper()
	const top = "../.."
	text, err := os.ReadFile(filepath.Join(top, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if have[e.Name()] = true; !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		code, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(code, -1) {
			have[string(m[1])] = true
			have[string(m[1])+" in "+filepath.ToSlash(filepath.Dir(path))] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`\bTest[A-Z]\w+|[\w/]+\.txtar|\w+_test\.go`)
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != columns+2 || strings.HasPrefix(cells[1], "---") || strings.HasPrefix(cells[columns], " Shown by") {
			continue
		}
		names := name.FindAllString(cells[columns], -1)
		if rows++; len(names) == 0 {
			t.Errorf("no test is named in %s", line)
		}
		for _, n := range names {
			if !have[n] {
				t.Errorf("%s is nowhere:%s", n, cells[1])
			}
		}
		// A directory stands for the tests before it, back to the last comma.
		for _, m := range regexp.MustCompile(`([^,;|]+) in ((?:internal|transport|walker|delta|bench)\b[\w/]*)`).FindAllStringSubmatch(cells[columns], -1) {
			for _, n := range name.FindAllString(m[1], -1) {
				if !have[n+" in "+filepath.ToSlash(filepath.Join(top, m[2]))] {
					t.Errorf("%s is not in %s", n, m[2])
				}
			}
		}
	}
	if rows < least {
		t.Errorf("the tables have %d rows", rows)
	}
}
