package sshconn_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"gosync/internal/sshserver"
	"gosync/transport/sshconn"
)

// canary is a secret that must show nowhere.
const canary = "canary-5up3r-s3cr3t"

func serveForLogin(t *testing.T) *sshserver.Server {
	t.Helper()
	_, signer := newKey(t, "ed25519")
	return serve(t, sshserver.Options{AuthorizedKeys: []ssh.PublicKey{signer.PublicKey()}})
}

func TestSecret(t *testing.T) {
	t.Parallel()
	s := sshconn.Secret(canary)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "in", struct{ S any }{s})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "in", struct{ S any }{s})
	js, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		log.String(), string(js), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s), fmt.Sprintf("%+v", struct{ S any }{s}), fmt.Sprint(fmt.Errorf("x %v", s)),
	} {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) || !strings.Contains(text, "redacted") {
			t.Errorf("%s", text)
		}
	}
}

// A lockedLog takes log lines of several goroutines.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Whatever is typed, right or wrong, shows in no log, error or description, at the highest verbosity.
func TestNoSecretShows(t *testing.T) {
	t.Parallel()
	private, signer := newKey(t, "ed25519")
	wrong, _ := newKey(t, "ed25519")
	withPassword := serve(t, sshserver.Options{Password: canary})
	other := serve(t, sshserver.Options{Password: "something else"})
	withKey := serve(t, sshserver.Options{AuthorizedKeys: []ssh.PublicKey{signer.PublicKey()}})
	for _, test := range []struct {
		name  string
		srv   *sshserver.Server
		files clientFiles
		ok    bool
	}{
		{"passphrase", withKey, clientFiles{identities: []string{keyFile(t, private, canary)}, answers: []string{canary}}, true},
		{"passphrase wrong", withKey, clientFiles{identities: []string{keyFile(t, private, "other")}, answers: []string{canary, canary, canary}}, false},
		{"key not wanted", withKey, clientFiles{identities: []string{keyFile(t, wrong, canary)}, answers: []string{canary}}, false},
		{"password", withPassword, clientFiles{answers: []string{canary}}, true},
		{"password wrong", other, clientFiles{answers: []string{canary, canary, canary, canary, canary, canary}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := &lockedLog{}
			f := test.files
			f.agent = "none"
			c := f.config(t, test.srv.Addr(), test.srv.Files().KnownHosts)
			c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c.Unlocked = new(sshconn.Unlocked)
			client, err := sshconn.Dial(t.Context(), c)
			if (err == nil) != test.ok || err != nil && !errors.Is(err, sshconn.ErrAuth) {
				t.Fatal(err)
			}
			said := log.String() + fmt.Sprintf("%v %+v %#v", err, err, err) + strings.Join(f.asked, "\n") + fmt.Sprintf("%+v", c)
			if err == nil {
				said += fmt.Sprintf("%+v %#v", client.Info(), client.Info())
				client.Close()
			}
			if strings.Contains(said, canary) {
				t.Errorf("%s", said)
			}
			if log.String() == "" && strings.Contains(test.name, "pass") && len(f.identities) > 0 {
				t.Error("nothing is logged: the test shows nothing")
			}
		})
	}
}

// A passphrase is asked for once, however many connections want the key.
func TestAskedOnce(t *testing.T) {
	t.Parallel()
	private, signer := newKey(t, "ed25519")
	srv := serve(t, sshserver.Options{AuthorizedKeys: []ssh.PublicKey{signer.PublicKey()}})
	f := &clientFiles{agent: "none", identities: []string{keyFile(t, private, canary)}, answers: []string{canary}}
	c := f.config(t, srv.Addr(), srv.Files().KnownHosts)
	c.Unlocked = new(sshconn.Unlocked)
	for range 3 {
		if err := try(t, c); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.asked) != 1 {
		t.Errorf("asked %q", f.asked)
	}
}
