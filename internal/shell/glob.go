package shell

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// globber finds the names that words stand for, in one file system.
type globber struct {
	fsys FS
	base string // what relative paths are below
	home string // what ~ means; "" for none
}

// expand returns the paths that a word stands for, relative to the same directory
// as the word. A word without wildcards stands for itself, whether it is there or
// not; one that matches nothing but is a name stands for that.
func (g *globber) expand(ctx context.Context, w word) ([]string, error) {
	text, pattern := w.text, w.pattern
	if w.tilde && g.home != "" && (text == "~" || strings.HasPrefix(text, "~/")) {
		text = join(g.home, strings.TrimPrefix(text[1:], "/"))
		pattern = join(escapePattern(g.home), strings.TrimPrefix(pattern[1:], "/"))
		if w.text == "~" {
			text, pattern = g.home, escapePattern(g.home)
		}
	}
	if !w.glob {
		return []string{text}, nil
	}
	found, err := g.match(ctx, pattern)
	if err != nil || len(found) > 0 {
		return found, err
	}
	if _, err := g.fsys.Lstat(ctx, absolute(g.base, text)); err == nil {
		return []string{text}, nil
	} else if fatal(ctx, err) {
		return nil, err
	}
	return nil, &fs.PathError{Op: "match", Path: text, Err: fs.ErrNotExist}
}

// Glob returns what a path with wildcards stands for, as a session would.
func Glob(ctx context.Context, fsys FS, p string) ([]string, error) {
	g := &globber{fsys: fsys, base: "."}
	return g.expand(ctx, word{text: p, pattern: p, glob: strings.ContainsAny(p, "*?[")})
}

// match walks down the components of a pattern.
func (g *globber) match(ctx context.Context, pattern string) ([]string, error) {
	found := []string{""}
	if strings.HasPrefix(pattern, "/") {
		found[0] = "/"
	}
	parts := strings.FieldsFunc(pattern, func(r rune) bool { return r == '/' })
	for i, part := range parts {
		last := i == len(parts)-1
		var next []string
		for _, dir := range found {
			names, err := g.component(ctx, dir, part, last)
			if fatal(ctx, err) {
				return nil, err
			}
			next = append(next, names...) // what cannot be listed matches nothing
		}
		found = next
	}
	if strings.HasSuffix(pattern, "/") {
		for i := range found {
			found[i] += "/"
		}
	}
	return found, nil
}

// component returns the paths in dir that match one component of a pattern.
func (g *globber) component(ctx context.Context, dir, part string, last bool) ([]string, error) {
	if !strings.ContainsAny(part, "*?[") || isLiteral(part) {
		name := join(dir, unescapePattern(part))
		if !last {
			return []string{name}, nil // listing it will tell
		}
		_, err := g.fsys.Lstat(ctx, absolute(g.base, name))
		if err != nil {
			return nil, err
		}
		return []string{name}, nil
	}
	entries, err := g.fsys.ReadDir(ctx, absolute(g.base, dir), false)
	if err != nil && len(entries) == 0 {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Name[0] == '.' && !strings.HasPrefix(part, ".") && !strings.HasPrefix(part, `\.`) {
			continue
		}
		if ok, err := path.Match(part, e.Name); ok && err == nil && (last || e.Mode.IsDir() || e.Mode.Type() == fs.ModeSymlink) {
			names = append(names, join(dir, e.Name))
		}
	}
	return names, nil
}

// isLiteral reports whether a pattern can match itself only: its wildcards are
// escaped, or make no sense.
func isLiteral(part string) bool {
	if _, err := path.Match(part, ""); errors.Is(err, path.ErrBadPattern) {
		return true
	}
	escaped := false
	return !slices.ContainsFunc([]byte(part), func(c byte) bool {
		wild := !escaped && strings.IndexByte("*?[", c) >= 0
		escaped = !escaped && c == '\\'
		return wild
	})
}

func unescapePattern(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '\\' && i+1 < len(p) {
			i++
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

func escapePattern(name string) string {
	var w word
	for i := range len(name) {
		w.add(name[i], true)
	}
	return w.pattern
}

// absolute puts a path below base, unless it is absolute.
func absolute(base, p string) string {
	switch {
	case strings.HasPrefix(p, "/"):
		return p
	case p == "" || p == ".":
		return base
	}
	return join(base, p)
}
