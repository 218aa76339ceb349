package farshell

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gosync/transport/sshtest"
)

// shells are all that a far side may have; those that are not on this machine are skipped.
func shells() []string { return []string{"sh", "bash", "dash", "zsh", "fish", "csh", "tcsh"} }

// words have meanings for some shell, or hold what does.
func words() []string {
	return []string{
		"", "plain", "a b", "-rf", "--", "--x=y z", "it's", "''", `a"b`, `\`, `\\`, `a\b`, `a\\b`, `a\'b`, `a\'; touch pwn #`, `'; touch pwn #`, `\'; touch pwn; \'`, `'\''; touch pwn; '\''`,
		"!'; touch pwn; '", "x!y", "!!", "!1", "!", "!-1", "$(touch pwn)", "`touch pwn`", ";touch pwn", "|touch pwn", "&touch pwn&", "a&&touch pwn", "a||touch pwn",
		"(touch pwn)", "<(touch pwn)", ">pwn", "<x", "$HOME", "${x}", "$'x'", `$"x"`, "#x", "a#b", "*", "?", "[a]", "[!a]", "[^a]", "[a", "a]", "{a,b}", "{}", "=ls", "%self", "%1", "^x^y",
		"~", "~root", "~/x", "~$(touch pwn)", "~;touch pwn", "a=~", "a:~", "a=b", "\ttab", "esc\x1b[0m", "\x80\xff", "ü", "x\x01y", " lead", "trail ", "@x", "a@b", `\x41`, `\n`, `\u0041`, `a\`, `a\ b`, `'\`, `\!`, `'!\`,
	}
}

// TestWords has each shell read words: it must find them as they were, and execute nothing.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, shell := range shells() {
		t.Run(shell, func(t *testing.T) {
			var lines []string
			for _, w := range words() {
				q, err := Word(w)
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, "tell "+q+" 'end'")
			}
			read, work := readBy(t, shell, lines)
			want := words()
			for i := range min(len(read), len(want)) {
				if read[i] != want[i] {
					t.Fatalf("%q as %s: got %q", want[i], lines[i], read[i])
				}
			}
			if len(read) != len(want) {
				t.Errorf("%d commands of %d were run", len(read), len(want))
			}
			if entries, _ := os.ReadDir(work); len(entries) > 0 {
				t.Errorf("something was executed: %v", entries)
			}
		})
	}
}

// readBy returns the first arguments of the commands as their program got them, and the directory where it ran.
func readBy(t *testing.T, shell string, lines []string) (read []string, work string) {
	t.Helper()
	sshtest.Require(t, shell, shell)
	dir := t.TempDir()
	work = filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	program := "#!/bin/sh\n[ $# = 2 ] && [ \"$2\" = end ] || exit 1\nprintf '%s\\0' \"$1\" >> \"$OUT\"\n"
	if err := os.WriteFile(filepath.Join(dir, "tell"), []byte(program), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	cmd := exec.CommandContext(t.Context(), shell, "-c", strings.Join(lines, "\n"))
	cmd.Dir, cmd.Env = work, []string{"PATH=" + dir + ":/usr/bin:/bin", "OUT=" + out, "HOME=" + dir, "LANG=C.UTF-8"}
	said, _ := cmd.CombinedOutput() // what it has done shows
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatalf("%s: %s", shell, said)
	}
	_ = os.RemoveAll(filepath.Join(work, ".config")) // fish may make them
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"), work
}

// TestRefused: what no quoting carries is an error.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"\n", "a\nb", "a\rb", "a\x00b", "~\n"} {
		for _, get := range []func(string) (string, error){Word, func(s string) (string, error) { return Path(s, true) }} {
			if got, err := get(bad); !errors.Is(err, ErrUnquotable) {
				t.Errorf("%q: %q, %v", bad, got, err)
			}
		}
	}
}

// TestPaths: only of paths is something left for the shell.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ word, quoted, path, pattern string }{
		{"~/a b", "'~/a b'", "~/a' b'", "~/a' 'b"},
		{"~bob", "'~bob'", "~bob", "~bob"},
		{"*.[a-c]", "'*.[a-c]'", "'*.[a-c]'", "*.[a-c]"},
		{"[!a]", `'['\!'a]'`, `'['\!'a]'`, "[!a]"},
	} {
		var got []string
		for _, get := range []func() (string, error){
			func() (string, error) { return Word(x.word) },
			func() (string, error) { return Path(x.word, false) },
			func() (string, error) { return Path(x.word, true) },
		} {
			q, err := get()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, q)
		}
		// A plain character may stand inside of quotes and outside.
		if want := []string{x.quoted, x.path, x.pattern}; !slices.EqualFunc(got, want, func(a, b string) bool {
			return strings.ReplaceAll(a, "'", "") == strings.ReplaceAll(b, "'", "")
		}) {
			t.Errorf("%q: %q, want %q", x.word, got, want)
		}
	}
}
