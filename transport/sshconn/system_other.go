//go:build !windows

package sshconn

import (
	"cmp"
	"context"
	"net"
	"os"
	"os/exec"
)

// usualAgent is the agent where nothing names one.
const usualAgent = ""

// openAgent connects to an agent's socket.
func openAgent(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}

// systemDir is where the configuration for all users is.
func systemDir() string { return "/etc/ssh" }

// byShell returns a command for the user's shell, which it replaces.
func byShell(command string) *exec.Cmd {
	return exec.Command(cmp.Or(os.Getenv("SHELL"), "/bin/sh"), "-c", "exec "+command)
}
