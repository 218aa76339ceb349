package sshserver

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	// killAfter is how long a command may go on after its connection has ended.
	killAfter  = 2 * time.Second
	copyBuffer = 256 << 10 // bytes
)

// shell is the Handler that runs a command by /bin/sh -c. When the connection ends, the command sees end of file and
// broken pipes first, as under sshd, and is killed only if it goes on.
func (s *Server) shell(ctx context.Context, command string, stdin io.Reader, stdout, stderr io.Writer) int {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Env = append(os.Environ(), s.opts.Env...)
	if cmd.Dir = s.opts.Home; cmd.Dir != "" {
		cmd.Env = append(cmd.Env, "HOME="+cmd.Dir)
	}
	ownGroup(cmd)
	p, err := startPiped(cmd)
	if err != nil {
		s.log.Warn("exec", "error", err)
		return 255
	}
	ended := make(chan struct{})
	watched := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(watched)
		p.abandon(cmd, ended)
	})
	// The copy into the command belongs to the server, not to this call: it ends when the channel is closed, after the
	// command. Waiting for it here would wait for a client that keeps its side open.
	s.wg.Go(func() {
		_, _ = io.CopyBuffer(onlyWriter{p.in}, stdin, make([]byte, copyBuffer)) // fails when the command does not read on
		_ = p.in.Close()
	})
	var wg sync.WaitGroup
	wg.Go(func() { drain(stdout, p.out) })
	wg.Go(func() { drain(stderr, p.err) })
	wg.Wait() // before the process: its output may outlive it in a child
	err = cmd.Wait()
	close(ended)
	if !stop() {
		<-watched
	}
	return exitStatus(cmd, err)
}

// drain copies the command's output. When the client has gone away the pipe is closed, so that the command gets
// a broken pipe in place of a reader that never comes.
func drain(w io.Writer, r *os.File) {
	_, _ = io.CopyBuffer(w, onlyReader{r}, make([]byte, copyBuffer)) // either side may go first; both end the copy
	r.Close()
}

func exitStatus(cmd *exec.Cmd, err error) int {
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		return 255
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code
	}
	return 128 + signalOf(cmd.ProcessState)
}

// pipes are this side's ends of a command's streams.
type pipes struct{ in, out, err *os.File }

// startPiped starts cmd with pipes of our own: those of exec.Cmd are closed by its Wait, whether read or not.
func startPiped(cmd *exec.Cmd) (*pipes, error) {
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
		cmd.Stdin, cmd.Stdout, cmd.Stderr = inR, outW, errW
		err = cmd.Start()
	}
	if err != nil {
		for _, f := range opened {
			f.Close()
		}
		return nil, err
	}
	for _, f := range []*os.File{inR, outW, errW} { // the child has its own
		f.Close()
	}
	return &pipes{inW, outR, errR}, nil
}

// abandon ends a command whose client is gone: end of file first, then the signal.
func (p *pipes) abandon(cmd *exec.Cmd, ended <-chan struct{}) {
	_ = p.in.Close()
	t := time.NewTimer(killAfter)
	defer t.Stop()
	select {
	case <-ended:
		return
	case <-t.C:
	}
	killGroup(cmd.Process)
	// A process that left the group may still hold the pipes.
	_ = p.out.SetReadDeadline(time.Now())
	_ = p.err.SetReadDeadline(time.Now())
}

// onlyWriter and onlyReader hide ReadFrom and WriteTo, which would take a smaller buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
