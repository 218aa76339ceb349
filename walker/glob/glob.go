// Package glob expands paths as a shell does with an unquoted word: *, ? and [...]
// in each component, where a leading dot is matched by a dot only and a backslash
// takes the meaning of the wildcard behind it. What Names there are is asked of a
// [Names], so the names may be on another machine.
package glob

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// maxMatches bounds what a pattern may expand to.
const maxMatches = 1 << 20

// ErrTooMany means that a pattern has more matches than anybody can want.
var ErrTooMany = errors.New("too many names match")

// Expand expands the wildcards in a path. Matches are sorted; a pattern without
// any stands for itself.
func Expand(ctx context.Context, at Names, path string) ([]string, error) {
	if !HasMagic(path) {
		return []string{Unescape(path)}, nil
	}
	found, err := glob(ctx, at, path)
	if err != nil {
		return nil, &fs.PathError{Op: "expand", Path: path, Err: err}
	}
	if len(found) == 0 {
		return []string{Unescape(path)}, nil
	}
	slices.Sort(found)
	return found, nil
}

// Names is where a pattern is looked up.
type Names interface {
	Exists(path string) bool           // something has that name, be it a symlink to nowhere
	IsDir(path string) bool            // it is a directory, or a symlink to one
	ReadDir(path string) []fs.DirEntry // nothing where the directory cannot be read
}

// HasMagic reports whether a pattern is more than a name with quotes.
func HasMagic(pattern string) bool {
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

// Unescape removes backslashes that quote.
func Unescape(pattern string) string {
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

// Plain doubles the backslashes that do not stand before a wildcard.
func Plain(path string) string {
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

// Escape quotes what would be special in a pattern.
func Escape(name string) string {
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

// glob returns the paths that match a pattern, component by component.
func glob(ctx context.Context, at Names, pattern string) ([]string, error) {
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
				return nil, ErrTooMany
			}
		}
		found = next
	}
	return found, nil
}

// step appends what matches name in dir. With slashes behind it, only
// directories do.
func step(in Names, to []string, dir, name, slashes string) []string {
	if !HasMagic(name) {
		path := dir + Unescape(name) + slashes
		if name == "" || in.Exists(path) {
			to = append(to, path)
		}
		return to
	}
	at := dir
	if at == "" {
		at = "."
	}
	for _, e := range in.ReadDir(at) {
		n := e.Name()
		if n[0] == '.' && name[0] != '.' && !strings.HasPrefix(name, `\.`) || !Match(name, n) {
			continue
		}
		if slashes != "" && !isDir(in, dir+n, e) {
			continue
		}
		to = append(to, dir+n+slashes)
	}
	return to
}

func isDir(in Names, path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	return in.IsDir(path)
}
