package shell

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// kind says what an argument is, for completion.
type kind int

const (
	noName kind = iota
	remoteName
	localName
	commandName
	syncName // put and get, then names on either side
)

// command is a row of the table of commands.
type command struct {
	names []string // the first is shown
	usage string   // arguments
	doc   string
	args  []kind // of the arguments; the last one holds for all further
	run   func(s *Session, ctx context.Context, args []word) error
}

// commands returns the table, in the order of help.
func commands() []command {
	return slices.Concat(transferCommands(), lookCommands(), changeCommands(), localCommands(), sessionCommands())
}

func transferCommands() []command {
	return []command{
		{
			names: []string{"get"}, usage: "[-rP] REMOTE... [LOCAL]", doc: "copy files here; -r directories, -P keep modes",
			args: []kind{remoteName, localName}, run: (*Session).runGet,
		},
		{
			names: []string{"put"}, usage: "[-rP] LOCAL... [REMOTE]", doc: "copy files there",
			args: []kind{localName, remoteName}, run: (*Session).runPut,
		},
		{
			names: []string{"mget"}, usage: "[-rP] REMOTE...", doc: "copy all that is named to the current directory here",
			args: []kind{remoteName}, run: (*Session).runMget,
		},
		{
			names: []string{"mput"}, usage: "[-rP] LOCAL...", doc: "copy all that is named to the current directory there",
			args: []kind{localName}, run: (*Session).runMput,
		},
		{
			names: []string{"sync"}, usage: "put|get [OPTION]... FROM [TO]", doc: "make a directory there (put) or here (get) equal; options of gosync",
			args: []kind{syncName}, run: (*Session).runSync,
		},
	}
}

func lookCommands() []command {
	return []command{
		{names: []string{"ls", "dir"}, usage: "[-laRtSr1hd] [PATH]...", doc: "list files", args: []kind{remoteName}, run: (*Session).runLs},
		{names: []string{"cd"}, usage: "[DIR]", doc: "change the directory there", args: []kind{remoteName}, run: (*Session).runCd},
		{names: []string{"pwd"}, doc: "show the directory there", run: (*Session).runPwd},
		{names: []string{"stat"}, usage: "PATH...", doc: "show all that is known of files", args: []kind{remoteName}, run: (*Session).runStat},
		{names: []string{"cat"}, usage: "PATH...", doc: "print files", args: []kind{remoteName}, run: (*Session).runCat},
		{names: []string{"du"}, usage: "[-sh] [PATH]...", doc: "add up the sizes of files, in KiB", args: []kind{remoteName}, run: (*Session).runDu},
		{names: []string{"df"}, usage: "[-h] [PATH]", doc: "show how full the file system is, in KiB", args: []kind{remoteName}, run: (*Session).runDf},
	}
}

func changeCommands() []command {
	return []command{
		{names: []string{"mkdir"}, usage: "[-p] DIR...", doc: "make directories; -p with those above", args: []kind{remoteName}, run: (*Session).runMkdir},
		{names: []string{"rmdir"}, usage: "DIR...", doc: "remove empty directories", args: []kind{remoteName}, run: (*Session).runRmdir},
		{
			names: []string{"rm", "delete"}, usage: "[-rf] PATH...", doc: "remove files; -r directories and all in them, -f do not ask",
			args: []kind{remoteName}, run: (*Session).runRm,
		},
		{names: []string{"mv", "rename"}, usage: "OLD... NEW", doc: "rename, or move into a directory", args: []kind{remoteName}, run: (*Session).runMv},
		{names: []string{"ln"}, usage: "[-s] OLD NEW", doc: "make a hard link; -s a symlink", args: []kind{remoteName}, run: (*Session).runLn},
		{names: []string{"symlink"}, usage: "OLD NEW", doc: "make a symlink", args: []kind{remoteName}, run: (*Session).runSymlink},
		{
			names: []string{"chmod"}, usage: "[-R] MODE PATH...", doc: "change permissions: 640, u+x,go-w",
			args: []kind{noName, remoteName}, run: (*Session).runChmod,
		},
		{
			names: []string{"chown"}, usage: "[-R] UID[:GID] PATH...", doc: "change the owner, by number",
			args: []kind{noName, remoteName}, run: (*Session).runChown,
		},
		{
			names: []string{"chgrp"}, usage: "[-R] GID PATH...", doc: "change the group, by number",
			args: []kind{noName, remoteName}, run: (*Session).runChgrp,
		},
	}
}

func localCommands() []command {
	return []command{
		{names: []string{"lls"}, usage: "[-laRtSr1hd] [PATH]...", doc: "list files here", args: []kind{localName}, run: (*Session).runLls},
		{names: []string{"lcd"}, usage: "[DIR]", doc: "change the directory here", args: []kind{localName}, run: (*Session).runLcd},
		{names: []string{"lpwd"}, doc: "show the directory here", run: (*Session).runLpwd},
		{names: []string{"lmkdir"}, usage: "DIR...", doc: "make directories here", args: []kind{localName}, run: (*Session).runLmkdir},
	}
}

func sessionCommands() []command {
	return []command{
		{names: []string{"help", "?"}, usage: "[COMMAND]", doc: "explain commands", args: []kind{commandName}, run: (*Session).runHelp},
		{names: []string{"version"}, doc: "show the versions", run: (*Session).runVersion},
		{names: []string{"exit", "quit", "bye"}, doc: "end the session, as Ctrl-D does", run: (*Session).runQuit},
	}
}

// findCommand returns the command of that name, or nil.
func findCommand(name string) *command {
	table := commands()
	for i := range table {
		if slices.Contains(table[i].names, name) {
			return &table[i]
		}
	}
	return nil
}

// wrongArguments is the error for a command that is called in the wrong way.
func wrongArguments(name string) error {
	return usagef("usage: %s", strings.TrimSpace(name+" "+findCommand(name).usage))
}

func (s *Session) runHelp(_ context.Context, args []word) error {
	if len(args) > 0 {
		c := findCommand(args[0].text)
		if c == nil {
			return usagef("no command %s; help lists them", args[0].text)
		}
		return s.print(c.explain())
	}
	var b strings.Builder
	for _, c := range commands() {
		left := strings.TrimSpace(strings.Join(c.names, ", ") + " " + c.usage)
		fmt.Fprintf(&b, "  %-38s %s\n", left, c.doc)
	}
	fmt.Fprintf(&b, "  %-38s %s\n", "![COMMAND]", "run a command here, or a shell")
	b.WriteString("\nNames may hold wildcards (* ? [...]); quote them with ', \" or \\. help COMMAND says more.\n" +
		"Ctrl-C gives a line up or ends the command that runs. A line that begins with a space\nis not kept in the history.\n")
	return s.print(b.String())
}

// explain is help for one command.
func (c *command) explain() string {
	text := fmt.Sprintf("usage: %s\n%s\n", strings.TrimSpace(c.names[0]+" "+c.usage), c.doc)
	switch c.names[0] {
	case "get", "put", "mget", "mput":
		text += "Files are moved by gosync: what is there and unchanged is not sent again, of what has\nchanged only the difference, and what was interrupted goes on where it was.\n" +
			"Times are kept. A symlink that is named is followed; those in directories stay symlinks.\n"
	case "sync":
		text += "sync put FROM TO is gosync -a FROM/ host:TO/, sync get FROM TO is gosync -a host:FROM/ TO/.\n" +
			"Without TO it is the directory of the same name in the current one.\n" +
			"Options are gosync's: -n only says what would be done, -i itemizes, --delete removes what FROM\ndoes not have, --exclude=PATTERN leaves names out, -c compares content; gosync --help has them all.\n"
	case "ls", "lls":
		text += "-l long, -a names with a dot, -R directories below, -t by time, -S by size, -r reversed,\n-1 one name per line, -h sizes with units, -d directories themselves\n"
	}
	return text
}

func (s *Session) runVersion(context.Context, []word) error {
	return s.print(strings.TrimRight(s.cfg.Version, "\n") + "\nSFTP version 3, by " + s.cfg.Display(s.cfg.Remote.Way()) + "\n")
}

func (s *Session) runQuit(context.Context, []word) error { return errQuit }
