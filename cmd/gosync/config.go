package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gosync/internal/config"
)

// configFile reads the configuration that s asks for; nil where there is none. A file
// that was not named need not exist.
func (e *env) configFile(s *settings) (*config.File, error) {
	if s.noConfig || s.server || s.sftpServer || s.expand { // the last three: another gosync has started this one
		return nil, nil
	}
	name := s.config
	if name == "" {
		if name = configName(e.getenv); name == "" {
			return nil, nil
		}
	}
	f, err := config.Read(name, nearest)
	var wrong *config.Error
	switch {
	case err == nil:
		return f, nil
	case s.config == "" && (errors.Is(err, fs.ErrNotExist) || outOfReach(name, err)):
		return nil, nil
	case errors.As(err, &wrong):
		return nil, &usageError{text: err.Error()}
	}
	return nil, withCode(exitFile, fmt.Errorf("the configuration: %w; --no-config goes without", err))
}

// outOfReach reports whether this user cannot have such a file: HOME is that of somebody
// else, as where a service drops its rights, or no directory.
func outOfReach(name string, err error) bool {
	if errors.Is(err, syscall.ENOTDIR) {
		return true
	}
	_, err = os.Lstat(name)
	return errors.Is(err, fs.ErrPermission)
}

// configName is where the configuration is, "" where that is not known.
func configName(getenv func(string) string) string {
	dir := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // the specification wants such values ignored
		dir = ""
	}
	if home := getenv("HOME"); dir == "" && filepath.IsAbs(home) {
		dir = filepath.Join(home, ".config")
	}
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "gosync", "config.toml")
}

// withDefaults returns the settings of a copy's command line on top of the defaults
// in the configuration, and what to tell if the two do not go together.
func (e *env) withDefaults(line *settings) (s *settings, hint string, err error) {
	file, err := e.configFile(line)
	if err != nil || file == nil || len(file.Defaults) == 0 {
		return line, "", err
	}
	s = newSettings()
	l := &layers{env: e, s: s, table: flagTable()}
	if err := l.file(file.Defaults); err != nil {
		return nil, "", err
	}
	if err := l.line(line.given); err != nil {
		return nil, "", err
	}
	return s, "the defaults in " + display(file.Name) + " are in force; --no-config goes without", nil
}

// layers puts settings on top of each other, the weakest first. Of filter rules the
// first that fits decides, so that those of a stronger layer stand in front, also among what
// is handed on to another gosync (settings.given).
type layers struct {
	env   *env
	s     *settings
	table []flag
}

// isRule reports whether an option adds a filter rule.
func (f *flag) isRule() bool {
	return f.short == "F" || slices.Contains([]string{"exclude", "include", "filter", "exclude-from", "include-from"}, f.name)
}

// layer has apply change the settings.
func (l *layers) layer(apply func() error) error {
	below, given := l.s.rules, l.s.given
	l.s.rules, l.s.given = nil, nil
	err := apply()
	l.s.rules = append(l.s.rules, below...)
	mine := l.s.given
	l.s.given = nil
	for _, of := range [][]givenFlag{mine, given} { // rules: the stronger first
		for _, g := range of {
			if g.flag.isRule() {
				l.s.given = append(l.s.given, g)
			}
		}
	}
	for _, of := range [][]givenFlag{given, mine} { // the rest: the last one wins
		for _, g := range of {
			if !g.flag.isRule() {
				l.s.given = append(l.s.given, g)
			}
		}
	}
	return err
}

// file puts what the configuration says on top. What the environment says is
// stronger, whatever it is that the file says of it.
func (l *layers) file(all config.Settings) error {
	err := l.layer(func() error {
		for _, c := range all {
			if err := l.setting(&c); err != nil {
				return err
			}
		}
		for i := range l.s.rules {
			l.s.rules[i].file = true
		}
		return nil
	})
	l.s.yield(l.env.getenv)
	return err
}

// yield takes back what the environment decides.
func (s *settings) yield(getenv func(string) string) {
	if getenv("GOSYNC_RSH") != "" || getenv("RSYNC_RSH") != "" {
		s.rsh, s.ssh = "", ""
	}
	if getenv("RSYNC_PARTIAL_DIR") != "" {
		s.PartialDir = ""
	}
	if getenv("RSYNC_OLD_ARGS") != "" {
		s.oldArgs = unset
	}
	if getenv("RSYNC_ICONV") != "" {
		s.iconv = ""
		s.given = slices.DeleteFunc(s.given, func(g givenFlag) bool { return g.flag.name == "iconv" })
	}
}

// line puts options of a command line on top.
func (l *layers) line(given []givenFlag) error {
	return l.layer(func() error {
		for _, g := range given {
			f := l.find(g.flag.name, g.flag.short)
			if f == nil {
				return usageErrorf("%s is no option of this job", g.arg())
			}
			if err := l.set(f, g.on, g.text); err != nil {
				return err
			}
		}
		return nil
	})
}

// find returns the option of that name, or of that letter where it has no name.
func (l *layers) find(name, short string) *flag {
	for i := range l.table {
		if f := &l.table[i]; f.name == name && (name != "" || f.short == short) {
			return f
		}
	}
	return nil
}

func (l *layers) set(f *flag, on bool, text string) error {
	l.s.given = append(l.s.given, givenFlag{f, on, text})
	return f.set(l.s, on, text)
}

// setting puts one setting of the configuration on top.
func (l *layers) setting(c *config.Setting) error {
	fail := func(err error) error {
		var coded *codeError
		if errors.As(err, &coded) {
			return withCode(coded.code, &config.Error{At: c.At, Err: fmt.Errorf("%s: %w", c.Key, err)})
		}
		return &usageError{text: (&config.Error{At: c.At, Err: fmt.Errorf("%s: %w", c.Key, err)}).Error()}
	}
	f, err := l.option(c.Key)
	if err != nil {
		return &usageError{text: (&config.Error{At: c.At, Err: err}).Error()}
	}
	switch clears := slices.ContainsFunc(c.Values, func(v string) bool { return slices.Contains([]string{"!", "clear"}, strings.TrimSpace(v)) }); {
	case f.isRule() && clears:
		err = usageErrorf("rules cannot be cleared here: those of the command line stand in front of these, and would go as well")
	case f.arg == "":
		err = l.turn(f, c)
	default:
		err = l.fill(f, c)
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// option finds the option that a key of the configuration names.
func (l *layers) option(key string) (*flag, error) {
	for i := range l.table {
		f := &l.table[i]
		switch {
		case f.hidden || !f.called(key):
		case f.lineOnly:
			return nil, fmt.Errorf("%s is for the command line only", key)
		case f.short == key && f.name != "":
			return nil, fmt.Errorf("write the long name, %s, for %s", f.name, key)
		default:
			return f, nil
		}
	}
	if name, ok := strings.CutPrefix(key, "no-"); ok {
		if f, err := l.option(name); err == nil && f.negate && f.arg == "" {
			return nil, fmt.Errorf("unknown option %s; write %s = false", key, name)
		}
	}
	if name := strings.TrimLeft(key, "-"); name != key {
		return nil, fmt.Errorf("unknown option %s; write it without dashes", key)
	}
	if guess := suggestKey(key, l.table); guess != "" {
		return nil, fmt.Errorf("unknown option %s; did you mean %s?", key, guess)
	}
	return nil, fmt.Errorf("unknown option %s; gosync help options lists them", key)
}

// suggestKey returns the key that a misspelled one may have meant.
func suggestKey(key string, table []flag) string {
	words := config.JobKeys()
	for _, f := range table {
		if !f.hidden && !f.lineOnly {
			words = append(append(words, f.name), f.alias...)
		}
	}
	return nearest(key, words)
}

// turn sets a switch.
func (l *layers) turn(f *flag, c *config.Setting) error {
	switch {
	case c.Kind == config.Number && f.counts:
		n, err := parseRetries(c.Values[0])
		if err != nil || n > 9 {
			return usageErrorf("it takes a number from 0 to 9")
		}
		if err := l.set(f, false, ""); err != nil || n == 0 { // it replaces what a weaker layer says
			return err
		}
		for range n {
			if err := l.set(f, true, ""); err != nil {
				return err
			}
		}
		return nil
	case c.Kind != config.Switch && f.counts:
		return usageErrorf("it takes true, false or a number")
	case c.Kind != config.Switch:
		return usageErrorf("it takes true or false")
	case c.On:
		return l.set(f, true, "")
	case !f.negate: // and so is off unless something turns it on
		return usageErrorf("it has no negation: leave it out")
	}
	return l.set(f, false, "")
}

// fill gives an option its value, or its values.
func (l *layers) fill(f *flag, c *config.Setting) error {
	switch {
	case c.Kind == config.Switch && !c.On && f.negate:
		return l.set(f, false, "")
	case c.Kind == config.Switch && c.On && f.optional != "":
		return l.set(f, true, f.optional)
	case c.Kind == config.Switch:
		return usageErrorf("it takes a string or a number")
	case c.Kind == config.List && !f.many && !f.list:
		return usageErrorf("it takes one value, not an array")
	case c.Kind == config.List && f.list:
		return l.set(f, true, strings.Join(c.Values, ","))
	}
	for _, text := range c.Values {
		if f.kind == valueFile || f.kind == valueDir {
			var err error
			if text, err = l.env.ownPath(text); err != nil {
				return err
			}
		}
		if err := l.set(f, true, text); err != nil {
			return err
		}
	}
	return nil
}

// ownPath is a path of this machine as the configuration writes it: with ~/ for the
// home directory, and absolute, since nobody knows where the run will begin. - and
// none have a meaning of their own.
func (e *env) ownPath(text string) (string, error) {
	home := e.getenv("HOME")
	switch rest, ok := strings.CutPrefix(text, "~/"); {
	case text == "-" || text == "none":
		return text, nil
	case (ok || text == "~") && !filepath.IsAbs(home):
		return "", usageErrorf("%q: HOME is not set", text)
	case text == "~":
		return home, nil
	case ok:
		return strings.TrimSuffix(home, "/") + "/" + rest, nil
	case !filepath.IsAbs(text):
		return "", usageErrorf("%q is a relative path: write an absolute one, or one that begins with ~/", text)
	}
	return text, nil
}
