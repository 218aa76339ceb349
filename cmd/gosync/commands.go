package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"gosync/internal/shell"
)

// command is one subcommand: a row of the table that the dispatch, the help, the
// manual pages and the completions are made from.
type command struct {
	name  string
	doc   string // one line
	usage string // what its help begins with: lines of usage, an empty line, paragraphs
	more  string // paragraphs behind its options
	own   func() []flag
	other optionSet
	words []word // what may stand first in place of an operand, in small letters

	operands operandKind
	again    bool // the same command line goes on with a run that was interrupted
	run      func(ctx context.Context, args []string, e *env) int
}

// optionSet says which options a subcommand takes beside its own.
type optionSet uint8

const (
	optionsNone  optionSet = iota
	optionsCopy            // all those of a copy
	optionsReach           // those that are about reaching the far side
)

// operandKind says what the operands of a subcommand are, for completion.
type operandKind uint8

const (
	operandNone  operandKind = iota
	operandPath              // paths here and on hosts
	operandHost              // hosts, with or without a directory
	operandDir               // directories of this machine
	operandJob               // jobs of the configuration
	operandTopic             // what gosync help explains
	operandShell             // shells that there are completions for
)

// commands returns the subcommands, in the order in which the help names them.
func commands() []command {
	plain := func(run func(ctx context.Context, args []string, e *env) error) func(context.Context, []string, *env) int {
		return func(ctx context.Context, args []string, e *env) int { return e.status(ctx, run(ctx, args, e)) }
	}
	return append([]command{
		{
			name: "cp", doc: "copy with scp's command line", usage: cpUsage, more: cpMore, own: cpFlags, operands: operandPath, again: true,
			run: func(ctx context.Context, args []string, e *env) int { return e.runCp(ctx, args) },
		},
		{
			name: "ls", doc: "list files on a host, or here", usage: lsUsage, own: func() []flag { return lsFlags(new(shell.ListOptions)) },
			other: optionsReach, operands: operandPath, run: plain(runLs),
		},
		{
			name: "shell", doc: "work with the files of a host, as sftp does", usage: shellUsage, own: func() []flag { return shellFlags(new(string)) },
			other: optionsReach, operands: operandHost, run: plain(runShell),
		},
		{
			name: "snapshot", doc: "keep copies under the times at which they were made", usage: snapshotUsage,
			own: func() []flag { return snapshotFlags(new(snapshotSettings)) }, other: optionsCopy, operands: operandPath, again: true, run: plain(runSnapshot),
			words: []word{
				{"list", "name the snapshots"},
				{"verify", "compare snapshots with their digests"},
				{"diff", "say what differs between two"},
				{"restore", "copy one, or a part of it, back"},
				{"prune", "remove those that --keep-* leaves over"},
			},
		},
		{
			name: "verify", doc: "compare without copying", usage: verifyUsage, own: func() []flag { return verifyFlags(new(verifySettings)) },
			other: optionsCopy, operands: operandPath, again: true, run: plain(runVerify),
		},
	}, selfCommands(plain)...)
}

// selfCommands are the subcommands that are about gosync and its settings.
func selfCommands(plain func(func(context.Context, []string, *env) error) func(context.Context, []string, *env) int) []command {
	return []command{
		{
			name: "run", doc: "start a job of the configuration file", usage: runUsage, own: func() []flag { return jobFlags(new(jobSettings)) },
			other: optionsCopy, operands: operandJob, again: true, run: plain(runJob),
		},
		{
			name: "version", doc: "say which gosync this is, and how it was built", usage: versionUsage,
			run: plain(func(_ context.Context, args []string, e *env) error { return runVersion(args, e) }),
		},
		{
			name: "bench", doc: "compare with scp, sftp and rsync on a line", usage: benchUsage, own: func() []flag { return benchFlags(new(benchSettings)) },
			other: optionsReach, operands: operandHost, run: plain(runBench),
		},
		{name: "demo", doc: "show the whole of it over SSH, with nothing set up", usage: demoUsage, run: plain(runDemo)},
		{name: "help", doc: "explain a command, a topic or an option", usage: helpUsage, operands: operandTopic, run: plain(runHelp)},
		{name: "man", doc: "write the manual pages", usage: manUsage, operands: operandDir, run: plain(runMan)},
		{name: "completion", doc: "print completions for a shell", usage: completionUsage, operands: operandShell, run: plain(runCompletion)},
	}
}

// findCommand returns the subcommand of that name, nil for none.
func findCommand(name string) *command {
	all := commands()
	for i := range all {
		if all[i].name == name {
			return &all[i]
		}
	}
	return nil
}

// dispatch runs the subcommand that stands first on a command line, if one does.
func dispatch(ctx context.Context, line []string, e *env) (status int, done bool) {
	if len(line) < 2 {
		return 0, false
	}
	args := line[2:]
	switch line[1] {
	case "--" + keeperFlag:
		return e.serverStatus(ctx, e.serveKeeper(ctx)), true
	case completeCommand:
		return e.status(ctx, runComplete(ctx, args, e)), true
	}
	c := findCommand(line[1])
	if c == nil {
		return 0, false
	}
	if c.other == optionsCopy {
		e.startEvents(args)
	}
	if c.again {
		e.command = line
	}
	return c.run(ctx, args, e.trap(takenForCommand(line[1:]), exitUsage)), true
}

// trap returns the surroundings for a run that, if it ends with one of these statuses, has
// fallen into a trap that hint names; "" for none.
func (e *env) trap(hint string, codes ...int) *env {
	if hint == "" {
		return e
	}
	c := *e
	c.hint, c.hintFor = hint, codes
	return &c
}

// takenForCommand is what to tell somebody whose file has the name of a subcommand.
func takenForCommand(args []string) string {
	if _, err := os.Lstat(args[0]); err != nil || len(args) < 2 {
		return ""
	}
	return fmt.Sprintf("%s is taken for the command; for the file of that name write ./%s", args[0], args[0])
}

// takenForFile is what to tell somebody who may have meant a subcommand; "" where
// nothing speaks for it.
func takenForFile(args []string) string {
	if len(args) == 0 || args[0] == "" || strings.ContainsAny(args[0], "-./:") {
		return ""
	}
	guess := nearest(args[0], commandWords())
	if guess == "" {
		return ""
	}
	if _, err := os.Lstat(args[0]); !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return fmt.Sprintf("there is no file %s: did you mean the command, gosync %s?", args[0], guess)
}

func commandWords() []string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// nearest returns the word that text is most likely a misspelling of, "" for none: at
// most two edits away, and one for words of up to four letters.
func nearest(text string, words []string) string {
	best, bestDistance := "", 3
	for _, w := range words {
		most := 2
		if len(w) < 5 {
			most = 1
		}
		if d := distance(text, w); d <= most && d < bestDistance && d < len(text) {
			best, bestDistance = w, d
		}
	}
	return best
}
