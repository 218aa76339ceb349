package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"gosync/transport/sshconn"
)

// A Link reaches one far side and starts what serves there: commands, and
// subsystems of the SSH server. Its methods may be called by several goroutines.
// The streams that it has started end with it.
type Link interface {
	// Exec runs a command by the login shell of the far side.
	Exec(ctx context.Context, command string) (Stream, error)

	// Subsystem starts a subsystem, such as sftp. The error wraps
	// ErrNoSubsystem where that cannot be asked for, or is refused.
	Subsystem(ctx context.Context, name string) (Stream, error)

	// Shared reports whether what is started shares one connection, so that
	// starting more is cheap and asks nobody for a password again.
	Shared() bool

	io.Closer
}

// ErrNoSubsystem means that the far side does not offer a subsystem, or that the
// command of -e has no way to ask for one.
var ErrNoSubsystem = errors.New("no such subsystem")

// Reach connects to the target's host, in one of two ways: by the SSH client in
// this process, or by the command of -e, which is started anew for each stream.
// Cancelling ctx ends connecting and later all streams; ctx must live as long as
// the link. Errors are those of sshconn.Dial, ErrTarget and ErrRsh.
func Reach(ctx context.Context, t Target, o Options) (Link, error) {
	if !t.Remote || t.Host == "" {
		return nil, fmt.Errorf("%w %q: it names no host", ErrTarget, t.String())
	}
	port := o.Port
	if port == 0 {
		port = t.Port
	}
	if len(o.Rsh) > 0 {
		argv, err := rshArgv(o.Rsh, o.SSHConfig, port, o.ConnectTimeout)
		if err != nil {
			return nil, err
		}
		return &commandLink{argv: argv, host: t.Host, user: t.User, stderr: o.Stderr}, nil
	}
	client, err := sshconn.Dial(ctx, sshconn.Config{
		Host: t.Host, User: t.User, Port: port, ConfigFile: o.SSHConfig, ConnectTimeout: o.ConnectTimeout, Log: o.Log, Prompt: o.Prompt,
	})
	if err != nil {
		return nil, err
	}
	return &clientLink{client: client, stderr: o.Stderr}, nil
}

// clientLink is a Link over the SSH client in this process.
type clientLink struct {
	client *sshconn.Client
	stderr io.Writer
}

func (l *clientLink) Shared() bool { return true }

func (l *clientLink) Close() error { return l.client.Close() }

func (l *clientLink) Exec(ctx context.Context, command string) (Stream, error) {
	s, err := l.client.Start(ctx, command)
	if err != nil {
		return nil, err
	}
	return newSSHStream(s, l.stderr), nil
}

func (l *clientLink) Subsystem(ctx context.Context, name string) (Stream, error) {
	s, err := l.client.StartSubsystem(ctx, name)
	if err != nil {
		if errors.Is(err, sshconn.ErrRefused) {
			err = fmt.Errorf("%w: %w", ErrNoSubsystem, err)
		}
		return nil, err
	}
	return newSSHStream(s, l.stderr), nil
}

// commandLink is a Link over a command of the user, such as ssh -p 2222.
type commandLink struct {
	argv       []string
	host, user string
	stderr     io.Writer
}

func (l *commandLink) Shared() bool { return false }

func (l *commandLink) Close() error { return nil }

func (l *commandLink) Exec(ctx context.Context, command string) (Stream, error) {
	return startCommand(ctx, l.argv, l.host, l.user, remoteWords(command), l.stderr)
}

// remoteWords are the arguments that a command becomes for a remote shell program.
// ssh(1) joins them by spaces, but others may run them as they are: what no shell
// has to look at is handed over word by word.
func remoteWords(command string) []string {
	if strings.ContainsAny(command, "'\"\\$`*?[]{}()<>|&;~#!\n\t") {
		return []string{command}
	}
	return strings.Fields(command)
}

func (l *commandLink) Subsystem(ctx context.Context, name string) (Stream, error) {
	if !isSSH(l.argv[0]) {
		return nil, fmt.Errorf("%w: how to ask %q for one is not known, only ssh", ErrNoSubsystem, l.argv[0])
	}
	argv := append(append([]string{}, l.argv...), "-s")
	return startCommand(ctx, argv, l.host, l.user, []string{name}, l.stderr)
}

// isSSH reports whether a program takes the options of ssh(1).
func isSSH(program string) bool {
	return strings.TrimSuffix(path.Base(strings.ReplaceAll(program, `\`, "/")), ".exe") == "ssh"
}
