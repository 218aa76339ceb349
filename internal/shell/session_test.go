package shell

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fixture is a session on a server in this process whose transfers are noted.
type fixture struct {
	*Session
	there, here string
	out, err    strings.Builder
	transfers   []string
	fails       error // what transfers end with
	asked       []string
	agree       bool
}

func newFixture(t *testing.T, way Way) *fixture {
	t.Helper()
	f := &fixture{there: t.TempDir(), here: t.TempDir()}
	remote := &Remote{Ways: []Way{way}}
	t.Cleanup(func() { _ = remote.Close() })
	var err error
	f.Session, err = Open(t.Context(), Config{
		Remote: remote, Host: "me@box", Dir: f.there, LocalDir: f.here, LocalHome: f.here, Out: &f.out, Err: &f.err, Display: escaped, Version: "v0",
		Shell: func(text string) []string { return []string{"/bin/sh", "-c", text} }, ShellOut: &f.out, ShellErr: &f.err, Flush: func() error { return nil },
		Transfer: func(_ context.Context, args []string) error {
			f.transfers = append(f.transfers, strings.NewReplacer(f.there, "THERE", f.here, "HERE").Replace(strings.Join(args, " ")))
			return f.fails
		},
		Target: func(p string) string { return "box:" + p },
		Operands: func(args []string) (index []int, err error) {
			for i, a := range args {
				if !strings.HasPrefix(a, "-") {
					index = append(index, i)
				}
			}
			return index, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// batch runs lines and returns what was printed.
func (f *fixture) batch(t *testing.T, lines ...string) (string, error) {
	t.Helper()
	f.out.Reset()
	f.err.Reset()
	err := f.Batch(t.Context(), strings.NewReader(strings.Join(lines, "\n")))
	return strings.NewReplacer(f.there, "THERE", f.here, "HERE").Replace(f.out.String() + f.err.String()), err
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]Way{"pipe": serverWay(t), "ssh": sshWay(t)} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, way)
			write(t, "one\n", f.there, "a")
			write(t, "two", f.there, "d", "x y")
			write(t, "", f.there, "d", "esc\x1b[2J")
			for _, test := range []struct{ lines, want string }{
				{"pwd", "THERE\n"},
				{"ls", "a\nd\n"},
				{"ls -1 d; ls", "-"},
				{"ls d", `esc\x1b[2J` + "\nx y\n"},
				{"ls d/*", `d/esc\x1b[2J` + "\nd/x y\n"},
				{"cd d\npwd\ncd ..\npwd", "THERE/d\nTHERE\n"},
				{"cat a", "one\n"},
				{"cat 'd/x y' a", "twoone\n"},
				{"mkdir m\nls -d m\nrmdir m\nls", "m\na\nd\n"},
				{"mkdir -p p/q/r\nls p/q", "r\n"},
				{"mv a b\nls -d b", "b\n"},
				{"mv b d\nls d/b", "d/b\n"},
				{"mv d/b a\nls", "a\nd\np\n"},
				{"ln -s a l\nls -d l\nln a h\ncat h", "l\none\n"},
				{"symlink a l2\nls -d l2", "l2\n"},
				{"rm l l2 h\nls", "a\nd\np\n"},
				{"chmod 600 a\nstat a", "*0600 (-rw-------)"},
				{"chmod go+r a\nstat a", "*0644 (-rw-r--r--)"},
				{"chmod -R o-rx p\nstat p/q/r", "*0750 (drwxr-x---)"},
				{"du -s", "1\t.\n"},
				{"du p", "0\tp/q/r\n0\tp/q\n0\tp\n"},
				{"du a", "1\ta\n"},
				{"df", "*Avail"},
				{"lpwd\nlmkdir n\nlcd n\nlpwd\nlcd ..\nlls", "HERE\nHERE/n\nn\n"},
				{"!echo $((1+2))", "3\n"},
				{"# comment\n\n   \nlpwd", "HERE\n"},
				{"-ls nope\nlpwd", "*HERE\n"},
				{"@lpwd\n- @ lpwd\r", "HERE\nHERE\n"},
				{"lpwd\nquit\nlpwd", "HERE\n"},
				{"version", "*v0\nSFTP version 3, by " + name},
				{"help rm", "*usage: rm [-rf] PATH..."},
				{"help", "*Ctrl-C"},
				{"rm -f nope", ""},
				{"rm -r p\nls -d p*", "-"},
			} {
				got, err := f.batch(t, strings.Split(test.lines, "\n")...)
				switch want, part := strings.CutPrefix(test.want, "*"); {
				case test.want == "-":
					if err == nil {
						t.Errorf("%s: no error", test.lines)
					}
				case err != nil || part && !strings.Contains(got, want) || !part && got != want:
					t.Errorf("%s: %q, %v; want %q", test.lines, got, err, test.want)
				}
			}
		})
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverWay(t))
	write(t, "", f.there, "d", "f")
	write(t, "", f.there, "g")
	for line, want := range map[string]error{
		"ls nope": fs.ErrNotExist, "cd nope": fs.ErrNotExist, "cat nope": fs.ErrNotExist, "stat nope": fs.ErrNotExist, "du nope": fs.ErrNotExist,
		"rm nope": fs.ErrNotExist, "rm *.x": fs.ErrNotExist, "get nope": fs.ErrNotExist, "put nope": fs.ErrNotExist, "lcd nope": fs.ErrNotExist,
		"mkdir d": fs.ErrExist, "chmod 600 nope": fs.ErrNotExist, "mv nope x": fs.ErrNotExist, "lls nope": fs.ErrNotExist,
		"foo": ErrUsage, "ls 'x": ErrUsage, "ls -Z": ErrUsage, "mkdir": ErrUsage, "chmod zz g": ErrUsage, "chown me g": ErrUsage, "mv g": ErrUsage,
		"sync": ErrUsage, "sync d": ErrUsage, "sync put": ErrUsage, "sync put a b c": ErrUsage, "get": ErrUsage, "cd a b": ErrUsage, "mv g d g": ErrUsage,
		"rm d": nil, "cd g": nil, "rmdir d": nil, "get d": nil, "!false": nil, "rm -r .": nil, "rm -r d/..": nil, "lcd /dev/null": nil,
	} {
		out, err := f.batch(t, line, "lpwd")
		if err == nil || want != nil && !errors.Is(err, want) || !strings.HasPrefix(err.Error(), "line 1: ") {
			t.Errorf("%s: %v, want %v", line, err, want)
		}
		if strings.Contains(out, "HERE") {
			t.Errorf("%s: the batch went on", line)
		}
	}
	if _, err := f.batch(t, "rmdir d"); !strings.Contains(err.Error(), "directory not empty") {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(f.there, "d", "f")); err != nil {
		t.Error(err)
	}
	out, err := f.batch(t, "rm nope1 nope2 g")
	if !errors.Is(err, errReported) || strings.Count(out, "\n") != 2 {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(f.there, "g")); err == nil {
		t.Error("rm did not go on behind what is not there")
	}
}

func TestRemoveAsks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverWay(t))
	f.cfg.Confirm = func(_ context.Context, q string) bool {
		f.asked = append(f.asked, q)
		return f.agree
	}
	outside := t.TempDir()
	write(t, "", outside, "kept")
	for i := range 100 {
		write(t, "", f.there, "d", "s", strings.Repeat("n", i+1))
	}
	if err := os.Symlink(outside, filepath.Join(f.there, "d", "link")); err != nil {
		t.Fatal(err)
	}
	if out, err := f.batch(t, "rm -r d"); !errors.Is(err, errReported) || out != "nothing was removed\n" {
		t.Errorf("%q, %v", out, err)
	}
	f.agree = true
	if out, err := f.batch(t, "rm -r d", "ls"); err != nil || out != "" {
		t.Errorf("%q, %v", out, err)
	}
	if len(f.asked) != 2 || f.asked[0] != "remove "+f.there+"/d and all that is in it" {
		t.Errorf("%q", f.asked)
	}
	if _, err := os.Stat(filepath.Join(outside, "kept")); err != nil {
		t.Error("a symlink was followed")
	}
	f.agree = false
	write(t, "", f.there, "d", "x")
	if _, err := f.batch(t, "rm -rf d"); err != nil || len(f.asked) != 2 {
		t.Errorf("-f: %v, asked %q", err, f.asked)
	}
}

// TestSlashBehindASymlink has a slash, which makes systems follow a symlink, behind what is to be removed or moved.
func TestSlashBehindASymlink(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverWay(t))
	write(t, "", f.there, "d", "kept")
	write(t, "", f.there, "file")
	write(t, "", f.there, "e", "x")
	for _, l := range [][2]string{{"d", "link"}, {"empty", "none"}, {"nowhere", "dangling"}} {
		if err := os.Symlink(l[0], filepath.Join(f.there, l[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(f.there, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"rm -r link/", "rm -rf link//", "rm link/", "rm -rf l*/", "rmdir none/", "rm -r none/", "rm -r dangling/", "rm -rf dangling/", "rm file/", "rm -r file/",
	} {
		if out, err := f.batch(t, line); err == nil || !strings.Contains(err.Error(), "not a directory") {
			t.Errorf("%s: %q, %v", line, out, err)
		}
	}
	for _, name := range []string{"d/kept", "link/kept", "none/.", "empty/.", "file"} {
		if _, err := os.Stat(filepath.Join(f.there, name)); err != nil {
			t.Error(err)
		}
	}
	out, err := f.batch(t, "rm -r e/", "rmdir empty/", "mv link/ moved", "rm moved dangling none file", "rm -f nope/", "ls")
	if out != "d\n" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(f.there, "d", "kept")); err != nil {
		t.Error(err)
	}
}

func TestRecursiveChangesFollowNoSymlinks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverWay(t))
	outside := t.TempDir()
	write(t, "", outside, "kept")
	write(t, "", f.there, "d", "x")
	if err := os.Symlink(filepath.Join(outside, "kept"), filepath.Join(f.there, "d", "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.batch(t, "chmod -R 700 d"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{filepath.Join(outside, "kept"): 0o644, filepath.Join(f.there, "d", "x"): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestTransfers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverWay(t))
	write(t, "", f.there, "a")
	write(t, "", f.there, "b c")
	write(t, "", f.there, "d", "x")
	write(t, "", f.here, "l")
	write(t, "", f.here, "ld", "y")
	for _, l := range [][2]string{{"a", "la"}, {"d", "lnd"}, {"la", "lla"}} {
		if err := os.Symlink(l[0], filepath.Join(f.there, l[1])); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ line, want string }{
		{"get a", "-t -- box:THERE/a HERE/"},
		{"get a new", "-t -- box:THERE/a HERE/new"},
		{"get a ld", "-t -- box:THERE/a HERE/ld/"},
		{"get -P 'b c'", "-t -p -- box:THERE/b c HERE/"},
		{"get a b* ld", "-t -- box:THERE/a box:THERE/b c HERE/ld/"},
		{"get -r d", "-t -rl -- box:THERE/d HERE/"},
		{"get -r d new", "-t -rl -- box:THERE/d/ HERE/new"},
		{"get -r d/ ld", "-t -rl -- box:THERE/d HERE/ld/"},
		{"get la", "-t -- box:THERE/a HERE/la"},
		{"get lla", "-t -- box:THERE/a HERE/lla"},
		{"get -r lnd", "-t -rl -- box:THERE/d/ HERE/lnd"},
		{"get a la", "-t -- box:THERE/a HERE/la"},
		{"mget a la", "-t -- box:THERE/a HERE/|-t -- box:THERE/a HERE/la"},
		{"mget [ab]*", "-t -- box:THERE/a box:THERE/b c HERE/"},
		{"put l", "-t -- HERE/l box:THERE/"},
		{"put l d", "-t -- HERE/l box:THERE/d/"},
		{"put l d/new", "-t -- HERE/l box:THERE/d/new"},
		{"put -r ld new", "-t -rl -- HERE/ld/ box:THERE/new"},
		{"mput l*", "-"},
		{"mput -r l*", "-t -rl -- HERE/l HERE/ld box:THERE/"},
		{"cd d\nput l", "-t -- HERE/l box:THERE/d/"},
		{"sync put ld", "-a -- HERE/ld/ box:THERE/ld/"},
		{"sync put -n --delete ld d", "-a -n --delete -- HERE/ld/ box:THERE/d/"},
		{"sync get d .", "-a -- box:THERE/d/ HERE/"},
		{"sync get --exclude='*.o' d/ ~/x", "-a --exclude=*.o -- box:THERE/d/ HERE/x/"},
	} {
		f.transfers = nil
		f.cwd = f.there
		_, err := f.batch(t, strings.Split(test.line, "\n")...)
		got := strings.ReplaceAll(strings.Join(f.transfers, "|"), "HERE/.", "HERE")
		if test.want == "-" {
			if err == nil {
				t.Errorf("%s: no error", test.line)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s: %s, %v; want %s", test.line, got, err, test.want)
		}
	}
	f.fails = errors.New("exit 30")
	if _, err := f.batch(t, "get a"); !errors.Is(err, f.fails) {
		t.Errorf("%v", err)
	}
}

// TestCommandInTheBackground has a session whose output is no file.
func TestCommandInTheBackground(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverWay(t))
	begun := time.Now()
	out, err := f.batch(t, "!sleep 20 & echo begun", "lpwd")
	if took := time.Since(begun); out != "begun\nHERE\n" || err != nil || took > 10*time.Second {
		t.Errorf("%q, %v, after %v", out, err, took)
	}
}

// script is an editor that has its lines already.
type script struct {
	lines   []string
	prompts []string
	then    error
}

func (s *script) ReadLine(_ context.Context, prompt string) (string, error) {
	s.prompts = append(s.prompts, prompt)
	if len(s.lines) == 0 {
		return "", s.then
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	if line == "^C" {
		return "", ErrInterrupted
	}
	return line, nil
}

func TestInteract(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverWay(t))
	var handler func()
	f.cfg.Interrupts = func(h func()) func() {
		handler = h
		return func() { handler = nil }
	}
	f.cfg.Transfer = func(ctx context.Context, _ []string) error {
		handler() // the user presses Ctrl-C
		<-ctx.Done()
		return context.Cause(ctx)
	}
	write(t, "", f.there, "a")
	if err := os.Mkdir(filepath.Join(f.there, "esc\x1b"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.home = f.there
	ed := &script{lines: []string{"foo", "^C", "get a", "ls nope", "cd esc*", "pwd", "quit", "pwd"}}
	if err := f.Interact(t.Context(), ed); err != nil {
		t.Fatal(err)
	}
	if got := strings.ReplaceAll(f.err.String(), f.there, "THERE"); got != "no command foo; help lists them\ninterrupted\nstat THERE/nope: file does not exist\n" {
		t.Errorf("%s", got)
	}
	if got := f.out.String(); got != f.there+`/esc\x1b`+"\n" {
		t.Errorf("%q", got)
	}
	if ed.prompts[0] != "me@box:~> " || ed.prompts[6] != `me@box:~/esc\x1b> ` {
		t.Errorf("%q", ed.prompts)
	}
	if handler != nil {
		t.Error("interrupts stay taken")
	}
}

func TestCompleteOnBothSides(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverWay(t))
	write(t, "", f.there, "far", "in side")
	write(t, "", f.here, "near", "file")
	if err := os.Symlink("far", filepath.Join(f.there, "tofar")); err != nil {
		t.Fatal(err)
	}
	f.home = f.there
	for line, want := range map[string]string{
		"cd f": "cd far/", "ls far/": `ls far/in\ side `, "ls ~/f": "ls ~/far/", "cd t": "cd tofar/", "put n": "put near/", "put near/file f": "put near/file far/",
		"get far/in\\ side n": "get far/in\\ side near/", "lcd ~/n": "lcd ~/near/", "ls nope/": "", "he": "help ",
	} {
		got, pos, show, ok := f.Complete(t.Context(), line, len(line), 80)
		if !ok && want != "" || ok && (got != want || pos != len(want) || show != "") {
			t.Errorf("%q: %q at %d, shows %q, %v; want %q", line, got, pos, show, ok, want)
		}
	}
}

func TestScreen(t *testing.T) {
	t.Parallel()
	f := newFixture(t, serverWay(t))
	f.cfg.Width = func() int { return 20 }
	write(t, "clear\x1b[2J\r\n\tno end", f.there, "evil")
	write(t, "", f.there, "x")
	out, err := f.batch(t, "ls", "cat evil")
	if want := "evil  x\n" + `clear\x1b[2J` + "\n" + `\tno end` + "\n"; err != nil || out != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
	_, _ = f.batch(t, "get x")
	if len(f.transfers) != 1 || !strings.HasPrefix(f.transfers[0], "--progress ") {
		t.Errorf("%q", f.transfers)
	}
}
