package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// told is an event as a program that reads them has it.
type told struct {
	fields map[string]any
	line   string
}

func (e told) kind() string { return fmt.Sprint(e.fields["event"]) }

// text returns a field that may be in base64.
func (e told) text(name string) string {
	if b64, ok := e.fields[name+"_b64"].(string); ok {
		b, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	return fmt.Sprint(e.fields[name])
}

// eventRun runs gosync and holds what it prints against the published schema.
type eventRun struct {
	t      *testing.T
	dir    string
	schema *jsonschema.Schema
	events []told
	stderr string
}

func newEventRun(t *testing.T) *eventRun {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/json.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return &eventRun{t: t, dir: t.TempDir(), schema: schema}
}

func (r *eventRun) write(name, content string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// script makes a program of a shell.
func (r *eventRun) script(name, text string) {
	r.t.Helper()
	r.write(name, "#!/bin/sh\n"+text)
	if err := os.Chmod(filepath.Join(r.dir, name), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// command is gosync in the directory of the test.
func (r *eventRun) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.t.Context(), "gosync", args...)
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), "GORACE="+quickExit)
	return cmd
}

// runs runs gosync to its end, which is to be the status.
func (r *eventRun) runs(status int, args ...string) {
	r.t.Helper()
	r.ends(status, r.command(args...), func(*exec.Cmd) {})
}

// ends starts a command, has something happen, and waits for its end.
func (r *eventRun) ends(status int, cmd *exec.Cmd, meanwhile func(*exec.Cmd)) {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	meanwhile(cmd)
	_ = cmd.Wait() // the status says it
	r.stderr = stderr.String()
	if got := cmd.ProcessState.ExitCode(); got != status {
		r.t.Fatalf("exit status %d, want %d\n%s%s", got, status, &stdout, &stderr)
	}
	r.check(stdout.String(), status)
}

// check reads events, all of which the schema has to know, in an order that it makes sense.
func (r *eventRun) check(text string, status int) {
	r.t.Helper()
	r.events = nil
	percent := 0.0
	for line := range strings.Lines(text) {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err == nil {
			err = r.schema.Validate(v)
		}
		if err != nil || !strings.HasSuffix(line, "\n") {
			r.t.Fatalf("%q: %v", line, err)
		}
		e := told{line: line}
		_ = json.Unmarshal([]byte(line), &e.fields) // it was read before
		r.events = append(r.events, e)
		if p, ok := e.fields["percent"].(float64); ok {
			if p < percent {
				r.t.Errorf("%v%% after %v%%", p, percent)
			}
			percent = p
		}
	}
	kinds := r.kinds()
	n := len(kinds)
	if n == 0 || kinds[n-1] != "exit" || slices.Index(kinds, "exit") != n-1 || r.events[n-1].fields["code"] != float64(status) {
		r.t.Fatalf("the last of the events %v is not an exit with %d:\n%s", kinds, status, text)
	}
	if i := slices.Index(kinds, "start"); i > 0 || i == 0 && slices.Contains(kinds[1:], "start") {
		r.t.Errorf("start is not the first one: %v", kinds)
	}
	if i := slices.Index(kinds, "summary"); i < 0 && kinds[0] == "start" || i >= 0 && slices.ContainsFunc(kinds[i+1:n-1], func(k string) bool { return k != "snapshot" }) {
		r.t.Errorf("no summary at the end: %v", kinds)
	}
	if kinds[0] == "start" && status == exitOK && slices.Contains(kinds, "progress") && percent != 100 {
		r.t.Errorf("it ends at %v%%", percent)
	}
}

func (r *eventRun) kinds() (kinds []string) {
	for _, e := range r.events {
		kinds = append(kinds, e.kind())
	}
	return kinds
}

// of returns the events of a kind.
func (r *eventRun) of(kind string) (events []told) {
	for _, e := range r.events {
		if e.kind() == kind {
			events = append(events, e)
		}
	}
	return events
}

// items returns "action path" of all items, sorted.
func (r *eventRun) items() (items []string) {
	for _, e := range r.of("item") {
		items = append(items, fmt.Sprint(e.fields["action"])+" "+e.text("path"))
	}
	slices.Sort(items)
	return items
}

func (r *eventRun) wantItems(want ...string) {
	r.t.Helper()
	slices.Sort(want)
	if got := r.items(); !slices.Equal(got, want) {
		r.t.Errorf("items %q, want %q", got, want)
	}
}

// TestEventsOfCopies copies here, to a host, from a host and between hosts, with names that
// are no UTF-8 or would do harm on a terminal, and removes what the source has not.
func TestEventsOfCopies(t *testing.T) {
	t.Parallel()
	for way, tt := range map[string]struct{ from, to, action string }{
		"local": {"src/", "dst/", "copy"},
		"push":  {"src/", "host:dst/", "send"},
		"pull":  {"host:src/", "dst/", "receive"},
		"relay": {"a:src/", "b:dst/", "send"},
	} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := newEventRun(t)
			var want []string
			for _, name := range append(oddNames(), "d/plain") {
				r.write("src/"+name, "x")
				want = append(want, tt.action+" "+name)
			}
			if err := os.Symlink("raw\xff", filepath.Join(r.dir, "src/link")); err != nil {
				t.Fatal(err)
			}
			args := []string{"--json", "-rltO", "--delete", "-e", "rsh", tt.from, tt.to}
			r.runs(exitOK, args...)
			r.wantItems(append(want, "create d", "create link", "create ")...)
			for _, e := range r.of("item") {
				if e.text("path") == "link" && e.text("link") != "raw\xff" {
					t.Errorf("the link leads to %q", e.text("link"))
				}
			}
			if got := r.of("start")[0].fields["way"]; got != way {
				t.Errorf("the way is %v", got)
			}
			if n := r.of("summary")[0].fields["files_transferred"]; n != float64(len(want)) {
				t.Errorf("%v files were transferred, not %d", n, len(want))
			}
			if p := r.of("progress"); len(p) == 0 || p[len(p)-1].fields["bytes_moved"].(float64) < float64(len(want)) {
				t.Errorf("what has moved is not told: %v", p)
			}
			if len(r.of("plan")) != 1 || r.stderr != "" {
				t.Errorf("%v; on standard error: %s", r.kinds(), r.stderr)
			}

			r.write("dst/gone\xfe", "x")
			r.write("src/d/plain", "other")
			r.runs(exitOK, append(args, "-n")...)
			r.wantItems("delete gone\xfe", tt.action+" d/plain")
			if r.of("start")[0].fields["dry_run"] != true || r.of("summary")[0].fields["dry_run"] != true {
				t.Error("it is not told that nothing is changed")
			}
			r.runs(exitOK, append(args, "-i", "-v", "--stats", "-P")...)
			r.wantItems("delete gone\xfe", tt.action+" d/plain")
			for _, line := range []string{"*deleting   gone", "Number of files: ", "100%"} {
				if !strings.Contains(r.stderr, line) {
					t.Errorf("%q is not on standard error:\n%s", line, r.stderr)
				}
			}
			r.runs(exitOK, append(args, "-ii")...)
			if n := len(r.of("item")); n != len(want)+3 {
				t.Errorf("%d entries were told of", n)
			}
		})
	}
}

// TestEventsOfErrors: single files that fail are told of with what to do, and the run
// ends with 23.
func TestEventsOfErrors(t *testing.T) {
	t.Parallel()
	r := newEventRun(t)
	r.write("src/blocked", "x")
	r.write("src/fine", "x")
	r.write("dst/blocked/inside\xff", "x")
	r.runs(exitPartial, "-a", "--json", "src/", "missing\xff", "dst/")
	var kinds, paths []string
	for _, e := range r.of("error") {
		kinds, paths = append(kinds, e.text("kind")), append(paths, e.text("path"))
		if e.text("kind") == "not_found" && e.fields["hint"] == nil {
			t.Errorf("no hint: %s", e.line)
		}
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"not_found", "other"}) || !slices.ContainsFunc(paths, func(p string) bool { return strings.HasSuffix(p, "missing\xff") }) {
		t.Errorf("errors of the kinds %v about %q", kinds, paths)
	}
	end := r.of("exit")[0]
	if r.of("summary")[0].fields["errors"] != 2.0 || end.fields["name"] != "partial" || end.fields["message"] == nil {
		t.Errorf("%s%s", r.of("summary")[0].line, end.line)
	}
}

// TestEventsOfLostLines: a connection that is lost is told of, and nothing twice.
func TestEventsOfLostLines(t *testing.T) {
	t.Parallel()
	r := newEventRun(t)
	r.write("src/a", "a")
	r.script("flaky", "shift\nif ! test -e broken; then\n\ttouch broken\n\t{ sh -c \"$*\" <&3 & } 3<&0 | dd bs=1 count=100 2>/dev/null\n\texit 255\nfi\nexec sh -c \"$*\"\n")
	r.runs(exitOK, "-a", "--json", "-e", "./flaky", "host:src/", "dst/")
	retries := r.of("retry")
	if len(retries) != 1 || retries[0].fields["attempt"] != 1.0 || r.of("summary")[0].fields["reconnects"] != 1.0 {
		t.Errorf("retries: %v", retries)
	}
	items := r.items() // those of the root depend on when the line was cut
	if n := len(slices.DeleteFunc(items, func(i string) bool { return i != "receive a" })); n != 1 {
		t.Errorf("the file was told of %d times", n)
	}
}

// TestEventsOfInterrupts: a run that is interrupted ends with a summary, and the command
// that goes on with it.
func TestEventsOfInterrupts(t *testing.T) {
	t.Parallel()
	r := newEventRun(t)
	r.write("large", strings.Repeat("0123456789abcdef", 1<<20))
	args := []string{"-a", "--json", "--bwlimit=2m", "--no-compress", "-e", "rsh", "large", "host:dst/"}
	r.ends(exitSignal, r.command(args...), func(cmd *exec.Cmd) {
		for kept(t, filepath.Join(r.dir, "dst")) < 4<<20 && t.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		_ = cmd.Process.Signal(syscall.SIGTERM) // it runs for seconds
	})
	end := r.of("exit")[0]
	if text := end.text("resume"); !strings.HasSuffix(text, "gosync "+strings.Join(args, " ")) || end.fields["name"] != "interrupted" {
		t.Errorf("%s", end.line)
	}
	if p := r.of("progress"); len(p) == 0 || p[len(p)-1].fields["percent"] == 100.0 {
		t.Errorf("progress: %v", p)
	}
}

// TestEventsOfFailures: what keeps a run from beginning is an exit all the same.
func TestEventsOfFailures(t *testing.T) {
	t.Parallel()
	r := newEventRun(t)
	r.write("src/a", "a")
	r.script("nohost", "exit 255\n")
	for _, tt := range []struct {
		status int
		args   []string
	}{
		{exitUsage, []string{"--json", "--nonsense", "src/", "dst/"}},
		{exitUsage, []string{"--nonsense", "--json", "src/", "dst/"}},
		{exitUsage, []string{"--json"}},
		{exitUsage, []string{"--json", "--direct", "a:src/", "b:dst/"}},
		{exitUsage, []string{"--json", "src/"}},
		{exitUsage, []string{"verify", "--json", "--manifest=m", "src"}},
		{exitUsage, []string{"snapshot", "--json", "--nonsense", "src", "dst"}},
		{exitUnsupported, []string{"--json", "src/", "host::dst/"}},
		{exitConnect, []string{"--json", "-e", "./nohost", "src/", "host:dst/"}},
	} {
		r.runs(tt.status, tt.args...)
		if end := r.of("exit")[0]; end.fields["message"] == nil {
			t.Errorf("%q: %s", tt.args, end.line)
		}
	}
	if text, err := r.command("--help", "--json").Output(); err != nil || !strings.Contains(string(text), "--json") {
		t.Errorf("the help: %v %s", err, text)
	}
	if text, err := r.command("-a", "--out-format", "--json", "src/", "dst/").Output(); err != nil || !strings.Contains(string(text), "--json\n") {
		t.Errorf("the value of another option: %v %s", err, text)
	}
}

// TestEventsOfComparisons: verify and snapshots tell in the same way.
func TestEventsOfComparisons(t *testing.T) {
	t.Parallel()
	r := newEventRun(t)
	r.write("src/same", "x")
	r.write("src/content", "x")
	r.write("src/here", "x")
	r.runs(exitOK, "-a", "--json", "src/", "dst/")
	r.runs(exitOK, "verify", "--json", "src", "dst")
	r.wantItems()
	r.write("dst/content", "y")
	r.write("dst/there\xff", "x")
	if err := os.Remove(filepath.Join(r.dir, "dst/here")); err != nil {
		t.Fatal(err)
	}
	r.runs(exitVerify, "verify", "--json", "-O", "src", "dst")
	r.wantItems("differ content", "only_source here", "only_dest there\xff")
	if r.of("start")[0].fields["compares"] != true {
		t.Error(r.of("start")[0].line)
	}

	r.runs(exitOK, "snapshot", "--json", "src/", "kept")
	made := r.of("snapshot")
	if len(made) != 1 || made[0].fields["state"] != "made" {
		t.Fatalf("%v", made)
	}
	r.runs(exitOK, "snapshot", "list", "--json", "kept")
	if l := r.of("snapshot"); len(l) != 1 || l[0].fields["name"] != made[0].fields["name"] || l[0].fields["state"] != "good" {
		t.Errorf("%v", l)
	}
	name := made[0].text("name")
	r.runs(exitOK, "snapshot", "verify", "--json", "kept")
	r.runs(exitOK, "snapshot", "restore", "--json", "kept", name+"/", "back/")
	r.wantItems("copy content", "copy here", "copy same", "create ")
	if err := os.WriteFile(filepath.Join(r.dir, "kept", name, "same"), []byte("z"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.runs(exitVerify, "snapshot", "verify", "--json", "kept")
	r.wantItems("differ " + name + "/same")
}

// TestEventsThatNobodyReads: a reader that goes away ends the run with 13.
func TestEventsThatNobodyReads(t *testing.T) {
	t.Parallel()
	r := newEventRun(t)
	r.write("src/a", "a")
	cmd := r.command("-a", "--json", "src/", "dst/")
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	cmd.Stdout = out
	err = cmd.Run()
	out.Close()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != exitOutput {
		t.Errorf("%v", err)
	}
}

// TestExitNames: each exit status has a word, and the schema knows it.
func TestExitNames(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/json.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties map[string]struct{ Enum []string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	known := schema.Defs["exit"].Properties["name"].Enum
	used := map[string]bool{}
	for code := range 256 {
		name := exitName(code)
		if !slices.Contains(known, name) {
			t.Errorf("%d is %q, which is not in the schema", code, name)
		}
		if name != "other" && used[name] {
			t.Errorf("%q has two meanings", name)
		}
		used[name] = true
	}
	for _, name := range known {
		if !used[name] {
			t.Errorf("%q is the name of no exit status", name)
		}
	}
}
