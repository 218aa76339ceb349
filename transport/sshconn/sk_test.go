package sshconn_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"gosync/transport/sshtest"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

// A deviceAgent holds one security key, whose device is this process: what it signs looks as if a FIDO token had.
type deviceAgent struct {
	agent.ExtendedAgent
	pub     ssh.PublicKey
	private ed25519.PrivateKey
}

func newDevice(t *testing.T) *deviceAgent {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	blob := ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, pub, "ssh:"})
	key, err := ssh.ParsePublicKey(blob)
	if err != nil {
		t.Fatal(err)
	}
	return &deviceAgent{ExtendedAgent: agent.NewKeyring().(agent.ExtendedAgent), pub: key, private: private}
}

func (d *deviceAgent) List() ([]*agent.Key, error) {
	return []*agent.Key{{Format: d.pub.Type(), Blob: d.pub.Marshal()}}, nil
}

func (d *deviceAgent) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return d.SignWithFlags(key, data, 0)
}

// SignWithFlags signs as the U2F format of OpenSSH's PROTOCOL.u2f says: user present, counter 7.
func (d *deviceAgent) SignWithFlags(key ssh.PublicKey, data []byte, _ agent.SignatureFlags) (*ssh.Signature, error) {
	if string(key.Marshal()) != string(d.pub.Marshal()) {
		return nil, errors.New("another key")
	}
	app, message := sha256.Sum256([]byte("ssh:")), sha256.Sum256(data)
	rest := []byte{1, 0, 0, 0, 7}
	signed := append(append(append([]byte{}, app[:]...), rest...), message[:]...)
	return &ssh.Signature{Format: d.pub.Type(), Blob: ed25519.Sign(d.private, signed), Rest: rest}, nil
}

// securityKey returns a key file that needs a device, and the socket of an agent that holds the key.
func securityKey(t *testing.T) (file, agentPath string) {
	t.Helper()
	d := newDevice(t)
	data := append([]byte("openssh-key-v1\x00"), ssh.Marshal(struct {
		Cipher, KDF, Options string
		Count                uint32
		Public, Private      []byte
	}{"none", "none", "", 1, d.pub.Marshal(), make([]byte, 64)})...)
	return writeFile(t, "id_sk", string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: data}))), sshtest.ServeAgent(t, d)
}
