package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"gosync/transport/sshconn"
)

// portTrap catches the habits of ssh and scp: for rsync and gosync -p and -P have no value.
func (s *settings) portTrap(args []string) error {
	for _, g := range s.given {
		switch {
		case g.on && g.flag.short == "p":
			return numberTrap(args, "-p keeps permissions", "--port")
		case g.on && g.flag.short == "P":
			return numberTrap(args, "-P shows progress and keeps unfinished files", "--port")
		}
	}
	return nil
}

// numberTrap refuses a first source that looks like a port, and is no file.
func numberTrap(args []string, what, option string) error {
	if len(args) < 3 {
		return nil
	}
	if n, err := strconv.Atoi(args[0]); err != nil || n < 1 || n > 65535 {
		return nil
	}
	if _, err := os.Lstat(args[0]); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if strings.HasPrefix(option, "--") {
		option += "="
	} else {
		option += " "
	}
	return usageErrorf("%s would be a source, and there is no such file: %s; for the port use %s%s", args[0], what, option, args[0])
}

// colonTraps are what to tell of operands that may not mean what was meant, although
// they mean something.
func (r *route) colonTraps() []string {
	var notes []string
	for _, t := range append(r.sources[:len(r.sources):len(r.sources)], r.dest) {
		digits, rest, ok := strings.Cut(t.Path, ":")
		if n, err := strconv.Atoi(digits); t.Remote && ok && err == nil && n > 0 && n < 65536 && !strings.Contains(t.arg, "://") {
			notes = append(notes, fmt.Sprintf("%s is the path %s on %s; for the port write --port=%s, and %s:%s", t.arg, t.Path, t.Host, digits, t.Host, rest))
		}
	}
	d := r.dest.arg
	if r.dest.Remote || strings.Index(d, "@") < 1 || strings.ContainsAny(d, "/:") || strings.HasSuffix(d, "@") {
		return notes
	}
	if _, err := os.Lstat(d); errors.Is(err, fs.ErrNotExist) {
		notes = append(notes, fmt.Sprintf("%s is taken for a name here; for the host write %s:", d, d))
	}
	return notes
}

// hostAdvice says what may have been meant where a host was not reached, "" where nothing
// speaks for it.
func (r *route) hostAdvice(code int, s *settings) string {
	if code != exitConnect && code != exitConnTimeout {
		return ""
	}
	for _, t := range append(r.sources[:len(r.sources):len(r.sources)], r.dest) {
		if !t.Remote {
			continue
		}
		if _, err := os.Lstat(t.arg); err == nil {
			return fmt.Sprintf("%s was taken for a path on the host %s; for the file here of that name write ./%s", t.arg, t.Host, t.arg)
		}
		names := sshconn.Names(s.sshConfig)
		if net.ParseIP(t.Host) != nil || slices.Contains(names, t.Host) {
			continue // nothing is misspelled, or nobody can tell
		}
		if guess := nearest(t.Host, names); guess != "" {
			return fmt.Sprintf("did you mean the host %s?", guess)
		}
	}
	return ""
}
