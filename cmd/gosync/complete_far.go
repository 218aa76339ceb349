package main

import (
	"context"
	"io"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"gosync/internal/shell"
	"gosync/transport"
	"gosync/transport/sshconn"
)

const (
	// completeWithin bounds how long somebody who has pressed the tab key waits for
	// the far side.
	completeWithin = 4 * time.Second
	// completeMost is how many names of one directory are offered.
	completeMost = 2000
)

// path offers hosts, and what is on one. local is what the shell adds where the word
// is no path on a host.
func (c *completion) path(ctx context.Context, cmd *command, rest []string, local string) {
	head, _, _ := strings.Cut(c.cur, "/")
	switch {
	case strings.Contains(c.cur, "://"):
		c.remote(ctx, cmd, rest)
	case strings.HasPrefix(c.cur, ":"): // the host of the operand before: which one that is only a whole line tells
	case strings.Contains(head, ":") && !strings.HasSuffix(head, "["):
		c.remote(ctx, cmd, rest)
	default:
		c.local = local
		if head == c.cur && !strings.HasPrefix(c.cur, ".") && !strings.HasPrefix(c.cur, "~") {
			c.hosts(c.settings(cmd, rest))
		}
	}
}

// hosts offers the hosts that the SSH configuration and known_hosts name.
func (c *completion) hosts(s *settings) {
	user := ""
	if i := strings.LastIndexByte(c.cur, '@'); i >= 0 {
		user = c.cur[:i+1]
	}
	for _, name := range sshconn.Names(s.sshConfig) {
		c.add(user+name+":", "host")
	}
}

// settings are what the words before say about reaching the far side; the usual ones
// where they make no sense (yet).
func (c *completion) settings(cmd *command, rest []string) *settings {
	s, err := newSettings(), error(nil)
	switch cmd.name {
	case "cp":
		var line *cpLine
		if line, _, err = parseCp(rest); err == nil {
			s = line.s
		}
	case "":
		if s, _, err = parseArgs(rest, false); err == nil {
			s, _, err = c.env.withDefaults(s)
		}
	default:
		table := cmd.table()
		set := pflag.NewFlagSet("", pflag.ContinueOnError)
		set.SetOutput(io.Discard)
		for i := range table {
			table[i].register(set, s)
		}
		err = set.Parse(rest)
	}
	if err != nil {
		return newSettings()
	}
	return s
}

// remote offers what is in the directory on the host that the word names. Nobody is
// asked for anything: what is not to be had without, is not offered.
func (c *completion) remote(ctx context.Context, cmd *command, rest []string) {
	cut := strings.LastIndexAny(c.cur, "/:") + 1
	t, err := transport.ParseTarget(c.cur[:cut])
	if err != nil || !t.Remote || t.Host == "" {
		return
	}
	write := func(name string) string { return name }
	if strings.Contains(c.cur, "://") {
		if strings.Count(c.cur, "/") < 3 {
			return // the host is not finished
		}
		write = url.PathEscape
	}
	s := c.settings(cmd, rest)
	if !c.quietly(s) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	for _, e := range c.list(ctx, t, s) {
		name := write(e.Name)
		if e.Mode.IsDir() {
			name += "/"
		}
		if strings.HasPrefix(e.Name, ".") && !strings.HasPrefix(c.cur[cut:], ".") {
			continue
		}
		c.add(c.cur[:cut]+name, "")
	}
}

// quietly has the far side reached in a little time and without a question, and reports whether
// that can be had.
func (c *completion) quietly(s *settings) bool {
	s.Timeout, s.timeoutGiven, s.verbose = completeWithin, true, 0
	rsh := s.rsh
	for _, name := range []string{"GOSYNC_RSH", "RSYNC_RSH"} {
		if rsh == "" && s.ssh != transport.SSHNative && s.ssh != transport.SSHCommand {
			rsh = c.env.getenv(name)
		}
	}
	detached := detach()
	// Without a terminal ssh, and whoever asks as it does, would open a window.
	for name, value := range map[string]string{"SSH_ASKPASS_REQUIRE": "never", "SSH_ASKPASS": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""} {
		_ = os.Setenv(name, value) // the names are good
	}
	if words, err := transport.SplitRsh(rsh); rsh != "" && (err != nil || !transport.IsSSH(words[0])) {
		return err == nil && detached // a command of the user's own could ask on the terminal
	}
	s.connTimeout = completeWithin
	s.sshOptions = append([]string{"BatchMode=yes"}, s.sshOptions...)
	return true
}

// list returns the entries of a directory on a host, symlinks as what they lead to;
// nothing after an error.
func (c *completion) list(ctx context.Context, t transport.Target, s *settings) []shell.Entry {
	con := newConsole(io.Discard, io.Discard, false, nil)
	far, err := c.env.newFarSide(ctx, t, s, con)
	if err != nil {
		return nil
	}
	defer far.close()
	remote := far.remote(s)
	defer remote.Close() // it was only read
	if remote.Connect(ctx) != nil {
		return nil
	}
	dir := homePath(t.Path)
	if dir == "" {
		dir = "."
	}
	entries, err := remote.ReadDir(ctx, dir, false)
	if err != nil {
		return nil
	}
	part := c.cur[strings.LastIndexAny(c.cur, "/:")+1:]
	entries = slices.DeleteFunc(entries, func(e shell.Entry) bool { return !strings.HasPrefix(e.Name, part) })
	entries = entries[:min(len(entries), completeMost)]
	if len(entries) == 1 && entries[0].Mode.Type() == fs.ModeSymlink {
		if to, err := remote.Stat(ctx, strings.TrimSuffix(dir, "/")+"/"+entries[0].Name); err == nil {
			entries[0].Mode = to.Mode
		}
	}
	return entries
}
