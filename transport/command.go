package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"gosync/transport/sshconn"
)

const (
	// stderrGrace is how long messages are read after the command has ended: a master connection that ssh(1) leaves
	// behind keeps the pipe open for minutes.
	stderrGrace = 200 * time.Millisecond
	// cancelGrace is how long the user of a stream may take to close it when the run is cancelled.
	cancelGrace = 1500 * time.Millisecond
	// closeGrace is how long a command may take to end by itself when its streams are closed.
	closeGrace = 2 * time.Second
)

// A Process is a Stream through a command of the user, such as ssh -p 2222.
type Process struct {
	cmd    *exec.Cmd
	in     *os.File
	out    *os.File
	errs   *os.File
	sink   *stderrSink
	stop   func() bool   // ends the watch on the context
	exited chan struct{} // closed when the command has ended and its messages are read
	end    error         // how it ended; valid after exited
	kill   func()        // once
}

// startCommand runs argv with [-l user] host and the remote words appended, as rsync does; there is no -- before the
// host, which not every remote shell knows, and so host and user must not start with a dash: they are checked by the
// rules of OpenSSH. Each of remote is one argument. The messages of the command go to stderr and are kept for errors.
// When ctx is cancelled the command is given a moment to end, and killed then.
func startCommand(ctx context.Context, argv []string, host, user string, remote []string, stderr io.Writer) (*Process, error) {
	args, err := commandLine(argv, host, user, remote)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.Command(args[0], args[1:]...), sink: newStderrSink(stderr, time.Now), exited: make(chan struct{})}
	if err := p.start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", args[0], err)
	}
	p.kill = sync.OnceFunc(func() { _ = p.cmd.Process.Kill() }) // it may have ended: then there is nothing to do
	p.stop = context.AfterFunc(ctx, func() {
		// Whoever uses the stream says farewell and closes it; the command may be the far side itself and have to clean up.
		select {
		case <-p.exited:
		case <-time.After(cancelGrace):
			_ = p.Close() // a child of the command may still hold the other ends
		}
	})
	go p.watch()
	return p, nil
}

// commandLine builds the arguments.
func commandLine(argv []string, host, user string, remote []string) ([]string, error) {
	if len(argv) == 0 || argv[0] == "" {
		return nil, fmt.Errorf("%w: no program is named", ErrRsh)
	}
	if err := sshconn.ValidHost(host); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	args := append([]string{}, argv...)
	if user != "" {
		if err := sshconn.ValidUser(user); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTarget, err)
		}
		args = append(args, "-l", user)
	}
	return append(append(args, host), remote...), nil
}

// start makes the pipes and starts the command. The pipes are not those of exec.Cmd, whose Wait closes them with output
// unread.
func (p *Process) start() error {
	var opened []*os.File
	pair := func() (r, w *os.File, err error) {
		r, w, err = os.Pipe()
		if err == nil {
			opened = append(opened, r, w)
		}
		return r, w, err
	}
	inR, inW, err1 := pair()
	outR, outW, err2 := pair()
	errR, errW, err3 := pair()
	err := errors.Join(err1, err2, err3)
	if err == nil {
		EnlargePipe(inW)
		EnlargePipe(outR)
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = inR, outW, errW
		err = p.cmd.Start()
	}
	if err != nil {
		for _, f := range opened {
			f.Close()
		}
		return err
	}
	for _, f := range []*os.File{inR, outW, errW} { // the child has its own
		f.Close()
	}
	p.in, p.out, p.errs = inW, outR, errR
	return nil
}

// watch reads the messages and reaps the command.
func (p *Process) watch() {
	defer close(p.exited)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		p.sink.drain(p.errs)
	}()
	err := p.cmd.Wait()
	p.stop()
	// Whatever still holds the other end does not hold us.
	_ = p.errs.SetReadDeadline(time.Now().Add(stderrGrace))
	await(drained)
	p.errs.Close()
	p.end = p.exitError(err)
}

func (p *Process) exitError(err error) error {
	if err == nil {
		return nil
	}
	e := &ExitError{Status: -1, Stderr: p.sink.Tail(), Err: fmt.Errorf("%s: %w", p.cmd.Args[0], err)}
	if st := p.cmd.ProcessState; st != nil {
		e.Status = exitStatus(st)
	}
	return e
}

// Read reads the command's output. Its end is a broken connection where the command was killed, or ended in the way
// ssh(1) does when it has lost the connection.
func (p *Process) Read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if err == io.EOF && p.lost() {
		err = fmt.Errorf("%s: the connection broke: %w", p.cmd.Args[0], io.ErrUnexpectedEOF)
	}
	return n, err
}

// lost reports whether the command has ended without its far side. A command may close its output and go on: the wait
// for its end has a bound.
func (p *Process) lost() bool {
	t := time.NewTimer(2 * stderrGrace)
	defer t.Stop()
	select {
	case <-p.exited:
		e, ok := errors.AsType[*ExitError](p.end)
		return ok && (e.Status < 0 || e.Status > 128)
	case <-t.C:
		return false
	}
}

// Write writes to the command's input.
func (p *Process) Write(b []byte) (int, error) { return p.in.Write(b) }

// CloseWrite closes the command's input.
func (p *Process) CloseWrite() error {
	if err := p.in.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// Wait waits for the end of the command.
func (p *Process) Wait() error {
	<-p.exited
	return p.end
}

// StderrTail returns the last messages of the command.
func (p *Process) StderrTail() string { return p.sink.Tail() }

func (p *Process) closePipes() {
	_ = p.in.Close() // closed twice is closed
	_ = p.out.Close()
}

// Close closes the command's streams, gives it a moment to end, and kills it then.
func (p *Process) Close() error {
	p.closePipes()
	t := time.NewTimer(closeGrace)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
		p.kill()
		<-p.exited
	}
	return nil
}
