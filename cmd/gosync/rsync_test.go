package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/internal/need"
)

// requireTool skips the test where a program is missing, and fails it where GOSYNC_REQUIRE names it.
func requireTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	need.Missing(t, name, err.Error())
	return ""
}

// place is a directory in which both programs are run, each with its own destination.
type place struct {
	t   *testing.T
	dir string
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

// do fails the test where err is not nil.
func (p *place) do(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) mkdir(name string) { p.t.Helper(); p.do(os.MkdirAll(p.path(name), 0o755)) }

// file writes a file and gives it a time.
func (p *place) file(name, content string, at int64) {
	p.t.Helper()
	p.mkdir(filepath.Dir(name))
	p.do(os.WriteFile(p.path(name), []byte(content), 0o644))
	p.time(name, at)
}

func (p *place) time(name string, at int64) {
	p.t.Helper()
	p.do(os.Chtimes(p.path(name), time.Unix(at, 0), time.Unix(at, 0)))
}

func (p *place) link(name, target string) {
	p.t.Helper()
	_ = os.Remove(p.path(name))
	p.do(os.Symlink(target, p.path(name)))
}

func (p *place) chmod(name string, mode os.FileMode) {
	p.t.Helper()
	p.do(os.Chmod(p.path(name), mode))
}

func (p *place) hard(old, name string) { p.t.Helper(); p.do(os.Link(p.path(old), p.path(name))) }

func (p *place) remove(name string) { p.t.Helper(); p.do(os.RemoveAll(p.path(name))) }

// fill makes the source that all scenarios begin with.
func (p *place) fill() {
	p.file("src/a", "one", 1_000_000_000)
	p.file("src/b.txt", strings.Repeat("two\n", 2000), 1_000_000_100)
	p.file("src/sub/c", "three", 1_000_000_200)
	p.file("src/sub/deep/d", "four", 1_000_000_300)
	p.file("src/sub.d/e", "five", 1_000_000_400)
	p.file("src/name with space", "", 1_000_000_500)
	p.file("src/esc\x1bape", "x", 1_000_000_600)
	p.link("src/link", "a")
	p.mkdir("src/empty")
}

// scenario is a change of the source or destination, and a command line that both programs get.
type scenario struct {
	name   string
	args   string
	change func(p *place, dst string) // before the run; applied once with each destination
	sorted bool                       // rsync reports in another order than that of its own file list
	shapes bool                       // and chooses otherwise among equals: only the eleven characters count
}

// scenarios run one after the other on the same trees.
func scenarios() []scenario {
	return []scenario{
		{name: "first, dry", args: "-ain src/ %s/"},
		{name: "first", args: "-ai src/ %s/"},
		{name: "again", args: "-ai src/ %s/"},
		{name: "again, all", args: "-aii src/ %s/"},
		{name: "content and time", args: "-ai src/ %s/", change: func(p *place, _ string) {
			p.file("src/a", "one and more", 1_000_001_000)
			p.file("src/sub/c", "THREE", 1_000_001_000)
		}},
		{name: "time alone", args: "-ai src/ %s/", change: func(p *place, _ string) { p.time("src/b.txt", 1_000_002_000) }},
		{name: "permissions", args: "-ai src/ %s/", change: func(p *place, _ string) { p.chmod("src/a", 0o600); p.chmod("src/sub", 0o700) }},
		{name: "verbose permissions", args: "-av src/ %s/", change: func(p *place, _ string) { p.chmod("src/a", 0o640); p.chmod("src/sub", 0o750) }},
		{name: "no times", args: "-rlpi src/ %s/", change: func(p *place, _ string) { p.file("src/a", "once more", 1_000_003_000) }},
		{name: "no times, equal", args: "-rlpi src/ %s/"},
		{name: "times back", args: "-ai src/ %s/"},
		{name: "link", args: "-ai src/ %s/", change: func(p *place, _ string) { p.link("src/link", "sub") }},
		{name: "file becomes link", args: "-ai src/ %s/", change: func(p *place, _ string) { p.link("src/sub/c", "../a") }},
		{name: "link becomes file", args: "-ai src/ %s/", change: func(p *place, _ string) { p.remove("src/sub/c"); p.file("src/sub/c", "file", 1_000_004_000) }},
		{name: "file becomes directory", args: "-ai --delete src/ %s/", change: func(p *place, _ string) { p.remove("src/a"); p.file("src/a/x", "below", 1_000_005_000) }},
		{name: "extra, dry", args: "-ain --delete src/ %s/", sorted: true, change: func(p *place, dst string) {
			p.file(dst+"/extra", "x", 1)
			p.file(dst+"/old/x/y", "x", 1)
			p.file(dst+"/sub/extra", "x", 1)
			p.file(dst+"/sub/zz/y", "x", 1)
		}},
		{name: "extra, verbose", args: "-avn --delete src/ %s/", sorted: true},
		{name: "extra", args: "-ai --delete src/ %s/", sorted: true},
		{name: "excluded", args: "-ai --delete --exclude=*.txt --exclude=/empty src/ %s/", change: func(p *place, dst string) {
			p.file("src/new.txt", "x", 1_000_006_000)
			p.file("src/new", "x", 1_000_006_000)
			p.file(dst+"/gone.txt", "x", 1)
		}},
		{name: "checksum", args: "-aic src/ %s/", change: func(p *place, _ string) { p.file("src/new", "y", 1_000_006_000) }},
		{name: "checksum, time differs", args: "-aic src/ %s/", change: func(p *place, _ string) { p.time("src/new", 1_000_006_001) }},
		{name: "size only", args: "-ai --size-only src/ %s/", change: func(p *place, _ string) { p.file("src/new", "z", 1_000_006_002) }},
		{name: "ignore times", args: "-aiI src/ %s/"},
		{name: "update", args: "-aiu src/ %s/", change: func(p *place, dst string) {
			p.file("src/sub.d/e", "newer here", 1_000_007_000)
			p.file("src/new", "older here", 1_000_000_000)
		}},
		{name: "without slash", args: "-ai src %s"},
		{name: "verbose", args: "-av src/ %s/v"},
		{name: "very verbose", args: "-avv src/ %s/v"},
		{name: "single file", args: "-vt src/new %s/single"},
		{name: "single file, itemized", args: "-it src/new %s/single2"},
		{name: "relative", args: "-aiR src/sub/deep %s/rel"},
		{name: "dirs", args: "-dvt src/ %s/dirs", sorted: true},
		{name: "not recursive", args: "-vt src %s/none"},
		{name: "without links", args: "-rti src/ %s/nolinks", sorted: true},
		{name: "hard links", args: "-aiH src/ %s/hard", sorted: true, shapes: true, change: func(p *place, dst string) {
			if dst == "gosync" {
				p.hard("src/new", "src/sub/new2")
				p.hard("src/new", "src/zz")
			}
		}},
		{name: "hard links again", args: "-aiH src/ %s/hard"},
	}
}

// TestSameLinesAsRsync compares what both programs print for the same work, line by line.
func TestSameLinesAsRsync(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	p := &place{t: t, dir: t.TempDir()}
	p.fill()
	for _, sc := range scenarios() {
		p.compare(sc)
	}
}

// compare runs a scenario with both programs.
func (p *place) compare(sc scenario) {
	p.t.Helper()
	p.compareArgs(sc, func(program string) string {
		if strings.Contains(sc.args, "%") {
			return fmt.Sprintf(sc.args, program)
		}
		return sc.args
	})
}

// compareArgs runs a scenario with both programs, each with the command line that args has for it.
func (p *place) compareArgs(sc scenario, args func(program string) string) {
	p.t.Helper()
	for _, program := range []string{"gosync", "rsync"} {
		p.mkdir(program)
		if sc.change != nil {
			sc.change(p, program)
		}
	}
	out := map[string]string{}
	for _, program := range []string{"gosync", "rsync"} {
		text := p.run(program, args(program))
		if sc.shapes {
			text = regexp.MustCompile(`(?m)^(.{11}) .*`).ReplaceAllString(text, "$1")
		}
		if sc.sorted {
			text = sortedLines(text)
		}
		out[program] = text
	}
	if out["gosync"] != out["rsync"] {
		p.t.Errorf("%s (%s)\ngosync:\n%s\nrsync:\n%s", sc.name, sc.args, out["gosync"], out["rsync"])
	}
}

func sortedLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// run runs a program in the place and returns its output without what legitimately differs: the programs' own names,
// sizes and speeds of the protocol, and lines about internals and the connection.
func (p *place) run(program, args string) string {
	p.t.Helper()
	cmd := exec.Command(program, strings.Fields(args)...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "GORACE="+quickExit)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		p.t.Errorf("%s %s: %v\n%s", program, args, err, &stderr)
	}
	text := strings.ReplaceAll(stdout.String(), program, "PROGRAM")
	text = regexp.MustCompile(`(?m)^(delta-transmission|total: matches|opening connection using).*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`sent .* bytes/sec`).ReplaceAllString(text, "sent")
	return regexp.MustCompile(`speedup is [0-9.,]+`).ReplaceAllString(text, "speedup")
}

// TestSameStatisticsAsRsync compares the block of --stats: the labels, their order, and all numbers that do not depend
// on the protocol.
func TestSameStatisticsAsRsync(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	p := &place{t: t, dir: t.TempDir()}
	p.fill()
	for i, args := range []string{"-a --stats src/ %s/", "-a --stats src/ %s/", "-a --no-W --stats --delete src/ %s/", "-an --stats --delete src/ %s/"} {
		out := map[string]string{}
		for _, program := range []string{"gosync", "rsync"} {
			p.mkdir(program)
			switch i {
			case 2:
				p.file("src/a", "one and more", 1_000_001_000)
				p.file(program+"/extra", "x", 1)
			case 3:
				p.file(program+"/extra/x", "x", 1)
			}
		}
		for _, program := range []string{"gosync", "rsync"} {
			text := p.run(program, fmt.Sprintf(args, program))
			text = regexp.MustCompile(`(?m)^(File list [a-z ]*|Total bytes [a-z]*|Literal data|Matched data): .*`).ReplaceAllString(text, "$1:")
			out[program] = text
		}
		if out["gosync"] != out["rsync"] {
			t.Errorf("%s\ngosync:\n%s\nrsync:\n%s", args, out["gosync"], out["rsync"])
		}
	}
}
