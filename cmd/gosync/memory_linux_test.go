package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Both ends of a run in one process take at most 300 MiB for a million entries, where
// each may, beside what a small run takes. With GOSYNC_LONG=1 there are as many.
func TestMemoryOfManyEntries(t *testing.T) {
	gosync, n := program(t), 100_000
	switch {
	case longRun():
		n = 1_000_000
	case testing.Short():
		n = 20_000
	}
	dir := t.TempDir()
	src, dst, bare := filepath.Join(dir, "src"), filepath.Join(dir, "dst"), filepath.Join(dir, "bare")
	manyFiles(t, src, n)
	manyFiles(t, dst, n)
	manyFiles(t, bare, 1)
	bar := int64(38<<20) + int64(n)*300<<20/1_000_000
	for _, x := range []struct {
		name string
		args []string
	}{
		{"nothing to do", []string{"-a", src + "/", dst}},
		{"all differ", []string{"-aniI", src + "/", dst}},
		{"all are to be deleted", []string{"-ani", "--delete", "--force-delete", bare + "/", dst}},
		{"first copy", []string{"-an", src + "/", filepath.Join(dir, "new")}},
	} {
		t.Run(x.name, func(t *testing.T) {
			peak := peakOf(t, exec.CommandContext(t.Context(), gosync, x.args...))
			t.Logf("%d entries: %.1f MiB", n, float64(peak)/(1<<20))
			if peak > bar {
				t.Errorf("%d MiB were resident, at most %d are permitted for %d entries", peak>>20, bar>>20, n)
			}
		})
	}
}

// manyFiles makes n empty files of one time, a thousand in a directory.
func manyFiles(t *testing.T, root string, n int) {
	t.Helper()
	when := time.Unix(1_700_000_000, 0)
	for first := 0; first < n; first += 1000 {
		dir := filepath.Join(root, fmt.Sprintf("dir%04d", first/1000))
		check(t, os.MkdirAll(dir, 0o755))
		for i := range min(1000, n-first) {
			name := filepath.Join(dir, fmt.Sprintf("file%07d.txt", i))
			check(t, os.WriteFile(name, nil, 0o644))
			check(t, os.Chtimes(name, when, when))
		}
		check(t, os.Chtimes(dir, when, when))
	}
	check(t, os.Chtimes(root, when, when))
}

// peakOf runs a command and returns the most memory that it has had.
func peakOf(t *testing.T, cmd *exec.Cmd) int64 {
	t.Helper()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	check(t, cmd.Start())
	ended, peak := make(chan struct{}), make(chan int64, 1)
	go func() { peak <- residentPeak(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	close(ended)
	if err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	return <-peak
}
