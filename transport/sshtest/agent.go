package sshtest

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// ServeAgent runs an agent and returns the path of its socket.
func ServeAgent(t testing.TB, a agent.Agent) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // a short path: sockets have 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				served := a
				if d, ok := a.(*dying); ok {
					served = &dying{d.Agent, func() { c.Close() }}
				}
				_ = agent.ServeAgent(served, c) // ends with the client
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
		os.RemoveAll(dir)
	})
	return path
}

// RefusingAgent is an agent whose owner does not touch the key: it lists keys and never signs with the first.
func RefusingAgent(a agent.Agent) agent.Agent { return refusing{a} }

type refusing struct{ agent.Agent }

func (r refusing) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	keys, err := r.List()
	if err != nil || bytes.Equal(keys[0].Blob, key.Marshal()) {
		return nil, errors.New("declined")
	}
	return r.Agent.Sign(key, data)
}

// DyingAgent is an agent that lists its keys and is gone when it should sign. It has to be served by ServeAgent.
func DyingAgent(a agent.Agent) agent.Agent { return &dying{Agent: a} }

type dying struct {
	agent.Agent
	die func()
}

func (d *dying) Sign(ssh.PublicKey, []byte) (*ssh.Signature, error) {
	d.die()
	return nil, errors.New("dead")
}

// Certify has ssh-keygen sign a public key, and returns the path of the certificate.
func Certify(t testing.TB, ca, key string, args ...string) string {
	t.Helper()
	all := append([]string{"-q", "-s", ca, "-I", "test"}, args...)
	if out, err := exec.Command("ssh-keygen", append(all, key+".pub")...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	return key + "-cert.pub"
}
