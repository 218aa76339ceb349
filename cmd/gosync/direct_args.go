package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gosync/transport"
	"gosync/transport/farshell"
	"gosync/walker/filter"
)

// directArgs are the arguments for gosync on the source's machine, fit for a shell
// there. That run has the source on its own machine, and expands it as a server
// does. beat is the option that has it show signs of life, "" for none.
func directArgs(s *settings, r *route, beat string) ([]string, error) {
	args, err := s.directOptions()
	if err != nil {
		return nil, err
	}
	if beat != "" {
		args = append(args, beat)
	}
	args = append(args, "--"+expandFlag, "--")
	for _, t := range r.sources {
		args = append(args, localOperand(t.Path))
	}
	args = append(args, r.dest.Target.String())
	for i, a := range args {
		if args[i], err = farshell.Word(a); err != nil {
			return nil, withCode(exitUnsupported, fmt.Errorf("%q cannot be handed over to copy directly: %w", a, err))
		}
	}
	return args, nil
}

// localOperand writes a path so that the machine on which it is takes it for a
// local one, colons or not. What begins with ~ is left alone, to be expanded there.
func localOperand(path string) string {
	if path == "" {
		path = "." // the shell starts at home
	}
	return transport.Target{Path: path}.String()
}

// directOptions are the options for gosync on the source's machine. How that is
// reached is not its business, nor how this one would reach the other.
func (s *settings) directOptions() ([]string, error) {
	if s.LikeCp {
		return append([]string{"cp"}, s.cpWords()...), nil
	}
	var args []string
	for i := range s.given {
		g := &s.given[i]
		if g.flag.category == catRemote && g.flag.name != "retries" { // which is about that connection
			continue
		}
		file, err := g.namesFile(s.from0)
		if err != nil {
			return nil, err
		}
		if file {
			return nil, withCode(exitUnsupported, fmt.Errorf("--%s names a file of this machine, which does not go with --direct", g.flag.name))
		}
		args = append(args, g.arg())
	}
	return args, nil
}

// namesFile reports whether the option has this run read a file of this machine.
// Of filter rules only their parser knows; those for files of each directory
// are read where the directories are.
func (g *givenFlag) namesFile(nul bool) (bool, error) {
	if slices.Contains([]string{"files-from", "exclude-from", "include-from"}, g.flag.name) {
		return true, nil
	}
	if g.flag.name != "filter" {
		return false, nil
	}
	set, asked := new(filter.Set), false
	if nul {
		set.From0()
	}
	err := set.Rule(g.text, func(string) ([]byte, error) {
		asked = true
		return nil, fs.ErrNotExist
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, &usageError{text: err.Error()}
	}
	return asked, nil
}

// cpWords are scp's options for another machine's gosync cp: all that say what is
// copied, and how it is told.
func (s *settings) cpWords() []string {
	var words []string
	for _, o := range []struct {
		on   bool
		word string
	}{
		{s.recursive == yes, "-r"},
		{s.Perms, "-p"},
		{s.quiet, "-q"},
		{s.verbose > 1, "-" + strings.Repeat("v", max(1, s.verbose-1))},
		{s.BandwidthLimit > 0, fmt.Sprintf("-l%d", s.BandwidthLimit*8/1024)},
		{s.Compress, "-C"},
		{s.IntoDir, "-d"},
	} {
		if o.on {
			words = append(words, o.word)
		}
	}
	return words
}
