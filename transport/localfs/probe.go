package localfs

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"gosync/internal/engine"
	"gosync/internal/unix"
)

// Interfaces that a Tree implements beside those that every destination does.
var (
	_ engine.Folder   = (*Tree)(nil)
	_ engine.Granular = (*Tree)(nil)
)

// Granularity implements [engine.Granular].
func (t *Tree) Granularity() time.Duration { return granularityOf(t.top.fd) }

// Folding implements [engine.Folder]. It goes by the root: directories below may
// be set to ignore case by themselves on some file systems, which is not seen.
func (t *Tree) Folding(ctx context.Context) func(name string) string {
	rules, known := rulesOf(t.top.fd)
	if !known && t.mayChange(ctx) == nil {
		rules = t.probe()
	}
	return rules.key()
}

// nameRules says which names a file system takes for the same.
type nameRules struct {
	ascii   bool // letters A to Z and a to z
	unicode bool // letters of other scripts, too
	full    bool // ... and with what has several letters in another case, like the German sharp s
	norm    bool // the forms that Unicode has for one character
}

// key returns a function that maps names to what is common to those that are the
// same, nil where all differ. It is not safe for concurrent use.
func (r nameRules) key() func(name string) string {
	if r == (nameRules{}) {
		return nil
	}
	fold := cases.Fold()
	return func(name string) string {
		if !utf8.ValidString(name) {
			return lowerASCII(name, r.ascii) // they take it as bytes, if they take it
		}
		if r.norm {
			name = norm.NFD.String(name)
		}
		switch {
		case r.full:
			name = fold.String(name)
		case r.unicode:
			name = strings.Map(lowest, name)
		default:
			name = lowerASCII(name, r.ascii)
		}
		if r.norm {
			name = norm.NFD.String(name)
		}
		return name
	}
}

func lowerASCII(name string, lower bool) string {
	if !lower {
		return name
	}
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// lowest returns the smallest of the runes that differ from r by case only.
func lowest(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

// Names that a probe makes, and those under which they may be found.
const (
	probeASCII, otherASCII   = "a", "A"
	probeComposed, otherForm = "\u00e9", "e\u0301" // e with acute accent
	otherLetter              = "\u00c9"
	probeSharp, otherSharp   = "\u00df", "ss"
	probeAccess              = 0o700
)

// probe finds out which names the file system takes for the same, by making some
// in a temporary directory below the root. Where that cannot be made nothing else
// can, and the run will say why.
func (t *Tree) probe() (r nameRules) {
	var temp string
	err := t.withTemp(func(name string) error {
		temp = name
		return again(func() error { return unix.Mkdirat(t.top.fd, name, probeAccess) })
	})
	if err != nil {
		return r
	}
	t.dirty.mark(t.top)
	fd, err := openAt(t.top.fd, temp, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err == nil {
		r = probeIn(fd)
		_ = unix.Close(fd) // nothing was written to it
	}
	removeProbe(t.top.fd, temp)
	return r
}

// probeIn is probe in a directory that is empty.
func probeIn(fd int) (r nameRules) {
	r.ascii = isFound(fd, probeASCII, otherASCII)
	r.norm = isFound(fd, probeComposed, otherForm)
	if r.ascii {
		r.unicode = isFound(fd, probeComposed, otherLetter)
		r.full = r.unicode && isFound(fd, probeSharp, otherSharp)
	}
	return r
}

// isFound makes a file, if it is not there, and reports whether it is found under
// another name.
func isFound(dirfd int, name, other string) bool {
	fd, err := openAt(dirfd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return false // the file system takes only other characters
	}
	_ = unix.Close(fd) // it is empty
	var a, b unix.Stat_t
	return fstatAt(dirfd, name, &a) == nil && fstatAt(dirfd, other, &b) == nil && a.Ino == b.Ino
}

// removeProbe removes the directory of a probe, and what it may hold.
func removeProbe(dirfd int, temp string) bool {
	fd, err := openAt(dirfd, temp, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err == nil {
		for _, name := range []string{probeASCII, probeComposed, probeSharp} {
			_ = unix.Unlinkat(fd, name, 0) // or the directory stays
		}
		_ = unix.Close(fd)
	}
	return again(func() error { return unix.Unlinkat(dirfd, temp, unix.AT_REMOVEDIR) }) == nil
}
