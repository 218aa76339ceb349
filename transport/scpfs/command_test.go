package scpfs

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/sshtest"
)

func TestCommands(t *testing.T) {
	for _, c := range []struct {
		path, sink, source string
	}{
		{"plain/path-1.0_x", "plain/path-1.0_x", "plain/path-1.0_x"},
		{"", ".", "."},
		{"-rf", "-- -rf", "-- -rf"},
		{"a b", "a' 'b", "a' 'b"},
		{"it's", `it\'s`, `it\'s`},
		{`a\b!`, `a\\b\!`, `a\\b\!`},
		{"~", "~", "~"},
		{"~/a b", "~/a' 'b", "~/a' 'b"},
		{"~bob/x", "~bob/x", "~bob/x"},
		{"~$(x)/y", "'~$('x')'/y", "'~$('x')'/y"},
		{"a~", "a'~'", "a'~'"},
		{"*.[ch]", "'*'.'['ch']'", "*.[ch]"},
		{"[^a-c]?", "'[^'a-c']?'", "['^'a-c]?"},
		{"[!a]", "'['\\!a']'", "[!a]"},
		{"[x", "'['x", "'['x"},
		{"x]", "x']'", "x']'"},
		{"$HOME;`x`", "'$'HOME';`'x'`'", "'$'HOME';`'x'`'"},
	} {
		for _, way := range []struct {
			get  func(string, engine.StreamHow) (string, error)
			want string
		}{{SinkCommand, "scp -t " + c.sink}, {SourceCommand, "scp -f " + c.source}} {
			got, err := way.get(c.path, engine.StreamHow{})
			if plainQuotes(got) != plainQuotes(way.want) || err != nil {
				t.Errorf("%q: %s, want %s, %v", c.path, got, way.want, err)
			}
		}
	}
	for path, want := range map[string]string{
		"~": "'~'", "~bob/x": "'~'bob/x", "*.[ch]": "'*.['ch']'", "[!a]": `'['\!'a]'`, `a\*`: `a\\'*'`, "": ".", "-*": "-- -'*'", "plain": "plain",
	} {
		sink, err := SinkCommand(path, engine.StreamHow{Literal: true})
		source, err2 := SourceCommand(path, engine.StreamHow{Literal: true})
		if plainQuotes(sink) != plainQuotes("scp -t "+want) || plainQuotes(source) != plainQuotes("scp -f "+want) || err != nil || err2 != nil {
			t.Errorf("%q is a name: %s, %v and %s, %v, want %s", path, sink, err, source, err2, want)
		}
	}
	got, err := SinkCommand("x", engine.StreamHow{Recursive: true, Perms: true, Directory: true, Times: true})
	if err != nil || got != "scp -r -p -d -t x" {
		t.Errorf("%q %v", got, err)
	}
	for _, bad := range []string{"a\nb", "a\rb", "a\x00b"} {
		if cmd, err := SinkCommand(bad, engine.StreamHow{}); engine.ExitCode(err) != 4 {
			t.Errorf("%q: %q %v", bad, cmd, err)
		}
	}
}

// plainQuotes makes two ways to quote a word equal that mean the same: what is plain
// may stand inside or outside.
func plainQuotes(s string) string {
	var b strings.Builder
	in := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'' && (i == 0 || s[i-1] != '\\'):
			in = !in
		case in && !strings.ContainsRune(".-_/", rune(c)) && !isAlnum(c):
			b.WriteString("<" + string(c) + ">")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// TestShells has each shell read the words: it must find what was meant, and execute
// nothing. What the shell starts is a program that writes its arguments down.
func TestShells(t *testing.T) {
	paths := []string{
		"plain", "a b", "-rf", "--", "it's", "''", `a"b`, `a\b`, `a\'b`, `\`, `\\`, "a!b", "!!", "!1", "$(touch pwned)", "`touch pwned`", ";touch pwned", "x;touch pwned;", "|touch pwned", "&touch pwned&",
		"'; touch pwned; '", "'\\''; touch pwned; '\\''", `\'; touch pwned; \'`, "!'; touch pwned; '", ">pwned", "<x", "$HOME", "${x}", "#x", "a#b", "*", "?", "[a]", "[!a]", "[^a]", "{a,b}", "(touch pwned)", "=ls", "%self", "%1", "^x^y",
		"a~b", "~$(touch pwned)", "~;touch pwned", "~`touch pwned`/x", "~+", "a=b", "a:~", "\ttab", "esc\x1b[0m", "\x80\xff", "ü", "x\x01y", " lead", "trail ", "@x", "a@b", "a,b", "$'x'", "$\"x\"", "<(touch pwned)", "a&&touch pwned", "a||touch pwned",
	}
	for _, shell := range []string{"sh", "bash", "dash", "fish", "tcsh"} {
		t.Run(shell, func(t *testing.T) {
			sshtest.Require(t, shell, shell)
			dir := t.TempDir()
			words := filepath.Join(dir, "scp")
			if err := os.WriteFile(words, []byte("#!/bin/sh\nfor last; do :; done\nprintf '%s\\0' \"$last\" >> \"$OUT\"\n"), 0o700); err != nil { //nolint:gosec // it is a program
				t.Fatal(err)
			}
			work := filepath.Join(dir, "work")
			if err := os.Mkdir(work, 0o700); err != nil {
				t.Fatal(err)
			}
			var lines, want []string
			for _, p := range paths {
				for _, get := range []func(string, engine.StreamHow) (string, error){SinkCommand, SourceCommand} {
					cmd, err := get(p, engine.StreamHow{})
					if err != nil {
						t.Fatal(err)
					}
					if strings.Contains(cmd, " -f ") && isPattern(p) && (shell == "fish" || shell == "tcsh") {
						continue // they refuse a pattern that matches nothing
					}
					lines, want = append(lines, cmd), append(want, p)
				}
			}
			got := runShell(t, shell, strings.Join(lines, "\n"), dir, work)
			if len(got) != len(want) {
				t.Errorf("%d commands of %d", len(got), len(want))
			}
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("%q as %s: got %q", want[i], lines[i], got[i])
				}
			}
			if entries, _ := os.ReadDir(work); len(entries) > 0 {
				t.Errorf("something was executed: %v", entries)
			}
		})
	}
}

// runShell returns the last arguments that command lines gave to their program.
func runShell(t *testing.T, shell, cmd, dir, work string) []string {
	t.Helper()
	out := filepath.Join(dir, "out")
	_ = os.Remove(out)
	c := exec.Command(shell, "-c", cmd)
	c.Dir, c.Env = work, []string{"PATH=" + dir + ":/usr/bin:/bin", "OUT=" + out, "HOME=" + dir, "LANG=C.UTF-8"}
	said, _ := c.CombinedOutput() // what it has done shows
	b, err := os.ReadFile(out)
	if err != nil {
		t.Logf("%s: %s", shell, said)
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

// TestShellExpands: a leading ~ and wildcards are left to the shell.
func TestShellExpands(t *testing.T) {
	for _, shell := range []string{"sh", "bash", "dash", "fish", "tcsh"} {
		t.Run(shell, func(t *testing.T) {
			sshtest.Require(t, shell, shell)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "scp"), []byte("#!/bin/sh\nfor last; do :; done\nprintf '%s\\0' \"$last\" >> \"$OUT\"\n"), 0o700); err != nil { //nolint:gosec // it is a program
				t.Fatal(err)
			}
			work := filepath.Join(dir, "work")
			if err := os.MkdirAll(filepath.Join(work, "a b $x"), 0o700); err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]string{"~/x y": dir + "/x y", "a b*": "a b $x", "? b*": "a b $x", "a*$?": "a b $x"} {
				cmd, err := SourceCommand(path, engine.StreamHow{})
				if err != nil {
					t.Fatal(err)
				}
				if shell == "fish" && strings.Contains(path, "?") {
					continue // newer ones have no such wildcard
				}
				if got := runShell(t, shell, cmd, dir, work); !slices.Equal(got, []string{want}) {
					t.Errorf("%s: %q, want %q", cmd, got, want)
				}
			}
		})
	}
}
