package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/transport/wire"
)

// ways is how a run reaches the far sides that it has: one, or two where source
// and destination are both remote.
type ways struct {
	e   *env
	s   *settings
	r   *route
	p   *printer
	how [2]transport.Options // to the source, to the destination

	names []string // of a list of --files-from on a far side, once it was read; nil for none
}

// The ends of a route.
const (
	sourceEnd = iota
	destEnd
)

func newWays(e *env, s *settings, r *route, p *printer, how transport.Options) *ways {
	return &ways{e: e, s: s, r: r, p: p, how: [2]transport.Options{how, how}}
}

// fars are the far sides that are connected to; nil where an end is here.
type fars [2]*transport.Far

// close ends the connections and returns the error of the run, or a better one.
func (f fars) close(err error, engine func(error) int) error {
	for _, far := range f {
		if far == nil {
			continue
		}
		if far.Agent != nil {
			err = farEnd(far.Agent, err, engine)
		}
		if far.Files != nil && err != nil {
			if lost := far.Files.Err(); lost != nil {
				err = lost                                   // what followed is only its consequence
				if errors.Is(lost, os.ErrDeadlineExceeded) { // the session's own word for it
					err = fmt.Errorf("%w: %w", wire.ErrTimeout, lost)
				}
			}
		}
		_ = far.Close() // everything that matters has been acknowledged
	}
	return err
}

// open connects to the far sides, one after the other, because each may ask the
// user something.
func (w *ways) open(ctx context.Context) (fars, error) {
	var f fars
	for i, end := range w.r.ends() {
		if !end.Remote {
			continue
		}
		far, err := w.e.parts.open(ctx, end.Target, w.how[i])
		if err != nil {
			_ = f.close(nil, w.e.parts.exitCode) // nothing has begun
			return f, &connectError{explainGreeting(err)}
		}
		f[i], w.how[i] = far, far.Again
	}
	return f, nil
}

// attempt does the job over new connections.
func (w *ways) attempt(ctx context.Context, job engine.Job, rep engine.Report) (engine.Summary, error) {
	f, err := w.open(ctx)
	if err != nil {
		return engine.Summary{}, err
	}
	var sum engine.Summary
	if err = w.readList(ctx, &f, &job); err == nil {
		sum, err = w.move(ctx, f, job, rep)
	}
	err = f.close(err, w.e.parts.exitCode)
	w.p.far.end()
	return sum, err
}

// move has the engine do the job between the ends.
func (w *ways) move(ctx context.Context, f fars, job engine.Job, rep engine.Report) (engine.Summary, error) {
	if err := w.checkFarOptions(f); err != nil {
		return engine.Summary{}, err
	}
	if wayOf(f[sourceEnd]) == transport.ViaSCP || wayOf(f[destEnd]) == transport.ViaSCP {
		return w.overSCP(ctx, f, job, rep)
	}
	if refused := sftpRefuses(&job, f); len(refused) > 0 {
		return engine.Summary{}, withCode(exitUnsupported, fmt.Errorf("SFTP cannot do %s: that needs gosync on the far side", strings.Join(refused, ", ")))
	}
	if w.p.attempt == 0 {
		w.p.header(w.r.pull())
	}
	p := &w.e.parts
	from, to := f[sourceEnd], f[destEnd]
	w.p.verified = wayOf(from) != transport.ViaSFTP && wayOf(to) != transport.ViaSFTP
	switch a, b := wayOf(from) == transport.ViaAgent, wayOf(to) == transport.ViaAgent; {
	case a && b:
		return p.relay(ctx, p.host(), from.Agent, to.Agent, job, rep)
	case a:
		return p.receive(ctx, w.files(to), from.Agent, job, rep)
	case b:
		return p.send(ctx, w.files(from), to.Agent, job, rep)
	}
	return p.between(ctx, w.files(from), w.files(to), job, rep)
}

// wayOf is the way to a far side, "" for this machine.
func wayOf(f *transport.Far) transport.Via {
	if f == nil {
		return ""
	}
	return f.Via
}

// files returns the host of an end whose files this process works with.
func (w *ways) files(f *transport.Far) engine.Host {
	if f == nil {
		return w.e.parts.host()
	}
	return f.Files
}

// sftpRefuses names the options of a job that the protocol has nothing for. Refused
// before anything is made: what is asked for would be left out without a word.
func sftpRefuses(job *engine.Job, f fars) (names []string) {
	if wayOf(f[sourceEnd]) == transport.ViaSFTP && job.HardLinks {
		names = append(names, "--hard-links from there, since it does not tell which files are one")
	}
	if wayOf(f[sourceEnd]) == transport.ViaSFTP || wayOf(f[destEnd]) == transport.ViaSFTP {
		names = append(names, metaRefused(job)...)
	}
	if wayOf(f[sourceEnd]) == transport.ViaSFTP && job.FakeSource || wayOf(f[destEnd]) == transport.ViaSFTP && job.FakeDest {
		names = append(names, "--fake-super there")
	}
	if wayOf(f[destEnd]) == transport.ViaSFTP && job.KeepDirLinks {
		names = append(names, "--keep-dirlinks there")
	}
	if wayOf(f[destEnd]) == transport.ViaSFTP && job.PartialDir != "" {
		names = append(names, "--partial-dir there, where partials lie beside their files")
	}
	if wayOf(f[sourceEnd]) == transport.ViaSFTP && job.OneFileSystem > 0 {
		names = append(names, "--one-file-system there, since it does not tell what is mounted")
	}
	if wayOf(f[destEnd]) == transport.ViaSFTP && job.AltKind != engine.AltNone {
		names = append(names, "--link-dest, --copy-dest and --compare-dest there")
	}
	if wayOf(f[destEnd]) == transport.ViaSFTP && job.Backup {
		names = append(names, "--backup there")
	}
	if wayOf(f[destEnd]) == transport.ViaSFTP && job.TempDir != "" {
		names = append(names, "--temp-dir there")
	}
	if (wayOf(f[sourceEnd]) == transport.ViaSFTP || wayOf(f[destEnd]) == transport.ViaSFTP) && job.DetectRenames {
		names = append(names, "--detect-renames")
	}
	if wayOf(f[destEnd]) == transport.ViaSFTP && job.DelayUpdates {
		names = append(names, "--delay-updates there")
	}
	return names
}

// checkFarOptions refuses -M where no gosync is that could take it.
func (w *ways) checkFarOptions(f fars) error {
	for _, far := range f {
		if way := wayOf(far); len(w.s.farOptions) > 0 && way != "" && way != transport.ViaAgent {
			return withCode(exitUnsupported, fmt.Errorf("--remote-option=%s: that needs gosync on the far side, and there is only %s", w.s.farOptions[0], way))
		}
	}
	return nil
}

// overSCP streams to or from scp, which can do nothing but that.
func (w *ways) overSCP(ctx context.Context, f fars, job engine.Job, rep engine.Report) (engine.Summary, error) {
	from, to := f[sourceEnd], f[destEnd]
	switch {
	case wayOf(from) == transport.ViaAgent || wayOf(to) == transport.ViaAgent || wayOf(from) == wayOf(to):
		return engine.Summary{}, withCode(exitUnsupported, errors.New("one of the two far sides has nothing but scp: copy to this machine first, or install gosync there"))
	}
	if refused := engine.StreamRefuses(&job, wayOf(from) == transport.ViaSCP); len(refused) > 0 {
		return engine.Summary{}, withCode(exitUnsupported, fmt.Errorf("scp cannot do %s, and the far side has nothing better", strings.Join(refused, ", ")))
	}
	if w.p.attempt == 0 {
		w.tellLosses(&job, wayOf(from) == transport.ViaSCP)
		w.p.header(w.r.pull())
	}
	if wayOf(to) == transport.ViaSCP {
		return w.e.parts.sendStream(ctx, w.files(from), job, to.SCP, rep)
	}
	return w.e.parts.receiveStream(ctx, w.files(to), job, from.SCP, rep)
}

// tellLosses says what the options ask for and scp cannot do, whether it was chosen
// or is all that there is. That everything is sent is not news to who has chosen
// it; others have been told when the way was taken.
func (w *ways) tellLosses(job *engine.Job, pull bool) {
	lost := engine.StreamLoses(job, pull)
	if len(lost) == 0 {
		return
	}
	host := w.r.dest.Host
	if pull {
		host = w.r.sources[0].Host
	}
	w.p.con.message(display("gosync: " + host + ": over scp " + strings.Join(lost, "; ")))
}

// explainGreeting adds what a user can do about a far side without gosync.
func explainGreeting(err error) error {
	var g *transport.GreetingError
	if errors.As(err, &g) && g.Kind == transport.GreetingLost && g.Status == 255 {
		return fmt.Errorf("the remote shell failed (status 255) and has not reached the far side: see its message, and whether ssh, or the command of -e, works by hand (%w)", err)
	}
	if errors.As(err, &g) && !errors.Is(err, transport.ErrNoWay) && (g.Kind == transport.GreetingNoCommand || g.Kind == transport.GreetingNotRunnable) {
		return fmt.Errorf("the far side cannot run gosync: %w; install it there, say where it is with --gosync-path=PROGRAM, or leave out --no-deploy", err)
	}
	return err
}
