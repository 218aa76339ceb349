package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gosync/internal/need"
)

// TestManPages has the pages checked by the programs that show them.
func TestManPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := runMan(t.Context(), []string{dir}, &env{getenv: func(string) string { return "" }}); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) != len(commands())+1 {
		t.Fatalf("%v %v", pages, err)
	}
	for program, args := range map[string][]string{
		"mandoc": {"-Tlint", "-Wstyle"},
		"man":    {"--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"},
	} {
		t.Run(program, func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil {
				need.Missing(t, program, "needs "+program)
			}
			for _, page := range pages {
				cmd := exec.Command(program, append(args, page)...)
				cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANWIDTH=80", "MANROFFSEQ=")
				var said strings.Builder
				cmd.Stderr = &said
				out, err := cmd.Output()
				if program == "mandoc" {
					said.Write(out)
				}
				for line := range strings.Lines(said.String()) {
					if !strings.Contains(line, "referenced manual not found") { // which is about this machine
						t.Errorf("%s: %v: %s", filepath.Base(page), err, line)
					}
				}
			}
		})
	}
	text, err := os.ReadFile(filepath.Join(dir, "gosync.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range flagTable() {
		if !f.hidden && !strings.Contains(string(text), escapeRoff(f.usage())) {
			t.Errorf("%s is not in gosync.1", f.usage())
		}
	}
}
