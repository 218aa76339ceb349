package main

import (
	"context"
	"fmt"
	"strings"
)

const helpUsage = `Usage: gosync help [COMMAND|TOPIC|OPTION]...

Explains a command, a topic or an option (fsync, --fsync, -S). Without any of these it
lists them.

`

// helpIndex is what gosync help alone prints.
func helpIndex() string {
	var b strings.Builder
	b.WriteString("gosync makes a copy of files and directories equal to the original, here or over SSH,\n" +
		"and sends only what differs. Its options are those of rsync.\n\n" + usageText + "\n" + commandList())
	b.WriteString("\nTopics\n")
	for _, t := range topics() {
		fmt.Fprintf(&b, "  %-14s %s\n", t.name, t.doc)
	}
	b.WriteString("\ngosync help WORD explains one of these, or an option: gosync help delete. gosync -h\n" +
		"lists the options, and gosync man DIR writes manual pages.\n")
	return b.String()
}

func commandList() string {
	var b strings.Builder
	b.WriteString("Commands\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-14s %s\n", c.name, c.doc)
	}
	return b.String()
}

// runHelp is gosync help.
func runHelp(ctx context.Context, args []string, e *env) error {
	if len(args) == 0 {
		return e.text(helpIndex())
	}
	for i, word := range args {
		if i > 0 {
			if err := e.text("\n"); err != nil {
				return err
			}
		}
		if err := e.explain(ctx, word); err != nil {
			return err
		}
	}
	return nil
}

// explain prints what there is to say about one word.
func (e *env) explain(ctx context.Context, word string) error {
	if word == "-h" || word == "--help" {
		return e.text(helpUsage)
	}
	if c := findCommand(word); c != nil {
		if c.run(ctx, []string{"--help"}, e) != exitOK {
			return withCode(exitOutput, fmt.Errorf("writing the help of %s failed", c.name))
		}
		return nil
	}
	if t := findTopic(word); t != nil {
		return e.text(t.text())
	}
	name := strings.TrimLeft(word, "-")
	var b strings.Builder
	found := false
	for _, o := range allOptions() {
		if o.flag.called(name) || o.flag.negate && o.flag.called(strings.TrimPrefix(name, "no-")) {
			if found {
				b.WriteByte('\n')
			}
			found = true
			if o.command != "gosync" {
				fmt.Fprintf(&b, "%s\n", o.command)
			}
			o.flag.explain(&b, "  ")
		}
	}
	if found {
		return e.text(b.String())
	}
	return unknownTopic(word)
}

func unknownTopic(word string) error {
	var words []string
	for _, t := range topics() {
		words = append(words, t.name)
	}
	for _, o := range allOptions() {
		words = append(append(words, o.flag.name), o.flag.alias...)
	}
	if guess := nearest(strings.TrimLeft(word, "-"), append(commandWords(), words...)); guess != "" {
		return usageErrorf("there is no command, topic or option %s; did you mean gosync help %s?", word, guess)
	}
	return usageErrorf("there is no command, topic or option %s; gosync help lists them", word)
}

// ownedOption is an option and the command that it belongs to.
type ownedOption struct {
	command string
	flag    flag
}

// allOptions returns every option that the help shows.
func allOptions() []ownedOption {
	var all []ownedOption
	add := func(command string, table []flag) {
		for _, f := range table {
			if !f.hidden {
				all = append(all, ownedOption{command, f})
			}
		}
	}
	add("gosync", flagTable())
	for _, c := range commands() {
		if c.own != nil {
			add("gosync "+c.name, c.own())
		}
	}
	return all
}

// explain writes all that there is to say about the option.
func (f *flag) explain(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s%s\n", indent, f.usage())
	inner := indent + "    "
	wrap(b, inner, f.sentence())
	if f.long != "" {
		wrap(b, inner, f.long)
	}
	if f.values != nil {
		what := "Values: "
		if f.list {
			what = "Values, with commas between: "
		}
		wrap(b, inner, what+strings.Join(f.values(), ", ")+".")
	}
	if n := f.negations(); len(n) > 0 {
		wrap(b, inner, "Negation: --"+strings.Join(n, ", --")+".")
	}
}

// sentence is the short description as a sentence.
func (f *flag) sentence() string { return upperFirst(strings.TrimPrefix(f.doc, "... ")) + "." }
