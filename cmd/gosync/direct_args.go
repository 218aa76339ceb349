package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"gosync/internal/engine"
	"gosync/transport"
	"gosync/transport/farshell"
	"gosync/walker/filter"
)

// directArgs are the arguments for gosync on the source's machine, fit for a shell
// there. own are options that only another gosync gives: for signs of life, and to
// have the source, which is on its own machine for that run, expanded as by a server.
func directArgs(s *settings, r *route, own ...string) ([]string, error) {
	args, err := s.directOptions()
	if err != nil {
		return nil, err
	}
	args = append(append(args, own...), "--")
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

// otherReleaseArgs are those for a gosync of another release, which may not know the
// options that only another gosync gives. A source that it would have to expand is
// refused: without them that is a name like any other.
func otherReleaseArgs(s *settings, r *route, release string) ([]string, error) {
	for _, t := range r.sources {
		if strings.HasPrefix(t.Path, "~") || strings.ContainsAny(t.Path, "*?[") {
			return nil, withCode(exitUnsupported, fmt.Errorf(
				"the gosync on %s is release %s, this one %s, and may take the ~ or wildcards in %s for a part of the name: install the same release there, write the path out, or leave out --direct",
				t.Host, release, engine.Release, t.arg))
		}
	}
	if s.LikeCp { // which reads no configuration
		return directArgs(s, r)
	}
	// A gosync that this one starts reads none; a release of its own does not take it for that.
	return directArgs(s, r, "--no-config")
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
		if g.flag.name == "remote-option" {
			return nil, withCode(exitUnsupported, errors.New("--remote-option (-M) does not go with --direct: that run has another far side"))
		}
		if g.flag.category == catRemote && g.flag.name != "retries" { // which is about that connection
			continue
		}
		if g.flag.category == catConfig { // what this one has read is among the options
			continue
		}
		file, err := g.namesFile()
		if err != nil {
			return nil, err
		}
		if file {
			return nil, withCode(exitUnsupported, fmt.Errorf("--%s names a file that this machine reads or writes, which does not go with --direct", g.flag.name))
		}
		args = append(args, g.arg())
	}
	return args, nil
}

// namesFile reports whether the option has this run read or write a file of this machine.
// Of filter rules only their parser knows; those for files of each directory
// are read where the directories are.
func (g *givenFlag) namesFile() (bool, error) {
	if slices.Contains([]string{"files-from", "exclude-from", "include-from", "log-file"}, g.flag.name) {
		return true, nil
	}
	if g.flag.name != "filter" {
		return false, nil
	}
	set, asked := new(filter.Set), false
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
