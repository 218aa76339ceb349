package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is the program as people get it, shared by the tests that run at the same time.
var built struct {
	mu    sync.Mutex
	users int
	dir   string
	err   error
}

// program builds gosync and returns its path. The file is there until the test ends.
func program(t testing.TB) string {
	t.Helper()
	built.mu.Lock()
	defer built.mu.Unlock()
	if built.users == 0 {
		built.dir, built.err = buildProgram()
	}
	built.users++
	t.Cleanup(func() {
		built.mu.Lock()
		defer built.mu.Unlock()
		if built.users--; built.users == 0 {
			_ = os.RemoveAll(built.dir) // best effort: the next clean-up of the temporary directory takes it
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "gosync")
}

func buildProgram() (string, error) {
	dir, err := os.MkdirTemp("", "gosync-test-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // other users run it too
		return dir, err
	}
	cmd := exec.Command("go", "build", "-o", dir, ".")
	cmd.Stderr = os.Stderr
	return dir, cmd.Run()
}

// loopShell writes a remote shell that reaches this machine: it drops the host, and has /bin/sh read the rest like the
// login shell of a server does.
func loopShell(t testing.TB, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "rsh")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n[ \"$1\" = -l ] && shift 2\nshift\nexec /bin/sh -c \"$*\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}
