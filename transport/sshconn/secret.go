package sshconn

import (
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/crypto/ssh"
)

const redacted = "[redacted]"

// A secret is a passphrase or a password. However it is printed, it does not show.
type secret struct{ text string }

func (secret) String() string { return redacted }

// Format implements fmt.Formatter, for every verb.
func (secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText keeps it out of JSON.
func (secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue keeps it out of logs.
func (secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Unlocked keeps the private keys whose passphrase has been typed, for as long as its owner keeps it. The zero value is
// empty. It may be used by several goroutines at once.
type Unlocked struct {
	mu   sync.Mutex
	keys map[string]ssh.Signer // by path
}

func (u *Unlocked) get(path string) ssh.Signer {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.keys[path]
}

func (u *Unlocked) put(path string, key ssh.Signer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keys == nil {
		u.keys = map[string]ssh.Signer{}
	}
	u.keys[path] = key
}
