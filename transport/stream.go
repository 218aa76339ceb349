package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"gosync/transport/sftpfs"
	"gosync/transport/sshconn"
)

// A Stream carries the protocol to a command on the far side: what is written becomes its standard input, what is read
// is its standard output. Reading and writing may go on at the same time, each from one goroutine.
type Stream interface {
	// Read returns io.EOF when the command has closed its output, and an error that wraps io.ErrUnexpectedEOF when the
	// connection broke and that could be told.
	io.Reader
	io.Writer
	// Close gives the command up and frees everything; it may be called at any time, by any goroutine, more than once,
	// and ends a Read or Write that is under way. It does not return before the goroutines of the stream have ended,
	// but for one that waits for whoever takes the messages.
	io.Closer
	// CloseWrite tells the command that no more is coming.
	CloseWrite() error
	// Wait returns how the command ended: nil, or an *ExitError. It may be called more than once and from several
	// goroutines. Output should be read to its end first.
	Wait() error
	// StderrTail returns the last messages of the command, made safe for a terminal, without a final newline.
	StderrTail() string
}

// ExitError is a command on the far side that did not end well, together with what it last said.
type ExitError struct {
	Status int    // exit status; 128 or more after a signal, -1 where the far side did not say
	Stderr string // the last messages, safe for a terminal
	Err    error  // what the connection says about it
}

func (e *ExitError) Error() string {
	s := e.Err.Error()
	if e.Stderr != "" {
		s += ": " + e.Stderr
	}
	return s
}

func (e *ExitError) Unwrap() error { return e.Err }

// ExitCode returns the exit status, as os/exec does.
func (e *ExitError) ExitCode() int { return e.Status }

// Options say how to reach the far side. The zero value connects in this process, by the user's ssh configuration.
type Options struct {
	Rsh           []string  // the words of -e COMMAND, see SplitRsh; empty: the SSH client in this process
	SSH           string    // SSHAuto, SSHNative or SSHCommand; "": SSHAuto. With Rsh it means nothing
	Identity      []string  // private keys to try first
	SSHOptions    []string  // Keyword=Value, lines of ssh_config that win over the files
	SSHConfig     string    // path of an ssh_config; "": the usual files; "none": no file
	Port          int       // 1 to 65535; 0: the target's, or the configuration's
	RemoteCommand []string  // words, joined by spaces for the remote shell; never quoted
	ServerArgs    []string  // further words for gosync there, quoted for its shell
	Stderr        io.Writer // takes the messages of the far side, escaped and limited; nil: they are dropped

	Via      Via            // how far Open goes down; "": all the way
	NoDeploy bool           // do not send gosync there
	AgentDir string         // where agents for other systems are
	Release  string         // of this program, a part of the agent's name
	SFTP     sftpfs.Options // for ViaSFTP
	Timeout  time.Duration  // how long an answer may take before the protocol's own timers count; 0: any time
	// FirstAnswer takes the place of Timeout before the first byte of what connects by itself, the ssh program or the
	// command of -e: meanwhile somebody may be typing a password. 0: any time.
	FirstAnswer time.Duration
	Say         func(string) // is told each step down the ladder; nil: nobody

	ConnectTimeout time.Duration                                                     // 0: the configuration's; ssh(1) gets it as an option
	Log            *slog.Logger                                                      // nil: no log
	Prompt         func(ctx context.Context, text string, echo bool) (string, error) // see sshconn.Config
	Unlocked       *sshconn.Unlocked                                                 // see sshconn.Config
}

// The values of Options.SSH.
const (
	SSHAuto    = "auto"    // a running ssh master, else the client in this process, else the ssh program where only that can
	SSHNative  = "native"  // the client in this process, with or without a running master
	SSHCommand = "command" // the ssh program
)

// rshArgv adds to the command of -e what ssh(1) needs to know of the options. Other programs have no such options that
// could be known.
func rshArgv(o *Options, port int) ([]string, error) {
	more := sshArgs(o, port)
	if len(more) == 0 {
		return o.Rsh, nil
	}
	if !isSSH(o.Rsh[0]) {
		return nil, fmt.Errorf("%w: a port, identity, ssh option, ssh configuration or time to connect cannot be handed to %q, only to ssh: put its options into the command", ErrRsh, o.Rsh[0])
	}
	return append(append([]string{}, o.Rsh...), more...), nil
}

// sshArgs are the options in the words of ssh(1).
func sshArgs(o *Options, port int) []string {
	var args []string
	if o.SSHConfig != "" {
		args = append(args, "-F", o.SSHConfig)
	}
	if port != 0 {
		args = append(args, "-p", strconv.Itoa(port))
	}
	for _, f := range o.Identity {
		args = append(args, "-i", f)
	}
	for _, kv := range o.SSHOptions {
		args = append(args, "-o", kv)
	}
	if o.ConnectTimeout > 0 {
		args = append(args, "-o", fmt.Sprintf("ConnectTimeout=%d", int64((o.ConnectTimeout+time.Second-1)/time.Second)))
	}
	return args
}

// ownSSH is the command line of an ssh that nobody has asked for by -e: no terminal, and nothing forwarded, whatever the
// configuration says. It stands before the options of the user, of which ssh takes the first as well.
func ownSSH(o *Options, port int, user string) []string {
	argv := []string{
		"ssh", "-T", "-a", "-x", "-o", "ClearAllForwardings=yes", "-o", "RequestTTY=no", "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none",
	}
	argv = append(argv, sshArgs(o, port)...)
	if user != "" {
		argv = append(argv, "-l", user)
	}
	return argv
}

// An sshStream is a Stream over a session of the SSH client in this process.
type sshStream struct {
	session *sshconn.Session
	sink    *stderrSink
	drained chan struct{} // closed when the messages have ended
}

func newSSHStream(s *sshconn.Session, stderr io.Writer) *sshStream {
	st := &sshStream{session: s, sink: newStderrSink(stderr, time.Now), drained: make(chan struct{})}
	go func() {
		defer close(st.drained)
		st.sink.drain(s.Stderr)
	}()
	return st
}

func (s *sshStream) Read(p []byte) (int, error) { return s.session.Stdout.Read(p) }

func (s *sshStream) Write(p []byte) (int, error) { return s.session.Stdin.Write(p) }

func (s *sshStream) CloseWrite() error { return s.session.Stdin.Close() }

func (s *sshStream) StderrTail() string { return s.sink.Tail() }

func (s *sshStream) Wait() error {
	err := s.session.Wait()
	await(s.drained)
	if err == nil {
		return nil
	}
	e := &ExitError{Status: -1, Stderr: s.sink.Tail(), Err: err}
	if exit, ok := errors.AsType[*sshconn.ExitError](err); ok {
		e.Status = exit.Status
	}
	return e
}

func (s *sshStream) Close() error {
	err := s.session.Close()
	await(s.drained)
	return err
}

// await waits until the messages of a command that has ended are passed on, for a moment: whoever takes them, such as a
// terminal that was stopped, may take none.
func await(drained <-chan struct{}) {
	t := time.NewTimer(closeGrace)
	defer t.Stop()
	select {
	case <-drained:
	case <-t.C:
	}
}
