package main

import (
	"fmt"
	"strings"
)

const usageText = `Usage: gosync [OPTION]... SRC... DEST
       gosync [OPTION]... SRC... [USER@]HOST:DEST
       gosync [OPTION]... [USER@]HOST:SRC... DEST
       gosync cp [OPTION]... SRC... DEST      (scp's command line: gosync cp --help)
       gosync ls [OPTION]... [USER@]HOST:PATH...
       gosync shell [OPTION]... [USER@]HOST[:DIR]
       gosync snapshot [OPTION]... SRC... DEST   (and list, verify, diff, restore, prune)
       gosync verify [OPTION]... SRC... DST
       gosync bench [OPTION]... [[USER@]HOST[:DIR]]
       gosync demo
`

// shortHelp is what -h alone prints: one line per option.
func shortHelp() string {
	var b strings.Builder
	b.WriteString("gosync makes a copy of files and directories equal to the original, here or over SSH,\n" +
		"and sends only what differs. Its options are those of rsync.\n\n" + usageText)
	eachCategory(func(c category, flags []flag) {
		fmt.Fprintf(&b, "\n%s\n", c)
		for i := range flags {
			if flags[i].rare {
				continue
			}
			fmt.Fprintf(&b, "  %-26s %s\n", flags[i].usage(), flags[i].doc)
		}
	})
	b.WriteString("\ngosync --help explains more.\n")
	return b.String()
}

// longHelp is what --help prints.
func longHelp() string {
	var b strings.Builder
	b.WriteString("gosync makes a copy of files and directories equal to the original, here or over SSH,\n" +
		"and sends only what differs. Its options are those of rsync.\n\n" + usageText + `
A source with a trailing slash means what is in the directory, without one the
directory itself. A path with a colon before the first slash is on another host;
write ./a:b for a local file of that name. Options may stand behind operands
unless POSIXLY_CORRECT is set; -- ends them. Of options that contradict each
other the last one wins, and most have a negation: --no-perms, --no-p.
`)
	eachCategory(func(c category, flags []flag) {
		fmt.Fprintf(&b, "\n%s\n", c)
		for i := range flags {
			f := &flags[i]
			fmt.Fprintf(&b, "\n  %s\n", f.usage())
			wrap(&b, "      ", upperFirst(strings.TrimPrefix(f.doc, "... "))+".")
			if f.long != "" {
				wrap(&b, "      ", f.long)
			}
			if n := f.negations(); len(n) > 0 {
				wrap(&b, "      ", "Negation: --"+strings.Join(n, ", --")+".")
			}
		}
	})
	b.WriteString("\nExit status\n" + exitText)
	return b.String()
}

const exitText = `  0  done
  1  wrong options or arguments         23  some files failed
  2  the far side speaks another        24  some source files vanished
     version, or is no gosync           25  deletions refused or at the limit
  3  source or destination unusable     30  nothing moved for --timeout
  4  not supported                      35  no connection in time
  5  far side could not be started      40  no connection, or no such host
 11  reading or writing files failed    41  host key not the known one
 12  connection cut, protocol broken    42  authentication failed
 20  interrupted                        43  no usable transport
Take any other status for a failure.
`

// eachCategory calls do with the visible options of one category after the other.
func eachCategory(do func(category, []flag)) {
	var current []flag
	for _, f := range flagTable() {
		if f.hidden {
			continue
		}
		if len(current) > 0 && current[0].category != f.category {
			do(current[0].category, current)
			current = nil
		}
		current = append(current, f)
	}
	do(current[0].category, current)
}

// usage writes the option's names and value: -e, --rsh=COMMAND.
func (f *flag) usage() string {
	var names []string
	if f.short != "" {
		names = append(names, "-"+f.short)
	}
	if f.name != "" {
		names = append(names, "--"+f.name)
	}
	for _, a := range f.alias {
		names = append(names, "--"+a)
	}
	s := strings.Join(names, ", ")
	switch {
	case f.arg == "":
		return s
	case f.optional != "":
		return s + "[=" + f.arg + "]"
	default:
		return s + "=" + f.arg
	}
}

// wrap writes text in lines of at most 78 columns.
func wrap(b *strings.Builder, indent, text string) {
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+len(word) > 78:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteByte('\n')
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
