package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gosync/transport/sshtest"
)

// An sshBench is a faultBench whose far side is reached through a real sshd. There is one home directory for both sides,
// of the test's own: nothing is sent to that of the account.
type sshBench struct {
	*faultBench
	sshd *sshtest.Server
	home string
}

func newSSHBench(t *testing.T, o sshtest.Options) *sshBench {
	t.Helper()
	b := newFaultBench(t)
	s := &sshBench{faultBench: b, home: b.path("home")}
	if err := os.Mkdir(s.home, 0o700); err != nil {
		t.Fatal(err)
	}
	o.Env = append(o.Env, "HOME="+s.home)
	s.sshd = sshtest.Start(t, o)
	b.env = []string{"HOME=" + s.home, "SSH_AUTH_SOCK=", "SSH_ASKPASS=", "DISPLAY=", "WAYLAND_DISPLAY="}
	b.alone = true
	b.file(t, "src/f", 100_000)
	b.file(t, "src/sub/g", 1000)
	b.settle(t, "src")
	return s
}

// config writes a configuration of the client: that of the server, with lines in the place of those for the same words.
func (s *sshBench) config(t *testing.T, lines ...string) string {
	t.Helper()
	text, err := os.ReadFile(s.sshd.Config)
	if err != nil {
		t.Fatal(err)
	}
	word := func(line string) string { w, _, _ := strings.Cut(strings.TrimSpace(line), " "); return w }
	kept := slices.DeleteFunc(strings.Split(string(text), "\n"), func(l string) bool {
		return slices.ContainsFunc(lines, func(n string) bool { return word(n) == word(l) })
	})
	s.write(t, "ssh_config", strings.Join(append(kept, lines...), "\n")+"\n", 0o600)
	return s.path("ssh_config")
}

// settle gives everything in a tree times that SFTP and SCP can tell: whole seconds.
func (b *faultBench) settle(t *testing.T, name string) {
	t.Helper()
	at := []unix.Timespec{{Sec: 1_500_000_000}, {Sec: 1_500_000_000}}
	err := filepath.WalkDir(b.path(name), func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, p, at, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// write writes a file of that mode.
func (b *faultBench) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(b.path(name), mode); err != nil {
		t.Fatal(err)
	}
}

// between is the command line for a copy from src to dst, one of which is on the far side.
func (s *sshBench) between(way string, options ...string) []string {
	from, to := "src/", "dst/"
	if way != "push" {
		from = s.sshd.Alias + ":" + s.path("src") + "/"
	}
	if way != "pull" {
		to = s.sshd.Alias + ":" + s.path("dst") + "/"
	}
	return append(options, from, to)
}

// says wants a text in the output as often as that.
func (e ended) says(t *testing.T, what, text string, times int) {
	t.Helper()
	if n := strings.Count(e.output, text); n != times {
		t.Errorf("%s: %q is said %d times, want %d:\n%s", what, text, n, times, e.output)
	}
}

// harmless wants an output that is no danger to a terminal.
func (e ended) harmless(t *testing.T, what string) {
	t.Helper()
	if bad := regexp.MustCompile(`[^\x20-\x7e\n\t]`).FindString(strings.ToValidUTF8(e.output, "\x00")); bad != "" {
		t.Errorf("%s: %q goes to the terminal", what, bad)
	}
}
