package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// outputCases are command lines (rsync tells of directories that exist later than of what is in them at times: such are
// compared without their order) whose output is rsync's, run one after the other on the same trees.
func outputCases() []scenario {
	older := func(p *place, dst string) { p.time(dst+"/a", 1_000_000_001) }
	newer := func(p *place, dst string) { p.time(dst+"/a", 1_900_000_000) }
	modes := func(p *place, dst string) { p.chmod(dst+"/a", 0o600); p.chmod(dst+"/sub", 0o700) }
	extra := func(p *place, dst string) { p.file(dst+"/extra", "x", 1); p.file(dst+"/zz/y", "x", 1) }
	return []scenario{
		{name: "format", args: "-a --out-format=%%n_%%f_%%i_%%o_%%M_%%B_%%L_%%%% src/ %s/"},
		{name: "format, without slash", args: "-a --out-format=%%f src %s/in"},
		{name: "format, relative", args: "-aR --out-format=%%f src/sub/deep %s/rel"},
		{name: "format, part", args: "-aR --out-format=%%f src/./sub/deep %s/rel2"},
		{name: "names alone", args: "-a --info=name src/ %s/names"},
		{name: "names of what is equal", sorted: true, args: "-a --info=name2 src/ %s/"},
		{name: "all but totals", args: "-av --info=name2,stats0 src/ %s/"},
		{name: "all but the list", args: "-av --info=flist0 src/ %s/"},
		{name: "no names", sorted: true, args: "-av --info=name0 src/ %s/", change: older},
		{name: "totals", args: "-a --info=stats src/ %s/"},
		{name: "empty format", sorted: true, args: "-a --out-format= src/ %s/", change: older},
		{name: "widths", args: "-a --out-format=%%%%i%%n[%%10n][%%-10n][%%z][%%'l][%%''10l]%%m[%% src/b.txt %s/", change: func(p *place, dst string) { p.time(dst+"/b.txt", 1) }},
		{name: "no %i in %%i", args: "-a --out-format=%%%%i src/ %s/", change: modes},
		{name: "-i in a format", sorted: true, args: "-a --out-format=%%i%%n src/ %s/", change: modes},
		{name: "-vv", sorted: true, args: "-avv src/ %s/", change: modes},
		{name: "-vv with a format", sorted: true, args: "-avv --out-format=[%%n] src/ %s/", change: modes},
		{name: "-ii with a format", args: "-aii --out-format=%%i[%%n] src/ %s/"},
		{name: "-ii with a format without", args: "-aii --out-format=[%%n] src/ %s/"},
		{name: "log-format", args: "-a --log-format=%%n src/ %s/lf"},
		{name: "deleted", args: "-a --delete --out-format=%%o_%%i_%%n_%%f src/ %s/lf", sorted: true, change: func(p *place, dst string) { extra(p, dst+"/lf") }},
		{name: "deleted, no %i", args: "-a --delete --out-format=[%%n] src/ %s/lf", sorted: true, change: func(p *place, dst string) { extra(p, dst+"/lf") }},
		{name: "deleted, --info=del", args: "-a --delete --info=del src/ %s/lf", sorted: true, change: func(p *place, dst string) { extra(p, dst+"/lf") }},
		{name: "deleted, --info=del0", args: "-av --delete --info=del0 src/ %s/lf", sorted: true, change: func(p *place, dst string) { extra(p, dst+"/lf") }},
		{name: "newer, -vv", sorted: true, args: "-auvv src/ %s/", change: newer},
		{name: "newer, --info=skip", args: "-au --info=skip src/ %s/"},
		{name: "newer", sorted: true, args: "-auv src/ %s/"},
		{name: "nonreg0", args: "-r --info=nonreg0 src/ %s/nl"},
		{name: "quiet", args: "-qav --stats --info=name2 src/ %s/q"},
		{name: "no-i-r", args: "-av --no-i-r src/ %s/nir"},
		{name: "i-r", args: "-av --no-i-r --i-r src/ %s/ir"},
		{name: "old-dirs", args: "--old-dirs -li src/ %s/od"},
		{name: "cvs", args: "-aC --out-format=%%n src/ %s/cvs", change: func(p *place, _ string) {
			p.file("src/core", "x", 1)
			p.file("src/sub/x.o", "x", 1)
			p.file("src/sub/.cvsignore", "c\n", 1)
			p.file("src/sub/deep/.cvsignore", "!\n", 1)
			p.file("src/sub/deep/y.o", "x", 1)
			p.time("src", 1_200_000_000) // the destination is changed in the next moment, perhaps in the same tick of the clock
		}},
		{name: "cvs, later rules", args: "-aC --include=*.o --out-format=%%n src/ %s/cvs2"},
		{name: "many -v", args: strings.Repeat("-v ", 2) + "-a --no-v --info=name src/ %s/"},
		{name: "list of a file", args: "src/b.txt"},
		{name: "list of a file, plain", args: "--no-h src/b.txt"},
		{name: "list of a file, units", args: "-hh --list-only src/b.txt nowhere"},
		{name: "list of a link", args: "-l src/link"},
		{name: "list of a link's name", args: "src/link"},
		{name: "list, verbose", args: "-v src/b.txt"},
		{name: "list, quiet", args: "-q src/"},
	}
}

// TestOutputLikeRsync compares what the options about output have both programs print.
func TestOutputLikeRsync(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	p := &place{t: t, dir: t.TempDir()}
	p.fill()
	for _, sc := range outputCases() {
		p.compare(sc)
	}
}

// TestOutputLikeRsyncRemote does the same through a remote shell, both ways.
func TestOutputLikeRsyncRemote(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	p := &place{t: t, dir: t.TempDir()}
	p.fill()
	far := func(args string) string { return "-e rsh --rsync-path=PROGRAM " + args }
	for _, sc := range []scenario{
		{name: "push", args: "-ai src/ h:%s/push"},
		{name: "push, format", args: "-a --out-format=%%n_%%f_%%i_%%o_%%B_%%L src/ h:%s/push2"},
		{name: "push, equal", sorted: true, args: "-avv src/ h:%s/push2"},
		{name: "push, newer", sorted: true, args: "-auvv src/ h:%s/push2", change: func(p *place, dst string) { p.time(dst+"/push2/a", 1_900_000_000) }},
		{name: "push, deleted", args: "-ai --delete src/ h:%s/push2", sorted: true, change: func(p *place, dst string) { p.file(dst+"/push2/x/y", "x", 1) }},
		{name: "pull, format", args: "-a --out-format=%%n_%%f_%%i_%%o_%%B_%%L h:HERE/src/ %s/pull"},
		{name: "pull, verbose", args: "-av h:HERE/src/ %s/pull2"},
		{name: "pull, full list first", args: "-av --no-inc-recursive h:HERE/src/ %s/pull3"},
		{name: "pull, newer", args: "-au --info=skip h:HERE/src/ %s/pull", change: func(p *place, dst string) { p.time(dst+"/pull/a", 1_900_000_000) }},
		{name: "list", args: "h:HERE/src/b.txt"},
	} {
		sc.args = strings.ReplaceAll(far(sc.args), "HERE", p.dir)
		sc.args = strings.Replace(sc.args, "h:%s", "h:"+p.dir+"/%s", 1)
		p.compareFar(sc)
	}
}

// compareFar is compare where each program is its own far side.
func (p *place) compareFar(sc scenario) {
	p.t.Helper()
	p.compareArgs(sc, func(program string) string {
		path, err := exec.LookPath(program)
		p.do(err)
		args := strings.Replace(sc.args, "PROGRAM", path, 1)
		if strings.Contains(args, "%") {
			args = fmt.Sprintf(args, program)
		}
		return args
	})
}

// TestLogLikeRsync compares what both programs write to a log, but for times, process numbers and byte counts.
func TestLogLikeRsync(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	p := &place{t: t, dir: t.TempDir()}
	p.fill()
	p.time("src", 3)
	head := regexp.MustCompile(`(?m)^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[\d+\] `)
	for i, args := range []string{
		"-a --log-file=LOG src/ %s/", "-a --log-file=LOG src/ %s/", "-ai --delete --log-file=LOG src/ %s/",
		"-a --log-file=LOG --log-file-format=%%n:%%B src/ %s/f", "-a --log-file=LOG --log-file-format= src/ %s/e", "-qa --log-file=LOG src/ %s/quiet",
		"-avv --log-file=LOG src/sub %s/vv", "-avv --log-file=LOG src/sub %s/vv",
	} {
		logs := map[string]string{}
		for _, program := range []string{"gosync", "rsync"} {
			p.mkdir(program)
			p.time(program, 5)
			if i == 2 {
				p.file(program+"/extra", "x", 1)
				p.time(program+"/a", 5)
			}
			log := filepath.Join(program+"-logs", fmt.Sprint(i))
			p.mkdir(program + "-logs")
			p.run(program, fmt.Sprintf(strings.Replace(args, "LOG", log, 1), program))
			text, err := os.ReadFile(p.path(log))
			p.do(err)
			if n := strings.Count(string(text), "\n"); n != len(head.FindAll(text, -1)) {
				t.Errorf("%s: %d lines, not all with a time and a process:\n%s", args, n, text)
			}
			plain := head.ReplaceAllString(string(text), "")
			plain = regexp.MustCompile(`(?m)^(delta-transmission|total: matches|total size is|sent .* bytes/sec).*\n`).ReplaceAllString(plain, "")
			plain = regexp.MustCompile(`sent .* total size`).ReplaceAllString(plain, "sent total size")
			logs[program] = strings.ReplaceAll(plain, program, "PROGRAM")
		}
		if logs["gosync"] != logs["rsync"] {
			t.Errorf("%s\ngosync:\n%s\nrsync:\n%s", args, logs["gosync"], logs["rsync"])
		}
	}
}

// TestStopInTime: the run ends in time with the status that rsync has for it.
func TestStopInTime(t *testing.T) {
	t.Parallel()
	s := newSettings()
	s.stop = stopTime{after: 50 * time.Millisecond}
	ended := make(chan error, 1)
	defer s.stopInTime(func(err error) { ended <- err })()
	select {
	case err := <-ended:
		if got := exitCode(err, nil); got != exitTimeout {
			t.Errorf("exit status %d", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing has ended the run")
	}
}
