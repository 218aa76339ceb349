// Package farshell writes words for the login shells of far sides: sh, bash, dash,
// zsh, fish, csh and tcsh alike, because which of them reads a command line is not
// known when it is written. Whatever a word holds, the shell takes it as that word
// and runs nothing of it. What no quoting can carry through all of them is refused.
package farshell

import (
	"errors"
	"strings"
)

// ErrUnquotable means that a word holds a line break or a zero byte: csh has no
// quoting for the one, and no command line can hold the other.
var ErrUnquotable = errors.New("it holds a line break or a zero byte, which a far side's shell cannot be handed")

// Word writes a word that the shell takes as it is.
func Word(word string) (string, error) {
	if word == "" {
		return "''", nil
	}
	return quote(word, 0, false)
}

// Path writes a path as one word, of which a leading ~ or ~user is left for the
// shell to expand, and with glob the wildcards * ? and [] as well.
func Path(path string, glob bool) (string, error) {
	return quote(path, Home(path), glob)
}

// quote writes a word whose first bare bytes stay as they are. The shells agree on
// little: inside single quotes fish takes backslashes for escapes and csh an
// exclamation mark for history, so these stand outside, escaped. What means
// nothing to any of them is not quoted, since boxes without a shell may not know
// quotes.
func quote(word string, bare int, glob bool) (string, error) {
	if strings.ContainsAny(word, "\n\r\x00") {
		return "", ErrUnquotable
	}
	w := &writer{}
	w.WriteString(word[:bare])
	open := false // a bracket is
	for i := bare; i < len(word); i++ {
		c := word[i]
		switch {
		case glob && (c == '*' || c == '?' || c == ']' && open):
			w.outside(c)
			open = open && c != ']'
		case glob && c == '[' && strings.IndexByte(word[i:], ']') > 0:
			w.outside(c)
			open = true
			if word[i+1] == '!' { // not "^", which is a pipe to very old shells, and unknown to dash
				w.outside('!')
				i++
			}
		case c == '\'' || c == '\\' || c == '!':
			w.outside('\\', c)
		case plain(c) && (glob || !w.quoted): // a range in brackets must not be quoted
			w.outside(c)
		case plain(c):
			w.WriteByte(c)
		default:
			w.inside(c)
		}
	}
	w.outside()
	return w.String(), nil
}

// writer opens and closes single quotes as they are needed.
type writer struct {
	strings.Builder
	quoted bool
}

func (w *writer) outside(bytes ...byte) {
	w.set(false)
	w.Write(bytes)
}

func (w *writer) inside(c byte) {
	w.set(true)
	w.WriteByte(c)
}

func (w *writer) set(quoted bool) {
	if w.quoted != quoted {
		w.WriteByte('\'')
		w.quoted = quoted
	}
}

// plain reports whether a character means nothing to any shell, wherever it stands.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-./,:+@", c) >= 0
}

// Home returns the length of a leading ~ or ~user, which Path leaves to the shell; 0
// where the path has none.
func Home(path string) int {
	if path == "" || path[0] != '~' {
		return 0
	}
	user, _, _ := strings.Cut(path[1:], "/")
	for i := range len(user) {
		c := user[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '.')) {
			return 0
		}
	}
	return 1 + len(user)
}
