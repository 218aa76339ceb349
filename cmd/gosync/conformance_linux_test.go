package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosync/internal/need"
)

// conformancePlace is a place with the trees that conformance cases start with.
func conformancePlace(t *testing.T) *place {
	t.Helper()
	requireTool(t, "rsync")
	p := &place{t: t, dir: t.TempDir()}
	p.file("from/foo/config1", "one\n", 1_000_000_000)
	p.file("from/foo/config2", "two, and more\n", 1_000_000_000)
	p.file("from/bar/baz/third", "three\n", 1_000_000_000)
	p.do(os.Symlink("../bar/baz/third", p.path("from/foo/sym")))
	p.do(os.Link(p.path("from/foo/config1"), p.path("from/foo/extra")))
	for _, dir := range []string{"from/foo", "from/bar/baz", "from/bar", "from"} {
		p.time(dir, 1_000_000_000)
	}
	return p
}

// conform runs a command line with both programs, each on trees that prepare makes below the program's name, and wants the
// same output but for numbers of bytes. PROGRAM stands for the program's own directory.
func (p *place) conform(name, args string, prepare func(dir string)) {
	p.t.Helper()
	p.t.Run(name, func(t *testing.T) {
		q := &place{t: t, dir: p.dir}
		out := map[string]string{}
		for _, program := range []string{"rsync", "gosync"} {
			q.do(os.RemoveAll(q.path(program)))
			q.mkdir(program)
			if prepare != nil {
				prepare(program)
			}
			out[program] = q.conformLines(program, args)
		}
		if out["gosync"] != out["rsync"] {
			t.Errorf("%s\ngosync:\n%s\nrsync:\n%s", args, out["gosync"], out["rsync"])
		}
	})
}

// conformLines runs a command line as conform does and returns what it prints.
func (p *place) conformLines(program, args string) string {
	p.t.Helper()
	text := p.run(program, strings.ReplaceAll(args, "PROGRAM", program))
	return regexp.MustCompile(`(?m)^(sent|total size is) .*\n`).ReplaceAllString(strings.ReplaceAll(text, program+"/", "PROGRAM/"), "")
}

// TestConformanceItemize holds the lines of -i, -ii and -vv against rsync's: those of each kind of change, with their order.
func TestConformanceItemize(t *testing.T) {
	t.Parallel()
	p := conformancePlace(t)
	copied := func(options string) func(dir string) {
		return func(dir string) { p.run("rsync", options+" from/ "+dir+"/to") }
	}
	copiedThen := func(change func(dir string)) func(dir string) {
		return func(dir string) {
			copied("-aH")(dir)
			change(dir + "/to")
		}
	}
	older := copiedThen(func(to string) { p.file(to+"/foo/config2", "old", 900_000_000) })
	p.conform("new", "-iplr from/ PROGRAM/to", nil)
	p.conform("times now", "-iplrH from/ PROGRAM/to", copiedThen(func(to string) {
		p.do(os.Remove(p.path(to + "/foo/extra")))
		for _, name := range []string{"foo/config1", "foo/extra", "bar/baz/third"} {
			p.file(to+"/"+name, "old", 900_000_000)
		}
		p.chmod(to+"/foo/config2", 0o601)
	}))
	p.conform("content", "-iplrtc from/ PROGRAM/to", copiedThen(func(to string) {
		p.chmod(to+"/bar/baz/third", 0o777)
		p.file(to+"/foo/config2", "TWO, and more\n", 900_000_000)
		p.time(to+"/foo", 5)
	}))
	p.conform("uptodate", "-vvplrH from/ PROGRAM/to", older)
	p.conform("all", "-ivvplrtH from/ PROGRAM/to", copiedThen(func(to string) {
		p.chmod(to+"/bar/baz/third", 0o747)
		p.time(to+"/foo/config2", 5)
	}))
	p.conform("names", "-vplrtH from/ PROGRAM/to", older)
	p.conform("permissions", "-iplrtH from/ PROGRAM/to", copiedThen(func(to string) { p.chmod(to+"/foo/config1", 0o757) }))
	for _, alt := range []string{"copy", "link", "compare"} {
		p.conform(alt+"-dest, all", "-ivvplrtH --"+alt+"-dest=../to from/ PROGRAM/to2/", copied("-aH"))
		p.conform(alt+"-dest, changes", "-iplrtH --"+alt+"-dest=../to from/ PROGRAM/to2/", copied("-aH"))
		p.conform(alt+"-dest, names", "-vvplrtH --"+alt+"-dest=../to from/ PROGRAM/to2/", copied("-aH"))
	}
	p.conform("directory to file", "-ai --delete from/ PROGRAM/to", copiedThen(func(to string) {
		p.do(os.RemoveAll(p.path(to + "/bar")))
		p.file(to+"/bar", "x", 5)
	}))
	p.conform("mkpath", "-aiv --mkpath from/ PROGRAM/a/b/to", nil)
	p.conform("mkpath, dry run", "-ain --mkpath from/ PROGRAM/a/b/to", nil)
}

// TestConformanceItemizeRuns makes one run after the other between the same trees, changed a little before each, and holds
// the lines of each against rsync's, which has trees of its own. Behind each run the directories get their times.
func TestConformanceItemizeRuns(t *testing.T) {
	t.Parallel()
	requireTool(t, "rsync")
	p := &place{t: t, dir: t.TempDir()}
	const one, two = "one\n", "two, and more\n"
	config2 := func(dir, content string, mode os.FileMode) {
		p.file(dir+"/from/foo/config2", content, 1_000_000_000+int64(len(content)))
		p.chmod(dir+"/from/foo/config2", mode)
	}
	touch := func(dir, name string) { p.time(dir+"/to/"+name, 1_600_000_000) }
	fresh := func(dir string) { p.remove(dir + "/to2") }
	steps := []struct {
		args    string
		prepare func(dir string) // nil for nothing
	}{
		{"-iplr", func(dir string) {
			p.file(dir+"/from/foo/config1", one, 1_000_000_000)
			config2(dir, two, 0o600)
			p.file(dir+"/from/bar/baz/third", "three\n", 1_000_000_000)
			p.chmod(dir+"/from/foo/config1", 0o600)
			p.chmod(dir+"/from/bar/baz/third", 0o600)
			p.link(dir+"/from/foo/sym", "../bar/baz/third")
			p.linkTime(dir+"/from/foo/sym", 1_000_000_000)
			p.hard(dir+"/from/foo/config1", dir+"/from/foo/extra")
		}},
		{"-iplrH", func(dir string) { config2(dir, one, 0o601) }},
		{"-iplrtc", func(dir string) {
			config2(dir, two, 0o600)
			p.link(dir+"/to/foo/sym", "../bar/baz")
			touch(dir, "foo")
			touch(dir, "foo/config1")
			p.chmod(dir+"/to/bar/baz/third", 0o777)
		}},
		{"-iplrt", func(dir string) { p.chmod(dir+"/to/foo/config1", 0o640) }},
		{"-iiplrtcn", func(dir string) { touch(dir, "foo/config1") }},
		{"-vvplrtc", nil},
		{"-vvplrH", func(dir string) { config2(dir, one, 0o600) }},
		{"-ivvplrtH", func(dir string) { p.chmod(dir+"/to/bar/baz/third", 0o747) }},
		{"-vplrtH", func(dir string) {
			p.chmod(dir+"/to/foo/config1", 0o757)
			touch(dir, "foo/config2")
		}},
		{"-iplrtH", func(dir string) {
			p.chmod(dir+"/to/foo/config1", 0o757)
			touch(dir, "foo/config2")
		}},
		{"-ivvplrtH --copy-dest=../to", nil},
		{"-iplrtH --copy-dest=../to", fresh},
		{"-vvplrtH --copy-dest=DIR/to", fresh},
		{"-ivvplrtH --link-dest=DIR/to", fresh},
		{"-iplrtH --dry-run --link-dest=../to", fresh},
		{"-iplrtH --link-dest=../to", fresh},
		{"-vvplrtH --link-dest=DIR/to", fresh},
		{"-iiplrtH --link-dest=DIR/to", fresh},
		{"-vplrtH --link-dest=DIR/to", fresh},
		{"-ivvplrtH --compare-dest=DIR/to", fresh},
		{"-iplrtH --compare-dest=DIR/to", fresh},
		{"-vvplrtH --compare-dest=DIR/to", fresh},
	}
	for _, s := range steps {
		out := map[string]string{}
		for _, program := range []string{"rsync", "gosync"} {
			to := "/to"
			if strings.Contains(s.args, "-dest") {
				to = "/to2/"
			}
			if s.prepare != nil {
				s.prepare(program)
			}
			out[program] = p.conformLines(program, strings.ReplaceAll(s.args, "DIR", p.path("PROGRAM"))+" PROGRAM/from/ PROGRAM"+to)
			p.metaRun("rsync", []string{"-a", "-f-! */", p.path(program+"/from") + "/", p.path(program + "/to")})
		}
		if out["gosync"] != out["rsync"] {
			t.Errorf("%s\ngosync:\n%s\nrsync:\n%s", s.args, out["gosync"], out["rsync"])
		}
	}
}

// TestConformanceInfo: the words of --info tell what rsync's tell.
func TestConformanceInfo(t *testing.T) {
	t.Parallel()
	p := conformancePlace(t)
	changed := func(dir string) {
		p.run("rsync", "-a from/ "+dir+"/to")
		p.file(dir+"/to/foo/config2", "old", 900_000_000)
		p.file(dir+"/to/gone", "x", 5)
	}
	p.conform("backup", "-ab --info=backup from/ PROGRAM/to", changed)
	p.conform("backup-dir", "-ab --info=backup --backup-dir=bak from/ PROGRAM/to", changed)
	p.conform("backup0", "-avb --info=backup0 from/ PROGRAM/to", changed)
	p.conform("remove", "-a --info=remove --remove-source-files PROGRAM/src/sub PROGRAM/to", func(dir string) { p.file(dir+"/src/sub/f", "x", 5) })
	p.conform("symsafe", "-rlt --info=symsafe --copy-unsafe-links PROGRAM/src PROGRAM/to", func(dir string) {
		p.mkdir(dir + "/src")
		p.file(dir+"/f", "x", 5)
		p.do(os.Symlink("../f", p.path(dir+"/src/l")))
	})
	p.conform("symsafe, left out", "-rlt --info=symsafe --safe-links PROGRAM/src PROGRAM/to", func(dir string) {
		p.mkdir(dir + "/src")
		p.do(os.Symlink("../../f", p.path(dir+"/src/l")))
	})
	p.conform("symsafe, not backed up", "-rltb --info=symsafe --safe-links --suffix=.bak PROGRAM/src/ PROGRAM/to", func(dir string) {
		p.file(dir+"/src/l", "x", 5)
		p.mkdir(dir + "/to")
		p.do(os.Symlink("../../f", p.path(dir+"/to/l")))
	})
	p.conform("deltasum", "-a --debug=deltasum --no-whole-file from/ PROGRAM/to", changed)
	p.conform("delete-before", "-av --delete-before from/ PROGRAM/to", changed)
	p.conform("delay-updates", "-av --delay-updates from/ PROGRAM/new", changed)
}

// conformBinary is gosync itself, as an outside suite runs it.
func conformBinary(args ...string) *exec.Cmd {
	cmd := exec.Command("gosync", args...)
	cmd.Env = append(os.Environ(), "POSIXLY_CORRECT=1")
	return cmd
}

// TestConformanceGrowingFile lets a file grow while another is sent slowly: all of it arrives, and that is no error.
func TestConformanceGrowingFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &place{t: t, dir: dir}
	p.file("from/g", strings.Repeat("0123456789abcdef", 200_000), 1_000_000_000)
	cmd := conformBinary("-a", "--no-i-r", "--bwlimit=3000", "from/", "to/")
	cmd.Dir = dir
	p.do(cmd.Start())
	f, err := os.OpenFile(p.path("from/g"), os.O_APPEND|os.O_WRONLY, 0)
	p.do(err)
	for range 4 {
		time.Sleep(50 * time.Millisecond)
		_, err = f.WriteString(strings.Repeat("more", 5000))
		p.do(err)
	}
	p.do(f.Close())
	p.do(cmd.Wait())
	p.do(conformRun(dir, "-a", "from/", "to/"))
	want, err := os.ReadFile(p.path("from/g"))
	p.do(err)
	if got, err := os.ReadFile(p.path("to/g")); err != nil || string(got) != string(want) {
		t.Errorf("%v, %d of %d bytes", err, len(got), len(want))
	}
}

// TestConformanceGrowsMeanwhile: what is appended to a file while a limit holds up the one before it arrives.
func TestConformanceGrowsMeanwhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := &place{t: t, dir: dir}
	p.file("from/a", strings.Repeat("0123456789abcdef", 6<<16), 1_000_000_000)
	p.file("from/z", "short", 1_000_000_000)
	cmd := conformBinary("-a", "--no-inc-recursive", "--bwlimit=1500", "from/", "to/")
	cmd.Dir = dir
	p.do(cmd.Start())
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if list, err := filepath.Glob(p.path("to/.gosync.*")); err == nil && len(list) > 0 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the first file is not received")
		}
	}
	f, err := os.OpenFile(p.path("from/z"), os.O_APPEND|os.O_WRONLY, 0)
	p.do(err)
	long := strings.Repeat("grown", 50_000)
	_, err = f.WriteString(long)
	p.do(err)
	p.do(f.Close())
	p.do(cmd.Wait())
	if got, err := os.ReadFile(p.path("to/z")); err != nil || string(got) != "short"+long {
		t.Errorf("%v, %d bytes", err, len(got))
	}
}

func conformRun(dir string, args ...string) error {
	cmd := conformBinary(args...)
	cmd.Dir = dir
	return cmd.Run()
}

// TestConformancePartial ends a run by SIGTERM: what has arrived of the file is kept where the options say, the next run
// completes it and leaves nothing else.
func TestConformancePartial(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, option, kept string }{
		{"partial", "--partial", "to/f3"}, {"relative", "--partial-dir=.pd", "to/.pd/f3"}, {"absolute", "--partial-dir=DIR/pd", "pd/f3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			p := &place{t: t, dir: dir}
			content := strings.Repeat("0123456789abcde\n", 1<<20)
			p.file("from/f3", content, 1_000_000_000)
			p.mkdir("to")
			p.mkdir("pd")
			option := strings.Replace(c.option, "DIR", dir, 1)
			cmd := conformBinary("-a", "--bwlimit=4000", option, "from/", "to/")
			cmd.Dir = dir
			p.do(cmd.Start())
			begun := func() bool { // under the name that scripts know rsync's temporaries by
				list, err := filepath.Glob(p.path("to/.f3.*"))
				p.do(err)
				return slices.ContainsFunc(list, func(name string) bool {
					st, err := os.Stat(name)
					return err == nil && st.Size() > 0
				})
			}
			for until := time.Now().Add(30 * time.Second); !begun(); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(until) {
					t.Fatal("no temporary is seen")
				}
			}
			p.do(cmd.Process.Signal(syscall.SIGTERM))
			if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != exitSignal {
				t.Errorf("%v", err)
			}
			kept, err := os.ReadFile(p.path(c.kept))
			if err != nil || len(kept) == 0 || !strings.HasPrefix(content, string(kept)) {
				t.Fatalf("%v, %d bytes are kept", err, len(kept))
			}
			p.do(conformRun(dir, "-a", option, "from/", "to/"))
			if got, err := os.ReadFile(p.path("to/f3")); err != nil || string(got) != content {
				t.Errorf("%v, %d bytes", err, len(got))
			}
			if left, err := filepath.Glob(p.path("to/.[!.]*")); err != nil || len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

// TestConformanceHighFD starts with more than 1024 open files.
func TestConformanceHighFD(t *testing.T) {
	t.Parallel()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 1400 {
		need.Missing(t, "files", "fewer than 1400 files may be open")
	}
	dir := t.TempDir()
	p := &place{t: t, dir: dir}
	p.file("from/a", "a", 1_000_000_000)
	null, err := os.Open(os.DevNull)
	p.do(err)
	defer null.Close()
	cmd := conformBinary("-a", "from/", "to/")
	cmd.Dir = dir
	for range 1200 {
		cmd.ExtraFiles = append(cmd.ExtraFiles, null)
	}
	p.do(cmd.Run())
	if _, err := os.Stat(p.path("to/a")); err != nil {
		t.Error(err)
	}
}

// TestFuzzyBasis: --debug=fuzzy names the file that another is made from, as rsync does.
func TestFuzzyBasis(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"": "", "-v": "", "-vv": "", "--debug=fuzzy0": "",
		"--debug=fuzzy": "fuzzy basis selected for d/new.tar: d/old.tar\n", "-vvv": "fuzzy basis selected for d/new.tar: d/old.tar\n",
	} {
		dir := t.TempDir()
		p := &place{t: t, dir: dir}
		content := strings.Repeat("0123456789abcdef", 20_000)
		p.file("src/d/new.tar", content, 1_000_000_000)
		p.file("dst/d/old.tar", content, 1_000_000_000)
		cmd := conformBinary(slices.Concat([]string{"-a", "--no-W", "--fuzzy"}, strings.Fields(args), []string{"src/", "dst/"})...)
		cmd.Dir = dir
		out, err := cmd.Output()
		p.do(err)
		got := ""
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "fuzzy") {
				got += line
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}
