package sshtest

import (
	"os/exec"
	"strings"
	"testing"
)

func TestStart(t *testing.T) {
	t.Parallel()
	ssh := Require(t, "sshd", "ssh")
	s := Start(t, Options{Path: []string{"/opt/first"}, Env: []string{"COLOUR=green"}, HostKeys: []string{"ed25519", "ecdsa"}})
	// The login shell may put more in front: a .bashrc is read here too.
	out, err := exec.Command(ssh, "-F", s.Config, "-o", "BatchMode=yes", s.Alias, "echo $PATH $COLOUR").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, out, s.Log())
	}
	if got := strings.TrimSpace(string(out)); !strings.Contains(got, "/opt/first:/usr/local/bin:") || !strings.HasSuffix(got, "green") {
		t.Fatalf("remote environment: %q", got)
	}
}
