package shell

import (
	"strings"
)

const (
	maxLine  = 64 << 10 // bytes of a command line
	maxWords = 10000
)

// word is one word of a command line.
type word struct {
	text    string // without quotes and backslashes
	pattern string // the same for path.Match: what was quoted is escaped
	glob    bool   // an unquoted *, ? or [ is in it
	tilde   bool   // it begins with an unquoted ~
}

// add appends one byte.
func (w *word) add(c byte, quoted bool) {
	switch {
	case quoted && strings.IndexByte(`*?[]\-^`, c) >= 0:
		w.pattern += `\`
	case !quoted && strings.IndexByte("*?[", c) >= 0:
		w.glob = true
	case !quoted && c == '~' && w.text == "":
		w.tilde = true
	}
	w.text += string([]byte{c})
	w.pattern += string([]byte{c})
}

// lexWord reads the word that s begins with, and returns how many bytes it takes.
// open is the quote that is not closed, a backslash where one stands at the end,
// and 0 for a word that is complete.
//
// The rules are those of a shell: single quotes keep everything, in double quotes
// a backslash quotes itself and the double quote, elsewhere any character.
func lexWord(s string) (w word, n int, open byte) {
	quote := byte(0)
	for n < len(s) {
		c := s[n]
		switch {
		case quote == 0 && isBlank(c):
			return w, n, 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'':
			if n+1 == len(s) {
				return w, n + 1, '\\'
			}
			if next := s[n+1]; quote == 0 || next == '"' || next == '\\' {
				w.add(next, true)
				n++
			} else {
				w.add('\\', true)
			}
		default:
			w.add(c, quote != 0)
		}
		n++
	}
	return w, n, quote
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// split breaks a command line into words.
func split(line string) ([]word, error) {
	if len(line) > maxLine {
		return nil, usagef("the line is longer than %d bytes", maxLine)
	}
	var words []word
	for i := 0; ; {
		for i < len(line) && isBlank(line[i]) {
			i++
		}
		if i == len(line) {
			return words, nil
		}
		w, n, open := lexWord(line[i:])
		switch {
		case open == '\\':
			return nil, usagef("the line ends in a backslash")
		case open != 0:
			return nil, usagef("missing closing %c", open)
		case len(words) == maxWords:
			return nil, usagef("more than %d words", maxWords)
		}
		words = append(words, w)
		i += n
	}
}

// quote writes name so that split reads it back as one word. style is the quote to
// use: ' or ", or 0 for backslashes where they are needed. Without last the quote
// stays open, for more to follow.
func quote(name string, style byte, last bool) string {
	var b strings.Builder
	switch style {
	case '\'':
		b.WriteString(`'` + strings.ReplaceAll(name, `'`, `'\''`))
	case '"':
		b.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name))
	default:
		for i := range len(name) {
			if c := name[i]; strings.IndexByte(" \t'\"\\*?[]", c) >= 0 || i == 0 && strings.IndexByte("~#!", c) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(name[i])
		}
		return b.String()
	}
	if last {
		b.WriteByte(style)
	}
	return b.String()
}

// flags are the one-letter options of a command.
type flags map[byte]bool

// options takes the options out of the words of a command. known are the letters
// that it has; what follows -- is no option.
func options(command string, words []word, known string) (flags, []word, error) {
	set := flags{}
	var rest []word
	for i, w := range words {
		switch {
		case w.text == "--":
			return set, append(rest, words[i+1:]...), nil
		case len(w.text) < 2 || w.text[0] != '-':
			rest = append(rest, w)
			continue
		}
		for _, c := range []byte(w.text[1:]) {
			if strings.IndexByte(known, c) < 0 {
				return nil, nil, usagef("%s has no option -%c; a file of that name is ./%s", command, c, w.text)
			}
			set[c] = true
		}
	}
	return set, rest, nil
}
