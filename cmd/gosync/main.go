// Gosync makes copies of directories equal to the original, on this machine or
// over SSH, and sends only what differs. Its options are those of rsync.
//
// This package is the command line: one table of options (table*.go) feeds the
// parser and the help; run.go turns the command line into a job for the engine,
// connects the far side and starts it; output.go turns the engine's events into
// rsync's lines, problems.go and exit.go its errors into advice and an exit
// status. What comes from elsewhere is printed only through display.
//
// It decides nothing about files itself and opens none but those that options
// name, and those of the demonstration (demo.go).
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"

	"gosync/transport"
	"gosync/transport/sshconn"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	os.Exit(mainStatus(ctx, cancel))
}

// orderlyEnd is how long a run that was interrupted may take to end in an orderly
// way: keep what it has received, remove what is of no use, tell the far side.
const orderlyEnd = 2 * time.Second

// sameSignal is how long after the first signal others count as the same one: a terminal
// sends one to all processes, and some of these hand it on to the others.
const sameSignal = 300 * time.Millisecond

// mainStatus runs the program with the process's surroundings. The first
// signal ends the run in an orderly way, the second one the process, and so does any
// other once orderlyEnd is over.
func mainStatus(ctx context.Context, cancel context.CancelCauseFunc) int {
	signals := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) { // nohup, and shells' background jobs
			signal.Notify(signals, sig)
		}
	}
	// Whoever reads the output may go away; that is an error of a write, as
	// for any other file, and no reason to leave temporary files behind.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	e := newEnv()
	asked := make(chan os.Signal, 1)
	if all := statusSignals(); len(all) > 0 { // none would be all that there are
		signal.Notify(asked, all...)
	}
	e.asked = asked
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sig, ok := e.interrupts.next(signals, done)
		if !ok {
			return
		}
		cancel(interruptedBy(sig))
		e.stopping()
		if atOnce(signals, done) {
			e.stopNow()
		}
	}()
	status := run(ctx, os.Args, e)
	close(done)
	<-ended
	cancel(nil)
	return status
}

// interruptedBy is the cause of a run's end by a signal. It names those that nobody has typed.
func interruptedBy(sig os.Signal) error {
	if sig == os.Interrupt {
		return errInterrupted
	}
	return fmt.Errorf("%w (%v)", errInterrupted, sig)
}

// atOnce waits for a second signal, and reports whether one came before done, or before
// the signals were given back to the operating system.
func atOnce(signals chan os.Signal, done <-chan struct{}) bool {
	first := time.Now()
	timer := time.NewTimer(orderlyEnd)
	defer timer.Stop()
	for {
		select {
		case <-signals:
			if time.Since(first) >= sameSignal {
				return true
			}
		case <-timer.C:
			signal.Stop(signals)
			return false
		case <-done:
			return false
		}
	}
}

// stopping tells somebody at a terminal that the run is about to end.
func (e *env) stopping() {
	if e.width != nil {
		_, _ = io.WriteString(e.stderr, wipeLine+"gosync: stopping; once more stops at once\n")
	}
}

// stopNow ends the process. What is at the destination is as after a kill: each file whole,
// and what had arrived of large ones kept for the next run.
func (e *env) stopNow() {
	start := ""
	if e.width != nil {
		start = wipeLine
	}
	_, _ = fmt.Fprintf(e.stderr, "%sgosync: stopped at once; run the same command again to go on (exit %d)\n", start, exitSignal)
	os.Exit(exitSignal)
}

// newEnv returns the surroundings of this process.
func newEnv() *env {
	e := &env{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv,
		outTerm:    term.IsTerminal(int(os.Stdout.Fd())),
		serverConn: stdioConn, interrupts: new(interrupts),
		parts: realParts(),
	}
	if term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())) {
		e.ask = sshconn.AskTerminal
	}
	if term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb" {
		e.width = func() int {
			columns, _, err := term.GetSize(int(os.Stderr.Fd()))
			if err != nil || columns <= 0 {
				return 80
			}
			return columns
		}
	}
	return e
}

// stdio is standard input and output as the connection of a server.
type stdio struct{ in, out *os.File }

func (s *stdio) Read(b []byte) (int, error)  { return s.in.Read(b) }
func (s *stdio) Write(b []byte) (int, error) { return s.out.Write(b) }

// Close ends reads and writes that are waiting.
func (s *stdio) Close() error {
	in, out := s.in.Close(), s.out.Close()
	if in != nil {
		return in
	}
	return out
}

// Offer implements wire.Joinable.
func (s *stdio) Offer(join func(io.ReadWriteCloser)) (ticket []byte, stop func(), err error) {
	return transport.OfferLanes(join)
}

// stdioConn puts standard input and output into non-blocking mode, so that
// closing them ends reads and writes that are waiting: else a server whose
// connection hangs could not end.
func stdioConn() (io.ReadWriteCloser, error) {
	for _, fd := range []int{0, 1} {
		if err := unblock(fd); err != nil {
			return nil, err
		}
	}
	s := &stdio{in: os.NewFile(0, "standard input"), out: os.NewFile(1, "standard output")}
	transport.EnlargePipe(s.in)
	transport.EnlargePipe(s.out)
	return s, nil
}
