package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/transport/sftpfs"
	"gosync/transport/sshconn"
)

// env is what the command has from its surroundings; tests put their own in
// its place.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	outTerm        bool // standard output is a terminal
	ask            func(ctx context.Context, question string) (string, error)
	pause          func(ctx context.Context, d time.Duration) error // waits; nil for the clock's own
	random         func() float64                                   // from 0 up to 1; nil for the usual
	width          func() int                                       // columns of the terminal at standard error; nil if it is none
	serverConn     func() (io.ReadWriteCloser, error)               // standard input and output as a connection
	events         *eventLog                                        // of --json; nil where it is not asked for
	asked          <-chan os.Signal                                 // signals that ask how far a run is; nil for none
	command        []string                                         // the command line of a run that another one like it goes on with
	interrupts     *interrupts                                      // decides whether a signal ends the run; nil: it does
	content        func(engine.Content)                             // is told digests of what has moved; nil for none
	hint           string                                           // what to tell when the run ends with a status of hintFor
	hintFor        []int
	onward         string           // what an interrupted run can do next, where that is not to go on
	watch          func(p *printer) // called before a run begins that a subcommand has made; nil for none
	parts          parts
}

// parts are the packages that do the work.
type parts struct {
	host     func() engine.Host
	open     func(ctx context.Context, t transport.Target, how transport.Options) (*transport.Far, error)
	reach    func(ctx context.Context, t transport.Target, how transport.Options) (transport.Link, error)
	copy     func(context.Context, engine.Host, engine.Job, engine.Report) (engine.Summary, error)
	send     func(context.Context, engine.Host, io.ReadWriteCloser, engine.Job, engine.Report) (engine.Summary, error)
	receive  func(context.Context, engine.Host, io.ReadWriteCloser, engine.Job, engine.Report) (engine.Summary, error)
	between  func(ctx context.Context, from, to engine.Host, job engine.Job, rep engine.Report) (engine.Summary, error)
	relay    func(ctx context.Context, host engine.Host, from, to io.ReadWriteCloser, job engine.Job, rep engine.Report) (engine.Summary, error)
	serve    func(context.Context, engine.Host, io.ReadWriteCloser, *slog.Logger, engine.Limits) error
	exitCode func(error) int

	insecure func() engine.Host                                               // host that follows symlinks of others in operator's paths
	openFile func(name string, flags int, mode fs.FileMode) (*os.File, error) // a file that an option names; nil for os.OpenFile

	sendStream    func(ctx context.Context, from engine.Host, job engine.Job, to engine.StreamTo, rep engine.Report) (engine.Summary, error)
	receiveStream func(ctx context.Context, to engine.Host, job engine.Job, from engine.StreamFrom, rep engine.Report) (engine.Summary, error)
}

// run is the whole program: it returns the exit status. Cancelling ctx with
// errInterrupted as its cause ends the run in an orderly way.
func run(ctx context.Context, args []string, e *env) int {
	if status, done := dispatch(ctx, args, e); done {
		return status
	}
	words := args[min(1, len(args)):]
	if len(words) == 1 && words[0] == "-h" {
		return e.show(shortHelp())
	}
	e.startEvents(words)
	s, operands, err := parseArgs(words, e.getenv("POSIXLY_CORRECT") != "")
	if err == nil {
		e.keepEvents(s)
	}
	e = e.trap(takenForFile(words), exitUsage, exitUnsupported, exitSelect, exitFile, exitPartial)
	switch {
	case err != nil:
		return e.status(ctx, err)
	case s.help:
		return e.show(longHelp())
	case s.wordHelp != "":
		return e.show(s.wordHelp)
	case s.version > 1:
		return e.show(versionJSON())
	case s.version > 0:
		return e.show(versionText() + capabilityText())
	case s.sftpServer:
		return e.status(ctx, e.serveSFTP(ctx, s, operands))
	case s.server:
		return e.serverStatus(ctx, e.serve(ctx, s, operands))
	}
	s, hint, err := e.withDefaults(s)
	if err != nil {
		return e.status(ctx, err)
	}
	e.keepEvents(s)
	e.command = args
	if e.hint == "" {
		e = e.trap(hint, exitUsage, exitUnsupported)
	}
	return e.status(ctx, e.sync(ctx, s, operands))
}

// startEvents prepares the events of --json, where the command line asks for them.
func (e *env) startEvents(args []string) {
	if wantsEvents(args) {
		e.events = newEvents(e.stdout)
	}
}

// keepEvents drops them where --json was the value of another option, and prepares them where
// the configuration asks for them.
func (e *env) keepEvents(s *settings) {
	switch {
	case !s.json:
		e.events = nil
	case e.events == nil:
		e.events = newEvents(e.stdout)
	}
}

// show prints a text that was asked for.
func (e *env) show(text string) int {
	if _, err := io.WriteString(e.stdout, text); err != nil {
		return exitOutput
	}
	return exitOK
}

// status prints the last line of a run that failed, and returns the exit status.
func (e *env) status(ctx context.Context, err error) int {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause // what followed is only its consequence
	}
	code := exitCode(err, e.parts.exitCode)
	last := e.lastEvent(code, err)
	if err == nil && last != nil {
		err = fmt.Errorf("writing the output: %w", last)
		code = exitOutput
	}
	if err == nil {
		return exitOK
	}
	text := display(err.Error())
	switch code {
	case exitUsage:
		text += "; gosync --help explains"
	case exitSignal:
		e.tellCommand()
		text += "; " + display(cmp.Or(e.onward, "run the same command again to go on"))
	}
	if slices.Contains(e.hintFor, code) {
		text = display(e.hint) + "\ngosync: " + text
	}
	// Standard error is the last place there is to report anything to.
	_, _ = fmt.Fprintf(e.stderr, "gosync: %s (exit %d)\n", text, code)
	return code
}

// longestCommand is how long a command line may be that is shown.
const longestCommand = 2000

// tellCommand shows the command that goes on with a run that was interrupted.
func (e *env) tellCommand() {
	if text := shellCommand(e.command); len(e.command) > 0 && len(text) <= longestCommand {
		_, _ = fmt.Fprintf(e.stderr, "gosync: to go on: %s\n", text) // as in status
	}
}

// lastEvent tells how the run ends, and returns the first error of writing events.
func (e *env) lastEvent(code int, err error) error {
	ev := &exitJSON{Code: code, Name: exitName(code)}
	if err != nil {
		ev.Message, ev.Hint = display(err.Error()), advice(err)
	}
	if code == exitSignal && len(e.command) > 0 {
		ev.Resume = shellCommand(e.command)
	}
	return e.events.tell(ev)
}

// serverStatus is status for the far side. What the client has heard of it tells
// its user; only the rest is worth a line from here.
func (e *env) serverStatus(ctx context.Context, err error) int {
	if code := exitCode(err, e.parts.exitCode); engine.Told(err) || code > exitUnsupported {
		return code
	}
	return e.status(ctx, err)
}

// serve is the far side of somebody's run: standard output is the protocol,
// standard error is log.
func (e *env) serve(ctx context.Context, s *settings, operands []string) error {
	if len(operands) > 0 {
		return usageErrorf("--server takes no operands")
	}
	if err := errors.Join(s.restrict.check(true), s.checkServer()); err != nil {
		return err
	}
	e.trustLinks(s)
	conn, err := e.serverConn()
	if err != nil {
		return withCode(exitSelect, fmt.Errorf("standard input and output: %w", err))
	}
	level := slog.LevelWarn
	if s.verbose > 0 || s.debugging() {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level}))
	if s.restrict.dir != "" {
		return e.serveRestricted(ctx, &s.restrict, conn, log)
	}
	return e.parts.serve(ctx, e.parts.host(), conn, log, engine.Limits{})
}

// sync is the main job: it copies.
func (e *env) sync(ctx context.Context, s *settings, operands []string) error {
	if err := s.restrict.check(false); err != nil {
		return err
	}
	e.trustLinks(s)
	s.fromEnvironment(e.getenv)
	r, err := newRoute(operands, s)
	if err != nil {
		return err
	}
	if err := s.partialDirFrom(e.getenv); err != nil {
		return err
	}
	if err := s.checkIconv(e.getenv); err != nil {
		return err
	}
	if err := s.finish(r.local()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	con := s.console(e, func(err error) {
		cancel(withCode(exitOutput, fmt.Errorf("writing the output: %w", err)))
	})
	defer con.beat(s.heartbeat)()
	p := &printer{con: con, s: s, far: &messages{con: con}, route: r}
	if e.watch != nil {
		e.watch(p)
	}
	if !s.quiet {
		for _, note := range r.colonTraps() {
			con.message("gosync: " + display(note))
		}
	}
	p.log = e.openLog(s, con)
	defer p.log.close()
	defer s.stopInTime(cancel)()
	if !r.local() && s.retries > 0 {
		p.shown = map[uint64]int{}
	}
	if s.direct {
		return e.conclude(ctx, p, new(engine.Summary), e.direct(ctx, s, r, p))
	}
	if s.expand {
		if err := r.expand(ctx, e.parts.host()); err != nil {
			return err
		}
	}
	job, err := e.job(s, r)
	if err != nil {
		return err
	}
	rep := engine.Report{Event: p.event, Progress: new(engine.Progress)}
	rep.Content = e.content
	rep.Confirm = e.confirmer(s, con, func() { cancel(errInterrupted) })
	job.Confirm = rep.Confirm != nil
	if s.listOnly {
		if err := s.list(&job, r); err != nil {
			return err
		}
	}
	p.counts = rep.Progress
	con.tell(startEvent(s, r, p.compares))
	sum, err := e.transfer(ctx, s, r, job, rep, p)
	return e.conclude(ctx, p, &sum, err)
}

// job puts together what the engine is asked for.
func (e *env) job(s *settings, r *route) (engine.Job, error) {
	rd := &reader{stdin: e.stdin, open: e.openFile}
	var err error
	if s.Filter, err = s.filters(rd, e.getenv); err != nil {
		return engine.Job{}, err
	}
	job := engine.Job{Sources: r.paths(), Dest: r.dest.Path}
	if job.Files = []string{}; r.list == nil { // else they are read when there is a connection
		if job.Files, err = s.files(rd); err != nil {
			return engine.Job{}, err
		}
	}
	job.Options = s.Options
	job.MungeLinks = s.mungeLinks && r.pull() && !r.push()
	job.UnmungeLinks = s.mungeLinks && !r.pull()
	s.supers(&job, r)
	if job.Chmod != "" {
		job.ChmodUmask = e.parts.host().IDs().Umask()
	}
	return job, nil
}

// transfer connects where there is something to connect to, and has the engine
// do the job.
func (e *env) transfer(ctx context.Context, s *settings, r *route, job engine.Job, rep engine.Report, p *printer) (engine.Summary, error) {
	stop := startMeter(p.con, rep.Progress, meterOptions{shown: s.info(infoProgress) > 0, width: e.width, ask: e.asked})
	var sum engine.Summary
	var err error
	if r.local() {
		p.header(false)
		sum, err = e.parts.copy(ctx, e.parts.host(), job, rep)
	} else {
		sum, err = e.reach(ctx, s, r, job, rep, p)
	}
	code := exitCode(err, e.parts.exitCode)
	stop(code == exitOK || code == exitPartial || code == exitVanished)
	return sum, err
}

// connectOptions says how the options want the far side reached. The command
// is constant but for the program, which is the user's own shell text.
func (e *env) connectOptions(s *settings, p *printer) (transport.Options, error) {
	o := transport.Options{
		SSH: s.ssh, Identity: s.identities, SSHOptions: s.sshOptions, Unlocked: new(sshconn.Unlocked),
		SSHConfig: s.sshConfig, Port: s.port, Stderr: p.far, RemoteCommand: []string{"gosync", "--server"},
		Log: slog.New(&logHandler{con: p.con, level: slog.LevelWarn}), ConnectTimeout: s.connTimeout,
	}
	if s.remotePath != "" {
		o.RemoteCommand[0] = s.remotePath
	}
	o.Via, o.NoDeploy, o.AgentDir, o.Release = s.via, s.noDeploy, s.agentDir, engine.Release
	o.Timeout, o.FirstAnswer = s.Timeout, s.firstAnswer(sshconn.CanAsk)
	o.Say = func(text string) { p.con.message("gosync: " + display(text)) }
	switch {
	case s.debugging():
		o.Log = slog.New(&logHandler{con: p.con, level: slog.LevelDebug})
	case s.verbose > 0:
		o.Log = slog.New(&logHandler{con: p.con, level: slog.LevelInfo})
	}
	o.SFTP = sftpfs.Options{Log: o.Log, Verify: s.Checksum, Compare: s.InPlace || s.wholeFile == no, Timeout: s.Timeout}
	if err := s.tellFar(&o); err != nil {
		return o, err
	}
	rsh, chosen := s.rsh, s.ssh == transport.SSHNative || s.ssh == transport.SSHCommand
	if rsh != "" && chosen {
		return o, usageErrorf("--ssh=%s does not go with --rsh (-e), which names the command itself", s.ssh)
	}
	for _, name := range []string{"GOSYNC_RSH", "RSYNC_RSH"} {
		if rsh == "" && !chosen {
			rsh = e.getenv(name)
		}
	}
	if rsh != "" {
		var err error
		if o.Rsh, err = transport.SplitRsh(rsh); err != nil {
			return o, &usageError{text: err.Error()}
		}
	}
	s.chooseFamily(&o)
	return o, nil
}

// conclude prints what comes last and returns the error that decides the exit
// status.
func (e *env) conclude(ctx context.Context, p *printer, sum *engine.Summary, err error) error {
	p.printLater()
	code := exitCode(err, e.parts.exitCode)
	if err == nil || code >= exitPartial && code <= exitDelete {
		p.summary(sum)
	}
	if p.recaps(e.width != nil, code) {
		for _, line := range recap(p, sum, e.width()) {
			p.con.message(line)
		}
	}
	if !errors.Is(context.Cause(ctx), errOtherRoot) {
		p.con.tell(summaryEvent(p.s, sum, p.attempt))
	}
	for _, line := range p.problems.lines() {
		p.con.message(line)
	}
	if err != nil {
		p.log.write(fmt.Sprintf("gosync: %s (exit %d)", display(err.Error()), code))
	}
	if err != nil && p.problems.total == 0 && code != exitUsage && code != exitSignal {
		for _, text := range []string{advice(err), p.route.hostAdvice(code, p.s)} {
			if text != "" {
				p.con.message("    => " + display(text))
			}
		}
	}
	if failed := p.con.flush(); failed != nil && err == nil {
		return withCode(exitOutput, fmt.Errorf("writing the output: %w", failed))
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}
