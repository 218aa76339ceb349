package shell

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
)

// Transfer is gosync itself: it takes options and operands as its command line has
// them and returns when the transfer is over, having printed what there is to say
// about single files.
type Transfer func(ctx context.Context, args []string) error

// Config is what a session has from its surroundings. What is not commented as
// optional must be there.
type Config struct {
	Remote *Remote
	Host   string // for the prompt, user@host
	Dir    string // where to begin on the far side; "" for where the server puts us

	LocalDir  string                     // where to begin here, absolute
	LocalHome string                     // what ~ means here
	Chdir     func(dir string) error     // called for lcd; nil: nothing
	Shell     func(text string) []string // argv for !text, for ! alone where text is ""

	// What those commands read and write. A file is theirs itself, so that a terminal
	// is one to them; Flush is called before. In may be nil: they read nothing.
	In                 io.Reader
	ShellOut, ShellErr io.Writer
	Flush              func() error

	Out, Err io.Writer
	Width    func() int // columns of the screen that Out is; nil if it is none
	Display  func(string) string
	Version  string

	Transfer Transfer
	Target   func(path string) string                     // the operand for a path on the far side
	Operands func(args []string) (index []int, err error) // which of a transfer's arguments are operands

	// Confirm asks yes or no; nil where there is nobody to ask.
	Confirm func(ctx context.Context, question string) bool
	// Interrupts has handler called for each interrupt until release; nil where
	// interrupts are not for the session.
	Interrupts func(handler func()) (release func())
}

// Session runs commands. It belongs to one goroutine.
type Session struct {
	cfg  Config
	home string // on the far side
	cwd  string // on the far side, absolute
	lcwd string

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the command that runs
}

// errReported means that what went wrong was printed already.
var errReported = errors.New("some of it failed")

// errQuit ends the session.
var errQuit = errors.New("quit")

// Open connects and finds the directory to begin in.
func Open(ctx context.Context, cfg Config) (*Session, error) {
	s := &Session{cfg: cfg, lcwd: cfg.LocalDir}
	var err error
	if s.home, err = cfg.Remote.RealPath(ctx, "."); err != nil {
		return nil, err
	}
	s.cwd = s.home
	if cfg.Dir == "" {
		return s, nil
	}
	dir := cfg.Dir
	if rest, ok := strings.CutPrefix(dir, "~/"); ok || dir == "~" {
		dir = join(s.home, strings.TrimPrefix(rest, "~"))
	}
	return s, s.chdir(ctx, dir)
}

// chdir makes dir the directory on the far side.
func (s *Session) chdir(ctx context.Context, dir string) error {
	full, err := s.cfg.Remote.RealPath(ctx, absolute(s.cwd, dir))
	if err != nil {
		return err
	}
	e, err := s.cfg.Remote.Stat(ctx, full)
	if err == nil && !e.Mode.IsDir() {
		err = &fs.PathError{Op: "cd", Path: dir, Err: errors.New("not a directory")}
	}
	if err == nil {
		s.cwd = full
	}
	return err
}

// Batch runs the commands that in holds, one per line, up to the first that fails.
// A line that begins with - may fail; one that begins with # is a comment.
func (s *Session) Batch(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 4096), maxLine+1)
	for n := 1; lines.Scan(); n++ {
		line, mayFail := prefixes(lines.Text())
		err := s.run(ctx, line)
		switch {
		case errors.Is(err, errQuit):
			return nil
		case err == nil:
			continue
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case mayFail && !errors.Is(err, ErrLost):
			s.report(err)
			continue
		}
		return fmt.Errorf("line %d: %w", n, err)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading commands: %w", err)
	}
	return nil
}

// prefixes takes the marks of batch mode off a line: - for one that may fail, and
// sftp's @, which asks for silence that is there anyway.
func prefixes(line string) (rest string, mayFail bool) {
	rest = strings.TrimLeft(line, " \t")
	for rest != "" && (rest[0] == '-' || rest[0] == '@') {
		mayFail = mayFail || rest[0] == '-'
		rest = strings.TrimLeft(rest[1:], " \t")
	}
	return strings.TrimRight(rest, "\r"), mayFail
}

// Interact reads commands from the editor until its end. What a command fails with
// is printed; the error is one that ends the session.
func (s *Session) Interact(ctx context.Context, ed Editor) error {
	if s.cfg.Interrupts != nil {
		defer s.cfg.Interrupts(s.interrupt)()
	}
	for {
		line, err := ed.ReadLine(ctx, s.prompt())
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrInterrupted):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading from the terminal: %w", err)
		}
		line, _ = prefixes(line)
		switch err := s.cancellable(ctx, line); {
		case errors.Is(err, errQuit):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			s.report(err)
		}
	}
}

// Editor reads lines from a person.
type Editor interface {
	// ReadLine returns a line, ErrInterrupted where it was given up, io.EOF at the
	// end of all.
	ReadLine(ctx context.Context, prompt string) (string, error)
}

// cancellable runs a line, which an interrupt ends.
func (s *Session) cancellable(ctx context.Context, line string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.setCancel(cancel)
	defer s.setCancel(nil)
	return s.run(ctx, line)
}

func (s *Session) setCancel(cancel context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancel = cancel
}

// interrupt ends the command that runs, if there is one.
func (s *Session) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel(ErrInterrupted)
	}
}

// prompt shows where on the far side we are.
func (s *Session) prompt() string {
	dir := s.cwd
	if rest, ok := strings.CutPrefix(dir, s.home); ok && s.home != "/" && (rest == "" || rest[0] == '/') {
		dir = "~" + rest
	}
	return s.cfg.Display(s.cfg.Host+":"+dir) + "> "
}

// run runs one line.
func (s *Session) run(ctx context.Context, line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	if text, ok := strings.CutPrefix(line, "!"); ok {
		return s.local(ctx, strings.TrimSpace(text))
	}
	words, err := split(line)
	if err != nil || len(words) == 0 {
		return err
	}
	c := findCommand(words[0].text)
	if c == nil {
		return usagef("no command %s; help lists them", words[0].text)
	}
	return c.run(s, ctx, words[1:])
}

// report prints an error of a command.
func (s *Session) report(err error) {
	if errors.Is(err, errReported) {
		return
	}
	s.message(err.Error())
}

// message prints a line on standard error.
func (s *Session) message(text string) {
	// Standard error is the last place there is to report anything to.
	_, _ = fmt.Fprintln(s.cfg.Err, s.cfg.Display(text))
}

// print writes text whose foreign parts have gone through Display.
func (s *Session) print(text string) error {
	if _, err := io.WriteString(s.cfg.Out, text); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// remote and localGlob expand words on the two sides.
func (s *Session) remote() *globber {
	return &globber{fsys: s.cfg.Remote, base: s.cwd, home: s.home}
}

func (s *Session) localGlob() *globber {
	return &globber{fsys: Local{}, base: s.lcwd, home: s.cfg.LocalHome}
}

// expand returns what words stand for, all together.
func expand(ctx context.Context, g *globber, words []word) ([]string, error) {
	var all []string
	for _, w := range words {
		names, err := g.expand(ctx, w)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	return all, nil
}

// expandOne is expand for a word that has to stand for one path.
func expandOne(ctx context.Context, g *globber, w word) (string, error) {
	names, err := g.expand(ctx, w)
	if err == nil && len(names) > 1 {
		err = usagef("%s matches %d names; one is wanted", w.text, len(names))
	}
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// all reports errors, and returns nil where there are none.
func (s *Session) all(ctx context.Context, errs []error) error {
	for _, err := range errs {
		if fatal(ctx, err) || len(errs) == 1 {
			return err
		}
	}
	for _, err := range errs {
		s.report(err)
	}
	if len(errs) > 0 {
		return errReported
	}
	return nil
}
