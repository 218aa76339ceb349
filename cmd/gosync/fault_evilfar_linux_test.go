package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gosync/transport/scpfs/evilscp"
	"gosync/transport/sftpfs/evilsftp"
	"gosync/transport/sshtest"
)

// evilMemory is how many bytes a client may take that is talked to by a server that lies.
const evilMemory = 256 << 20

// evilSFTP is row 47: the run ends, with an error that says whose mistake it is; nothing is anywhere but in the
// destination, and nothing is deleted because of a listing that is broken.
func evilSFTP(t *testing.T, c *tally) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, dir+"/evilsftp"); err != nil {
		t.Fatal(err)
	}
	b := newSSHBench(t, sshtest.Options{NoSFTP: true, Extra: []string{"Subsystem sftp " + dir + "/server"}})
	server := fmt.Sprintf("#!/bin/sh\nGORACE=%s exec %s/evilsftp \"$(cat %s)\"\n", quickExit, dir, b.path("case"))
	if err := os.WriteFile(dir+"/server", []byte(server), 0o700); err != nil {
		t.Fatal(err)
	}
	b.file(t, "src/one", 100_000) // what the cases are about
	if err := os.Symlink("one", b.path("src/link")); err != nil {
		t.Fatal(err)
	}
	b.settle(t, "src")
	cases := evilsftp.Cases()
	sample := []string{"count of names", "lists \"../evil\"", "more than was asked for", "wrong numbers", "lists 2^63 bytes", "lists itself, at length", "a file without an end"}
	for _, e := range cases[1:] {
		if longRun() || slices.Contains(sample, e.Name) {
			evilSFTPPull(t, b, e)
			c.count(1)
		}
		if longRun() || slices.Contains(sample[2:4], e.Name) {
			evilSFTPPush(t, b, e)
			c.count(1)
		}
	}
}

// evilStatuses are what a run may end with.
func evilStatuses(w evilsftp.Want) []int {
	switch w {
	case evilsftp.Succeeds, evilsftp.Believed:
		return []int{exitOK}
	case evilsftp.Partial:
		return []int{exitPartial}
	}
	return []int{exitStream}
}

// evilSFTPPull copies from a server that lies, and then from one that does not.
func evilSFTPPull(t *testing.T, b *sshBench, e evilsftp.Case) {
	t.Helper()
	b.file(t, "dst/extra", 10)
	args := b.between("pull", "-a", "--delete", "--force-delete", "--via=sftp", "--retries=0", "--ssh-config", b.sshd.Config)
	r := b.evil(t, e.Name, args)
	if !slices.Contains(evilStatuses(e.Want), r.status) {
		t.Errorf("%s: exit %d, want %d\n%s", e.Name, r.status, evilStatuses(e.Want), r.output)
	}
	if e.Want == evilsftp.Breaks && !strings.Contains(r.output, "breaks the protocol") {
		t.Errorf("%s: it does not say that the protocol was broken:\n%s", e.Name, r.output)
	}
	if e.Listing {
		b.here(t, true, "dst/extra")
	}
	if e.Want == evilsftp.Believed { // a quick check would take it for the true one
		b.remove(t, "dst")
	}
	b.honest(t, args)
}

// evilSFTPPush copies to such a server. What it does wrong may be about nothing that a push needs.
func evilSFTPPush(t *testing.T, b *sshBench, e evilsftp.Case) {
	t.Helper()
	args := b.between("push", "-a", "--via=sftp", "--retries=0", "--ssh-config", b.sshd.Config)
	r := b.evil(t, e.Name, args)
	if r.status == exitOK {
		b.sameFiles(t)
	} else if !slices.Contains([]int{exitStream, exitPartial, exitSelect}, r.status) {
		t.Errorf("%s, push: exit %d\n%s", e.Name, r.status, r.output)
	}
	b.honest(t, args)
}

// evil runs gosync against a case, and wants it to end in time, within its memory, and to print nothing that harms.
func (s *sshBench) evil(t *testing.T, name string, args []string) ended {
	t.Helper()
	s.write(t, "case", name, 0o600)
	r := s.bounded(t, args)
	lines := strings.Split(strings.TrimSpace(r.output), "\n")
	t.Logf("%-28s exit %2d  %s", name, r.status, lines[len(lines)-1])
	r.harmless(t, name)
	s.onlyHas(t, name)
	return r
}

// bounded runs gosync, and looks at the memory that it takes.
func (s *sshBench) bounded(t *testing.T, args []string) ended {
	t.Helper()
	cmd, output := s.command(args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- residentPeak(cmd.Process.Pid, gone) }()
	r := s.wait(t, cmd, output, time.Minute)
	close(gone)
	if took := <-peak; took == 0 || took > evilMemory {
		t.Errorf("gosync %q takes %d MiB", args, took>>20)
	}
	return r
}

// onlyHas wants nothing to be there but what the test has made.
func (s *sshBench) onlyHas(t *testing.T, name string) {
	t.Helper()
	left, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if !slices.Contains([]string{"canary", "case", "dst", "home", "rsh", "says", "src", "ssh_config"}, e.Name()) {
			t.Errorf("%s: %s is there", name, e.Name())
		}
	}
	if found, err := filepath.Glob("/evil"); err != nil || len(found) > 0 {
		t.Errorf("%s: %q is there", name, found)
	}
}

// honest runs the same command against the server that behaves: this is the control, and what heals.
func (s *sshBench) honest(t *testing.T, args []string) {
	t.Helper()
	s.write(t, "case", evilsftp.Behaves().Name, 0o600)
	s.want(t, exitOK, "", args...)
	s.sameFiles(t)
	s.remove(t, "dst")
}

// sameFiles wants the trees to be equal, but for two things: this server cannot set the time of a symlink; and whether a
// temporary is anybody's is known by its age over SFTP, so that one stays a day that a broken session has left.
func (s *sshBench) sameFiles(t *testing.T) {
	t.Helper()
	for _, left := range temporaries(t, s.path("dst")) {
		if err := os.Remove(left); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"src", "dst"} {
		s.settle(t, dir+"/link")
	}
	if err := os.Chtimes(s.path("dst"), time.Unix(1_500_000_000, 0), time.Unix(1_500_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	s.equalTrees(t, "src", "dst")
}

// evilSCP is row 48: what was not asked for, is no name, or is no number, ends the run before anything is written.
func evilSCP(t *testing.T, c *tally) {
	dir := t.TempDir()
	b := newSSHBench(t, sshtest.Options{NoSFTP: true, Extra: []string{"ForceCommand " + dir + "/server"}})
	server := fmt.Sprintf("#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\n'scp '*'-f '*) exec cat %s ;;\nesac\nexec sh -c \"$SSH_ORIGINAL_COMMAND\"\n", b.path("says"))
	if err := os.WriteFile(dir+"/server", []byte(server), 0o700); err != nil {
		t.Fatal(err)
	}
	sample := []string{"a time of 2^63", "a negative size", "a line of 2 KiB", "a file that is the directory itself", "a path inside", "a zero byte"}
	for _, e := range evilscp.Cases() {
		if numbered := e.Name[0] >= '0' && e.Name[0] <= '9'; numbered || longRun() || slices.Contains(sample, e.Name) {
			evilSCPPull(t, b, e)
			c.count(1)
		}
	}
}

// evilSCPPull copies from a server that lies, and then from one that does not.
func evilSCPPull(t *testing.T, b *sshBench, e evilscp.Case) {
	t.Helper()
	args := []string{"--via=scp", "--retries=0", "--ssh-config", b.sshd.Config, b.sshd.Alias + ":" + e.Source, "dst/"}
	if e.Recursive {
		args = append([]string{"-r"}, args...)
	}
	b.write(t, "says", e.Evil, 0o600)
	for _, turn := range []struct {
		says   string
		status int
		have   []string
	}{{e.Evil, exitStream, e.Written}, {e.Good, exitOK, e.Control}} {
		if turn.status == exitOK && e.Refused() {
			turn.status = exitPartial
		}
		if err := os.Mkdir(b.path("dst"), 0o750); err != nil {
			t.Fatal(err)
		}
		b.write(t, "says", turn.says, 0o600)
		r := b.bounded(t, args)
		lines := strings.Split(strings.TrimSpace(r.output), "\n")
		t.Logf("%-44s exit %2d  %.200s", e.Name, r.status, lines[len(lines)-1])
		if r.status != turn.status {
			t.Errorf("%s: exit %d, want %d\n%s", e.Name, r.status, turn.status, r.output)
		}
		r.harmless(t, e.Name)
		b.onlyHas(t, e.Name)
		b.below(t, e.Name, turn.have, turn.status == exitOK)
		b.remove(t, "dst")
	}
}

// below wants the destination to hold no more than these names; all of them if it is to be whole.
func (s *sshBench) below(t *testing.T, what string, names []string, whole bool) {
	t.Helper()
	var have []string
	err := filepath.WalkDir(s.path("dst"), func(name string, d os.DirEntry, err error) error {
		if err == nil && name != s.path("dst") && !isTemporary(d.Name()) {
			have = append(have, "dest"+strings.TrimPrefix(name, s.path("dst")))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(have, func(n string) bool { return !slices.Contains(names, n) }) || whole && !slices.Equal(have, names) {
		t.Errorf("%s: %q is there, may be %q", what, have, names)
	}
	if info, err := os.Stat(s.path("dst")); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("%s: the destination: %v %v", what, info.Mode(), err)
	}
}
