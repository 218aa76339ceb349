package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

func (s *Session) runLcd(ctx context.Context, args []word) error {
	dir := s.cfg.LocalHome
	switch len(args) {
	case 0:
	case 1:
		name, err := expandOne(ctx, s.localGlob(), args[0])
		if err != nil {
			return err
		}
		dir = absolute(s.lcwd, name)
	default:
		return wrongArguments("lcd")
	}
	dir = filepath.Clean(dir)
	e, err := Local{}.Stat(ctx, dir)
	if err == nil && !e.Mode.IsDir() {
		err = &fs.PathError{Op: "lcd", Path: dir, Err: errors.New("not a directory")}
	}
	if err == nil && s.cfg.Chdir != nil {
		err = s.cfg.Chdir(dir)
	}
	if err == nil {
		s.lcwd = dir
	}
	return err
}

func (s *Session) runLpwd(context.Context, []word) error {
	return s.print(s.cfg.Display(s.lcwd) + "\n")
}

func (s *Session) runLmkdir(ctx context.Context, args []word) error {
	names, err := expand(ctx, s.localGlob(), args)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return wrongArguments("lmkdir")
	}
	return s.forEach(ctx, names, func(_ context.Context, name string) error {
		return os.Mkdir(absolute(s.lcwd, name), 0o777)
	})
}

// leftBehind is how long the output of a command is copied that it has left something
// in the background with, which may write there for ever.
const leftBehind = time.Second

// local runs a command of the user here, or an interactive shell. It has the
// terminal; an interrupt reaches it by itself.
func (s *Session) local(ctx context.Context, text string) error {
	if err := s.cfg.Flush(); err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	argv := s.cfg.Shell(text)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = s.lcwd
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.cfg.In, s.cfg.ShellOut, s.cfg.ShellErr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if !isFile(cmd.Stdout) || !isFile(cmd.Stderr) { // else an editor that takes Ctrl-C for its own would be killed
		cmd.WaitDelay = leftBehind
	}
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return fmt.Errorf("!%s: %w", text, err)
	}
	return nil
}

// isFile reports whether a command can have w itself.
func isFile(w io.Writer) bool {
	_, ok := w.(*os.File)
	return ok
}
