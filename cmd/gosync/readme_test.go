package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPromisesAreShown checks that the tests that the README names as showing its
// promises exist, and that each promise names one.
func TestPromisesAreShown(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	for i := range 7 {
		promise := fmt.Sprintf("| A%d |", i+1)
		_, row, ok := strings.Cut(string(readme), promise)
		row, _, _ = strings.Cut(row, "\n")
		named := regexp.MustCompile("`(Test[A-Za-z]+)(/[0-9]+)?`").FindAllStringSubmatch(row, -1)
		if !ok || len(named) == 0 {
			t.Errorf("%s has no test", promise)
		}
		for _, n := range named {
			if !slices.Contains(tests, n[1]) {
				t.Errorf("%s names %s, which does not exist", promise, n[1])
			}
		}
	}
}

// testNames returns the names of all test functions of the module.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	is := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := os.ReadFile(name)
		for _, m := range is.FindAllSubmatch(data, -1) {
			names = append(names, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
