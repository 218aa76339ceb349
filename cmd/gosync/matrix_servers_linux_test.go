package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gosync/internal/sshserver"
	"gosync/transport/sshtest"
)

// A matrixServer is a kind of SSH server, and how one of a kind of far sides is started.
type matrixServer struct {
	name  string
	start func(t *testing.T, kind string) *matrixPlace
}

// A matrixPlace is a server that runs.
type matrixPlace struct {
	alias, config, home string
	master              string // the configuration of a client that can only use a running ssh; "" before it is asked for
	seen                bool   // a copy was made
}

// first reports, once, that nothing was copied before.
func (p *matrixPlace) first() bool {
	was := p.seen
	p.seen = true
	return !was
}

func matrixServers() []matrixServer {
	return []matrixServer{{"sshd", matrixSSHD}, {"in-process", matrixInProcess}, {"dropbear", matrixDropbear}}
}

// onlyRuns writes a command that servers force, and that runs what is asked for if it matches.
func onlyRuns(t *testing.T, pattern string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "only")
	script := fmt.Sprintf("#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\n%s) exec sh -c \"$SSH_ORIGINAL_COMMAND\" ;;\nesac\necho 'Not allowed here.' >&2\nexit 1\n", pattern)
	if err := os.WriteFile(name, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// scpCommand is the pattern of what an account for scp may run.
const scpCommand = "'scp -'*"

func matrixSSHD(t *testing.T, kind string) *matrixPlace {
	home := t.TempDir()
	o := sshtest.Options{Env: []string{"HOME=" + home}}
	switch kind {
	case kindSFTP:
		o.Extra = []string{"ForceCommand internal-sftp"}
	case kindSCP:
		o.NoSFTP, o.Extra = true, []string{"ForceCommand " + onlyRuns(t, scpCommand)}
	case kindNeither:
		o.NoSFTP, o.Extra = true, []string{"ForceCommand /bin/false"}
	}
	s := sshtest.Start(t, o)
	return &matrixPlace{alias: s.Alias, config: s.Config, home: home}
}

func matrixInProcess(t *testing.T, kind string) *matrixPlace {
	home := t.TempDir()
	// The PATH of this process holds a gosync, for the scripts.
	o := sshserver.Options{Dir: t.TempDir(), Env: []string{"HOME=" + home, "PATH=/usr/local/bin:/usr/bin:/bin"}}
	o.RefuseExec = kind == kindSFTP || kind == kindNeither
	o.RefuseSFTP = kind == kindSCP || kind == kindNeither
	if kind == kindSCP {
		o.Handler = onlySCP
	}
	s, err := sshserver.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &matrixPlace{alias: s.Files().Alias, config: s.Files().Config, home: home}
}

// onlySCP runs scp, and nothing else.
func onlySCP(ctx context.Context, command string, stdin io.Reader, stdout, stderr io.Writer) int {
	if !strings.HasPrefix(command, "scp -") {
		fmt.Fprintln(stderr, "Not allowed here.")
		return 1
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	in, err := cmd.StdinPipe() // which, unlike Stdin, does not have the end of the command wait for that of the input
	if err != nil {
		return 255
	}
	go func() { // ends with the session
		_, _ = io.Copy(in, stdin)
		_ = in.Close()
	}()
	_ = cmd.Run() // the status tells
	return cmd.ProcessState.ExitCode()
}

// matrixDropbear forces a command where one way is to be left, since dropbear cannot forbid subsystems: to it they are
// commands, and SFTP is a program whose path is built in.
func matrixDropbear(t *testing.T, kind string) *matrixPlace {
	var o sshtest.DropbearOptions
	switch kind {
	case kindSFTP:
		o.Command = onlyRuns(t, "*/sftp-server")
	case kindSCP:
		o.NoSFTP, o.Command = true, onlyRuns(t, scpCommand)
	case kindNeither:
		o.NoSFTP, o.Command = true, "/bin/false"
	}
	d := sshtest.StartDropbear(t, o)
	return &matrixPlace{alias: sshtest.Alias, config: d.Config, home: d.Home}
}

// A matrixClient is a way to connect, and the options for it.
type matrixClient struct {
	name    string
	options func(t *testing.T, p *matrixPlace) []string
}

func matrixClients() []matrixClient {
	return []matrixClient{
		{"native", func(_ *testing.T, p *matrixPlace) []string { return []string{"--ssh=native", "--ssh-config", p.config} }},
		{"-e ssh", func(_ *testing.T, p *matrixPlace) []string { return []string{"-e", "ssh -F " + p.config} }},
		{"ControlMaster", func(t *testing.T, p *matrixPlace) []string { return []string{"--ssh-config", p.useMaster(t)} }},
	}
}

// useMaster starts an ssh that others may go through, once, and returns a configuration for them: they have no key, so
// that they cannot connect in another way.
func (p *matrixPlace) useMaster(t *testing.T) string {
	t.Helper()
	if p.master != "" {
		return p.master
	}
	ssh := sshtest.Require(t, "sshd", "ssh")
	dir, err := os.MkdirTemp("", "cm") // a short path: sockets have 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	text, err := os.ReadFile(p.config)
	if err != nil {
		t.Fatal(err)
	}
	keyless := regexp.MustCompile(`(?m)^ *IdentityFile .*$`).ReplaceAll(text, []byte("  IdentityFile none"))
	p.master = filepath.Join(dir, "config")
	if err := os.WriteFile(p.master, append(keyless, "  ControlPath "+dir+"/s\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(ssh, "-F", p.config, "-o", "ControlMaster=yes", "-o", "ControlPath="+dir+"/s", "-N", p.alias)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	waitFor(t, "the socket of the ssh master", func() bool { _, err := os.Stat(dir + "/s"); return err == nil })
	return p.master
}
