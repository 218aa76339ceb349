package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
	"time"
)

// listFlags are the letters of ls and lls.
const listFlags = "laRtSr1hd"

// list runs ls on one side.
func (s *Session) list(ctx context.Context, name string, args []word, g *globber) error {
	set, words, err := options(name, args, listFlags)
	if err != nil {
		return err
	}
	paths, err := expand(ctx, g, words)
	if err != nil {
		return err
	}
	var operands []Operand
	for _, p := range paths {
		operands = append(operands, Operand{Path: absolute(g.base, p), Shown: p})
	}
	if len(operands) == 0 {
		operands = []Operand{{Path: g.base}}
	}
	var errs []error
	l := &Lister{
		ListOptions: ListOptions{
			Long: set['l'], All: set['a'], Recursive: set['R'], Dirs: set['d'],
			ByTime: set['t'], BySize: set['S'], Reverse: set['r'], Human: set['h'],
		},
		Out: s.cfg.Out, Display: s.cfg.Display, Fail: func(err error) { errs = append(errs, err) },
	}
	if s.cfg.Width != nil && !set['1'] {
		l.Width = s.cfg.Width()
	}
	if err := l.List(ctx, g.fsys, operands); err != nil {
		return err
	}
	return s.all(ctx, errs)
}

func (s *Session) runLs(ctx context.Context, args []word) error {
	return s.list(ctx, "ls", args, s.remote())
}

func (s *Session) runLls(ctx context.Context, args []word) error {
	return s.list(ctx, "lls", args, s.localGlob())
}

func (s *Session) runCd(ctx context.Context, args []word) error {
	switch len(args) {
	case 0:
		s.cwd = s.home
		return nil
	case 1:
		dir, err := expandOne(ctx, s.remote(), args[0])
		if err != nil {
			return err
		}
		return s.chdir(ctx, dir)
	}
	return wrongArguments("cd")
}

func (s *Session) runPwd(context.Context, []word) error {
	return s.print(s.cfg.Display(s.cwd) + "\n")
}

// remotePaths returns the absolute paths that words stand for.
func (s *Session) remotePaths(ctx context.Context, words []word) ([]string, error) {
	names, err := expand(ctx, s.remote(), words)
	for i := range names {
		names[i] = absolute(s.cwd, names[i])
	}
	return names, err
}

func (s *Session) runStat(ctx context.Context, args []word) error {
	paths, err := s.remotePaths(ctx, args)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return wrongArguments("stat")
	}
	var errs []error
	for _, p := range paths {
		e, err := s.cfg.Remote.Lstat(ctx, p)
		if err == nil && e.Mode.Type() == fs.ModeSymlink {
			e.Target, err = s.cfg.Remote.ReadLink(ctx, p)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := s.print(s.statText(p, e)); err != nil {
			return err
		}
	}
	return s.all(ctx, errs)
}

func (s *Session) statText(p string, e Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "path:     %s\n", s.cfg.Display(p))
	if e.Mode.Type() == fs.ModeSymlink {
		fmt.Fprintf(&b, "target:   %s\n", s.cfg.Display(e.Target))
	}
	fmt.Fprintf(&b, "type:     %s\nsize:     %d\nmode:     %s (%s)\nowner:    %d\ngroup:    %d\nmodified: %s\n",
		typeName(e.Mode), e.Size, octal(e.Mode), modeText(e.Mode), e.UID, e.GID, e.ModTime.Format(time.RFC3339))
	return b.String()
}

func (s *Session) runCat(ctx context.Context, args []word) error {
	paths, err := s.remotePaths(ctx, args)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return wrongArguments("cat")
	}
	for _, p := range paths {
		w := s.cfg.Out
		var lines *lineWriter
		if s.cfg.Width != nil { // a screen
			lines = &lineWriter{w: w, display: s.cfg.Display}
			w = lines
		}
		err := s.cfg.Remote.read(ctx, p, w)
		if lines != nil {
			err = errors.Join(err, lines.end())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lineWriter makes text safe for a screen, line by line.
type lineWriter struct {
	w       io.Writer
	display func(string) string
	rest    []byte
}

// Write implements io.Writer. Lines longer than 64 KiB are cut.
func (l *lineWriter) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	var out strings.Builder
	for {
		i := bytes.IndexByte(l.rest, '\n')
		n := i + 1
		if i < 0 {
			if len(l.rest) < 64<<10 {
				break
			}
			i, n = 64<<10, 64<<10
		}
		out.WriteString(l.display(strings.TrimSuffix(string(l.rest[:i]), "\r")))
		out.WriteByte('\n')
		l.rest = l.rest[n:]
	}
	l.rest = bytes.Clone(l.rest)
	if _, err := io.WriteString(l.w, out.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end writes a last line that has no newline; the prompt needs a line of its own.
func (l *lineWriter) end() error {
	if len(l.rest) == 0 {
		return nil
	}
	_, err := l.Write([]byte("\n"))
	return err
}

func (s *Session) runDu(ctx context.Context, args []word) error {
	set, words, err := options("du", args, "sh")
	if err != nil {
		return err
	}
	names, err := expand(ctx, s.remote(), words)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	var errs []error
	for _, name := range names {
		err := s.du(ctx, name, set, func(err error) { errs = append(errs, err) })
		if fatal(ctx, err) {
			return err
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return s.all(ctx, errs)
}

// du adds up what is below name. The directories between the one that is looked at
// and the top are on a stack with their sums so far.
func (s *Session) du(ctx context.Context, name string, set flags, fail func(error)) error {
	type sum struct {
		name  string
		depth int
		bytes int64
	}
	var open []sum
	closeTo := func(depth int) error {
		for len(open) > 0 && open[len(open)-1].depth >= depth {
			top := open[len(open)-1]
			open = open[:len(open)-1]
			if len(open) > 0 {
				open[len(open)-1].bytes = addSizes(open[len(open)-1].bytes, top.bytes)
			}
			if len(open) == 0 || !set['s'] {
				if err := s.print(duSize(top.bytes, set['h']) + "\t" + s.cfg.Display(top.name) + "\n"); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err := s.walk(ctx, name, fail, func(name string, depth int, e Entry) error {
		if err := closeTo(depth); err != nil {
			return err
		}
		if e.Mode.IsDir() || depth == 0 {
			open = append(open, sum{name: name, depth: depth})
		}
		if !e.Mode.IsDir() {
			open[len(open)-1].bytes = addSizes(open[len(open)-1].bytes, e.Size)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return closeTo(0)
}

// addSizes adds what a server says are sizes.
func addSizes(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func duSize(n int64, human bool) string {
	if human {
		return size(n, true)
	}
	return fmt.Sprint(n/1024 + min(n%1024, 1))
}

// walk visits name and all below it: a directory before what is in it, files before
// the directories beside them. Symlinks are not followed below the top.
func (s *Session) walk(ctx context.Context, name string, fail func(error), visit func(name string, depth int, e Entry) error) error {
	top, err := s.cfg.Remote.Lstat(ctx, absolute(s.cwd, name))
	if err != nil {
		return err
	}
	type item struct {
		name  string
		depth int
		entry Entry
	}
	stack := []item{{name, 0, top}}
	for len(stack) > 0 {
		it := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if err := visit(it.name, it.depth, it.entry); err != nil {
			return err
		}
		if !it.entry.Mode.IsDir() {
			continue
		}
		if it.depth == maxDepth {
			fail(&fs.PathError{Op: "list", Path: it.name, Err: errors.New("nested too deep")})
			continue
		}
		entries, err := s.cfg.Remote.ReadDir(ctx, absolute(s.cwd, it.name), false)
		if fatal(ctx, err) {
			return err
		}
		if err != nil {
			fail(err)
		}
		for _, e := range entries {
			if e.Mode.IsDir() {
				continue
			}
			if err := visit(join(it.name, e.Name), it.depth+1, e); err != nil {
				return err
			}
		}
		for i := len(entries) - 1; i >= 0; i-- {
			if entries[i].Mode.IsDir() {
				stack = append(stack, item{join(it.name, entries[i].Name), it.depth + 1, entries[i]})
			}
		}
	}
	return nil
}

func (s *Session) runDf(ctx context.Context, args []word) error {
	set, words, err := options("df", args, "h")
	if err != nil {
		return err
	}
	if len(words) > 1 {
		return wrongArguments("df")
	}
	name := "."
	if len(words) == 1 {
		if name, err = expandOne(ctx, s.remote(), words[0]); err != nil {
			return err
		}
	}
	st, err := s.cfg.Remote.statVFS(ctx, absolute(s.cwd, name))
	if err != nil {
		return err
	}
	return s.print(dfText(st.Frsize, st.Blocks, st.Bfree, st.Bavail, set['h']))
}

// dfText writes what statvfs says. The numbers are the server's.
func dfText(unit, blocks, free, avail uint64, human bool) string {
	bytes := func(n uint64) int64 {
		if unit != 0 && n > math.MaxInt64/unit {
			return math.MaxInt64
		}
		return int64(n * unit)
	}
	cell := func(n int64) string {
		if human {
			return size(n, true)
		}
		return fmt.Sprint(n / 1024)
	}
	used := blocks - min(free, blocks)
	percent := "-"
	if whole := float64(used) + float64(avail); whole > 0 {
		percent = fmt.Sprintf("%.0f%%", math.Ceil(100*float64(used)/whole))
	}
	return fmt.Sprintf("%12s %12s %12s %6s\n%12s %12s %12s %6s\n", "Size", "Used", "Avail", "Use%", cell(bytes(blocks)), cell(bytes(used)), cell(bytes(avail)), percent)
}
