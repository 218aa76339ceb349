package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gosync/transport"
	"gosync/transport/farshell"
)

// farFlags are rsync's options about the far side and about what its shell makes of names.
func farFlags() []flag {
	family := func(family int) func(*settings, bool, string) error {
		return func(s *settings, _ bool, _ string) error {
			s.family = family
			return nil
		}
	}
	return []flag{
		{
			name: "cvs-exclude", short: "C", category: catNames, doc: "leave out what CVS ignores, and what .cvsignore files name",
			long: "The rules stand behind all others, wherever the option does: built-in ones, those of ~/.cvsignore and of CVSIGNORE in the environment, and for each directory those of its .cvsignore.",
			set:  on(func(s *settings) *bool { return &s.cvsExclude }),
		},
		{
			name: "secluded-args", short: "s", alias: []string{"protect-args"}, negate: true, rare: true, category: catNames,
			doc:  "accepted: no shell ever sees the names",
			long: "It undoes --old-args, and what RSYNC_OLD_ARGS in the environment says.",
			set: func(s *settings, on bool, _ string) error {
				if on && s.oldArgs == yes {
					return usageErrorf("it does not go with --old-args")
				}
				if on {
					s.oldArgs = no
				}
				return nil
			},
		},
		{
			name: "old-args", negate: true, rare: true, category: catNames, doc: "split remote names at spaces, as a shell does: host:'a b' is two",
			long: "Quotes and backslashes keep words together. Variables and commands are not expanded, but refused. RSYNC_OLD_ARGS=1 in the environment does the same.",
			set: func(s *settings, on bool, _ string) error {
				s.oldArgs = choose(on)
				return nil
			},
		},
		{
			name: "remote-option", short: "M", arg: "OPTION", many: true, rare: true, category: catRemote, doc: "give OPTION to gosync on the far side only (may be repeated)",
			long: "All that is to be done the far side learns from this one. What else it takes is -v and --debug, for what it writes to its standard error.",
			set: func(s *settings, _ bool, text string) error {
				if !strings.HasPrefix(text, "-") {
					return usageErrorf("%q does not begin with a dash", text)
				}
				s.farOptions = append(s.farOptions, text)
				return nil
			},
		},
		{
			name: "ipv4", short: "4", rare: true, category: catRemote, doc: "connect by IPv4 only", set: family(4),
			long: "The ssh program is told so too; another command of -e is not, as nobody knows how.",
		},
		{name: "ipv6", short: "6", rare: true, category: catRemote, doc: "connect by IPv6 only", set: family(6)},
	}
}

// chooseFamily has SSH connect to one kind of address.
func (s *settings) chooseFamily(o *transport.Options) {
	if s.family == 0 || len(o.Rsh) > 0 && !transport.IsSSH(o.Rsh[0]) {
		return
	}
	o.SSHOptions = append(slices.Clip(o.SSHOptions), map[int]string{4: "AddressFamily=inet", 6: "AddressFamily=inet6"}[s.family])
}

// tellFar hands the options of -M to the far side. What is no gosync there could not take them: no other way is tried.
func (s *settings) tellFar(o *transport.Options) error {
	for _, text := range s.farOptions {
		far, operands, err := parseArgs([]string{text}, false)
		if err == nil {
			err = far.checkServer()
		}
		if err != nil || len(operands) > 0 {
			return withCode(exitUnsupported, fmt.Errorf("--remote-option=%s: %w", text, err))
		}
		word, err := farshell.Word(text)
		if err != nil {
			return withCode(exitUnsupported, fmt.Errorf("--remote-option: %q cannot be handed over: %w", text, err))
		}
		o.ServerArgs = append(o.ServerArgs, word)
		if o.Via == "auto" {
			o.Via = transport.ViaAgent
		}
	}
	return nil
}

// checkServer refuses options of a server that would be without effect: what a client wants comes from it.
func (s *settings) checkServer() error {
	for i := range s.given {
		g := &s.given[i]
		switch {
		case g.flag.name == "server", g.flag.name == "verbose", g.flag.name == "debug", g.flag.name == insecureFlag, g.flag.name == s.restrict.first:
		case s.restrict.first == "" && s.restrict.dir == "":
			return withCode(exitUnsupported, fmt.Errorf("the far side does nothing by itself with %s: what is to be done it learns from the client", g.arg()))
		}
	}
	return nil
}

// splitTargets does with the paths of remote operands what the shell did that rsync of old handed them to.
func splitTargets(targets []target) ([]target, error) {
	var all []target
	for i, t := range targets {
		if !t.Remote {
			all = append(all, t)
			continue
		}
		words, err := shellWords(t.Path)
		if err != nil {
			return nil, withCode(exitUnsupported, fmt.Errorf("--old-args: %s: %w", t.arg, err))
		}
		if i > 0 && i == len(targets)-1 && len(words) > 1 {
			return nil, usageErrorf("--old-args: %s is more than one destination", t.arg)
		}
		if len(words) == 0 {
			words = []string{""}
		}
		for _, w := range words {
			next := t
			next.Path = w
			all = append(all, next)
		}
	}
	return all, nil
}

// shellWords splits text at spaces as a shell does. Wildcards that are not quoted stay for whoever expands paths.
func shellWords(text string) ([]string, error) {
	var words []string
	var b strings.Builder
	var quote byte
	open := false // a word has begun
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '$' && quote != '\'' || c == '`' && quote != '\'':
			return nil, errors.New("variables and commands in it would be for a shell, and none sees it")
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, open = c, true
		case c == '\\' && quote != '\'' && i+1 < len(text) && (quote == 0 || strings.IndexByte(`"\$`+"`", text[i+1]) >= 0):
			i++
			unwild(&b, text[i])
			open = true
		case quote != 0:
			unwild(&b, c)
		case strings.IndexByte(" \t", c) >= 0:
			if open {
				words = append(words, b.String())
				b.Reset()
				open = false
			}
		case strings.IndexByte(";|&<>()\n", c) >= 0:
			return nil, errors.New("it holds what a shell would take for the end of the command")
		default:
			b.WriteByte(c)
			open = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	if open {
		words = append(words, b.String())
	}
	return words, nil
}

// unwild writes a byte so that it is no wildcard.
func unwild(b *strings.Builder, c byte) {
	if strings.IndexByte(`*?[`, c) >= 0 {
		b.WriteByte('\\')
	}
	b.WriteByte(c)
}
