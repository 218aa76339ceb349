package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"gosync/internal/engine"
	"gosync/transport/sshtest"
	"gosync/transport/wire"
)

// A directBench has a script in the place of the source's machine's gosync.
type directBench struct {
	*faultBench
}

// newDirectBench prepares a gosync that greets as one of that release. A run it does by the shell command run.
func newDirectBench(t *testing.T, release, run string) *directBench {
	t.Helper()
	b := newFaultBench(t)
	near, far := wire.Pipe()
	c, err := wire.New(near, wire.Config{})
	if err == nil {
		err = c.Greet(&wire.Hello{Version: wire.Version, MinVersion: wire.MinVersion, Release: release})
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close() // what it wrote can still be read
	var greeting bytes.Buffer
	_, _ = greeting.ReadFrom(far) // the pipe ends
	b.write(t, "greeting", greeting.String(), 0o600)
	b.write(t, "other", fmt.Sprintf("#!/bin/sh\ncase $1 in --server) cat %s; exec cat >/dev/null;; esac\n%s\n", b.path("greeting"), run), 0o755)
	return &directBench{b}
}

// args are those of a run between two hosts.
func (b *directBench) args(more ...string) []string {
	return append([]string{"-a", "--direct", "-e", b.rsh, "--via=agent", "--no-deploy", "--gosync-path=" + b.path("other")}, more...)
}

// TestDirectOtherRelease: a gosync of another release is given no option that it may not know, and nothing to expand.
func TestDirectOtherRelease(t *testing.T) {
	t.Parallel()
	b := newDirectBench(t, "0.0.1", `printf '%s ' "$@"; echo`)
	b.want(t, 0, "--archive --no-config -- /a/b two:c", b.args("one:/a/b", "two:c")...)
	for _, path := range []string{"~/a", "/a/*.c", "b[1]"} {
		b.want(t, exitUnsupported, "install the same release there", b.args("one:"+path, "two:c")...)
	}
	b = newDirectBench(t, engine.Release, `printf '%s ' "$@"; echo`)
	// Where there is no limit, or a long one, it has to notice that nobody listens.
	for limit, beat := range map[string]string{"": "15s", "--timeout=2": "500ms", "--timeout=0": "15s", "--timeout=3600": "15s"} {
		want := strings.Join(append(strings.Fields("--archive "+limit), "--heartbeat="+beat, "--expand-sources -- ~/a two:c"), " ")
		b.want(t, 0, want, b.args(append(strings.Fields(limit), "one:~/a", "two:c")...)...)
	}
}

// TestDirectOneSession: a machine that allows one session at a time on a connection will do.
func TestDirectOneSession(t *testing.T) {
	t.Parallel()
	b := newSSHBench(t, sshtest.Options{Extra: []string{"MaxSessions 1"}})
	box := b.sshd.Alias + ":"
	b.write(t, "gosync", "#!/bin/sh\n"+`case $1 in --server) ;; *) set -- --ssh-config=`+b.sshd.Config+` --gosync-path=`+b.gosync+` "$@";; esac; exec `+b.gosync+` "$@"`, 0o755)
	e := b.want(t, 0, "", "-a", "--direct", "--ssh-config="+b.sshd.Config, "--ssh=native", "--gosync-path="+b.path("gosync"), box+b.path("src")+"/", box+b.path("dst"))
	if e.output != "" {
		t.Errorf("it says %q", e.output)
	}
	b.same(t, "src", "dst")
}
