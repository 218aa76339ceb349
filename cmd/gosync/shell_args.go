package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// subcommand is the command line of gosync ls or gosync shell: options of its own,
// and those of gosync that say how to reach the far side.
type subcommand struct {
	settings *settings
	operands []string
	reach    []string // the options that say how to reach the far side, for further runs of gosync
}

// parseSub reads the command line of a subcommand.
func parseSub(name string, own []flag, args []string) (*subcommand, error) {
	c := &subcommand{settings: newSettings()}
	table := append(slices.Clone(own), c.record(reachFlags())...)
	set := pflag.NewFlagSet("gosync "+name, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	for i := range table {
		table[i].register(set, c.settings)
	}
	if err := set.Parse(args); err != nil {
		return nil, explain(err, table)
	}
	c.operands = set.Args()
	return c, nil
}

// reachFlags are the options of gosync that are about reaching the far side, and a
// few that mean the same everywhere.
func reachFlags() []flag {
	restricting := map[string]bool{}
	for _, f := range restrictFlags() {
		restricting[f.name] = true
	}
	var table []flag
	for _, f := range flagTable() {
		switch {
		case f.hidden || restricting[f.name] || f.name == "remote-option": // which is for another kind of far side
		case f.name == "verbose", f.name == "timeout", f.name == "help", f.category == catRemote:
			table = append(table, f)
		}
	}
	return table
}

// record has the options write down how they were given.
func (c *subcommand) record(table []flag) []flag {
	for i := range table {
		f := &table[i]
		set, name := f.set, "--"+f.name
		takes := f.arg != ""
		f.set = func(s *settings, on bool, text string) error {
			if err := set(s, on, text); err != nil {
				return err
			}
			switch {
			case !on:
				c.reach = append(c.reach, strings.Replace(name, "--", "--no-", 1))
			case takes:
				c.reach = append(c.reach, name+"="+text)
			default:
				c.reach = append(c.reach, name)
			}
			return nil
		}
	}
	return table
}

// subHelp is what --help prints for a subcommand.
func subHelp(usage string, own []flag) string {
	var b strings.Builder
	b.WriteString(usage)
	for _, f := range append(slices.Clone(own), reachFlags()...) {
		fmt.Fprintf(&b, "  %-26s %s\n", f.usage(), f.doc)
	}
	return b.String()
}

// operandIndex returns which of the arguments of a run of gosync are operands.
func operandIndex(args []string) ([]int, error) {
	var index []int
	for at := 0; at < len(args); {
		_, rest, err := parseArgs(args[at:], true)
		if err != nil {
			return nil, err
		}
		first := len(args) - len(rest)
		ended := first > at && args[first-1] == "--"
		for i := first; i < len(args); i++ {
			index = append(index, i)
			if !ended {
				break
			}
		}
		if ended || len(rest) == 0 {
			break
		}
		at = first + 1
	}
	return index, nil
}
