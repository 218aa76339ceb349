package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gosync/transport/wire"
)

// fail starts a command whose greeting has to fail.
func (b *farBox) fail(command string) *GreetingError {
	b.t.Helper()
	s, err := b.link().Exec(b.t.Context(), command)
	if err != nil {
		b.t.Fatal(err)
	}
	_, _, err = awaitGreeting(b.t.Context(), s)
	e, ok := errors.AsType[*GreetingError](err)
	if !ok {
		s.Close()
		b.t.Fatalf("%s: %s: %v", b.shell, command, err)
	}
	if _, err := s.Write([]byte("x")); err == nil {
		b.t.Errorf("%s: the stream is open", command)
	}
	return e
}

// TestGreetingShells tells what is missing by each shell's way to say it.
func TestGreetingShells(t *testing.T) {
	t.Parallel()
	for _, shell := range shells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			b := newBox(t, shell)
			mustWrite(t, b.home+"/plain", "#!/bin/sh\n", 0o600)
			mustWrite(t, b.home+"/arm", string(elfHeader(0xb7)), 0o700)
			for command, want := range map[string]GreetingKind{
				"gosync-is-not-here --server":       GreetingNoCommand,
				b.home + "/none --server":           GreetingNoCommand,
				b.home + "/plain --server":          GreetingNotRunnable,
				b.home + "/arm --server":            GreetingNotRunnable,
				"sh -c 'exit 3'":                    GreetingCrashed,
				"sh -c 'echo panic: >&2; exit 2'":   GreetingCrashed,
				"sh -c 'exec sh -c \"kill -9 $$\"'": GreetingCrashed,
				"echo usage":                        GreetingNoise,
				"true":                              GreetingCrashed,
			} {
				if e := b.fail(command); e.Kind != want || !errors.Is(e, wire.ErrVersion) {
					t.Errorf("%s: kind %d, %v; want %d", command, e.Kind, e, want)
				}
			}
		})
	}
}

func TestGreetingErrors(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	for command, test := range map[string]struct {
		kind GreetingKind
		text string
	}{
		"echo why >&2; exit 9":                       {GreetingCrashed, "before it answered (status 9): why"},
		`printf "Welcome\033[2J\n"; sleep 5`:         {GreetingLate, `printed "Welcome\x1b[2J`},
		"yes noise":                                  {GreetingNoise, `It begins "noise\nnoise`},
		"head -c 1073741824 /dev/zero":               {GreetingNoise, `It begins "\x00\x00`},
		"printf '" + octal([]byte(wire.Magic)) + "'": {GreetingCut, "the line ended while"},
		"printf '" + octal([]byte(wire.Magic[:7])) + "'; echo killed >&2; exit 3":                    {GreetingCut, "greeted: killed"},
		"printf '" + octal([]byte("motd\n"+string(greeting(wire.Version, wire.Version))[:20])) + "'": {GreetingCut, "the line ended while"},
		"printf '" + octal([]byte(wire.Magic[:6])) + "'":                                             {GreetingNoise, `printed "gosync"`},
		"printf '" + octal(greeting(wire.Version+7, wire.Version+5)) + "'; sleep 5": {
			GreetingVersion, fmt.Sprintf("protocol %d to %d (9.9), this one %d to %d", wire.Version+5, wire.Version+7, wire.MinVersion, wire.Version),
		},
	} {
		start := time.Now()
		e := b.fail(command)
		if e.Kind != test.kind || !strings.Contains(e.Error(), test.text) || strings.ContainsAny(e.Error(), "\x1b\x00\n") || len(e.Output) > 5*shownOutput {
			t.Errorf("%.80s: kind %d, %v; want %d, %s", command, e.Kind, e, test.kind, test.text)
		}
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("%.80s: it took %v", command, d)
		}
	}
	if e := b.fail("echo why >&2; exit 9"); e.Status != 9 || e.Stderr != "why" {
		t.Errorf("%+v", e)
	}
}

// A greeting may come late, and behind some noise; what the engine reads is all
// of it.
func TestGreetingReplayed(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	path := filepath.Join(b.home, "agent")
	mustWrite(t, path, b.agentScript("sleep 3; echo motd"), 0o700)
	serves(t, b.link(), path+" --server")
}

// A far side that says nothing is waited for until ctx ends.
func TestGreetingCancelled(t *testing.T) {
	t.Parallel()
	b := newBox(t, "sh")
	s, err := b.link().Exec(t.Context(), "sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, os.ErrDeadlineExceeded)
	defer cancel()
	start := time.Now()
	if _, _, err := awaitGreeting(ctx, s); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) < 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if _, err := s.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("the stream is open: %v", err)
	}
}

// TestGreetingCommandSilent: what connects by itself has the first answer's time, in each way, and no other time counts.
func TestGreetingCommandSilent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ssh := filepath.Join(dir, "ssh") // by its name one that knows of subsystems
	mustWrite(t, ssh, "#!/bin/sh\nexec sleep 100\n", 0o700)
	for _, via := range []Via{ViaAuto, ViaAgent, ViaSFTP, ViaSCP} {
		o := Options{
			Rsh: []string{ssh}, Via: via, RemoteCommand: []string{"gosync"}, NoDeploy: true,
			Timeout: time.Millisecond, FirstAnswer: time.Second,
		}
		o.SFTP.Timeout = o.Timeout
		start := time.Now()
		_, err := Open(t.Context(), Target{Remote: true, Host: "h"}, o)
		if took := time.Since(start); !errors.Is(err, wire.ErrTimeout) || took < time.Second || took > 30*time.Second {
			t.Errorf("%s: %v after %v", via, err, took)
		}
	}
}
