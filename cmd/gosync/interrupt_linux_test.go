package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kept returns the largest size in bytes of a file in dir, whatever its name.
func kept(t *testing.T, dir string) int64 {
	t.Helper()
	largest := int64(0)
	entries, _ := os.ReadDir(dir) // it may not exist yet
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			largest = max(largest, info.Size())
		}
	}
	return largest
}

// TestSignalInLargeFile ends a run by each of the signals in the middle of a file. It ends
// with status 20 and says how to go on, and the next run sends only the rest.
func TestSignalInLargeFile(t *testing.T) {
	t.Parallel()
	const size, least = 16 << 20, 4 << 20
	content := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(content) // never fails
	for _, tt := range []struct {
		sig  os.Signal
		from string
		to   string
	}{
		{syscall.SIGTERM, "src/", "host:dst/"},
		{syscall.SIGINT, "host:src/", "dst/"},
		{syscall.SIGHUP, "src/", "host:dst/"},
	} {
		t.Run(tt.sig.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "src"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "src", "large"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			command := func(more ...string) *exec.Cmd {
				cmd := exec.CommandContext(t.Context(), "gosync", append(more, "-a", "--partial", "--stats", "-e", "rsh", tt.from, tt.to)...)
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "GORACE="+quickExit)
				return cmd
			}
			cmd := command("--bwlimit=8m", "--retries=0")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for kept(t, filepath.Join(dir, "dst")) < least && t.Context().Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
			start := time.Now()
			if err := cmd.Process.Signal(tt.sig); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the status says it
			t.Logf("it took %v to end", time.Since(start))
			checkEnd(t, cmd.ProcessState.ExitCode(), exitSignal, stderr.String())
			if !strings.Contains(stderr.String(), "run the same command again to go on") {
				t.Errorf("it is not said how to go on: %s", &stderr)
			}
			out, err := command().CombinedOutput()
			if err != nil {
				t.Fatalf("the next run: %v\n%s", err, out)
			}
			if n := literal(t, string(out)); n > size-least/2 {
				t.Errorf("the next run sends %d of %d bytes", n, size)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "dst", "large")); err != nil || !bytes.Equal(got, content) {
				t.Errorf("the file is wrong after the next run: %v", err)
			}
		})
	}
}

// literal returns how much content crossed the line, from what --stats prints.
func literal(t *testing.T, stats string) int64 {
	t.Helper()
	m := regexp.MustCompile(`Literal data: ([\d,]+) bytes`).FindStringSubmatch(stats)
	if m == nil {
		t.Fatalf("no statistics:\n%s", stats)
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(m[1], ",", ""), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestTwoSignals: somebody who presses Ctrl-C twice in a row gets the orderly end,
// too.
func TestTwoSignals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 16<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "gosync", "-a", "--bwlimit=1m", "-e", "rsh", "large", "host:dst/")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GORACE="+quickExit)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for kept(t, filepath.Join(dir, "dst")) == 0 && t.Context().Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Process.Signal(os.Interrupt) // it runs: the file is not done for seconds
	_ = cmd.Process.Signal(os.Interrupt) // it may have ended
	_ = cmd.Wait()                       // the status says it
	checkEnd(t, cmd.ProcessState.ExitCode(), exitSignal, stderr.String())
}
