package shell

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// side is one of the two file systems of a transfer.
type side struct {
	globber
	operand func(p string) string // writes an absolute path for gosync
}

func (s *Session) thisSide() *side {
	return &side{*s.localGlob(), func(p string) string { return p }}
}

func (s *Session) farSide() *side { return &side{*s.remote(), s.cfg.Target} }

func (s *Session) runGet(ctx context.Context, args []word) error {
	return s.copyTo(ctx, "get", args, s.farSide(), s.thisSide(), true)
}

func (s *Session) runPut(ctx context.Context, args []word) error {
	return s.copyTo(ctx, "put", args, s.thisSide(), s.farSide(), true)
}

func (s *Session) runMget(ctx context.Context, args []word) error {
	return s.copyTo(ctx, "mget", args, s.farSide(), s.thisSide(), false)
}

func (s *Session) runMput(ctx context.Context, args []word) error {
	return s.copyTo(ctx, "mput", args, s.thisSide(), s.farSide(), false)
}

// copyTo is get and put. With named the last of several arguments says where to.
func (s *Session) copyTo(ctx context.Context, name string, args []word, from, to *side, named bool) error {
	set, words, err := options(name, args, "rRpPaf")
	if err != nil {
		return err
	}
	dest := ""
	if named && len(words) > 1 {
		if dest, err = expandOne(ctx, &to.globber, words[len(words)-1]); err != nil {
			return err
		}
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return wrongArguments(name)
	}
	sources, err := expand(ctx, &from.globber, words)
	if err != nil {
		return err
	}
	jobs, err := plan(ctx, from, to, sources, dest, set['r'] || set['R'])
	if err != nil {
		return err
	}
	opts := []string{"-t"}
	if set['r'] || set['R'] {
		opts = append(opts, "-rl")
	}
	if set['P'] || set['p'] {
		opts = append(opts, "-p")
	}
	for _, j := range jobs {
		if err := s.transfer(ctx, opts, j); err != nil {
			return err
		}
	}
	return nil
}

// transfer hands a job to gosync.
func (s *Session) transfer(ctx context.Context, opts, operands []string) error {
	if s.cfg.Width != nil {
		opts = append([]string{"--progress"}, opts...)
	}
	err := s.cfg.Transfer(ctx, slices.Concat(opts, []string{"--"}, operands))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// plan returns the operands of the runs of gosync that a get or put takes: one for
// all sources, and one for each that is a symlink, which is followed because it
// was named; gosync would take the link itself.
func plan(ctx context.Context, from, to *side, sources []string, dest string, recursive bool) ([][]string, error) {
	target := absolute(to.base, dest)
	into, exists, err := isDir(ctx, to, target)
	if err != nil {
		return nil, err
	}
	if len(sources) > 1 && exists && !into {
		return nil, usagef("%s is no directory, and several files are to be copied there", target)
	}
	into = into || len(sources) > 1 || strings.HasSuffix(target, "/")
	var together []string
	var jobs [][]string
	for _, name := range sources {
		real, e, err := follow(ctx, from, absolute(from.base, name))
		if err != nil {
			return nil, err
		}
		full := absolute(from.base, name)
		switch {
		case e.Mode.IsDir() && !recursive:
			return nil, &fs.PathError{Op: "copy", Path: name, Err: errors.New("it is a directory; -r copies those")}
		case e.Mode.IsDir() && !into: // the copy gets the name that was given
			jobs = append(jobs, []string{from.operand(strings.TrimRight(real, "/") + "/"), to.operand(target)})
		case e.Mode.IsDir() && (real != full || path.Base(full) != path.Base(path.Clean(full))):
			jobs = append(jobs, []string{from.operand(strings.TrimRight(real, "/") + "/"), to.operand(join(target, path.Base(path.Clean(full))))})
		case real != full:
			whole := target
			if into {
				whole = join(target, path.Base(full))
			}
			jobs = append(jobs, []string{from.operand(real), to.operand(whole)})
		default:
			together = append(together, from.operand(strings.TrimRight(full, "/")))
		}
	}
	if len(together) == 0 {
		return jobs, nil
	}
	if into && !strings.HasSuffix(target, "/") {
		target += "/"
	}
	return append([][]string{append(together, to.operand(target))}, jobs...), nil
}

// isDir looks at the place to copy to.
func isDir(ctx context.Context, to *side, name string) (dir, exists bool, err error) {
	e, err := to.fsys.Stat(ctx, name)
	switch {
	case err == nil:
		return e.Mode.IsDir(), true, nil
	case fatal(ctx, err):
		return false, false, err
	}
	return false, false, nil // gosync will say what is wrong with it
}

// maxLinks is how many symlinks may lead to each other.
const maxLinks = 40

// follow returns where a path leads and what is there.
func follow(ctx context.Context, from *side, name string) (string, Entry, error) {
	first := name
	for range maxLinks {
		e, err := from.fsys.Lstat(ctx, strings.TrimRight(name, "/"))
		if name == "/" {
			e, err = from.fsys.Lstat(ctx, name)
		}
		if err != nil {
			return "", Entry{}, err
		}
		if e.Mode.Type() != fs.ModeSymlink {
			return name, e, nil
		}
		target, err := from.fsys.ReadLink(ctx, strings.TrimRight(name, "/"))
		if err != nil {
			return "", Entry{}, err
		}
		name = absolute(path.Dir(strings.TrimRight(name, "/")), target)
	}
	return "", Entry{}, &fs.PathError{Op: "follow", Path: first, Err: errors.New("too many symlinks")}
}

// runSync makes two directories equal.
func (s *Session) runSync(ctx context.Context, args []word) error {
	if len(args) == 0 {
		return wrongArguments("sync")
	}
	var from, to *side
	switch args[0].text {
	case "put":
		from, to = s.thisSide(), s.farSide()
	case "get":
		from, to = s.farSide(), s.thisSide()
	default:
		return usagef("sync put FROM [TO] writes there, sync get FROM [TO] writes here; %q is neither", args[0].text)
	}
	args = args[1:]
	texts := make([]string, len(args))
	for i, w := range args {
		texts[i] = w.text
	}
	index, err := s.cfg.Operands(texts)
	if err != nil {
		return err
	}
	if len(index) < 1 || len(index) > 2 {
		return usagef("sync takes one or two directories, not %d; help sync says more", len(index))
	}
	opts := []string{"-a"}
	for i, t := range texts {
		if !slices.Contains(index, i) && t != "--" {
			opts = append(opts, t)
		}
	}
	src, err := expandOne(ctx, &from.globber, args[index[0]])
	if err != nil {
		return err
	}
	dst := path.Base(path.Clean(absolute(from.base, src)))
	if len(index) == 2 {
		if dst, err = expandOne(ctx, &to.globber, args[index[1]]); err != nil {
			return err
		}
	}
	slash := func(p string) string { return strings.TrimRight(p, "/") + "/" }
	return s.transfer(ctx, opts, []string{from.operand(slash(absolute(from.base, src))), to.operand(slash(absolute(to.base, dst)))})
}
