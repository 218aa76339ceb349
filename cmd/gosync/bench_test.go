package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gosync/bench"
	"gosync/internal/sshserver"
	"gosync/transport/sshtest"
)

// benchRun is a run of gosync bench with a temporary directory of its own.
type benchRun struct {
	t        *testing.T
	tmp, out string
	cmd      *exec.Cmd
	stdout   bytes.Buffer
	stderr   watchedLine
}

// watchedLine keeps what is written, for one who waits for a word.
type watchedLine struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (w *watchedLine) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *watchedLine) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// newBench prepares gosync bench with few and small files.
func newBench(t *testing.T, env []string, args ...string) *benchRun {
	t.Helper()
	program, err := exec.LookPath("gosync")
	if err != nil {
		t.Fatal(err)
	}
	b := &benchRun{t: t, tmp: t.TempDir(), out: filepath.Join(t.TempDir(), "out")}
	b.cmd = exec.Command(program, append([]string{"bench", "--size=256K", "--files=30", "--budget=1h", "--out=" + b.out}, args...)...)
	b.cmd.Env = append(append(os.Environ(), "TMPDIR="+b.tmp, "GORACE="+quickExit, "HOME="+t.TempDir()), env...)
	b.cmd.Stdout, b.cmd.Stderr = &b.stdout, &b.stderr
	return b
}

// nothingLeft checks that the temporary directory is empty.
func (b *benchRun) nothingLeft() {
	b.t.Helper()
	left, err := os.ReadDir(b.tmp)
	if err != nil || len(left) > 0 {
		b.t.Errorf("left in the temporary directory: %v, %v", left, err)
	}
}

// report reads bench.json.
func (b *benchRun) report() *bench.Report {
	b.t.Helper()
	var r bench.Report
	data, err := os.ReadFile(filepath.Join(b.out, bench.JSONName))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		b.t.Fatalf("%v\n%s%s", err, b.stdout.String(), b.stderr.String())
	}
	return &r
}

// complete checks that every pair has so many runs, all of them good, with bytes counted so.
func (b *benchRun) complete(tools, rounds int, counted ...string) *bench.Report {
	b.t.Helper()
	r := b.report()
	if want := tools * len(r.Cases); len(r.Results) != want || len(r.Samples) != want*rounds {
		b.t.Errorf("%d results and %d runs, want %d and %d\n%s%s", len(r.Results), len(r.Samples), want, want*rounds, b.stdout.String(), b.stderr.String())
	}
	for _, s := range r.Samples {
		if s.Status != bench.OK || s.Seconds <= 0 || s.Up == nil || s.Down == nil || !strings.Contains(strings.Join(counted, " "), s.Counted) {
			b.t.Errorf("%s by %s: %s %s, counted by %q", s.Case, s.Tool, s.Status, s.Error, s.Counted)
		}
	}
	for _, name := range []string{bench.MarkdownName, bench.PageName} {
		if data, err := os.ReadFile(filepath.Join(b.out, name)); err != nil || !bytes.Contains(data, []byte("renamed")) {
			b.t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
	b.nothingLeft()
	return r
}

// up is the median of what a tool sent.
func up(t *testing.T, r *bench.Report, set, tool string) float64 {
	t.Helper()
	for _, res := range r.Results {
		if res.Case == set && res.Tool == tool && res.Up != nil {
			return *res.Up
		}
	}
	t.Fatalf("no bytes of %s by %s", set, tool)
	return 0
}

// TestBenchAlone measures on a machine that has nothing but gosync and the programs that every system has.
func TestBenchAlone(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	for _, name := range []string{"sh", "rm", "mkdir", "cp", "sync", "cat", "head", "tr", "cut", "sed", "uname", "stat", "true"} {
		if path, err := exec.LookPath(name); err == nil {
			if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := newBench(t, []string{"PATH=" + bin}, "--rounds=2", "--rtt=2ms", "--rate=400")
	if err := b.cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, b.stdout.String(), b.stderr.String())
	}
	r := b.complete(2, 2, "relay")
	for _, want := range []string{
		"The destination's disk makes ",
		"rsync: no ssh on this machine. To have it: apt-get install -y --no-install-recommends openssh-client",
		"gosync-scp: no scp on this machine", "round trip 2 ms, 400 Mbit/s",
	} {
		if !strings.Contains(b.stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, b.stdout.String())
		}
	}
	if !strings.Contains(b.stderr.String(), "8 data sets x 2 tools x 2 rounds: about ") {
		t.Errorf("it was not said how long it takes:\n%s", b.stderr.String())
	}
	if strings.Count(b.stderr.String(), "to have it: ") != 1 {
		t.Errorf("what to install is not said once:\n%s", b.stderr.String())
	}
	// What is sent is known: the whole, a hundredth, what was put in front, half, nothing.
	for _, c := range []struct {
		set         string
		least, most float64
	}{
		{"random", 256 << 10, 300 << 10},
		{"insert", 16 << 10, 100 << 10},
		{"unchanged", 1000, 30 << 10},
		{"renamed", 1000, 60 << 10},
	} {
		if got := up(t, r, c.set, "gosync"); got < c.least || got > c.most {
			t.Errorf("%s: %.0f bytes were sent, want %.0f to %.0f", c.set, got, c.least, c.most)
		}
	}
	if got := up(t, r, "renamed", "gosync-sftp"); got < 30*4096 {
		t.Errorf("over SFTP %.0f bytes made %d", got, 30*4096)
	}
}

// TestBenchResume checks that a copy is really interrupted at half, and that going on sends the rest.
func TestBenchResume(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, "--rounds=1", "--size=16M", "--only=resume,random", "--tools=gosync")
	if err := b.cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, b.stdout.String(), b.stderr.String())
	}
	r := b.report()
	if rest, all := up(t, r, "resume", "gosync"), up(t, r, "random", "gosync"); rest < all*4/10 || rest > all*3/4 {
		t.Errorf("after an interruption %.0f bytes were sent of %.0f", rest, all)
	}
	for _, s := range r.Samples {
		if s.Case == "resume" && (s.Held == nil || *s.Held < 6<<20 || *s.Held > 10<<20) {
			t.Errorf("at the destination were %v bytes", s.Held)
		}
	}
	b.nothingLeft()
}

// TestBenchTools measures with all tools that there are.
func TestBenchTools(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"scp", "sftp", "rsync"} {
		sshtest.Require(t, program, program)
	}
	b := newBench(t, nil, "--rounds=1")
	if err := b.cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, b.stdout.String(), b.stderr.String())
	}
	r := b.complete(8, 1, "relay")
	if r.Line.Crypt == "" || r.Here.Rsync == "" {
		t.Errorf("%+v %+v", r.Line, r.Here)
	}
	// None sends less than what is new, and who sends only differences sends less than all.
	for _, tool := range []string{"gosync-sftp", "gosync-scp", "scp", "scp-O", "sftp", "rsync"} {
		if got := up(t, r, "random", tool); got < 256<<10 {
			t.Errorf("%s made 256 KiB of %.0f bytes", tool, got)
		}
	}
	if delta, all := up(t, r, "insert", "rsync"), up(t, r, "insert", "scp"); delta > all/2 {
		t.Errorf("rsync sent %.0f bytes, scp %.0f", delta, all)
	}
	if strings.Contains(b.stdout.String(), "times faster") {
		t.Errorf("a ratio without a line:\n%s", b.stdout.String())
	}
}

// benchHost is a server that stands for a host, with gosync in its PATH.
func benchHost(t *testing.T) (files sshserver.Files, dir string) {
	t.Helper()
	program, err := exec.LookPath("gosync")
	if err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH")
	s, err := sshserver.Start(t.Context(), sshserver.Options{Dir: t.TempDir(), Env: []string{path, "GORACE=" + quickExit}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.Files(), t.TempDir()
}

// TestBenchHost measures to a host: what is made there is removed, and what can be known is said.
func TestBenchHost(t *testing.T) {
	t.Parallel()
	files, dir := benchHost(t)
	tools, counted := "gosync,gosync-sftp", []string{"gosync"}
	if _, err := exec.LookPath("scp"); err == nil {
		tools, counted = tools+",scp", append(counted, "ssh")
	}
	b := newBench(t, nil, "--rounds=1", "--only=random,small,edits,unchanged,renamed", "--tools="+tools, "--ssh-config="+files.Config, files.Alias+":"+dir)
	if err := b.cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, b.stdout.String(), b.stderr.String())
	}
	r := b.complete(strings.Count(tools, ",")+1, 1, counted...)
	if r.Line.Kind != "host" || r.Line.RTT <= 0 || r.There.OS == "" || runtime.GOOS == "linux" && r.There.DiskWrite == nil {
		t.Errorf("%+v %+v", r.Line, r.There)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left on the host: %v, %v", left, err)
	}
	if got := up(t, r, "random", "gosync"); got < 256<<10 {
		t.Errorf("256 KiB were %.0f bytes", got)
	}
}

// TestBenchHostResume: on the way to a host a copy is interrupted when bytes have arrived, and goes on from those; one that
// was through before that was noticed is told of, and is no failure.
func TestBenchHostResume(t *testing.T) {
	t.Parallel()
	files, dir := benchHost(t)
	b := newBench(t, nil, "--rounds=1", "--size=64M", "--only=resume", "--tools=gosync", "--ssh-config="+files.Config, files.Alias+":"+dir)
	if err := b.cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, b.stdout.String(), b.stderr.String())
	}
	s := b.report().Samples[0]
	if s.Held != nil {
		t.Logf("%d bytes were there", *s.Held)
	}
	switch {
	case s.Status == bench.OK && s.Held != nil && *s.Held >= 4<<20 && *s.Held < 64<<20:
	case s.Status == bench.Stopped && strings.Contains(s.Error, "--size"):
	default:
		t.Errorf("%+v", s)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left on the host: %v, %v", left, err)
	}
}

// TestBenchInterrupted interrupts a benchmark in its second round: what was measured is written, and nothing is left on
// either side.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	files, dir := benchHost(t)
	for name, more := range map[string][]string{
		"here": nil,
		"host": {"--ssh-config=" + files.Config, files.Alias + ":" + dir},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil, append([]string{"--rounds=1000", "--only=small,renamed", "--tools=gosync"}, more...)...)
			if err := b.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for range 6000 {
				if strings.Contains(b.stderr.String(), "round 2 of 1000") {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if err := b.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := b.cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitSignal {
				t.Fatalf("%v\n%s%s", err, b.stdout.String(), b.stderr.String())
			}
			if r := b.report(); !r.Interrupted || len(r.Samples) < 2 {
				t.Errorf("interrupted %v, %d runs", r.Interrupted, len(r.Samples))
			}
			if !strings.Contains(b.stdout.String(), "It was interrupted") {
				t.Errorf("it does not say so:\n%s", b.stdout.String())
			}
			if said := "what was measured is in " + b.out + "; the same command measures anew"; !strings.Contains(b.stderr.String(), said) {
				t.Errorf("no %q in\n%s", said, b.stderr.String())
			}
			b.nothingLeft()
			if left, err := os.ReadDir(dir); name == "host" && (err != nil || len(left) > 0) {
				t.Errorf("left on the host: %v, %v", left, err)
			}
			noProcess(t, b.tmp)
		})
	}
}

// noProcess looks for processes that have a word in their command line, where the system tells.
func noProcess(t *testing.T, word string) {
	t.Helper()
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is a good one
	for _, name := range lines {
		line, err := os.ReadFile(name)
		if err == nil && bytes.Contains(line, []byte(word)) {
			t.Errorf("still there: %s", strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
}

// TestBenchStops has a tool stopped that takes too long: it is said, and the others go on.
func TestBenchStops(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil, "--rounds=1", "--size=4M", "--only=random", "--tools=gosync,gosync-sftp", "--rate=10", "--limit=2s")
	if err := b.cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, b.stdout.String(), b.stderr.String())
	}
	for _, s := range b.report().Samples {
		if s.Status != bench.Stopped || s.Error != "it took longer than 2s" {
			t.Errorf("%s: %s %s", s.Tool, s.Status, s.Error)
		}
	}
	if !strings.Contains(b.stdout.String(), "random by gosync has no time: stopped: it took longer than 2s") {
		t.Errorf("it is not said:\n%s", b.stdout.String())
	}
	b.nothingLeft()
	noProcess(t, b.tmp)
}

// TestBenchFails has a tool make a wrong copy: the figures of others are there, and the status says that not all is well.
func TestBenchFails(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "scp", "scp")
	bin := t.TempDir()
	script := `#!/bin/sh
for a; do src=$dst; dst=$a; done
dst=${dst#*:}
cp -r "$src" "$dst" || exit
case $dst in */warm.*) ;; *) echo wrong >>"$dst/tree/large.bin" ;; esac
`
	if err := os.WriteFile(filepath.Join(bin, "scp"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}, "--rounds=1", "--only=random", "--tools=gosync,scp")
	var exit *exec.ExitError
	if err := b.cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != exitPartial {
		t.Fatalf("%v\n%s%s", err, b.stdout.String(), b.stderr.String())
	}
	if want := "gosync: copies failed, or differ from their source, and do not count: random by scp; the report says how (exit 23)\n"; !strings.HasSuffix(b.stderr.String(), want) {
		t.Errorf("%q does not end with %q", b.stderr.String(), want)
	}
	if !strings.Contains(b.stdout.String(), "random by scp has no time: failed: the destination differs: large.bin has other content") {
		t.Error(b.stdout.String())
	}
	if got := up(t, b.report(), "random", "gosync"); got < 256<<10 {
		t.Errorf("gosync sent %.0f bytes", got)
	}
	b.nothingLeft()
}

// TestBenchUsage gives gosync bench what it cannot do.
func TestBenchUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--only=rndom":            `there is no data set "rndom", only random,`,
		"--tools=cp":              `there is no tool "cp", only gosync,`,
		"--rtt=40":                `--rtt: "40" is not a time such as 40ms or 2m`,
		"--rate=fast":             `--rate: "fast" is not a rate`,
		"--rate=0":                `--rate: "0" is not a rate`,
		"--rounds=0":              `--rounds: "0" is not a number from 1 on`,
		"--rounds=2x":             `--rounds: "2x" is not a number from 1 on`,
		"--size=1K":               "a size of 1024 bytes is not within",
		"--size=0":                "no file can be measured with",
		"--out=":                  "--out: the value is empty",
		"--port=22":               "--port is for a host, and none is named",
		"--rtt=1ms nas":           "the line to nas is as it is",
		"--via=sftp nas":          "gosync bench does not go with --via",
		"-e ssh nas":              "gosync bench does not go with --rsh",
		"nas other":               "takes one host",
		"--rounds=1 --seeds=1":    "unknown option --seeds",
		"--budget=-1s --rounds=1": "--budget:",
	} {
		var out, errs bytes.Buffer
		e := newEnv()
		e.stdout, e.stderr = &out, &errs
		if code := run(t.Context(), append([]string{"gosync", "bench"}, strings.Fields(args)...), e); code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: status %d, %s%s; want %q", args, code, out.String(), errs.String(), want)
		}
	}
	var out bytes.Buffer
	e := newEnv()
	e.stdout = &out
	if code := run(t.Context(), []string{"gosync", "bench", "--help"}, e); code != exitOK || !strings.Contains(out.String(), "--budget=TIME") {
		t.Errorf("status %d: %s", code, out.String())
	}
}

// TestBenchNoTerminal checks that the line that changes is for terminals alone.
func TestBenchNoTerminal(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	e := &env{stderr: &errs}
	l := &benchLine{env: e, con: newConsole(&errs, &errs, false, nil)}
	step := func(n int) { l.step(bench.Step{Round: 1, Rounds: 2, Run: n, Runs: 9, Case: "random", Tool: "scp"}) }
	step(1)
	step(2)
	l.end()
	if got := errs.String(); got != "gosync: round 1 of 2, 9 runs\n" {
		t.Errorf("%q", got)
	}
	errs.Reset()
	e.width = func() int { return 20 }
	step(3)
	l.end()
	if got := errs.String(); got != fmt.Sprintf("\r\x1b[K%.19s\r\x1b[K", "round 1 of 2, run 3 of 9: random by scp") {
		t.Errorf("%q", got)
	}
}
