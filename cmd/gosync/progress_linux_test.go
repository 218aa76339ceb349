package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// oddNames are names that take more columns than characters, or fewer, or that would
// do harm on a terminal.
func oddNames() []string {
	return []string{
		"日本語のとても長いファイル名.txt", "emoji👩🏽‍💻🇩🇪🎉", "combining e\u0301\u0301\u0301e\u0301", "esc\x1b[2J\x1b]0;title\x07", "line\nbreak", "cr\rover",
		"c1\xc2\x9b31m", "raw\xff\xfe", "bidi\u202egnp", "zero\u200bwidth", "tab\tbed", strings.Repeat("very long ", 20),
	}
}

// oddTree makes files of size bytes each with such names.
func oddTree(t *testing.T, dir string, size int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range oddNames() {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte{byte(i)}, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// watched is gosync on a terminal of so many columns, in dir.
func watched(t *testing.T, columns uint16, dir string, args ...string) *screen {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "gosync", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GORACE="+quickExit, "TERM=xterm", "NO_COLOR=1")
	return onScreenOf(t, cmd, columns)
}

// TestProgressOnTerminals shows a run with odd names on terminals of several widths. No
// line is wider, nothing but the codes that clear lines reaches the terminal raw, the
// share never falls and is 100 % at the end.
func TestProgressOnTerminals(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{40, 80, 200} {
		t.Run(strconv.Itoa(int(columns)), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			oddTree(t, filepath.Join(dir, "src"), 200<<10)
			s := watched(t, columns, dir, "-aP", "--no-compress", "--bwlimit=1m", "-e", "rsh", "src/", "host:dst/")
			s.ends(exitOK)
			s.expect(" 0 errors.\r\n")
			checkScreen(t, s.text(), int(columns))
			if columns == 200 && !regexp.MustCompile(`\n(Sent|Verified) `).MatchString(s.text()) {
				t.Error("it is not summed up what was done")
			}
		})
	}
}

// checkScreen checks all that a terminal of so many columns has got.
func checkScreen(t *testing.T, text string, columns int) {
	t.Helper()
	codes := regexp.MustCompile(`\x1b\[[0-9]*K`)
	last, frames, named := -1, 0, false
	for _, line := range strings.FieldsFunc(codes.ReplaceAllString(text, ""), func(r rune) bool { return r == '\r' || r == '\n' }) {
		if i := strings.IndexFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x202e || r == 0x200b }); i >= 0 || !utf8.ValidString(line) {
			t.Errorf("a raw control character at %d: %q", i, line)
		}
		m := regexp.MustCompile(`^ *([0-9]+)% |^scanning: `).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if n := uniseg.StringWidth(strings.TrimRight(line, " ")); n >= columns {
			t.Errorf("%d of %d columns: %q", n, columns, line)
		}
		if m[1] == "" {
			continue
		}
		frames++
		percent, _ := strconv.Atoi(m[1]) // digits
		if percent < last {
			t.Errorf("%d%% after %d%%", percent, last)
		}
		last = percent
		named = named || strings.Contains(line, "...") || strings.Contains(line, ".txt")
	}
	if last != 100 || frames < 3 {
		t.Errorf("the last of %d frames is at %d%%", frames, last)
	}
	if columns == 200 && !named {
		t.Error("no name is shown where there is room for one")
	}
}

// TestStatusSignal asks a run how far it is, with and without a terminal, and without -P.
func TestStatusSignal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "gosync", "-a", "--no-compress", "--bwlimit=1m", "-e", "rsh", "large", "host:dst/")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GORACE="+quickExit)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for kept(t, filepath.Join(dir, "dst")) == 0 && t.Context().Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if !regexp.MustCompile(`(?m)\A *\d+%  [\d.]+/3\.0 MiB  0/1 files  .*\n\z`).MatchString(stderr.String()) || stdout.Len() > 0 {
		t.Errorf("standard error: %q, standard output: %q", &stderr, &stdout)
	}
}

// TestInterruptAtTerminal presses Ctrl-C: the run says that it stops, and the command
// that goes on with it. That command goes on.
func TestInterruptAtTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "a dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a dir", "large"), make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := watched(t, 100, dir, "-aP", "--no-compress", "--bwlimit=2m", "-e", "rsh", "a dir/", "host:dst/")
	for kept(t, filepath.Join(dir, "dst")) < 2<<20 && t.Context().Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	s.typed("\x03")
	s.expect("gosync: stopping; once more stops at once")
	s.expect("gosync: to go on: ")
	s.expect("run the same command again to go on (exit 20)")
	s.ends(exitSignal)
	m := regexp.MustCompile(`to go on: (\S*gosync -aP --no-compress --bwlimit=2m -e rsh 'a dir/' host:dst/)\r\n`).FindStringSubmatch(s.text())
	if m == nil {
		t.Fatal("the command is not the one that was run")
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", strings.Replace(m[1], "2m", "100m", 1))
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GORACE="+quickExit)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("it does not go on: %v\n%s", err, out)
	}
	if n := kept(t, filepath.Join(dir, "dst")); n != 8<<20 {
		t.Errorf("%d bytes have arrived", n)
	}
}

// TestDumbTerminal: where nothing can be drawn there are lines.
func TestDumbTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	oddTree(t, filepath.Join(dir, "src"), 10)
	cmd := exec.CommandContext(t.Context(), "gosync", "-aP", "src/", "dst/")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GORACE="+quickExit, "TERM=dumb")
	s := onScreenOf(t, cmd, 80)
	s.ends(exitOK)
	s.expect("100%  ")
	if strings.ContainsRune(s.text(), '\x1b') || strings.Contains(strings.ReplaceAll(s.text(), "\r\n", ""), "\r") {
		t.Errorf("%q", s.text())
	}
}
