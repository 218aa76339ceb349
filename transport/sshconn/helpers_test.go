package sshconn_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gosync/internal/sshserver"
	"gosync/transport/sshconn"
)

// serve starts a server in this process.
func serve(t *testing.T, o sshserver.Options) *sshserver.Server {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := sshserver.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// config is a Config for a server that asks nobody and looks into no file of the user that runs the tests. The own parser
// reads it: it is in this process, and the tests are many.
func config(s *sshserver.Server) sshconn.Config {
	return sshconn.Config{Host: s.Files().Alias, ConfigFile: s.Files().Config, Prompt: noPrompt, SSH: "none"}
}

func noPrompt(context.Context, string, bool) (string, error) { return "", sshconn.ErrNoTerminal }

// try connects and runs a command.
func try(t *testing.T, c sshconn.Config) error {
	t.Helper()
	client, err := sshconn.Dial(t.Context(), c)
	if err != nil {
		return err
	}
	defer client.Close()
	s, err := client.Start(t.Context(), "echo ok")
	if err != nil {
		return err
	}
	if out, err := io.ReadAll(s.Stdout); err != nil || string(out) != "ok\n" {
		t.Errorf("output %q, %v", out, err)
	}
	return s.Wait()
}

func newKey(t testing.TB, kind string) (private any, signer ssh.Signer) {
	t.Helper()
	var err error
	switch kind {
	case "ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "ecdsa":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		t.Fatalf("no key of kind %s", kind)
	}
	if err == nil {
		signer, err = ssh.NewSignerFromKey(private)
	}
	if err != nil {
		t.Fatal(err)
	}
	return private, signer
}

// keyFile writes a private key and returns its path.
func keyFile(t testing.TB, private any, passphrase string) string {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "key", string(pem.EncodeToMemory(block)))
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// hostCert lets ca certify a host key.
func hostCert(t *testing.T, ca, host ssh.Signer, principal string, until time.Time) ssh.Signer {
	t.Helper()
	c := &ssh.Certificate{
		Key: host.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{principal},
		ValidAfter: uint64(time.Now().Add(-2 * time.Hour).Unix()), ValidBefore: uint64(until.Unix()),
	}
	if err := c.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewCertSigner(c, host)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// line is a line of known_hosts without a comment.
func line(marker, host string, key ssh.PublicKey) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", marker, host, bytes.TrimSpace(ssh.MarshalAuthorizedKey(key)))) + "\n"
}

func port(t *testing.T, s *sshserver.Server) string {
	t.Helper()
	_, p, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return p
}
