package sshconn_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"gosync/transport/sshconn"
	"gosync/transport/sshtest"
)

// A server that allows one session at a time counts one that has just been closed for a moment: the next is tried again.
// One that is still used is not waited for long, and the error shows no more of a script than its beginning.
func TestFewSessions(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{Extra: []string{"MaxSessions 1"}})
	client, err := sshconn.Dial(t.Context(), sshconn.Config{Host: srv.Alias, ConfigFile: srv.Config, Prompt: noPrompt, SSH: "none"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 3 {
		s, err := client.Start(t.Context(), "sleep 0.2")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := client.Start(t.Context(), "exec cat")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = client.Start(t.Context(), "true; "+strings.Repeat(":; ", 2000))
	if !errors.Is(err, sshconn.ErrRefused) || len(err.Error()) > 500 {
		t.Errorf("%.1000v", err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it takes %v", took)
	}
	if err := s.Stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(s.Stdout); err != nil {
		t.Error(err)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

// A server that allows no session at all is not asked again and again.
func TestNoSessions(t *testing.T) {
	t.Parallel()
	srv := sshtest.Start(t, sshtest.Options{Extra: []string{"MaxSessions 0"}})
	client, err := sshconn.Dial(t.Context(), sshconn.Config{Host: srv.Alias, ConfigFile: srv.Config, Prompt: noPrompt, SSH: "none"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	before := strings.Count(srv.Log(), "no more sessions")
	if _, err := client.Start(t.Context(), "true"); !errors.Is(err, sshconn.ErrRefused) {
		t.Errorf("the error is %v", err)
	}
	if n := strings.Count(srv.Log(), "no more sessions") - before; n > 1 {
		t.Errorf("asked %d times", n)
	}
}
