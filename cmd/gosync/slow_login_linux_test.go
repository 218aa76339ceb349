package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"gosync/transport"
	"gosync/transport/sshtest"
)

// TestSlowLogin: where each session connects by itself, and somebody has to type a password for it, that may take longer
// than any answer later.
func TestSlowLogin(t *testing.T) {
	t.Parallel()
	sshtest.Require(t, "scp", "scp")
	for name, args := range map[string]string{
		"push by scp":  "-r --via=scp DIR/src/ h:DIR/dst",
		"pull by scp":  "-r --via=scp h:DIR/src/ DIR/dst",
		"push by SFTP": "-r --via=sftp DIR/src/ h:DIR/dst",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &faultBench{dir: t.TempDir()}
			b.file(t, "src/f", 1000)
			b.write(t, "ssh", "#!/bin/sh\nsleep 5\n[ \"$1\" = -s ] && exec "+sftpServer(t)+"\nshift\neval \"$*\"\n", 0o755)
			var stderr bytes.Buffer
			p := realParts()
			open := p.open
			// As it is without --timeout, where a minute is the least.
			p.open = func(ctx context.Context, to transport.Target, how transport.Options) (*transport.Far, error) {
				how.FirstAnswer = 0
				return open(ctx, to, how)
			}
			line := append([]string{"gosync", "--timeout=3", "-e", b.path("ssh")}, strings.Fields(strings.ReplaceAll(args, "DIR", b.dir))...)
			status := run(t.Context(), line, &env{
				stdin: strings.NewReader(""), stdout: io.Discard, stderr: &stderr, getenv: os.Getenv, parts: p,
			})
			if status != 0 {
				t.Fatalf("exit %d\n%s", status, &stderr)
			}
			wantSame(t, b.path("src"), b.path("dst"))
		})
	}
}

// TestShellSlowLogin: the same holds for the sessions of ls and shell.
func TestShellSlowLogin(t *testing.T) {
	t.Parallel()
	how := transport.Options{Rsh: []string{"ssh"}, RemoteCommand: []string{"gosync"}, Timeout: time.Minute, FirstAnswer: time.Hour}
	link, err := transport.Reach(t.Context(), transport.Target{Remote: true, Host: "h"}, how) // which starts nothing
	if err != nil {
		t.Fatal(err)
	}
	f := &farSide{link: link, how: how}
	if got := f.remote(&settings{}).Greeting(); got != time.Hour {
		t.Errorf("a session that connects by itself has %v", got)
	}
	f.link = shared{link}
	if got := f.remote(&settings{}).Greeting(); got != time.Minute {
		t.Errorf("one over a connection has %v", got)
	}
}

// shared is a link whose sessions share a connection.
type shared struct{ transport.Link }

func (shared) Shared() bool { return true }
