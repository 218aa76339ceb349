package main

import (
	"bufio"
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// reconnects is what a run says when it has lost its connection.
const reconnects = "; reconnecting"

// sshdTrouble is row 42: a server that is not there is said to be so, one that goes on is not noticed, one that comes
// back is gone on with, and one without room is no reason to hang.
func sshdTrouble(t *testing.T, c *tally) {
	sshdStopped(t, c)
	b := newSSHBench(t, sshtest.Options{})
	for _, o := range []struct {
		way string
		do  func(*testing.T, *sshBench, string)
	}{
		{"push", hungUp},
		{"pull", sessionKilled},
		{"pull", hungUp},
		{"push", sessionKilled},
		{"push", serverRestarts},
		{"pull", serverRestarts},
	}[:many(2, 6)] {
		o.do(t, b, o.way)
		c.count(1)
	}
	oneSession(t, c)
	noStartups(t, c)
}

// sshdStopped has no sshd at all.
func sshdStopped(t *testing.T, c *tally) {
	t.Helper()
	b := newSSHBench(t, sshtest.Options{})
	b.sshd.Stop()
	for _, way := range []string{"push", "pull"} {
		e := b.want(t, exitConnect, "refused", b.between(way, "-a", "--ssh-config", b.sshd.Config, "--gosync-path="+b.gosync)...)
		e.says(t, "sshd stopped", reconnects, 0) // a host that was never reached may not exist
		b.here(t, false, "dst")
		c.count(1)
	}
}

// transfer starts a copy that takes a while, and returns when it has begun to write.
func (s *sshBench) transfer(t *testing.T, way string, options ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	slow := s.slow(t)
	args := slices.Concat(slow, []string{"--ssh-config", s.sshd.Config, "--gosync-path=" + s.gosync}, options)
	cmd, output := s.command(s.between(way, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.begun(t)
	return cmd, output
}

// finished wants a transfer to have succeeded, with so many new connections.
func (s *sshBench) finished(t *testing.T, what string, cmd *exec.Cmd, output *bytes.Buffer, again int) {
	t.Helper()
	e := s.wait(t, cmd, output, time.Minute)
	t.Logf("%-40s exit %2d  %s", what, e.status, strings.TrimSpace(e.output))
	if e.status != exitOK {
		t.Errorf("%s: exit %d\n%s", what, e.status, e.output)
	}
	e.says(t, what, reconnects, again)
	s.same(t, "src", "dst")
	s.remove(t, "dst")
}

// hungUp has sshd read its configuration anew, which is what systemctl reload does.
func hungUp(t *testing.T, b *sshBench, way string) {
	t.Helper()
	before := len(b.sshd.Log())
	cmd, output := b.transfer(t, way)
	if err := syscall.Kill(b.sshd.Pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "sshd to listen again", func() bool { return strings.Contains(b.sshd.Log()[before:], "Server listening") })
	b.finished(t, "HUP, "+way, cmd, output, 0)
}

// sessionKilled has the process of sshd die that serves a transfer.
func sessionKilled(t *testing.T, b *sshBench, way string) {
	t.Helper()
	cmd, output := b.transfer(t, way)
	b.killSessions(t)
	b.finished(t, "session killed, "+way, cmd, output, 1)
}

// serverRestarts has sshd be away for some time, with all of its sessions, as when a machine is started anew.
func serverRestarts(t *testing.T, b *sshBench, way string) {
	t.Helper()
	cmd, output := b.transfer(t, way)
	sessions := childrenOf(t, b.sshd.Pid)
	b.sshd.Stop()
	kill(t, sessions)
	time.Sleep(2 * time.Second) // the first attempts find nobody
	b.sshd.Restart(t)
	b.finished(t, "restarted, "+way, cmd, output, 1)
}

// killSessions kills the children of sshd, which are its sessions.
func (s *sshBench) killSessions(t *testing.T) {
	t.Helper()
	sessions := childrenOf(t, s.sshd.Pid)
	if len(sessions) == 0 {
		t.Fatal("sshd has no session")
	}
	kill(t, sessions)
}

func kill(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
}

// childrenOf are the processes that a process has started.
func childrenOf(t *testing.T, pid int) (children []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		rest := string(text[bytes.LastIndexByte(text, ')')+1:]) // a name may hold anything
		if f := strings.Fields(rest); len(f) > 1 && f[0] != "Z" && f[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// oneSession has sshd allow one session at a time on each connection.
func oneSession(t *testing.T, c *tally) {
	t.Helper()
	b := newSSHBench(t, sshtest.Options{Extra: []string{"MaxSessions 1"}})
	installed := "--gosync-path=" + b.gosync
	for _, o := range []struct{ way, option string }{
		{"push", ""}, // which takes a session after the other
		{"pull", "--via=scp"},
		{"push", installed},
		{"push", "--via=scp"},
		{"pull", "--via=sftp"},
		{"from far to far", installed},
		{"push", "--via=sftp"},
		{"pull", ""},
		{"from far to far", ""},
	}[:many(2, 9)] {
		args := []string{"-rpt", "--ssh-config", b.sshd.Config}
		if o.option != "" {
			args = append(args, o.option)
		}
		e := b.want(t, exitOK, "", b.between(o.way, args...)...)
		t.Logf("%-40s exit %2d  %s", "MaxSessions 1, "+o.way+" "+filepath.Base(o.option), e.status, strings.TrimSpace(e.output))
		b.same(t, "src", "dst")
		b.remove(t, "dst", "home/.cache")
		c.count(1)
	}
}

// noStartups has others use up the connections that sshd allows before a login.
func noStartups(t *testing.T, c *tally) {
	t.Helper()
	b := newSSHBench(t, sshtest.Options{Extra: []string{"MaxStartups 2:100:2"}})
	args := b.between("push", "-a", "--ssh-config", b.sshd.Config, "--gosync-path="+b.gosync)
	release := occupy(t, b.sshd, 2)
	e := b.want(t, exitConnect, "MaxStartups", args...)
	t.Logf("%-40s exit %2d  %s", "MaxStartups exceeded", e.status, strings.TrimSpace(e.output))
	b.here(t, false, "dst")
	release()
	waitFor(t, "sshd to have room again", func() bool { return len(childrenOf(t, b.sshd.Pid)) == 0 })
	b.want(t, exitOK, "", args...)
	b.same(t, "src", "dst")
	b.remove(t, "dst")
	c.count(1)
	if !longRun() {
		return
	}
	// A run that was connected comes again until there is room.
	cmd, output := b.transfer(t, "push")
	b.killSessions(t)
	release = occupy(t, b.sshd, 2)
	time.Sleep(2 * time.Second)
	release()
	b.finished(t, "MaxStartups exceeded when it reconnects", cmd, output, 1)
	c.count(1)
}

// occupy holds connections that do not log in, until release is called.
func occupy(t *testing.T, s *sshtest.Server, n int) (release func()) {
	t.Helper()
	var held []net.Conn
	waitFor(t, "connections that sshd counts", func() bool {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		if err == nil && strings.HasPrefix(line, "SSH-") {
			held = append(held, c)
		} else { // one before is counted still
			c.Close()
		}
		return len(held) == n
	})
	return func() {
		for _, c := range held {
			c.Close()
		}
	}
}
