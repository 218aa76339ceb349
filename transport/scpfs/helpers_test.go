package scpfs_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gosync/internal/engine"
	"gosync/transport/localfs"
	"gosync/transport/scpfs"
	"gosync/transport/sshtest"
	"gosync/walker/filter"
	"gosync/walker/manifest"
)

// command is a process with the methods that transport.Stream has.
type command struct {
	io.Reader
	stdin  io.WriteCloser
	cmd    *exec.Cmd
	stderr bytes.Buffer
	wait   func() error
}

func (c *command) Write(p []byte) (int, error) { return c.stdin.Write(p) }
func (c *command) CloseWrite() error           { return c.stdin.Close() }
func (c *command) Wait() error                 { return c.wait() }
func (c *command) StderrTail() string          { _ = c.wait(); return strings.TrimSpace(c.stderr.String()) }

func (c *command) Close() error {
	_ = c.stdin.Close()
	_ = c.cmd.Process.Kill()
	_ = c.wait()
	return nil
}

// start runs commands by a shell in dir.
func start(shell, dir string, env ...string) func(context.Context, string) (io.ReadWriteCloser, error) {
	return func(_ context.Context, line string) (io.ReadWriteCloser, error) {
		c := &command{cmd: exec.Command(shell, "-c", line)}
		c.cmd.Dir, c.cmd.Stderr = dir, &c.stderr
		c.cmd.WaitDelay = time.Second // the shell may have left somebody
		c.cmd.Env = append(os.Environ(), env...)
		in, err := c.cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		r, w, err := os.Pipe() // which stays open when the process ends
		if err != nil {
			return nil, err
		}
		c.cmd.Stdout = w
		c.stdin, c.Reader = in, r
		c.wait = sync.OnceValue(func() error { defer r.Close(); return c.cmd.Wait() })
		err = c.cmd.Start()
		w.Close()
		return c, err
	}
}

func remote(t testing.TB, dir string) *scpfs.Remote {
	t.Helper()
	sshtest.Require(t, "scp", "scp")
	return &scpfs.Remote{Start: start("/bin/sh", dir, "HOME="+dir), MaxSessions: 4}
}

// record collects what a run says.
type record struct {
	errs  []string
	skips []string
	items []string
	prog  engine.Progress
}

func (r *record) report() engine.Report {
	return engine.Report{Progress: &r.prog, Event: func(ev engine.Event) {
		switch ev := ev.(type) {
		case engine.ErrorEvent:
			r.errs = append(r.errs, ev.Err.Error())
		case engine.SkipEvent:
			r.skips = append(r.skips, ev.Path+": "+ev.Reason)
		case engine.ItemEvent:
			r.items = append(r.items, ev.Path)
		}
	}}
}

func push(t testing.TB, to *scpfs.Remote, job engine.Job) (engine.Summary, *record, error) {
	t.Helper()
	rec := &record{}
	sum, err := engine.SendStream(t.Context(), localfs.NewHost(), job, to, rec.report())
	return sum, rec, err
}

func pull(t testing.TB, from *scpfs.Remote, job engine.Job) (engine.Summary, *record, error) {
	t.Helper()
	rec := &record{}
	sum, err := engine.ReceiveStream(t.Context(), localfs.NewHost(), job, from, rec.report())
	return sum, rec, err
}

func recursive() engine.Options {
	o := engine.Options{Recursive: true, Itemize: true, MaxDelete: -1}
	o.Perms, o.Times = true, true
	return o
}

// snapshot describes a tree: names, types, modes, times in seconds, content.
func snapshot(t testing.TB, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		line := fmt.Sprintf("%q %v %d", rel, info.Mode(), info.ModTime().Unix())
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d %x", len(b), sum(b))
		}
		out = append(out, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sum(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

func sameTree(t testing.TB, want, got string) {
	t.Helper()
	a, b := snapshot(t, want), snapshot(t, got)
	if slices.Equal(a, b) {
		return
	}
	for _, l := range a {
		if !slices.Contains(b, l) {
			t.Errorf("lacks %s", l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			t.Errorf("has   %s", l)
		}
	}
}

func write(t testing.TB, path, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// hostileNames are names that a shell or a protocol could take for something else.
func hostileNames() []string {
	return []string{
		"plain", "with space", "-rf", "--", "$(touch pwned)", "`touch pwned`", "; touch pwned", "| touch pwned", "& touch pwned",
		"a'b", `a"b`, `a\b`, `a\'b`, `'; touch pwned; '`, "!!", "a!b", "~", "~root", "#x", "*", "?", "[a]", "{a,b}", "=ls", "%self", "$HOME", "(x)", "<x", ">pwned", "^x^y",
		"\x80\xff", "ü", "tab\there", "esc\x1b[0m",
	}
}

// corpus makes a tree of many kinds of files and old times.
func corpus(t testing.TB, root string) {
	t.Helper()
	for i, n := range hostileNames() {
		write(t, filepath.Join(root, "names", n), strings.Repeat("x", i*7), 0o644)
	}
	for i := range 120 {
		write(t, filepath.Join(root, "many", fmt.Sprintf("d%d/e%d", i%5, i%3), fmt.Sprint("f", i)), strings.Repeat(fmt.Sprint(i), i*50), fs.FileMode(0o600+i%8*8))
	}
	write(t, filepath.Join(root, "big"), strings.Repeat("0123456789abcdef", 300_000), 0o755)
	write(t, filepath.Join(root, "empty"), "", 0o600)
	write(t, filepath.Join(root, "closed/sub/file"), "closed", 0o400)
	write(t, filepath.Join(root, "suid"), "suid", 0o755|fs.ModeSetuid)
	if err := os.MkdirAll(filepath.Join(root, "hollow/hollow"), 0o755); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_500_000_000, 0)
	_ = filepath.WalkDir(root, func(p string, _ fs.DirEntry, _ error) error {
		at = at.Add(time.Second)
		return os.Chtimes(p, at, at)
	})
	for _, d := range []string{"closed/sub", "closed"} {
		if err := os.Chmod(filepath.Join(root, d), 0o555); err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(root, d)
		t.Cleanup(func() { _ = os.Chmod(p, 0o755) })
	}
}

func newFilter(t *testing.T, patterns ...string) *filter.Set {
	t.Helper()
	set := &filter.Set{}
	for _, p := range patterns {
		if err := set.Exclude(p); err != nil {
			t.Fatal(err)
		}
	}
	return set
}

func entry(name string, size int64) manifest.Entry {
	return manifest.Entry{Name: name, Size: size, Mode: 0o644, Type: manifest.Regular}
}
