package sshconn_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

// publicKey is the type and the key of a .pub file.
func publicKey(t *testing.T, path string) string {
	t.Helper()
	return strings.Join(strings.Fields(readFile(t, path))[:2], " ")
}

// outcome is what came of a connection, in one word.
func outcome(err error) string {
	if e, ok := errors.AsType[*sshconn.HostKeyError](err); ok && errors.Is(err, sshconn.ErrHostKey) {
		return "refused: " + string(e.Problem)
	}
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, sshconn.ErrAuth):
		return "no login"
	}
	return "other: " + err.Error()
}

// login connects, and no more: a shell for each row would take longer than all of them.
func login(t *testing.T, c sshconn.Config) error {
	t.Helper()
	client, err := sshconn.Dial(t.Context(), c)
	if err != nil {
		return err
	}
	return client.Close()
}

// hostRow is a known_hosts file and what comes of it.
type hostRow struct {
	name, known, option, host, want string
	line                            int // that the error names
}

// The rows about host keys, against sshd: one with plain keys, and one whose keys have a certificate that is good,
// expired, or of another host. go test -v prints the table. The twelve of the reliability plan come first.
func TestHostKeyRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	sshtest.Require(t, "sshd", "ssh-keygen")
	sshtest.Keygen(t, at("ca"), "ed25519", "")
	sshtest.Keygen(t, at("other"), "ed25519", "")
	var extra []string
	for _, k := range []struct{ name, kind, bits, args string }{
		{"good", "ecdsa", "256", "-n 127.0.0.1,localhost"},
		{"expired", "rsa", "3072", "-n 127.0.0.1 -V 20200101:20200102"},
		{"elsewhere", "ecdsa", "384", "-n elsewhere.example"},
	} {
		sshtest.Keygen(t, at(k.name), k.kind, "", "-b", k.bits)
		cert := sshtest.Certify(t, at("ca"), at(k.name), append([]string{"-h"}, strings.Fields(k.args)...)...)
		extra = append(extra, "HostKey "+at(k.name), "HostCertificate "+cert)
	}
	plain, certified := sshtest.Start(t, sshtest.Options{HostKeys: []string{"ed25519", "rsa"}}), sshtest.Start(t, sshtest.Options{Extra: extra})
	key, other, ca := publicKey(t, plain.HostKeys[0]+".pub"), publicKey(t, at("other.pub")), publicKey(t, at("ca.pub"))
	host := fmt.Sprintf("[127.0.0.1]:%d", plain.Port)
	hashed := at("hashed")
	if err := os.WriteFile(hashed, []byte(host+" "+key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-H", "-f", hashed).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	authority := fmt.Sprintf("@cert-authority [127.0.0.1]:%d %s\n", certified.Port, ca)
	algorithm := func(name string) string { return "HostKeyAlgorithms=" + name + "-cert-v01@openssh.com" }
	for _, row := range []hostRow{
		{"known", host + " " + key, "", "", "ok", 0},
		{"unknown", "", "", "", "refused: unknown", 0},
		{"changed", "# a comment\n" + host + " " + other, "", "", "refused: changed", 2},
		{"revoked", host + " " + key + "\n@revoked * " + key, "", "", "refused: revoked", 2},
		{"CA ok", authority, algorithm("ecdsa-sha2-nistp256"), "", "ok", 0},
		{"CA expired", authority, algorithm("rsa-sha2-512"), "", "refused: certificate", 0},
		{"CA wrong principal", authority, algorithm("ecdsa-sha2-nistp384"), "", "refused: certificate", 0},
		{"CA revoked", authority + "@revoked * " + ca, algorithm("ecdsa-sha2-nistp256"), "", "refused: revoked", 2},
		{"hashed", readFile(t, hashed), "", "", "ok", 0},
		{"port form", "127.0.0.1 " + other + "\n" + host + " " + key, "", "", "ok", 0},
		{"other algorithm", host + " " + publicKey(t, plain.HostKeys[1]+".pub"), "", "", "ok", 0},
		{"DNS name, IP known", host + " " + key, "", "localhost", "refused: unknown", 0},

		{"DNS name known", fmt.Sprintf("[localhost]:%d %s", plain.Port, key), "", "localhost", "ok", 0},
		{"CA for all, plain key known", "@cert-authority * " + other + "\n" + host + " " + key, "", "", "ok", 0},
		{"CA for all, plain key unknown", "@cert-authority * " + other, "", "", "refused: unknown", 0},
	} {
		srv := plain
		if strings.Contains(row.option, "-cert-") {
			srv = certified
		}
		t.Run(row.name, func(t *testing.T) { row.run(t, srv) })
	}
	t.Run("CA for all, certificate of another CA, plain key known", func(t *testing.T) {
		known := fmt.Sprintf("@cert-authority * %s\n[127.0.0.1]:%d %s\n", other, certified.Port, publicKey(t, certified.HostKeys[0]+".pub"))
		text := strings.Replace(readFile(t, certified.Config), certified.KnownHosts, writeFile(t, "known", known), 1)
		if err := login(t, sshconn.Config{Host: certified.Alias, ConfigFile: writeFile(t, "config", text), Prompt: noPrompt, SSH: "none"}); err != nil {
			t.Error(err) // ssh itself calls the key changed
		}
	})
}

func (row *hostRow) run(t *testing.T, srv *sshtest.Server) {
	known := writeFile(t, "known", row.known)
	text := strings.Replace(readFile(t, srv.Config), srv.KnownHosts, known, 1)
	if row.host != "" {
		text = strings.Replace(text, "HostName 127.0.0.1", "HostName "+row.host+"\n  AddressFamily inet", 1)
	}
	text += row.option + "\n"
	c := sshconn.Config{Host: srv.Alias, ConfigFile: writeFile(t, "config", text), Prompt: noPrompt, SSH: "none"}
	err := login(t, c)
	got := outcome(err)
	t.Logf("%-30s %-22s %v", row.name, got, err)
	if got != row.want {
		t.Fatalf("%s, want %s", got, row.want)
	}
	if e, ok := errors.AsType[*sshconn.HostKeyError](err); ok && row.line > 0 && (e.Line != row.line || e.File != known) {
		t.Errorf("names %s:%d, want line %d", e.File, e.Line, row.line)
	}
	// ssh itself comes to the same. The subsystem ends at once, without a shell.
	out, sshErr := exec.Command("ssh", "-F", c.ConfigFile, "-o", "BatchMode=yes", "-s", srv.Alias, "sftp").CombinedOutput()
	if (sshErr == nil) != (err == nil) {
		t.Errorf("ssh says %v: %s", sshErr, out)
	}
}

// loginRow is a way to log in to sshd.
type loginRow struct {
	name   string
	change func(c *clientFiles)
	want   string
	says   string
	asked  int // questions
}

// The rows about logging in, against sshd, which trusts an authority and a few keys. go test -v prints the table.
func TestLoginRows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	sshtest.Require(t, "sshd", "ssh-keygen")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	sshtest.Keygen(t, at("ca"), "ed25519", "")
	for _, name := range []string{"certified", "expired", "stranger"} {
		sshtest.Keygen(t, at(name), "ed25519", "")
	}
	sshtest.Keygen(t, at("certified-rsa"), "rsa", "")
	sshtest.Certify(t, at("ca"), at("certified"), "-n", me.Username)
	sshtest.Certify(t, at("ca"), at("certified-rsa"), "-n", me.Username)
	sshtest.Certify(t, at("ca"), at("expired"), "-n", me.Username, "-V", "20200101:20200102")
	// The certificate stands elsewhere than its key.
	if err := os.Rename(at("certified-rsa-cert.pub"), at("apart.pub")); err != nil {
		t.Fatal(err)
	}
	srv := sshtest.Start(t, sshtest.Options{Extra: []string{"TrustedUserCAKeys " + at("ca.pub"), "MaxAuthTries 4"}})
	device := newDevice(t)
	appendFile(t, filepath.Join(srv.Dir, "authorized_keys"), string(ssh.MarshalAuthorizedKey(device.pub)))
	good, signer := private(t, srv.Key)
	encrypted, open := keyFile(t, good, canary), keyFile(t, good, "")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	strangers := func(n int) (keys []any) {
		for range n {
			k, _ := newKey(t, "ed25519")
			keys = append(keys, k)
		}
		return keys
	}
	withCert := func(key, cert string) agent.Agent {
		k, _ := private(t, key)
		a := agent.NewKeyring()
		if err := a.Add(agent.AddedKey{PrivateKey: k, Certificate: readCert(t, cert)}); err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, row := range []loginRow{
		{"agent absent", func(c *clientFiles) { c.agent = "/nonexistent/agent" }, "no login", "/nonexistent/agent", 0},
		{"agent refuses", func(c *clientFiles) { c.agent = sshtest.ServeAgent(t, sshtest.RefusingAgent(keyring(t, good))) }, "no login", "agent key SHA256:", 0},
		{"agent dies", func(c *clientFiles) { c.agent = sshtest.ServeAgent(t, sshtest.DyingAgent(keyring(t, good))) }, "no login", "agent key SHA256:", 0},
		{"agent dies, then file", func(c *clientFiles) {
			c.agent, c.identities = sshtest.ServeAgent(t, sshtest.DyingAgent(keyring(t, strangers(1)[0], good))), []string{srv.Key}
		}, "ok", "", 0},
		{"passphrase", func(c *clientFiles) { c.identities, c.answers = []string{encrypted}, []string{canary} }, "ok", "", 1},
		{"passphrase wrong x3", func(c *clientFiles) { c.identities, c.answers = []string{encrypted}, []string{"a", "b", "c", canary} }, "no login", "wrong passphrase", 3},
		{"no tty", func(c *clientFiles) { c.identities = []string{encrypted} }, "no login", "no terminal", 1},
		{"key perms 0644", func(c *clientFiles) { c.identities = []string{open} }, "no login", "chmod 600", 0},
		{"agent key", func(c *clientFiles) { c.agent = sshtest.ServeAgent(t, keyring(t, good)) }, "ok", "", 0},
		{"certificate beside the key", func(c *clientFiles) { c.identities = []string{at("certified")} }, "ok", "", 0},
		{"CertificateFile", func(c *clientFiles) {
			c.identities, c.lines = []string{at("certified-rsa")}, "CertificateFile "+at("apart.pub")+"\n"
		}, "ok", "", 0},
		{"CertificateFile, key in the agent", func(c *clientFiles) {
			k, _ := private(t, at("certified-rsa"))
			c.agent, c.lines = sshtest.ServeAgent(t, keyring(t, k)), "CertificateFile "+at("apart.pub")+"\n"
		}, "ok", "", 0},
		{"CertificateFile without its key", func(c *clientFiles) { c.lines = "CertificateFile " + at("apart.pub") + "\n" }, "no login", "private key of this certificate", 0},
		{"certificate in the agent", func(c *clientFiles) { c.agent = sshtest.ServeAgent(t, withCert(at("certified-rsa"), at("apart.pub"))) }, "ok", "", 0},
		{"certificate expired", func(c *clientFiles) { c.identities = []string{at("expired")} }, "no login", "expired-cert.pub: the server does not accept", 0},
		{"security key in the agent", func(c *clientFiles) { c.agent = sshtest.ServeAgent(t, device) }, "ok", "", 0},
		{"first of several fails to sign", func(c *clientFiles) {
			c.agent = sshtest.ServeAgent(t, sshtest.RefusingAgent(keyring(t, good)))
			c.identities = []string{at("stranger"), at("certified")}
		}, "ok", "", 0},
		{"MaxAuthTries cuts", func(c *clientFiles) { c.agent = sshtest.ServeAgent(t, keyring(t, strangers(8)...)) }, "no login", "Too many authentication failures", 0},
		{"MaxAuthTries, the file's key first", func(c *clientFiles) {
			c.agent, c.identities = sshtest.ServeAgent(t, keyring(t, append(strangers(8), good)...)), []string{encrypted}
		}, "ok", "", 0},
		{"algorithm left out", func(c *clientFiles) {
			c.identities, c.lines = []string{srv.Key}, "PubkeyAcceptedAlgorithms rsa-sha2-512\n"
		}, "no login", "PubkeyAcceptedAlgorithms", 0},
		{"public keys off", func(c *clientFiles) {
			c.identities, c.lines = []string{srv.Key}, "PubkeyAuthentication no\n"
		}, "no login", "publickey", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := &clientFiles{agent: "none", good: good, goodKey: signer}
			row.change(f)
			c := f.config(t, srv.Addr(), srv.KnownHosts)
			err := login(t, c)
			t.Logf("%-36s %-10s %v", row.name, outcome(err), err)
			if got := outcome(err); got != row.want || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Fatalf("%s, want %s that says %q: %v", got, row.want, row.says, err)
			}
			if strings.Contains(row.says, "Too many") && !strings.Contains(err.Error(), "IdentitiesOnly") {
				t.Errorf("no hint: %v", err)
			}
			if len(f.asked) != row.asked {
				t.Errorf("asked %q", f.asked)
			}
		})
	}
}

func appendFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(readFile(t, path)+text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func private(t *testing.T, path string) (any, ssh.Signer) {
	t.Helper()
	key, err := ssh.ParseRawPrivateKey([]byte(readFile(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, signer
}

func readCert(t *testing.T, path string) *ssh.Certificate {
	t.Helper()
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(readFile(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	return pub.(*ssh.Certificate)
}

// A server that hangs up during the login is not said to have refused the key.
func TestHangUpAtLogin(t *testing.T) {
	t.Parallel()
	_, host := newKey(t, "ed25519")
	key, _ := newKey(t, "ed25519")
	p := listen(t, func(c net.Conn) {
		config := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
			c.Close()
			return nil, errors.New("no")
		}}
		config.AddHostKey(host)
		_, _, _, _ = ssh.NewServerConn(c, config) // it cannot succeed
	})
	addr := fmt.Sprintf("127.0.0.1:%d", p)
	f := &clientFiles{agent: "none", identities: []string{keyFile(t, key, "")}}
	c := f.config(t, addr, writeFile(t, "known", line("", fmt.Sprintf("[127.0.0.1]:%d", p), host.PublicKey())))
	if err := login(t, c); !errors.Is(err, sshconn.ErrAuth) || !strings.Contains(err.Error(), "closed the connection during the login") || strings.Contains(err.Error(), "does not accept") {
		t.Error(err)
	}
}

// An agent that takes the question and never answers does not hold the run for ever: the context ends the wait.
func TestSilentAgent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	srv := serveForLogin(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	f := &clientFiles{agent: filepath.Join(dir, "s")}
	c := f.config(t, srv.Addr(), srv.Files().KnownHosts)
	began := time.Now()
	if _, err := sshconn.Dial(ctx, c); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 15*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}
