package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"gosync/transport/sshtest"
)

// A hostCase is a known_hosts file, and what a run comes to.
type hostCase struct {
	name, known, option string
	status              int
	says                string
}

// hostKeys is row 43: nothing is sent to a server that is not known to be the right one, not even a name to log in by.
func hostKeys(t *testing.T, c *tally) {
	dir := t.TempDir()
	ca, stranger := dir+"/ca", dir+"/stranger"
	sshtest.Require(t, "sshd", "ssh-keygen")
	sshtest.Keygen(t, ca, "ed25519", "")
	sshtest.Keygen(t, stranger, "ed25519", "")
	extra := []string{"LogLevel DEBUG1"}
	for _, k := range []struct{ name, kind, bits, args string }{
		{"good", "ecdsa", "256", "-n 127.0.0.1"},
		{"expired", "rsa", "3072", "-n 127.0.0.1 -V 20200101:20200102"},
		{"elsewhere", "ecdsa", "384", "-n elsewhere.example"},
	} {
		key := dir + "/" + k.name
		sshtest.Keygen(t, key, k.kind, "", "-b", k.bits)
		cert := sshtest.Certify(t, ca, key, append([]string{"-h"}, strings.Fields(k.args)...)...)
		extra = append(extra, "HostKey "+key, "HostCertificate "+cert)
	}
	b := newSSHBench(t, sshtest.Options{Extra: extra})
	for _, h := range hostCases(t, b, ca, stranger) {
		h.run(t, b)
		c.count(1)
	}
}

// hostCases are the rows about host keys, those that are to pass among them.
func hostCases(t *testing.T, b *sshBench, ca, stranger string) []hostCase {
	t.Helper()
	host := fmt.Sprintf("[127.0.0.1]:%d ", b.sshd.Port)
	key := host + publicKey(t, b.sshd.HostKeys[0])
	authority := "@cert-authority " + host + publicKey(t, ca)
	changed := "# a comment\n" + host + publicKey(t, stranger)
	certificate := func(name string) string { return "HostKeyAlgorithms " + name + "-cert-v01@openssh.com" }
	second := b.path("known") + ":2"
	return []hostCase{
		{"known", key, "", exitOK, ""},
		{"changed", changed, "", exitHostKey, second},
		{"changed, and anything goes", changed, "StrictHostKeyChecking no", exitHostKey, second},
		{"changed, and new ones are taken", changed, "StrictHostKeyChecking accept-new", exitHostKey, second},
		{"unknown", "", "", exitHostKey, "no key is known for"},
		{"unknown, nobody to ask", "", "StrictHostKeyChecking ask", exitHostKey, "no key is known for"},
		{"revoked", key + "\n@revoked * " + publicKey(t, b.sshd.HostKeys[0]), "", exitHostKey, second},
		{"CA ok", authority, certificate("ecdsa-sha2-nistp256"), exitOK, ""},
		{"CA expired", authority, certificate("rsa-sha2-512"), exitHostKey, "certificate"},
		{"CA for another host", authority, certificate("ecdsa-sha2-nistp384"), exitHostKey, "certificate"},
		{"CA revoked", authority + "\n@revoked * " + publicKey(t, ca), certificate("ecdsa-sha2-nistp256"), exitHostKey, second},
		{"CA of others", "@cert-authority " + host + publicKey(t, stranger), certificate("ecdsa-sha2-nistp256"), exitHostKey, "no key is known for"},
		{"another algorithm than the known key's", key, "HostKeyAlgorithms rsa-sha2-512", exitHostKey, b.path("known") + ":1"},
		{"an algorithm that the server has no key for", key, "HostKeyAlgorithms ecdsa-sha2-nistp521", exitConnect, "host key"},
	}
}

// publicKey is the type and the key of a pair.
func publicKey(t *testing.T, private string) string {
	t.Helper()
	text, err := os.ReadFile(private + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(text))[:2], " ")
}

// run pushes to the server. Its log tells whether the client went on to log in.
func (h *hostCase) run(t *testing.T, b *sshBench) {
	t.Helper()
	b.write(t, "known", h.known+"\n", 0o600)
	lines := []string{"UserKnownHostsFile " + b.path("known")}
	if h.option != "" {
		lines = append(lines, h.option)
	}
	before := len(b.sshd.Log())
	e := b.want(t, h.status, h.says, b.between("push", "-a", "--ssh-config", b.config(t, lines...), "--gosync-path="+b.gosync)...)
	t.Logf("%-44s exit %2d  %s", h.name, e.status, e.output)
	log := func() string { return b.sshd.Log()[before:] }
	const login = "userauth-request"
	if h.status == exitOK {
		b.same(t, "src", "dst")
		if !strings.Contains(log(), login) {
			t.Errorf("%s: the log does not tell of a login, so it shows nothing:\n%s", h.name, log())
		}
		b.remove(t, "dst")
		return
	}
	ended := regexp.MustCompile(`Connection (closed|reset)|Disconnect|Unable to negotiate`)
	waitFor(t, h.name+": the end of the connection in sshd's log", func() bool { return ended.MatchString(log()) })
	if strings.Contains(log(), login) {
		t.Errorf("%s: the client tries to log in:\n%s", h.name, log())
	}
	b.here(t, false, "dst")
}

// A loginCase is a way to log in.
type loginCase struct {
	name   string
	lines  []string // of ssh_config
	answer string   // to each question; none: nobody can be asked
	status int
	says   string
	asked  int
}

// logins is row 44: who cannot log in is told why, is not asked for ever, and is not betrayed.
func logins(t *testing.T, c *tally) {
	const secret, guess = "canary-0f-p4ssphrases", "wr0ng-canary"
	b := newSSHBench(t, sshtest.Options{})
	text, err := os.ReadFile(b.sshd.Key)
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "open", string(text), 0o644)
	b.write(t, "closed", string(text), 0o600)
	b.write(t, "encrypted", string(text), 0o600)
	if out, err := exec.Command("ssh-keygen", "-q", "-p", "-P", "", "-N", secret, "-f", b.path("encrypted")).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	body := strings.Split(string(text), "\n")[3] // of which nothing may be seen
	for _, l := range loginCases(t, b, text, secret, guess) {
		e := l.run(t, b)
		for _, s := range []string{secret, guess, body} {
			e.says(t, l.name, s, 0)
		}
		c.count(1)
	}
}

// loginCases are the rows about logging in, each with one that passes.
func loginCases(t *testing.T, b *sshBench, key []byte, secret, guess string) []loginCase {
	t.Helper()
	private, err := ssh.ParseRawPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private}); err != nil {
		t.Fatal(err)
	}
	by := func(socket string) []string {
		return []string{"IdentityAgent " + socket, "IdentityFile none", "IdentitiesOnly no"}
	}
	file := func(name string) []string { return []string{"IdentityAgent none", "IdentityFile " + b.path(name)} }
	return []loginCase{
		{"agent", by(sshtest.ServeAgent(t, ring)), "", exitOK, "", 0},
		{"agent absent", by("/nonexistent/agent"), "", exitAuth, "/nonexistent/agent", 0},
		{"agent refuses", by(sshtest.ServeAgent(t, sshtest.RefusingAgent(ring))), "", exitAuth, "agent key SHA256:", 0},
		{"agent dies", by(sshtest.ServeAgent(t, sshtest.DyingAgent(ring))), "", exitAuth, "agent key SHA256:", 0},
		{"key file", file("closed"), "", exitOK, "", 0},
		{"key file of mode 0644", file("open"), "", exitAuth, "chmod 600", 0},
		{"passphrase", file("encrypted"), secret, exitOK, "", 1},
		{"passphrase wrong three times", file("encrypted"), guess, exitAuth, "wrong passphrase", 3},
		{"passphrase, and nobody to ask", file("encrypted"), "", exitAuth, "no terminal", 0},
		{"passphrase, and nobody is to be asked", append(file("encrypted"), "BatchMode yes"), secret, exitAuth, "BatchMode", 0},
	}
}

// run pushes by that way to log in.
func (l *loginCase) run(t *testing.T, b *sshBench) ended {
	t.Helper()
	b.remove(t, "asked")
	env := b.env
	if l.answer != "" {
		b.write(t, "askpass", fmt.Sprintf("#!/bin/sh\necho \"$1\" >>%s\necho %s\n", b.path("asked"), l.answer), 0o700)
		b.env = append(env[:len(env):len(env)], "SSH_ASKPASS="+b.path("askpass"), "SSH_ASKPASS_REQUIRE=force")
	}
	began := time.Now()
	e := b.want(t, l.status, l.says, b.between("push", "-avvv", "--ssh-config", b.config(t, l.lines...), "--gosync-path="+b.gosync)...)
	b.env = env
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%s: it takes %v", l.name, took)
	}
	final := strings.Split(strings.TrimSpace(e.output), "\n")
	t.Logf("%-40s exit %2d  %s", l.name, e.status, final[len(final)-1])
	asked, err := os.ReadFile(b.path("asked"))
	if n := strings.Count(string(asked), "\n"); n != l.asked || err != nil && l.asked > 0 {
		t.Errorf("%s: asked %d times, want %d: %q", l.name, n, l.asked, asked)
	}
	if l.status == exitOK {
		b.same(t, "src", "dst")
	} else {
		b.here(t, false, "dst")
	}
	b.remove(t, "dst")
	return e
}
