package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gosync/transport/scpfs"
	"gosync/transport/sftpfs"
	"gosync/transport/sshconn"
	"gosync/transport/wire"
)

// Via is a way to work with the files of a far side.
type Via string

// The ways, best first.
const (
	ViaAuto  Via = "auto"  // the best that the far side has
	ViaAgent Via = "agent" // gosync there, which is sent if need be
	ViaSFTP  Via = "sftp"  // the server's sftp subsystem
	ViaSCP   Via = "scp"   // scp -t and scp -f
)

// Vias are the values of --via.
func Vias() []Via { return []Via{ViaAuto, ViaAgent, ViaSFTP, ViaSCP} }

// ErrNoWay means that the far side has nothing that could be used.
var ErrNoWay = errors.New("no usable transport")

// Far is a far side that is connected to, with what serves there. Close ends it.
type Far struct {
	Via   Via
	Agent Stream        // with ViaAgent: to a server that has greeted
	Files *sftpfs.Host  // with ViaSFTP
	SCP   *scpfs.Remote // with ViaSCP
	Link  Link          // starts more

	Release string // of gosync there, with ViaAgent

	// Again are the options for another connection to the same far side in this
	// run: what has been found out is not tried again, nor told.
	Again Options

	program string // shell text that starts gosync there; see Program
}

// Program returns shell text that starts gosync on the far side: arguments that are
// fit for its shell may follow. It is "" where there is none.
func (f *Far) Program() string { return f.program }

// Close ends the connection.
func (f *Far) Close() error {
	var errs []error
	if f.Agent != nil {
		errs = append(errs, f.Agent.Close())
	}
	if f.Files != nil {
		errs = append(errs, f.Files.Close())
	}
	if f.Link != nil {
		errs = append(errs, f.Link.Close())
	}
	return errors.Join(errs...)
}

// Open reaches the target's far side by the best way that it has and that
// o.Via allows: gosync, gosync that is sent there first, SFTP, SCP. Each step down
// is told to o.Say. Errors of the connection are those of Reach; one that wraps
// ErrNoWay names why each way did not do.
func Open(ctx context.Context, t Target, o Options) (*Far, error) {
	held := &heldWriter{to: o.Stderr}
	below := o
	if o.Stderr != nil {
		below.Stderr = held
	}
	link, err := Reach(ctx, t, below)
	if err != nil {
		held.release()
		return nil, err
	}
	l := &ladder{o: o, host: t.Host, link: link, held: held}
	far, err := l.climb(ctx)
	held.release()
	if err != nil {
		_ = link.Close() // the error that counts is the one before
		return nil, err
	}
	far.Link = link
	return far, nil
}

// Climb is Open over a link that is there already. It is the Far's from then on,
// and stays the caller's where there is an error.
func Climb(ctx context.Context, link Link, host string, o Options) (*Far, error) {
	l := &ladder{o: o, host: host, link: link, held: &heldWriter{to: io.Discard}}
	far, err := l.climb(ctx)
	if err == nil {
		far.Link = link
	}
	return far, err
}

// heldWriter keeps what far sides say while it is not known whether they are of
// use: that a shell has not found gosync is said better in the end.
type heldWriter struct {
	to io.Writer

	mu   sync.Mutex
	kept []byte
	lost int64 // bytes that there was no room for
	open bool
}

// maxHeld bounds what is kept, in bytes.
const maxHeld = 64 << 10

// Write implements io.Writer.
func (h *heldWriter) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open {
		return h.to.Write(p)
	}
	n := min(len(p), maxHeld-len(h.kept))
	h.kept = append(h.kept, p[:n]...)
	h.lost += int64(len(p) - n)
	return len(p), nil
}

// forget drops what was kept so far.
func (h *heldWriter) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept, h.lost = nil, 0
}

// release hands on what was kept, and everything from now on.
func (h *heldWriter) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open = true; len(h.kept) > 0 {
		_, _ = h.to.Write(h.kept) // there is nobody else to tell
		if h.lost > 0 {
			_, _ = fmt.Fprintf(h.to, "\n[%d bytes of remote messages left out]\n", h.lost)
		}
		h.kept, h.lost = nil, 0
	}
}

// ladder tries one way after the other.
type ladder struct {
	o       Options
	host    string
	link    Link
	held    *heldWriter
	reasons []string // why the ways so far did not do
	last    error
}

func (l *ladder) climb(ctx context.Context) (*Far, error) {
	via := l.o.Via
	if via == "" {
		via = ViaAuto
	}
	for _, step := range []struct {
		via Via
		try func(ctx context.Context) (*Far, error)
	}{
		{ViaAgent, l.agent},
		{ViaAgent, l.deploy},
		{ViaSFTP, l.sftp},
		{ViaSCP, l.scp},
	} {
		if via != ViaAuto && via != step.via {
			continue
		}
		far, err := step.try(ctx)
		if err == nil && far != nil {
			return far, nil
		}
		if err != nil && !l.mayGoOn(ctx, err) {
			return nil, err
		}
		if err != nil {
			l.held.forget()
			l.last = err
			l.reasons = append(l.reasons, reason(err))
		}
	}
	if via == ViaAgent {
		return nil, l.last // its own words and status are the best
	}
	return nil, fmt.Errorf("%w: %s", ErrNoWay, strings.Join(l.reasons, "; "))
}

// mayGoOn reports whether an error says something about one way only.
func (l *ladder) mayGoOn(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, wire.ErrTimeout) {
		return false
	}
	if g, ok := errors.AsType[*GreetingError](err); ok {
		return g.Kind != GreetingLost && g.Kind != GreetingCut
	}
	if d, ok := errors.AsType[*DeployError](err); ok {
		return d.Kind != DeployUnsafe // somebody may wait for just that
	}
	return errors.Is(err, sshconn.ErrRefused) || errors.Is(err, ErrNoSubsystem) || errors.Is(err, errNoWay)
}

// errNoWay marks that one way does not do, for a reason that has no type.
var errNoWay = errors.New("not possible")

// reason is the text of an error for a user who is told of the next step.
func reason(err error) string {
	if g, ok := errors.AsType[*GreetingError](err); ok {
		switch g.Kind {
		case GreetingNoCommand:
			return "no gosync there"
		case GreetingVersion:
			return fmt.Sprintf("the gosync there is another version (%s)", g.Hello.Release)
		}
	}
	return strings.TrimPrefix(err.Error(), errNoWay.Error()+": ")
}

func (l *ladder) say(format string, args ...any) {
	if l.o.Say != nil {
		l.o.Say(l.host + ": " + fmt.Sprintf(format, args...))
	}
}

// agent starts gosync as it is found there.
func (l *ladder) agent(ctx context.Context) (*Far, error) {
	return l.start(ctx, strings.Join(append(slices.Clip(l.o.RemoteCommand), l.o.ServerArgs...), " "), l.o.RemoteCommand[0])
}

// start runs a command that ought to be gosync's server.
func (l *ladder) start(ctx context.Context, command, program string) (*Far, error) {
	s, err := l.link.Exec(ctx, command)
	if err != nil {
		return nil, err
	}
	s, hello, err := awaitGreeting(ctx, l.impatient(s))
	if err != nil {
		return nil, err
	}
	if p, ok := s.(*replayed); ok { // the protocol has timers of its own from here on
		if slow, ok := p.Stream.(*patient); ok {
			p.Stream = slow.release()
		}
	}
	again := l.o
	again.Via, again.NoDeploy, again.Say, again.RemoteCommand = ViaAgent, true, nil, []string{command}
	again.ServerArgs = nil // they are in command
	return &Far{Via: ViaAgent, Agent: l.widen(s), Release: hello.Release, Again: again, program: program}, nil
}

// firstAnswer is how long the first byte of what is started may take; 0 is any time.
func (l *ladder) firstAnswer() time.Duration {
	if l.link.Shared() {
		return l.o.Timeout
	}
	return l.o.FirstAnswer
}

// impatient returns s, which ends when the far side is silent for too long.
func (l *ladder) impatient(s Stream) Stream { return beImpatient(s, l.firstAnswer(), l.o.Timeout) }

// deploy sends gosync there and starts it. It does nothing where that is not
// wanted, or commands cannot be run.
func (l *ladder) deploy(ctx context.Context) (*Far, error) {
	if g, ok := errors.AsType[*GreetingError](l.last); l.o.NoDeploy || errors.Is(l.last, sshconn.ErrRefused) || ok && g.Kind == GreetingRefused {
		return nil, nil
	}
	command, how, err := Deploy(ctx, l.link, DeployOptions{
		Version: l.o.Release, AgentDir: l.o.AgentDir, Why: strings.Join(l.reasons, "; "), Log: l.o.Log,
		FirstAnswer: l.o.FirstAnswer,
	})
	if err != nil {
		return nil, err
	}
	if len(l.o.ServerArgs) > 0 {
		command = strings.TrimSuffix(command, "'") + ` "$@"' gosync ` + strings.Join(l.o.ServerArgs, " ")
	}
	far, err := l.start(ctx, command, `sh -c 'exec "$HOME/`+how.Path+`" "$@"' gosync`)
	if err != nil {
		return nil, err
	}
	if how.Sent > 0 {
		l.say("%s", how)
	} else if l.o.Log != nil {
		l.o.Log.Info(l.host + ": " + how.String())
	}
	return far, nil
}

// sftp uses the sftp subsystem.
func (l *ladder) sftp(ctx context.Context) (*Far, error) {
	s, err := l.link.Subsystem(ctx, "sftp")
	if err != nil {
		return nil, err
	}
	o := l.o.SFTP
	if o.FirstAnswer = l.firstAnswer(); o.FirstAnswer == 0 {
		o.FirstAnswer = -1 // any time
	}
	files, err := sftpfs.New(ctx, s, o)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded): // as with every other way
		return nil, fmt.Errorf("%w: %w", wire.ErrTimeout, err)
	default:
		if _, lost := unreached(s, err); lost != nil {
			return nil, lost
		}
		return nil, fmt.Errorf("%w: no sftp subsystem: %w", errNoWay, err)
	}
	l.stepDown("using SFTP: whole-file copies, compared by size and time")
	again := l.o
	again.Via, again.Say = ViaSFTP, nil
	return &Far{Via: ViaSFTP, Files: files, Again: again}, nil
}

// stepDown tells of a way that is not the best.
func (l *ladder) stepDown(what string) {
	if len(l.reasons) > 0 {
		l.say("%s; %s", strings.Join(l.reasons, "; "), what)
	}
}

// scp sees whether there is scp.
func (l *ladder) scp(ctx context.Context) (*Far, error) {
	s, err := l.link.Exec(ctx, "scp -t .")
	if err != nil {
		return nil, err
	}
	s = l.impatient(s)
	var answer [1]byte
	_, err = s.Read(answer[:])
	if err == nil && answer[0] == 0 {
		_ = s.Close() // it was only to see
		l.stepDown("using scp: everything is sent, whole; no deletions, links or resuming")
		again := l.o
		again.Via, again.Say = ViaSCP, nil
		return &Far{Via: ViaSCP, SCP: l.remote(), Again: again}, nil
	}
	return nil, noSCP(ctx, s, err)
}

// noSCP ends what ought to have been scp and says why it is of no use. err is that of the first read, nil where that
// brought a byte.
func noSCP(ctx context.Context, s Stream, err error) error {
	_ = s.CloseWrite()
	status, lost := unreached(s, err)
	_ = s.Close() // how it ended is known
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, wire.ErrTimeout):
		return err
	case lost != nil:
		return lost
	}
	why := "no scp there"
	if last := lastLine(s.StderrTail()); last != "" {
		why += ": " + last
	} else if status != 0 {
		why += " (" + statusText(status) + ")"
	}
	return fmt.Errorf("%w: %s", errNoWay, why)
}

// scpSessions is how many scp run at a time over one connection.
const scpSessions = 4

func (l *ladder) remote() *scpfs.Remote {
	r := &scpfs.Remote{Start: func(ctx context.Context, command string) (io.ReadWriteCloser, error) {
		s, err := l.link.Exec(ctx, command)
		if err != nil {
			return nil, err
		}
		return l.impatient(s), nil
	}}
	if l.link.Shared() {
		r.MaxSessions = scpSessions
	}
	return r
}
