package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gosync/transport"
)

// TestCpOptions: scp's options become settings, in every way that getopt takes them.
func TestCpOptions(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]func(c *cpLine){
		"":         func(*cpLine) {},
		"-r":       func(c *cpLine) { c.recursive, c.s.recursive = true, yes },
		"-rp":      func(c *cpLine) { c.recursive, c.s.recursive, c.s.Perms, c.s.Times = true, yes, true, true },
		"-C -q":    func(c *cpLine) { c.s.Compress, c.s.quiet = true, true },
		"-v":       func(c *cpLine) { c.s.verbose = 2 },
		"-vvv":     func(c *cpLine) { c.s.verbose = 4 },
		"-P 2222":  func(c *cpLine) { c.s.port = 2222 },
		"-P2222":   func(c *cpLine) { c.s.port = 2222 },
		"-qP2222":  func(c *cpLine) { c.s.quiet, c.s.port = true, 2222 },
		"-i a -ib": func(c *cpLine) { c.s.identities = []string{"a", "b"} },
		"-l 8":     func(c *cpLine) { c.s.BandwidthLimit = 1024 },
		"-F none":  func(c *cpLine) { c.s.sshConfig = "none" },
		"-o Port=1 -oA\tb -o C|=|d": func(c *cpLine) {
			c.s.sshOptions = []string{"Port=1", "A=b", "C=d"}
		},
		"-J u@h:1,g -c aes -4 -B": func(c *cpLine) {
			c.s.sshOptions = []string{"ProxyJump=u@h:1,g", "Ciphers=aes", "AddressFamily=inet", "BatchMode=yes"}
		},
		"-6":             func(c *cpLine) { c.s.sshOptions = []string{"AddressFamily=inet6"} },
		"-O":             func(c *cpLine) { c.s.via = "scp" },
		"-Os":            func(c *cpLine) { c.s.via = "sftp" },
		"-R":             func(c *cpLine) { c.s.direct = true },
		"-R3":            func(c *cpLine) {},
		"-d":             func(c *cpLine) { c.intoDir = true },
		"-T -2":          func(*cpLine) {},
		"-S my|ssh":      func(c *cpLine) { c.s.rsh = `"my ssh"` },
		"-A":             func(c *cpLine) { c.notes = []string{"-A is ignored: no command on the far side needs the agent"} },
		"-X buffer=1024": func(c *cpLine) { c.notes = []string{"-X buffer=1024 is ignored: gosync chooses that itself"} },
	} {
		var words []string
		for w := range strings.SplitSeq(args, " ") {
			if w != "" {
				words = append(words, strings.ReplaceAll(w, "|", " "))
			}
		}
		for _, end := range [][]string{{"a", "-r"}, {"--", "-r", "b"}, {"-", "x"}} {
			c, operands, err := parseCp(append(append([]string{}, words...), end...))
			if err != nil {
				t.Errorf("%s: %v", args, err)
				continue
			}
			if end[0] == "--" {
				end = end[1:]
			}
			if !reflect.DeepEqual(operands, end) {
				t.Errorf("%s: operands %q, want %q", args, operands, end)
			}
			plain, _, _ := parseCp(nil)
			want(plain)
			if !reflect.DeepEqual(c, plain) {
				t.Errorf("%s: %+v\n%+v, want %+v", args, c, c.s, plain.s)
			}
		}
	}
}

// TestCpRefuses: what cannot be honoured is named.
func TestCpRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		args   string
		status int
		says   string
	}{
		{"-Z a b", exitUsage, "-Z"},
		{"-rZ a b", exitUsage, "-Z"},
		{"--port a b", exitUsage, "unknown option --"},
		{"-P 0 a b", exitUsage, "-P"},
		{"-P", exitUsage, "-P needs a value"},
		{"-l x a b", exitUsage, "-l"},
		{"-l 0 a b", exitUsage, "-l"},
		{"-l 104857601 a b", exitUsage, "-l"},
		{"-o x a b", exitUsage, "-o"},
		{"-o =x a b", exitUsage, "-o"},
		{"-o x= a b", exitUsage, "-o"},
		{"-X x=1 a b", exitUsage, "-X"},
		{"-X buffer=0 a b", exitUsage, "-X"},
		{"-1 a b", exitUnsupported, "-1"},
		{"-D /x a b", exitUnsupported, "-D"},
		{"-t .", exitUnsupported, "-t"},
		{"-f .", exitUnsupported, "-f"},
		{"", exitUsage, "source"},
		{"a", exitUsage, "source"},
		{"a -oX:y", exitUsage, "-oX"},
		{"a b " + dir + "/none", exitSelect, "directory"},
		{"a b " + dir + "/f", exitSelect, "directory"},
		{"-d a " + dir + "/f", exitSelect, "directory"},
		{"h:a h2:b " + dir + "/f", exitSelect, "directory"},
		{"rsync://h/a b", exitUsage, "rsync"},
	} {
		f := &fakeRun{}
		if got := f.exec(t.Context(), append([]string{"cp"}, strings.Fields(x.args)...)...); got != x.status || !strings.Contains(f.err.String(), x.says) {
			t.Errorf("%s: exit %d, want %d with %q: %s", x.args, got, x.status, x.says, &f.err)
		}
		if f.way != "" {
			t.Errorf("%s: %s was called", x.args, f.way)
		}
	}
}

// TestCpJobs: what the engine is asked for, and where.
func TestCpJobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, x := range []struct {
		args    string
		way     string
		host    string
		port    int // of the options
		sources []string
		dest    string
		into    bool
		links   bool // symlinks are copied as such
	}{
		{args: "a h:b", way: "send", host: "h", sources: []string{"a"}, dest: "b"},
		{args: "-P 3 a h:", way: "send", host: "h", port: 3, sources: []string{"a"}},
		{args: "-P 3 a scp://h:4//b", way: "send", host: "h", sources: []string{"a"}, dest: "/b"},
		{args: "-P 3 scp://u@h/x%20y b", way: "receive", host: "h", port: 3, sources: []string{"x y"}, dest: "b"},
		{args: "a b h:c", way: "send", host: "h", sources: []string{"a", "b"}, dest: "c", into: true},
		{args: "-d a h:c", way: "send", host: "h", sources: []string{"a"}, dest: "c", into: true},
		{args: "h:~/a u@[::1]:b " + dir, way: "receive", host: "::1", sources: []string{"b"}, dest: dir, into: true},
		{args: "h:a h:b " + dir, way: "receive", host: "h", sources: []string{"a", "b"}, dest: dir, into: true},
		{args: ":x ./a:b h::c", way: "send", host: "h", sources: []string{"./:x", "./a:b"}, dest: "./:c", into: true},
		{args: "-r a b", way: "copy", sources: []string{"a"}, dest: "b", links: true},
		{args: "a b", way: "copy", sources: []string{"a"}, dest: "b"},
		{args: "-r h:a b", way: "receive", host: "h", sources: []string{"a"}, dest: "b"},
	} {
		f := &fakeRun{}
		if got := f.exec(t.Context(), append([]string{"cp"}, strings.Fields(x.args)...)...); got != 0 {
			t.Errorf("%s: exit %d: %s", x.args, got, &f.err)
			continue
		}
		j := &f.job
		if f.way != x.way || f.to.Host != x.host || f.how.Port != x.port || j.IntoDir != x.into {
			t.Errorf("%s: %s to %+v, port %d, into %v", x.args, f.way, f.to, f.how.Port, j.IntoDir)
		}
		if j.Dest != x.dest && j.Dest != strings.TrimPrefix(x.dest, "./") || !reflect.DeepEqual(j.Sources, x.sources) && f.way != "receive" {
			t.Errorf("%s: %q to %q", x.args, j.Sources, j.Dest)
		}
		if !j.LikeCp || !j.IgnoreTimes || j.CopyLinks == x.links || j.Links != x.links || j.Recursive != strings.Contains(x.args, "-r") {
			t.Errorf("%s: %+v", x.args, j.Options)
		}
	}
}

// TestCpPorts: -P is for every host whose address has no port.
func TestCpPorts(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-P 3 scp://h:4//b g:c":            "0 ssh://h:4/b ssh://g:3/./c",
		"-P 3 u@g:c scp://h:4//b":          "0 ssh://u@g:3/./c ssh://h:4/b",
		"-P 3 scp://h:4//b scp://g:5//c":   "0 ssh://h:4/b ssh://g:5/c",
		"-P 3 scp://h:4//b c":              "0 ssh://h:4/b c",
		"-P 3 [::1]:~/a [::1]:b ssh://h:4": "0 ssh://[::1]:3/~/a ssh://[::1]:3/./b ssh://h:4/./",
		"-P 3 h:b g:c":                     "3 h:b g:c",
		"scp://h:4//b g:c":                 "0 ssh://h:4/b g:c",
		"-R -P 3 scp://h:4//b g:c":         "0 ssh://h:4/b g:c",
		"-R -P 3 g:c scp://h:4//b":         "0 ssh://g:3/./c ssh://h:4/b",
	} {
		c, operands, err := parseCp(strings.Fields(args))
		if err != nil {
			t.Fatal(err)
		}
		runs, err := c.runs(operands)
		if err != nil || len(runs) != 1 {
			t.Fatalf("%s: %d jobs, %v", args, len(runs), err)
		}
		if got := fmt.Sprint(runs[0].s.port, " ", strings.Join(runs[0].operands, " ")); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}

func TestCpHelp(t *testing.T) {
	t.Parallel()
	f := &fakeRun{}
	if got := f.exec(t.Context(), "cp", "--help"); got != 0 {
		t.Fatalf("exit %d: %s", got, &f.err)
	}
	for _, o := range cpOptions() {
		if o.doc != "" && !strings.Contains(f.out.String(), "\n  -"+string(o.letter)+" ") {
			t.Errorf("-%c is not in the help", o.letter)
		}
	}
	for line := range strings.Lines(f.out.String()) {
		if len(line) > 90 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	seen := map[byte]bool{}
	for _, o := range cpOptions() {
		if seen[o.letter] {
			t.Errorf("-%c is there twice", o.letter)
		}
		seen[o.letter] = true
	}
	for _, letter := range "1234ABCDFJOPRSTXcdfilopqrstv6" { // those of OpenSSH's getopt
		if !seen[byte(letter)] {
			t.Errorf("-%c is missing", letter)
		}
	}
}

// TestCpReconnects: a directory that was begun under the name of the destination is gone on with, and not taken for
// one to go into.
func TestCpReconnects(t *testing.T) {
	t.Parallel()
	for _, pull := range []bool{true, false} {
		for _, there := range []bool{true, false} {
			src, dst := flakyTree(t)
			want := dst
			if there {
				if err := os.Mkdir(dst, 0o755); err != nil {
					t.Fatal(err)
				}
				want = filepath.Join(dst, "src")
			}
			cuts := []int64{9_000, 30_000}
			from, to := "host:"+src, dst
			if !pull {
				cuts = []int64{100, 110}
				from, to = src, "host:"+dst
			}
			f := &flaky{cuts: cuts, broken: io.ErrUnexpectedEOF}
			status, out, errs := f.run(t, "cp", "-r", from, to)
			if status != 0 || f.connects != 3 {
				t.Fatalf("pull %v: status %d after %d connections\n%s%s", pull, status, f.connects, out, errs)
			}
			wantSame(t, src, want)
			if _, err := os.Stat(filepath.Join(dst, "src")); there != (err == nil) {
				t.Errorf("pull %v, there %v: %v", pull, there, err)
			}
		}
	}
}

// FuzzCp: no command line makes the parser fail in another way than with an error, and every target that it hands on
// is one that the main job reads.
func FuzzCp(f *testing.F) {
	f.Add("-rpP22 -i k -- a h:b")
	f.Add("-oA=b -l9 scp://h:1/x :y z")
	f.Fuzz(func(t *testing.T, line string) {
		c, operands, err := parseCp(strings.Split(line, " "))
		if err != nil || c.help {
			return
		}
		c.intoDir = false
		if len(operands) > 2 {
			operands = operands[:2] // more of them look at the destination
		}
		runs, err := c.runs(operands)
		if err != nil {
			return
		}
		for _, r := range runs {
			for _, o := range r.operands {
				if _, err := transport.ParseTarget(o); err != nil {
					t.Fatalf("%q: %q: %v", line, o, err)
				}
			}
		}
	})
}
