package transport

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gosync/transport/sshtest"
	"gosync/transport/wire"
)

// shells are the login shells that the tests run; those that are not there are
// skipped, see sshtest.Require.
func shells() []string { return []string{"sh", "bash", "dash", "fish", "tcsh", "csh"} }

// farBox is a far side on this machine: a login shell and a home directory.
type farBox struct {
	t     *testing.T
	shell string
	home  string
	path  string   // PATH
	env   []string // NAME=value
	ran   string   // exists once an agent of the test has run
}

func newBox(t *testing.T, shell string) *farBox {
	t.Helper()
	return &farBox{
		t: t, shell: sshtest.Require(t, shell, shell), home: t.TempDir(), path: "/usr/local/bin:/usr/bin:/bin",
		ran: filepath.Join(t.TempDir(), "ran"),
	}
}

// link reaches the box as -e does.
func (b *farBox) link() Link {
	b.t.Helper()
	argv := append([]string{"/usr/bin/env", "-i", "HOME=" + b.home, "PATH=" + b.path}, b.env...)
	argv = append(argv, "/bin/sh", "-c", `cd "$HOME"; shift; exec "$0" -c "$*"`, b.shell)
	l, err := Reach(b.t.Context(), Target{Remote: true, Host: "box"}, Options{Rsh: argv})
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

func (b *farBox) dir() string { return filepath.Join(b.home, ".cache", "gosync") }

// agents lists what is in the agents' directory, hidden files included.
func (b *farBox) agents() []string {
	b.t.Helper()
	entries, err := os.ReadDir(b.dir())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		b.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (b *farBox) hasRun() bool {
	_, err := os.Lstat(b.ran)
	return err == nil
}

// agentScript is an agent that is small and tells when it has been run. As a
// server it greets and then copies its input.
func (b *farBox) agentScript(more string) string {
	return fmt.Sprintf("#!/bin/sh\n: >%s\n%s\ncase $1 in\n--version) echo gosync test;;\n--server) printf '%s'; exec cat;;\nesac\n",
		b.ran, more, octal(greeting(wire.Version, wire.MinVersion)))
}

// options deploy an agent that holds text.
func (b *farBox) options(text string) DeployOptions {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "self")
	mustWrite(b.t, path, text, 0o600)
	return DeployOptions{Version: "1.2", Self: func() (*os.File, error) { return os.Open(path) }, Getenv: func(string) string { return "" }}
}

func mustWrite(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), mode)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// named is the name of an agent that holds text.
func named(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "agent-1.2-" + hex.EncodeToString(sum[:8])
}

// greeting is what a server says first.
func greeting(version, oldest int) []byte {
	near, far := wire.Pipe()
	c, err := wire.New(near, wire.Config{})
	if err == nil {
		err = c.Greet(&wire.Hello{Version: version, MinVersion: oldest, Release: "9.9"})
	}
	if err != nil {
		panic(err)
	}
	_ = c.Close() // what it wrote can still be read
	b, _ := io.ReadAll(far)
	return b
}

// octal writes bytes for printf.
func octal(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\%03o`, c)
	}
	return s.String()
}

// deploy must succeed, and the agent must answer as a server.
func (b *farBox) deploy(o DeployOptions) Deployed {
	b.t.Helper()
	l := b.link()
	command, how, err := Deploy(b.t.Context(), l, o)
	if err != nil {
		b.t.Fatalf("%s: %v", b.shell, err)
	}
	serves(b.t, l, command)
	return how
}

// serves starts the agent and talks to it.
func serves(t *testing.T, l Link, command string) {
	t.Helper()
	s, err := l.Exec(t.Context(), command)
	if err != nil {
		t.Fatal(err)
	}
	s, h, err := awaitGreeting(t.Context(), s)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	defer s.Close()
	want := append(greeting(wire.Version, wire.MinVersion), "echo"...)
	if _, err = io.WriteString(s, "echo"); err == nil {
		err = s.CloseWrite()
	}
	got, rerr := io.ReadAll(s)
	if err := errors.Join(err, rerr, s.Wait()); err != nil || !bytes.HasSuffix(got, want) || h.Release != "9.9" {
		t.Fatalf("%q of %q, %v", got, h.Release, err)
	}
}

// refused wants an error of a kind that says reason.
func (b *farBox) refused(o DeployOptions, kind DeployKind, reason string) {
	b.t.Helper()
	command, how, err := Deploy(b.t.Context(), b.link(), o)
	e, ok := errors.AsType[*DeployError](err)
	if !ok || e.Kind != kind || !strings.Contains(err.Error(), reason) || command != "" || how != (Deployed{}) {
		b.t.Errorf("%s: %q, %v, %v; want kind %d, %q", b.shell, command, how, err, kind, reason)
	}
	if ok {
		b.t.Log(err)
	}
}

// leavesNothing wants no upload, whole or not.
func (b *farBox) leavesNothing() {
	b.t.Helper()
	if names := b.agents(); len(names) > 0 {
		b.t.Errorf("left: %q", names)
	}
}
