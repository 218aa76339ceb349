package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"strings"
	"sync"

	"gosync/transport/sshconn"
	"gosync/transport/wire"
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

// Reach connects to the target's host, in one of three ways: by the SSH client in
// this process, by the ssh program, or by the command of -e. The last two are
// started anew for each stream. Cancelling ctx ends connecting and later all
// streams; ctx must live as long as the link. Errors are those of sshconn.Dial,
// ErrTarget and ErrRsh.
func Reach(ctx context.Context, t Target, o Options) (Link, error) {
	if !t.Remote || t.Host == "" {
		return nil, fmt.Errorf("%w %q: it names no host", ErrTarget, t.String())
	}
	port := o.Port
	if port == 0 {
		port = t.Port
	}
	switch {
	case len(o.Rsh) > 0:
		argv, err := rshArgv(&o, port)
		if err != nil {
			return nil, err
		}
		return &commandLink{argv: argv, host: t.Host, user: t.User, stderr: o.Stderr}, nil
	case o.SSH == SSHCommand:
		return reachByCommand(t, &o, port)
	}
	client, reason, err := dial(ctx, t, &o, port)
	if reason != "" {
		if o.Log != nil {
			o.Log.Info("using the ssh program", "host", t.Host, "because of", reason)
		}
		return reachByCommand(t, &o, port)
	}
	if err != nil {
		return nil, err
	}
	return &clientLink{client: client, stderr: o.Stderr}, nil
}

// dial connects by the client in this process. reason is not empty where the ssh
// program has to do it, and may.
func dial(ctx context.Context, t Target, o *Options, port int) (client *sshconn.Client, reason string, err error) {
	c := sshconn.Config{
		Host: t.Host, User: t.User, Port: port, ConfigFile: o.SSHConfig, Options: o.SSHOptions, IdentityFiles: o.Identity,
		ConnectTimeout: o.ConnectTimeout, AnswerTimeout: o.Timeout, Log: o.Log, Prompt: o.Prompt, Unlocked: o.Unlocked,
	}
	_, missing := exec.LookPath("ssh")
	if o.SSH == SSHNative || missing != nil {
		client, err = sshconn.Dial(ctx, c)
		return client, "", err
	}
	r, err := sshconn.Resolve(ctx, c)
	if err != nil {
		return nil, "", err
	}
	if client = sshconn.Master(ctx, c, &r); client != nil {
		return client, "", nil
	}
	if reason = sshconn.NeedsCommand(ctx, &r); reason != "" {
		return nil, reason, nil
	}
	client, err = sshconn.Connect(ctx, c, &r)
	if errors.Is(err, sshconn.ErrCommandOnly) {
		return nil, err.Error(), nil
	}
	return client, "", err
}

// reachByCommand is a Link over the ssh program. Nothing is started before there
// is something to run.
func reachByCommand(t Target, o *Options, port int) (Link, error) {
	if t.User != "" {
		if err := sshconn.ValidUser(t.User); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTarget, err)
		}
	}
	return &commandLink{argv: ownSSH(o, port, t.User), host: t.Host, own: true, stderr: o.Stderr}, nil
}

// clientLink is a Link over the SSH client in this process.
type clientLink struct {
	client *sshconn.Client
	stderr io.Writer

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup // of what is started in the background
}

func (l *clientLink) Shared() bool { return true }

func (l *clientLink) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	err := l.client.Close() // which ends what is in the background
	l.wg.Wait()
	return err
}

// background runs f, which Close waits for, unless the link is closed.
func (l *clientLink) background(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.wg.Go(f)
	}
}

func (l *clientLink) Exec(ctx context.Context, command string) (Stream, error) {
	return l.stream(l.client.Start(ctx, command))
}

func (l *clientLink) Subsystem(ctx context.Context, name string) (Stream, error) {
	s, err := l.stream(l.client.StartSubsystem(ctx, name))
	if errors.Is(err, sshconn.ErrRefused) {
		err = fmt.Errorf("%w: %w", ErrNoSubsystem, err)
	}
	return s, err
}

// stream makes a Stream of a session that was started, if it was.
func (l *clientLink) stream(s *sshconn.Session, err error) (Stream, error) {
	switch {
	case errors.Is(err, sshconn.ErrSilent):
		return nil, fmt.Errorf("%w: %w", wire.ErrTimeout, err)
	case err != nil:
		return nil, err
	}
	return newSSHStream(s, l.stderr), nil
}

// commandLink is a Link over a command, such as ssh -p 2222.
type commandLink struct {
	argv       []string
	host, user string
	own        bool // it is the ssh program, and not what the user wrote
	stderr     io.Writer
}

func (l *commandLink) Shared() bool { return false }

func (l *commandLink) Close() error { return nil }

func (l *commandLink) Exec(ctx context.Context, command string) (Stream, error) {
	if l.own {
		return l.start(ctx, nil, command)
	}
	return l.start(ctx, nil, remoteWords(command)...)
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
	return l.start(ctx, []string{"-s"}, name)
}

func (l *commandLink) start(ctx context.Context, more []string, remote ...string) (Stream, error) {
	argv := append(append([]string{}, l.argv...), more...)
	if l.own {
		argv = append(argv, "--") // which not every command of -e knows
	}
	p, err := startCommand(ctx, argv, l.host, l.user, remote, l.stderr)
	if err != nil { // not a Stream that holds nil
		return nil, err
	}
	return p, nil
}

// isSSH reports whether a program takes the options of ssh(1).
func isSSH(program string) bool { return IsSSH(program) }

// IsSSH reports whether a program, the first word of -e, is ssh(1) by its name.
func IsSSH(program string) bool {
	return strings.TrimSuffix(path.Base(strings.ReplaceAll(program, `\`, "/")), ".exe") == "ssh"
}
