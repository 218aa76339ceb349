package transport

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gosync/transport/sshtest"
)

// TestDeploySshd sends a real program through the real sshd, and uses it again
// over ssh(1).
func TestDeploySshd(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "sshd", "ssh")
	home := t.TempDir()
	srv := sshtest.Start(t, sshtest.Options{Env: []string{"HOME=" + home}})
	o := DeployOptions{Version: "1.2", Getenv: func(string) string { return "" }}
	target := Target{Remote: true, Host: srv.Alias}
	for _, way := range []struct {
		name string
		rsh  []string
		sent bool
	}{{"in this process", nil, true}, {"ssh", []string{"ssh"}, false}} {
		l, err := Reach(t.Context(), target, Options{SSHConfig: srv.Config, Rsh: way.rsh})
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Exec(t.Context(), "gosync --server")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = awaitGreeting(t.Context(), s); !isKind(err, GreetingNoCommand) {
			t.Errorf("%s: %v", way.name, err)
		}
		start := time.Now()
		command, how, err := Deploy(t.Context(), l, o)
		if err != nil {
			t.Fatalf("%s: %v", way.name, err)
		}
		t.Log(how, time.Since(start))
		if (how.Sent > 0) != way.sent {
			t.Errorf("%s: %+v", way.name, how)
		}
		serves(t, l, command)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDeploySshdRefused meets a server that serves files only.
func TestDeploySshdRefused(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{Extra: []string{"ForceCommand internal-sftp"}})
	l, err := Reach(t.Context(), Target{Remote: true, Host: srv.Alias}, Options{SSHConfig: srv.Config})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, _, err = Deploy(t.Context(), l, DeployOptions{})
	if e, ok := errors.AsType[*DeployError](err); !ok || e.Kind != DeployRefused || !strings.Contains(err.Error(), "no commands") {
		t.Error(err)
	}
	t.Log(err)
}

func isKind(err error, kind GreetingKind) bool {
	e, ok := errors.AsType[*GreetingError](err)
	return ok && e.Kind == kind
}
