package localfs

import (
	"context"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxMatches bounds what a pattern may expand to.
const maxMatches = 1 << 20

// Expand implements [engine.Host]. It does what a shell does with an unquoted
// word: ~ and ~user at the start, then *, ? and [...] in each component, where
// a leading dot is matched by a dot only and a backslash takes the meaning of
// the wildcard behind it (elsewhere it is itself, as in rsync's arguments). Matches are sorted; a pattern without any, or a user that does not
// exist, stands for itself.
func (h *Host) Expand(ctx context.Context, path string) ([]string, error) {
	return expand(ctx, machine{}, home(plainBackslashes(path)))
}

// expand expands the wildcards in a path.
func expand(ctx context.Context, at names, path string) ([]string, error) {
	if !hasMagic(path) {
		return []string{unescape(path)}, nil
	}
	found, err := glob(ctx, at, path)
	if err != nil {
		return nil, &fs.PathError{Op: "expand", Path: path, Err: err}
	}
	if len(found) == 0 {
		return []string{unescape(path)}, nil
	}
	slices.Sort(found)
	return found, nil
}

// home replaces a leading ~ or ~user by the home directory.
func home(path string) string {
	if !strings.HasPrefix(path, "~") {
		return path
	}
	name, rest, slash := strings.Cut(path[1:], "/")
	dir := ""
	switch {
	case name == "":
		dir, _ = os.UserHomeDir()
	case !strings.ContainsAny(name, `\*?[`):
		if u, err := user.Lookup(name); err == nil {
			dir = u.HomeDir
		}
	}
	if dir == "" {
		return path
	}
	dir = escape(dir)
	if slash {
		return strings.TrimRight(dir, "/") + "/" + rest
	}
	return dir
}

// hasMagic reports whether a pattern is more than a name with quotes.
func hasMagic(pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*', '?', '[':
			return true
		case '\\':
			i++
		}
	}
	return false
}

// unescape removes backslashes that quote.
func unescape(pattern string) string {
	if strings.IndexByte(pattern, '\\') < 0 {
		return pattern
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

// plainBackslashes doubles the backslashes that do not stand before a wildcard.
func plainBackslashes(path string) string {
	if strings.IndexByte(path, '\\') < 0 {
		return path
	}
	var b strings.Builder
	for i := range len(path) {
		b.WriteByte(path[i])
		if path[i] == '\\' && (i+1 == len(path) || strings.IndexByte(`*?[]`, path[i+1]) < 0) {
			b.WriteByte('\\')
		}
	}
	return b.String()
}

// escape quotes what would be special in a pattern.
func escape(name string) string {
	if !strings.ContainsAny(name, `\*?[`) {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		if strings.IndexByte(`\*?[`, name[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// names is where a pattern is looked up.
type names interface {
	exists(path string) bool           // something has that name, be it a symlink to nowhere
	isDir(path string) bool            // it is a directory, or a symlink to one
	readDir(path string) []fs.DirEntry // nothing where the directory cannot be read
}

// machine is all that this machine has.
type machine struct{}

func (machine) exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (machine) isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (machine) readDir(path string) []fs.DirEntry {
	entries, _ := os.ReadDir(path) // what cannot be read has no matches
	return entries
}

// glob returns the paths that match a pattern, component by component.
func glob(ctx context.Context, at names, pattern string) ([]string, error) {
	found := []string{""}
	for pattern != "" && len(found) > 0 {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		part := pattern
		if i := strings.IndexByte(pattern, '/'); i >= 0 {
			for i < len(pattern) && pattern[i] == '/' {
				i++
			}
			part = pattern[:i]
		}
		pattern = pattern[len(part):]
		name := strings.TrimRight(part, "/")
		slashes := part[len(name):]
		var next []string
		for _, dir := range found {
			next = step(at, next, dir, name, slashes)
			if len(next) > maxMatches {
				return nil, unix.E2BIG
			}
		}
		found = next
	}
	return found, nil
}

// step appends what matches name in dir. With slashes behind it, only
// directories do.
func step(in names, to []string, dir, name, slashes string) []string {
	if !hasMagic(name) {
		path := dir + unescape(name) + slashes
		if name == "" || in.exists(path) {
			to = append(to, path)
		}
		return to
	}
	at := dir
	if at == "" {
		at = "."
	}
	for _, e := range in.readDir(at) {
		n := e.Name()
		if n[0] == '.' && name[0] != '.' && !strings.HasPrefix(name, `\.`) || !match(name, n) {
			continue
		}
		if slashes != "" && !isDir(in, dir+n, e) {
			continue
		}
		to = append(to, dir+n+slashes)
	}
	return to
}

func isDir(in names, path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	return in.isDir(path)
}
