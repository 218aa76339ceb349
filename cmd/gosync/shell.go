package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"gosync/internal/shell"
	"gosync/transport"
)

const shellUsage = `Usage: gosync shell [OPTION]... [USER@]HOST[:DIR]

Works with the files of a host interactively, in the manner of sftp(1). get, put and
sync are done by gosync itself; help within the session lists the commands. Commands
come from -b FILE or standard input where that is no terminal: the first that fails
ends the session with its exit status, unless a - stands in front of it.

`

// shellFlags are the options of gosync shell.
func shellFlags(batch *string) []flag {
	return []flag{{
		name: "batch", short: "b", arg: "FILE", kind: valueFile, doc: "run the commands in FILE (- for standard input)",
		set: func(_ *settings, _ bool, text string) error {
			if text == "" {
				return usageErrorf("the value is empty")
			}
			*batch = text
			return nil
		},
	}}
}

// runShell is gosync shell.
func runShell(ctx context.Context, args []string, e *env) error {
	var batch string
	c, err := parseSub("shell", shellFlags(&batch), args)
	if err != nil {
		return err
	}
	if c.settings.help || len(args) == 1 && args[0] == "-h" {
		return e.text(subHelp(shellUsage, shellFlags(&batch)))
	}
	if runtime.GOOS == "windows" {
		return withCode(exitUnsupported, errors.New("gosync shell is not there on Windows: use gosync ls and gosync cp"))
	}
	t, err := shellTarget(c.operands)
	if err != nil {
		return err
	}
	in, interactive := e.stdin, batch == "" && e.ask != nil
	if batch != "" && batch != "-" {
		f, err := os.Open(batch)
		if err != nil {
			return withCode(exitFile, fmt.Errorf("--batch: %w", err))
		}
		defer f.Close() // it was only read
		in = f
	}
	con := newConsole(e.stdout, e.stderr, e.outTerm, nil)
	far, err := e.newFarSide(ctx, t, c.settings, con)
	if err != nil {
		return err
	}
	defer far.close()
	remote := far.remote(c.settings)
	defer remote.Close() // every request was answered
	session, err := shell.Open(ctx, e.shellConfig(c, far, remote, con, interactive))
	if err != nil {
		return shellError(err)
	}
	if interactive {
		err = e.interact(ctx, session, remote, t, con)
	} else {
		err = session.Batch(ctx, in)
	}
	if failed := con.flush(); failed != nil {
		return withCode(exitOutput, fmt.Errorf("writing the output: %w", failed))
	}
	return shellError(err)
}

// shellTarget reads the one operand: a host with or without a directory.
func shellTarget(operands []string) (transport.Target, error) {
	if len(operands) != 1 {
		return transport.Target{}, usageErrorf("gosync shell takes one host, [USER@]HOST[:DIR]")
	}
	t, err := transport.ParseTarget(operands[0])
	if err == nil && !t.Remote {
		t, err = transport.ParseTarget(operands[0] + ":")
	}
	if err == nil && (!t.Remote || t.SameHost) {
		err = usageErrorf("%s names no host", operands[0])
	}
	return t, err
}

// shellConfig puts together what a session has from here.
func (e *env) shellConfig(c *subcommand, far *farSide, remote *shell.Remote, con *console, interactive bool) shell.Config {
	t := far.target
	cfg := shell.Config{
		Remote: remote, Host: hostText(t), Dir: t.Path, Out: consoleOut{con}, Err: messageOut{con}, Display: display,
		ShellOut: e.stdout, ShellErr: e.stderr, Flush: con.flush,
		Version: versionText(), Transfer: far.transferrer(c.reach), Operands: operandIndex, Chdir: os.Chdir,
		Target: func(p string) string {
			u := t
			u.Path = p
			return u.String()
		},
		Shell: func(text string) []string {
			argv := []string{e.getenv("SHELL")}
			if argv[0] == "" {
				argv[0] = "/bin/sh"
			}
			if text != "" {
				argv = append(argv, "-c", text)
			}
			return argv
		},
	}
	// Without a directory of its own the session begins at the root, and paths
	// have to be absolute.
	cfg.LocalDir, _ = os.Getwd()
	cfg.LocalDir = filepath.Clean("/" + cfg.LocalDir)
	cfg.LocalHome = e.getenv("HOME")
	if !interactive {
		return cfg
	}
	cfg.In = e.stdin
	if e.interrupts != nil {
		cfg.Interrupts = e.interrupts.take
	}
	if e.outTerm && e.width != nil {
		cfg.Width = e.width
	}
	cfg.Confirm = func(ctx context.Context, question string) bool {
		answer, err := e.ask(ctx, display(question)+"? [y/N] ")
		answer = strings.ToLower(strings.TrimSpace(answer))
		return err == nil && (answer == "y" || answer == "yes")
	}
	return cfg
}

func hostText(t transport.Target) string {
	if t.User != "" {
		return t.User + "@" + t.Host
	}
	return t.Host
}

// interact runs an interactive session.
func (e *env) interact(ctx context.Context, session *shell.Session, remote *shell.Remote, t transport.Target, con *console) error {
	history, err := shell.OpenHistory(historyFile(e.getenv))
	if err != nil {
		con.message(display("gosync: " + err.Error()))
	}
	ed, err := shell.NewTerminalEditor(history, session.Complete)
	if err != nil {
		return withCode(exitFile, err)
	}
	defer ed.Close() // it was a terminal
	con.message(display(fmt.Sprintf("Connected to %s by %s. help lists the commands.", hostText(t), remote.Way())))
	err = session.Interact(ctx, ed)
	if kept := history.Err(); kept != nil {
		con.message(display("gosync: the history was not kept: " + kept.Error()))
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// historyFile is where lines that were typed are kept, "" where that is not known.
func historyFile(getenv func(string) string) string {
	dir := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // the specification wants such values ignored
		dir = ""
	}
	if home := getenv("HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".local", "state")
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "gosync", "shell_history")
}

// messageOut is the console's standard error, line by line.
type messageOut struct{ con *console }

// Write implements io.Writer.
func (o messageOut) Write(p []byte) (int, error) {
	o.con.message(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}
