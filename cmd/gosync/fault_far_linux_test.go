package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"gosync/transport/sshtest"
)

// What is said of a way that is not the best, and what is lost by it.
const (
	saysSFTP = "using SFTP: whole-file copies, compared by size and time"
	saysSCP  = "using scp: everything is sent, whole; no deletions, links or resuming"
)

// A farProgram is what --gosync-path names, and what a run comes to that can take nothing else.
type farProgram struct {
	name, path string
	status     int
	says       string
}

// brokenPrograms makes programs that are no gosync that runs.
func brokenPrograms(t *testing.T, b *sshBench) []farProgram {
	t.Helper()
	b.write(t, "plain", "#!/bin/sh\nexec "+b.gosync+" \"$@\"\n", 0o644)
	b.write(t, "crashes", "#!/bin/sh\nkill -SEGV $$\n", 0o755)
	other, err := os.ReadFile(b.gosync)
	if err != nil {
		t.Fatal(err)
	}
	other[18], other[19] = 0xf3, 0x5a // e_machine: none that exists
	b.write(t, "elsewhere", string(other), 0o755)
	return []farProgram{
		{"missing", b.path("missing"), exitNoCommand, "the far side cannot run gosync"},
		{"not executable", b.path("plain"), exitNotRunnable, "the far side cannot run gosync"},
		{"crashes", b.path("crashes"), exitProtocol, "before it answered"},
		{"of another architecture", b.path("elsewhere"), exitNotRunnable, "the far side cannot run gosync"},
	}
}

// farPrograms is row 45: where gosync does not run on the far side it is sent there, else there is SFTP, else SCP, else
// the run says what there is not.
func farPrograms(t *testing.T, c *tally) {
	shadow := t.TempDir()
	all := newSSHBench(t, sshtest.Options{})
	few := newSSHBench(t, sshtest.Options{NoSFTP: true, Path: []string{shadow}})
	programs := [2][]farProgram{brokenPrograms(t, all), brokenPrograms(t, few)}
	try := func(b *sshBench, i, status int, says string, options ...string) {
		t.Helper()
		p := programs[0][i]
		if b == few {
			p = programs[1][i]
		}
		args := append([]string{"-rpt", "--ssh-config", b.sshd.Config, "--gosync-path=" + p.path}, options...)
		way := []string{"push", "pull"}[c.n%2]
		e := b.want(t, status, says, b.between(way, args...)...)
		lines := strings.Split(strings.TrimSpace(e.output), "\n")
		t.Logf("%-24s %-26s %s exit %2d  %s", p.name, strings.Join(options, " "), way, e.status, lines[0])
		e.harmless(t, p.name)
		if status == exitOK {
			b.same(t, "src", "dst")
			e.says(t, p.name, says, 1)
		} else {
			b.here(t, false, "dst")
		}
		b.remove(t, "dst", "home/.cache")
		c.count(1)
	}
	for i, p := range programs[0] {
		try(all, i, p.status, p.says, "--via=agent", "--no-deploy")
		if i%many(2, 1) == 0 {
			try(all, i, exitOK, "sent agent to ~/.cache/gosync/")
			try(few, i, exitOK, saysSCP, "--no-deploy")
		}
		if i%many(2, 1) == many(1, 0) {
			try(all, i, exitOK, saysSFTP, "--no-deploy")
		}
	}
	if err := os.WriteFile(shadow+"/scp", []byte("#!/bin/sh\necho no scp for you >&2\nexit 127\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range many(1, len(programs[0])) {
		try(few, i, exitTransport, "no usable transport", "--no-deploy")
	}
}

// A farOffer is a far side that offers little.
type farOffer struct {
	name    string
	server  sshtest.Options
	status  int
	says    string
	refused map[string][]string // options by the way of the copy
}

// farOfferings are the far sides of row 46.
func farOfferings(t *testing.T) []farOffer {
	t.Helper()
	only := t.TempDir() + "/only-scp"
	script := "#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\n'scp -'*) exec sh -c \"$SSH_ORIGINAL_COMMAND\" ;;\nesac\necho 'This account is for scp only.' >&2\nexit 1\n"
	if err := os.WriteFile(only, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	sftp := map[string][]string{"push": {"--partial-dir=p"}, "pull": {"--hard-links"}}
	scp := map[string][]string{
		"push": {"--delete", "--checksum", "--update", "--append", "--partial", "--hard-links", "--dry-run"},
		"pull": {"--append-verify", "--partial-dir=p", "--relative", "--delete", "--checksum"},
	}
	return []farOffer{
		{"SFTP only", sshtest.Options{Extra: []string{"ForceCommand internal-sftp"}}, exitOK, saysSFTP, sftp},
		{"SFTP only, in the key's line", sshtest.Options{Command: "internal-sftp"}, exitOK, saysSFTP, sftp},
		{"SCP only", sshtest.Options{NoSFTP: true, Extra: []string{"ForceCommand " + only}}, exitOK, saysSCP, scp},
		{"SCP only, in the key's line", sshtest.Options{NoSFTP: true, Command: only}, exitOK, saysSCP, scp},
		{"neither", sshtest.Options{NoSFTP: true, Extra: []string{"ForceCommand /bin/false"}}, exitTransport, "no usable transport", nil},
	}
}

// farOffers is row 46: what is taken and what is lost by it is said once, and what cannot be had is refused before
// anything is done.
func farOffers(t *testing.T, c *tally) {
	for i, f := range farOfferings(t) {
		if i%2 == 1 && !longRun() {
			continue
		}
		b := newSSHBench(t, f.server)
		common := []string{"-rpt", "--ssh-config", b.sshd.Config}
		for _, way := range []string{"push", "pull"} {
			for _, option := range f.refused[way][:min(len(f.refused[way]), many(2, 99))] {
				what := fmt.Sprintf("%s, %s %s", f.name, way, option)
				e := b.want(t, exitUnsupported, strings.TrimSuffix(option, "=p"), b.between(way, append(common, option)...)...)
				e.harmless(t, what)
				b.here(t, false, "dst")
				c.count(1)
			}
			e := b.want(t, f.status, f.says, b.between(way, common...)...)
			t.Logf("%-28s %s exit %2d  %s", f.name, way, e.status, strings.Split(e.output, "\n")[0])
			e.says(t, f.name, f.says, 1)
			e.harmless(t, f.name)
			if f.status == exitOK {
				b.same(t, "src", "dst")
			} else {
				b.here(t, false, "dst")
			}
			b.remove(t, "dst")
			c.count(1)
		}
		if _, err := os.Stat(b.home + "/.cache"); err == nil {
			t.Errorf("%s: something was sent into the account", f.name)
		}
	}
}
