package scpfs

import (
	"fmt"
	"path"
	"strings"

	"gosync/internal/engine"
	"gosync/transport/farshell"
	"gosync/transport/wire"
	"gosync/walker/manifest"
)

// Limits of what a source may say.
const (
	maxLine  = 2 << 10 // bytes of a line
	maxSize  = 1 << 62 // bytes of a file
	maxTime  = 1 << 40 // seconds since 1970
	maxDepth = 2 << 10 // directories in each other: more have no path
)

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: %w", wire.ErrProtocol, fmt.Errorf(format, args...))
}

// times are those of a T line.
type times struct {
	sec  int64
	nsec uint32
}

// parseTimes parses a T line without its letter: "<mtime> <usec> <atime> <usec>".
func parseTimes(line string) (t times, err error) {
	fields := strings.Split(line, " ")
	if len(fields) != 4 {
		return t, protocolError("times %q", line)
	}
	var n [4]int64
	for i, limit := range []int64{maxTime, 999_999, maxTime, 999_999} {
		if n[i], err = number(fields[i], limit); err != nil {
			return t, protocolError("times %q: %w", line, err)
		}
	}
	return times{n[0], uint32(n[1]) * 1000}, nil
}

// parseEntry parses a C or D line without its letter: "<mode> <size> <name>".
func parseEntry(line string) (e manifest.Entry, err error) {
	mode, rest, ok := strings.Cut(line, " ")
	if !ok || len(mode) != 4 {
		return e, protocolError("mode in %q", line)
	}
	for _, c := range []byte(mode) {
		if c < '0' || c > '7' {
			return e, protocolError("mode in %q", line)
		}
		e.Mode = e.Mode<<3 | uint16(c-'0')
	}
	size, name, ok := strings.Cut(rest, " ")
	if !ok {
		return e, protocolError("no name in %q", line)
	}
	if e.Size, err = number(size, maxSize); err != nil {
		return e, protocolError("size in %q: %w", line, err)
	}
	e.Name = name
	return e, nil
}

// number parses digits and nothing else.
func number(s string, limit int64) (n int64, err error) {
	if s == "" || len(s) > 19 || len(s) > 1 && s[0] == '0' {
		return 0, fmt.Errorf("%q is no number", s)
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%q is no number", s)
		}
		d := int64(c - '0')
		if n > (limit-d)/10 {
			return 0, fmt.Errorf("%s is too large", s)
		}
		n = n*10 + d
	}
	return n, nil
}

// checkName refuses names that cannot be an entry's.
func checkName(name string) error {
	if err := manifest.ValidName(name); err != nil {
		return protocolError("%q: %w", name, err)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c == 0x7f {
			return protocolError("the name %q has control characters", name)
		}
	}
	return nil
}

// request is what a source was asked for.
type request struct {
	name      string // the last component of the path
	pattern   bool   // name may be a pattern
	several   bool   // more than one thing may come
	any       bool   // only the far side knows the name
	itself    bool   // name is a directory's other name, such as "."
	recursive bool
}

func newRequest(p string, how engine.StreamHow) request {
	if strings.Trim(p, "/") == "" { // the root has no name
		return request{itself: true, recursive: how.Recursive}
	}
	trimmed := strings.TrimRight(p, "/")
	r := request{name: path.Base(trimmed), recursive: how.Recursive}
	r.itself = r.name == "." || r.name == ".."
	if how.Literal {
		return r
	}
	r.several = isPattern(trimmed)
	r.pattern = isPattern(r.name)
	r.any = farshell.Home(trimmed) == len(trimmed)
	return r
}

// admits reports whether something of this name was asked for.
func (r *request) admits(name string) bool {
	switch {
	case r.any, name == r.name:
		return true
	case !r.pattern || strings.HasPrefix(name, ".") && !strings.HasPrefix(r.name, "."):
		return false
	}
	// Shells take what is quoted literally, so a backslash is one, and they do not
	// agree on what a pattern with a fault matches: only itself, here.
	p := strings.NewReplacer(`\`, `\\`, "[!", "[^", "[^", `[\^`).Replace(r.name)
	ok, err := path.Match(p, name)
	return ok && err == nil
}

// check refuses what was not asked for: the n-th thing, a directory or a file.
func (r *request) check(name string, dir bool, n int) error {
	switch {
	case dir && !r.recursive:
		return protocolError("the directory %q comes where a file was asked for", name)
	case n > 1 && !r.several:
		return protocolError("%q comes, and nothing more was asked for", name)
	case r.itself && dir && name == r.name:
		return nil // a name for the directory, which is not used
	}
	if err := checkName(name); err != nil {
		return err
	}
	if !r.admits(name) {
		return protocolError("%q comes, which was not asked for", name)
	}
	return nil
}
