package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/transport/sshconn"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

func TestRoutes(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"-a a b":                "copy [a] b",
		"-a a/ b c/":            "copy [a/ b] c/",
		"-a a h:b":              "send [a] b",
		"-a h:a b":              "receive [a] b",
		"-a h:a :c h:d b":       "receive [a c d] b",
		"-a ./x:y b":            "copy [./x:y] b",
		"-a --rsh=ssh a u@h:":   "send [a] ",
		"-a --port 2222 a u@h:": "send [a] ",
	} {
		var f fakeRun
		if status := f.exec(t.Context(), strings.Fields(line)...); status != 0 {
			t.Errorf("%s: status %d, %s", line, status, &f.err)
			continue
		}
		if got := fmt.Sprintf("%s %v %s", f.way, f.job.Sources, f.job.Dest); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestWrongOperands(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                           "no source and no destination; gosync --help explains (exit 1)",
		"-a --direct a g:b":          "--direct is for copies from one host to another, and one side is here; gosync --help explains (exit 1)",
		"-a h:a g:b c":               "sources are on two hosts, h:a and g:b; run gosync once for each (exit 4)",
		"-a h:a b c":                 "sources are all here or all on one host: h:a and b are not; gosync --help explains (exit 1)",
		"-a h::m b":                  "h::m asks for an rsync daemon, which gosync does not speak to; use HOST:PATH, over SSH (exit 4)",
		"-a a rsync://h/m":           "rsync://h/m asks for an rsync daemon, which gosync does not speak to; use HOST:PATH, over SSH (exit 4)",
		"-p 2222 a h:b":              "2222 would be a source, and there is no such file: -p keeps permissions; for the port use --port=2222; gosync --help explains (exit 1)",
		"-a :a b":                    ":a has no host; gosync --help explains (exit 1)",
		"-a --files-from=- a b c":    "--files-from takes one source, not 2; gosync --help explains (exit 1)",
		"-a --files-from=/x/y a b":   "--files-from: open /x/y: no such file or directory; gosync --help explains (exit 1)",
		"-a --exclude-from=/x/y a b": "reading rules: open /x/y: no such file or directory (exit 11)",
		"--server a":                 "--server takes no operands; gosync --help explains (exit 1)",
	} {
		var f fakeRun
		f.exec(t.Context(), strings.Fields(line)...)
		if got := f.err.String(); got != "gosync: "+want+"\n" {
			t.Errorf("%s: %swant gosync: %s", line, got, want)
		}
		if f.way != "" {
			t.Errorf("%s: the engine was called", line)
		}
	}
	var f fakeRun
	if status := f.exec(t.Context(), "-a", "", "b"); status != exitUsage {
		t.Errorf("an empty operand: status %d", status)
	}
}

func TestRemoteCommand(t *testing.T) {
	t.Parallel()
	tests := []struct {
		args    string
		environ map[string]string
		command string
		rsh     string
	}{
		{"-a a h:b", nil, "gosync --server", ""},
		{"-a --rsync-path=/opt/gosync a h:b", nil, "/opt/gosync --server", ""},
		{"-a --gosync-path=sudo_gosync h:a b", nil, "sudo_gosync --server", ""},
		{"-a -e rsh a h:b", map[string]string{"RSYNC_RSH": "x"}, "gosync --server", "rsh"},
		{"-a a h:b", map[string]string{"RSYNC_RSH": "x"}, "gosync --server", "x"},
		{"-a a h:b", map[string]string{"RSYNC_RSH": "x", "GOSYNC_RSH": "y"}, "gosync --server", "y"},
	}
	for _, tt := range tests {
		f := fakeRun{environ: tt.environ}
		f.exec(t.Context(), strings.Fields(tt.args)...)
		if command, rsh := strings.Join(f.how.RemoteCommand, " "), strings.Join(f.how.Rsh, " "); command != tt.command || rsh != tt.rsh {
			t.Errorf("%s: command %q by %q, want %q by %q", tt.args, command, rsh, tt.command, tt.rsh)
		}
	}
}

func TestWholeFileIsTheLocalDefault(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"-a a b": true, "-a a h:b": false, "-a h:a b": false, "-a --no-W a b": false, "-aW a h:b": true,
	} {
		var f fakeRun
		f.exec(t.Context(), strings.Fields(line)...)
		if f.job.WholeFile != want {
			t.Errorf("%s: whole files %v", line, f.job.WholeFile)
		}
	}
}

func TestFilesFrom(t *testing.T) {
	t.Parallel()
	tests := []struct {
		stdin string
		args  []string
		want  []string
	}{
		{"a\nb/c\r\n\n#no\n;no\n d \n", nil, []string{"a", "b/c", " d "}},
		{"a\nb\x00#no\x00\x00c", []string{"-0"}, []string{"a\nb", "c"}},
		{"", nil, []string{}},
	}
	for _, tt := range tests {
		f := fakeRun{stdin: tt.stdin}
		if status := f.exec(t.Context(), append(tt.args, "-a", "--files-from=-", "s", "d")...); status != 0 {
			t.Fatalf("status %d: %s", status, &f.err)
		}
		if !reflect.DeepEqual(f.job.Files, tt.want) {
			t.Errorf("%q gives %q, want %q", tt.stdin, f.job.Files, tt.want)
		}
	}
	f := fakeRun{stdin: "x\n"}
	if status := f.exec(t.Context(), "-a", "--files-from=-", "--exclude-from=-", "s", "d"); status == 0 {
		t.Error("standard input was read twice")
	}
}

// events is a run with something of everything.
func events() []engine.Event {
	file := manifest.Entry{Type: manifest.Regular}
	dir := manifest.Entry{Type: manifest.Directory}
	link := manifest.Entry{Type: manifest.Symlink, Ext: &manifest.Ext{Link: "x"}}
	created := manifest.ChangeNew | manifest.ChangeTransfer
	return []engine.Event{
		engine.DeleteEvent{Path: "old", Dir: true},
		engine.DeleteEvent{Path: "old\x1b[2J"},
		engine.ItemEvent{Entry: dir, Change: manifest.ChangeTime},
		engine.ItemEvent{Path: "f", Entry: file, Change: created},
		engine.ItemEvent{Path: "p", Entry: file, Change: manifest.ChangePerms},
		engine.ItemEvent{Path: "s", Entry: file},
		engine.ItemEvent{Path: "l", Entry: link, Change: manifest.ChangeNew | manifest.ChangeLocal},
		engine.ItemEvent{Path: "h", Entry: file, Change: manifest.ChangeNew | manifest.ChangeHardLink | manifest.ChangeLocal, Link: "f"},
		engine.ItemEvent{Path: "d", Entry: dir, Change: manifest.ChangeNew | manifest.ChangeLocal},
		engine.ItemEvent{Path: "e", Entry: dir},
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	sum := "\nsent 0 bytes  received 0 bytes  0.00 bytes/sec\ntotal size is 0  speedup is 0.00"
	head := "sending incremental file list\n"
	whole := "delta-transmission disabled for local transfer or --whole-file\n"
	dels := "deleting old/\ndeleting old\\#033[2J\n"
	items := "*deleting   old/\n*deleting   old\\#033[2J\n.d..t...... ./\n>f+++++++++ f\n.f...p..... p\n%scL+++++++++ l -> x\nhf+++++++++ h => f\ncd+++++++++ d/\n%s"
	for line, want := range map[string]string{
		"-a":    "",
		"-an":   "",
		"-av":   head + dels + "./\nf\nl -> x\nd/\nh => f\n" + sum + "\n",
		"-avn":  head + dels + "./\nf\nl -> x\nd/\nh => f\n" + sum + " (DRY RUN)\n",
		"-avv":  head + whole + dels + "./\np\ns is uptodate\nf\nl -> x\nd/\nh => f\n" + sum + "\n",
		"-avq":  "",
		"-ai":   fmt.Sprintf(items, "", ""),
		"-aii":  fmt.Sprintf(items, ".f          s\n", ".d          e/\n"),
		"-avi":  head + fmt.Sprintf(items, "", "") + sum + "\n",
		"-avvi": head + whole + fmt.Sprintf(items, ".f          s\n", ".d          e/\n") + sum + "\n",
	} {
		f := fakeRun{events: events()}
		if status := f.exec(t.Context(), line, "a", "b"); status != 0 {
			t.Errorf("%s: status %d, %s", line, status, &f.err)
		}
		if got := f.out.String(); got != want {
			t.Errorf("%s prints\n%s\nwant\n%s", line, got, want)
		}
	}
}

func TestNotesAndSkips(t *testing.T) {
	t.Parallel()
	events := []engine.Event{
		engine.NoteEvent{Text: "created directory d\x1b"},
		engine.NoteEvent{Text: "something else"},
		engine.SkipEvent{Path: "a", Reason: "skipping directory"},
		engine.SkipEvent{Path: "b", Reason: "skipping non-regular file"},
		engine.PlanEvent{},
	}
	const note, skips, created = "gosync: something else\n", "skipping directory a\nskipping non-regular file \"b\"\n", "created directory d\\#033\n"
	for option, want := range map[string][2]string{"-a": {skips, note}, "-ai": {created + skips, note}, "-aq": {"", ""}} {
		f := fakeRun{events: events}
		f.exec(t.Context(), option, "a", "b")
		if f.out.String() != want[0] || f.err.String() != want[1] {
			t.Errorf("%s: %q, %q, want %q", option, &f.out, &f.err, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"-av a h:b": "sending incremental file list", "-av h:a b": "receiving incremental file list",
		"-v a b": "", "-dv a b": "building file list ... done", "-dv h:a b": "receiving file list ... done",
	} {
		var f fakeRun
		f.exec(t.Context(), strings.Fields(line)...)
		if got, _, _ := strings.Cut(f.out.String(), "\n"); got != want {
			t.Errorf("%s begins with %q, want %q", line, got, want)
		}
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	f := fakeRun{sum: engine.Summary{
		Files: 1007, Regular: 1003, Dirs: 2, Links: 1, Specials: 1, Created: 3, CreatedRegular: 3, Transferred: 2, TotalSize: 1_234_567,
		TransferredSize: 7000, Literal: 6000, Matched: 1000, BytesSent: 2730, BytesReceived: 105,
	}}
	if status := f.exec(t.Context(), "-a", "--stats", "a", "b"); status != 0 {
		t.Fatal(status)
	}
	want := `
Number of files: 1,007 (reg: 1,003, dir: 2, link: 1, special: 1)
Number of created files: 3 (reg: 3)
Number of deleted files: 0
Number of regular files transferred: 2
Total file size: 1,234,567 bytes
Total transferred file size: 7,000 bytes
Literal data: 6,000 bytes
Matched data: 1,000 bytes
File list size: 0
File list generation time: 0.000 seconds
File list transfer time: 0.000 seconds
Total bytes sent: 2,730
Total bytes received: 105

sent 2,730 bytes  received 105 bytes  0.00 bytes/sec
total size is 1,234,567  speedup is 435.47
`
	if got := f.out.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestErrorsAreRepeatedWithAdvice(t *testing.T) {
	t.Parallel()
	denied := func(name string) engine.Event {
		return engine.ErrorEvent{Err: &engine.FileError{Op: "open", Path: name, Err: fs.ErrPermission}}
	}
	f := fakeRun{
		events: []engine.Event{
			denied("a"), engine.ErrorEvent{Err: &engine.FileError{Op: "write", Path: "x\n", Err: syscall.ENOSPC}}, denied("b"),
		},
		failure: engine.ErrPartial,
	}
	if status := f.exec(t.Context(), "-a", "a", "b"); status != exitPartial {
		t.Errorf("status %d", status)
	}
	want := `gosync: open a: permission denied
gosync: write x\#012: no space left on device
gosync: open b: permission denied
gosync: 3 errors in this run:
  open a: permission denied
  open b: permission denied
    => give this user access, or run as root (--gosync-path='sudo gosync' for the far side)
  write x\#012: no space left on device
    => make room at the destination and run the same command again
gosync: some files could not be transferred (exit 23)
`
	if got := f.err.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestManyErrors(t *testing.T) {
	t.Parallel()
	f := fakeRun{failure: engine.ErrPartial}
	for range 1000 {
		f.events = append(f.events, engine.ErrorEvent{Err: &engine.FileError{Op: "read", Path: "p", Err: syscall.EIO}})
	}
	f.exec(t.Context(), "-a", "a", "b")
	if got := f.err.String(); strings.Count(got, "\n") != 1000+1+problemsKept+3 || !strings.Contains(got, "... and 980 more of this kind, printed above") {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}

// timeout is a network error that says it is one.
type timeout struct{}

func (timeout) Error() string   { return "i/o timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestExitStatus(t *testing.T) {
	t.Parallel()
	ssh := func(kind, cause error) error { return &sshconn.Error{Kind: kind, Host: "h", Err: cause} }
	other := errors.New("other")
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{usageErrorf("x"), 1},
		{wire.ErrVersion, 2},
		{engine.ErrSelect, 3},
		{ssh(sshconn.ErrConfig, other), 3},
		{fmt.Errorf("write: %w", syscall.ENOSPC), 11},
		{wire.ErrProtocol, 12},
		{wire.ErrClosed, 12},
		{errInterrupted, 20},
		{context.Canceled, 20},
		{engine.ErrPartial, 23},
		{engine.ErrVanished, 24},
		{engine.ErrDeleteGuard, 25},
		{engine.ErrDeleteLimit, 25},
		{wire.ErrTimeout, 30},
		{ssh(sshconn.ErrConnect, timeout{}), 35},
		{ssh(sshconn.ErrConnect, other), 40},
		{ssh(sshconn.ErrHostKey, other), 41},
		{ssh(sshconn.ErrAuth, other), 42},
		{withCode(127, other), 127},
		{fmt.Errorf("far side: %w", &wire.Error{Code: wire.CodeUnsupported, Text: "x"}), 4},
	} {
		if got := exitCode(tt.err, engine.ExitCode); got != tt.want {
			t.Errorf("%v: status %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestConnectErrorIsTheLastLine(t *testing.T) {
	t.Parallel()
	f := fakeRun{refuse: &sshconn.Error{Kind: sshconn.ErrConnect, Host: "h", Err: errors.New("refused\x1b")}}
	if status := f.exec(t.Context(), "-av", "a", "h:b"); status != exitConnect {
		t.Errorf("status %d", status)
	}
	if got, want := f.err.String(), "gosync: ssh connection failed: h: refused\\#033 (exit 40)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if f.out.Len() > 0 || f.way != "" {
		t.Errorf("went on: %q %s", &f.out, f.way)
	}
}

func TestFarSideThatDoesNotStart(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{127: 127, 126: 126, 255: exitConnect, 1: exitProtocol, -1: exitProtocol} {
		f := fakeRun{failure: wire.ErrVersion, end: &transport.ExitError{Status: status, Err: errors.New("ended")}}
		if got := f.exec(t.Context(), "-a", "a", "h:b"); got != want {
			t.Errorf("status %d of the far side gives %d, want %d: %s", status, got, want, &f.err)
		}
	}
	f := fakeRun{failure: engine.ErrPartial, end: &transport.ExitError{Status: 127, Err: errors.New("ended")}}
	if got := f.exec(t.Context(), "-a", "a", "h:b"); got != exitPartial {
		t.Errorf("an error of the run gives %d", got)
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("%w (terminated)", errInterrupted))
	f := fakeRun{failure: context.Canceled}
	if status := f.exec(ctx, "-a", "a", "b"); status != exitSignal {
		t.Errorf("status %d", status)
	}
	if got, want := f.err.String(), "gosync: to go on: gosync -a a b\ngosync: interrupted (terminated); run the same command again to go on (exit 20)\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := fakeRun{events: events(), outFails: syscall.EPIPE}
	if status := f.exec(t.Context(), "-av", "a", "b"); status != exitOutput {
		t.Errorf("status %d: %s", status, &f.err)
	}
	if status := f.exec(t.Context(), "--help"); status != exitOutput {
		t.Errorf("--help: status %d", status)
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{"-h": "Usage: gosync", "--help": "Exit status", "-V": "gosync ", "--version": "gosync "} {
		var f fakeRun
		if status := f.exec(t.Context(), line); status != 0 || !strings.Contains(f.out.String(), want) || f.err.Len() > 0 {
			t.Errorf("%s: status %d, %s%s", line, status, &f.out, &f.err)
		}
	}
	var f fakeRun
	if f.exec(t.Context(), "-ah", "a", "b"); f.way != "copy" {
		t.Error("-h among other options is taken for help")
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	f := fakeRun{failure: wire.ErrVersion}
	if status := f.exec(t.Context(), "--server"); f.way != "serve" || status != 2 || f.out.Len() > 0 {
		t.Errorf("%s: status %d, %q", f.way, status, &f.out)
	}
}

func TestFilterFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"patterns": "*.o\n# no\n+ keep\n", "rules": "- *.o\n+ keep\n"} {
		if err := os.WriteFile(dir+"/"+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var f fakeRun
	if status := f.exec(t.Context(), "-a", "--exclude-from="+dir+"/patterns", "-f", ". "+dir+"/rules", "a", "b"); status != 0 {
		t.Errorf("status %d, %s", status, &f.err)
	}
	f = fakeRun{stdin: "*.o\n"}
	if status := f.exec(t.Context(), "-a", "--exclude-from=-", "a", "b"); status != 0 || f.job.Filter.Empty() {
		t.Errorf("status %d, %s", status, &f.err)
	}
	if status := f.exec(t.Context(), "-a", "-f", "nonsense x", "a", "b"); status != exitUsage {
		t.Errorf("a rule that is none: status %d, %s", status, &f.err)
	}
}
