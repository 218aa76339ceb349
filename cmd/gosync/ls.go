package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"gosync/internal/shell"
	"gosync/transport"
)

const lsUsage = `Usage: gosync ls [OPTION]... [USER@]HOST:PATH...
       gosync ls [OPTION]... PATH...

Lists files on a host, or here: a directory's content, anything else itself. Names
are sorted by their bytes, and what could do harm on a terminal is written as \#ooo.
A PATH on a host may hold wildcards. With --json each entry is a line:
  {"v":1,"path":"d/f","type":"file","size":1,"mode":"0644","mtime":"2026-01-02T03:04:05Z","uid":0,"gid":0}
with "link" for symlinks, and path_b64 and link_b64 (base64) for what is not UTF-8.

`

// lsFlags are the options of gosync ls.
func lsFlags(o *shell.ListOptions) []flag {
	row := func(name, short, doc string, field *bool) flag {
		return flag{name: name, short: short, doc: doc, set: func(_ *settings, on bool, _ string) error {
			*field = on
			return nil
		}}
	}
	return []flag{
		row("", "l", "modes, owners, sizes and times as well", &o.Long),
		row("all", "a", "names that begin with a dot as well", &o.All),
		row("recursive", "R", "directories below as well", &o.Recursive),
		row("directory", "d", "directories themselves, not what is in them", &o.Dirs),
		row("", "t", "the newest first", &o.ByTime),
		row("", "S", "the largest first", &o.BySize),
		row("reverse", "r", "the other way round", &o.Reverse),
		row("human-readable", "h", "sizes with units of 1024", &o.Human),
		row("json", "", "one JSON object per entry and line", &o.JSON),
	}
}

// runLs is gosync ls.
func runLs(ctx context.Context, args []string, e *env) error {
	var o shell.ListOptions
	c, err := parseSub("ls", lsFlags(&o), args)
	if err != nil {
		return err
	}
	if c.settings.help || len(args) == 1 && args[0] == "-h" {
		return e.text(subHelp(lsUsage, lsFlags(&o)))
	}
	if len(c.operands) == 0 {
		return usageErrorf("gosync ls wants something to list, such as host: or host:path")
	}
	groups, err := lsGroups(c.operands)
	if err != nil {
		return err
	}
	con := newConsole(e.stdout, e.stderr, e.outTerm, nil)
	l := &lister{env: e, s: c.settings, con: con, several: len(groups) > 1}
	l.Lister = shell.Lister{ListOptions: o, Out: bufio.NewWriterSize(consoleOut{con}, 64<<10), Display: display, Fail: l.fail}
	for _, g := range groups {
		if err = l.group(ctx, g); err != nil {
			break
		}
	}
	if failed := con.flush(); failed != nil {
		return withCode(exitOutput, fmt.Errorf("writing the output: %w", failed))
	}
	if err == nil && l.failed > 0 {
		err = withCode(exitPartial, errors.New("some of it could not be listed"))
	}
	return shellError(err)
}

// text prints a text that was asked for.
func (e *env) text(text string) error {
	if e.show(text) != exitOK {
		return withCode(exitOutput, errors.New("writing the output failed"))
	}
	return nil
}

// lsGroups reads the operands and puts those together that one connection serves.
func lsGroups(operands []string) ([][]target, error) {
	var groups [][]target
	var last transport.Target
	for i, arg := range operands {
		if arg == "" {
			return nil, usageErrorf("operand %d is empty; the current directory is \".\"", i+1)
		}
		t, err := transport.ParseTarget(arg)
		if err != nil {
			return nil, err
		}
		if t.SameHost {
			if last.Host == "" {
				return nil, usageErrorf("%s has no host", arg)
			}
			t.SameHost, t.User, t.Host, t.Port = false, last.User, last.Host, last.Port
		}
		if t.Remote {
			last = t
		}
		next := target{Target: t, arg: arg}
		if n := len(groups); n > 0 && groups[n-1][0].Remote == t.Remote && sameHost(groups[n-1][0], next) {
			groups[n-1] = append(groups[n-1], next)
		} else {
			groups = append(groups, []target{next})
		}
	}
	return groups, nil
}

// lister lists operands on several hosts.
type lister struct {
	shell.Lister
	env     *env
	s       *settings
	con     *console
	several bool // hosts: paths are shown with theirs
	failed  int
}

// fail tells about something that cannot be listed.
func (l *lister) fail(err error) {
	l.failed++
	l.flush()
	l.con.message(display("gosync: " + err.Error()))
}

func (l *lister) flush() {
	_ = l.Out.(*bufio.Writer).Flush() // the console keeps the first error
}

// group lists operands on one host.
func (l *lister) group(ctx context.Context, targets []target) error {
	defer l.flush()
	if !targets[0].Remote {
		return l.list(ctx, shell.Local{}, targets)
	}
	far, err := l.env.newFarSide(ctx, targets[0].Target, l.s, l.con)
	if err != nil {
		return err
	}
	defer far.close()
	remote := far.remote(l.s)
	defer remote.Close() // it was only read
	if err := remote.Connect(ctx); err != nil {
		return err
	}
	return l.list(ctx, remote, targets)
}

func (l *lister) list(ctx context.Context, fsys shell.FS, targets []target) error {
	var operands []shell.Operand
	for _, t := range targets {
		paths := []string{t.Path}
		if t.Remote {
			var err error
			if paths, err = shell.Glob(ctx, fsys, homePath(t.Path)); err != nil {
				if shell.Fatal(ctx, err) {
					return err
				}
				l.fail(err)
				continue
			}
		}
		for _, p := range paths {
			shown := p
			if l.several && t.Remote && !l.JSON {
				u := t.Target
				u.Path = p
				shown = u.String()
			}
			operands = append(operands, shell.Operand{Path: p, Shown: shown})
		}
	}
	if len(operands) == 0 {
		return nil
	}
	return l.List(ctx, fsys, operands)
}

// homePath takes ~/ off a path: an SFTP server knows no ~, and begins there anyway.
func homePath(p string) string {
	if p == "~" {
		return ""
	}
	if rest, ok := strings.CutPrefix(p, "~/"); ok {
		return strings.TrimLeft(rest, "/")
	}
	return p
}

// consoleOut is the console's standard output.
type consoleOut struct{ con *console }

// Write implements io.Writer.
func (o consoleOut) Write(p []byte) (int, error) {
	o.con.print(string(p))
	return len(p), o.con.failure()
}
