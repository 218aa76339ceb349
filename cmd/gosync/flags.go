package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// category groups options in the help.
type category string

const (
	catWork   category = "What is copied"
	catEqual  category = "When files count as equal"
	catMove   category = "How content is moved and written"
	catKeep   category = "What is kept"
	catDelete category = "Deleting"
	catNames  category = "Which names take part"
	catOutput category = "Output"
	catRemote category = "The far side"
	catConfig category = "Settings of yours"
)

// flag is one option: a row of the table that the parser, the short help and
// the long help are made from.
type flag struct {
	name     string          // long name, "" where there is none
	short    string          // one letter, or ""
	alias    []string        // further long names
	arg      string          // what the value is called; "" for a switch
	optional string          // value of an option that may be given without one
	negate   bool            // there is a --no-name, and a --no-x for short x
	hidden   bool            // not in the help
	rare     bool            // in the long help only
	lineOnly bool            // for the command line: no configuration may hold it
	counts   bool            // a switch that says more when it is given again
	many     bool            // values add up
	list     bool            // a value is a list with commas between
	values   func() []string // the words that a value can be; nil where there is no such set
	kind     valueKind       // what a value names otherwise
	category category
	doc      string // one line
	long     string // more, for --help; sentences

	// set applies the option. on is false for the negated form, text is the
	// value of an option that has one.
	set func(s *settings, on bool, text string) error
}

// valueKind is what the value of an option names.
type valueKind uint8

const (
	valueText    valueKind = iota // nothing that could be looked up
	valueFile                     // a file of this machine
	valueDir                      // a directory of this machine
	valueDestDir                  // a directory, if relative then from the destination
)

// fixed makes the values function of an option that takes one of a few words.
func fixed(words ...string) func() []string { return func() []string { return words } }

// called reports whether the option has this name: a long one, or its letter.
func (f *flag) called(name string) bool {
	return name != "" && (f.name == name || f.short == name || slices.Contains(f.alias, name))
}

// negations returns the long names that turn the option off.
func (f *flag) negations() []string {
	if !f.negate {
		return nil
	}
	var names []string
	for _, n := range append([]string{f.name, f.short}, f.alias...) {
		if n != "" {
			names = append(names, "no-"+n)
		}
	}
	return names
}

// usageError is a command line that cannot be understood: exit 1.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usageErrorf(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// given is the value that pflag hands to an option without one. No argument
// can hold a zero byte, so it cannot be confused with what a user wrote.
const given = "\x00"

// binding connects a name on the command line with a row of the table.
type binding struct {
	flag     *flag
	on       bool
	settings *settings
}

// Set implements pflag.Value; options take effect in the order in which they
// stand, so the last of several that contradict each other wins.
func (b *binding) Set(text string) error {
	switch {
	case text != given && (b.flag.arg == "" || !b.on):
		return usageErrorf("takes no value")
	case text == given:
		text = b.flag.optional
	}
	b.settings.given = append(b.settings.given, givenFlag{b.flag, b.on, text})
	return b.flag.set(b.settings, b.on, text)
}

// givenFlag is an option that stood on the command line.
type givenFlag struct {
	flag *flag
	on   bool
	text string
}

// arg writes it as one argument.
func (g *givenFlag) arg() string {
	name := "--" + g.flag.name
	switch {
	case !g.on:
		return "--" + g.flag.negations()[0]
	case g.flag.name == "":
		return "-" + g.flag.short + g.text
	case g.flag.arg == "":
		return name
	}
	return name + "=" + g.text
}

// String and Type complete pflag.Value; help does not come from pflag.
func (b *binding) String() string { return "" }
func (b *binding) Type() string   { return b.flag.arg }

// parseArgs reads options and operands. posix ends options at the first operand.
func parseArgs(args []string, posix bool) (*settings, []string, error) {
	s, table := newSettings(), flagTable()
	set := pflag.NewFlagSet("gosync", pflag.ContinueOnError)
	set.SetInterspersed(!posix)
	set.SetOutput(io.Discard)
	set.SortFlags = false
	for i := range table {
		table[i].register(set, s)
	}
	if err := set.Parse(args); err != nil {
		return nil, nil, explain(err, table)
	}
	return s, set.Args(), nil
}

// register adds all names of the option to set.
func (f *flag) register(set *pflag.FlagSet, s *settings) {
	add := func(name, short string, on bool) {
		p := set.VarPF(&binding{flag: f, on: on, settings: s}, name, short, f.doc)
		if f.arg == "" || f.optional != "" || !on {
			p.NoOptDefVal = given
		}
	}
	name := f.name
	if name == "" {
		name = given + f.short // pflag wants a long name: one that nobody can write
	}
	add(name, f.short, true)
	for _, a := range f.alias {
		add(a, "", true)
	}
	for _, n := range f.negations() {
		add(n, "", false)
	}
}

// explain turns what pflag says into what a user can act on.
func explain(err error, table []flag) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	var syntax *pflag.InvalidSyntaxError
	var coded *codeError
	switch {
	case errors.As(err, &invalid) && errors.As(err, &coded):
		return withCode(coded.code, fmt.Errorf("%s: %w", writtenName(invalid.GetFlag()), errors.Unwrap(invalid)))
	case errors.As(err, &invalid):
		return usageErrorf("%s: %v", writtenName(invalid.GetFlag()), errors.Unwrap(invalid))
	case errors.As(err, &unknown):
		return unknownOption(unknown, table)
	case errors.As(err, &missing):
		return usageErrorf("%s needs a value", dashed(missing.GetSpecifiedName(), missing.GetSpecifiedShortnames()))
	case errors.As(err, &syntax):
		return usageErrorf("%s is not an option", syntax.GetSpecifiedFlag())
	}
	return usageErrorf("%v", err)
}

// writtenName is how messages call the option.
func writtenName(f *pflag.Flag) string {
	if short, ok := strings.CutPrefix(f.Name, given); ok {
		return "-" + short
	}
	return "--" + f.Name
}

// dashed writes an option's name as it stood on the command line.
func dashed(name, cluster string) string {
	switch {
	case cluster == "":
		return "--" + name
	case cluster == name:
		return "-" + name
	default:
		return "-" + name + " (in -" + cluster + ")"
	}
}

// unknownOption names an option that does not exist and what may have been meant.
func unknownOption(e *pflag.NotExistError, table []flag) error {
	name, cluster := e.GetSpecifiedName(), e.GetSpecifiedShortnames()
	written := dashed(name, cluster)
	if name == "p" && findLong(table, "port") != nil && findLong(table, "perms") == nil {
		return usageErrorf("unknown option %s; the port is --port", written)
	}
	if why := rsyncAlone(name); why != "" {
		return withCode(exitUnsupported, fmt.Errorf("rsync's option %s is none of gosync's: %s", written, why))
	}
	if cluster == "" {
		if guess := suggest(name, table); guess != "" {
			return usageErrorf("unknown option %s; did you mean --%s?", written, guess)
		}
	}
	return usageErrorf("unknown option %s", written)
}

// suggest returns the long name nearest to name, at most two edits away.
func suggest(name string, table []flag) string {
	best, bestDistance := "", 3
	for i := range table {
		f := &table[i]
		if f.hidden {
			continue
		}
		for _, n := range append(append([]string{f.name}, f.alias...), f.negations()...) {
			if d := distance(name, n); len(n) > 2 && d < bestDistance && d < len(name) {
				best, bestDistance = n, d
			}
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b: the number of bytes to
// insert, delete or replace. Names that differ much in length cost nothing.
func distance(a, b string) int {
	if d := len(a) - len(b); d > 2 || d < -2 {
		return 3
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// rsyncAlone says why gosync does not have an option that rsync has, and what to do; ""
// for others. Guessing at a spelling mistake would mislead.
func rsyncAlone(name string) string {
	switch strings.TrimPrefix(name, "no-") {
	case "protocol", "old-compress", "new-compress", "qsort":
		return "it speaks a protocol of its own, so leave it out"
	case "write-batch", "only-write-batch", "read-batch":
		return "it does not record transfers: run it for each destination"
	case "daemon", "dparam", "detach", "address", "sockopts", "password-file", "early-input", "motd":
		return "it is no daemon and asks none: reach the far side over SSH"
	case "crtimes", "N":
		return "the times at which files were created cannot be set here: leave it out"
	case "copy-devices", "write-devices":
		return "it copies devices as such, not what is on them: use dd for that"
	case "copy-as":
		return "run it as that user, or use --chown for who is to own the files"
	case "confine-root":
		return "it stays below its roots anyway, so leave it out; --restrict-to=DIR is for a forced command"
	}
	return ""
}
