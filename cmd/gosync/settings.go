package main

import (
	"strings"
	"time"

	"gosync/internal/engine"
	"gosync/transport"
)

// choice is an option that may be left to a default that depends on others.
type choice int8

const (
	unset choice = iota
	no
	yes
)

func choose(on bool) choice {
	if on {
		return yes
	}
	return no
}

// or returns the choice made, or def where none was.
func (c choice) or(def bool) bool {
	if c == unset {
		return def
	}
	return c == yes
}

// ruleKind says which option a filter rule came from.
type ruleKind uint8

const (
	ruleExclude ruleKind = iota
	ruleInclude
	ruleFilter
	ruleExcludeFrom
	ruleIncludeFrom
)

// rule is one of the options that select names, in the order of the command line.
type rule struct {
	kind ruleKind
	text string
	nul  bool // --from0 stands before it: files that it names have rules that end at zero bytes
	file bool // the configuration says it: it clears none of the others
}

// settings is what the command line says, as it says it. The engine's own
// options are filled in directly; what depends on other options or on the
// operands waits for finish.
type settings struct {
	engine.Options

	metaSettings
	beyondSettings
	configSettings

	archive    bool   // -a: -r comes from it unless stated
	recursive  choice // -r, --no-r
	dirs       choice // -d
	relative   choice // -R
	wholeFile  choice // -W
	rules      []rule
	filesFrom  string
	from0      bool
	rsh        string
	remotePath string
	ssh        string // --ssh
	sshConfig  string
	port       int
	identities []string // files of private keys
	sshOptions []string // "Keyword=value", as in ssh_config
	via        transport.Via
	noDeploy   bool
	agentDir   string
	direct     bool // from one host to another: the first does it, without this one
	expand     bool // this is that first host: the sources come from another's command line

	connTimeout  time.Duration
	timeoutGiven bool // --timeout was: it is meant to end the run
	retries      int
	retriesGiven bool

	verbose, itemize, human int
	quiet, stats, progress  bool

	deletes     deleteSettings
	suffixGiven bool // --suffix: it may be empty

	given []givenFlag // all options, in order
	iconv string      // --iconv

	insecureLinks bool // symlinks of others are followed in paths that options name

	outputSettings

	help, server bool
	version      int
	sftpServer   bool
	heartbeat    time.Duration // between signs of life on standard output; 0: none
	restrict     restriction
}

// defaultTimeout is the timeout where none is given.
const defaultTimeout = time.Minute

// firstTimeout is the timeout, where none is given, before the first byte of a command that connects by itself.
const firstTimeout = 2 * time.Minute

// firstAnswer is how long a command that connects by itself may take before it says something; 0 is any time. Unless
// the user has set a limit somebody may think about a password for as long as it takes.
func (s *settings) firstAnswer(canAsk func() bool) time.Duration {
	switch {
	case s.timeoutGiven || s.Timeout == 0:
		return s.Timeout
	case canAsk():
		return 0
	}
	return firstTimeout
}

// newSettings returns the settings of an empty command line.
func newSettings() *settings {
	s := &settings{human: 1, retries: 5, via: "auto", outputSettings: newOutputSettings()}
	s.MaxDelete, s.Timeout = -1, defaultTimeout
	return s
}

// setArchive is -a: a shorthand for -rlptgoD.
func (s *settings) setArchive() {
	s.archive = true
	if s.recursive == no {
		s.recursive = unset
	}
	s.Links, s.Perms, s.Times, s.Group, s.Owner = true, true, true, true, true
	s.Devices, s.Specials = true, true
}

// finish settles what the options leave to each other once all are known, and
// refuses combinations that make no sense. local says that both ends are on
// this machine.
func (s *settings) finish(local bool) error {
	list := s.filesFrom != ""
	s.Recursive = s.recursive.or(s.archive && !list)
	s.Options.Relative = s.relative.or(list)
	s.Options.Dirs = !s.Recursive && s.dirs.or(list)
	s.Options.WholeFile = s.wholeFile.or(local)
	if s.quiet {
		s.verbose, s.itemize, s.stats, s.progress = 0, 0, false, false
	}
	if err := s.finishMeta(); err != nil {
		return err
	}
	if err := s.finishDelay(); err != nil {
		return err
	}
	if err := s.finishDelete(); err != nil {
		return err
	}
	s.finishOutput()
	switch {
	case s.json && s.direct:
		return usageErrorf("--json does not go with --direct, where another machine's gosync tells what happens")
	case s.json && s.listOnly:
		return usageErrorf("--json does not list; gosync ls --json does")
	case s.Clean && (s.Delete || list):
		return usageErrorf("--clean copies nothing and deletes nothing else; use it alone")
	case s.Delete && !s.Recursive && !s.Options.Dirs:
		return usageErrorf("--delete does not work without --recursive (-r) or --dirs (-d)")
	case s.DeleteEmptySource && !s.Delete:
		return usageErrorf("--delete-empty-source means something only with --delete")
	case s.ForceDelete && !s.Delete:
		return usageErrorf("--force-delete means something only with --delete")
	}
	if err := s.finishBackup(); err != nil {
		return err
	}
	if err := s.finishBeyond(); err != nil {
		return err
	}
	return s.finishPartial()
}

// finishPartial settles what is kept of unfinished files.
func (s *settings) finishPartial() error {
	appends := s.Append || s.AppendVerify
	switch {
	case s.PartialDir != "" && (s.InPlace || appends):
		return usageErrorf("--partial-dir does not go with --inplace and --append, which write the file itself")
	case appends && s.wholeFile == yes:
		return usageErrorf("--append does not go with --whole-file")
	case s.InPlace:
		s.Partial = false // what --inplace received is under the final name anyway
	case s.PartialDir != "" && !strings.HasPrefix(s.PartialDir, "/"):
		// At the end of the rules, so that the user's own come first; and it does
		// not keep a directory from being deleted.
		s.rules = append(s.rules, rule{kind: ruleFilter, text: "-p " + literalPattern(s.PartialDir) + "/"})
	}
	if appends && s.wholeFile == unset {
		s.Options.WholeFile = false
	}
	return nil
}

// literalPattern writes a name as a pattern that matches only that name. As in
// rsync a backslash quotes only where there are wildcards.
func literalPattern(name string) string {
	if !strings.ContainsAny(name, "*?[") {
		return name
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// partialDirFrom takes RSYNC_PARTIAL_DIR from the environment where it applies.
// As in rsync a value that names no directory of its own is none.
func (s *settings) partialDirFrom(getenv func(string) string) error {
	text := getenv("RSYNC_PARTIAL_DIR")
	if text == "" || text == "." || !s.Partial || s.PartialDir != "" || s.InPlace || s.Append || s.AppendVerify {
		return nil
	}
	var err error
	if s.PartialDir, err = parsePartialDir(text); err != nil {
		return usageErrorf("RSYNC_PARTIAL_DIR: %v", err)
	}
	return nil
}
