package sftpfs

import (
	"os"
	"path/filepath"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/localfs"
)

// TestInPlaceSparesOtherNames writes in place into a file that has another name: under that it stays what it was, as far
// as the server tells how many names there are.
func TestInPlaceSparesOtherNames(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	for _, name := range []string{"one", "two"} {
		must(t, os.WriteFile(filepath.Join(src, name), []byte("new content"), 0o644))
		must(t, os.WriteFile(filepath.Join(dst, name), []byte("old"), 0o644))
	}
	must(t, os.Link(filepath.Join(dst, "one"), filepath.Join(dst, "snapshot")))
	before, err := os.Stat(filepath.Join(dst, "two"))
	must(t, err)
	job := archive(src, dst)
	job.InPlace = true
	_, events, err := run(t, localfs.NewHost(), newHost(t, openSSH, Options{}), job)
	must(t, err)
	for _, e := range events {
		if e, ok := e.(engine.ErrorEvent); ok {
			t.Error(e.Err)
		}
	}
	for name, want := range map[string]string{"one": "new content", "two": "new content", "snapshot": "old"} {
		if b, err := os.ReadFile(filepath.Join(dst, name)); string(b) != want {
			t.Errorf("%s holds %q, %v, want %q", name, b, err, want)
		}
	}
	if after, err := os.Stat(filepath.Join(dst, "two")); err != nil || !os.SameFile(before, after) {
		t.Errorf("a file with one name was replaced: %v", err)
	}
}

// TestIsShared reads what servers print for people.
func TestIsShared(t *testing.T) {
	for long, want := range map[string]bool{
		"-rw-r--r--    2 root     root            3 Nov 25 23:00 one": true,
		"-rw-r--r--    1 root     root            3 Nov 25 23:00 one": false,
		"drwxr-xr-x    2 root     root         4096 Nov 25 23:00 d":   false,
		"-rw-r--r--    ? 0        0               3 Nov 25 23:00 one": false,
		"-rw-r--r--@ 12 root root":                                    true,
		"2 2 2":                                                       false, "": false, "-rw-r--r--": false, "one": false,
	} {
		if got := isShared([]byte(long)); got != want {
			t.Errorf("%q: %v", long, got)
		}
	}
}
