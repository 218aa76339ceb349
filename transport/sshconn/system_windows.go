package sshconn

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// usualAgent is that of the OpenSSH which is part of Windows.
const usualAgent = `\\.\pipe\openssh-ssh-agent`

// systemDir is where the configuration for all users is.
func systemDir() string {
	return filepath.Join(cmp.Or(os.Getenv("ProgramData"), `C:\ProgramData`), "ssh")
}

// openAgent connects to an agent's pipe, or to a socket where the path is no pipe's.
func openAgent(ctx context.Context, path string) (net.Conn, error) {
	if !strings.HasPrefix(filepath.FromSlash(path), `\\.\pipe\`) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	const overlapped = 0x40000000 // FILE_FLAG_OVERLAPPED, so that there are deadlines
	f, err := os.OpenFile(path, os.O_RDWR|overlapped, 0)
	if err != nil {
		if path == usualAgent && isMissing(err) {
			return nil, nil // its service does not run: nobody has asked for it
		}
		return nil, fmt.Errorf("opening the agent's pipe: %w", err)
	}
	return pipeConn{f}, nil
}

// isMissing reports whether there is no such pipe.
func isMissing(err error) bool {
	return os.IsNotExist(err) || err.(*fs.PathError).Err == syscall.ERROR_FILE_NOT_FOUND
}

// pipeConn is a named pipe as a connection.
type pipeConn struct{ *os.File }

func (pipeConn) LocalAddr() net.Addr  { return pipeAddr{} }
func (pipeConn) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// byShell returns a command for the command processor, which quotes in its own way.
func byShell(command string) *exec.Cmd {
	cmd := exec.Command(cmp.Or(os.Getenv("ComSpec"), "cmd.exe"))
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd.exe /d /s /c "` + command + `"`}
	return cmd
}
