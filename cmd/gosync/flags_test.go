package main

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"gosync/internal/engine"
)

// parsed parses a command line whose words are separated by spaces.
func parsed(t *testing.T, line string) (*settings, []string) {
	t.Helper()
	s, args, err := parseArgs(strings.Fields(line), false)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return s, args
}

func TestArchiveAndNegations(t *testing.T) {
	t.Parallel()
	letters := func(s *settings) string {
		if err := s.finish(true); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, f := range []struct {
			letter byte
			on     bool
		}{
			{'r', s.Recursive},
			{'l', s.Links},
			{'p', s.Perms},
			{'t', s.Times},
			{'g', s.Group},
			{'o', s.Owner},
			{'d', s.Devices},
			{'s', s.Specials},
		} {
			if f.on {
				b.WriteByte(f.letter)
			}
		}
		return b.String()
	}
	for line, want := range map[string]string{
		"-a":                          "rlptgods",
		"--archive":                   "rlptgods",
		"-rlptgoD":                    "rlptgods",
		"-a --no-o":                   "rlptgds",
		"-a --no-owner --no-g":        "rlptds",
		"--no-o -a":                   "rlptgods",
		"-a --no-r":                   "lptgods",
		"--no-r -a":                   "rlptgods",
		"-a --no-D":                   "rlptgo",
		"-a --no-D --devices":         "rlptgod",
		"-a --no-specials":            "rlptgod",
		"-a --no-l --links":           "rlptgods",
		"-rt":                         "rt",
		"-a --files-from=x":           "lptgods",
		"-a -r --files-from=x":        "rlptgods",
		"-r -a --files-from x":        "rlptgods",
		"-a --no-times --no-perms":    "rlgods",
		"-a --no-p --no-t --no-links": "rgods",
	} {
		s, _ := parsed(t, line)
		if got := letters(s); got != want {
			t.Errorf("%s keeps %q, want %q", line, got, want)
		}
	}
}

func TestOptionsReachTheEngine(t *testing.T) {
	t.Parallel()
	tests := map[string]func(o *engine.Options){
		"":                func(o *engine.Options) { o.WholeFile = true },
		"-n":              func(o *engine.Options) { o.WholeFile, o.DryRun = true, true },
		"--no-whole-file": func(*engine.Options) {},
		"-W --no-W":       func(*engine.Options) {},
		"--no-W -W":       func(o *engine.Options) { o.WholeFile = true },
		"--no-W -cuIzS": func(o *engine.Options) {
			o.Checksum, o.Update, o.IgnoreTimes, o.Compress, o.Sparse = true, true, true, true, true
		},
		"--no-W -z --no-z":                        func(o *engine.Options) { o.NoCompress = true },
		"--no-W --size-only -H":                   func(o *engine.Options) { o.SizeOnly, o.HardLinks = true, true },
		"--no-W --inplace":                        func(o *engine.Options) { o.InPlace = true },
		"--no-W --partial":                        func(o *engine.Options) { o.Partial = true },
		"--no-W -P":                               func(o *engine.Options) { o.Partial = true },
		"--no-W -P --no-partial":                  func(o *engine.Options) { o.NoPartial = true },
		"--no-W --no-partial -P":                  func(o *engine.Options) { o.Partial = true },
		"--no-W --partial-dir=/abs":               func(o *engine.Options) { o.Partial, o.PartialDir = true, "/abs" },
		"--no-W --partial-dir=x --no-partial":     func(o *engine.Options) { o.NoPartial = true },
		"--no-W --partial-dir=x --no-partial-dir": func(o *engine.Options) { o.Partial = true },
		"--append":                                func(o *engine.Options) { o.Append = true },
		"--append --append-verify":                func(o *engine.Options) { o.AppendVerify = true },
		"--no-W --append --no-append":             func(*engine.Options) {},
		"--no-W --clean":                          func(o *engine.Options) { o.Clean = true },
		"--no-W --numeric-ids -R":                 func(o *engine.Options) { o.NumericIDs, o.Relative = true, true },
		"--no-W -d":                               func(o *engine.Options) { o.Dirs = true },
		"--no-W --fsync":                          func(o *engine.Options) { o.Durability = engine.SyncEach },
		"--no-W --fsync=none":                     func(o *engine.Options) { o.Durability = engine.SyncNone },
		"--no-W --fsync --fsync=run":              func(*engine.Options) {},
		"--no-W --bwlimit=10":                     func(o *engine.Options) { o.BandwidthLimit = 10 << 10 },
		"--no-W --bwlimit 1 --no-bwlim":           nil,
		"--no-W --bwlimit 1 --no-bwlimit": func(*engine.Options) {
		},
		"--no-W --timeout=7":             func(o *engine.Options) { o.Timeout = 7 * time.Second },
		"--no-W --timeout=7 --timeout=0": func(o *engine.Options) { o.Timeout = 0 },
		"--no-W --no-timeout":            func(o *engine.Options) { o.Timeout = 0 },
		"--no-W -i":                      func(o *engine.Options) { o.Itemize = true },
		"--no-W -v":                      func(o *engine.Options) { o.Itemize = true },
		"--no-W -ii":                     func(o *engine.Options) { o.Itemize, o.ItemizeAll = true, true },
		"--no-W -iv -i":                  func(o *engine.Options) { o.Itemize, o.ItemizeAll = true, true },
		"--no-W -vvq":                    func(*engine.Options) {},
		"--no-W -v --no-v":               func(*engine.Options) {},
		"--no-W -r --delete":             func(o *engine.Options) { o.Recursive, o.Delete = true, true },
		"--no-W --files-from=x":          func(o *engine.Options) { o.Relative, o.Dirs = true, true },
		"--no-W --files-from=x --no-R --no-d": func(*engine.Options) {
		},
		"--no-W -r --delete --max-delete=5 --force-delete --delete-empty-source": func(o *engine.Options) {
			o.Recursive, o.Delete, o.MaxDelete, o.ForceDelete, o.DeleteEmptySource = true, true, 5, true, true
		},
	}
	for line, change := range tests {
		if change == nil {
			if _, _, err := parseArgs(strings.Fields(line), false); err == nil {
				t.Errorf("%s is accepted", line)
			}
			continue
		}
		s, _ := parsed(t, line)
		if err := s.finish(true); err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		want := engine.Options{MaxDelete: -1, Timeout: defaultTimeout}
		change(&want)
		if !reflect.DeepEqual(s.Options, want) {
			t.Errorf("%s gives\n%+v, want\n%+v", line, s.Options, want)
		}
	}
}

func TestOperands(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args  []string
		posix bool
		want  []string
	}{
		{[]string{"a", "-v", "b"}, false, []string{"a", "b"}},
		{[]string{"-v", "a", "-r"}, true, []string{"a", "-r"}},
		{[]string{"-v", "--", "-a", "--b"}, false, []string{"-a", "--b"}},
		{[]string{"-f", "- x", "a", "-", "b"}, false, []string{"a", "-", "b"}},
		{[]string{"-ae", "ssh -p 2", "a", "b"}, false, []string{"a", "b"}},
		{[]string{"-essh", "a", "--rsync-path=x", "b", "--port", "22"}, false, []string{"a", "b"}},
	}
	for _, tt := range tests {
		_, args, err := parseArgs(tt.args, tt.posix)
		if err != nil || !reflect.DeepEqual(args, tt.want) {
			t.Errorf("%q: %q, %v, want %q", tt.args, args, err, tt.want)
		}
	}
}

func TestRulesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s, _, err := parseArgs([]string{"--include=*.go", "-f", "- a", "--exclude", "*", "--exclude-from=f", "--filter=. m", "--include-from", "-"}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := []rule{
		{kind: ruleInclude, text: "*.go"}, {kind: ruleFilter, text: "- a"}, {kind: ruleExclude, text: "*"}, {kind: ruleExcludeFrom, text: "f"}, {kind: ruleFilter, text: ". m"}, {kind: ruleIncludeFrom, text: "-"},
	}
	if !reflect.DeepEqual(s.rules, want) {
		t.Errorf("rules %v, want %v", s.rules, want)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"--exlude=x":               "unknown option --exlude; did you mean --exclude?",
		"--arcive":                 "unknown option --arcive; did you mean --archive?",
		"--no-time":                "unknown option --no-time; did you mean --no-times?",
		"--zzzzzz":                 "unknown option --zzzzzz",
		"--serve":                  "unknown option --serve",
		"-aQ":                      "unknown option -Q",
		"-Q":                       "unknown option -Q",
		"--archive=1":              "--archive: takes no value",
		"--no-owner=yes":           "--no-owner: takes no value",
		"-D=x":                     "-D: takes no value",
		"--no-archive":             "unknown option --no-archive",
		"--rsh":                    "--rsh needs a value",
		"-e":                       "-e needs a value",
		"-ae":                      "-e needs a value",
		"--rsh=":                   "--rsh: the value is empty",
		"---x":                     "---x is not an option",
		"--bwlimit=1x":             `--bwlimit: "1x" is not a size such as 500, 1.5m or 2MB`,
		"--bwlimit=100b":           `--bwlimit: "100b" is too slow: the least is 512 bytes per second`,
		"--retries=-1":             `--retries: "-1" is not a number of attempts`,
		"--retries=x":              `--retries: "x" is not a number of attempts`,
		"--contimeout=1.5":         `--contimeout: "1.5" is not a number of seconds`,
		"--partial-dir=./":         `--partial-dir: "./" is no directory of its own, such as .partial or an absolute path`,
		"--partial-dir=a/../..":    `--partial-dir: "a/../.." is no directory of its own, such as .partial or an absolute path`,
		"--partial-dir=/":          `--partial-dir: "/" is no directory of its own, such as .partial or an absolute path`,
		"--partial-dir=p --append": "--partial-dir does not go with --inplace and --append, which write the file itself",
		"--append-verify -W":       "--append does not go with --whole-file",
		"-r --clean --delete":      "--clean copies nothing and deletes nothing else; use it alone",
		"--timeout=-1":             `--timeout: "-1" is not a number of seconds`,
		"--max-delete=x":           `--max-delete: "x" is not a number`,
		"--port=0":                 `--port: "0" is not a port`,
		"--port=65536":             `--port: "65536" is not a port`,
		"--fsync=maybe":            `--fsync: "maybe" is none of run, each, none`,
		"--delete":                 "--delete does not work without --recursive (-r) or --dirs (-d)",
		"-a --no-r --delete":       "--delete does not work without --recursive (-r) or --dirs (-d)",
		"-a --force-delete":        "--force-delete means something only with --delete",
		"-a --delete-empty-source": "--delete-empty-source means something only with --delete",
	} {
		s, _, err := parseArgs(strings.Fields(line), false)
		if err == nil {
			err = s.finish(true)
		}
		var usage *usageError
		if !errors.As(err, &usage) || usage.text != want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

// TestRsyncAlone: what rsync has and gosync has not is refused by name, with 4.
func TestRsyncAlone(t *testing.T) {
	t.Parallel()
	const options = `--protocol=31 --old-compress --new-compress --qsort --write-batch=x --only-write-batch=x --read-batch=x --daemon --dparam=x
 --no-detach --address=x --sockopts=x --password-file=x --early-input=x --no-motd --crtimes -N -aN --copy-devices --write-devices --no-write-devices
 --copy-as=x --confine-root=x`
	for _, option := range strings.Fields(options) {
		_, _, err := parseArgs([]string{option, "src/", "dst/"}, false)
		name, _, _ := strings.Cut(option, "=")
		name = "-" + strings.TrimPrefix(name[1:], "a")
		var coded *codeError
		if !errors.As(err, &coded) || coded.code != exitUnsupported || !strings.Contains(err.Error(), "rsync's option "+name) {
			t.Errorf("%s: %v", option, err)
		}
	}
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "1": 1024, "100": 100 << 10, "1.5": 2048, "1.5m": 3 << 19, "2M": 2 << 20, "2MiB": 2 << 20, "2MB": 1_999_872,
		"1g": 1 << 30, "512b": 1024, "1k+1": 1024, "1K-1": 1024, "1t": 1 << 40,
	} {
		if got, err := parseRate(text); err != nil || got != want {
			t.Errorf("parseRate(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "1x", "-1", "1.2.3", "1kk", "1k+2", ".", "1e3", "99999999p", "NaN", "511b", "1 k", "0x1"} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("parseRate(%q) = %d, want an error", text, got)
		}
	}
}

// FuzzParseSize checks that sizes from the command line never panic and stay in range.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "1.5m", "2MB", "1k-1", "9999999999999p", "1ib", "b", ".5g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseSize(s, 'k'); err == nil && n < 0 {
			t.Fatalf("parseSize(%q) = %d", s, n)
		}
	})
}

func TestTableIsConsistent(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, f := range flagTable() {
		if f.doc == "" || f.set == nil || f.category == "" || f.name == "" && f.short == "" {
			t.Errorf("row %+v is not complete", f)
		}
		for _, n := range append(append([]string{f.name, "-" + f.short}, f.alias...), f.negations()...) {
			if n != "" && n != "-" && names[n] {
				t.Errorf("%s stands twice in the table", n)
			}
			names[n] = true
		}
		if rsyncAlone(f.name)+rsyncAlone(f.short) != "" {
			t.Errorf("%s is listed as not supported", f.name)
		}
		if long, short := longHelp(), shortHelp(); !f.hidden && (!strings.Contains(long, f.usage()) || strings.Contains(short, f.usage()) == f.rare) {
			t.Errorf("%s is not in the help", f.usage())
		}
	}
	for line := range strings.Lines(shortHelp() + longHelp()) {
		if len(line) > 92 {
			t.Errorf("line of the help is too long: %s", line)
		}
	}
}

// TestSSHOptions has the options about SSH arrive at the connection.
func TestSSHOptions(t *testing.T) {
	t.Parallel()
	f := &fakeRun{environ: map[string]string{"GOSYNC_RSH": "from-env"}}
	args := []string{"--ssh=native", "--identity", "k1", "--identity=k2", "--ssh-option=A=b", "--ssh-option", "C d", "--ssh-config=none", "src", "h:dst"}
	if code := f.exec(t.Context(), args...); code != exitOK {
		t.Fatalf("%d: %s", code, &f.err)
	}
	h := &f.how
	if h.SSH != "native" || strings.Join(h.Identity, ",") != "k1,k2" || strings.Join(h.SSHOptions, ",") != "A=b,C d" || h.SSHConfig != "none" || len(h.Rsh) != 0 || h.Unlocked == nil {
		t.Errorf("%+v", h)
	}
	f = &fakeRun{environ: map[string]string{"GOSYNC_RSH": "from-env"}}
	if code := f.exec(t.Context(), "--ssh=auto", "src", "h:dst"); code != exitOK || strings.Join(f.how.Rsh, " ") != "from-env" {
		t.Errorf("%d: %+v", code, f.how)
	}
	for _, bad := range [][]string{{"--ssh=x"}, {"--ssh=command", "-e", "ssh -4"}, {"--identity="}, {"--ssh-option="}} {
		f = &fakeRun{}
		if code := f.exec(t.Context(), append(bad, "src", "h:dst")...); code != exitUsage {
			t.Errorf("%q: %d", bad, code)
		}
	}
}
