package shell

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pkg/sftp"
)

func (s *Session) runMkdir(ctx context.Context, args []word) error {
	set, words, err := options("mkdir", args, "p")
	if err != nil {
		return err
	}
	paths, err := s.remotePaths(ctx, words)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return wrongArguments("mkdir")
	}
	make1 := s.cfg.Remote.mkdir
	if set['p'] {
		make1 = s.cfg.Remote.mkdirAll
	}
	return s.forEach(ctx, paths, make1)
}

// forEach does something to each path, and goes on where one fails.
func (s *Session) forEach(ctx context.Context, paths []string, do func(context.Context, string) error) error {
	var errs []error
	for _, p := range paths {
		err := do(ctx, p)
		if fatal(ctx, err) {
			return err
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return s.all(ctx, errs)
}

func (s *Session) runRmdir(ctx context.Context, args []word) error {
	paths, err := s.remotePaths(ctx, args)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return wrongArguments("rmdir")
	}
	return s.forEach(ctx, paths, func(ctx context.Context, p string) error {
		if strings.HasSuffix(p, "/") {
			var err error
			if p, _, err = s.lookAtItself(ctx, p); err != nil {
				return err
			}
		}
		return s.cfg.Remote.rmdir(ctx, p)
	})
}

// lookAtItself describes what is to be removed, and returns its path without slashes
// at the end. They have systems follow a symlink, while what the user sees there is
// the symlink: with them only a directory will do.
func (s *Session) lookAtItself(ctx context.Context, p string) (string, Entry, error) {
	bare := strings.TrimRight(p, "/")
	if bare == "" {
		bare = "/"
	}
	e, err := s.cfg.Remote.Lstat(ctx, bare)
	if err == nil && bare != p && !e.Mode.IsDir() {
		err = &fs.PathError{Op: "remove", Path: p, Err: errors.New("not a directory")}
	}
	return bare, e, err
}

func (s *Session) runRm(ctx context.Context, args []word) error {
	set, words, err := options("rm", args, "rRf")
	if err != nil {
		return err
	}
	paths, err := s.remotePaths(ctx, words)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return wrongArguments("rm")
	}
	return s.forEach(ctx, paths, func(ctx context.Context, p string) error {
		p, e, err := s.lookAtItself(ctx, p)
		switch {
		case set['f'] && errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !e.Mode.IsDir():
			return s.all(ctx, s.cfg.Remote.removeFiles(ctx, []string{p}))
		case !set['r'] && !set['R']:
			return &fs.PathError{Op: "remove", Path: p, Err: errors.New("it is a directory; rm -r removes it and all that is in it")}
		}
		return s.removeTree(ctx, p, set['f'])
	})
}

// removeTree removes a directory and all below it, once the user has agreed.
func (s *Session) removeTree(ctx context.Context, top string, force bool) error {
	clean := path.Clean(top)
	if last := path.Base(top); last == "." || last == ".." || clean == s.cwd || clean == "/" || strings.HasPrefix(s.cwd, clean+"/") {
		return &fs.PathError{Op: "remove", Path: top, Err: errors.New("that would remove the ground under your feet")}
	}
	if !force && s.cfg.Confirm != nil && !s.cfg.Confirm(ctx, "remove "+top+" and all that is in it") {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.message("nothing was removed")
		return errReported
	}
	var dirs, files []string
	var errs []error
	flush := func() {
		errs = append(errs, s.cfg.Remote.removeFiles(ctx, files)...)
		files = files[:0]
	}
	err := s.walk(ctx, top, func(err error) { errs = append(errs, err) }, func(name string, _ int, e Entry) error {
		if e.Mode.IsDir() {
			dirs = append(dirs, name)
			return nil
		}
		files = append(files, name)
		return nil
	})
	if err != nil {
		return err // nothing was removed yet
	}
	flush()
	for _, d := range slices.Backward(dirs) {
		err := s.cfg.Remote.rmdir(ctx, d)
		if fatal(ctx, err) {
			return err
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return s.all(ctx, errs)
}

func (s *Session) runMv(ctx context.Context, args []word) error {
	if len(args) < 2 {
		return wrongArguments("mv")
	}
	last := len(args) - 1
	from, err := s.remotePaths(ctx, args[:last])
	if err != nil {
		return err
	}
	to, err := expandOne(ctx, s.remote(), args[last])
	if err != nil {
		return err
	}
	to = absolute(s.cwd, to)
	into := false
	if e, err := s.cfg.Remote.Stat(ctx, to); err == nil {
		into = e.Mode.IsDir()
	} else if fatal(ctx, err) {
		return err
	}
	if len(from) > 1 && !into {
		return usagef("%s is no directory, and several files are to be moved there", to)
	}
	return s.forEach(ctx, from, func(ctx context.Context, p string) error {
		target := to
		if into {
			target = join(to, baseName(p))
		}
		return s.cfg.Remote.rename(ctx, strings.TrimRight(p, "/"), target)
	})
}

func (s *Session) runLn(ctx context.Context, args []word) error {
	set, words, err := options("ln", args, "s")
	if err != nil {
		return err
	}
	if len(words) != 2 {
		return wrongArguments("ln")
	}
	return s.link(ctx, words, set['s'])
}

func (s *Session) runSymlink(ctx context.Context, args []word) error {
	if len(args) != 2 {
		return wrongArguments("symlink")
	}
	return s.link(ctx, args, true)
}

// link makes a link. The text of a symlink is taken as it is.
func (s *Session) link(ctx context.Context, words []word, symbolic bool) error {
	oldname := words[0].text
	if !symbolic {
		name, err := expandOne(ctx, s.remote(), words[0])
		if err != nil {
			return err
		}
		oldname = absolute(s.cwd, name)
	}
	newname, err := expandOne(ctx, s.remote(), words[1])
	if err != nil {
		return err
	}
	newname = absolute(s.cwd, newname)
	if e, err := s.cfg.Remote.Stat(ctx, newname); err == nil && e.Mode.IsDir() {
		newname = join(newname, baseName(oldname))
	} else if fatal(ctx, err) {
		return err
	}
	return s.cfg.Remote.link(ctx, oldname, newname, symbolic)
}

// attributes runs chmod, chown and chgrp: change is called for each file, with -R
// for all below directories as well, but not for symlinks there, which would lead
// elsewhere.
func (s *Session) attributes(ctx context.Context, name string, args []word, change func(first string) (func(c *sftp.Client, p string, e Entry) error, error)) error {
	set, words, err := attributeOptions(name, args)
	if err != nil {
		return err
	}
	if len(words) < 2 {
		return wrongArguments(name)
	}
	apply, err := change(words[0].text)
	if err != nil {
		return err
	}
	paths, err := s.remotePaths(ctx, words[1:])
	if err != nil {
		return err
	}
	found := map[string]Entry{}
	var order []string
	var errs []error
	for _, p := range paths {
		if err := s.targets(ctx, p, set['R'], func(err error) { errs = append(errs, err) }, func(p string, e Entry) {
			order = append(order, p)
			found[p] = e
		}); err != nil {
			return err
		}
	}
	slices.Reverse(order) // directories after what is in them: they may close
	errs = append(errs, s.cfg.Remote.each(ctx, name, order, func(c *sftp.Client, p string) error {
		return apply(c, p, found[p])
	})...)
	return s.all(ctx, errs)
}

// attributeOptions takes -R out; a mode may begin with a dash itself: -x, -w.
func attributeOptions(name string, args []word) (flags, []word, error) {
	if len(args) > 0 && args[0].text == "-R" {
		set, rest, err := flags{'R': true}, args[1:], error(nil)
		return set, rest, err
	}
	if name == "chmod" {
		return flags{}, args, nil
	}
	return options(name, args, "R")
}

// targets finds the files that a change is for.
func (s *Session) targets(ctx context.Context, p string, recursive bool, fail func(error), found func(p string, e Entry)) error {
	if !recursive {
		e, err := s.cfg.Remote.Stat(ctx, p)
		switch {
		case fatal(ctx, err):
			return err
		case err != nil:
			fail(err)
		default:
			found(p, e)
		}
		return nil
	}
	err := s.walk(ctx, p, fail, func(p string, _ int, e Entry) error {
		if e.Mode.Type() != fs.ModeSymlink {
			found(p, e)
		}
		return nil
	})
	if err != nil && !fatal(ctx, err) {
		fail(err)
		return nil
	}
	return err
}

func (s *Session) runChmod(ctx context.Context, args []word) error {
	return s.attributes(ctx, "chmod", args, func(text string) (func(*sftp.Client, string, Entry) error, error) {
		if _, err := parseMode(text, 0, false); err != nil {
			return nil, err
		}
		return func(c *sftp.Client, p string, e Entry) error {
			mode, err := parseMode(text, unixMode(e.Mode), e.Mode.IsDir())
			if err != nil {
				return err
			}
			return c.Chmod(p, fileMode(mode))
		}, nil
	})
}

func (s *Session) runChown(ctx context.Context, args []word) error {
	return s.attributes(ctx, "chown", args, func(text string) (func(*sftp.Client, string, Entry) error, error) {
		uidText, gidText, both := strings.Cut(text, ":")
		uid, err := parseID(uidText)
		gid := uint32(0)
		if err == nil && both {
			gid, err = parseID(gidText)
		}
		return func(c *sftp.Client, p string, e Entry) error {
			if !both {
				return c.Chown(p, int(uid), int(e.GID))
			}
			return c.Chown(p, int(uid), int(gid))
		}, err
	})
}

func (s *Session) runChgrp(ctx context.Context, args []word) error {
	return s.attributes(ctx, "chgrp", args, func(text string) (func(*sftp.Client, string, Entry) error, error) {
		gid, err := parseID(text)
		return func(c *sftp.Client, p string, e Entry) error { return c.Chown(p, int(e.UID), int(gid)) }, err
	})
}
