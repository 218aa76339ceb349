package main

import (
	"fmt"
	"strings"
)

const cpUsage = `Usage: gosync cp [OPTION]... SRC... DEST
       alias scp='gosync cp'

gosync cp has the command line of OpenSSH's scp, and the rules by which scp names
what it copies. What it adds: content that is there already is not sent again, a
run that was cut off goes on where it was, and every file is compared with its
original before it appears.

SRC and DEST are paths here, [USER@]HOST:[PATH], or scp://[USER@]HOST[:PORT][/PATH]
(also sftp://), where PATH is below the home directory and //PATH is absolute. IPv6
addresses stand in brackets. Write ./a:b for a local file of that name. Wildcards in
a path on a host are expanded there. Options stand in front of all operands.

If DEST is a directory what is copied goes into it, else DEST is its new name, also
that of a directory. Several sources need a directory; on a host it is made. Symlinks
are copied as what they lead to, wherever that is (between two paths on this machine
-r copies links, as cp and scp do). Without -r directories are an error, and so is
whatever is no regular file.

`

const cpMore = `
Unlike scp, gosync cp replaces a file at once when all of it has arrived, so a
symlink inside of DEST is replaced and never written through; permissions of new
directories follow the umask of the far side unless -p is given; and when one source
does not exist the others are copied all the same.

The exit status is 0 if everything was copied; gosync --help explains the others.
`

// cpHelp is what gosync cp --help prints.
func cpHelp() string {
	var b strings.Builder
	b.WriteString(cpUsage)
	for _, f := range cpFlags() {
		if !f.hidden {
			fmt.Fprintf(&b, "  %-12s %s\n", f.usage(), f.doc)
		}
	}
	b.WriteString(cpMore)
	return b.String()
}

// cpFlags are scp's options as rows of a table, for the help and for completions.
func cpFlags() []flag {
	kinds := map[byte]valueKind{'i': valueFile, 'F': valueFile}
	var table []flag
	for _, o := range cpOptions() {
		table = append(table, flag{
			short: string(o.letter), arg: o.arg, doc: o.doc, hidden: o.doc == "", kind: kinds[o.letter],
		})
	}
	return table
}
