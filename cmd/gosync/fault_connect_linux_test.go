package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"gosync/transport/sshtest"
)

// TestConnections has the server refuse in all ways.
func TestConnections(t *testing.T) {
	t.Parallel()
	b := newFaultBench(t)
	b.file(t, "src/f", 1000)
	s := sshtest.Start(t, sshtest.Options{})
	config := func(name, from, to string) string {
		text, err := os.ReadFile(s.Config)
		if err != nil || !strings.Contains(string(text), from) {
			t.Fatalf("%s is not in the configuration: %v", from, err)
		}
		if err := os.WriteFile(b.path(name), []byte(strings.ReplaceAll(string(text), from, to)), 0o600); err != nil {
			t.Fatal(err)
		}
		return b.path(name)
	}
	run := func(config string, status int, text string, extra ...string) {
		t.Helper()
		args := append([]string{"-a", "--ssh-config", config, "--gosync-path=" + b.gosync}, extra...)
		b.want(t, status, text, append(args, "src/", s.Alias+":"+b.path("dst"))...)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	refused := config("refused", fmt.Sprintf("Port %d", s.Port), fmt.Sprintf("Port %d", port))
	run(refused, exitConnect, "refused")
	for _, via := range []string{"auto", "sftp", "scp"} {
		run(refused, exitConnect, "refused", "--ssh=command", "--via="+via)
	}
	sshtest.Keygen(t, b.path("other"), "ed25519", "")
	run(config("auth", s.Key, b.path("other")), exitAuth, "")
	public, err := os.ReadFile(b.path("other.pub"))
	if err != nil {
		t.Fatal(err)
	}
	known := fmt.Sprintf("[127.0.0.1]:%d %s", s.Port, public)
	if err := os.WriteFile(b.path("changed_hosts"), []byte(known), 0o600); err != nil {
		t.Fatal(err)
	}
	run(config("changed", s.KnownHosts, b.path("changed_hosts")), exitHostKey, b.path("changed_hosts")+":1")
	if err := os.WriteFile(b.path("no_hosts"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(config("unknown", s.KnownHosts, b.path("no_hosts")), exitHostKey, "")
	if _, err := os.Stat(b.path("dst")); err == nil {
		t.Error("a destination was made")
	}
	run(s.Config, exitNoCommand, "", "--via=agent", "--no-deploy", "--gosync-path=/nonexistent/gosync")
	run(s.Config, exitProtocol, "", "--via=agent", "--no-deploy", "--gosync-path=yes welcome; :")
	run(s.Config, 0, "", "--gosync-path=echo welcome; "+b.gosync)
	b.same(t, "src", "dst")
}

// TestReconnectByCommand: a run by SFTP over the ssh program goes on after its host was away for a moment.
func TestReconnectByCommand(t *testing.T) {
	t.Parallel()
	b := newFaultBench(t)
	b.file(t, "src/f", 300_000)
	// In the first session the line breaks, and for the second there is nobody.
	script := "#!/bin/sh\ncd '" + b.dir + "' && echo >>runs\ncase $(wc -l <runs) in\n" +
		"1) " + sftpServer(t) + " | { dd bs=1 count=100000 2>/dev/null; kill -9 $$; };;\n" +
		"2) echo 'ssh: connect to host h: Connection refused' >&2; exit 255;;\n" +
		"*) exec " + sftpServer(t) + ";;\nesac\n"
	if err := os.WriteFile(b.path("ssh"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	b.want(t, 0, "reconnected 2 times", "-av", "--via=sftp", "-e", b.path("ssh"), "h:"+b.path("src")+"/", b.path("dst"))
	wantSame(t, b.path("src"), b.path("dst"))
}
