package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gosync/internal/sshserver"
)

// TestNoSecretIsPrinted types passwords, right and wrong ones, and looks for them in all that gosync says at its most
// talkative.
func TestNoSecretIsPrinted(t *testing.T) {
	t.Parallel()
	const secret = "canary-0f-p4ssw0rds"
	dir, gosync := t.TempDir(), program(t)
	put := func(name, text string, mode os.FileMode) string {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	put("src", "content", 0o644)
	askpass := put("askpass", "#!/bin/sh\necho "+secret+"\n", 0o700)
	for password, code := range map[string]int{secret: exitOK, "another": exitAuth} {
		srv, err := sshserver.Start(t.Context(), sshserver.Options{Dir: t.TempDir(), Password: password})
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Close()
		host, port, err := net.SplitHostPort(srv.Addr())
		if err != nil {
			t.Fatal(err)
		}
		config := put("config", fmt.Sprintf("Host box\n HostName %s\n Port %s\n UserKnownHostsFile %s\n IdentityFile none\n IdentityAgent none\n", host, port, srv.Files().KnownHosts), 0o600)
		cmd := exec.Command(gosync, "-avvv", "--ssh-config", config, "--gosync-path="+gosync, filepath.Join(dir, "src"), "box:"+filepath.Join(dir, "dst"))
		cmd.Env = append(os.Environ(), "SSH_ASKPASS="+askpass, "SSH_ASKPASS_REQUIRE=force")
		out, _ := cmd.CombinedOutput() // the status tells
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("exit %d, want %d: %s", got, code, out)
		}
		if strings.Contains(string(out), secret) {
			t.Errorf("%s", out)
		}
	}
}
