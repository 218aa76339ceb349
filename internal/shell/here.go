package shell

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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

// local runs a command of the user here, or an interactive shell. It has the
// terminal; an interrupt reaches it by itself.
func (s *Session) local(ctx context.Context, text string) error {
	argv := s.cfg.Shell(text)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = s.lcwd
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.cfg.In, s.cfg.Out, s.cfg.Err
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("!%s: %w", text, err)
	}
	return nil
}
