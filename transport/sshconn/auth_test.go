package sshconn_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"gosync/internal/sshserver"
	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

func keyring(t *testing.T, keys ...any) agent.Agent {
	t.Helper()
	a := agent.NewKeyring()
	for _, k := range keys {
		if err := a.Add(agent.AddedKey{PrivateKey: k}); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// authRow changes the configuration of a client whose server accepts the key good, and nothing else.
type authRow struct {
	name   string
	change func(t *testing.T, c *clientFiles)
	ok     bool
	says   string // part of the error
}

// clientFiles is what goes into the client's configuration.
type clientFiles struct {
	identities []string
	agent      string
	lines      string
	answers    []string // to prompts
	asked      []string
	good       any
	goodKey    ssh.Signer
}

func authRows() []authRow {
	wrong := func(t *testing.T) any { k, _ := newKey(t, "ed25519"); return k }
	return []authRow{
		{"key file", func(t *testing.T, c *clientFiles) { c.identities = []string{keyFile(t, c.good, "")} }, true, ""},
		{"no key", func(*testing.T, *clientFiles) {}, false, "no key to offer"},
		{"wrong key", func(t *testing.T, c *clientFiles) { c.identities = []string{keyFile(t, wrong(t), "")} }, false, "does not accept"},
		{"wrong key, then good", func(t *testing.T, c *clientFiles) {
			c.identities = []string{keyFile(t, wrong(t), ""), keyFile(t, c.good, "")}
		}, true, ""},
		{"broken file, then good", func(t *testing.T, c *clientFiles) {
			c.identities = []string{writeFile(t, "k", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), "/nonexistent", keyFile(t, c.good, "")}
		}, true, ""},
		{"broken file alone", func(t *testing.T, c *clientFiles) { c.identities = []string{writeFile(t, "k", "rubbish")} }, false, "k: "},
		{"missing file", func(_ *testing.T, c *clientFiles) { c.identities = []string{"/nonexistent/key"} }, false, "/nonexistent/key"},
		{"open permissions", func(t *testing.T, c *clientFiles) {
			f := keyFile(t, c.good, "")
			os.Chmod(f, 0o644)
			c.identities = []string{f}
		}, false, "chmod 600"},
		{"agent", func(t *testing.T, c *clientFiles) { c.agent = sshtest.ServeAgent(t, keyring(t, c.good)) }, true, ""},
		{"agent with other keys", func(t *testing.T, c *clientFiles) {
			c.agent = sshtest.ServeAgent(t, keyring(t, wrong(t), wrong(t), c.good))
		}, true, ""},
		{"empty agent, then file", func(t *testing.T, c *clientFiles) {
			c.agent, c.identities = sshtest.ServeAgent(t, keyring(t)), []string{keyFile(t, c.good, "")}
		}, true, ""},
		{"agent with wrong key, then file", func(t *testing.T, c *clientFiles) {
			c.agent, c.identities = sshtest.ServeAgent(t, keyring(t, wrong(t))), []string{keyFile(t, c.good, "")}
		}, true, ""},
		{"agent gone, then file", func(t *testing.T, c *clientFiles) {
			c.agent, c.identities = "/nonexistent/agent", []string{keyFile(t, c.good, "")}
		}, true, ""},
		{"agent gone", func(_ *testing.T, c *clientFiles) { c.agent = "/nonexistent/agent" }, false, "/nonexistent/agent"},
		{"agent declines, then file", func(t *testing.T, c *clientFiles) {
			c.agent, c.identities = sshtest.ServeAgent(t, sshtest.RefusingAgent(keyring(t, c.good))), []string{keyFile(t, c.good, "")}
			c.agent = sshtest.ServeAgent(t, sshtest.RefusingAgent(keyring(t, wrong(t), c.good)))
		}, true, ""},
		{"agent declines", func(t *testing.T, c *clientFiles) {
			c.agent = sshtest.ServeAgent(t, sshtest.RefusingAgent(keyring(t, c.good)))
		}, false, "agent key SHA256:"},
		{"IdentitiesOnly leaves the agent out", func(t *testing.T, c *clientFiles) {
			c.agent, c.lines = sshtest.ServeAgent(t, keyring(t, c.good)), "IdentitiesOnly yes\n"
		}, false, ""},
		{"IdentitiesOnly with the public half", func(t *testing.T, c *clientFiles) {
			c.agent, c.lines = sshtest.ServeAgent(t, keyring(t, wrong(t), c.good)), "IdentitiesOnly yes\n"
			c.identities = []string{writeFile(t, "k.pub", string(ssh.MarshalAuthorizedKey(c.goodKey.PublicKey())))}
		}, true, ""},
		{"public half without agent", func(t *testing.T, c *clientFiles) {
			c.identities = []string{writeFile(t, "k.pub", string(ssh.MarshalAuthorizedKey(c.goodKey.PublicKey())))}
		}, false, "public key only"},
		{"too many keys in the agent", func(t *testing.T, c *clientFiles) {
			keys := []any{}
			for range 8 {
				keys = append(keys, wrong(t))
			}
			c.agent, c.identities = sshtest.ServeAgent(t, keyring(t, keys...)), nil
		}, false, "IdentitiesOnly"},
		{"key of a file held by the agent goes first", func(t *testing.T, c *clientFiles) {
			keys := []any{}
			for range 8 {
				keys = append(keys, wrong(t))
			}
			c.agent, c.identities = sshtest.ServeAgent(t, keyring(t, append(keys, c.good)...)), []string{keyFile(t, c.good, "secret")}
		}, true, ""},
		{"passphrase", func(t *testing.T, c *clientFiles) {
			c.identities, c.answers = []string{keyFile(t, c.good, "secret")}, []string{"secret"}
		}, true, ""},
		{"passphrase at the second try", func(t *testing.T, c *clientFiles) {
			c.identities, c.answers = []string{keyFile(t, c.good, "secret")}, []string{"wrong", "secret"}
		}, true, ""},
		{"passphrase wrong", func(t *testing.T, c *clientFiles) {
			c.identities, c.answers = []string{keyFile(t, c.good, "secret")}, []string{"a", "b", "c", "secret"}
		}, false, "wrong passphrase"},
		{"passphrase, no terminal", func(t *testing.T, c *clientFiles) { c.identities = []string{keyFile(t, c.good, "secret")} }, false, "no terminal"},
		{"passphrase, batch mode", func(t *testing.T, c *clientFiles) {
			c.identities, c.lines, c.answers = []string{keyFile(t, c.good, "secret")}, "BatchMode yes\n", []string{"secret"}
		}, false, "BatchMode"},
		{"encrypted wrong key asks nothing", func(t *testing.T, c *clientFiles) {
			c.identities, c.answers = []string{keyFile(t, wrong(t), "other"), keyFile(t, c.good, "secret")}, []string{"secret"}
		}, true, ""},
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		private, signer := newKey(t, kind)
		srv := serve(t, sshserver.Options{AuthorizedKeys: []ssh.PublicKey{signer.PublicKey()}})
		for _, row := range authRows() {
			if kind != "ed25519" && strings.Contains(row.name, "passphrase") {
				continue // deriving a key takes a tenth of a second
			}
			t.Run(kind+"/"+row.name, func(t *testing.T) {
				t.Parallel()
				files := &clientFiles{good: private, goodKey: signer, agent: "none"}
				row.change(t, files)
				err := try(t, files.config(t, srv.Addr(), srv.Files().KnownHosts))
				checkAuth(t, err, row.ok, row.says)
			})
		}
	}
}

// config writes the configuration and returns a client for it.
func (f *clientFiles) config(t *testing.T, addr, known string) sshconn.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("Host x\nHostName %s\nPort %s\nUserKnownHostsFile %s\nStrictHostKeyChecking yes\nIdentityAgent %s\n%s", host, port, known, f.agent, f.lines)
	for _, i := range f.identities {
		text += "IdentityFile " + i + "\n"
	}
	if len(f.identities) == 0 {
		text += "IdentityFile none\n"
	}
	return sshconn.Config{Host: "x", ConfigFile: writeFile(t, "config", text), Prompt: f.prompt, SSH: "none"}
}

func (f *clientFiles) prompt(_ context.Context, text string, _ bool) (string, error) {
	f.asked = append(f.asked, text)
	if len(f.answers) == 0 {
		return "", sshconn.ErrNoTerminal
	}
	a := f.answers[0]
	f.answers = f.answers[1:]
	return a, nil
}

func checkAuth(t *testing.T, err error, ok bool, says string) {
	t.Helper()
	if ok {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if !errors.Is(err, sshconn.ErrAuth) || !strings.Contains(err.Error(), says) {
		t.Fatalf("%v; want ErrAuth that says %q", err, says)
	}
}

func TestTypedAuth(t *testing.T) {
	t.Parallel()
	srv := serve(t, sshserver.Options{Password: "open sesame"})
	for _, test := range []struct {
		answers []string
		ok      bool
		asked   int
	}{
		{[]string{"open sesame"}, true, 1},
		{[]string{"wrong", "open sesame"}, true, 2},
		{[]string{"a", "b", "c", "open sesame"}, true, 4}, // three by keyboard-interactive, then password
		{[]string{"a", "b", "c", "d", "e", "f", "g", "h"}, false, 6},
		{nil, false, 1},
	} {
		f := &clientFiles{agent: "none", answers: test.answers}
		err := try(t, f.config(t, srv.Addr(), srv.Files().KnownHosts))
		checkAuth(t, err, test.ok, "")
		if len(f.asked) != test.asked {
			t.Errorf("%q: asked %q", test.answers, f.asked)
		}
	}
}

// Old encrypted PEM files do not tell their public key: the question comes before the offer.
func TestOldEncryptedKey(t *testing.T) {
	t.Parallel()
	private, signer := newKey(t, "ecdsa")
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	srv := serve(t, sshserver.Options{AuthorizedKeys: []ssh.PublicKey{signer.PublicKey()}})
	f := &clientFiles{agent: "none", identities: []string{writeFile(t, "pkcs8", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))}}
	if err := try(t, f.config(t, srv.Addr(), srv.Files().KnownHosts)); err != nil {
		t.Fatal(err)
	}
	sshtest.Require(t, "sshd", "ssh-keygen")
	path := filepath.Join(t.TempDir(), "old")
	sshtest.Keygen(t, path, "rsa", "secret", "-m", "PEM")
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(readFile(t, path+".pub")))
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path + ".pub")
	srv = serve(t, sshserver.Options{AuthorizedKeys: []ssh.PublicKey{pub}})
	f = &clientFiles{agent: "none", identities: []string{path}, answers: []string{"secret"}}
	if err := try(t, f.config(t, srv.Addr(), srv.Files().KnownHosts)); err != nil {
		t.Fatal(err)
	}
}

// The rows that matter against the real server.
func TestAuthSshd(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{})
	private, err := ssh.ParseRawPrivateKey([]byte(readFile(t, srv.Key)))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range authRows() {
		if strings.Contains(row.name, "passphrase") {
			continue // the server has no part in it
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := &clientFiles{good: private, goodKey: signer, agent: "none"}
			row.change(t, f)
			c := f.config(t, srv.Addr(), srv.KnownHosts)
			if err := login(t, c); row.ok != (err == nil) || !row.ok && !errors.Is(err, sshconn.ErrAuth) {
				t.Errorf("%v", err)
			}
		})
	}
}
