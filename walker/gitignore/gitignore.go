package gitignore

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Names of what git looks at in a directory.
const (
	Name    = ".gitignore"
	Exclude = ".git/info/exclude"
	Repo    = ".git" // a directory that has it begins a repository
)

// Limits on what files may hold.
const (
	MaxBytes   = 256 << 10 // of one file
	MaxInForce = 4 << 20   // of all that are in force in a directory
)

// ErrLimit is wrapped by errors about files that are too large.
var ErrLimit = errors.New("too many ignore rules")

// Patterns are the rules of one file, in its order.
type Patterns struct {
	list  []pattern
	paths bool // some of them look at more than a name
	size  int
}

// pattern is a rule.
type pattern struct {
	negated bool
	dirOnly bool
	path    bool     // it is matched against the path from the file's directory on, else against the name
	lit     string   // what a path begins with, or the whole name
	suffix  bool     // the name ends with lit
	prog    *program // what follows lit; nil for nothing
}

// Parse reads the content of a file. Every text is one: lines that can match nothing match nothing.
func Parse(data []byte) (*Patterns, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: a file of %d bytes, at most %d", ErrLimit, len(data), MaxBytes)
	}
	p := &Patterns{size: len(data)}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte{'\n'})
		data = rest
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if i := bytes.IndexByte(line, 0); i >= 0 {
			line = line[:i] // to git it ends there
		}
		if pat, ok := parseLine(trimSpaces(string(line))); ok {
			p.list = append(p.list, pat)
			p.paths = p.paths || pat.path
		}
	}
	return p, nil
}

// trimSpaces drops spaces at the end that no backslash quotes.
func trimSpaces(line string) string {
	end := 0
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			if i >= len(line) {
				return line
			}
		} else if line[i] == ' ' {
			continue
		}
		end = i + 1
	}
	return line[:end]
}

// parseLine compiles a line; ok is false where it can match nothing.
func parseLine(line string) (p pattern, ok bool) {
	if strings.HasPrefix(line, "!") {
		p.negated, line = true, line[1:]
	}
	if strings.HasSuffix(line, "/") {
		p.dirOnly, line = true, line[:len(line)-1]
	}
	if line == "" {
		return p, false
	}
	p.path = strings.Contains(line, "/")
	if line[0] == '/' {
		line = line[1:]
	}
	plain := strings.IndexAny(line, `*?[\`)
	switch {
	case plain < 0:
		p.lit = line
	case !p.path && line[0] == '*' && !strings.ContainsAny(line[1:], `*?[\`):
		p.suffix, p.lit = true, line[1:]
	default:
		// What is in front of the first wildcard is compared apart. As in git the rest is then
		// a pattern of its own, so that "**" after a name that it is glued to begins it.
		p.lit, p.prog = line[:plain], compile(line[plain:])
	}
	return p, true
}

// matchName matches a pattern without a slash.
func (p *pattern) matchName(name string) bool {
	switch {
	case p.suffix:
		return strings.HasSuffix(name, p.lit)
	case p.prog == nil:
		return name == p.lit
	}
	return strings.HasPrefix(name, p.lit) && p.prog.match(name[len(p.lit):])
}

// matchPath matches a pattern with a slash against a path from the file's directory on.
func (p *pattern) matchPath(path string) bool {
	if p.prog == nil {
		return path == p.lit
	}
	return strings.HasPrefix(path, p.lit) && p.prog.match(path[len(p.lit):])
}

// Files are what a directory has of its own. Nil stands for a file that is not there.
type Files struct {
	Ignore  *Patterns // of .gitignore
	Exclude *Patterns // of .git/info/exclude
	Repo    bool      // a repository begins here
}

// Dir is the rules in force in a directory. It is immutable and safe for concurrent use.
type Dir struct {
	prefix string // path from the repository's root on, with its slash at the end
	levels []level
	size   int
	paths  bool
}

// level is a file in force.
type level struct {
	*Patterns
	base int // length of the prefix of its directory
}

// Root returns the rules in force in the directory that a walk begins with: it counts as the root
// of a repository whether it is one or not.
func Root(f Files) (*Dir, error) { return new(Dir).add(f) }

// Enter returns the rules in force in the directory name of d's.
func (d *Dir) Enter(name string, f Files) (*Dir, error) {
	if f.Repo {
		return Root(f)
	}
	f.Exclude = nil // only that of a repository counts
	child := &Dir{prefix: d.prefix + name + "/", levels: d.levels[:len(d.levels):len(d.levels)], size: d.size, paths: d.paths}
	return child.add(f)
}

func (d *Dir) add(f Files) (*Dir, error) {
	for _, p := range []*Patterns{f.Exclude, f.Ignore} {
		if p == nil || len(p.list) == 0 {
			continue
		}
		if d.size += p.size; d.size > MaxInForce {
			return nil, fmt.Errorf("%w: more than %d bytes in force", ErrLimit, MaxInForce)
		}
		d.levels = append(d.levels, level{p, len(d.prefix)})
		d.paths = d.paths || p.paths
	}
	return d, nil
}

// Ignored reports whether git ignores an entry of the directory. isDir is true for directories
// themselves, not for links to them.
func (d *Dir) Ignored(name string, isDir bool) bool {
	full := ""
	if d.paths {
		full = d.prefix + name
	}
	for i := len(d.levels) - 1; i >= 0; i-- {
		l := &d.levels[i]
		for j := len(l.list) - 1; j >= 0; j-- {
			p := &l.list[j]
			if p.dirOnly && !isDir {
				continue
			}
			if p.path && p.matchPath(full[l.base:]) || !p.path && p.matchName(name) {
				return !p.negated
			}
		}
	}
	return false
}
