package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// completeCommand is the subcommand that the completions of the shells ask. It is
// followed by the number of words behind "gosync" up to the cursor, and by these,
// without quotes. What it prints is a line for each word that may stand there, with a
// tab and a description, and a last one that begins with a colon: files or dirs, if
// the shell is to add those of this machine, and the part of the word that stands in
// front of their names; else none.
const completeCommand = "__complete"

// suggestion is a word that may stand where the cursor is.
type suggestion struct{ word, doc string }

// completion collects what may stand where the cursor is.
type completion struct {
	env    *env
	line   []string // all words before the one at the cursor
	cur    string   // the word at the cursor
	found  []suggestion
	local  string // files, dirs or none
	prefix string // of the current word, in front of the name of a local file
}

// runComplete is gosync __complete.
func runComplete(ctx context.Context, args []string, e *env) error {
	if len(args) == 0 {
		return usageErrorf("%s wants the number of words", completeCommand)
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 || n < len(args)-1 || n > len(args) { // PowerShell loses an empty word at the end
		return usageErrorf("%s: %q is not the number of words", completeCommand, args[0])
	}
	words := append(slices.Clone(args[1:]), "")[:n]
	c := &completion{env: e, line: words[:n-1], cur: words[n-1], local: "none"}
	c.complete(ctx)
	return e.text(c.text())
}

// text is the answer.
func (c *completion) text() string {
	var b strings.Builder
	for _, s := range c.found {
		if display(s.word) == s.word && !strings.Contains(s.word, "\t") && strings.HasPrefix(s.word, c.cur) {
			fmt.Fprintf(&b, "%s\t%s\n", s.word, s.doc)
		}
	}
	fmt.Fprintf(&b, ":%s %s\n", c.local, c.prefix)
	return b.String()
}

func (c *completion) add(word, doc string) { c.found = append(c.found, suggestion{word, doc}) }

// complete finds out what stands at the cursor.
func (c *completion) complete(ctx context.Context) {
	cmd := &command{name: "", other: optionsCopy, operands: operandPath}
	rest := c.line
	if len(rest) > 0 {
		if named := findCommand(rest[0]); named != nil {
			cmd, rest = named, rest[1:]
		}
	} else {
		c.commandNames()
	}
	table := cmd.table()
	operands, pending, ended := scanWords(table, rest)
	switch {
	case pending != nil:
		c.value(pending, "")
	case !ended && strings.HasPrefix(c.cur, "-"):
		c.options(table)
	default:
		c.operand(ctx, cmd, rest, operands)
	}
}

func (c *completion) commandNames() {
	for _, cmd := range commands() {
		c.add(cmd.name, cmd.doc)
	}
}

// table returns the options of a subcommand.
func (c *command) table() []flag {
	var table []flag
	if c.own != nil {
		table = c.own()
	}
	switch c.other {
	case optionsCopy:
		table = append(table, flagTable()...)
	case optionsReach:
		table = append(table, reachFlags()...)
	}
	if c.name == "run" {
		table = append(append(table, snapshotFlags(new(snapshotSettings))...), verifyFlags(new(verifySettings))...)
	}
	return table
}

// scanWords reads the words before the one at the cursor: which are operands, which
// option wants the one at the cursor as its value (nil for none), and whether a --
// has ended the options.
func scanWords(table []flag, words []string) (operands []string, pending *flag, ended bool) {
	for _, w := range words {
		switch {
		case pending != nil:
			pending = nil
		case ended || w == "-" || !strings.HasPrefix(w, "-"):
			operands = append(operands, w)
		case w == "--":
			ended = true
		case strings.HasPrefix(w, "--"):
			if f := findLong(table, w[2:]); f != nil && f.arg != "" && f.optional == "" {
				pending = f
			}
		default:
			pending = wantsValue(table, w[1:])
		}
	}
	return operands, pending, ended
}

func findLong(table []flag, name string) *flag {
	for i := range table {
		if f := &table[i]; f.name == name || slices.Contains(f.alias, name) {
			return f
		}
	}
	return nil
}

// wantsValue returns the option at the end of a cluster of letters whose value is the
// next word.
func wantsValue(table []flag, letters string) *flag {
	for i := range len(letters) {
		at := slices.IndexFunc(table, func(f flag) bool { return f.short == letters[i:i+1] })
		if at < 0 || table[at].arg == "" || table[at].optional != "" {
			continue
		}
		if i == len(letters)-1 {
			return &table[at]
		}
		return nil // the rest is its value
	}
	return nil
}

// options offers the names of options, or the values of the one that is written already.
func (c *completion) options(table []flag) {
	if name, _, ok := strings.Cut(c.cur, "="); ok && strings.HasPrefix(name, "--") {
		if f := findLong(table, name[2:]); f != nil && f.arg != "" {
			c.value(f, name+"=")
		}
		return
	}
	for i := range table {
		f := &table[i]
		if f.hidden {
			continue
		}
		if f.short != "" && (f.name == "" || c.cur == "-") {
			c.add("-"+f.short, f.doc)
		}
		for _, n := range append([]string{f.name}, f.alias...) {
			switch {
			case n == "":
			case f.arg != "" && f.optional == "":
				c.add("--"+n+"=", f.doc)
			default:
				c.add("--"+n, f.doc)
			}
		}
		if strings.HasPrefix(c.cur, "--no-") {
			for _, n := range f.negations() {
				c.add("--"+n, "turns off --"+strings.TrimPrefix(n, "no-"))
			}
		}
	}
}

// value offers what an option takes. prefix is what stands before the value in the word.
func (c *completion) value(f *flag, prefix string) {
	switch {
	case f.values != nil:
		if f.list {
			if i := strings.LastIndexByte(c.cur, ','); i >= 0 && i >= len(prefix) {
				prefix = c.cur[:i+1]
			}
		}
		for _, v := range f.values() {
			c.add(prefix+v, "")
		}
	case f.kind == valueFile:
		c.local, c.prefix = "files", prefix
	case f.kind == valueDir, f.kind == valueDestDir:
		c.local, c.prefix = "dirs", prefix
	}
}

// operand offers what may stand as an operand.
func (c *completion) operand(ctx context.Context, cmd *command, rest, operands []string) {
	if len(operands) == 0 {
		for _, w := range cmd.words {
			c.add(w.name, w.doc)
		}
	}
	switch cmd.operands {
	case operandPath:
		c.path(ctx, cmd, rest, "files")
	case operandHost:
		c.path(ctx, cmd, rest, "none")
	case operandDir:
		c.local = "dirs"
	case operandJob:
		if len(operands) == 0 {
			c.jobs(rest)
		}
	case operandTopic:
		c.commandNames()
		for _, t := range topics() {
			c.add(t.name, t.doc)
		}
		if c.cur != "" {
			for _, o := range allOptions() {
				c.add(o.flag.name, o.flag.doc)
			}
		}
	case operandShell:
		if len(operands) == 0 {
			for _, s := range shells() {
				c.add(s.name, s.doc)
			}
		}
	}
}

// jobs offers the jobs of the configuration.
func (c *completion) jobs(rest []string) {
	s := newSettings()
	if _, err := parseWith("run", jobFlags(new(jobSettings)), s, rest); err != nil {
		s = newSettings()
	}
	file, err := c.env.configFile(s)
	if err != nil || file == nil {
		return
	}
	for _, j := range file.Jobs {
		c.add(j.Name, display(j.About))
	}
}
