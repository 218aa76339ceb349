package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gosync/walker/filter"
)

// reader reads the small files that options name; "-" is standard input, which
// can be read once.
type reader struct {
	stdin io.Reader
	open  func(name string, flags int, mode fs.FileMode) (*os.File, error)
	used  bool
}

// errStdinTwice marks a second option that wants standard input.
var errStdinTwice = errors.New("standard input is read by another option already")

func (r *reader) read(name string) ([]byte, error) {
	if name != "-" {
		f, err := r.open(name, os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(f)
	}
	if r.used || r.stdin == nil {
		return nil, errStdinTwice
	}
	r.used = true
	return io.ReadAll(r.stdin)
}

// merge reads a file that a filter rule names. The names of the CVS rule stand
// for places of their own.
func (r *reader) merge(getenv func(string) string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		switch name {
		case filter.CVSEnv:
			return []byte(getenv("CVSIGNORE")), nil
		case filter.CVSHome:
			data, err := os.ReadFile(filepath.Join(getenv("HOME"), ".cvsignore"))
			if errors.Is(err, fs.ErrNotExist) {
				return nil, nil
			}
			return data, err
		}
		return r.read(name)
	}
}

// addPerDirectory is -F: the first one has files with rules read, the second one
// leaves them out of the copy.
func (s *settings) addPerDirectory() {
	read, leave := rule{kind: ruleFilter, text: "dir-merge /.rsync-filter"}, rule{kind: ruleFilter, text: "- .rsync-filter"}
	switch {
	case !slices.Contains(s.rules, read):
		s.rules = append(s.rules, read)
	case !slices.Contains(s.rules, leave):
		s.rules = append(s.rules, leave)
	}
}

// filters builds the set of rules in the order of the command line; nil for none.
func (s *settings) filters(r *reader, getenv func(string) string) (*filter.Set, error) {
	if len(s.rules) == 0 && !s.gitignore {
		return nil, nil
	}
	set := new(filter.Set)
	if s.gitignore {
		set.GitIgnore()
	}
	for _, rule := range s.rules {
		if err := s.addRule(set, rule, r, getenv); err != nil {
			return nil, err
		}
	}
	set.From0(s.from0) // files of each directory are read when all options are
	if s.deletes.excluded {
		set = set.WithDeleteExcluded()
	}
	return set, nil
}

func (s *settings) addRule(set *filter.Set, rule rule, r *reader, getenv func(string) string) error {
	var err error
	set.Keep(rule.file)
	set.From0(rule.nul)
	switch rule.kind {
	case ruleExclude:
		err = set.Exclude(rule.text)
	case ruleInclude:
		err = set.Include(rule.text)
	case ruleFilter:
		err = set.Rule(rule.text, r.merge(getenv))
	case ruleExcludeFrom, ruleIncludeFrom:
		var data []byte
		if data, err = r.read(rule.text); err != nil {
			return withCode(exitFile, fmt.Errorf("reading rules: %w", err))
		}
		err = set.Lines(data, rule.kind == ruleIncludeFrom)
	}
	var file *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &file):
		return withCode(exitFile, err)
	case rule.file && (rule.kind == ruleExcludeFrom || rule.kind == ruleIncludeFrom):
		return &usageError{text: fmt.Sprintf("%s, which the configuration names: %v", rule.text, err)}
	default:
		return &usageError{text: err.Error()}
	}
}

// files reads the names of --files-from from a file here; nil without that option. An empty
// list is not nil: it asks for nothing.
func (s *settings) files(r *reader) ([]string, error) {
	if s.filesFrom == "" {
		return nil, nil
	}
	data, err := r.read(s.filesFrom)
	if err != nil {
		return nil, usageErrorf("--files-from: %v", err)
	}
	return listedNames(data, s.from0), nil
}

// listedNames splits the content of a --files-from file as rsync does: empty
// entries and those that begin with # or ; do not count. Without nul an entry
// ends with a newline or a carriage return.
func listedNames(data []byte, nul bool) []string {
	names := []string{}
	for _, entry := range bytes.FieldsFunc(data, func(c rune) bool {
		if nul {
			return c == 0
		}
		return c == '\n' || c == '\r'
	}) {
		if entry[0] != '#' && entry[0] != ';' {
			names = append(names, string(entry))
		}
	}
	return names
}
